//! One account's gate: tables for the door, and a modelled vendor for the rate window.

use std::num::NonZeroU32;

use event_connector::delivery::admission::{
    Change, Fingerprint, Gate, Limits, Pace, Rate, Sign, Terms, Ticket, Why, Window,
};
use proptest::prelude::*;

use super::desk::ACCOUNT;

/// One call under way at most, so that tables can be read.
const ONE: Limits = Limits {
    account_workers: 1,
    ..ACCOUNT
};

/// Makes a call that ends at once.
fn call(gate: &mut Gate, now_ms: u64, sign: Sign) -> Option<Change> {
    let ticket = gate.admit(now_ms, &ONE).expect("a call may begin");
    gate.settle(ticket, sign, None, (now_ms, 0.5), &ONE)
}

fn shut_silent() -> Gate {
    let mut gate = Gate::default();
    for n in 1..=5 {
        let change = call(&mut gate, 0, Sign::Silent);
        assert_eq!(change, (n == 5).then_some(Change::Shut(Why::Silent)));
    }
    gate
}

#[test]
fn calls_without_an_answer_shut_the_gate_only_in_a_row() {
    let mut gate = Gate::default();
    for answer in [Sign::Works, Sign::Limited { after_ms: None }] {
        for _ in 0..4 {
            assert_eq!(call(&mut gate, 0, Sign::Silent), None);
        }
        assert_eq!(call(&mut gate, 0, answer), None);
        gate = Gate::default();
    }
    let mut gate = shut_silent();
    assert_eq!(gate.places(0, &ONE), 0);
    assert_eq!(gate.opens_ms(0), Some(5_000));
    assert!(gate.admit(4_999, &ONE).is_none());
}

#[test]
fn a_shut_gate_lets_exactly_one_probe_through_and_waits_longer_each_time() {
    let limits = Limits {
        account_workers: 9,
        ..ACCOUNT
    };
    let mut gate = shut_silent();
    let mut now_ms = 5_000;
    for pause_ms in [10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000] {
        assert_eq!(gate.places(now_ms, &limits), 1);
        let probe = gate.admit(now_ms, &limits).expect("the probe");
        assert!(gate.admit(now_ms, &limits).is_none());
        assert_eq!(gate.opens_ms(now_ms), None, "the probe decides");
        let change = gate.settle(probe, Sign::Silent, None, (now_ms, 0.5), &limits);
        assert_eq!(change, None, "it was told once");
        assert_eq!(gate.opens_ms(now_ms), Some(now_ms + pause_ms));
        now_ms += pause_ms;
    }
    let probe = gate.admit(now_ms, &limits).expect("the probe");
    let change = gate.settle(probe, Sign::Works, None, (now_ms, 0.5), &limits);
    assert_eq!(change, Some(Change::Opened(Why::Silent)));
    assert_eq!(gate.places(now_ms, &limits), 9);
    assert!(gate.is_as_new(now_ms));
}

#[test]
fn terms_of_its_own_say_how_many_calls_are_under_way() {
    let mut gate = Gate::new(Terms {
        workers: Some(3),
        ..Terms::default()
    });
    let tickets: Vec<Ticket> = (0..4).map_while(|_| gate.admit(0, &ONE)).collect();
    assert_eq!((tickets.len(), gate.places(0, &ONE)), (3, 0));
    for ticket in tickets {
        gate.settle(ticket, Sign::Works, None, (0, 0.5), &ONE);
    }
    assert_eq!(gate.places(0, &ONE), 3);
}

#[test]
fn a_clock_that_was_set_back_holds_no_call_up() {
    let most = NonZeroU32::new(2);
    let mut pace = Pace::default();
    for _ in 0..2 {
        pace.begin(100_000);
    }
    assert_eq!(
        (pace.room(most, 100_500), pace.room(None, 0)),
        (0, usize::MAX)
    );
    assert_eq!(pace.opens_ms(most, 100_500), Some(101_000));
    assert_eq!(
        (pace.room(most, 1_000), pace.opens_ms(most, 1_000)),
        (2, None)
    );
    pace.begin(1_000);
    assert_eq!(pace.room(most, 100_500), 2, "what was ahead is forgotten");
}

#[test]
fn a_probe_that_was_no_call_leaves_its_place_to_the_next() {
    let mut gate = shut_silent();
    assert_eq!(call(&mut gate, 5_000, Sign::NotCalled), None);
    assert_eq!(gate.places(5_000, &ONE), 1);
}

#[test]
fn refused_credentials_shut_the_gate_at_once_until_the_next_probe_or_an_invitation() {
    let mut gate = Gate::default();
    let change = call(&mut gate, 0, Sign::Refused);
    assert_eq!(change, Some(Change::Shut(Why::Refused)));
    assert!(gate.is_refused());
    assert_eq!(gate.opens_ms(0), Some(ONE.refused_probe_ms));
    gate.invite();
    assert_eq!(call(&mut gate, 10, Sign::Refused), None, "it was told once");
    assert_eq!(gate.opens_ms(10), Some(10 + ONE.refused_probe_ms));
    gate.invite();
    assert_eq!(call(&mut gate, 20, Sign::Silent), None);
    assert!(gate.is_refused());
    assert_eq!(gate.opens_ms(20), Some(5_020), "no answer is no verdict");
    let change = call(&mut gate, 5_020, Sign::Works);
    assert_eq!(change, Some(Change::Opened(Why::Refused)));
}

#[test]
fn stragglers_neither_open_nor_shut() {
    let limits = Limits {
        account_workers: 9,
        ..ACCOUNT
    };
    let mut gate = Gate::default();
    let admit = |gate: &mut Gate| gate.admit(0, &limits).expect("a call may begin");
    let early: Vec<_> = (0..8).map(|_| admit(&mut gate)).collect();
    let mut early = early.into_iter();
    for ticket in early.by_ref().take(5) {
        gate.settle(ticket, Sign::Silent, None, (0, 0.5), &limits);
    }
    assert_eq!(gate.opens_ms(0), Some(5_000));
    for (ticket, sign) in early.zip([Sign::Works, Sign::Silent, Sign::Refused]) {
        assert_eq!(gate.settle(ticket, sign, None, (1, 0.5), &limits), None);
        assert_eq!(gate.opens_ms(1), Some(5_000), "{sign:?}");
    }
}

#[test]
fn a_rate_limit_is_waited_for_and_never_for_ever() {
    for (after_ms, wait_ms) in [
        (None, ACCOUNT.rate_pause_ms),
        (Some(7_000), 7_000),
        (Some(u64::MAX), ACCOUNT.rate_pause_cap_ms),
    ] {
        let mut gate = Gate::default();
        call(&mut gate, 100, Sign::Limited { after_ms });
        assert_eq!(gate.opens_ms(100), Some(100 + wait_ms));
        assert_eq!(gate.places(99 + wait_ms, &ONE), 0);
        assert_eq!(gate.places(100 + wait_ms, &ONE), 1);
    }
}

fn rate(limit: u32, remaining: u32, reset_ms: u64) -> Rate {
    Rate {
        limit,
        remaining,
        reset_ms,
    }
}

#[test]
fn calls_under_way_count_against_what_is_left() {
    let mut window = Window::default();
    assert_eq!(window.room(3, 0), usize::MAX, "nothing is known");
    window.told(rate(40, 10, 9_000), 1_000, 900_000);
    assert_eq!(window.room(3, 1_000), 7);
    window.told(rate(40, 12, 9_000), 1_001, 900_000);
    assert_eq!(window.room(0, 1_001), 10, "an answer that was overtaken");
    window.untold(1_002);
    assert_eq!(window.room(0, 1_002), 9);
    assert_eq!(window.room(0, 9_000), 40, "a new window");
    assert_eq!(window.room(5, 9_000), 35);
    window.told(rate(40, 0, 9_000), 9_001, 900_000);
    assert_eq!(window.room(0, 9_001), 40, "an answer from the old window");
    window.told(rate(40, 38, 19_000), 9_002, 900_000);
    assert_eq!(window.room(0, 9_002), 38);
}

#[test]
fn headers_that_make_no_sense_stop_nothing_for_long() {
    let mut window = Window::default();
    window.told(rate(0, 0, u64::MAX), 0, 900_000);
    assert_eq!(window.room(0, 899_999), 0);
    assert_eq!(window.room(0, 900_000), 1);
    for now_ms in 0..50_000 {
        window.untold(900_000 + now_ms);
    }
    assert_eq!(window.room(0, 960_000), 1, "a later window");
}

#[test]
fn an_account_is_recognised_and_its_token_is_not_shown() {
    let one = Fingerprint::of("https://api.intercom.io", "tok");
    assert_eq!(one, Fingerprint::of("https://api.intercom.io", "tok"));
    assert_ne!(one, Fingerprint::of("https://api.eu.intercom.io", "tok"));
    assert_ne!(one, Fingerprint::of("https://api.intercom.io", "tok2"));
    assert_eq!(format!("{one:?}"), "an account");
}

/// A call on its way to a vendor and back.
#[derive(Debug)]
struct Flight {
    ticket: Ticket,
    arrives_ms: u64,
    ends_ms: u64,
    is_answered: bool,
    told: Option<Rate>,
}

/// Counts calls in windows of ten seconds.
#[derive(Default)]
struct Vendor {
    window: u64,
    used: u32,
    most: u32,
}

impl Vendor {
    fn count(&mut self, at_ms: u64, limit: u32) -> Rate {
        if at_ms / 10_000 != self.window {
            (self.window, self.used) = (at_ms / 10_000, 0);
        }
        self.used += 1;
        self.most = self.most.max(self.used);
        rate(
            limit,
            limit.saturating_sub(self.used),
            (self.window + 1) * 10_000,
        )
    }
}

proptest! {
    #[test]
    fn no_window_is_ever_overdrawn_whatever_the_wire_does(
        limit in 5_u32..60,
        workers in 1_usize..5,
        steps in prop::collection::vec((0_u64..900, 0_u64..4_000, 0_u64..4_000, 0_u8..10), 1..400),
    ) {
        let limits = Limits { account_workers: workers, breaker_failures: u32::MAX, ..ACCOUNT };
        let (mut gate, mut vendor) = (Gate::default(), Vendor::default());
        let mut flights: Vec<Flight> = Vec::new();
        let mut now_ms = 0;
        let mut is_told = false;
        for (pause_ms, out_ms, back_ms, luck) in steps {
            now_ms += pause_ms;
            flights.sort_by_key(|flight| flight.arrives_ms);
            for flight in flights.iter_mut().filter(|one| one.told.is_none()) {
                if flight.arrives_ms <= now_ms {
                    flight.told = Some(vendor.count(flight.arrives_ms, limit));
                }
            }
            flights.sort_by_key(|flight| flight.ends_ms);
            while flights.first().is_some_and(|flight| flight.ends_ms <= now_ms) {
                let flight = flights.remove(0);
                let at = (flight.ends_ms, 0.5);
                let told = flight.told.filter(|_| flight.is_answered);
                is_told |= told.is_some();
                let sign = if flight.is_answered { Sign::Works } else { Sign::Silent };
                gate.settle(flight.ticket, sign, told, at, &limits);
            }
            while let Some(ticket) = gate.admit(now_ms, &limits) {
                flights.push(Flight {
                    ticket,
                    arrives_ms: now_ms + out_ms,
                    ends_ms: now_ms + out_ms + back_ms,
                    // Until the first answer nobody knows of a limit.
                    is_answered: luck > 1 || !is_told,
                    told: None,
                });
            }
            prop_assert!(flights.len() <= workers);
            prop_assert!(vendor.most <= limit, "{} of {limit}", vendor.most);
        }
    }

    /// Whoever comes whenever a gate says that it opens gets through as often as it may, and never oftener.
    #[test]
    fn no_second_sees_more_calls_than_it_may(
        most in 1_u32..20,
        pauses_ms in prop::collection::vec(prop_oneof![3 => Just(0_u64), 1 => 1_u64..700], 1..200),
    ) {
        let limits = Limits { account_workers: usize::MAX, ..ACCOUNT };
        let second_max = NonZeroU32::new(most);
        let mut gate = Gate::new(Terms { second_max, ..Terms::default() });
        let (mut now_ms, mut began_ms) = (0_u64, Vec::new());
        for pause_ms in pauses_ms {
            now_ms += pause_ms;
            if gate.places(now_ms, &limits) == 0 {
                let opens_ms = gate.opens_ms(now_ms).expect("time opens it");
                prop_assert_eq!(gate.places(opens_ms - 1, &limits), 0);
                now_ms = opens_ms;
            }
            prop_assert!(gate.admit(now_ms, &limits).is_some());
            began_ms.push(now_ms);
        }
        for (place, since_ms) in began_ms.iter().enumerate() {
            let within = began_ms[place..].iter().filter(|ms| *ms - since_ms < 1_000);
            prop_assert!(within.count() <= most as usize);
        }
        prop_assert!(!gate.is_as_new(now_ms), "it is not forgotten");
        let later_ms = now_ms + 1_000;
        prop_assert_eq!(gate.places(later_ms, &limits), most as usize);
    }

    #[test]
    fn a_gate_always_opens_again(
        story in prop::collection::vec((0_u8..6, 0_u64..400_000, any::<u64>()), 1..60),
    ) {
        let mut gate = Gate::default();
        let mut now_ms = 0_u64;
        for (what, pause_ms, after_ms) in story {
            now_ms += pause_ms;
            let Some(ticket) = gate.admit(now_ms, &ONE) else {
                let opens_ms = gate.opens_ms(now_ms);
                let longest_ms = ONE.refused_probe_ms + ONE.refused_probe_ms / 10;
                prop_assert!(opens_ms.is_some_and(|at| at > now_ms && at <= now_ms + longest_ms));
                continue;
            };
            let (sign, told) = match what {
                0 => (Sign::Works, None),
                1 => (Sign::Silent, None),
                2 => (Sign::Limited { after_ms: Some(after_ms) }, None),
                3 => (Sign::Refused, None),
                4 => (Sign::NotCalled, None),
                _ => (Sign::Works, Some(rate(2, 0, after_ms))),
            };
            gate.settle(ticket, sign, told, (now_ms, 0.5), &ONE);
        }
    }
}

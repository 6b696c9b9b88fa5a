//! When to stop trying, and how often to speak first.

use event_connector::domain::cooldown::Cooldown;
use event_connector::domain::proactive::resilience::{
    Circuit, CircuitSettings, Counter, Limits, Outcome, Place, Role,
};
use proptest::prelude::*;

/// 2023-11-14 22:13:20 UTC.
const T0: f64 = 1_700_000_000.0;

const PLACE: Place<'static> = Place {
    surface: "page",
    product: "acme",
    session: "s1",
    user: Some("u1"),
};

fn all(limits: &Limits, now: f64) -> Vec<Counter> {
    let interval = PLACE.interval(limits, now).into_iter();
    interval.chain(PLACE.quotas(limits, now)).collect()
}

const STRICT: Limits = Limits {
    min_interval_s: 300.0,
    per_product_minute: 10,
    per_session_hour: 2,
    per_user_day: 3,
};

#[test]
fn five_failures_in_a_row_open_the_circuit_for_two_minutes() {
    let settings = CircuitSettings::default();
    let mut circuit = Circuit::default();
    for _ in 0..4 {
        assert!(!circuit.fail(&settings, T0));
    }
    circuit.succeed();
    for _ in 0..4 {
        assert!(!circuit.fail(&settings, T0));
    }
    assert!(!circuit.is_open(T0));
    assert!(circuit.fail(&settings, T0));
    assert_eq!(circuit.open_until(), Some(Cooldown::Until(T0 + 120.0)));
    assert!(circuit.is_open(T0 + 119.9));
    assert!(!circuit.is_open(T0 + 120.0));
    // It has been closed, even if the clock is set back.
    assert!(!circuit.is_open(T0));
}

#[test]
fn what_the_next_attempt_would_meet_as_well_counts_as_a_failure() {
    let failures: Vec<&str> = Outcome::ALL
        .into_iter()
        .filter(|outcome| outcome.is_failure())
        .map(Outcome::as_str)
        .collect();
    assert_eq!(failures, ["transport_error", "rate_limited", "timeout"]);
}

#[test]
fn counters_name_their_windows_and_end_with_them() {
    let seen: Vec<_> = all(&STRICT, T0)
        .into_iter()
        .map(|counter| (counter.id, counter.ends_at, counter.max))
        .collect();
    let expected = [
        ("v1:page:acme:min_interval:s1", T0 + 300.0, 1),
        ("v1:page:acme:attempts_min:28333333", 1_700_000_040.0, 10),
        ("v1:page:acme:sess_hour:s1:1699999200", 1_700_002_800.0, 2),
        ("v1:page:acme:user_day:u1:2023-11-14", 1_700_006_400.0, 3),
    ];
    let expected = expected.map(|(id, ends_at, max)| (id.to_owned(), ends_at, max));
    assert_eq!(seen, expected);
}

#[test]
fn zero_is_no_limit_and_nobody_has_no_day() {
    let usual = all(&Limits::default(), T0);
    assert_eq!(usual.len(), 1);
    assert_eq!(usual[0].role, Role::MinInterval);
    let none = Limits {
        min_interval_s: 0.0,
        ..Limits::default()
    };
    assert_eq!(all(&none, T0), []);
    let nobody = Place {
        user: None,
        ..PLACE
    };
    let roles: Vec<Role> = nobody.quotas(&STRICT, T0).map(|one| one.role).collect();
    assert_eq!(roles, [Role::ProductMinute, Role::SessionHour]);
}

#[test]
fn a_counter_permits_as_many_as_it_may_hold() {
    let hour = all(&STRICT, T0).remove(2);
    assert_eq!(hour.role.skip_reason(), "quota:session_hour");
    let permitted: Vec<bool> = (0..4).map(|count| hour.permits(count)).collect();
    assert_eq!(permitted, [true, true, false, false]);
}

proptest! {
    #[test]
    fn a_window_has_one_name_from_its_beginning_to_its_end(now in 0.0..4e9_f64) {
        for counter in PLACE.quotas(&STRICT, now) {
            prop_assert!(counter.ends_at > now);
            let same = |at| PLACE.quotas(&STRICT, at).any(|other| other.id == counter.id);
            prop_assert!(same(counter.ends_at - 0.001));
            prop_assert!(!same(counter.ends_at));
        }
    }

    #[test]
    fn a_circuit_survives_being_stored(
        history in proptest::collection::vec((0..3_u8, any::<f64>()), 0..40),
        pause_s in any::<f64>(),
    ) {
        let settings = CircuitSettings { failure_threshold: 2, pause_s };
        let mut circuit = Circuit::default();
        for (operation, now) in history {
            match operation {
                0 => _ = circuit.fail(&settings, now),
                1 => _ = circuit.is_open(now),
                _ => circuit.succeed(),
            }
            let stored = serde_json::to_string(&circuit).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Circuit>(&stored).unwrap(), &circuit);
        }
    }
}

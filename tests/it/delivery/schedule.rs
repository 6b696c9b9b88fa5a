//! When to try again: a table and what holds for every schedule.

use event_connector::domain::retry::Schedule;
use proptest::prelude::*;

const SCHEDULE: Schedule = Schedule {
    retries_max: 5,
    base_ms: 2_000,
    cap_ms: 10_000,
};

#[test]
fn pauses_double_up_to_the_cap_and_then_end() {
    let pauses: Vec<_> = (0..8).map(|at| SCHEDULE.after(at, 0.5, None)).collect();
    let wanted = [
        Some(2_000),
        Some(2_000),
        Some(4_000),
        Some(8_000),
        Some(10_000),
        Some(10_000),
        None,
        None,
    ];
    assert_eq!(pauses, wanted);
}

#[test]
fn jitter_spreads_a_pause_by_a_tenth_either_way() {
    assert_eq!(SCHEDULE.after(1, 0.0, None), Some(1_800));
    assert_eq!(SCHEDULE.after(1, 0.999, None), Some(2_198));
    assert_eq!(SCHEDULE.after(1, f64::NAN, None), Some(1_800));
    assert_eq!(SCHEDULE.after(1, 7.0, None), Some(2_200));
}

#[test]
fn a_wish_is_never_undercut_and_never_parks_work_for_long() {
    assert_eq!(SCHEDULE.after(1, 0.0, Some(0)), Some(1_800));
    assert_eq!(SCHEDULE.after(1, 0.0, Some(7_000)), Some(7_000));
    assert_eq!(SCHEDULE.after(1, 0.5, Some(7_000)), Some(8_000));
    assert_eq!(SCHEDULE.after(4, 0.0, Some(1_000)), Some(9_000));
    assert_eq!(SCHEDULE.after(1, 0.0, Some(u64::MAX)), Some(40_000));
}

#[test]
fn no_retries_means_one_attempt() {
    let once = Schedule {
        retries_max: 0,
        ..SCHEDULE
    };
    assert_eq!(once.after(1, 0.5, Some(1)), None);
    assert!(!once.is_spent(1));
    assert!(once.is_spent(2));
}

proptest! {
    #[test]
    fn every_pause_is_bounded_and_every_schedule_ends(
        retries_max in any::<u32>(),
        base_ms in any::<u64>(),
        cap_ms in any::<u64>(),
        attempt in any::<u32>(),
        jitter in any::<f64>(),
        wish_ms in any::<Option<u64>>(),
    ) {
        let schedule = Schedule { retries_max, base_ms, cap_ms };
        let pause = schedule.after(attempt, jitter, wish_ms);
        prop_assert_eq!(pause.is_none(), attempt > retries_max);
        if let Some(pause) = pause {
            let own_max = cap_ms.saturating_add(cap_ms / 10 + 1);
            let asked_max = cap_ms.saturating_mul(4).saturating_add(base_ms);
            let most = if wish_ms.is_some() { own_max.max(asked_max) } else { own_max };
            prop_assert!(pause <= most);
            let honoured = wish_ms.unwrap_or(0).min(cap_ms.saturating_mul(4));
            prop_assert!(pause >= honoured);
        }
    }

    #[test]
    fn pauses_never_shrink_while_they_grow(jitter in 0.0..1.0_f64, attempt in 1_u32..4) {
        let now = SCHEDULE.after(attempt, jitter, None);
        prop_assert!(SCHEDULE.after(attempt + 1, jitter, None) >= now);
    }
}

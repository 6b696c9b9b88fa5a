//! What holds for every story: no action lost outside the window rule, none told twice, order
//! kept, one note per pause, a deadline whenever something is pending.

use event_connector::domain::machine::Machine;
use event_connector::domain::session::{Link, Outcome};
use event_connector::domain::time::to_ms;
use proptest::prelude::*;

use super::stage::{Stage, T0, action};

/// One thing that happens, some time after the one before.
#[derive(Clone, Debug)]
enum Turn {
    Act(u8),
    Link(u8),
    Deliver,
    Gone,
    Repeat,
}

fn turns() -> impl Strategy<Value = Vec<(u32, Turn)>> {
    let turn = prop_oneof![
        6 => (1u8..4).prop_map(Turn::Act),
        2 => (0u8..3).prop_map(Turn::Link),
        3 => Just(Turn::Deliver),
        1 => Just(Turn::Gone),
        1 => Just(Turn::Repeat),
    ];
    proptest::collection::vec((0u32..400, turn), 1..60)
}

/// Plays a story in steps of milliseconds; returns the names of all actions, in order.
fn play(stage: &mut Stage, story: &[(u32, Turn)]) -> (Vec<String>, f64) {
    let mut now = T0;
    let mut names = Vec::new();
    let mut last = Vec::new();
    let mut settled = 0;
    for (wait_ms, turn) in story {
        now += f64::from(*wait_ms) / 1000.0;
        match turn {
            Turn::Act(count) => {
                last = (0..*count)
                    .map(|_| {
                        let name = format!("<{}>", names.len());
                        names.push(name.clone());
                        action(&name, now)
                    })
                    .collect();
                stage.act(now, &last);
            }
            Turn::Repeat => {
                stage.act(now, &last.clone());
            }
            Turn::Link(number) => {
                stage.link(now, &format!("c{number}"));
            }
            Turn::Deliver | Turn::Gone => {
                stage.until(now);
                let Some(id) = stage.notes().get(settled).map(|note| note.id.clone()) else {
                    continue;
                };
                settled += 1;
                let outcome = match turn {
                    Turn::Gone => Outcome::Gone("gone".into()),
                    _ => Outcome::Delivered(Some(format!("p{settled}").as_str().into())),
                };
                stage.settle(now, &id, outcome);
            }
        }
        let has_pending =
            matches!(&stage.session.link, Link::Linked { pending, .. } if !pending.is_empty());
        assert!(
            !has_pending || stage.session.deadline().is_some(),
            "pending without a deadline"
        );
    }
    (names, now)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of this millennium fit a double exactly"
    )]
    fn a_clock_that_reads_a_deadlines_milliseconds_has_reached_it(
        whole in 1_779_000_000_000_u64..1_780_000_000_000,
        steps in -3_i64..=3,
    ) {
        // Otherwise whoever waits for the deadline finds that it is not due, and waits no longer.
        let exact = whole as f64 / 1000.0;
        let at = (0..steps.abs()).fold(exact, |at, _| {
            if steps < 0 { at.next_down() } else { at.next_up() }
        });
        prop_assert!(to_ms(at) as f64 / 1000.0 >= at);
        prop_assert!(to_ms(at) <= whole + 1);
    }

    #[test]
    fn every_action_is_on_the_feed_once_and_in_order(story in turns()) {
        let mut stage = Stage::new();
        let (names, _) = play(&mut stage, &story);
        let published = stage.published();
        let told: Vec<_> = published.iter().map(|a| a.description.clone()).collect();
        prop_assert_eq!(told, names);
        let indexes: Vec<_> = published.iter().map(|a| a.index).collect();
        prop_assert!(indexes.iter().enumerate().all(|(at, index)| *index == at as u64));
    }

    #[test]
    fn every_action_ends_up_in_a_note_that_was_not_withdrawn(story in turns()) {
        let mut stage = Stage::new();
        let (names, now) = play(&mut stage, &story);
        stage.until(now + 1.0);
        // A last conversation collects whatever still waits.
        stage.link(now + 2.0, "last");
        stage.until(now + 10.0);
        let withdrawn: Vec<_> = stage.outbox.iter().filter_map(|change| match change {
            event_connector::domain::log::OutboxChange::Withdrawn { id } => Some(id.clone()),
            _ => None,
        }).collect();
        let mut counts = vec![0usize; names.len()];
        for note in stage.notes().iter().filter(|note| !withdrawn.contains(&note.id)) {
            let mut previous = None;
            for (at, name) in names.iter().enumerate() {
                if note.text.contains(name.as_str()) {
                    counts[at] += 1;
                    prop_assert!(previous.is_none_or(|p| p < at));
                    previous = Some(at);
                }
            }
        }
        prop_assert!(counts.iter().all(|count| *count == 1), "{:?}", counts);
        prop_assert_eq!(stage.session.trimmed, 0);
    }

    #[test]
    fn a_steady_stream_gives_one_note_per_pause(gaps in proptest::collection::vec(0u32..400, 1..40)) {
        let mut stage = Stage::new();
        stage.link(T0, "c1");
        let mut now = T0 + 1.0;
        let mut pauses = 1;
        stage.act(now, &[action("first", now)]);
        for (number, gap_ms) in gaps.iter().enumerate() {
            // The pause ends exactly at the debounce, so the boundary belongs to the old note.
            if *gap_ms >= 150 {
                pauses += 1;
            }
            now = (now * 1000.0 + f64::from(*gap_ms)).round() / 1000.0;
            stage.act(now, &[action(&format!("a{number}"), now)]);
        }
        stage.until(now + 1.0);
        // Sums of doubles may fall on either side of the exact boundary.
        let exact = gaps.iter().filter(|gap| **gap == 150).count();
        prop_assert!(stage.notes().len() <= pauses && stage.notes().len() + exact >= pauses);
    }
}

//! Pushes, as the session heart sees them: written down with the feed, and nothing more.

use event_connector::domain::attempt::AttemptRecord;
use event_connector::domain::id::{DeliveryId, ProductId};
use event_connector::domain::lane::{conversation, parse_lane};
use event_connector::domain::log::{EntryType, OutboxChange};
use event_connector::domain::machine::Machine;
use event_connector::domain::session::{Errand, Outcome, Policy, Settlement};

use super::stage::{Stage, T0, action};

fn pushing() -> Stage {
    Stage::with(Policy {
        pushes: true,
        ..Policy::default()
    })
}

#[test]
fn every_batch_on_the_feed_is_queued_as_the_same_text_in_the_sessions_lane() {
    let mut stage = pushing();
    stage.act(T0, &[action("a", T0), action("b", T0)]);
    stage.act(T0 + 1.0, &[action("a", T0), action("c", T0 + 1.0)]);
    stage.act(T0 + 2.0, &[action("c", T0 + 1.0)]);
    let told = stage.entries.iter();
    let told = told.filter(|entry| entry.r#type == EntryType::Actions);
    let told: Vec<_> = told.map(|entry| &entry.body).collect();
    let pushed: Vec<_> = stage.pushed.iter().map(|one| &one.body).collect();
    assert_eq!(pushed, told, "what was seen before is not told again");
    assert_eq!(pushed.len(), 2);
    for delivery in &stage.pushed {
        assert_eq!(&*delivery.lane, "acme/push/s1");
        let place = parse_lane(&ProductId::from("acme"), &delivery.lane).expect("a lane");
        assert_eq!((place, conversation(place)), (("push", "s1"), None));
    }
    assert_ne!(stage.pushed[0].id, stage.pushed[1].id);

    let mut quiet = Stage::new();
    quiet.act(T0, &[action("a", T0)]);
    assert!(quiet.pushed.is_empty());
}

#[test]
fn the_end_of_a_push_touches_neither_link_nor_notes() {
    let mut stage = pushing();
    stage.link(T0, "c1");
    stage.act(T0 + 1.0, &[action("a", T0 + 1.0)]);
    stage.until(T0 + 2.0);
    let before = stage.session.clone();
    let entries = stage.entries.len();
    let id = stage.pushed[0].id.clone();
    stage.settle_push(T0 + 2.0, &id, Outcome::Delivered(None));
    assert_eq!(stage.session, before);
    let part = None;
    let delivered = OutboxChange::Delivered {
        id: id.clone(),
        part,
    };
    assert_eq!(stage.outbox.last(), Some(&delivered));

    for outcome in [Outcome::Failed("no".into()), Outcome::Gone("no".into())] {
        stage.settle_push(T0 + 2.0, &id, outcome);
        assert!(matches!(
            stage.outbox.last(),
            Some(OutboxChange::Dead { .. })
        ));
    }
    assert_eq!(
        (&stage.session.link, &stage.session.open_notes),
        (&before.link, &before.open_notes)
    );
    let told = stage
        .session
        .last_error
        .as_ref()
        .expect("operators hear of it");
    assert_eq!(&*told.text, "no");
    assert_eq!(stage.entries.len(), entries);
    assert_eq!(stage.session.deadline(), before.deadline());
}

#[test]
fn only_the_end_of_a_push_that_arrived_is_written_without_its_session() {
    let id = DeliveryId::from("d1");
    let attempt = AttemptRecord::lost(7);
    let end = |errand, outcome| Settlement {
        delivery: id.clone(),
        errand,
        outcome,
        attempt: Some(attempt.clone()),
        replayed: false,
    };
    let arrived = end(Errand::Push, Outcome::Delivered(None)).alone();
    let wanted = [
        OutboxChange::Attempted {
            id: id.clone(),
            attempt: attempt.clone(),
        },
        OutboxChange::Delivered {
            id: id.clone(),
            part: None,
        },
    ];
    assert_eq!(arrived.expect("it stands alone").outbox, wanted);
    for (errand, outcome) in [
        (Errand::Push, Outcome::Failed("no".into())),
        (Errand::Push, Outcome::Gone("no".into())),
        (Errand::Note, Outcome::Delivered(None)),
        (Errand::Note, Outcome::Failed("no".into())),
        (Errand::Note, Outcome::Gone("no".into())),
    ] {
        let end = end(errand, outcome);
        assert!(end.alone().is_none(), "{end:?}");
    }
}

//! The session heart, as tables and properties: no runtime, no store, milliseconds.

mod dwelling;
mod laws;
mod ledger;
mod linking;
mod properties;
mod pushing;
mod recalling;
mod settling;
mod speaking;
mod stage;

use event_connector::domain::log::{EntryType, OutboxChange};
use event_connector::domain::machine::Machine;
use event_connector::domain::session::{IndexMode, Policy, Reply};
use serde_json::json;

use stage::{Stage, T0, action};

#[test]
fn actions_before_a_link_wait_and_leave_as_one_binned_note() {
    let mut stage = Stage::new();
    stage.act(T0, &[action("a", T0)]);
    stage.act(T0 + 1.0, &[action("b", T0 + 1.0)]);
    stage.act(T0 + 20.0, &[action("c", T0 + 20.0)]);
    assert_eq!(stage.session.deadline(), None);

    assert_eq!(stage.link(T0 + 21.0, "c1"), Reply::Linked);

    let notes = stage.notes();
    assert_eq!(notes.len(), 1);
    assert_eq!(notes[0].conversation, "c1");
    assert!(
        notes[0].text.ends_with("[1] a\n[2] b\n\n[3] c"),
        "{}",
        notes[0].text
    );
}

#[test]
fn the_window_keeps_its_boundary_and_counts_what_it_trims() {
    let mut stage = Stage::new();
    stage.act(T0, &[action("old", T0 - 0.001), action("edge", T0)]);
    stage.act(T0 + 120.0, &[action("new", T0 + 120.0)]);
    stage.link(T0 + 500.0, "c1");
    let text = &stage.notes()[0].text;
    assert!(
        !text.contains("old") && text.contains("edge") && text.contains("new"),
        "{text}"
    );
    assert_eq!(stage.session.trimmed, 1);
    assert_eq!(stage.trimmed_actions, 1);
    assert_eq!(stage.count(EntryType::WindowTrimmed), 1);
}

#[test]
fn a_late_source_is_measured_from_arrival() {
    let mut stage = Stage::new();
    stage.act_late(T0, &[action("minutes late", T0 - 600.0)]);
    stage.link(T0 + 1.0, "c1");
    assert!(stage.notes()[0].text.contains("minutes late"));
}

#[test]
fn the_window_is_bounded_in_number_too() {
    let mut stage = Stage::with(Policy {
        window_actions_max: 2,
        ..Policy::default()
    });
    stage.act(T0, &[action("a", T0), action("b", T0), action("c", T0)]);
    stage.link(T0 + 1.0, "c1");
    assert!(stage.notes()[0].text.ends_with("[1] b\n[2] c"));
    assert_eq!(stage.session.trimmed, 1);
}

#[test]
fn after_a_link_a_pause_gives_one_note_without_bins() {
    let mut stage = Stage::new();
    stage.link(T0, "c1");
    stage.act(T0 + 1.0, &[action("a", T0 + 1.0)]);
    stage.act(T0 + 1.1, &[action("b", T0 - 30.0)]);
    assert_eq!(stage.session.deadline(), Some(T0 + 1.1 + 0.15));
    stage.until(T0 + 5.0);
    let notes = stage.notes();
    assert_eq!(notes.len(), 1);
    assert!(notes[0].text.ends_with("[1] b\n[2] a"), "{}", notes[0].text);
    assert_eq!(notes[0].at, T0 + 1.1 + 0.15);
}

#[test]
fn a_flood_after_a_link_is_noted_before_memory_fills() {
    let mut stage = Stage::with(Policy {
        window_actions_max: 3,
        ..Policy::default()
    });
    stage.link(T0, "c1");
    stage.act(
        T0 + 1.0,
        &[action("a", T0), action("b", T0), action("c", T0)],
    );
    assert_eq!(stage.notes().len(), 1);
    assert_eq!(stage.session.deadline(), None);
}

#[test]
fn a_redelivery_is_counted_and_has_no_effect() {
    let mut stage = Stage::new();
    let batch = [action("a", T0), action("b", T0 + 1.0)];
    assert_eq!(
        stage.act(T0, &batch),
        Reply::Accepted {
            actions: 2,
            duplicates: 0
        }
    );
    assert_eq!(
        stage.act(T0 + 3600.0, &batch),
        Reply::Accepted {
            actions: 0,
            duplicates: 2
        }
    );
    assert_eq!(stage.published().len(), 2);
    // The memory ends after six hours.
    assert_eq!(
        stage.act(T0 + 6.0 * 3600.0 + 2.0, &batch),
        Reply::Accepted {
            actions: 2,
            duplicates: 0
        }
    );
}

#[test]
fn a_body_larger_than_the_memory_is_still_recognised() {
    let mut stage = Stage::new();
    let batch: Vec<_> = (0..3000).map(|n| action(&format!("a{n}"), T0)).collect();
    stage.act(T0, &batch);
    assert_eq!(
        stage.act(T0 + 1.0, &batch),
        Reply::Accepted {
            actions: 0,
            duplicates: 3000
        }
    );
}

#[test]
fn actions_are_numbered_through_the_session_and_end_where_the_next_begins() {
    let mut stage = Stage::new();
    stage.act(T0, &[action("a", T0), action("b", T0 + 2.5)]);
    stage.act(T0 + 9.0, &[action("c", T0 + 9.0)]);
    let wire: Vec<_> = stage
        .published()
        .iter()
        .map(|a| (a.index, a.timestamp_start - T0, a.timestamp_end - T0))
        .collect();
    assert_eq!(wire, [(0, 0.0, 2.5), (1, 2.5, 2.5), (2, 9.0, 9.0)]);
}

#[test]
fn numbering_starts_over_after_a_day_or_in_every_batch_on_request() {
    let mut stage = Stage::new();
    stage.act(T0, &[action("a", T0)]);
    stage.act(T0 + 86_401.0, &[action("b", T0 + 86_401.0)]);
    assert_eq!(stage.published()[1].index, 0);

    let mut stage = Stage::with(Policy {
        index_mode: IndexMode::Batch,
        ..Policy::default()
    });
    stage.act(T0, &[action("a", T0)]);
    stage.act(T0 + 1.0, &[action("b", T0 + 1.0)]);
    assert_eq!(stage.published()[1].index, 0);
}

#[test]
fn the_wire_form_escapes_what_old_clients_take_for_line_ends() {
    let text = event_connector::domain::session::wire_json(
        &json!({"t": "a\u{2028}b\u{2029}c\u{85}d\u{7f}"}),
    );
    assert_eq!(text, r#"{"t":"a\u2028b\u2029c\u0085d\u007f"}"#);
}

#[test]
fn a_message_puts_the_machine_into_conversation_until_it_times_out() {
    let mut stage = Stage::new();
    stage.message(T0, "c1", 1);
    assert_eq!(stage.session.fsm.state().as_str(), "reactive_assistance");
    stage.until(T0 + 30.0);
    assert_eq!(stage.session.fsm.state().as_str(), "thinking");
    assert_eq!(stage.count(EntryType::StateChanged), 2);
}

#[test]
fn a_repeated_notification_changes_nothing() {
    let mut stage = Stage::new();
    assert_eq!(stage.message(T0, "c1", 7), Reply::Linked);
    let before = stage.session.deadline();
    assert_eq!(stage.message(T0 + 5.0, "c1", 7), Reply::Unchanged);
    assert_eq!(
        stage.session.deadline(),
        before,
        "the conversation is not prolonged"
    );
    assert_eq!(stage.message(T0 + 5.0, "c1", 8), Reply::Unchanged);
    assert_ne!(stage.session.deadline(), before);
}

#[test]
fn a_long_note_leaves_as_several_deliveries_in_order() {
    let mut stage = Stage::with(Policy {
        note_bytes_max: 1000,
        ..Policy::default()
    });
    let long = "x".repeat(300);
    let batch: Vec<_> = (0..9)
        .map(|n| action(&format!("{n}{long}"), T0 + f64::from(n)))
        .collect();
    stage.act(T0 + 9.0, &batch);
    stage.link(T0 + 10.0, "c1");
    let notes = stage.notes();
    assert!(notes.len() > 1);
    assert!(notes.iter().all(|note| note.text.len() <= 1000));
    let all: String = notes.iter().map(|note| note.text.as_str()).collect();
    let at = |n: usize| {
        all.find(&format!("] {n}{long}"))
            .expect("every line is told")
    };
    assert!((1..9).all(|n| at(n - 1) < at(n)));
}

#[test]
fn a_delivered_note_is_settled_in_the_outbox_and_remembered_by_part() {
    let mut stage = Stage::new();
    stage.act(T0, &[action("a", T0)]);
    stage.link(T0 + 1.0, "c1");
    let id = stage.notes()[0].id.clone();
    stage.delivered(T0 + 2.0, &id, Some("p1"));
    assert!(stage.session.open_notes.is_empty());
    assert_eq!(stage.session.parts, ["p1".into()]);
    assert!(stage.outbox.iter().any(|change| matches!(
        change,
        OutboxChange::Delivered { part: Some(part), .. } if part.as_str() == "p1"
    )));
}

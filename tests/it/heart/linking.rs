//! Who may tie which session to which conversation, and what survives.

use event_connector::domain::log::{EntryType, OutboxChange};
use event_connector::domain::machine::Machine;
use event_connector::domain::session::index::{LinkRequest, PendingRow, PendingSpace, Trust};
use event_connector::domain::session::{Link, Outcome, Policy, Reply, Session};
use serde_json::Value;

use super::stage::{Stage, T0, action};

#[test]
fn a_new_conversation_takes_later_notes_and_leaves_earlier_ones_where_they_belong() {
    let mut stage = Stage::new();
    stage.link(T0, "c1");
    stage.act(T0 + 1.0, &[action("for c1", T0 + 1.0)]);
    stage.link(T0 + 1.1, "c2");
    stage.act(T0 + 2.0, &[action("for c2", T0 + 2.0)]);
    stage.until(T0 + 10.0);
    let told: Vec<_> = stage
        .notes()
        .iter()
        .map(|note| {
            (
                note.conversation.as_str(),
                note.text.contains(&format!("for {}", note.conversation)),
            )
        })
        .collect();
    assert_eq!(told, [("c1", true), ("c2", true)]);
}

#[test]
fn a_late_repetition_does_not_pull_the_notes_back() {
    let mut stage = Stage::new();
    assert_eq!(stage.message(T0, "c1", 1), Reply::Linked);
    assert_eq!(stage.message(T0 + 1.0, "c2", 2), Reply::Linked);
    assert_eq!(stage.message(T0 + 60.0, "c1", 1), Reply::Unchanged);
    assert_eq!(stage.session.conversation().map(|c| c.as_str()), Some("c2"));
    // A new message there is another matter: the user talks in c1 again.
    assert_eq!(stage.message(T0 + 61.0, "c1", 3), Reply::Linked);
}

#[test]
fn the_same_link_again_retries_at_once_and_does_not_restart_the_pause() {
    let mut stage = Stage::new();
    stage.act(T0, &[action("a", T0)]);
    stage.link(T0 + 1.0, "c1");
    stage.act(T0 + 2.0, &[action("b", T0 + 2.0)]);
    let due = stage.session.deadline();
    assert_eq!(stage.link(T0 + 2.1, "c1"), Reply::Unchanged);
    assert_eq!(stage.session.deadline(), due);
    assert!(
        matches!(stage.outbox.as_slice(), [OutboxChange::RetryNow { lane }] if lane.ends_with("c1"))
    );
}

#[test]
fn a_page_may_not_take_another_users_conversation() {
    let mut first = Stage::new();
    first.is("u1", None);
    first.act(T0, &[action("a", T0)]);
    first.link(T0 + 1.0, "c1");

    let mut other = Stage::of("s2", Policy::default(), first.index.clone());
    other.is("u2", None);
    other.act(T0 + 2.0, &[action("b", T0 + 2.0)]);
    assert_eq!(other.link_from_page(T0 + 3.0, "c1"), Reply::Refused);
    assert!(other.notes().is_empty());
    assert_eq!(other.count(EntryType::LinkRefused), 1);
    // The platform's word is final.
    assert_eq!(other.link(T0 + 4.0, "c1"), Reply::Linked);
}

#[test]
fn a_page_may_move_a_conversation_to_the_same_users_later_session() {
    let mut first = Stage::new();
    first.is("u1", None);
    first.act(T0, &[action("a", T0)]);
    first.link(T0 + 1.0, "c1");

    let policy = Policy {
        link_carry_s: 0.5,
        ..Policy::default()
    };
    let mut later = Stage::of("s2", policy, first.index.clone());
    later.is("u1", None);
    later.act(T0 + 4000.0, &[action("b", T0 + 4000.0)]);
    assert_eq!(later.session.conversation(), None);
    assert_eq!(later.link_from_page(T0 + 4001.0, "c1"), Reply::Linked);
}

#[test]
fn a_link_is_carried_to_the_users_next_session_while_it_is_fresh() {
    let mut first = Stage::new();
    first.is("u1", None);
    first.act(T0, &[action("a", T0)]);
    first.link(T0 + 1.0, "c1");
    let left = first.index.clone();

    for (later_s, is_carried) in [(86_000.0, true), (86_500.0, false)] {
        let mut next = Stage::of("s2", Policy::default(), left.clone());
        next.is("u1", None);
        let now = T0 + later_s;
        next.act(now, &[action("b", now)]);
        assert_eq!(
            next.session.conversation().is_some(),
            is_carried,
            "after {later_s} s"
        );
        let published = next.published();
        assert_eq!(published[0].conversation_id.is_some(), is_carried);
        assert_eq!(next.notes().len(), usize::from(is_carried));
    }
}

#[test]
fn activity_renews_what_the_next_session_inherits() {
    let mut first = Stage::new();
    first.is("u1", None);
    first.link(T0, "c1");
    first.act(T0 + 80_000.0, &[action("a", T0 + 80_000.0)]);

    let mut next = Stage::of("s2", Policy::default(), first.index.clone());
    next.is("u1", None);
    next.act(T0 + 160_000.0, &[action("b", T0 + 160_000.0)]);
    assert!(next.session.conversation().is_some());
}

#[test]
fn a_request_that_waited_links_when_its_user_or_address_or_session_appears() {
    let cases = [
        (PendingSpace::Session, "s1"),
        (PendingSpace::User, "u1"),
        (PendingSpace::Email, "ada@northwind.example"),
    ];
    for (space, id) in cases {
        let mut stage = Stage::new();
        let row = PendingRow {
            request: LinkRequest {
                conversation: "c9".into(),
                trust: Trust::Platform,
                message: true,
                notification_key: None,
            },
            also: cases
                .iter()
                .map(|(space, id)| (*space, (*id).to_owned()))
                .collect(),
        };
        let value = serde_json::to_string(&row).expect("row");
        stage.index.insert(space.key(id), value.into());
        stage.is("u1", Some("Ada@Northwind.example"));
        stage.act(T0, &[action("a", T0)]);
        assert_eq!(stage.session.conversation().map(|c| c.as_str()), Some("c9"));
        assert_eq!(stage.notes().len(), 1, "{space:?}");
        assert!(
            stage.index.keys().all(|key| !key.space.is_pending()),
            "consumed once"
        );
    }
}

#[test]
fn a_conversation_that_is_gone_gives_its_notes_back() {
    let mut stage = Stage::new();
    stage.act(T0, &[action("a", T0)]);
    stage.link(T0 + 1.0, "c1");
    stage.act(T0 + 2.0, &[action("b", T0 + 2.0)]);
    stage.until(T0 + 3.0);
    stage.act(T0 + 3.0, &[action("c", T0 + 3.0)]);
    let first = stage.notes()[0].id.clone();
    stage.settle(
        T0 + 3.05,
        &first,
        Outcome::Gone("conversation not found".into()),
    );

    assert!(matches!(&stage.session.link, Link::Unlinked { window } if window.len() == 3));
    let withdrawn = stage
        .outbox
        .iter()
        .filter(|change| matches!(change, OutboxChange::Withdrawn { .. }));
    assert_eq!(withdrawn.count(), 2);
    assert_eq!(stage.session.deadline(), None);
    assert!(stage.session.last_error.is_some());

    stage.link(T0 + 4.0, "c2");
    let last = stage.notes().last().expect("a note");
    assert!(last.text.contains("[1] a") && last.text.contains("b") && last.text.contains("c"));
    assert_eq!(last.conversation, "c2");
}

#[test]
fn a_failed_note_keeps_the_link_and_tells_the_operator() {
    let mut stage = Stage::new();
    stage.act(T0, &[action("a", T0)]);
    stage.link(T0 + 1.0, "c1");
    let id = stage.notes()[0].id.clone();
    stage.settle(T0 + 9.0, &id, Outcome::Failed("gave up".into()));
    assert_eq!(stage.session.conversation().map(|c| c.as_str()), Some("c1"));
    assert_eq!(stage.count(EntryType::NoteFailed), 1);
    assert!(matches!(
        stage.outbox.as_slice(),
        [OutboxChange::Dead { .. }]
    ));
}

#[test]
fn what_the_index_says_is_stored_once_and_an_older_form_is_read() {
    let mut stage = Stage::new();
    stage.is("u-77", Some("ada@lovelace.example"));
    stage.act(T0, &[action("Save", T0)]);
    stage.link(T0 + 1.0, "c-9");
    let text = String::from_utf8(stage.stored.state.to_vec()).expect("JSON");
    for once in ["u-77", "ada@lovelace.example"] {
        let found = text.matches(&format!("\"{once}\"")).count();
        assert_eq!(found, 1, "{once} in {text}");
    }
    // Before, all of it stood there twice.
    let mut state: Value = serde_json::from_str(&text).expect("JSON");
    let indexed = &mut state["indexed"];
    indexed.as_object_mut().expect("an object").remove("same");
    for (name, value) in [
        ("user", "u-77"),
        ("email", "ada@lovelace.example"),
        ("conversation", "c-9"),
    ] {
        indexed[name] = value.into();
    }
    let older = Session::decode(state.to_string().as_bytes(), &[]).expect("readable");
    assert_eq!(older, stage.session);
}

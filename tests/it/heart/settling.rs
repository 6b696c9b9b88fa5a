//! What a commit writes of a session that holds much: the newest, and now and then the whole.

use event_connector::domain::session::{Link, Policy, Session};

use super::stage::{Stage, T0, action};

/// The actions that wait for a link.
fn waiting(session: &Session) -> Vec<&str> {
    let Link::Unlinked { window } = &session.link else {
        return Vec::new();
    };
    window.iter().map(|held| &*held.description).collect()
}

/// Clicks, one a second, and the bytes that each one's commit wrote.
fn clicks(stage: &mut Stage, numbers: std::ops::Range<u32>) -> Vec<usize> {
    let mut written = Vec::new();
    for number in numbers {
        let now = T0 + f64::from(number);
        stage.act(now, &[action(&format!("step {number}"), now)]);
        let settled = stage.stored.settled.as_ref();
        written.push(stage.stored.state.len() + settled.map_or(0, |settled| settled.bytes.len()));
    }
    written
}

#[test]
fn what_commits_write_does_not_grow_with_what_a_session_holds() {
    let mut stage = Stage::new();
    let early: usize = clicks(&mut stage, 0..20).iter().sum();
    clicks(&mut stage, 20..1_500);
    let late: usize = clicks(&mut stage, 1_500..1_520).iter().sum();
    assert_eq!(
        waiting(&stage.session).len(),
        121,
        "two minutes of clicks wait"
    );
    // All that it holds is twelve kilobytes of actions and sixteen of keys.
    assert!(
        late < early * 3 / 2,
        "20 commits wrote {early} bytes, and {late} when it held much"
    );
}

#[test]
fn what_has_settled_and_is_gone_is_not_kept_for_long() {
    let mut stage = Stage::new();
    let mut most = 0;
    for number in 0..3_000 {
        clicks(&mut stage, number..number + 1);
        most = most.max(stage.settled.len());
    }
    // Of the actions and keys of the last test, at most as much again is of no use.
    assert!(most < 2 * 28_000 + 8_000, "{most} bytes have settled");
}

#[test]
fn what_has_settled_is_told_in_its_place() {
    let mut stage = Stage::new();
    clicks(&mut stage, 0..300);
    assert_eq!(waiting(&stage.session).first(), Some(&"step 179"));
    stage.link(T0 + 300.0, "c1");
    let text = &stage.notes().first().expect("a note").text;
    let told = text.split("step ").skip(1).map(|rest| {
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
        digits.and_then(|digits| digits.parse().ok())
    });
    let expected: Vec<Option<u32>> = (179..300).map(Some).collect();
    assert_eq!(told.collect::<Vec<_>>(), expected, "{text}");
}

#[test]
fn an_action_that_leaves_from_the_middle_unsettles_the_window() {
    let mut stage = Stage::with(Policy {
        pre_link_window_s: 100.0,
        ..Policy::default()
    });
    // What FullStory tells late is measured from its arrival, so it outlives its older neighbours.
    for number in 0..20_u32 {
        let now = T0 + f64::from(number);
        stage.act(now, &[action(&format!("early {number}"), now)]);
        stage.act_late(
            now + 0.5,
            &[action(&format!("told late {number}"), now - 90.0)],
        );
        stage.act(now + 0.7, &[action(&format!("old {number}"), now - 90.0)]);
    }
    let left = waiting(&stage.session);
    let of = |kind: &str| left.iter().filter(|text| text.starts_with(kind)).count();
    // At the end those are gone that were more than 100 seconds old: "old 0" to "old 9".
    assert_eq!((of("early"), of("told late"), of("old")), (20, 20, 10));
    assert!(
        left.contains(&"old 10") && !left.contains(&"old 9"),
        "{left:?}"
    );
    clicks(&mut stage, 200..201);
    assert_eq!(waiting(&stage.session).len(), 1);
}

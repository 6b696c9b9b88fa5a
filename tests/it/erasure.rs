//! A user is forgotten: in the store, in memory, in the files; and nobody else is.

use std::sync::Arc;

use event_connector::domain::id::{Key, ProductId, SessionId};
use event_connector::domain::log::{Effects, IndexKey, IndexWrite, Space};
use event_connector::store::{Commit, Outcome};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Service, eventually, json_of};

/// Words that appear nowhere but in what Ada did, wrote or is called.
const TRACES: [&str; 5] = [
    "u_ada_4471",
    "ada@canary.example",
    "Mauvebutton",
    "s-ada",
    "Ochrepage",
];

fn event(session: Value, user: &str, email: &str, label: &str) -> Value {
    json!({
        "event": "$autocapture", "event_type": "click", "session_id": session,
        "distinct_id": user, "email": email, "current_url": "https://app.example/team",
        "button_or_link_text": label,
    })
}

async fn post(service: &Service, event: &Value) {
    assert_eq!(service.post("/webhook/acme", event).await.status(), 200);
}

/// The descriptions in the feed from its beginning; the last one must be Bob's.
async fn told(service: &Service) -> Vec<String> {
    post(service, &event(json!("s-bob"), "u_bob", "", "The end")).await;
    let mut feed = service.listen("?since=0-0", &[]).await;
    let mut told: Vec<String> = Vec::new();
    while told.last().is_none_or(|last| !last.contains("The end")) {
        told.extend(feed.next_event().await.told());
    }
    told
}

/// Ada and Bob with one of everything: a window, links, notes that arrived and notes that wait,
/// actions without a session, a waiting link request, inputs and rows set aside.
async fn busy() -> Service {
    let service = Service::start().await;
    fill(&service).await;
    service
}

async fn fill(service: &Service) {
    for (user, email, label, page) in [
        (
            "u_ada_4471",
            "Ada@Canary.example",
            "Mauvebutton",
            "Ochrepage",
        ),
        ("u_bob", "bob@northwind.example", "Save", "Team"),
    ] {
        let name = if user == "u_bob" { "bob" } else { "ada" };
        let session = |suffix: &str| json!(format!("s-{name}{suffix}"));
        post(service, &event(session(""), user, email, label)).await;
        service.chat(&format!("c-{name}"), user, email).await;
        service
            .notes(&format!("c-{name}"), |notes| notes.len() == 1)
            .await;
        post(service, &event(session("-unlinked"), user, "", page)).await;
        // Before she was known her session had another name for her.
        post(
            service,
            &event(session("-before"), &format!("anon-{name}"), "", label),
        )
        .await;
        post(service, &event(session("-before"), user, "", label)).await;
        post(service, &event(json!(null), user, email, page)).await;
        let parked = format!("Activity {{ user_id: Some({user:?}), title: {label:?} }}");
        let key = Key::session(&ProductId::from("acme"), &SessionId::from("s-parked"));
        let done = service.store.park(&key, 9, "it panics", &parked).await;
        done.expect("parkable");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_forgotten_everywhere_and_nobody_else_is() {
    let service = Service::start().await;
    // A subscriber who was there from the beginning keeps everything in the ring.
    let mut listening = service.listen("", &[]).await;
    listening.next().await.expect("a heartbeat");
    fill(&service).await;
    for trace in TRACES {
        assert!(
            !service.files_with(trace).is_empty(),
            "{trace} is written down"
        );
    }
    let live = service.metrics.sessions_live.get();

    let answer = service.delete("/users/acme/u_ada_4471").await;
    assert_eq!(answer.status(), 200);
    let answer = json_of(answer).await;
    assert_eq!(answer["status"], "erased");
    let erased = &answer["erased"];
    for kind in ["session", "entry", "index", "delivery", "parked"] {
        assert!(
            erased[kind].as_u64().is_some_and(|rows| rows > 0),
            "{kind}: {answer}"
        );
    }
    for trace in TRACES {
        assert_eq!(service.files_with(trace), [""; 0], "{trace} is gone");
    }
    for session in ["s-ada", "s-ada-unlinked", "s-ada-before"] {
        let shown = service.get(&format!("/sessions/acme/{session}")).await;
        assert_eq!(shown.status(), 404, "{session}");
    }
    assert!(service.metrics.sessions_live.get() < live);
    let told = told(&service).await;
    assert!(
        told.iter()
            .all(|line| !line.contains("Mauve") && !line.contains("Ochre"))
    );
    // Everything of Bob's is there: four sessions' worth, and what had no session.
    assert_eq!(
        told.iter().filter(|line| line.contains("Save")).count(),
        3,
        "{told:?}"
    );
    assert_eq!(
        told.iter().filter(|line| line.contains("Team")).count(),
        2,
        "{told:?}"
    );
    assert_eq!(
        service.show("s-bob").await["link"]["conversation_id"],
        "c-bob"
    );
    assert_eq!(
        service.show("s-bob").await["email"],
        "bob@northwind.example"
    );

    let again = json_of(service.delete("/users/acme/u_ada_4471").await).await;
    let rows = again["erased"].as_object().expect("counts");
    assert!(rows.values().all(|count| *count == json!(0)), "{again}");
    let done = service.metrics.erasures.with_label_values(&["done"]).get();
    assert_eq!(done, 2);
    let entries = service.metrics.erased.with_label_values(&["entry"]).get();
    assert_eq!(json!(entries), erased["entry"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_in_memory_starts_afresh() {
    let service = Service::start().await;
    post(
        &service,
        &event(json!("s1"), "u_ada_4471", "", "Mauvebutton"),
    )
    .await;
    assert_eq!(service.delete("/users/acme/u_ada_4471").await.status(), 200);
    post(&service, &event(json!("s1"), "u_ada_4471", "", "Close")).await;
    service.chat("c1", "u_ada_4471", "").await;
    let notes = service.notes("c1", |notes| !notes.is_empty()).await;
    assert!(notes[0].contains("[1] User clicked Close") && !notes[0].contains("Mauve"));
    let log = service.show("s1").await;
    assert!(!log.to_string().contains("Mauve"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_waits_for_somebody_is_forgotten_with_them() {
    let service = Service::start().await;
    for name in ["new", "other"] {
        let (user, email) = (format!("u_{name}"), format!("{name}@canary.example"));
        service.chat(&format!("c-{name}"), &user, &email).await;
    }
    assert!(!service.files_with("new@canary.example").is_empty());
    let answer = json_of(service.delete("/users/acme/u_new").await).await;
    assert_eq!(
        answer["erased"]["index"], 2,
        "by user and by address: {answer}"
    );
    for trace in ["u_new", "new@canary.example", "c-new"] {
        assert_eq!(service.files_with(trace), [""; 0], "{trace} is gone");
    }
    for name in ["new", "other"] {
        let session = json!(format!("s-{name}"));
        post(&service, &event(session, &format!("u_{name}"), "", "Save")).await;
    }
    let link = |shown: Value| shown["link"]["conversation_id"].clone();
    assert_eq!(link(service.show("s-new").await), Value::Null);
    assert_eq!(link(service.show("s-other").await), "c-other");
}

#[tokio::test(flavor = "multi_thread")]
async fn activity_that_races_with_an_erasure_is_whole_or_gone() {
    let service = Service::start().await;
    let posting = async {
        for number in 0..60 {
            let label = format!("Button {number}");
            post(&service, &event(json!("s1"), "u_ada_4471", "", &label)).await;
        }
    };
    let erasing = async {
        for _ in 0..10 {
            assert_eq!(service.delete("/users/acme/u_ada_4471").await.status(), 200);
        }
    };
    tokio::join!(posting, erasing);
    assert_eq!(service.delete("/users/acme/u_ada_4471").await.status(), 200);
    assert_eq!(
        told(&service).await,
        ["User clicked The end on the team page"]
    );
    assert_eq!(service.files_with("u_ada_4471"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_is_done_after_a_restart() {
    let service = busy().await;
    // As a crash leaves it: the request is written, and part of the work is done.
    let request = IndexWrite {
        key: IndexKey::new(Space::Erasure, "u_ada_4471"),
        value: Some(r#"{"sessions":["s-ada"],"emails":["ada@canary.example"]}"#.into()),
        expires_ms: u64::MAX,
    };
    let commit = Commit {
        id: [1; 8],
        product: "acme".into(),
        now_ms: 1,
        state: None,
        effects: Effects {
            index: vec![request],
            ..Effects::default()
        },
        guards: Vec::new(),
    };
    let outcome = service.store.commit(Arc::new(commit)).await;
    assert!(matches!(outcome, Outcome::Committed));
    service.stop().await;
    let db = Connection::open(service.store_path()).expect("openable");
    db.pragma_update(None, "secure_delete", true)
        .expect("settable");
    let lost = "UPDATE keys SET state = NULL, version = 0 WHERE name = 's-ada'";
    assert_eq!(db.execute(lost, []).expect("writable"), 1);
    let more = "DELETE FROM log WHERE key = (SELECT id FROM keys WHERE name = 's-ada')";
    assert!(db.execute(more, []).expect("writable") > 0);
    db.execute("DELETE FROM keys WHERE state IS NULL", [])
        .expect("writable");
    drop(db);

    let service = service.restart().await;
    eventually("the work is done", || async {
        match service
            .store
            .listed(Space::Erasure)
            .await
            .expect("readable")
            .len()
        {
            0 => Ok(()),
            waiting => Err(waiting),
        }
    })
    .await;
    assert!(
        told(&service)
            .await
            .iter()
            .all(|line| !line.contains("Mauve"))
    );
    let answer = json_of(service.delete("/users/acme/u_ada_4471").await).await;
    assert_eq!(answer["erased"]["delivery"], 0, "{answer}");
    for trace in TRACES {
        assert_eq!(service.files_with(trace), [""; 0], "{trace} is gone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_look_like_something_else_take_nobody_with_them() {
    let service = Service::start().await;
    let users = [
        "actions",
        "click",
        "u_1",
        "u_10",
        "it's \"you\"",
        "%",
        "null",
        "posthog",
    ];
    for (number, user) in users.iter().enumerate() {
        let session = json!(format!("s{number}"));
        post(
            &service,
            &event(session, user, "", &format!("Button {number}")),
        )
        .await;
    }
    let path = |user: &str| {
        let name = percent_encoding::utf8_percent_encode(user, percent_encoding::NON_ALPHANUMERIC);
        format!("/users/acme/{name}")
    };
    for (number, user) in users.iter().enumerate() {
        let answer = json_of(service.delete(&path(user)).await).await;
        assert_eq!(answer["erased"]["session"], 1, "{user}: {answer}");
        let left: Vec<_> = (number + 1..users.len()).collect();
        for number in left {
            let shown = service.get(&format!("/sessions/acme/s{number}")).await;
            assert_eq!(shown.status(), 200, "{user} took s{number} along");
        }
    }
    assert_eq!(told(&service).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_set_aside_are_searched_too() {
    let service = busy().await;
    service.stop().await;
    let db = Connection::open(service.store_path()).expect("openable");
    let damage = [
        "UPDATE keys SET commits = x'01' WHERE name LIKE 's-ada%' OR name LIKE 's-bob%'",
        "UPDATE log SET sequence = -1 - id WHERE visible = 1",
        "UPDATE outbox SET attempts = -1",
        "UPDATE index_rows SET value = CAST(value || x'ff' AS TEXT)",
    ];
    for sql in damage {
        assert!(db.execute(sql, []).expect("writable") > 0, "{sql}");
    }
    drop(db);
    let service = service.restart().await;
    let _ = told(&service).await;
    for session in ["s-ada", "s-ada-unlinked", "s-ada-before", "s-bob-before"] {
        let _ = service.get(&format!("/sessions/acme/{session}")).await;
    }
    eventually("rows are set aside", || async {
        match service.store.depth().await.expect("sizes").quarantined {
            0..8 => Err("few"),
            _ => Ok(()),
        }
    })
    .await;
    let answer = json_of(service.delete("/users/acme/u_ada_4471").await).await;
    assert!(
        answer["erased"]["quarantined"].as_u64().expect("a count") > 0,
        "{answer}"
    );
    for trace in ["u_ada_4471", "Mauvebutton"] {
        assert_eq!(service.files_with(trace), [""; 0], "{trace} is gone");
    }
    let depth = service.store.depth().await.expect("sizes");
    assert!(
        depth.quarantined > 0,
        "Bob's rows are left for the operator"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_operator_may_erase() {
    let service = Service::start().await;
    let path = format!("{}/users/acme/u_1", service.url);
    let bare = service
        .client
        .delete(&path)
        .send()
        .await
        .expect("an answer");
    assert_eq!(bare.status(), 401);
    assert_eq!(service.delete("/users/nobody/u_1").await.status(), 404);
    assert_eq!(service.get("/users/acme/u_1").await.status(), 405);
}

//! `deliveries` on the binary as people run it: of a running service, and of the store of one that does not run.

use event_connector::demo::intercom::{Call, Fault, Twist};
use event_connector::terminal::width;
use serde_json::Value;

use crate::cli::said_by;
use crate::redis::{Servers, is_redis, prefix};
use crate::support::{ADMIN_KEY, Service, Setup, eventually};

/// Where nobody listens.
const NOWHERE: &str = "127.0.0.1:1";

/// What a command said: exit code, standard output, standard error. None of it is secret.
fn said(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
    said_by("deliveries", arguments, environment)
}

/// The lines of a command that succeeds, as JSON.
fn lines(arguments: &[&str], environment: &[(&str, &str)]) -> Vec<Value> {
    let (code, out, err) = said(&[arguments, &["--json"]].concat(), environment);
    assert_eq!(code, Some(0), "{err}");
    let parse = |line: &str| serde_json::from_str(line).expect("each line is JSON");
    out.lines().map(parse).collect()
}

/// A service with a delivered note for `c1` and a dead letter for `c2`.
async fn service() -> Service {
    let service = Service::start().await;
    service.click("s1", "u1", "Save").await;
    service.chat("c1", "u1", "").await;
    service.notes("c1", |notes| notes.len() == 1).await;
    let rejected = Fault::before(Twist::error(422, "data_invalid"));
    service.intercom.script(Call::Reply, None, rejected);
    service.click("s2", "u2", "Send").await;
    service.chat("c2", "u2", "").await;
    let asked = of_service(&service);
    eventually("both are finished", || async {
        let statuses: Vec<_> = lines(&["list"], &asked)
            .iter()
            .map(|one| one["status"].clone())
            .collect();
        if statuses == ["dead", "delivered"] {
            Ok(())
        } else {
            Err(statuses)
        }
    })
    .await;
    service
}

/// The variables with which a command finds a service.
fn of_service(service: &Service) -> [(&str, &str); 2] {
    [
        ("CONNECTOR_URL", &service.url),
        ("CONNECTOR_ADMIN_KEY", ADMIN_KEY),
    ]
}

/// The dead letter and the delivered note of [`service`].
fn finished(asked: &[(&str, &str)]) -> [String; 2] {
    let listed = lines(&["list"], asked);
    [0, 1].map(|at| listed[at]["id"].as_str().expect("an id").to_owned())
}

/// The variables with which a command finds the store, and nobody who serves it.
pub(crate) fn of_store(service: &Service) -> Vec<(String, String)> {
    let path = service.store_path();
    let mut variables = vec![("CONNECTOR__HTTP__BIND", NOWHERE.to_owned())];
    if is_redis() {
        variables.extend([
            ("CONNECTOR__STORE__BACKEND", "redis".to_owned()),
            ("REDIS_URL", Servers::one().url.clone()),
            ("CONNECTOR__REDIS__KEY_PREFIX", prefix(&path)),
        ]);
    } else {
        variables.push(("CONNECTOR__STORE__PATH", path.display().to_string()));
    }
    variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

pub(crate) fn pairs(variables: &[(String, String)]) -> Vec<(&str, &str)> {
    let variables = variables.iter();
    variables.map(|(name, value)| (&**name, &**value)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_and_its_store_tell_the_same_and_what_is_replayed_is_sent_at_the_next_start() {
    let service = service().await;
    let url = service.url.clone();
    let by_service = [("CONNECTOR_URL", &*url), ("CONNECTOR_ADMIN_KEY", ADMIN_KEY)];
    let listed = lines(&["list"], &by_service);
    let ids: Vec<_> = listed
        .iter()
        .map(|one| one["id"].as_str().expect("an id"))
        .collect();
    let shown = |environment: &[(&str, &str)]| {
        let commands = [
            vec!["list"],
            vec!["show", ids[0]],
            vec!["show", ids[1]],
            vec!["list", "--json", "--status", "dead"],
            vec!["list", "--json", "--session", "s1", "--since", "2h"],
            vec!["list", "--json", "--conversation", "c9"],
        ];
        commands.map(|command| {
            let (code, out, err) = said(&command, environment);
            assert_eq!(code, Some(0), "{err}");
            (out, err)
        })
    };
    let told_by_service = shown(&by_service);
    assert!(
        told_by_service[1].0.contains("422 (data_invalid)"),
        "{}",
        told_by_service[1].0
    );
    assert!(told_by_service[2].0.contains("User clicked Save"));
    assert_eq!(told_by_service[3].0.lines().count(), 1);
    assert!(told_by_service[5].1.contains("no delivery is like that"));

    service.stop().await;
    let variables = of_store(&service);
    let by_store = pairs(&variables);
    // The service may still be letting go of its lock.
    eventually("the store opens", || async {
        match said(&["list"], &by_store) {
            (Some(0), ..) => Ok(()),
            (_, _, err) => Err(err),
        }
    })
    .await;
    for ((by_service, _), (by_store, err)) in told_by_service.iter().zip(shown(&by_store)) {
        assert_eq!(*by_service, by_store);
        assert!(
            err.contains("nobody listens at http://127.0.0.1:1; the store"),
            "{err}"
        );
    }
    let (code, out, _) = said(&["replay", ids[0]], &by_store);
    assert_eq!(code, Some(0));
    assert_eq!(
        out,
        format!("{} is sent again once a service runs\n", ids[0])
    );
    assert_eq!(lines(&["show", ids[0]], &by_store)[0]["status"], "waiting");
    let (code, _, err) = said(&["redact", ids[1]], &by_store);
    assert_eq!(code, Some(1));
    assert!(err.contains("no service runs"), "{err}");
    let (code, _, err) = said(&["show", "nobody"], &by_store);
    assert_eq!(code, Some(1));
    assert!(err.contains("delivery not found"), "{err}");

    let service = service.restart().await;
    service.notes("c2", |notes| notes.len() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_sent_and_says_as_which_delivery() {
    let service = service().await;
    let asked = of_service(&service);
    let [dead, delivered] = finished(&asked);
    let [dead, delivered] = [&*dead, &*delivered];
    let (code, out, _) = said(&["replay", dead], &asked);
    assert_eq!((code, out), (Some(0), format!("{dead} is sent again\n")));
    service.notes("c2", |notes| notes.len() == 1).await;
    let copy = &lines(&["replay", delivered], &asked)[0];
    assert_eq!(copy["replay_of"], delivered);
    assert_ne!(copy["id"], delivered);
    service.notes("c1", |notes| notes.len() == 2).await;
    let (code, _, err) = said(&["replay", "nobody"], &asked);
    assert_eq!(code, Some(1));
    assert!(err.contains("404: delivery not found"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_is_taken_back_from_the_command_line() {
    let service = service().await;
    let asked = of_service(&service);
    let [dead, delivered] = finished(&asked);
    let [dead, delivered] = [&*dead, &*delivered];
    let (code, out, err) = said(&["redact", delivered], &asked);
    assert_eq!(code, Some(0), "{err}");
    let redacted_as = lines(&["list"], &asked)[0]["id"].clone();
    let redacted_as = redacted_as.as_str().expect("an id");
    assert_eq!(out, format!("{delivered} is taken back by {redacted_as}\n"));
    let (_, out, _) = said(&["show", redacted_as], &asked);
    assert!(out.contains(&format!("takes back    {delivered}")), "{out}");
    let deleted = |notes: &[String]| notes == ["This message was deleted"];
    service.notes("c1", deleted).await;
    let (code, _, err) = said(&["redact", dead], &asked);
    assert_eq!(code, Some(1));
    assert!(err.contains("only a note that was delivered"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_goes_on_over_pages_and_says_when_there_is_more() {
    let service = service().await;
    let asked = of_service(&service);
    let delivered = lines(&["list", "--status", "delivered"], &asked)[0]["id"].clone();
    for _ in 0..200 {
        let path = format!("/deliveries/{}/replay", delivered.as_str().expect("an id"));
        assert_eq!(service.operate(&path).await.status(), 202);
    }
    assert_eq!(lines(&["list", "--all"], &asked).len(), 202);
    assert_eq!(lines(&["list", "--limit", "201"], &asked).len(), 201);
    let (_, out, err) = said(&["list", "--json"], &asked);
    assert_eq!(out.lines().count(), 50);
    assert!(err.contains("the newest 50; --all"), "{err}");
    let (code, out, _) = said(&["list", "--all"], &asked);
    assert_eq!((code, out.lines().count()), (Some(0), 203), "one heading");
    let (code, _, err) = said(&["list", "--all", "--limit", "3"], &asked);
    assert_eq!(code, Some(2), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_leaves_out_columns_that_have_no_room_and_cuts_no_identifier() {
    let service = service().await;
    let ids: Vec<_> = {
        let asked = [
            ("CONNECTOR_URL", &*service.url),
            ("CONNECTOR_ADMIN_KEY", ADMIN_KEY),
        ];
        lines(&["list"], &asked)
            .iter()
            .map(|one| one["id"].clone())
            .collect()
    };
    let mut headings = Vec::new();
    for columns in ["20", "60", "80", "120", "200", ""] {
        let asked = [
            ("CONNECTOR_URL", &*service.url),
            ("CONNECTOR_ADMIN_KEY", ADMIN_KEY),
            ("COLUMNS", columns),
        ];
        let (code, out, _) = said(&["list"], &asked);
        assert_eq!(code, Some(0));
        assert!(!out.contains('\u{1b}'), "no colour in a pipe: {out}");
        for id in &ids {
            assert!(out.contains(id.as_str().expect("an id")), "{out}");
        }
        // An identifier and a status are never left out, and take 47 columns.
        let room = columns.parse().unwrap_or(usize::MAX).max(47);
        assert!(out.lines().all(|line| width(line) <= room), "{out}");
        headings.push(
            out.lines()
                .next()
                .expect("a heading")
                .split_whitespace()
                .count(),
        );
        let (_, out, _) = said(&["show", ids[0].as_str().expect("an id")], &asked);
        let room = columns.parse().unwrap_or(usize::MAX).max(25);
        assert!(
            out.lines().all(|line| width(line) <= room),
            "{columns}: {out}"
        );
    }
    assert_eq!(headings[0], 2, "{headings:?}");
    assert!(headings.is_sorted() && headings[5] == 10, "{headings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_and_missing_ones_are_told_from_each_other() {
    let service = Service::with(Setup::with("CONNECTOR_ADMIN_KEY", "")).await;
    let closed = [
        ("CONNECTOR_URL", &*service.url),
        ("CONNECTOR_ADMIN_KEY", ADMIN_KEY),
    ];
    let (code, _, err) = said(&["list"], &closed);
    assert_eq!(code, Some(1));
    assert!(
        err.contains("answered 403") && err.contains("where the service runs"),
        "{err}"
    );

    let service = Service::start().await;
    for key in ["", "canary"] {
        let asked = [
            ("CONNECTOR_URL", &*service.url),
            ("CONNECTOR_ADMIN_KEY", key),
        ];
        let (code, out, err) = said(&["list"], &asked);
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert!(
            err.contains("answered 401: missing or invalid credentials"),
            "{err}"
        );
        assert!(
            err.contains("try: set CONNECTOR_ADMIN_KEY") && !err.contains("canary"),
            "{err}"
        );
    }
    // A service that runs elsewhere holds the store.
    if !is_redis() {
        let variables = of_store(&service);
        let (code, _, err) = said(&["list"], &pairs(&variables));
        assert_eq!(code, Some(1));
        assert!(
            err.contains("in use already") && err.contains("--url"),
            "{err}"
        );
        assert_eq!(err.lines().count(), 2, "{err}");
    }
}

//! `explain` on the binary as people run it: the story of a session, told by a running service and by the store of one
//! that does not run.

use std::io::Read;
use std::time::Duration;

use event_connector::clock::Clock;
use event_connector::terminal::width;
use serde_json::Value;

use crate::cli::{binary, said_by, text};
use crate::demo::{pseudo_terminal, screen_of};
use crate::offers::{ask_for_help, poll, reason, report, start_on};
use crate::outbox::{of_store, pairs};
use crate::support::{ADMIN_KEY, Service, eventually, json_of};

/// What a command said: exit code, standard output, standard error. None of it is secret.
fn said(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
    said_by("explain", arguments, environment)
}

/// What is told of a session that is there.
fn told(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let (code, out, err) = said(arguments, environment);
    assert_eq!(code, Some(0), "{err}");
    out
}

fn of_service(service: &Service) -> [(&str, &str); 2] {
    [
        ("CONNECTOR_URL", &*service.url),
        ("CONNECTOR_ADMIN_KEY", ADMIN_KEY),
    ]
}

/// Fails unless all parts are there, in this order.
fn assert_told(story: &str, parts: &[&str]) {
    let mut rest = story;
    for part in parts {
        let Some(at) = rest.find(part) else {
            panic!("{part} is not next in:\n{story}");
        };
        rest = &rest[at + part.len()..];
    }
}

/// An offer that was taken, from what came before it to what the page reports too late.
const TAKEN: &[&str] = &[
    "session        s1\nproduct        acme\nuser           u1\n",
    "\nWhat happened\n",
    "action   User clicked Save on the team page · https://app.northwind.example/team\n",
    "silent   nothing is offered: no trigger has anything to say · after what the user did\n",
    "action   User clicked Get help 1 on the team page",
    "trigger  lost has something to say, once the page asks · matched c1, after what the user did\n",
    "state    the session goes from thinking to proactive assistance · by page\n",
    "offer    lost is offered · matched c1, when the page asked\n",
    "held     nothing is offered: the session is in the middle of something",
    " · fsm:wrong_state, when the page asked\n",
    "offer    lost: the user takes it\n",
    "state    the page goes from proactive assistance to guidance execution · by page\n",
    "refused  the page reports proactive_accepted_tour, which does not fit · the page is guidance execution\n",
    "\nWhere it stands\n",
    "session is     proactive assistance, until ",
    ", tour flow_1\n",
    "page is        guidance execution, tour flow_1\n",
    "offers         on\n",
    "decided        no: the session is in the middle of something",
    "next offer     none until ",
    "quiet          lost until ",
    "next step      the session thinks again, at ",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_service_and_its_store_tell_the_same_story_of_an_offer_that_was_taken() {
    // The store is asked by the clock of the machine.
    let (service, hand) = start_on(Clock::system().now_s(), &[]).await;
    service.click("s1", "u1", "Save").await;
    hand.advance(Duration::from_secs(1));
    ask_for_help(&service, "s1", "u1", 1).await;
    assert!(poll(&service, "s1").await["proactive_trigger"].is_object());
    hand.advance(Duration::from_secs(1));
    assert_eq!(reason(&poll(&service, "s1").await), "fsm:wrong_state");
    for _ in 0..2 {
        report(&service, "proactive:s1", "proactive_accepted_tour").await;
    }
    let asked = of_service(&service);
    let shown = told(&["acme", "s1"], &asked);
    assert_told(&shown, TAKEN);
    let json = told(&["acme", "s1", "--json"], &asked);

    service.stop().await;
    let mut variables = of_store(&service);
    variables.push(("PRODUCTS_CONFIG".to_owned(), service.rows().to_owned()));
    let by_store = pairs(&variables);
    // The service may still be letting go of its lock.
    let (out, err) = eventually("the store opens", || async {
        match said(&["acme", "s1"], &by_store) {
            (Some(0), out, err) => Ok((out, err)),
            (_, _, err) => Err(err),
        }
    })
    .await;
    assert!(
        err.contains("nobody listens at http://127.0.0.1:1; the store"),
        "{err}"
    );
    let story = |shown: &str| {
        let (_, from) = shown.split_once("What happened").expect("a story");
        let (story, _) = from.split_once("Where it stands").expect("its end");
        story.to_owned()
    };
    assert_eq!(story(&out), story(&shown));
    assert_eq!(
        timeless(&told(&["acme", "s1", "--json"], &by_store)),
        timeless(&json)
    );
    for (session, product, words, next) in [
        ("s9", "acme", "session not found", "event-connector tail"),
        ("s1", "acne", "product not found", "products list"),
    ] {
        let (code, out, err) = said(&[product, session], &by_store);
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert!(err.contains(words) && err.contains(next), "{err}");
    }
}

/// One line of JSON, without the time at which it was asked for.
fn timeless(line: &str) -> Value {
    let mut parsed: Value = serde_json::from_str(line).expect("one object");
    let fields = parsed.as_object_mut().expect("an object");
    assert!(fields.remove("as_of").is_some_and(|at| at.is_f64()));
    parsed
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_was_held_back_is_told_with_its_reason_and_the_quota_that_is_used_up() {
    let limits = [
        ("CONNECTOR__PROACTIVE__USER_DAY_MAX", "1"),
        ("CONNECTOR__PROACTIVE__MIN_INTERVAL_S", "60"),
    ];
    let (service, hand) = start_on(crate::offers::NOON_S, &limits).await;
    for (session, nth) in [("s1", 1), ("s2", 2)] {
        ask_for_help(&service, session, "u1", nth).await;
        poll(&service, session).await;
    }
    let asked = of_service(&service);
    let held = told(&["acme", "s2"], &asked);
    assert_told(
        &held,
        &[
            "2027-01-15\n12:00:00  action   User clicked Get help 2",
            "trigger  lost has something to say",
            "held     lost is held back: the user has had all their offers of today \
             (proactive.user_day_max) · quota:user_day, when the page asked\n",
            "decided        no: the user has had all their offers of today",
            ", since 12:00:00, when the page asked\n",
            "suggested      lost, since 12:00:00\n",
            "quotas         1 of 1 to the user today, until 2027-01-16 00:00:00 UTC\n",
        ],
    );
    let standing = told(&["acme", "s1"], &asked);
    assert_told(
        &standing,
        &[
            "session is     proactive assistance, until 12:00:20\n",
            "page is        proactive assistance, until 12:00:10\n",
            "open offer     lost, since 12:00:00\n",
            "next offer     none until 12:01:00 (proactive.min_interval_s)\n",
            "next step      the offer ends without an answer, at 12:00:10\n",
        ],
    );

    // Nobody answers, and it is quiet for a while.
    hand.advance(Duration::from_secs(30));
    assert_eq!(reason(&poll(&service, "s1").await), "fsm:cooldown");
    let over = told(&["acme", "s1"], &asked);
    assert_told(
        &over,
        &[
            "offer    lost: nobody answers it in time\n",
            "held     nothing is offered: the session keeps quiet for a while",
            "session is     thinking, keeps quiet until ",
        ],
    );
    assert!(!over.contains("open offer"), "{over}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_and_its_notes_are_in_the_story() {
    let service = Service::start().await;
    service.click("s1", "u1", "Save").await;
    service.chat("c1", "u1", "").await;
    service.notes("c1", |notes| notes.len() == 1).await;
    let asked = of_service(&service);
    let shown = eventually("the note is known to be there", || async {
        let shown = told(&["acme", "s1"], &asked);
        match shown.contains("0 on their way; 1 there") {
            true => Ok(shown),
            false => Err(shown),
        }
    })
    .await;
    assert_told(
        &shown,
        &[
            "action   User clicked Save",
            "state    the session goes from thinking to reactive assistance · by platform\n",
            "chat     it is linked to conversation c1 · as the chat platform says\n",
            "note     a note of 1 action is on its way · delivery ",
            "note     it is in the conversation · delivery ",
            "conversation   c1; 0 actions pending\n",
            "offers         off: the product describes none",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_long_log_the_newest_entries_are_told_and_how_many_is_bounded() {
    let (service, _hand) = start_on(crate::offers::NOON_S, &[]).await;
    for nth in 1..=3 {
        ask_for_help(&service, "s1", "u1", nth).await;
    }
    let asked = of_service(&service);
    let newest = told(&["acme", "s1", "--entries", "1"], &asked);
    assert_told(&newest, &["is left out, up to entry 3", "Get help 3"]);
    assert!(!newest.contains("Get help 1"), "{newest}");
    assert!(!told(&["acme", "s1"], &asked).contains("left out"));
    let two = service.get("/sessions/acme/s1?entries=2").await;
    assert_eq!(json_of(two).await["log"].as_array().map(Vec::len), Some(2));
    for wrong in ["0", "501", "many"] {
        let (code, _, err) = said(&["acme", "s1", "--entries", wrong], &asked);
        assert_eq!(code, Some(2));
        assert!(err.contains("is a number from 1 to 500"), "{err}");
        let refused = service
            .get(&format!("/sessions/acme/s1?entries={wrong}"))
            .await;
        assert_eq!(refused.status(), 400, "{wrong}");
        assert_eq!(json_of(refused).await["code"], "invalid_filter");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_wrongly_is_told_what_to_do() {
    let service = Service::start().await;
    let asked = of_service(&service);
    for (arguments, status, next) in [
        (
            ["acme", "s9"],
            "404: session not found",
            "event-connector tail",
        ),
        (["acne", "s1"], "404: product not found", "products list"),
    ] {
        let (code, out, err) = said(&arguments, &asked);
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert!(err.contains(status) && err.contains(next), "{err}");
    }
    let wrong = [asked[0], ("CONNECTOR_ADMIN_KEY", "canary")];
    let (code, _, err) = said(&["acme", "s1"], &wrong);
    assert_eq!(code, Some(1));
    assert!(
        err.contains("401") && err.contains("CONNECTOR_ADMIN_KEY") && !err.contains("canary"),
        "{err}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_as_wide_as_the_terminal_and_coloured_there_only() {
    let (service, _hand) = start_on(crate::offers::NOON_S, &[]).await;
    ask_for_help(&service, "s1", "u1", 1).await;
    service.click("s1", "u1", "a\u{1b}[31mred\u{7}").await;
    for _ in 0..2 {
        poll(&service, "s1").await;
    }
    let asked = of_service(&service);
    for columns in [40, 80, 200] {
        let room = columns.to_string();
        let piped = told(
            &["acme", "s1"],
            &[&asked[..], &[("COLUMNS", &room)]].concat(),
        );
        let widest = piped.lines().map(width).max();
        assert!(widest <= Some(usize::from(columns)), "{columns}: {piped}");
        assert!(!piped.contains(['\u{1b}', '\u{7}']), "{piped}");

        let (mut ours, theirs) = pseudo_terminal(columns);
        let mut command = binary();
        command.args(["explain", "acme", "s1"]).envs(asked);
        let mut child = command.stdout(theirs).spawn().expect("it starts");
        // The end of the other side shows once nobody has it open.
        drop(command);
        let (mut written, mut part) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = ours.read(&mut part) {
            written.extend_from_slice(&part[..length]);
        }
        assert!(child.wait().expect("it ends").success());
        let written = text(&written);
        assert!(
            written.contains("\u{1b}[1;32moffer  \u{1b}[0m"),
            "{written}"
        );
        let (lines, widest) = screen_of(&written.replace("\r\n", "\n"));
        assert!(widest <= usize::from(columns), "{widest}: {written}");
        let shown = lines.join("\n");
        assert_eq!(shown, piped, "the same text");
    }
    let whole = told(&["acme", "s1"], &asked);
    assert!(whole.contains("trigger  lost has something to say, once the page asks · matched c1"));
}

//! When all goes well, and what holds on every way.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_connector::demo::intercom::{Call, Fault, Twist};
use event_connector::domain::session::Outcome;
use event_connector::platform::intercom::Region;
use event_connector::store::Store;

use super::desk::{Desk, START_S, TIMEOUT_MS, delivered, within};

#[tokio::test]
async fn a_note_arrives_and_its_part_is_reported() {
    within(async {
        let desk = Desk::open().await;
        desk.intercom
            .open_conversation("215", "u1", "ada@acme.example");
        desk.queue("d1", "215", "session_id: S1\n\n[1] User clicked \"<Save>\"")
            .await;
        let settled = desk.settled(1).await;
        let posts = desk.intercom.posts("215");
        assert_eq!(posts.len(), 1);
        assert_eq!(settled, [("d1".to_owned(), delivered(&posts[0].part))]);
        assert_eq!(posts[0].kind, "note");
        assert_eq!(
            posts[0].text,
            "session_id: S1\n\n[1] User clicked \"<Save>\""
        );

        let request = &desk.intercom.requests()[0];
        assert_eq!(request.target, "/conversations/215/reply");
        assert_eq!(request.version, "2.11");
        assert!(request.authorization.starts_with("Bearer "));
        let agent = concat!("event-connector/", env!("CARGO_PKG_VERSION"));
        assert_eq!(request.user_agent, agent);
        let body = "{\"message_type\":\"note\",\"type\":\"admin\",\"admin_id\":\"814860\",\
            \"body\":\"<p>session_id: S1</p><p>[1] User clicked &quot;&lt;Save&gt;&quot;</p>\"}";
        assert_eq!(request.body, body);
        desk.counted("delivered", 1).await;
        let timed = desk
            .metrics
            .delivery_seconds
            .with_label_values(&["intercom"]);
        assert_eq!(timed.get_sample_count(), 1);
    })
    .await;
}

#[tokio::test]
async fn notes_of_one_conversation_keep_their_order() {
    within(async {
        let desk = Desk::open().await;
        desk.intercom.open_conversation("c", "u1", "");
        let limited = Twist::rate_limited(START_S + 5);
        desk.intercom
            .script(Call::Reply, None, Fault::before(limited));
        for n in 0..5 {
            desk.queue(&format!("d{n}"), "c", &format!("note {n}"))
                .await;
        }
        desk.counted("limited", 1).await;
        desk.jump().await;
        let order: Vec<_> = desk
            .settled(5)
            .await
            .into_iter()
            .map(|(id, _)| id)
            .collect();
        assert_eq!(order, ["d0", "d1", "d2", "d3", "d4"]);
        assert_eq!(
            desk.texts("c"),
            ["note 0", "note 1", "note 2", "note 3", "note 4"]
        );
    })
    .await;
}

#[tokio::test]
async fn a_conversation_that_hangs_delays_no_other() {
    within(async {
        let desk = Desk::open().await;
        desk.intercom.open_conversation("slow", "u1", "");
        desk.intercom.open_conversation("quick", "u2", "");
        let hang = Fault::before(Twist::Delay(Duration::from_secs(3600)));
        desk.intercom.script(Call::Reply, Some("slow"), hang);
        desk.queue("d1", "slow", "one").await;
        desk.called(1).await;
        desk.queue("d2", "quick", "two").await;
        desk.queue("d3", "quick", "three").await;
        let settled = desk.settled(2).await;
        assert_eq!(settled[1].0, "d3");
        assert_eq!(desk.texts("quick"), ["two", "three"]);
    })
    .await;
}

#[tokio::test]
async fn no_more_attempts_run_at_once_than_there_are_workers() {
    within(async {
        let desk = Desk::with(|options| options.workers = 1).await;
        desk.intercom.open_conversation("a", "u1", "");
        desk.intercom.open_conversation("b", "u2", "");
        let hang = Fault::after(Twist::Delay(Duration::from_secs(5)));
        desk.intercom.script(Call::Reply, Some("a"), hang);
        desk.queue("d1", "a", "one").await;
        desk.called(1).await;
        desk.queue("d2", "b", "two").await;
        desk.advance(5_000);
        desk.settled(2).await;
        let at_ms = desk.intercom.posts("b")[0].at_ms;
        assert!(at_ms >= (START_S + 5) * 1000);
    })
    .await;
}

#[tokio::test]
async fn a_rotated_token_counts_at_once_and_a_missing_account_loses_nothing() {
    within(async {
        let desk = Desk::open().await;
        desk.intercom.open_conversation("c", "u1", "");
        let account = desk.account.lock().expect("no test panics here").take();
        desk.queue("d1", "c", "one").await;
        desk.counted("retried", 1).await;
        assert!(desk.intercom.requests().is_empty());

        *desk.account.lock().expect("no test panics here") = account;
        desk.set_account(|account| account.access_token = "fresh".into());
        desk.intercom.set_access_token("fresh");
        desk.jump().await;
        desk.settled(1).await;
        assert_eq!(desk.intercom.requests()[0].authorization, "Bearer fresh");
    })
    .await;
}

#[tokio::test]
async fn a_stop_leases_nothing_more_and_lets_attempts_finish() {
    within(async {
        let desk = Desk::with(|options| options.workers = 1).await;
        desk.intercom.open_conversation("a", "u1", "");
        desk.intercom.open_conversation("b", "u2", "");
        let slow = Fault::after(Twist::Delay(Duration::from_secs(5)));
        desk.intercom.script(Call::Reply, Some("a"), slow);
        desk.queue("d1", "a", "one").await;
        desk.called(1).await;
        // This nudge lets the worker wait for its only slot; the stop must be heard there too.
        desk.queue("d2", "b", "two").await;
        tokio::task::yield_now().await;
        desk.tasks.stop();
        let stop = desk.tasks.finish(&desk.clock, Duration::from_secs(8));
        let (finished, ()) = tokio::join!(stop, async { desk.advance(5_000) });
        assert!(finished);
        assert_eq!(desk.settled(1).await.len(), 1);
        assert!(desk.texts("b").is_empty());
        let now_ms = desk.clock.now_ms();
        let next = desk.store.next_delivery_ms(&[]).await;
        assert_eq!(next.expect("memory answers"), Some(now_ms - 5_000));
    })
    .await;
}

#[tokio::test]
async fn an_identifier_can_only_ever_address_its_own_conversation() {
    within(async {
        let desk = Desk::open().await;
        for (n, id) in ["", ".", "..", "last", "LAST"].into_iter().enumerate() {
            desk.queue(&format!("bad{n}"), id, "text").await;
        }
        let settled = desk.settled(5).await;
        let is_gone = |outcome: &Outcome| matches!(outcome, Outcome::Gone(_));
        assert!(settled.iter().all(|(_, outcome)| is_gone(outcome)));
        assert!(desk.intercom.requests().is_empty());

        let odd = "a/../b?c=d#e f%2e";
        desk.intercom.open_conversation(odd, "u1", "");
        desk.queue("odd", odd, "text").await;
        desk.settled(6).await;
        assert_eq!(desk.texts(odd), ["text"]);
        let target = &desk.intercom.requests()[0].target;
        assert_eq!(
            target,
            "/conversations/a%2F..%2Fb%3Fc%3Dd%23e%20f%252e/reply"
        );
    })
    .await;
}

#[tokio::test]
async fn logs_tell_what_happened_and_no_secret() {
    let written = Log::default();
    let log = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || log.clone())
        .finish();
    // While only one subscriber lives, a statement that another test's thread reaches first is judged
    // by that thread, which has none, and would stay silent here as well.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(subscriber);
    within(async {
        let desk = Desk::open().await;
        desk.intercom.open_conversation("c", "u1", "");
        for (call, fault) in [
            (Call::Reply, Fault::after(Twist::Reset)),
            (Call::Read, Fault::before(Twist::error(401, "unauthorized"))),
        ] {
            desk.intercom.script(call, Some("c"), fault);
        }
        let stuck = Fault::before(Twist::error(404, "admin_not_found"));
        desk.intercom.script(Call::Reply, Some("gone"), stuck);
        desk.queue("d2", "gone", "the secret plans").await;
        desk.counted("retried", 1).await;
        desk.queue("d1", "c", "the secret plans").await;
        desk.counted("retried", 2).await;
        desk.advance(TIMEOUT_MS);
        desk.counted("unauthorized", 1).await;
        desk.nudge.invite(&"acme".into());
        desk.settled(1).await;
        desk.jump().await;
        desk.settled(2).await;
        desk.counted("delivered", 1).await;
    })
    .await;
    let text = String::from_utf8(written.0.lock().expect("no test panics here").clone());
    let text = text.expect("logs are text");
    for wanted in [
        "a note is in its conversation",
        "a note cannot be delivered with these settings",
        "an account's credentials are refused",
        "an account works again",
        "Intercom answered 404 (admin_not_found)",
        "no complete answer",
        "delivery_id=d1",
        "product_id=acme",
        "session_id=s-d1",
        "conversation_id=\"c\"",
        "attempt=2",
    ] {
        assert!(text.contains(wanted), "{wanted} is missing in {text}");
    }
    for secret in ["dG9rOmRlbW8=", "the secret plans"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

#[test]
fn every_region_has_its_own_host() {
    assert_eq!(Region::Us.url(), "https://api.intercom.io");
    assert_eq!(Region::Eu.url(), "https://api.eu.intercom.io");
    assert_eq!(Region::Au.url(), "https://api.au.intercom.io");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no test panics here").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

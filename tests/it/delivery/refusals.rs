//! Definite refusals: later, never, gone.

use event_connector::demo::intercom::{Call, Fault, Twist};
use event_connector::domain::session::Outcome;
use tokio::net::TcpListener;

use super::desk::{Desk, SCHEDULE, START_S, within};

async fn under(twist: Twist) -> Desk {
    let desk = Desk::open().await;
    desk.intercom.open_conversation("c", "u1", "");
    desk.intercom
        .script(Call::Reply, None, Fault::before(twist));
    desk.queue("d1", "c", "text").await;
    desk
}

fn answer(status: u16, headers: Vec<(&'static str, String)>, body: &str) -> Twist {
    Twist::Answer {
        status,
        headers,
        body: body.to_owned(),
    }
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_in_every_form_it_is_told() {
    within(async {
        let reset = ("x-ratelimit-reset", (START_S + 40).to_string());
        let seconds = ("retry-after", "50".to_owned());
        // A minute after START_S.
        let date = ("retry-after", "Thu, 09 Oct 2025 08:54:20 GMT".to_owned());
        let nonsense = ("retry-after", "soon".to_owned());
        for (headers, least_ms) in [
            (vec![reset.clone()], 40_000),
            (vec![seconds.clone()], 50_000),
            (vec![date], 60_000),
            (vec![reset, seconds], 50_000),
            (vec![nonsense], 2_000),
            (vec![("x-ratelimit-reset", "1".to_owned())], 2_000),
        ] {
            let told = format!("{headers:?}");
            let desk = under(answer(429, headers, "{}")).await;
            desk.counted("limited", 1).await;
            let pause_ms = desk.jump().await;
            assert_eq!(pause_ms, least_ms, "{told}");
            desk.settled(1).await;
            assert_eq!(desk.methods(), ["POST", "POST"], "{told}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_overloaded_server_may_ask_for_patience_before_it_is_read() {
    within(async {
        let headers = vec![("retry-after", "90".to_owned())];
        let desk = under(answer(503, headers, "")).await;
        desk.counted("retried", 1).await;
        assert!(desk.jump().await >= 90_000);
        desk.settled(1).await;
        assert_eq!(desk.methods(), ["POST", "GET", "POST"]);
    })
    .await;
}

#[tokio::test]
async fn settings_that_are_not_accepted_wait_long_and_lose_nothing() {
    within(async {
        for twist in [
            answer(403, Vec::new(), "<html>blocked</html>"),
            Twist::error(400, "intercom_version_invalid"),
            Twist::error(404, "admin_not_found"),
            answer(404, Vec::new(), "<html>no such page</html>"),
            answer(
                307,
                vec![("location", "http://127.0.0.1:9/".to_owned())],
                "",
            ),
        ] {
            let told = format!("{twist:?}");
            let desk = under(twist).await;
            desk.counted("retried", 1).await;
            assert!(desk.jump().await >= SCHEDULE.cap_ms, "{told}");
            desk.settled(1).await;
            assert_eq!(desk.texts("c"), ["text"], "{told}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_that_can_never_succeed_is_a_dead_letter_and_the_next_one_goes_on() {
    within(async {
        for twist in [
            Twist::error(400, "parameter_invalid"),
            Twist::error(422, "data_invalid"),
            Twist::error(409, "conflict"),
            answer(413, Vec::new(), "too long"),
        ] {
            let desk = under(twist).await;
            desk.queue("d2", "c", "next").await;
            let settled = desk.settled(2).await;
            assert!(
                matches!(&settled[0].1, Outcome::Failed(reason) if reason.contains("answered 4"))
            );
            assert_eq!(desk.texts("c"), ["next"]);
            desk.counted("dead", 1).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_conversation_that_does_not_exist_is_reported_as_gone() {
    within(async {
        let desk = Desk::open().await;
        desk.queue("d1", "nowhere", "text").await;
        let settled = desk.settled(1).await;
        let reason = "Intercom answered 404 (conversation_not_found)";
        assert_eq!(settled[0].1, Outcome::Gone(reason.into()));
        desk.counted("gone", 1).await;
    })
    .await;
}

#[tokio::test]
async fn a_conversation_that_vanishes_under_an_unsettled_note_is_gone() {
    within(async {
        let desk = under(Twist::Reset).await;
        desk.counted("retried", 1).await;
        desk.intercom.remove_conversation("c");
        desk.jump().await;
        assert!(matches!(&desk.settled(1).await[0].1, Outcome::Gone(_)));
    })
    .await;
}

#[tokio::test]
async fn a_refused_connection_sent_nothing_so_nothing_is_read_back() {
    within(async {
        let desk = Desk::open().await;
        desk.intercom.open_conversation("c", "u1", "");
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        drop(listener);
        desk.set_account(|account| account.base_url = format!("http://{address}/"));
        desk.queue("d1", "c", "text").await;
        desk.counted("retried", 1).await;
        assert!(desk.pause_ms().await <= 2_200);
        let address = desk.intercom.base_url();
        desk.set_account(|account| account.base_url = address);
        desk.jump().await;
        desk.settled(1).await;
        assert_eq!(desk.methods(), ["POST"]);
    })
    .await;
}

#[tokio::test]
async fn settings_that_cannot_be_sent_wait_for_an_operator() {
    within(async {
        let desk = Desk::open().await;
        desk.set_account(|account| account.access_token = "two\nlines".into());
        desk.queue("d1", "c", "text").await;
        desk.counted("retried", 1).await;
        desk.set_account(|account| account.base_url = "not a url".to_owned());
        assert!(desk.jump().await >= SCHEDULE.cap_ms);
        desk.counted("retried", 2).await;
        assert!(desk.pause_ms().await >= SCHEDULE.cap_ms);
        assert!(desk.intercom.requests().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_platform_that_never_relents_ends_in_a_dead_letter() {
    within(async {
        let desk = Desk::with(|options| options.schedule.retries_max = 2).await;
        desk.intercom.open_conversation("c", "u1", "");
        for _ in 0..3 {
            let refused = Twist::error(404, "admin_not_found");
            desk.intercom
                .script(Call::Reply, None, Fault::before(refused));
        }
        desk.queue("d1", "c", "text").await;
        for n in 1..=2 {
            desk.counted("retried", n).await;
            desk.jump().await;
        }
        let reason = "gave up after 3 attempts: Intercom answered 404 (admin_not_found)";
        assert_eq!(desk.settled(1).await[0].1, Outcome::Failed(reason.into()));
        assert_eq!(desk.intercom.requests().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_row_nobody_understands_ends_and_stops_nothing_else() {
    within(async {
        let desk = Desk::open().await;
        desk.intercom.open_conversation("c", "u1", "");
        desk.queue_row("odd", "acme/intercom/c", "not a note").await;
        desk.queue_row("lost", "acme/pigeon/c", "{}").await;
        desk.queue("d1", "c", "text").await;
        let settled = desk.settled(2).await;
        let reason = "the delivery's body cannot be read";
        assert_eq!(
            settled[0],
            ("odd".to_owned(), Outcome::Failed(reason.into()))
        );
        assert_eq!(settled[1].0, "d1");
        let unknown = desk
            .metrics
            .notes
            .with_label_values(&["unknown", "retried"]);
        assert_eq!(unknown.get(), 1);
    })
    .await;
}

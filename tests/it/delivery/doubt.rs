//! Attempts without a definite answer: read back first, never doubled.

use std::time::Duration;

use event_connector::demo::intercom::{Call, Fault, Twist};
use event_connector::domain::session::Outcome;
use event_connector::tasks::Tasks;
use serde_json::json;

use super::desk::{Desk, LEASE_MS, RESPONSE_BYTES_MAX, START_S, TIMEOUT_MS, delivered, within};

/// Posts one note under `fault` and moves time until it has come to its end.
async fn after(fault: Fault) -> (Desk, Outcome) {
    let desk = Desk::open().await;
    desk.intercom.open_conversation("c", "u1", "");
    desk.intercom.script(Call::Reply, None, fault);
    desk.queue("d1", "c", "[1] User clicked Save").await;
    desk.counted("retried", 1).await;
    desk.jump().await;
    let settled = desk.settled(1).await.remove(0);
    (desk, settled.1)
}

fn garbage() -> Twist {
    answer(
        200,
        "<html>Welcome to the hotel's network</html>".to_owned(),
    )
}

fn answer(status: u16, body: String) -> Twist {
    Twist::Answer {
        status,
        headers: Vec::new(),
        body,
    }
}

#[tokio::test]
async fn what_arrived_without_an_answer_is_found_and_not_repeated() {
    within(async {
        for twist in [
            Twist::error(500, "server_error"),
            Twist::error(408, "client_error"),
            Twist::Reset,
            Twist::Endless,
            garbage(),
        ] {
            let told = format!("{twist:?}");
            let (desk, outcome) = after(Fault::after(twist)).await;
            let posts = desk.intercom.posts("c");
            assert_eq!(posts.len(), 1, "{told}");
            assert_eq!(outcome, delivered(&posts[0].part), "{told}");
            assert_eq!(desk.methods(), ["POST", "GET"], "{told}");
            let target = &desk.intercom.requests()[1].target;
            assert_eq!(target, "/conversations/c?display_as=plaintext");
        }
    })
    .await;
}

#[tokio::test]
async fn what_did_not_arrive_is_repeated_after_a_look() {
    within(async {
        for twist in [Twist::error(503, "server_error"), Twist::Reset, garbage()] {
            let told = format!("{twist:?}");
            let (desk, outcome) = after(Fault::before(twist)).await;
            let posts = desk.intercom.posts("c");
            assert_eq!(posts.len(), 1, "{told}");
            assert_eq!(outcome, delivered(&posts[0].part), "{told}");
            assert_eq!(desk.methods(), ["POST", "GET", "POST"], "{told}");
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_is_read_back_before_the_request_timeout_has_passed() {
    within(async {
        let (desk, _) = after(Fault::after(Twist::Reset)).await;
        let at: Vec<_> = desk
            .intercom
            .requests()
            .iter()
            .map(|one| one.at_ms)
            .collect();
        assert!(at[1] - at[0] >= TIMEOUT_MS);
    })
    .await;
}

#[tokio::test]
async fn a_repeated_link_does_not_make_it_look_too_soon() {
    within(async {
        let desk = Desk::open().await;
        desk.intercom.open_conversation("c", "u1", "");
        desk.intercom
            .script(Call::Reply, None, Fault::after(Twist::Reset));
        desk.queue("d1", "c", "text").await;
        desk.counted("retried", 1).await;
        desk.retry_now("c").await;
        while desk.pause_ms().await != TIMEOUT_MS {
            tokio::task::yield_now().await;
        }
        assert_eq!(desk.methods(), ["POST"]);
        desk.jump().await;
        desk.settled(1).await;
        assert_eq!(desk.methods(), ["POST", "GET"]);
    })
    .await;
}

#[tokio::test]
async fn a_slow_answer_times_out_and_is_found_later() {
    within(async {
        for twist in [
            Twist::Delay(Duration::from_secs(3600)),
            Twist::Trickle(Duration::from_secs(3)),
        ] {
            let told = format!("{twist:?}");
            let desk = Desk::open().await;
            desk.intercom.open_conversation("c", "u1", "");
            desk.intercom.script(Call::Reply, None, Fault::after(twist));
            desk.queue("d1", "c", "text").await;
            let arrived = |intercom: &event_connector::demo::intercom::Intercom| {
                !intercom.posts("c").is_empty()
            };
            desk.intercom.until(arrived).await;
            desk.advance(TIMEOUT_MS);
            desk.counted("retried", 1).await;
            desk.jump().await;
            desk.settled(1).await;
            assert_eq!(desk.methods(), ["POST", "GET"], "{told}");
            assert_eq!(desk.texts("c"), ["text"], "{told}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_dies_in_mid_attempt_leaves_a_note_that_is_found() {
    within(async {
        let desk = Desk::open().await;
        desk.intercom.open_conversation("c", "u1", "");
        let hang = Fault::after(Twist::Delay(Duration::from_secs(3600)));
        desk.intercom.script(Call::Reply, None, hang);
        desk.queue("d1", "c", "one").await;
        desk.queue("d2", "c", "two").await;
        desk.called(1).await;
        assert!(!desk.tasks.finish(&desk.clock, Duration::ZERO).await);

        let reborn = Tasks::new();
        desk.start(&reborn);
        desk.advance(LEASE_MS);
        let settled = desk.settled(2).await;
        let posts = desk.intercom.posts("c");
        assert_eq!(desk.texts("c"), ["one", "two"]);
        assert_eq!(settled[0], ("d1".to_owned(), delivered(&posts[0].part)));
        assert_eq!(desk.methods(), ["POST", "GET", "POST"]);
    })
    .await;
}

#[tokio::test]
async fn an_outcome_that_could_not_be_written_is_read_back_after_the_lease() {
    within(async {
        let desk = Desk::open().await;
        desk.intercom.open_conversation("c", "u1", "");
        *desk.book.failures.lock().expect("no test panics here") = 1;
        desk.queue("d1", "c", "one").await;
        let is_tried = || *desk.book.failures.lock().expect("no test panics here") == 0;
        while !is_tried() {
            tokio::task::yield_now().await;
        }
        assert_eq!(desk.jump().await, LEASE_MS);
        let settled = desk.settled(1).await;
        let posts = desk.intercom.posts("c");
        assert_eq!(posts.len(), 1);
        assert_eq!(settled[0].1, delivered(&posts[0].part));
    })
    .await;
}

#[tokio::test]
async fn a_part_that_another_delivery_owns_is_not_taken_for_ours() {
    within(async {
        for (fault, methods) in [
            (
                Fault::after(Twist::Reset),
                ["POST", "POST", "GET"].as_slice(),
            ),
            (
                Fault::before(Twist::Reset),
                &["POST", "POST", "GET", "POST"],
            ),
        ] {
            let desk = Desk::open().await;
            desk.intercom.open_conversation("c", "u1", "");
            desk.queue("d1", "c", "same").await;
            desk.settled(1).await;
            desk.intercom.script(Call::Reply, None, fault);
            desk.queue("d2", "c", "same").await;
            desk.counted("retried", 1).await;
            desk.jump().await;
            let settled = desk.settled(2).await;
            let posts = desk.intercom.posts("c");
            assert_eq!(posts.len(), 2);
            assert_eq!(settled[1].1, delivered(&posts[1].part));
            assert_eq!(desk.methods(), methods);
        }
    })
    .await;
}

#[tokio::test]
async fn what_looks_like_ours_but_is_old_or_another_persons_does_not_count() {
    within(async {
        let desk = Desk::open().await;
        desk.intercom.open_conversation("c", "u1", "");
        desk.intercom.write_note("c", "<p>text</p>");
        desk.advance(121_000 + 1_000);
        desk.intercom.say("c", "text");
        desk.intercom.write_note("c", "<p>text and more</p>");
        desk.intercom
            .script(Call::Reply, None, Fault::before(Twist::Reset));
        desk.queue("d1", "c", "text").await;
        desk.counted("retried", 1).await;
        desk.jump().await;
        desk.settled(1).await;
        assert_eq!(desk.texts("c"), ["text", "text and more", "text"]);
    })
    .await;
}

#[tokio::test]
async fn a_reading_that_fails_is_tried_again_and_nothing_is_posted_meanwhile() {
    within(async {
        let desk = Desk::open().await;
        desk.intercom.open_conversation("c", "u1", "");
        desk.intercom
            .script(Call::Reply, None, Fault::after(Twist::Reset));
        let no_reading = [
            Fault::before(garbage()),
            Fault::before(Twist::error(429, "rate_limit_exceeded")),
        ];
        for fault in no_reading {
            desk.intercom.script(Call::Read, None, fault);
        }
        desk.queue("d1", "c", "text").await;
        for (outcome, n) in [("retried", 1), ("retried", 2), ("limited", 1)] {
            desk.counted(outcome, n).await;
            desk.jump().await;
        }
        desk.settled(1).await;
        assert_eq!(desk.methods(), ["POST", "GET", "GET", "GET"]);
        assert_eq!(desk.texts("c"), ["text"]);
    })
    .await;
}

#[tokio::test]
async fn the_last_attempt_is_looked_up_before_it_is_given_up() {
    within(async {
        for arrives in [true, false] {
            let desk = Desk::with(|options| options.schedule.retries_max = 1).await;
            desk.intercom.open_conversation("c", "u1", "");
            let last = if arrives { Fault::after } else { Fault::before };
            desk.intercom
                .script(Call::Reply, None, Fault::before(Twist::Reset));
            desk.intercom.script(Call::Reply, None, last(Twist::Reset));
            desk.queue("d1", "c", "text").await;
            for n in 1..=2 {
                desk.counted("retried", n).await;
                desk.jump().await;
            }
            let settled = desk.settled(1).await;
            assert_eq!(desk.methods(), ["POST", "GET", "POST", "GET"]);
            if arrives {
                assert_eq!(settled[0].1, delivered(&desk.intercom.posts("c")[0].part));
            } else {
                let reason = "gave up after 2 attempts: the last attempt did not arrive";
                assert_eq!(settled[0].1, Outcome::Failed(reason.into()));
                desk.counted("dead", 1).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_too_long_to_read_is_success_without_a_part() {
    within(async {
        let desk = Desk::open().await;
        desk.intercom.open_conversation("c", "u1", "");
        let long = format!(
            "{{\"type\": \"conversation\", \"title\": \"{}\"",
            "x".repeat(RESPONSE_BYTES_MAX)
        );
        desk.intercom
            .script(Call::Reply, None, Fault::after(answer(200, long)));
        desk.queue("d1", "c", "text").await;
        assert_eq!(desk.settled(1).await[0].1, Outcome::Delivered(None));
        assert_eq!(desk.methods(), ["POST"]);
    })
    .await;
}

/// A conversation as Intercom answers it: each part is its identifier, author, time and body.
fn conversation(parts: &[(&str, &str, u64, &str)]) -> Twist {
    let part = |(id, author, at_s, body): &(&str, &str, u64, &str)| {
        json!({
            "type": "conversation_part", "id": id, "created_at": at_s, "body": body,
            "author": {"type": author, "id": 814_860},
        })
    };
    let parts: Vec<_> = parts.iter().map(part).collect();
    let list = json!({"type": "conversation_part.list", "conversation_parts": parts});
    answer(
        200,
        json!({"type": "conversation", "conversation_parts": list}).to_string(),
    )
}

#[tokio::test]
async fn the_answer_names_our_part_even_when_it_is_not_the_last_or_was_rewritten() {
    within(async {
        let cases = [
            (["admin", "text"], ["admin", "else"], "1"),
            (["admin", "rewritten"], ["user", "else"], "1"),
            (["user", "else"], ["user", "else"], "2"),
        ];
        for ([author, body], [next_author, next_body], wanted) in cases {
            let desk = Desk::open().await;
            let told = conversation(&[
                ("1", author, START_S, body),
                ("2", next_author, START_S, next_body),
            ]);
            desk.intercom.script(Call::Reply, None, Fault::before(told));
            desk.queue("d1", "c", "text").await;
            assert_eq!(desk.settled(1).await[0].1, delivered(wanted));
        }
    })
    .await;
}

#[tokio::test]
async fn of_several_parts_that_could_be_ours_the_oldest_is() {
    within(async {
        let desk = Desk::open().await;
        desk.intercom
            .script(Call::Reply, None, Fault::before(Twist::Reset));
        let told = conversation(&[
            ("7", "admin", START_S + 9, "text"),
            ("8", "admin", START_S + 2, "<p>text</p>"),
        ]);
        desk.intercom.script(Call::Read, None, Fault::before(told));
        desk.queue("d1", "c", "text").await;
        desk.counted("retried", 1).await;
        desk.jump().await;
        assert_eq!(desk.settled(1).await[0].1, delivered("8"));
    })
    .await;
}

#[tokio::test]
async fn no_call_begins_that_might_outlast_its_lease() {
    within(async {
        let lease_ms = TIMEOUT_MS - 1;
        let desk = Desk::with(|options| options.lease_ms = lease_ms).await;
        desk.intercom.open_conversation("c", "u1", "");
        desk.queue("d1", "c", "text").await;
        while desk.pause_ms().await != lease_ms {
            tokio::task::yield_now().await;
        }
        // The end of the worker is the end of its attempts.
        assert!(desk.tasks.finish(&desk.clock, Duration::from_secs(1)).await);
        assert!(desk.intercom.requests().is_empty());
        assert_eq!(desk.pause_ms().await, lease_ms);
    })
    .await;
}

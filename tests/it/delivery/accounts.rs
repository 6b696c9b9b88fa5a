//! Accounts over their rate limit, silent or refused, and their neighbours.

use std::collections::BTreeMap;
use std::time::Duration;

use event_connector::demo::intercom::{Call, Fault, Intercom, Twist};
use event_connector::domain::attempt::AttemptOutcome;
use event_connector::domain::session::Outcome;
use event_connector::store::Store;

use super::desk::{ACCOUNT, Desk, SCHEDULE, within};

const WINDOW_MS: u64 = 10_000;

/// A desk that gives up at the first attempt that counts.
async fn strict(account_workers: usize) -> Desk {
    Desk::with(|options| {
        options.schedule.retries_max = 0;
        options.account.account_workers = account_workers;
    })
    .await
}

/// Waits until no call is under way and nothing happens before the worker's next poll.
async fn idle(desk: &Desk) {
    while desk.hand.next_wake() != Some(Duration::from_secs(1)) {
        tokio::task::yield_now().await;
    }
}

fn times(intercom: &Intercom) -> Vec<u64> {
    let requests = intercom.requests().into_iter();
    requests.map(|request| request.at_ms).collect()
}

#[tokio::test]
async fn three_hundred_notes_overdraw_no_window_and_arrive_once() {
    within(async {
        let desk = strict(4).await;
        desk.intercom.limit_rate(40);
        for conversation in 0..30 {
            let name = format!("c{conversation}");
            desk.intercom.open_conversation(&name, "u1", "");
            for note in 0..10 {
                desk.queue(&format!("{name}-{note}"), &name, &format!("note {note}"))
                    .await;
            }
        }
        for window in 1..=8 {
            desk.counted("delivered", (40 * window).min(300)).await;
            idle(&desk).await;
            desk.advance(WINDOW_MS);
        }
        let settled = desk.settled(300).await;
        let delivered = |outcome: &Outcome| matches!(outcome, Outcome::Delivered(Some(_)));
        assert!(settled.iter().all(|(_, outcome)| delivered(outcome)));
        let order: Vec<String> = (0..10).map(|note| format!("note {note}")).collect();
        for conversation in 0..30 {
            assert_eq!(desk.texts(&format!("c{conversation}")), order);
        }
        let mut windows = BTreeMap::new();
        for at_ms in times(&desk.intercom) {
            *windows.entry(at_ms / WINDOW_MS).or_insert(0) += 1;
        }
        let counts: Vec<u32> = windows.into_values().collect();
        assert_eq!(counts, [40, 40, 40, 40, 40, 40, 40, 20]);
    })
    .await;
}

#[tokio::test]
async fn waiting_for_a_rate_limit_is_no_attempt_and_never_makes_a_dead_letter() {
    within(async {
        let desk = strict(4).await;
        desk.intercom.open_conversation("c", "u1", "");
        for _ in 0..7 {
            let limited = Twist::error(429, "rate_limit_exceeded");
            desk.intercom
                .script(Call::Reply, None, Fault::before(limited));
        }
        desk.queue("d1", "c", "text").await;
        desk.wait_through(1).await;
        assert_eq!(desk.texts("c"), ["text"]);
        let shown = desk.store.delivery(&"d1".into()).await.expect("readable");
        let outcomes: Vec<_> = shown.expect("there").attempts;
        let outcomes: Vec<_> = outcomes.iter().map(|(_, one)| one.outcome).collect();
        let (last, limited) = outcomes.split_last().expect("calls were made");
        assert_eq!(limited, [AttemptOutcome::Limited; 7]);
        assert_eq!(*last, AttemptOutcome::Delivered);
        let counter = &desk.metrics.account_closures;
        let closures = counter.with_label_values(&["intercom", "limited"]);
        assert_eq!(closures.get(), 7);
    })
    .await;
}

#[tokio::test]
async fn one_answer_closes_the_account_for_all_its_conversations() {
    within(async {
        let desk = strict(1).await;
        for name in ["a", "b", "c"] {
            desk.intercom.open_conversation(name, "u1", "");
        }
        let limited = Twist::Answer {
            status: 429,
            headers: vec![("retry-after", "50".to_owned())],
            body: String::new(),
        };
        desk.intercom
            .script(Call::Reply, None, Fault::before(limited));
        for name in ["a", "b", "c"] {
            desk.queue(name, name, "text").await;
        }
        desk.wait_through(3).await;
        let at = times(&desk.intercom);
        assert_eq!(at.len(), 4);
        assert!(at[1] - at[0] >= 50_000);
    })
    .await;
}

#[tokio::test]
async fn a_hanging_account_takes_its_share_of_the_workers_and_delays_no_other() {
    within(async {
        let desk = Desk::with(|options| options.workers = 6).await;
        let beta = desk.open_beta().await;
        beta.open_conversation("b", "u1", "");
        for number in 0..20 {
            let name = format!("c{number}");
            let hang = Fault::before(Twist::Delay(Duration::from_secs(3600)));
            desk.intercom.script(Call::Reply, None, hang);
            desk.queue(&name, &name, "text").await;
        }
        desk.called(ACCOUNT.account_workers).await;
        for number in 0..50 {
            desk.queue_for(
                "beta",
                &format!("b{number}"),
                "b",
                &format!("note {number}"),
            )
            .await;
        }
        // Time stands still: nothing of this waits for the one that hangs.
        desk.settled(50).await;
        assert_eq!(beta.posts("b").len(), 50);
        assert_eq!(desk.intercom.requests().len(), ACCOUNT.account_workers);
    })
    .await;
}

#[tokio::test]
async fn a_place_is_free_again_while_the_outcome_of_its_call_is_written_down() {
    within(async {
        let desk = Desk::with(|options| {
            options.workers = 3;
            options.account.account_workers = 1;
        })
        .await;
        let disk = desk.book.disk.write().await;
        for number in 0..5 {
            let name = format!("c{number}");
            desk.intercom.open_conversation(&name, "u1", "");
            desk.queue(&name, &name, "text").await;
        }
        // Time stands still, and so does the disk.
        desk.called(3).await;
        idle(&desk).await;
        assert_eq!(desk.intercom.requests().len(), 3, "as many as workers");
        drop(disk);
        desk.settled(5).await;
        assert_eq!(desk.intercom.requests().len(), 5);
    })
    .await;
}

#[tokio::test]
async fn two_products_with_one_token_share_its_places() {
    within(async {
        let desk = Desk::with(|options| options.workers = 16).await;
        let shared = desk.account.lock().expect("no test panics here").clone();
        *desk.beta.lock().expect("no test panics here") = shared;
        for number in 0..20 {
            let name = format!("c{number}");
            let hang = Fault::before(Twist::Delay(Duration::from_secs(5)));
            desk.intercom.script(Call::Reply, None, hang);
            let product = if number % 2 == 0 { "acme" } else { "beta" };
            desk.intercom.open_conversation(&name, "u1", "");
            desk.queue_for(product, &name, &name, "text").await;
        }
        for round in 1..=5 {
            desk.called(4 * round).await;
            assert_eq!(desk.intercom.requests().len(), 4 * round);
            desk.advance(5_000);
            desk.settled(4 * round).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_dead_vendor_is_probed_by_one_call_at_a_time_until_it_answers() {
    within(async {
        let desk = Desk::with(|options| {
            options.account.account_workers = 1;
            options.request_timeout_ms = 1_000;
        })
        .await;
        for number in 0..12 {
            let name = format!("c{number}");
            desk.intercom.open_conversation(&name, "u1", "");
            desk.queue(&name, &name, "text").await;
        }
        for call in [Call::Reply, Call::Read] {
            for _ in 0..7 {
                desk.intercom
                    .script(call, None, Fault::before(Twist::Reset));
            }
        }
        desk.wait_through(12).await;
        for number in 0..12 {
            assert_eq!(desk.texts(&format!("c{number}")), ["text"]);
        }
        let at = times(&desk.intercom);
        let pauses: Vec<u64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
        // Five failures, then probes further and further apart, until one is answered.
        assert!(pauses[4] >= 4_500, "{pauses:?}");
        assert!(pauses[5] >= 9_000, "{pauses:?}");
        assert!(pauses[6] >= 18_000, "{pauses:?}");
        let counter = &desk.metrics.account_closures;
        assert!(counter.with_label_values(&["intercom", "silent"]).get() >= 1);
    })
    .await;
}

#[tokio::test]
async fn refused_credentials_stop_the_account_tell_and_resume_with_a_new_token() {
    within(async {
        let desk = strict(1).await;
        for name in ["a", "b", "c"] {
            desk.intercom.open_conversation(name, "u1", "");
        }
        desk.intercom.set_access_token("fresh");
        for name in ["a", "b", "c"] {
            desk.queue(name, name, "text").await;
        }
        desk.counted("unauthorized", 1).await;
        let closures = desk
            .metrics
            .account_closures
            .with_label_values(&["intercom", "refused"]);
        assert_eq!(
            (desk.metrics.accounts_refused.get(), closures.get()),
            (1, 1)
        );
        // Three notes are due, and nobody is in a hurry.
        idle(&desk).await;
        desk.advance(600_000);
        desk.set_account(|account| account.access_token = "fresh".into());
        desk.advance(1_000);
        desk.settled(3).await;
        assert_eq!(desk.intercom.requests().len(), 4, "one was refused");
        assert_eq!(closures.get(), 1);
        desk.advance(1_000);
        while desk.metrics.accounts_refused.get() != 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn refused_credentials_are_probed_rarely_and_at_once_when_asked() {
    within(async {
        let desk = strict(4).await;
        desk.intercom.open_conversation("a", "u1", "");
        for _ in 0..2 {
            let refused = Twist::error(402, "api_plan_restricted");
            desk.intercom
                .script(Call::Reply, None, Fault::before(refused));
        }
        desk.queue("a", "a", "text").await;
        desk.counted("unauthorized", 1).await;
        desk.nudge.invite(&"acme".into());
        desk.counted("unauthorized", 2).await;
        desk.wait_through(1).await;
        let at = times(&desk.intercom);
        assert_eq!(at.len(), 3);
        assert_eq!(at[1], at[0], "asked for");
        assert!(at[2] - at[1] >= ACCOUNT.refused_probe_ms / 10 * 9);
    })
    .await;
}

#[tokio::test]
async fn what_waits_for_refused_credentials_for_too_long_is_given_up_oldest_first() {
    const DAY_MS: u64 = 86_400_000;
    within(async {
        let desk = Desk::with(|options| {
            options.account.account_workers = 2;
            options.account.refused_probe_ms = 30 * DAY_MS;
            options.give_up_after_ms = Some(7 * DAY_MS);
        })
        .await;
        desk.intercom.set_access_token("fresh");
        let old = ["a", "b", "c", "d", "e"];
        for name in old {
            desk.intercom.open_conversation(name, "u1", "");
            desk.queue(name, name, "text").await;
        }
        desk.counted("unauthorized", 1).await;
        desk.intercom.open_conversation("young", "u1", "");
        desk.advance(6 * DAY_MS);
        desk.queue("young", "young", "text").await;
        desk.advance(DAY_MS);
        let settled = desk.settled(old.len()).await;
        let words =
            "it waited for longer than delivery.give_up_after_s, because the credentials are refused";
        for name in old {
            let end = (name.to_owned(), Outcome::Failed(words.into()));
            assert!(settled.contains(&end), "{name}: {settled:?}");
        }
        desk.counted("expired", old.len() as u64).await;
        desk.set_account(|account| account.access_token = "fresh".into());
        desk.advance(1_000);
        let settled = desk.settled(old.len() + 1).await;
        assert_eq!(settled[old.len()].0, "young");
        assert_eq!(desk.texts("young"), ["text"]);
    })
    .await;
}

#[tokio::test]
async fn a_conversation_that_always_fails_closes_nothing_while_others_work() {
    within(async {
        let desk = Desk::with(|options| options.account.account_workers = 1).await;
        desk.intercom.open_conversation("bad", "u1", "");
        desk.intercom.open_conversation("good", "u1", "");
        for _ in 0..=SCHEDULE.retries_max {
            let broken = Twist::error(500, "server_error");
            desk.intercom
                .script(Call::Reply, Some("bad"), Fault::before(broken));
        }
        desk.queue("bad", "bad", "text").await;
        for number in 0..9 {
            desk.queue(&format!("g{number}"), "good", "text").await;
        }
        desk.wait_through(10).await;
        let counter = &desk.metrics.account_closures;
        assert_eq!(counter.with_label_values(&["intercom", "silent"]).get(), 0);
        assert_eq!(desk.texts("good").len(), 9);
    })
    .await;
}

#[tokio::test]
async fn a_call_and_the_beginning_of_its_error_are_in_the_history() {
    within(async {
        let desk = Desk::open().await;
        desk.intercom.open_conversation("c", "u1", "");
        let page = Twist::Answer {
            status: 502,
            headers: Vec::new(),
            body: "<html><title>Bad gateway</title>[1] User clicked Save</html>".to_owned(),
        };
        desk.intercom.script(Call::Reply, None, Fault::after(page));
        desk.queue("d1", "c", "[1] User clicked Save").await;
        desk.wait_through(1).await;
        let shown = desk.store.delivery(&"d1".into()).await.expect("readable");
        let calls = shown.expect("there").attempts;
        let told: Vec<_> = calls
            .iter()
            .map(|(number, one)| {
                let call = one.call.as_str();
                let outcome = one.outcome.as_str();
                (
                    *number,
                    call,
                    one.http_status,
                    outcome,
                    one.excerpt.as_deref(),
                )
            })
            .collect();
        let wanted = [
            (1, "post", Some(502), "unknown", Some("Bad gateway[[…]")),
            (2, "read", Some(200), "delivered", None),
        ];
        assert_eq!(told, wanted);
        assert!(calls[1].1.started_ms >= calls[0].1.started_ms);
    })
    .await;
}

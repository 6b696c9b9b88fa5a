//! More requests than the store can take. Every one gets an answer, and what is answered 200 is kept.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use event_connector::clock::Clock;
use event_connector::store::Store;
use event_connector::store::sqlite::{Options, Sqlite};
use event_connector::tasks::Tasks;
use futures_util::future::join_all;

use super::raw::Raw;
use crate::around::Around;
use crate::support::{Service, Setup, click, eventually, json_of, reads};

/// A service whose store writes nothing before the sender is dropped, and lets ten commits wait.
async fn stalled(setup: Setup) -> (Service, Sender<()>) {
    let (start, started) = channel::<()>();
    let setup = Setup {
        store: Some(Box::new(|path| {
            let gate = std::sync::Mutex::new(Some(started));
            let options = Options {
                queue_max: 10,
                ..Options::new(path)
            };
            let store = Sqlite::open(options, &|name, work| {
                let gate = match name {
                    "store-write" => gate.lock().expect("unpoisoned").take(),
                    _ => None,
                };
                let gated = move || {
                    // Nobody sends: this ends when the other side is dropped.
                    let _ = gate.map(|started| started.recv());
                    work();
                };
                Tasks::thread(name, Box::new(gated));
            });
            Arc::new(store.expect("a store"))
        })),
        ..setup
    };
    (Service::with(setup).await, start)
}

/// Each is 200 or 503 with a time to come back; returns which were 200.
async fn judge(answers: Vec<reqwest::Response>, code: &str) -> Vec<usize> {
    let mut taken = Vec::new();
    for (number, answer) in answers.into_iter().enumerate() {
        if answer.status() == 200 {
            taken.push(number);
            continue;
        }
        assert_eq!(answer.status(), 503);
        let wait = answer.headers()["retry-after"].to_str().expect("text");
        assert!((2..=10).contains(&wait.parse().expect("whole seconds")));
        assert_eq!(json_of(answer).await["code"], code);
    }
    taken
}

/// Everything on the feed is once there, and everything of `taken` is.
async fn is_on_the_feed(service: &Service, taken: &BTreeSet<String>) {
    let mut feed = service.listen("?since=0-0", &[]).await;
    let told = feed.next_actions(taken.len()).await;
    let told: Vec<_> = told.iter().map(|text| label(text)).collect();
    let once: BTreeSet<String> = told.iter().cloned().collect();
    assert_eq!(once.len(), told.len(), "nothing twice");
    assert_eq!(&once, taken, "what was answered 200, and nothing else");
}

fn label(text: &str) -> String {
    let label = text.strip_prefix("User clicked ");
    let label = label.and_then(|text| text.strip_suffix(" on the team page"));
    label.expect("a click").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_stands_still_refuses_what_does_not_fit_and_keeps_what_does() {
    let (service, start) = stalled(Setup::default()).await;
    let posts = (0..40).map(|number| {
        let body = click(&format!("s{number}"), "u", &format!("b{number}"));
        let service = &service;
        async move { service.post("/webhook/acme", &body).await }
    });
    let refused = service.metrics.problems.clone();
    let refused = refused.with_label_values(&["store_overloaded"]);
    let opening = async {
        eventually("the queue is full", || async {
            if refused.get() >= 30 {
                Ok(())
            } else {
                Err(refused.get())
            }
        })
        .await;
        // A webhook finds the queue full as well: 503, never 429, which would pause it for hours.
        let chat = service.chat("c1", "u", "").await;
        assert_eq!(chat.status(), 503);
        assert_eq!(json_of(chat).await["code"], "store_overloaded");
        drop(start);
    };
    let (answers, ()) = tokio::join!(join_all(posts), opening);
    let taken = judge(answers, "store_overloaded").await;
    assert!(!taken.is_empty() && taken.len() <= 10);
    let taken = taken
        .into_iter()
        .map(|number| format!("b{number}"))
        .collect();
    is_on_the_feed(&service, &taken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_three_times_what_fits_all_get_an_answer_and_nothing_taken_is_lost() {
    const FIT: usize = 16;
    let setup = Setup {
        store: Some(Box::new(|path| {
            let spawn = |name: &str, work| Tasks::thread(name, work);
            let store = Sqlite::open(Options::new(path), &spawn).expect("a store");
            Arc::new(Around::new(
                Arc::new(store),
                |store: Arc<dyn Store>, commit| async move {
                    Clock::system().sleep(Duration::from_millis(5)).await;
                    store.commit(commit).await
                },
            ))
        })),
        ..Setup::with("CONNECTOR__HTTP__INGEST_REQUESTS_MAX", &FIT.to_string())
            .and("CONNECTOR__HTTP__INGEST_WAIT_MS", "0")
    };
    let service = Service::with(setup).await;
    let senders = (0..3 * FIT).map(|sender| {
        let service = &service;
        async move {
            let mut taken = Vec::new();
            for round in 0..20 {
                let label = format!("b{sender}-{round}");
                let body = click(&format!("s{sender}"), "u", &label);
                let answer = service.post("/webhook/acme", &body).await;
                let fine = judge(vec![answer], "ingest_overloaded").await;
                taken.extend(fine.into_iter().map(|_| label.clone()));
            }
            taken
        }
    });
    let done = AtomicBool::new(false);
    let sending = async {
        let taken = join_all(senders).await;
        done.store(true, Ordering::Relaxed);
        taken
    };
    let watching = async {
        let mut most = 0;
        while !done.load(Ordering::Relaxed) {
            most = most.max(service.metrics.ingest_requests_held.get());
            assert!(service.metrics.bodies_bytes.get() <= 512 << 20);
            Clock::system().sleep(Duration::from_millis(1)).await;
        }
        most
    };
    let (taken, most) = tokio::join!(sending, watching);
    let taken: BTreeSet<String> = taken.into_iter().flatten().collect();
    // One product alone has four fifths.
    assert!((1..=12).contains(&most), "{most} at once");
    let problems = &service.metrics.problems;
    let refused = problems.with_label_values(&["ingest_overloaded"]).get();
    assert!(refused > 0, "it was too much");
    assert_eq!(
        taken.len() as u64 + refused,
        3 * 16 * 20,
        "an answer for each"
    );
    is_on_the_feed(&service, &taken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chatbot_is_never_told_429_whatever_is_exhausted() {
    let setup = Setup::with("CONNECTOR__SESSION__MAILBOX_MAX", "1")
        .and("CONNECTOR__HTTP__SMALL_BODIES_BYTES_MAX", "1000")
        .and("CONNECTOR__HTTP__REQUEST_TIMEOUT_MS", "2000");
    let (service, start) = stalled(setup).await;
    // Bodies: two are read at once, and the second does not fit.
    let mut first = Raw::connect(&service).await;
    first.begin("/chatbot-webhook/acme", 2000).await;
    first.send(" ".repeat(900)).await;
    reads("it is read", 900, || {
        service.metrics.small_bodies_bytes.get()
    })
    .await;
    let mut second = Raw::connect(&service).await;
    second.begin("/chatbot-webhook/acme", 900).await;
    second.send(" ".repeat(900)).await;
    let answer = second.answer().await.expect("an answer");
    assert_eq!((answer.status, &*answer.code()), (503, "bodies_overloaded"));
    drop((first, second));

    // One session's mailbox, the store's queue and the time of a request.
    let known = service.click("s1", "u1", "Save");
    let known = Clock::system().timeout(Duration::ZERO, known).await;
    assert!(known.is_none(), "the store stands still");
    let chats = (0..40).map(|number| {
        let service = &service;
        async move {
            let user = format!("u{}", number % 20);
            service.chat(&format!("c{number}"), &user, "").await
        }
    });
    let mut codes = BTreeSet::new();
    for answer in join_all(chats).await {
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key("retry-after"));
        let code = json_of(answer).await["code"].clone();
        codes.insert(code.as_str().expect("a code").to_owned());
    }
    assert!(codes.contains("timeout"), "{codes:?}");
    assert!(codes.contains("store_overloaded"), "{codes:?}");
    drop(start);
}

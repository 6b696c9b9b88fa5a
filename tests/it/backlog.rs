//! The feed without HTTP: what many readers share, who lags, and what was removed meanwhile.

use std::sync::Arc;
use std::time::Duration;

use event_connector::clock::Clock;
use event_connector::domain::id::{Key, ProductId, SessionId};
use event_connector::domain::log::{Effects, EntryType, NewEntry, Offset};
use event_connector::feed::{Feed, Filter, Limits, Start};
use event_connector::metrics::Metrics;
use event_connector::store::memory::Memory;
use event_connector::store::{Commit, Outcome, Retention, StateWrite, Store};
use event_connector::tasks::Tasks;

/// One action of session `s` at `now_ms`, which is also its text.
fn one_action(product: &ProductId, base: u64, now_ms: u64) -> Arc<Commit> {
    Arc::new(Commit {
        id: now_ms.to_le_bytes(),
        product: product.clone(),
        now_ms,
        state: Some(StateWrite {
            key: Key::session(product, &SessionId::from("s")),
            base,
            is_restored: false,
            known: None,
            state: b"{}".as_slice().into(),
            settled: None,
            due_ms: None,
            as_of_ms: now_ms,
        }),
        effects: Effects {
            entries: vec![NewEntry {
                r#type: EntryType::Actions,
                at: 0.0,
                source: "posthog",
                correlation_id: "test".into(),
                user_id: None,
                body: now_ms.to_string().into(),
            }],
            ..Effects::default()
        },
        guards: Vec::new(),
    })
}

/// A feed of `count` actions, one each second from 1,000 ms on, that has not been listened to.
async fn a_feed(limits: Limits, count: u64) -> (Feed, Metrics, ProductId, Arc<Memory>) {
    let store = Arc::new(Memory::new());
    let product = ProductId::from("acme");
    for base in 0..count {
        let action = one_action(&product, base, (base + 1) * 1_000);
        assert!(matches!(store.commit(action).await, Outcome::Committed));
    }
    let (clock, _hand) = Clock::manual(0.0);
    let metrics = Metrics::new();
    let feed = Feed::new(store.clone(), clock, Tasks::new(), metrics.clone(), limits);
    (feed, metrics, product, store)
}

const SMALL: Limits = Limits {
    ring_entries: 100,
    page_entries: 10,
    coalesce_entries: 4,
    subscribers_max: 100,
    product_label: false,
    poll: Duration::from_secs(1),
};

/// What a reader is told after its greeting, write by write, until it has had `count` events.
async fn told(feed: &Feed, product: &ProductId, after_ms: u64, count: usize) -> Vec<Vec<u64>> {
    let start = Start::After(Offset { ms: after_ms, n: 0 });
    told_of(feed, product, (start, Filter::default()), count).await
}

async fn told_of(
    feed: &Feed,
    product: &ProductId,
    (start, filter): (Start, Filter),
    count: usize,
) -> Vec<Vec<u64>> {
    let subscribed = feed.subscribe(product, start, filter).await;
    let mut reader = subscribed.expect("readable").expect("room");
    let mut writes = Vec::new();
    reader
        .next(Duration::from_secs(9))
        .await
        .expect("a greeting");
    while writes.iter().map(Vec::len).sum::<usize>() < count {
        let bytes = reader.next(Duration::from_secs(9)).await.expect("events");
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        let told = text.lines().filter_map(|line| line.strip_prefix("data: "));
        writes.push(told.map(|body| body.parse().expect("a time")).collect());
    }
    writes
}

#[tokio::test]
async fn those_who_come_back_together_have_the_store_read_once() {
    let (feed, metrics, product, _) = a_feed(SMALL, 25).await;
    let first = told(&feed, &product, 0, 25).await;
    let lengths: Vec<usize> = first.iter().map(Vec::len).collect();
    assert_eq!(lengths, [4, 4, 2, 4, 4, 2, 4, 1], "a few at a time");
    assert!(first.concat().into_iter().eq((1..=25).map(|s| s * 1_000)));
    assert_eq!(metrics.stream_catch_ups.get(), 3, "a page each");
    // A channel lives as long as anybody listens.
    let start = Start::After(Offset { ms: 24_000, n: 0 });
    let staying = feed.subscribe(&product, start, Filter::default()).await;
    let _staying = staying.expect("readable").expect("room");
    let before = metrics.stream_catch_ups.get();
    let readers = (0..50).map(|_| told(&feed, &product, 0, 25));
    for told in futures_util::future::join_all(readers).await {
        assert_eq!(told, first);
    }
    // Wherever on these pages somebody stopped.
    for seen in 0..25 {
        let left = 25 - seen;
        let rest = told(
            &feed,
            &product,
            seen * 1_000,
            usize::try_from(left).expect("few"),
        )
        .await;
        assert!(
            rest.concat()
                .into_iter()
                .eq((seen + 1..=25).map(|s| s * 1_000))
        );
    }
    assert_eq!(metrics.stream_catch_ups.get() - before, 3);
    // What is forgotten is not told from memory.
    feed.forget(&product);
    assert_eq!(told(&feed, &product, 0, 25).await, first);
    assert_eq!(metrics.stream_catch_ups.get() - before, 6);
}

#[tokio::test]
async fn what_retention_removes_is_not_told_from_memory() {
    let (feed, _, product, store) = a_feed(SMALL, 25).await;
    let staying = feed.subscribe(&product, Start::Live, Filter::default());
    let _staying = staying.await.expect("readable").expect("room");
    told(&feed, &product, 0, 25).await;
    let keep = Retention {
        log_ms: 5_500,
        log_bytes_max: u64::MAX,
        state_ms: u64::MAX,
        outbox_ms: u64::MAX,
    };
    store.age(25_000, keep).await.expect("aged");
    feed.forget_pages();
    let subscribed = feed.subscribe(&product, Start::After(Offset::default()), Filter::default());
    let mut reader = subscribed.await.expect("readable").expect("room");
    reader
        .next(Duration::from_secs(9))
        .await
        .expect("a greeting");
    let first = reader.next(Duration::from_secs(9)).await.expect("news");
    let first = String::from_utf8(first.to_vec()).expect("text");
    assert!(first.contains(r#""type":"gap""#), "{first}");
    assert!(!first.contains("data: 19000"), "{first}");
    assert!(first.contains("data: 20000"), "{first}");
}

#[tokio::test]
async fn a_shelf_of_pages_holds_no_more_than_a_ring() {
    let limits = Limits {
        ring_entries: 20,
        ..SMALL
    };
    let (feed, metrics, product, _) = a_feed(limits, 40).await;
    let staying = feed.subscribe(&product, Start::Live, Filter::default());
    let _staying = staying.await.expect("readable").expect("room");
    told(&feed, &product, 0, 40).await;
    assert_eq!(metrics.stream_catch_ups.get(), 4);
    // The last two pages are still there, the first is not.
    told(&feed, &product, 20_000, 20).await;
    assert_eq!(metrics.stream_catch_ups.get(), 4);
    told(&feed, &product, 0, 10).await;
    assert_eq!(metrics.stream_catch_ups.get(), 5);
}

#[tokio::test]
async fn events_that_came_one_by_one_are_written_together_to_who_lags() {
    let limits = Limits {
        ring_entries: 10,
        ..SMALL
    };
    let (feed, metrics, product, store) = a_feed(limits, 1).await;
    let listening = feed.subscribe(&product, Start::Live, Filter::default());
    let mut live = listening.await.expect("readable").expect("room");
    live.next(Duration::from_secs(9)).await.expect("a greeting");
    for base in 1..15 {
        let action = one_action(&product, base, (base + 1) * 1_000);
        assert!(matches!(store.commit(action).await, Outcome::Committed));
        feed.nudge(&product);
        let news = live.next(Duration::from_secs(9)).await.expect("news");
        let news = String::from_utf8(news.to_vec()).expect("text");
        assert_eq!(news.matches("data: ").count(), 1, "each when it came");
    }
    // Fourteen came since the ring began, in blocks of four, and it keeps ten.
    let lagging = told(&feed, &product, 5_000, 10).await;
    let lengths: Vec<usize> = lagging.iter().map(Vec::len).collect();
    assert_eq!(lengths, [4, 4, 2]);
    assert_eq!(metrics.stream_catch_ups.get(), 0);
    assert_eq!(told(&feed, &product, 4_000, 11).await.concat()[0], 5_000);
    assert_eq!(
        metrics.stream_catch_ups.get(),
        1,
        "that one is with the store"
    );
}

#[tokio::test]
async fn a_filter_takes_single_events_out_of_what_is_shared() {
    let (feed, _, product, store) = a_feed(SMALL, 0).await;
    for number in 0..12_u64 {
        let mut commit = one_action(&product, number, (number + 1) * 1_000);
        let entry = &mut Arc::get_mut(&mut commit).expect("alone").effects.entries[0];
        entry.user_id = (number % 3 == 1).then(|| "u1".into());
        assert!(matches!(store.commit(commit).await, Outcome::Committed));
    }
    let filter = Filter {
        user: Some("u1".to_owned()),
        ..Filter::default()
    };
    let start = Start::After(Offset::default());
    let told = told_of(&feed, &product, (start, filter), 4).await;
    assert_eq!(told.concat(), [2_000, 5_000, 8_000, 11_000]);
}

#[tokio::test]
async fn a_live_reader_is_told_what_retention_took_before_the_feed_had_read_it() {
    let store = Arc::new(Memory::new());
    let (clock, _hand) = Clock::manual(0.0);
    let limits = Limits {
        ring_entries: 10,
        page_entries: 10,
        coalesce_entries: 1,
        subscribers_max: 1,
        product_label: false,
        poll: Duration::from_secs(1),
    };
    let feed = Feed::new(store.clone(), clock, Tasks::new(), Metrics::new(), limits);
    let product = ProductId::from("acme");
    let listening = feed.subscribe(&product, Start::Live, Filter::default());
    let mut reader = listening.await.expect("readable").expect("room");
    reader
        .next(Duration::from_secs(9))
        .await
        .expect("a greeting");

    // The feed does not look while these are written, and only the last one is left when it does.
    for (base, now_ms) in [(0, 1_000), (1, 2_000), (2, 3_000)] {
        let outcome = store.commit(one_action(&product, base, now_ms)).await;
        assert!(matches!(outcome, Outcome::Committed));
    }
    let keep = Retention {
        log_ms: 500,
        log_bytes_max: u64::MAX,
        state_ms: u64::MAX,
        outbox_ms: u64::MAX,
    };
    store.age(3_000, keep).await.expect("aged");
    feed.nudge(&product);
    let told = reader.next(Duration::from_secs(9)).await.expect("news");
    let told = String::from_utf8(told.to_vec()).expect("text");
    assert!(told.contains(r#""type":"gap""#), "{told}");
    assert!(told.contains("id: 2000-0\n"), "{told}");
    assert!(told.contains("id: 3000-0\ndata: 3000\n"), "{told}");
}

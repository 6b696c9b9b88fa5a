//! What goes when its time is over.

use event_connector::domain::log::{EntryType, IndexKey, Offset, Space};
use event_connector::store::{Aged, Retention};

use super::house::{FOR_EVER, House, dead, delivered, draft, key, key_of, product, row, write};

async fn age(house: &House, now_ms: u64, keep: Retention) -> Aged {
    house.store.age(now_ms, keep).await.expect("ageing works")
}

/// How much fits into the log of one test.
fn log_of(log_ms: u64, log_bytes_max: u64) -> Retention {
    Retention {
        log_ms,
        log_bytes_max,
        ..FOR_EVER
    }
}

async fn feed(house: &House, name: &str) -> (Vec<String>, Offset) {
    let page = house
        .store
        .feed(&product(name), Offset::default(), 99)
        .await;
    let page = page.expect("readable");
    let bodies = page.entries.iter().map(|entry| entry.body.to_string());
    (bodies.collect(), page.trimmed)
}

pub(super) async fn old_entries_go_and_the_feed_says_so(house: &House) {
    house
        .wrote(write(&key("s"), 0, "").at(1_000).action("1"))
        .await;
    let hidden = write(&key("s"), 1, "").at(2_000);
    house
        .wrote(hidden.action("2").entry(EntryType::Linked, "3"))
        .await;
    house
        .wrote(write(&key("s"), 2, "").at(3_000).action("4"))
        .await;
    house
        .wrote(write(&key_of("bank", "x"), 0, "").at(2_600).action("5"))
        .await;
    assert_eq!(age(house, 3_000, log_of(2_000, 99)).await, Aged::default());
    let aged = age(house, 3_500, log_of(1_000, 99)).await;
    assert_eq!((aged.entries, aged.more), (3, false));
    let trimmed = Offset { ms: 2_000, n: 1 };
    assert_eq!(feed(house, "shop").await, (vec!["4".to_owned()], trimmed));
    let untouched = (vec!["5".to_owned()], Offset::default());
    assert_eq!(feed(house, "bank").await, untouched);
    assert_eq!(house.store.depth().await.expect("countable").log_bytes, 2);
    let history = house.store.history(&key("s"), 9).await.expect("readable");
    assert_eq!(history.len(), 1);
}

pub(super) async fn the_oldest_entries_go_while_the_log_is_too_large(house: &House) {
    for base in 0..10 {
        let name = if base % 2 == 0 { "shop" } else { "bank" };
        let key = key_of(name, "s");
        house
            .wrote(
                write(&key, base / 2, "")
                    .at(1_000 + base)
                    .action(&format!("{base:04}")),
            )
            .await;
    }
    assert_eq!(house.store.depth().await.expect("countable").log_bytes, 40);
    let aged = age(house, 2_000, log_of(u64::MAX, 15)).await;
    assert_eq!(aged.entries, 7);
    assert_eq!(house.store.depth().await.expect("countable").log_bytes, 12);
    let (shop, trimmed) = feed(house, "shop").await;
    assert_eq!((shop, trimmed.ms), (vec!["0008".to_owned()], 1_006));
    let (bank, trimmed) = feed(house, "bank").await;
    assert_eq!((bank.len(), trimmed.ms), (2, 1_005));
}

pub(super) async fn offsets_and_sequences_go_on_after_everything_has_gone(house: &House) {
    house
        .wrote(write(&key("s"), 0, "").at(5_000).action("1"))
        .await;
    assert_eq!(age(house, 9_000, log_of(0, 99)).await.entries, 1);
    let head = house.store.head(&product("shop")).await.expect("readable");
    assert_eq!(head, Offset { ms: 5_000, n: 0 });
    house
        .wrote(write(&key("s"), 1, "").at(1_000).action("2"))
        .await;
    let history = house.store.history(&key("s"), 9).await.expect("readable");
    assert_eq!(history[0].offset, Offset { ms: 5_000, n: 1 });
    assert_eq!(history[0].sequence, 2);
}

pub(super) async fn an_entry_from_the_future_keeps_no_other_alive(house: &House) {
    let ahead = write(&key_of("bank", "x"), 0, "").at(900_000);
    house.wrote(ahead.action("future")).await;
    house
        .wrote(write(&key("s"), 0, "").at(1_000).action("old"))
        .await;
    assert_eq!(age(house, 9_000, log_of(1_000, 99)).await.entries, 1);
    assert!(feed(house, "shop").await.0.is_empty());
    assert_eq!(feed(house, "bank").await.0, ["future"]);
}

pub(super) async fn idle_states_go_and_states_with_a_deadline_stay(house: &House) {
    house.wrote(write(&key("idle"), 0, "").at(1_000)).await;
    house
        .wrote(write(&key("due"), 0, "").at(1_000).due(99_000))
        .await;
    house.wrote(write(&key("busy"), 0, "").at(1_000)).await;
    house.wrote(write(&key("busy"), 1, "").at(5_000)).await;
    let keep = Retention {
        state_ms: 2_000,
        ..FOR_EVER
    };
    assert_eq!(age(house, 3_000, keep).await.states, 0);
    assert_eq!(age(house, 3_001, keep).await.states, 1);
    assert_eq!(house.state(&key("idle")).await, None);
    assert!(house.state(&key("due")).await.is_some());
    assert!(house.state(&key("busy")).await.is_some());
}

pub(super) async fn a_state_written_after_the_clock_was_set_back_goes_at_its_time(house: &House) {
    house.wrote(write(&key("s"), 0, "").at(1_000)).await;
    house.wrote(write(&key("s"), 1, "").at(900)).await;
    let keep = Retention {
        state_ms: 50,
        ..FOR_EVER
    };
    assert_eq!(age(house, 950, keep).await.states, 0);
    assert_eq!(age(house, 951, keep).await.states, 1);
}

pub(super) async fn a_state_that_has_gone_conflicts_with_its_old_version(house: &House) {
    house.wrote(write(&key("s"), 0, "").at(1_000)).await;
    let keep = Retention {
        state_ms: 0,
        ..FOR_EVER
    };
    assert_eq!(age(house, 2_000, keep).await.states, 1);
    assert_eq!(house.conflicted(write(&key("s"), 1, "late")).await, None);
    house.wrote(write(&key("s"), 0, "new")).await;
    assert_eq!(house.state(&key("s")).await.expect("there").version, 1);
}

pub(super) async fn a_sequence_outlives_its_state_while_entries_remain(house: &House) {
    for id in ["kept", "gone"] {
        house
            .wrote(write(&key(id), 0, "").at(1_000).action(id))
            .await;
    }
    house
        .wrote(write(&key("kept"), 1, "").at(2_000).action("kept"))
        .await;
    let keep = Retention {
        state_ms: 0,
        log_ms: 1_500,
        ..FOR_EVER
    };
    let aged = age(house, 3_000, keep).await;
    assert_eq!((aged.entries, aged.states), (2, 2));
    for (id, expected) in [("kept", 3), ("gone", 1)] {
        house
            .wrote(write(&key(id), 0, "").at(3_000).action(id))
            .await;
        let stored = house.state(&key(id)).await.expect("there");
        assert_eq!(stored.sequence, expected, "{id}");
    }
}

pub(super) async fn expired_rows_go_and_pending_links_are_counted(house: &House) {
    let pending = |space| IndexKey::new(space, "x");
    let rows = draft()
        .fact(pending(Space::PendingSession), Some("1"), 2_000)
        .fact(pending(Space::PendingUser), Some("1"), 2_000)
        .fact(pending(Space::PendingEmail), Some("1"), 3_000)
        .fact(row("expired"), Some("1"), 2_000)
        .fact(row("lasting"), Some("1"), u64::MAX);
    house.wrote(rows).await;
    assert_eq!(age(house, 2_000, FOR_EVER).await.pending_links, 0);
    assert_eq!(age(house, 2_001, FOR_EVER).await.pending_links, 2);
    assert_eq!(age(house, 2_001, FOR_EVER).await, Aged::default());
    assert_eq!(house.fact(row("expired"), 0).await, None, "it is not there");
    assert!(house.fact(row("lasting"), 1).await.is_some());
}

pub(super) async fn finished_deliveries_go_and_waiting_ones_stay(house: &House) {
    let all = write(&key("s"), 0, "")
        .delivery("d1", "a")
        .delivery("d2", "b")
        .delivery("d3", "c");
    house.wrote(all).await;
    house
        .wrote(draft().at(2_000).change(delivered("d1", Some("p"))))
        .await;
    house.wrote(draft().at(2_000).change(dead("d2"))).await;
    let keep = Retention {
        outbox_ms: 1_000,
        ..FOR_EVER
    };
    assert_eq!(age(house, 3_000, keep).await.deliveries, 0);
    assert_eq!(age(house, 3_001, keep).await.deliveries, 2);
    let depth = house.store.depth().await.expect("countable");
    assert_eq!((depth.outbox, depth.dead_letters), (1, 0));
    let known = house.store.recorded_parts("a", &["p".into()]).await;
    assert!(known.expect("readable").is_empty());
}

pub(super) async fn one_round_is_bounded(house: &House) {
    for base in 0..3 {
        let mut many = write(&key("s"), base, "").at(1_000);
        for number in 0..700 {
            let id = format!("{base}-{number}");
            many = many
                .action("x")
                .delivery(&id, &id)
                .change(super::house::withdrawn(&id))
                .fact(row(&id), Some("1"), 1_000);
        }
        house.wrote(many).await;
    }
    let keep = Retention {
        log_ms: 0,
        outbox_ms: 0,
        ..FOR_EVER
    };
    for (removed, more) in [(1_000, true), (1_000, true), (100, false), (0, false)] {
        let aged = age(house, 2_000, keep).await;
        assert_eq!((aged.entries, aged.deliveries), (removed, removed));
        assert_eq!(aged.more, more);
    }
    assert_eq!(house.store.depth().await.expect("countable").log_bytes, 0);
}

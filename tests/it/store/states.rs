//! Snapshots, versions and commit ids.

use std::sync::Arc;

use event_connector::domain::id::{Kind, ProductId};
use event_connector::domain::log::Offset;
use event_connector::store::{Error, Outcome, commit_id};

use super::house::{House, draft, key, key_of, product, row, write};

pub(super) async fn a_commit_is_read_back(house: &House) {
    let first = write(&key("s"), 0, "one").action("{}");
    let id = first.0.id;
    house.wrote(first).await;
    let stored = house.state(&key("s")).await.expect("it is there");
    assert_eq!(stored.version, 1);
    assert_eq!(stored.sequence, 1);
    assert_eq!(stored.commits, [id]);
    assert_eq!(&*stored.state, b"one");

    house.wrote(write(&key("s"), 1, "")).await;
    let stored = house.state(&key("s")).await.expect("it is there");
    assert_eq!((stored.version, stored.sequence), (2, 1));
    assert_eq!(&*stored.state, b"", "an empty state is a state");
}

pub(super) async fn a_settled_part_stays_until_another_is_written(house: &House) {
    let settled = async || {
        let stored = house.state(&key("s")).await.expect("it is there");
        String::from_utf8(stored.settled.to_vec()).expect("text")
    };
    house.wrote(write(&key("s"), 0, "one")).await;
    assert_eq!(settled().await, "");
    house.wrote(write(&key("s"), 1, "two").settled("a")).await;
    house.wrote(write(&key("t"), 0, "one").settled("t")).await;
    house.wrote(write(&key("s"), 2, "three")).await;
    assert_eq!(settled().await, "a");
    house
        .conflicted(write(&key("s"), 2, "late").settled("no"))
        .await;
    let newest = house.conflicted(write(&key("s"), 0, "late")).await;
    assert_eq!(&*newest.expect("there is a state").settled, b"a");
    house.wrote(write(&key("s"), 3, "four").settled("b")).await;
    assert_eq!(settled().await, "b");
}

pub(super) async fn what_is_added_to_a_settled_part_follows_it(house: &House) {
    let mut written = [String::new(), String::new()];
    let keys = [key("s"), key("t")];
    for round in 0..60_u64 {
        for (key, written) in keys.iter().zip(&mut written) {
            // Now and then all of it is written anew, and mostly nothing is written of it.
            if round % 25 == 24 {
                written.clear();
            }
            let version = 2 * round;
            let more = format!("{} {round}  {}\n", key.id, "abcdefg ".repeat(90));
            let draft = write(key, version, "state").settled_behind(written.len(), &more);
            written.push_str(&more);
            house.wrote(draft).await;
            house.wrote(write(key, version + 1, "state")).await;
        }
        for (key, written) in keys.iter().zip(&written) {
            let stored = house.state(key).await.expect("it is there");
            assert_eq!(str::from_utf8(&stored.settled), Ok(&**written));
        }
    }
    let late = write(&keys[0], 7, "late").settled_behind(written[0].len(), "no");
    let newest = house.conflicted(late).await.expect("there is a state");
    assert_eq!(str::from_utf8(&newest.settled), Ok(&*written[0]));
}

pub(super) async fn a_settled_part_goes_with_its_state(house: &House) {
    house
        .wrote(write(&key("s"), 0, "one").settled("old").action("{}"))
        .await;
    house
        .wrote(write(&key("s"), 1, "two").settled_behind(3, "er"))
        .await;
    let done = house.store.quarantine(&key("s"), "unreadable").await;
    done.expect("set aside");
    house.wrote(write(&key("s"), 0, "anew")).await;
    let stored = house.state(&key("s")).await.expect("it is there");
    assert_eq!((&*stored.state, &*stored.settled), (&b"anew"[..], &b""[..]));
}

pub(super) async fn a_restored_state_gives_way_to_what_is_not_older(house: &House) {
    let version = async || house.state(&key("s")).await.expect("it is there").version;
    let lost = write(&key("s"), 5, "five and more");
    house.conflicted(lost).await;
    let restored = write(&key("s"), 5, "five and more").restored();
    house.wrote(restored.settled("a").action("{}")).await;
    assert_eq!(version().await, 6);
    for late in [3, 6] {
        let late = write(&key("s"), late, "late").restored().action("{}");
        let newest = house.conflicted(late).await.expect("there is a state");
        assert_eq!((newest.version, &*newest.state), (6, &b"five and more"[..]));
    }
    house
        .wrote(write(&key("s"), 9, "nine and more").restored())
        .await;
    assert_eq!(version().await, 10);
    house.wrote(write(&key("s"), 10, "on")).await;
    let stored = house.state(&key("s")).await.expect("it is there");
    assert_eq!((stored.version, stored.sequence), (11, 1));
}

pub(super) async fn a_key_without_commits_is_absent(house: &House) {
    assert_eq!(house.state(&key("s")).await, None);
    house.wrote(write(&key("other"), 0, "one")).await;
    assert_eq!(house.state(&key("s")).await, None);
}

pub(super) async fn an_old_version_conflicts_and_returns_the_newest_snapshot(house: &House) {
    house.wrote(write(&key("s"), 0, "one")).await;
    house.wrote(write(&key("s"), 1, "two").action("{}")).await;
    let newest = house.conflicted(write(&key("s"), 1, "late")).await;
    assert_eq!(newest, house.state(&key("s")).await);
    let newest = newest.expect("there is a state");
    assert_eq!((newest.version, newest.sequence), (2, 1));
    assert_eq!(&*newest.state, b"two");
}

pub(super) async fn a_first_commit_conflicts_with_an_existing_state(house: &House) {
    house.wrote(write(&key("s"), 0, "one")).await;
    let newest = house.conflicted(write(&key("s"), 0, "other")).await;
    assert_eq!(&*newest.expect("there is a state").state, b"one");
}

pub(super) async fn a_version_from_nowhere_conflicts_with_nothing_to_show(house: &House) {
    assert_eq!(house.conflicted(write(&key("s"), 3, "late")).await, None);
    assert_eq!(house.state(&key("s")).await, None);
}

pub(super) async fn the_newest_commit_of_each_writer_is_remembered(house: &House) {
    let [a, b] = [*b"aaaa", *b"bbbb"];
    // An id in which the bytes of another writer stand where no writer does.
    let other = *b"cbbbbddd";
    let id = |writer, n: u8| commit_id(writer, [n; 4]);
    let ids = [
        id(a, 1),
        id(a, 2),
        other,
        id(b, 3),
        id(a, 4),
        id(b, 5),
        id(b, 6),
    ];
    let mut remembered = Vec::new();
    for (base, id) in (0..).zip(ids) {
        house.wrote(write(&key("s"), base, "state").id(id)).await;
        remembered.push(house.state(&key("s")).await.expect("there").commits);
    }
    let [first, second, third, fourth, fifth, sixth, seventh] = &remembered[..] else {
        panic!("one for each commit");
    };
    assert_eq!(*first, [id(a, 1)]);
    assert_eq!(*second, [id(a, 2)]);
    assert_eq!(*third, [id(a, 2), other]);
    assert_eq!(*fourth, [id(a, 2), other, id(b, 3)]);
    assert_eq!(*fifth, [other, id(b, 3), id(a, 4)]);
    assert_eq!(*sixth, [other, id(a, 4), id(b, 5)]);
    assert_eq!(*seventh, [other, id(a, 4), id(b, 6)]);
}

pub(super) async fn the_newest_thirty_two_writers_are_remembered(house: &House) {
    let mut ids = Vec::new();
    for base in 0..40 {
        let next = write(&key("s"), base, "state");
        ids.push(next.0.id);
        house.wrote(next).await;
    }
    let stored = house.state(&key("s")).await.expect("it is there");
    assert_eq!(stored.version, 40);
    assert_eq!(stored.commits, ids[8..]);
}

pub(super) async fn a_repeated_commit_finds_its_own_id(house: &House) {
    let lost = write(&key("s"), 0, "one")
        .action("{}")
        .delivery("d", "lane");
    house.wrote(lost.clone()).await;
    house.wrote(write(&key("s"), 1, "two")).await;
    let newest = house.conflicted(lost.clone()).await;
    let newest = newest.expect("there is a state");
    assert!(newest.commits.contains(&lost.0.id));
    assert_eq!(newest.sequence, 1, "nothing was written twice");
    let history = house.store.history(&key("s"), 10).await;
    assert_eq!(history.expect("readable").len(), 1);
}

pub(super) async fn a_conflict_leaves_no_trace(house: &House) {
    house.wrote(write(&key("s"), 0, "one")).await;
    let loser = write(&key("s"), 7, "late")
        .action("{}")
        .delivery("d", "lane")
        .fact(row("c"), Some("s"), 9_000)
        .due(1);
    house.conflicted(loser).await;
    assert_eq!(house.fact(row("c"), 1).await, None);
    assert!(house.lease(10_000).await.is_empty());
    let history = house.store.history(&key("s"), 10).await;
    assert!(history.expect("readable").is_empty());
    let head = house.store.head(&product("shop")).await;
    assert_eq!(head.expect("readable"), Offset::default());
    let overdue = house.store.claim_overdue(10_000, 11_000, 10).await;
    assert!(overdue.expect("claimable").is_empty());
}

pub(super) async fn entries_without_a_state_are_refused(house: &House) {
    let outcome = house.commit(draft().action("{}")).await;
    assert!(matches!(outcome, Outcome::NotWritten(Error::Backend(_))));
    let outcome = house.commit(draft().delivery("d", "lane")).await;
    assert!(matches!(outcome, Outcome::NotWritten(Error::Backend(_))));
    assert!(house.lease(10_000).await.is_empty());
}

pub(super) async fn a_key_of_another_product_is_refused(house: &House) {
    let mut strange = write(&key_of("shop", "s"), 0, "one");
    strange.0.product = ProductId::from("bank");
    let outcome = house.commit(strange).await;
    assert!(matches!(outcome, Outcome::NotWritten(Error::Backend(_))));
    assert_eq!(house.state(&key("s")).await, None);
}

pub(super) async fn kinds_and_products_do_not_share_states(house: &House) {
    let mut bucket = key("1");
    bucket.kind = Kind::Unsessioned;
    let keys = [key("1"), key_of("bank", "1"), bucket];
    for (key, state) in keys.iter().zip(["a", "b", "c"]) {
        house.wrote(write(key, 0, state)).await;
    }
    for (key, state) in keys.iter().zip(["a", "b", "c"]) {
        let stored = house.state(key).await.expect("it is there");
        assert_eq!(*stored.state, *state.as_bytes());
    }
}

pub(super) async fn a_quarantined_state_is_absent_and_counted(house: &House) {
    house.wrote(write(&key("s"), 0, "nonsense").due(10)).await;
    for _ in 0..2 {
        let done = house.store.quarantine(&key("s"), "not JSON").await;
        done.expect("it can be set aside");
    }
    let done = house.store.quarantine(&key("never"), "not JSON").await;
    done.expect("nothing is there to set aside");
    assert_eq!(house.state(&key("s")).await, None);
    let depth = house.store.depth().await.expect("countable");
    assert_eq!(depth.quarantined, 1);
    let overdue = house.store.claim_overdue(100, 200, 10).await;
    assert!(overdue.expect("claimable").is_empty());
    house.wrote(write(&key("s"), 0, "sense")).await;
    let stored = house.state(&key("s")).await.expect("it is there");
    assert_eq!((stored.version, stored.commits.len()), (1, 1));
}

pub(super) async fn a_sequence_goes_on_after_a_quarantine(house: &House) {
    house
        .wrote(write(&key("s"), 0, "one").action("1").action("2"))
        .await;
    let done = house.store.quarantine(&key("s"), "not JSON").await;
    done.expect("it can be set aside");
    let new = write(&key("s"), 0, "new").action("3");
    house.wrote(new.if_no_state(&key("s"))).await;
    let history = house.store.history(&key("s"), 10).await.expect("readable");
    let sequences: Vec<u64> = history.iter().map(|entry| entry.sequence).collect();
    assert_eq!(sequences, [3, 2, 1]);
    assert_eq!(
        house.state(&key("s")).await.expect("it is there").sequence,
        3
    );
}

pub(super) async fn a_parked_input_changes_nothing_else(house: &House) {
    let before = house.store.depth().await.expect("countable");
    let parked = house.store.park(&key("s"), 1_000, "it panics", "{}").await;
    parked.expect("it can be parked");
    assert_eq!(house.store.depth().await.expect("countable"), before);
    assert_eq!(house.state(&key("s")).await, None);
}

pub(super) async fn a_closed_store_is_unavailable(house: &House) {
    house.store.close().await;
    house.store.close().await;
    let loaded = house.store.load(&key("s")).await;
    assert!(matches!(loaded, Err(Error::Unavailable(_))));
    let outcome = house.commit(write(&key("s"), 0, "one")).await;
    assert!(matches!(
        outcome,
        Outcome::NotWritten(Error::Unavailable(_))
    ));
    let depth = Arc::clone(&house.store).depth().await;
    assert!(matches!(depth, Err(Error::Unavailable(_))));
    let ready = house.store.ready().await;
    assert!(matches!(ready, Err(Error::Unavailable(_))));
}

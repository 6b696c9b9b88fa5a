//! The log by offset.

use event_connector::domain::log::{EntryType, Offset};
use event_connector::store::FeedPage;

use super::house::{House, key, key_of, product, write};

async fn page(house: &House, after: Offset, limit: usize) -> FeedPage {
    let page = house.store.feed(&product("shop"), after, limit).await;
    page.expect("readable")
}

/// What the entries of a page say.
pub(super) fn bodies(page: &FeedPage) -> Vec<&str> {
    page.entries.iter().map(|entry| &*entry.body).collect()
}

/// Ten visible entries of two sessions, with other products' entries in between.
async fn ten_entries(house: &House) {
    for base in 0..5 {
        for id in ["a", "b"] {
            let body = format!("{id}{base}");
            house.wrote(write(&key(id), base, "").action(&body)).await;
        }
        let elsewhere = write(&key_of("bank", "x"), base, "");
        house.wrote(elsewhere.action("bank")).await;
    }
}

pub(super) async fn pages_follow_each_other_without_gaps(house: &House) {
    ten_entries(house).await;
    let mut seen = Vec::new();
    let mut after = Offset::default();
    for expected in [3, 3, 3, 1, 0] {
        let next = page(house, after, 3).await;
        assert_eq!(next.entries.len(), expected);
        assert!(next.entries.iter().all(|entry| entry.offset > after));
        seen.extend(bodies(&next).into_iter().map(str::to_owned));
        after = next.scanned;
    }
    let all = ["a0", "b0", "a1", "b1", "a2", "b2", "a3", "b3", "a4", "b4"];
    assert_eq!(seen, all);
}

pub(super) async fn subscribers_do_not_see_what_is_not_for_them(house: &House) {
    let mixed = write(&key("s"), 0, "")
        .entry(EntryType::StateChanged, "hidden")
        .action("1")
        .entry(EntryType::NoteQueued, "hidden")
        .action("2")
        .entry(EntryType::Linked, "hidden");
    house.wrote(mixed).await;
    let all = page(house, Offset::default(), 9).await;
    assert_eq!(bodies(&all), ["1", "2"]);
    let history = house.store.history(&key("s"), 9).await.expect("readable");
    assert_eq!(history.len(), 5);
}

pub(super) async fn a_page_says_how_far_it_has_looked(house: &House) {
    house
        .wrote(write(&key("s"), 0, "").action("1").action("2"))
        .await;
    let hidden = write(&key("s"), 1, "").entry(EntryType::Linked, "hidden");
    house.wrote(hidden).await;
    let head = house.store.head(&product("shop")).await.expect("readable");
    let part = page(house, Offset::default(), 1).await;
    assert_eq!(part.scanned, part.entries[0].offset);
    let rest = page(house, part.scanned, 9).await;
    assert_eq!(rest.scanned, head, "what is hidden has been looked at");
    assert_eq!(rest.trimmed, Offset::default());
    let nothing = page(house, head, 9).await;
    assert!(nothing.entries.is_empty());
    assert_eq!(nothing.scanned, head);
    let unasked = page(house, Offset::default(), 0).await;
    assert_eq!(unasked.scanned, Offset::default());
}

pub(super) async fn an_unknown_product_has_an_empty_feed(house: &House) {
    let after = Offset { ms: 7, n: 7 };
    let nothing = page(house, after, 9).await;
    assert!(nothing.entries.is_empty());
    assert_eq!(nothing.scanned, after);
    let head = house.store.head(&product("shop")).await;
    assert_eq!(head.expect("readable"), Offset::default());
}

pub(super) async fn the_head_is_the_newest_offset(house: &House) {
    ten_entries(house).await;
    let all = page(house, Offset::default(), 99).await;
    let head = house.store.head(&product("shop")).await.expect("readable");
    assert_eq!(all.entries.last().expect("ten entries").offset, head);
    let elsewhere = house.store.head(&product("bank")).await;
    assert_eq!(elsewhere.expect("readable"), Offset { ms: 1_000, n: 4 });
}

pub(super) async fn a_position_ahead_of_the_log_stays_where_it_is(house: &House) {
    ten_entries(house).await;
    let ahead = Offset { ms: u64::MAX, n: 0 };
    let nothing = page(house, ahead, 9).await;
    assert!(nothing.entries.is_empty());
    assert_eq!(nothing.scanned, ahead);
}

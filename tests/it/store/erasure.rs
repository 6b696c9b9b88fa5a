//! Rows about a person go, page by page, and nothing else does.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use event_connector::domain::id::ProductId;
use event_connector::domain::log::{IndexKey, Offset, Space};
use event_connector::store::Outcome;
use event_connector::store::erasure::{Place, Row, Subject, Table, Trace};

use super::house::{House, draft, key, key_of, product, row, write};

/// Whoever has this name in a state, a body, a value or an identifier.
pub(super) struct Named {
    product: ProductId,
    name: &'static str,
    /// Once set, no row is about them any more.
    gone: AtomicBool,
}

impl Subject for Named {
    fn product(&self) -> &ProductId {
        &self.product
    }

    fn is_about(&self, row: &Row<'_>) -> bool {
        let texts = match *row {
            Row::State { id, state, .. } => [id, state, ""],
            Row::Entry {
                id, user_id, body, ..
            } => [id, user_id, body],
            Row::Fact { space, id, value } => [space, id, value],
            Row::Delivery { id, body, .. } => [id, body, ""],
            Row::Aside { address, content } => [address, content, ""],
        };
        !self.gone.load(Ordering::Relaxed) && texts.iter().any(|text| text.contains(self.name))
    }
}

pub(super) fn named(name: &'static str) -> Arc<Named> {
    Arc::new(Named {
        product: product("shop"),
        name,
        gone: AtomicBool::new(false),
    })
}

/// Every page, from first to last.
async fn pages(house: &House, subject: &Arc<Named>) -> Vec<Trace> {
    let mut pages = Vec::new();
    let mut place = Some(Place::default());
    while let Some(from) = place {
        let page = house.store.trace(subject.clone(), from).await;
        let page = page.expect("readable");
        place = page.next;
        pages.push(page);
    }
    pages
}

/// Erases page by page; answers the rows by table.
pub(super) async fn erase(house: &House, subject: &Arc<Named>) -> Vec<(Table, u64)> {
    let mut erased = Vec::new();
    for page in pages(house, subject).await {
        let table = page.place.table;
        let rows = house.store.erase(subject.clone(), page, 9_000).await;
        erased.push((table, rows.expect("erasable")));
    }
    erased.retain(|(_, rows)| *rows > 0);
    erased
}

async fn feed(house: &House, name: &str) -> Vec<String> {
    let page = house
        .store
        .feed(&product(name), Offset::default(), 99)
        .await;
    let page = page.expect("readable");
    page.entries
        .iter()
        .map(|entry| entry.body.to_string())
        .collect()
}

pub(super) async fn what_is_about_a_person_goes_and_the_rest_stays(house: &House) {
    for (shop, name) in [("shop", "ada"), ("shop", "bob"), ("bank", "ada")] {
        let mut all = write(&key_of(shop, name), 0, name)
            .action(&format!("{name} came"))
            .delivery(&format!("{shop}-{name}"), name)
            .fact(row(name), Some(name), 99_000);
        all.0.effects.entries[0].user_id = Some(name.into());
        house.wrote(all).await;
    }
    // An entry that names her on a key that is not hers.
    house
        .wrote(write(&key("bob"), 1, "bob").action("with ada"))
        .await;
    let ada = named("ada");
    let found = pages(house, &ada).await;
    let keys: HashSet<_> = found.iter().flat_map(|page| page.keys.clone()).collect();
    assert_eq!(keys, HashSet::from([key("ada"), key("bob")]));
    let values: Vec<_> = found.iter().flat_map(|page| page.values.clone()).collect();
    assert_eq!(values, [Arc::<str>::from("ada")]);

    let expected = [
        (Table::States, 1),
        (Table::Log, 2),
        (Table::Index, 1),
        (Table::Outbox, 1),
    ];
    assert_eq!(erase(house, &ada).await, expected);
    assert_eq!(house.state(&key("ada")).await, None);
    assert_eq!(house.fact(row("ada"), 1).await, None);
    assert_eq!(feed(house, "shop").await, ["bob came"]);
    assert_eq!(feed(house, "bank").await, ["ada came"]);
    assert!(house.state(&key("bob")).await.is_some());
    assert!(house.state(&key_of("bank", "ada")).await.is_some());
    assert!(house.fact(row("bob"), 1).await.is_some());
    let depth = house.store.depth().await.expect("countable");
    assert_eq!((depth.outbox, depth.log_bytes), (2, 16));
    let mut leased = house.leased_ids(9_000).await;
    leased.sort();
    assert_eq!(leased, ["bank-ada", "shop-bob"]);
    assert!(erase(house, &ada).await.is_empty(), "nothing is left");
    assert!(house.store.scrub().await.expect("nobody reads"));
}

pub(super) async fn the_history_of_others_stays_whole(house: &House) {
    let who = |mask: u32, number: u32| {
        if mask >> number & 1 == 1 {
            "ada"
        } else {
            "bob"
        }
    };
    for mask in 0..32 {
        let session = key(&format!("shared-{mask}"));
        let mut all = write(&session, 0, "");
        for number in 0..5 {
            all = all.action(&format!("{} {number}", who(mask, number)));
        }
        house.wrote(all).await;
    }
    erase(house, &named("ada")).await;
    for mask in 0..32 {
        let session = key(&format!("shared-{mask}"));
        house
            .wrote(write(&session, 1, "").action("bob 5").action("bob 6"))
            .await;
        let history = house.store.history(&session, 99).await.expect("readable");
        let told: Vec<_> = history.iter().map(|entry| entry.body.to_string()).collect();
        let stay = (0..7)
            .rev()
            .filter(|number| *number > 4 || who(mask, *number) == "bob");
        let expected: Vec<_> = stay.map(|number| format!("bob {number}")).collect();
        assert_eq!(told, expected, "{mask:05b}");
    }
}

pub(super) async fn a_commit_that_rests_on_an_erased_state_conflicts(house: &House) {
    house
        .wrote(write(&key("ada"), 0, "one").due(1_000).action("1"))
        .await;
    house.wrote(write(&key("ada"), 1, "two").due(1_000)).await;
    erase(house, &named("ada")).await;
    let late = write(&key("ada"), 2, "what she did").action("what she did");
    assert_eq!(house.conflicted(late).await, None);
    let overdue = house.store.claim_overdue(9_000, 9_100, 9).await;
    assert!(overdue.expect("claimable").is_empty());
    house.wrote(write(&key("ada"), 0, "new")).await;
}

pub(super) async fn a_lane_goes_on_behind_an_erased_delivery(house: &House) {
    house
        .wrote(write(&key("ada"), 0, "").delivery("a1", "lane"))
        .await;
    house
        .wrote(write(&key("bob"), 0, "").delivery("b1", "lane"))
        .await;
    // Even one that somebody attempts at the moment.
    assert_eq!(house.leased_ids(1_000).await, ["a1"]);
    erase(house, &named("ada")).await;
    assert_eq!(house.leased_ids(9_000).await, ["b1"]);
    let late = super::house::delivered("a1", Some("p"));
    house.wrote(draft().change(late)).await;
    let parts = house.store.recorded_parts("lane", &["p".into()]).await;
    assert!(parts.expect("readable").is_empty());
}

pub(super) async fn pages_follow_each_other_through_every_table(house: &House) {
    for base in 0..3 {
        let mut many = write(&key("ada"), base, "");
        for number in 0..700 {
            let id = format!("{base}-{number}");
            many = many
                .action("x")
                .delivery(&id, &id)
                .fact(row(&id), Some("ada"), 99_000);
        }
        house.wrote(many).await;
    }
    let ada = named("ada");
    let places: Vec<_> = pages(house, &ada)
        .await
        .iter()
        .map(|page| page.place)
        .collect();
    assert!(places.windows(2).all(|pair| pair[0].table <= pair[1].table));
    assert!(places.windows(2).all(|pair| pair[0] != pair[1]));
    let mut by_table = std::collections::BTreeMap::new();
    for (table, rows) in erase(house, &ada).await {
        *by_table.entry(table).or_insert(0) += rows;
    }
    let by_table: Vec<_> = by_table.into_iter().collect();
    let all = [
        (Table::States, 1),
        (Table::Log, 2_100),
        (Table::Index, 2_100),
        (Table::Outbox, 2_100),
    ];
    assert_eq!(by_table, all);
    assert_eq!(house.store.depth().await.expect("countable").log_bytes, 0);
    assert!(feed(house, "shop").await.is_empty());
}

pub(super) async fn requests_are_listed_until_they_are_removed(house: &House) {
    let request = |user: &str| IndexKey::new(Space::Erasure, user);
    house
        .wrote(draft().fact(request("ada"), Some("{}"), u64::MAX).fact(
            row("other"),
            Some("1"),
            u64::MAX,
        ))
        .await;
    let waiting = house.store.listed(Space::Erasure).await.expect("readable");
    let users: Vec<_> = waiting
        .iter()
        .map(|one| (one.product.as_str(), &*one.id))
        .collect();
    assert_eq!(users, [("shop", "ada")]);
    house.wrote(draft().fact(request("ada"), None, 0)).await;
    assert!(
        house
            .store
            .listed(Space::Erasure)
            .await
            .expect("readable")
            .is_empty()
    );
}

pub(super) async fn a_page_is_looked_at_again_before_anything_goes(house: &House) {
    house.wrote(write(&key("ada"), 0, "one").action("1")).await;
    let ada = named("ada");
    let found = pages(house, &ada).await;
    assert!(!found[0].is_empty());
    ada.gone.store(true, Ordering::Relaxed);
    for page in found {
        let rows = house.store.erase(ada.clone(), page, 9_000).await;
        assert_eq!(rows.expect("erasable"), 0);
    }
    assert!(house.state(&key("ada")).await.is_some());
    let outcome = house.commit(write(&key("ada"), 1, "two")).await;
    assert!(matches!(outcome, Outcome::Committed));
}

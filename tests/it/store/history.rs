//! What operators ask: the calls of a delivery, listings, and to send again.

use event_connector::domain::attempt::{AttemptOutcome, AttemptRecord, Call};
use event_connector::domain::id::DeliveryId;
use event_connector::domain::log::OutboxChange;
use event_connector::store::{
    ATTEMPTS_MAX, DeliveryHistory, DeliveryQuery, DeliveryStatus, Retention, Retry,
};

use super::house::{
    FOR_EVER, House, dead, delivered, draft, key, key_of, product, retry, withdrawn, write,
};

fn call(number: u64) -> AttemptRecord {
    AttemptRecord {
        call: Call::Post,
        started_ms: number,
        took_ms: Some(12),
        http_status: Some(503),
        outcome: AttemptOutcome::Unknown,
        reason: Some("Intercom answered 503".into()),
        excerpt: Some("upstream".into()),
    }
}

fn attempted(id: &str, attempt: AttemptRecord) -> OutboxChange {
    OutboxChange::Attempted {
        id: id.into(),
        attempt,
    }
}

async fn show(house: &House, id: &str) -> DeliveryHistory {
    let shown = house.store.delivery(&id.into()).await;
    shown.expect("readable").expect("there")
}

async fn replay(house: &House, id: &str, copy: &str, now_ms: u64) -> String {
    let sent = house.store.replay(&id.into(), copy.into(), now_ms).await;
    sent.expect("written").expect("known").to_string()
}

pub(super) async fn a_call_is_remembered_until_its_delivery_goes(house: &House) {
    house
        .wrote(write(&key("s"), 0, "").delivery("d", "shop/intercom/c"))
        .await;
    let lease = house.lease(1_000).await.remove(0);
    let back = Retry {
        fence: lease.fence,
        attempt: Some(call(1_001)),
        ..retry("d", 1_050)
    };
    house.store.retry(back).await.expect("it can be put back");
    let end = AttemptRecord {
        http_status: None,
        ..call(1_060)
    };
    let end = draft()
        .change(attempted("d", end.clone()))
        .change(delivered("d", Some("p")))
        .change(attempted("d", end));
    house.wrote(end).await;
    let shown = show(house, "d").await;
    let numbers: Vec<u32> = shown.attempts.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [1, 2], "what is over gets no further calls");
    assert_eq!(shown.attempts[0].1, call(1_001));
    assert_eq!(shown.delivery.calls, 2);
    assert_eq!(shown.delivery.http_status, None, "that of the newest call");
    assert_eq!(shown.delivery.status, DeliveryStatus::Delivered);
    assert_eq!(shown.delivery.part, Some("p".into()));
    assert_eq!(shown.delivery.error.as_deref(), Some("timeout"));

    let keep = Retention {
        outbox_ms: 0,
        ..FOR_EVER
    };
    house.store.age(9_000, keep).await.expect("aged");
    let gone = house.store.delivery(&"d".into()).await;
    assert_eq!(gone.expect("readable"), None);
    // A row that takes the place of the old one in the table has no calls yet.
    house
        .wrote(write(&key("s"), 1, "").delivery("e", "shop/intercom/c"))
        .await;
    assert!(show(house, "e").await.attempts.is_empty());
}

pub(super) async fn the_newest_calls_are_kept_and_go_on_counting(house: &House) {
    house
        .wrote(write(&key("s"), 0, "").delivery("d", "a"))
        .await;
    let mut many = draft();
    for number in 1..=u64::from(ATTEMPTS_MAX) + 7 {
        many = many.change(attempted("d", call(number)));
    }
    house.wrote(many).await;
    let shown = show(house, "d").await;
    assert_eq!(shown.attempts.len(), ATTEMPTS_MAX as usize);
    assert_eq!(shown.attempts[0], (8, call(8)));
    assert_eq!(shown.delivery.calls, ATTEMPTS_MAX + 7);
}

pub(super) async fn a_lease_that_ran_out_is_in_the_history(house: &House) {
    house
        .wrote(write(&key("s"), 0, "").delivery("d", "a"))
        .await;
    house.lease(1_000).await;
    house.lease(1_200).await;
    let shown = show(house, "d").await;
    assert_eq!(shown.attempts, [(1, AttemptRecord::lost(1_000))]);
}

/// A filter, and what it lets through.
type Case = (fn(&mut DeliveryQuery), &'static [&'static str]);

pub(super) async fn listings_filter_and_go_on_behind_a_page(house: &House) {
    let two = write(&key("s1"), 0, "")
        .delivery("d1", "shop/intercom/c/1")
        .delivery("d2", "shop/intercom/c2");
    house.wrote(two).await;
    let mut other = write(&key_of("bank", "s1"), 0, "").delivery("d3", "bank/zendesk/c2");
    other.0.product = product("bank");
    house.wrote(other.at(2_000)).await;
    house
        .wrote(
            write(&key("s2"), 0, "")
                .at(3_000)
                .delivery("d4", "shop/intercom/c2"),
        )
        .await;
    let ends = draft()
        .change(attempted("d1", call(5)))
        .change(dead("d1"))
        .change(delivered("d2", None));
    house.wrote(ends).await;

    let cases: [Case; 9] = [
        (|_| {}, &["d4", "d3", "d2", "d1"]),
        (
            |query| query.product = Some("shop".into()),
            &["d4", "d2", "d1"],
        ),
        (|query| query.status = Some(DeliveryStatus::Dead), &["d1"]),
        (
            |query| query.status = Some(DeliveryStatus::Waiting),
            &["d4", "d3"],
        ),
        (|query| query.platform = Some("zendesk".into()), &["d3"]),
        (|query| query.conversation = Some("c/1".into()), &["d1"]),
        (
            |query| query.session = Some("s1".into()),
            &["d3", "d2", "d1"],
        ),
        (
            |query| (query.since_ms, query.until_ms) = (Some(2_000), Some(3_000)),
            &["d3"],
        ),
        (|query| query.http_status = Some(503), &["d1"]),
    ];
    for (filter, wanted) in cases {
        for limit in [9, 1] {
            let mut query = DeliveryQuery {
                limit,
                ..DeliveryQuery::default()
            };
            filter(&mut query);
            assert_eq!(pages(house, query.clone()).await, wanted, "{query:?}");
        }
    }
}

/// The ids of all pages of a listing.
async fn pages(house: &House, mut query: DeliveryQuery) -> Vec<String> {
    let mut ids = Vec::new();
    loop {
        let page = house.store.deliveries(&query).await.expect("readable");
        assert!(page.deliveries.len() <= query.limit);
        ids.extend(page.deliveries.into_iter().map(|one| one.id.to_string()));
        query.after = page.next;
        if page.next.is_none() {
            return ids;
        }
    }
}

pub(super) async fn what_waits_is_replayed_at_once_and_what_is_under_way_goes_on(house: &House) {
    let two = write(&key("s"), 0, "")
        .delivery("d1", "a")
        .delivery("d2", "a");
    house.wrote(two).await;
    house.lease(1_000).await;
    assert_eq!(replay(house, "d1", "x", 1_010).await, "d1");
    assert!(house.lease(1_050).await.is_empty());
    let back = house.store.retry(retry("d1", 9_000)).await;
    back.expect("it can be put back");
    assert_eq!(replay(house, "d2", "x", 2_000).await, "d2");
    assert_eq!(
        house.leased_ids(2_000).await,
        ["d1"],
        "its lane goes on at once"
    );
    let unknown = house.store.replay(&"never".into(), "x".into(), 2_000).await;
    assert_eq!(unknown.expect("readable"), None);
}

pub(super) async fn a_dead_letter_is_revived_in_its_place_with_its_doubt(house: &House) {
    let three = write(&key("s"), 0, "")
        .delivery("d1", "a")
        .delivery("d2", "a")
        .delivery("d3", "a");
    house.wrote(three).await;
    let lease = house.lease(1_000).await.remove(0);
    assert!(!lease.replayed);
    let doubtful = Retry {
        unsettled_since_ms: Some(1_000),
        ..retry("d1", 1_100)
    };
    house
        .store
        .retry(doubtful)
        .await
        .expect("it can be put back");
    house.wrote(draft().at(1_100).change(dead("d1"))).await;
    assert_eq!(house.leased_ids(1_100).await, ["d2"]);

    assert_eq!(replay(house, "d1", "x", 1_110).await, "d1");
    assert!(house.lease(1_150).await.is_empty(), "d2 is under way");
    let depth = house.store.depth().await.expect("countable");
    assert_eq!((depth.outbox, depth.dead_letters), (3, 0));
    let back = house.store.retry(retry("d2", 9_000)).await;
    back.expect("it can be put back");
    house
        .wrote(draft().at(1_160).change(delivered("d2", None)))
        .await;
    let again = house.lease(1_160).await.remove(0);
    assert_eq!(again.id, DeliveryId::from("d1"));
    assert_eq!((again.attempt, again.unsettled_since_ms), (1, Some(1_000)));
    assert!(again.replayed);

    // Whoever waits for a later attempt lets it go first.
    house.wrote(draft().at(1_170).change(dead("d1"))).await;
    assert_eq!(house.leased_ids(1_170).await, ["d3"]);
    let back = house.store.retry(retry("d3", 9_000)).await;
    back.expect("it can be put back");
    replay(house, "d1", "x", 1_180).await;
    assert_eq!(house.leased_ids(1_180).await, ["d1"]);
    house
        .wrote(draft().at(1_190).change(delivered("d1", None)))
        .await;
    assert_eq!(house.leased_ids(1_190).await, ["d3"]);
}

pub(super) async fn what_is_over_is_replayed_as_another_one_each_time(house: &House) {
    let two = write(&key("s"), 0, "")
        .delivery("d1", "a")
        .delivery("d2", "b");
    house.wrote(two).await;
    house
        .wrote(
            draft()
                .change(delivered("d1", Some("p")))
                .change(withdrawn("d2")),
        )
        .await;
    for (id, copy) in [("d1", "e1"), ("d1", "e2"), ("d2", "e3")] {
        assert_eq!(replay(house, id, copy, 2_000).await, copy);
        let shown = show(house, copy).await.delivery;
        assert_eq!(shown.replay_of, Some(id.into()));
        assert_eq!(shown.key, key("s"));
        assert_eq!(shown.body, show(house, id).await.delivery.body);
        assert_eq!(shown.part, None);
    }
    let mut leased = house.lease(2_000).await;
    leased.sort_by(|a, b| a.id.cmp(&b.id));
    let ids: Vec<_> = leased.iter().map(|lease| lease.id.as_str()).collect();
    assert_eq!(ids, ["e1", "e3"], "each in its lane");
    assert!(leased.iter().all(|lease| lease.replayed));
    assert_eq!(
        show(house, "d1").await.delivery.status,
        DeliveryStatus::Delivered
    );
}

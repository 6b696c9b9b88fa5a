//! Fairness between products.

use event_connector::store::{LeaseRequest, Quota};

use super::house::{House, draft, key_of, product, wanted, withdrawn, write};

/// `count` deliveries of a product in lanes of their own, named after it in their order: all are due at
/// once, and which of those goes first is the backend's choice.
async fn fill(house: &House, name: &str, count: usize) {
    let mut many = write(&key_of(name, "s"), 0, "");
    many.0.product = product(name);
    for number in 0..count {
        let id = format!("{name}{number:02}");
        many = many.delivery(&id, &format!("{name}/{number:02}"));
    }
    house.wrote(many).await;
}

async fn leased(house: &House, request: LeaseRequest) -> Vec<String> {
    let leases = house.store.lease(request).await.expect("leasable");
    leases.iter().map(|lease| lease.id.to_string()).collect()
}

pub(super) async fn products_take_turns_whatever_one_of_them_has_waiting(house: &House) {
    fill(house, "a", 50).await;
    fill(house, "b", 2).await;
    fill(house, "c", 1).await;
    let first = leased(house, wanted(2_000, 9_000, 7)).await;
    assert_eq!(first, ["a00", "b00", "c00", "a01", "b01", "a02", "a03"]);
}

pub(super) async fn a_turn_goes_on_where_the_last_lease_stopped(house: &House) {
    for name in ["a", "b", "c"] {
        fill(house, name, 9).await;
    }
    let mut order = Vec::new();
    for _ in 0..6 {
        order.extend(leased(house, wanted(2_000, 9_000, 1)).await);
    }
    assert_eq!(order, ["a00", "b00", "c00", "a01", "b01", "c01"]);
    let mut withdrawal = draft().change(withdrawn("a02"));
    withdrawal.0.product = product("a");
    house.wrote(withdrawal).await;
    assert_eq!(leased(house, wanted(2_000, 9_000, 2)).await, ["a03", "b02"]);
}

pub(super) async fn a_quota_is_shared_by_its_products_and_zero_passes_them_by(house: &House) {
    for name in ["a", "b", "c", "d"] {
        fill(house, name, 9).await;
    }
    let quota = |names: &[&str], max| Quota {
        products: names.iter().copied().map(product).collect(),
        max,
    };
    let request = LeaseRequest {
        product_max: 2,
        quotas: vec![quota(&["a", "b", "never"], 3), quota(&["c"], 0)],
        ..wanted(2_000, 9_000, 99)
    };
    let found = leased(house, request.clone()).await;
    assert_eq!(found, ["a00", "b00", "d00", "a01", "d01"]);
    let closed = LeaseRequest {
        product_max: 0,
        ..request
    };
    assert_eq!(leased(house, closed).await.len(), 3, "of a and b alone");
}

pub(super) async fn the_next_delivery_of_others_passes_a_closed_product_by(house: &House) {
    fill(house, "a", 3).await;
    let mut later = write(&key_of("b", "s"), 0, "")
        .at(5_000)
        .delivery("b00", "b");
    later.0.product = product("b");
    house.wrote(later).await;
    let next = async |closed: &[&str]| {
        let closed: Vec<_> = closed.iter().copied().map(product).collect();
        let next = house.store.next_delivery_ms(&closed).await;
        next.expect("readable")
    };
    assert_eq!(next(&[]).await, Some(1_000));
    assert_eq!(next(&["never"]).await, Some(1_000));
    assert_eq!(next(&["a"]).await, Some(5_000));
    assert_eq!(next(&["a", "b"]).await, None);
}

//! Operators: they look at deliveries and have some of them sent again, whatever became of them.

use std::time::Duration;

use event_connector::domain::id::DeliveryId;
use event_connector::store::{DeliveryQuery, DeliveryRecord, DeliveryStatus};

use super::instance::Up;
use super::people::People;

/// One operator looks for a delivery and asks, once, that it is sent again.
pub(crate) fn replay(people: &People) {
    let people = people.clone();
    let tasks = people.world.tasks.clone();
    tasks.spawn("operator", async move {
        let to = people.anybody();
        let Some(up) = people.fleet.get(to) else {
            return;
        };
        let Some(found) = find(&people, &up).await else {
            return;
        };
        let trace = &people.world.trace;
        let status = found.status.as_str();
        let asked = trace.tell(
            "operator",
            format_args!("asks i{to} to replay {}, {status}", found.id),
        );
        let copy = DeliveryId::from(format!("copy{asked}"));
        let (at, id, product) = (up.clone(), found.id.clone(), found.key.product.clone());
        let told = people
            .call(&up, async move { at.replay(&product, &id, copy).await })
            .await;
        trace.tell(
            "operator",
            format_args!("for {} is told {told:?}", found.id),
        );
    });
}

/// Any delivery of the kind that the operator looks for.
async fn find(people: &People, up: &Up) -> Option<DeliveryRecord> {
    let dice = &people.dice;
    let status = dice.weigh(&[
        (4, DeliveryStatus::Dead),
        (4, DeliveryStatus::Delivered),
        (1, DeliveryStatus::Waiting),
        (1, DeliveryStatus::Leased),
        (1, DeliveryStatus::Withdrawn),
    ]);
    let query = DeliveryQuery {
        status: Some(status),
        limit: 5,
        ..DeliveryQuery::default()
    };
    let store = std::sync::Arc::clone(&up.store);
    let page = people
        .call(up, async move { store.deliveries(&query).await })
        .await?
        .ok()?;
    let trace = &people.world.trace;
    if let Some(other) = page.deliveries.iter().find(|one| one.status != status) {
        let text = format!("{} is {:?}, not {status:?}", other.id, other.status);
        trace.break_law("listings_are_true", text);
    }
    if page.deliveries.is_empty() {
        return None;
    }
    let found = dice.pick(&page.deliveries).clone();
    // Operators think before they act.
    let pause = Duration::from_millis(dice.among(0..=3000));
    people.world.clock.sleep(pause).await;
    Some(found)
}

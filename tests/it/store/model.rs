//! The store in memory is the model; the other backends must answer the same to whatever is asked, as far
//! as the trait says what the answer is.

use std::sync::Arc;

use event_connector::domain::id::{DeliveryId, Key, Kind, PartId};
use event_connector::domain::log::{EntryType, IndexKey, Offset, OutboxChange, Space};
use event_connector::store::{DeliveryQuery, DeliveryStatus, LeaseRequest, Store};
use proptest::prelude::*;

use super::house::{self, Draft, House, draft, product, wanted, write};
use super::story::{Change, Step, steps};

/// How much of what one backend happens to do is asked of another.
#[derive(Clone, Copy, PartialEq)]
enum World {
    /// Everything: two products whose deliveries mix, and ties broken by the order of commits.
    Whole,
    /// What the trait says: a commit changes deliveries of its own product only, and nothing is said about
    /// the order of what is due at the same millisecond, so all of it is asked for.
    Said,
}

impl World {
    fn key(self, number: u8) -> Key {
        let is_shop = self == Self::Said || number.is_multiple_of(2);
        Key {
            product: if is_shop { "shop" } else { "bank" }.into(),
            kind: if number < 4 {
                Kind::Session
            } else {
                Kind::Unsessioned
            },
            id: number.to_string().into(),
        }
    }

    /// Asks for everything, where a part would be anybody's choice.
    fn widen(self, step: &Step) -> Step {
        match step {
            Step::Lease(request) if self == Self::Said => {
                Step::Lease(wanted(0, request.until_ms, 1_000))
            }
            Step::Claim { for_ms, .. } if self == Self::Said => Step::Claim {
                for_ms: *for_ms,
                limit: 1_000,
            },
            other => other.clone(),
        }
    }

    /// What is told in no order is compared in one.
    fn in_order<T>(self, mut found: Vec<T>, name: impl Fn(&T) -> String) -> Vec<T> {
        if self == Self::Said {
            found.sort_by_key(name);
        }
        found
    }
}

fn fact(number: u8) -> IndexKey {
    let spaces = [Space::Conversation, Space::PendingUser, Space::UserLink];
    let space = spaces[usize::from(number) % spaces.len()];
    IndexKey::new(space, (number % 2).to_string())
}

/// The name of a delivery.
pub(super) fn id(number: u8) -> String {
    format!("d{number}")
}

fn lane(number: u8) -> String {
    format!("lane{number}")
}

impl Change {
    fn draft(&self, world: World, base: u64, now_ms: u64) -> Draft {
        let key = world.key(self.key);
        let mut draft = draft();
        draft.0.product = key.product.clone();
        if self.with_state {
            let base = base + self.lost.unwrap_or(0);
            draft = write(&key, base, &format!("{key} {base}"));
            if self.lost.is_some() {
                draft = draft.restored();
            }
            for visible in &self.entries {
                let r#type = if *visible {
                    EntryType::Actions
                } else {
                    EntryType::Linked
                };
                draft = draft.entry(r#type, "a body");
            }
            for (number, lane_number) in &self.deliveries {
                draft = draft.delivery(&id(*number), &lane(*lane_number));
            }
            if let Some(ms) = self.due_in_ms {
                draft = draft.due(now_ms + ms);
            }
        }
        for (number, what) in &self.outbox {
            let id = id(*number);
            draft = draft.change(match what {
                0 => house::delivered(&id, Some(&id)),
                1 => house::dead(&id),
                2 => house::withdrawn(&id),
                _ => OutboxChange::RetryNow {
                    lane: lane(number % 4).into(),
                },
            });
        }
        for (number, value, lasts_ms) in &self.facts {
            let value = value.map(|value| value.to_string());
            draft = draft.fact(fact(*number), value.as_deref(), now_ms + lasts_ms);
        }
        if let Some((number, value)) = self.guard {
            let value = value.map(|value| value.to_string());
            draft = draft.if_row(fact(number), value.as_deref());
        }
        if let Some(number) = self.if_no_state {
            draft = draft.if_no_state(&world.key(number));
        }
        draft.at(now_ms)
    }
}

/// Takes one step in one store and tells all there is to see afterwards.
async fn take(
    world: World,
    step: &Step,
    store: &dyn Store,
    now_ms: u64,
    last: Option<&Draft>,
) -> String {
    let told = match step {
        Step::Tick(_) => String::new(),
        Step::Commit(_) | Step::Repeat => match last {
            Some(draft) => format!("{:?}", store.commit(Arc::new(draft.0.clone())).await),
            None => String::new(),
        },
        Step::Lease(request) => {
            let leases = store.lease(LeaseRequest {
                now_ms,
                until_ms: now_ms + request.until_ms,
                ..request.clone()
            });
            let leases = leases.await.expect("leasable");
            let leases = world.in_order(leases, |lease| lease.id.to_string());
            format!("{leases:?}")
        }
        Step::Replay { of, copy } => {
            let of = DeliveryId::from(id(*of));
            format!("{:?}", store.replay(&of, id(*copy).into(), now_ms).await)
        }
        Step::Retry(retry) => format!("{:?}", store.retry(retry.clone()).await),
        Step::Claim { for_ms, limit } => {
            let keys = store.claim_overdue(now_ms, now_ms + for_ms, *limit).await;
            let keys = world.in_order(keys.expect("claimable"), Key::to_string);
            format!("{keys:?}")
        }
        Step::Quarantine(number) => {
            format!(
                "{:?}",
                store.quarantine(&world.key(*number), "nonsense").await
            )
        }
        Step::Age(keep) => format!("{:?}", store.age(now_ms, *keep).await),
    };
    let next = store.next_delivery_ms(&[]).await;
    let others = store
        .next_delivery_ms(&[product("shop"), product("pub")])
        .await;
    let depth = store.depth().await;
    format!("{told} {next:?} {others:?} {depth:?}")
}

/// Everything a store holds, as far as it can be asked.
async fn everything(world: World, store: &dyn Store, now_ms: u64) -> Vec<String> {
    let mut told = Vec::new();
    let facts: Vec<IndexKey> = (0..6).map(fact).collect();
    let parts: Vec<PartId> = (0..40).map(|number| PartId::from(id(number))).collect();
    for name in ["shop", "bank"] {
        let product = product(name);
        told.push(format!("{:?}", store.index(&product, &facts, now_ms).await));
        told.push(format!("{:?}", store.head(&product).await));
        let mut after = Offset::default();
        loop {
            let page = store.feed(&product, after, 7).await.expect("readable");
            told.push(format!("{page:?}"));
            if page.entries.is_empty() {
                break;
            }
            after = page.scanned;
        }
    }
    for number in 0..6 {
        told.push(format!("{:?}", store.load(&world.key(number)).await));
        told.push(format!("{:?}", store.history(&world.key(number), 9).await));
    }
    for status in [
        None,
        Some(DeliveryStatus::Dead),
        Some(DeliveryStatus::Waiting),
    ] {
        let mut query = DeliveryQuery {
            status,
            limit: 3,
            ..DeliveryQuery::default()
        };
        loop {
            let page = store.deliveries(&query).await.expect("readable");
            for delivery in &page.deliveries {
                told.push(format!("{:?}", store.delivery(&delivery.id).await));
            }
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
    }
    for number in 0..4 {
        let known = store.recorded_parts(&lane(number), &parts).await;
        told.push(format!("{known:?}"));
    }
    told
}

async fn compare(world: World, real: House, story: &[Step]) -> Result<(), TestCaseError> {
    let model = house::memory().await;
    let mut now_ms = 1_000_u64;
    let mut last = None;
    for step in story {
        let step = &world.widen(step);
        match step {
            Step::Tick(by) => now_ms = now_ms.saturating_add_signed(*by),
            Step::Commit(change) => {
                let held = model.state(&world.key(change.key)).await;
                let version = held.map_or(0, |stored| stored.version);
                last = Some(change.draft(world, version + u64::from(change.stale), now_ms));
            }
            _ => {}
        }
        let expected = take(world, step, &*model.store, now_ms, last.as_ref()).await;
        let found = take(world, step, &*real.store, now_ms, last.as_ref()).await;
        prop_assert_eq!(found, expected, "{:?} at {}", step, now_ms);
    }
    let expected = everything(world, &*model.store, now_ms).await;
    prop_assert_eq!(everything(world, &*real.store, now_ms).await, expected);
    real.store.close().await;
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(96)
    })]

    #[test]
    fn the_database_answers_as_the_model_does(story in prop::collection::vec(steps(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime can be built");
        runtime.block_on(async { compare(World::Whole, house::sqlite().await, &story).await })?;
    }

    #[test]
    fn redis_answers_as_the_model_does(story in prop::collection::vec(steps(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be built");
        runtime.block_on(async { compare(World::Said, house::redis().await, &story).await })?;
    }
}

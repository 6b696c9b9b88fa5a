//! The service broken on purpose, one way at a time: each must be noticed, or the laws are too weak.

use std::sync::Arc;

use event_connector::delivery::Reply;
use event_connector::delivery::admission::Sign;
use event_connector::domain::id::{DeliveryId, Key};
use event_connector::domain::log::{EntryType, IndexKey, NewEntry, Offset, Space};
use event_connector::store::{Commit, Error, FeedPage, Lease, Outcome, Retry, Store};
use serde_json::Value;

use super::truth::Truth;
use super::world::World;

/// A way of being broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// The store acknowledges a fifth of a second before it writes.
    AcknowledgesEarly,
    /// The store writes whatever version a commit was computed from.
    ForgetsVersions,
    /// The store writes without looking at guards.
    ForgetsGuards,
    /// Index rows that say whom a conversation shows cannot be seen.
    ForgetsOwners,
    /// Links that wait are acknowledged and not kept.
    ForgetsWaitingLinks,
    /// Deadlines are not stored.
    ForgetsDeadlines,
    /// The keys by which duplicates are recognised are not stored.
    ForgetsDuplicates,
    /// A delivery in doubt is repeated without a look.
    ForgetsDoubt,
    /// Every note has a lane of its own.
    ForgetsLanes,
    /// The feed leaves out an entry now and then.
    SkipsEntries,
    /// The feed does not say what it no longer has.
    HidesGaps,
    /// Nobody nudges, and nobody looks by himself.
    LosesNudges,
    /// The end of a delivery is reported as written before it is, and never written.
    LosesEnds,
    /// Notes do not wait for a pause.
    FlushesEarly,
    /// Notes go to the first conversation of the product.
    PostsElsewhere,
    /// What a delivery is told about its attempts is not kept: it is tried again at once.
    IgnoresRetryAfter,
    /// What answers say about rate windows and limits is not heard.
    IgnoresWindows,
    /// An account without answers is called like any other.
    IgnoresSilence,
    /// Refused credentials are used like any other.
    IgnoresRefusals,
    /// Whoever once held a lease may put the delivery back.
    ForgetsFences,
    /// Waiting for an account is an attempt.
    CountsWaiting,
    /// What an operator has sent again is not.
    LosesReplays,
    /// It is, twice.
    ReplaysTwice,
    /// How much was offered cannot be seen.
    ForgetsQuotas,
    /// What was offered is not stored with its session.
    ForgetsOffers,
    /// The session's machine is stored as thinking, wherever it stands.
    ThinksOn,
    /// No trigger keeps quiet after its offer.
    ForgetsPauses,
    /// A page that begins anew leaves its offer open.
    KeepsWithdrawn,
}

pub(crate) const ALL: [Mutant; 28] = [
    Mutant::AcknowledgesEarly,
    Mutant::ForgetsVersions,
    Mutant::ForgetsGuards,
    Mutant::ForgetsOwners,
    Mutant::ForgetsWaitingLinks,
    Mutant::ForgetsDeadlines,
    Mutant::ForgetsDuplicates,
    Mutant::ForgetsDoubt,
    Mutant::ForgetsLanes,
    Mutant::SkipsEntries,
    Mutant::HidesGaps,
    Mutant::LosesNudges,
    Mutant::LosesEnds,
    Mutant::FlushesEarly,
    Mutant::PostsElsewhere,
    Mutant::IgnoresRetryAfter,
    Mutant::IgnoresWindows,
    Mutant::IgnoresSilence,
    Mutant::IgnoresRefusals,
    Mutant::ForgetsFences,
    Mutant::CountsWaiting,
    Mutant::LosesReplays,
    Mutant::ReplaysTwice,
    Mutant::ForgetsQuotas,
    Mutant::ForgetsOffers,
    Mutant::ThinksOn,
    Mutant::ForgetsPauses,
    Mutant::KeepsWithdrawn,
];

/// Commits, in the mutant's way.
pub(crate) async fn commit(world: &World, truth: &Truth, commit: Arc<Commit>) -> Outcome {
    let Some(mutant) = world.mutant else {
        return truth.apply(commit).await;
    };
    let mut bent = (*commit).clone();
    match mutant {
        Mutant::AcknowledgesEarly => {
            let (late, truth) = (world.clone(), truth.clone());
            world.tasks.spawn("early acknowledgement", async move {
                late.wait_ms(200).await;
                truth.apply(commit).await;
            });
            return Outcome::Committed;
        }
        Mutant::ForgetsVersions => {
            if let Some(new) = &mut bent.state {
                new.base = version(truth, &new.key).await;
            }
        }
        Mutant::ForgetsGuards | Mutant::ForgetsOwners | Mutant::ForgetsQuotas => {
            bent.guards.clear();
        }
        Mutant::ForgetsWaitingLinks => bent
            .effects
            .index
            .retain(|write| !write.key.space.is_pending()),
        Mutant::ForgetsDeadlines => {
            if let Some(new) = &mut bent.state {
                new.due_ms = None;
            }
        }
        Mutant::ForgetsDuplicates => bend(&mut bent, |state| state["seen"] = "".into()),
        Mutant::ForgetsOffers => bend(&mut bent, |state| state["offers"] = Value::Null),
        Mutant::ThinksOn => bend(&mut bent, |state| state["fsm"]["state"] = "thinking".into()),
        Mutant::ForgetsPauses => bend(&mut bent, |state| {
            if let Some(offers) = state["offers"].as_object_mut() {
                offers.remove("quiet");
            }
        }),
        Mutant::KeepsWithdrawn => keep_withdrawn(truth, &mut bent).await,
        Mutant::ForgetsLanes => {
            for delivery in &mut bent.effects.deliveries {
                delivery.lane = format!("{}/{}", delivery.lane, delivery.id).into();
            }
        }
        _ => {}
    }
    truth.apply(Arc::new(bent)).await
}

/// Has an offer that a commit withdraws stay as it was before.
async fn keep_withdrawn(truth: &Truth, commit: &mut Commit) {
    let Some(new) = &commit.state else { return };
    let is_withdrawn = |entry: &NewEntry| {
        entry.r#type == EntryType::OfferEnded && entry.body.contains("withdrawn")
    };
    if !commit.effects.entries.iter().any(is_withdrawn) {
        return;
    }
    let stored = truth.load(&new.key).await.ok().flatten();
    let before = stored.and_then(|stored| serde_json::from_slice::<Value>(&stored.state).ok());
    let open = before.map_or(Value::Null, |mut before| before["offers"]["open"].take());
    bend(commit, |state| state["offers"]["open"] = open);
    commit.effects.entries.retain(|entry| !is_withdrawn(entry));
}

/// Changes the state that a commit writes.
fn bend(commit: &mut Commit, change: impl FnOnce(&mut Value)) {
    if let Some(new) = &mut commit.state
        && let Ok(mut state) = serde_json::from_slice(&new.state)
    {
        change(&mut state);
        new.state = serde_json::to_vec(&state).unwrap_or_default().into();
    }
}

async fn version(truth: &Truth, key: &Key) -> u64 {
    let stored = truth.load(key).await.ok().flatten();
    stored.map_or(0, |stored| stored.version)
}

/// Reads index rows, in the mutant's way.
pub(crate) fn rows(world: &World, keys: &[IndexKey], rows: &mut [Option<Arc<str>>]) {
    for (key, row) in keys.iter().zip(rows) {
        let is_hidden = match key.space {
            Space::Conversation => world.is(Mutant::ForgetsOwners),
            Space::Quota => world.is(Mutant::ForgetsQuotas),
            _ => false,
        };
        if is_hidden {
            *row = None;
        }
    }
}

/// Reads the feed, in the mutant's way.
pub(crate) fn page(world: &World, page: &mut FeedPage) {
    if world.is(Mutant::SkipsEntries) && page.entries.len() > 1 && world.wire.permille(100) {
        page.entries.remove(0);
    }
    if world.is(Mutant::HidesGaps) {
        page.trimmed = Offset::default();
    }
}

/// Leases, in the mutant's way.
pub(crate) fn leases(world: &World, leases: &mut [Lease]) {
    if world.is(Mutant::ForgetsDoubt) {
        for lease in leases {
            lease.unsettled_since_ms = None;
        }
    }
}

/// Puts a delivery back that is under the lease `held`, in the mutant's way.
pub(crate) fn retry(world: &World, mut retry: Retry, held: Option<u64>) -> Retry {
    if world.is(Mutant::ForgetsFences) {
        retry.fence = held.unwrap_or(retry.fence);
    }
    if world.is(Mutant::IgnoresRetryAfter) && retry.unsettled_since_ms.is_none() {
        retry.not_before_ms = 0;
    }
    if world.is(Mutant::CountsWaiting) && retry.attempt.is_some() {
        retry.counts = true;
    }
    retry
}

/// Has a delivery sent again, in the mutant's way.
pub(crate) async fn replay(
    world: &World,
    store: &dyn Store,
    id: &DeliveryId,
    copy: DeliveryId,
    now_ms: u64,
) -> Result<Option<DeliveryId>, Error> {
    if world.is(Mutant::LosesReplays) {
        let is_over = store
            .delivery(id)
            .await?
            .is_some_and(|found| found.delivery.part.is_some());
        return Ok(Some(if is_over { copy } else { id.clone() }));
    }
    if world.is(Mutant::ReplaysTwice) {
        let twin = DeliveryId::from(format!("{}-twin", copy.as_str()));
        store.replay(id, twin, now_ms).await?;
    }
    store.replay(id, copy, now_ms).await
}

/// Hears an answer of the platform, in the mutant's way.
pub(crate) fn hear<T>(world: &World, reply: &mut Reply<T>) {
    match (world.mutant, reply.sign) {
        (Some(Mutant::IgnoresWindows), _) => reply.rate = None,
        (Some(Mutant::IgnoresSilence), Sign::Silent)
        | (Some(Mutant::IgnoresRefusals), Sign::Refused) => reply.sign = Sign::Works,
        _ => {}
    }
}

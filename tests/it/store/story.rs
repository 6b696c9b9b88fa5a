//! Stories: whatever may be asked of a store, one step after the other.

use event_connector::domain::attempt::{AttemptOutcome, AttemptRecord, Call};
use event_connector::domain::id::DeliveryId;
use event_connector::store::{LeaseRequest, Quota, Retention, Retry};
use proptest::prelude::*;

use super::house::{FOR_EVER, product, wanted};
use super::model::id;

/// One step of a story.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Tick(i64),
    Commit(Change),
    Repeat,
    Lease(LeaseRequest),
    Replay { of: u8, copy: u8 },
    Retry(Retry),
    Claim { for_ms: u64, limit: usize },
    Quarantine(u8),
    Age(Retention),
}

/// A commit before it is known which version it is based on.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) key: u8,
    pub(super) with_state: bool,
    pub(super) stale: bool,
    /// How much newer than the stored one the version is that the store is said to have lost.
    pub(super) lost: Option<u64>,
    pub(super) due_in_ms: Option<u64>,
    pub(super) entries: Vec<bool>,
    pub(super) deliveries: Vec<(u8, u8)>,
    pub(super) outbox: Vec<(u8, u8)>,
    pub(super) facts: Vec<(u8, Option<u8>, u64)>,
    pub(super) guard: Option<(u8, Option<u8>)>,
    pub(super) if_no_state: Option<u8>,
}

fn changes() -> impl Strategy<Value = Change> {
    let lost = prop::option::weighted(0.1, 0..3_u64);
    let flags = (prop::bool::weighted(0.85), prop::bool::weighted(0.1), lost);
    let state = (0..6_u8, flags, prop::option::of(0..200_u64));
    let entries = prop::collection::vec(prop::bool::weighted(0.7), 0..4);
    let deliveries = prop::collection::vec((0..40_u8, 0..4_u8), 0..3);
    let outbox = prop::collection::vec((0..40_u8, 0..4_u8), 0..3);
    let value = prop::option::weighted(0.8, 0..3_u8);
    let facts = prop::collection::vec((0..6_u8, value.clone(), 0..300_u64), 0..3);
    let guard = prop::option::weighted(0.2, (0..6_u8, value));
    let if_no_state = prop::option::weighted(0.1, 0..6_u8);
    (
        state,
        entries,
        deliveries,
        outbox,
        facts,
        guard,
        if_no_state,
    )
        .prop_map(
            |(
                (key, (with_state, stale, lost), due_in_ms),
                entries,
                deliveries,
                outbox,
                facts,
                guard,
                none,
            )| {
                Change {
                    key,
                    with_state,
                    stale,
                    lost,
                    due_in_ms,
                    entries,
                    deliveries,
                    outbox,
                    facts,
                    guard,
                    if_no_state: none,
                }
            },
        )
}

fn retries() -> impl Strategy<Value = Retry> {
    let unsettled = prop::option::of(900..1_500_u64);
    let held = (0..40_u8, 0..3_u64);
    let told = (any::<bool>(), any::<bool>(), prop::option::of(attempts()));
    (held, 900..2_000_u64, unsettled, told).prop_map(
        |((number, fence), ms, since, (has_error, counts, attempt))| Retry {
            id: DeliveryId::from(id(number)),
            fence,
            not_before_ms: ms,
            unsettled_since_ms: since,
            error: has_error.then(|| "timeout".into()),
            counts,
            attempt,
        },
    )
}

fn attempts() -> impl Strategy<Value = AttemptRecord> {
    let took = prop::option::of(0..9_u64);
    let status = prop::option::of(200..600_u16);
    (took, status, prop::option::of("[a-z]{0,9}")).prop_map(|(took_ms, http_status, text)| {
        AttemptRecord {
            call: Call::Post,
            started_ms: 7,
            took_ms,
            http_status,
            outcome: AttemptOutcome::Later,
            reason: text.clone().map(Into::into),
            excerpt: text.map(Into::into),
        }
    })
}

fn requests() -> impl Strategy<Value = LeaseRequest> {
    let quota = (
        prop::sample::subsequence(vec!["shop", "bank", "pub"], 0..3),
        0..3_usize,
    );
    let quotas = prop::collection::vec(quota, 0..2);
    (1..100_u64, 0..5_usize, 0..4_usize, quotas).prop_map(|(for_ms, limit, product_max, quotas)| {
        LeaseRequest {
            product_max,
            quotas: quotas
                .into_iter()
                .map(|(names, max)| Quota {
                    products: names.into_iter().map(product).collect(),
                    max,
                })
                .collect(),
            ..wanted(0, for_ms, limit)
        }
    })
}

fn retentions() -> impl Strategy<Value = Retention> {
    let log = (0..400_u64, 0..200_u64);
    (log, 0..400_u64, 0..400_u64).prop_map(|((log_ms, log_bytes_max), state_ms, outbox_ms)| {
        Retention {
            log_ms,
            log_bytes_max,
            state_ms,
            outbox_ms,
        }
    })
}

/// A step of any kind.
pub(super) fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (-20..80_i64).prop_map(Step::Tick),
        10 => changes().prop_map(Step::Commit),
        1 => Just(Step::Repeat),
        4 => requests().prop_map(Step::Lease),
        1 => (0..40_u8, 40..80_u8).prop_map(|(of, copy)| Step::Replay { of, copy }),
        2 => retries().prop_map(Step::Retry),
        2 => (1..100_u64, 0..4_usize).prop_map(|(for_ms, limit)| Step::Claim { for_ms, limit }),
        1 => (0..6_u8).prop_map(Step::Quarantine),
        1 => retentions().prop_map(Step::Age),
        1 => Just(Step::Age(FOR_EVER)),
    ]
}

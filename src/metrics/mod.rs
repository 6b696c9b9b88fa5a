//! Every metric: its name, help and labels, as the fields of one struct.
//!
//! A [`Metrics`] belongs to one application; there is no global registry, so that a test reads exact
//! counts. Labels are bounded: products come from the catalogue, everything else from enums.

mod turns;

use std::ops::Deref;
use std::sync::Arc;

use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

use turns::Turns;

/// All metrics of one application. Cheap to clone, because every request does.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Fields>);

impl Deref for Metrics {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.0
    }
}

/// The `product` label of a product, the same for all where labels are not to name it.
pub fn product_label(is_named: bool, id: &str) -> &str {
    if is_named { id } else { "" }
}

/// Buckets from a tenth of a millisecond to ten seconds.
const BUCKETS_S: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

macro_rules! metrics {
    ($(#[doc = $help:literal] $field:ident: $type:ident = $name:literal $([$($label:literal),*])?;)*) => {
        /// Every metric.
        #[derive(Debug)]
        pub struct Fields {
            registry: Registry,
            /// What is to be written to `triggers`.
            turns: Turns,
            $(#[doc = $help] pub $field: $type,)*
        }

        impl Metrics {
            /// Fresh metrics at zero.
            pub fn new() -> Self {
                let registry = Registry::new();
                $(let $field = build::$type($name, $help.trim(), &[$($($label),*)?]);
                registry
                    .register(Box::new($field.clone()))
                    .expect("metric names are distinct");)*
                Self(Arc::new(Fields { registry, turns: Turns::default(), $($field),* }))
            }
        }
    };
}

metrics! {
    /// Ingest requests by product, provider and HTTP status.
    ingest_requests: IntCounterVec = "connector_ingest_requests_total" ["product", "provider", "status"];
    /// Requests whose signature or secret was wrong or missing.
    signature_failures: IntCounterVec = "connector_signature_failures_total" ["product"];
    /// Raw events by outcome: action or dropped.
    events: IntCounterVec = "connector_events_total" ["product", "provider", "outcome"];
    /// Raw events that became no action, by reason.
    events_dropped: IntCounterVec = "connector_events_dropped_total" ["product", "reason"];
    /// Seconds from an ingest request's last byte to its answer.
    ingest_seconds: Histogram = "connector_ingest_seconds";
    /// Seconds from an ingest request's last byte to its extracted actions.
    pipeline_seconds: Histogram = "connector_pipeline_seconds";
    /// Readers' keys that Unkey was asked about, by what it said: accepted, refused, limited, unclear.
    unkey_verifications: IntCounterVec = "connector_unkey_verifications_total" ["outcome"];
    /// Chatbot webhooks by topic and outcome.
    chatbot_webhooks: IntCounterVec = "connector_chatbot_webhooks_total" ["topic", "outcome"];
    /// Link requests by outcome: linked, unchanged, refused, pending, expired, unresolved.
    links: IntCounterVec = "connector_links_total" ["outcome"];
    /// Actions that the pre-link window rule removed before any conversation appeared.
    window_trimmed: IntCounter = "connector_window_trimmed_total";
    /// What triggers came to, by outcome: evaluated, panicked, offered, accepted, dismissed, timed_out, withdrawn.
    triggers: IntCounterVec = "connector_triggers_total" ["product", "trigger", "outcome"];
    /// Times that nothing was offered, by reason, and the trigger that had something to say.
    offers_skipped: IntCounterVec = "connector_offers_skipped_total" ["product", "trigger", "reason"];
    /// User properties that found no room, in a request or in a session.
    user_properties_dropped: IntCounter = "connector_user_properties_dropped_total";
    /// Note deliveries by platform and outcome of the attempt.
    notes: IntCounterVec = "connector_notes_total" ["platform", "outcome"];
    /// Redactions of notes by platform and outcome of the attempt.
    redactions: IntCounterVec = "connector_redactions_total" ["platform", "outcome"];
    /// Attempts at pushes by outcome: delivered, retried, limited, disabled, dead, expired.
    push_attempts: IntCounterVec = "connector_push_attempts_total" ["outcome"];
    /// Seconds that one delivery attempt took.
    delivery_seconds: HistogramVec = "connector_delivery_seconds" ["platform"];
    /// Times that an account stopped taking calls, by platform and reason: limited, silent, refused, disabled.
    account_closures: IntCounterVec = "connector_account_closures_total" ["platform", "reason"];
    /// Accounts whose credentials are refused.
    accounts_refused: IntGauge = "connector_accounts_refused";
    /// Push targets that are disabled.
    endpoints_disabled: IntGauge = "connector_endpoints_disabled";
    /// Deliveries that wait or are under way.
    outbox_depth: IntGauge = "connector_outbox_depth";
    /// Age of the oldest delivery that waits or is under way, seconds, by platform; absent where there is none.
    outbox_age: IntGaugeVec = "connector_outbox_age_seconds" ["platform"];
    /// Deliveries given up and kept for inspection.
    dead_letters: IntGauge = "connector_dead_letters";
    /// Open feed subscriptions.
    stream_subscribers: IntGaugeVec = "connector_stream_subscribers" ["product"];
    /// Feed events written to subscribers.
    stream_sent: IntCounter = "connector_stream_sent_total";
    /// Subscribers let go, by reason: stalled, limit, error.
    stream_dropped: IntCounterVec = "connector_stream_dropped_total" ["reason"];
    /// Seconds from a log entry's commit, on any instance, until this one has it for its subscribers.
    stream_lag_seconds: Histogram = "connector_stream_lag_seconds";
    /// Gap events sent because retention had removed what a subscriber asked for.
    stream_gaps: IntCounter = "connector_stream_gaps_total";
    /// Feed reads that had to go to the store because a subscriber lagged behind the ring.
    stream_catch_ups: IntCounter = "connector_stream_catch_ups_total";
    /// Commits by outcome: committed, restored, conflict, not_written, unknown, unchanged.
    commits: IntCounterVec = "connector_commits_total" ["outcome"];
    /// Conflicts of a decision that had been made again already because of one.
    conflicts_repeated: IntCounter = "connector_conflicts_repeated_total";
    /// Seconds that a commit took, queueing included.
    commit_seconds: Histogram = "connector_commit_seconds";
    /// Sessions' shares of requests that went into the spool, and out of it, by outcome: kept, refused, fed, parked, unreadable.
    spool_shares: IntCounterVec = "connector_spool_shares_total" ["outcome"];
    /// Shares in the spool.
    spool_entries: IntGauge = "connector_spool_entries";
    /// Bytes in the spool.
    spool_bytes: IntGauge = "connector_spool_bytes";
    /// Log entries written, by type.
    log_entries: IntCounterVec = "connector_log_entries_total" ["type"];
    /// Bytes of log bodies in the store.
    log_bytes: IntGauge = "connector_log_bytes";
    /// Rows removed by retention, by kind.
    aged: IntCounterVec = "connector_aged_total" ["kind"];
    /// Times the wall clock was set by a second or more, by direction: back, forward.
    clock_jumps: IntCounterVec = "connector_clock_jumps_total" ["direction"];
    /// Erasures of users by outcome: done, failed (and tried again).
    erasures: IntCounterVec = "connector_erasures_total" ["outcome"];
    /// Copies of session states for the published SDK, by outcome: written, failed, dropped (too many waited).
    mirror_writes: IntCounterVec = "connector_mirror_writes_total" ["outcome"];
    /// Copies written over that of another product's session with the same identifier.
    mirror_takeovers: IntCounter = "connector_mirror_takeovers_total";
    /// Rows removed because they were about an erased user, by kind.
    erased: IntCounterVec = "connector_erased_total" ["kind"];
    /// Stored rows set aside because they could not be read.
    quarantined: IntGauge = "connector_quarantined_rows";
    /// Sessions held in memory.
    sessions_live: IntGauge = "connector_sessions_live";
    /// Sessions put out of memory, by reason: idle, pressure, erased.
    sessions_passivated: IntCounterVec = "connector_sessions_passivated_total" ["reason"];
    /// Sessions woken by the sweeper because their deadline had passed.
    sessions_swept: IntCounter = "connector_sessions_swept_total";
    /// Inputs refused because a session's mailbox was full.
    mailbox_full: IntCounter = "connector_mailbox_full_total";
    /// Panics contained while handling an input.
    panics: IntCounter = "connector_panics_total";
    /// Inputs parked as dead letters because they panicked twice.
    parked: IntCounter = "connector_parked_inputs_total";
    /// HTTP requests answered with a problem document, by code.
    problems: IntCounterVec = "connector_problems_total" ["code"];
    /// Open connections.
    connections: IntGauge = "connector_connections";
    /// Connections closed by us, by reason: evicted, silent, keep_alive, head_timeout, head_too_large, malformed.
    connections_closed: IntCounterVec = "connector_connections_closed_total" ["reason"];
    /// Ingest requests that were taken in and are not yet answered.
    ingest_requests_held: IntGauge = "connector_ingest_requests_held";
    /// Ingest requests that were read and wait to be taken in.
    ingest_requests_waiting: IntGauge = "connector_ingest_requests_waiting";
    /// Seconds that an ingest request waited to be taken in; those that did not wait are not counted.
    ingest_wait_seconds: Histogram = "connector_ingest_wait_seconds";
    /// Bytes held for reading and parsing ingest bodies.
    bodies_bytes: IntGauge = "connector_bodies_bytes";
    /// Bytes held for reading and parsing all other bodies.
    small_bodies_bytes: IntGauge = "connector_small_bodies_bytes";
    /// Requests refused because a product held its share, by product and share: requests, waiting, bodies, small_bodies.
    share_exhausted: IntCounterVec = "connector_share_exhausted_total" ["product", "share"];
    /// Products in force.
    products: IntGauge = "connector_products";
    /// Problems in the newest product list.
    product_problems: IntGauge = "connector_product_problems";
}

impl Metrics {
    /// Counts what raw events of a product came to.
    pub fn count_events<'a>(
        &self,
        product_label: &str,
        provider: &str,
        actions: usize,
        dropped: impl IntoIterator<Item = (&'a str, usize)>,
    ) {
        let mut dropped_in_all = 0;
        for (reason, count) in dropped {
            let counter = self
                .events_dropped
                .with_label_values(&[product_label, reason]);
            counter.inc_by(count as u64);
            dropped_in_all += count;
        }
        for (outcome, count) in [("action", actions), ("dropped", dropped_in_all)] {
            let labels = [product_label, provider, outcome];
            self.events.with_label_values(&labels).inc_by(count as u64);
        }
    }

    /// Counts a turn of the first `asked` of a product's triggers, whose `names` are in the order of their turns and
    /// stay the same ones for as long as the triggers do; `is_named` says whether labels may name product and triggers.
    pub fn count_turn(&self, product: &str, names: &Arc<[Arc<str>]>, asked: usize, is_named: bool) {
        let into = &self.triggers;
        self.turns.count(product, (names, asked), is_named, into);
    }

    /// The Prometheus text format of everything.
    pub fn render(&self) -> Vec<u8> {
        self.turns.spread(&self.triggers);
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics could not be written");
        }
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// One constructor per metric type, named like the type so that the macro can call it.
#[expect(
    non_snake_case,
    reason = "the functions are named after the types they build"
)]
mod build {
    use super::{
        BUCKETS_S, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
        IntGaugeVec, Opts,
    };

    const VALID: &str = "names and labels are literals checked by the unit test of this module";

    pub(super) fn IntCounter(name: &str, help: &str, _: &[&str]) -> IntCounter {
        IntCounter::new(name, help).expect(VALID)
    }

    pub(super) fn IntGauge(name: &str, help: &str, _: &[&str]) -> IntGauge {
        IntGauge::new(name, help).expect(VALID)
    }

    pub(super) fn IntCounterVec(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        IntCounterVec::new(Opts::new(name, help), labels).expect(VALID)
    }

    pub(super) fn IntGaugeVec(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        IntGaugeVec::new(Opts::new(name, help), labels).expect(VALID)
    }

    pub(super) fn Histogram(name: &str, help: &str, _: &[&str]) -> Histogram {
        let options = HistogramOpts::new(name, help).buckets(BUCKETS_S.to_vec());
        Histogram::with_opts(options).expect(VALID)
    }

    pub(super) fn HistogramVec(name: &str, help: &str, labels: &[&str]) -> HistogramVec {
        let options = HistogramOpts::new(name, help).buckets(BUCKETS_S.to_vec());
        HistogramVec::new(options, labels).expect(VALID)
    }
}

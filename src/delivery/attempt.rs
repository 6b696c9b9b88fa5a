//! One lease, one call, one outcome.
//!
//! A delivery whose earlier attempt may have happened is looked up and nothing else; whether it is
//! then posted again is for the next lease. So a lease never has to outlast two calls.

use std::sync::Arc;

use super::destination::{Destination, Job, Refusal};
use super::outbox::{Options, Surroundings};
use crate::domain::id::PartId;
use crate::domain::session::{NoteBody, Outcome, Settlement};
use crate::store::{Lease, Retry};

/// A leased delivery on its way.
pub(super) struct Attempt {
    around: Arc<Surroundings>,
    options: Options,
    lease: Lease,
    until_ms: u64,
}

/// What becomes of the delivery.
enum Next {
    /// It has come to its end.
    Settle(Outcome),
    /// It goes back into the outbox.
    PutBack(Retry),
    /// It goes back as well, and waits for an operator to mend the cause.
    Stuck(Retry),
}

impl Attempt {
    pub(super) fn new(
        around: Arc<Surroundings>,
        options: Options,
        lease: Lease,
        until_ms: u64,
    ) -> Self {
        Self {
            around,
            options,
            lease,
            until_ms,
        }
    }

    pub(super) async fn run(self) {
        let name = self.platform().to_owned();
        let destination = self
            .around
            .destinations
            .iter()
            .find(|one| one.name() == name);
        let Some(destination) = destination.cloned() else {
            let refusal = Refusal::later(format!("there is no destination named {name}"));
            let next = self.after_refusal(refusal, self.lease.unsettled_since_ms);
            return self.conclude("unknown", None, next).await;
        };
        let platform = destination.name();
        let Some(job) = self.job() else {
            let reason = Arc::from("the delivery's body cannot be read");
            let next = Next::Settle(Outcome::Failed(reason));
            return self.conclude(platform, None, next).await;
        };
        let next = match self.lease.unsettled_since_ms {
            Some(since_ms) => self.look_up(&*destination, &job, since_ms).await,
            None => self.post(&*destination, &job).await,
        };
        if let Some(next) = next {
            self.conclude(platform, Some(&job.note), next).await;
        }
    }

    /// The middle of the lane: `<product>/<platform>/<conversation>`, where any but the platform may
    /// contain a slash.
    fn platform(&self) -> &str {
        self.lease
            .lane
            .strip_prefix(self.lease.key.product.as_str())
            .and_then(|rest| rest.strip_prefix('/'))
            .and_then(|rest| rest.split('/').next())
            .unwrap_or_default()
    }

    fn job(&self) -> Option<Job> {
        let note: NoteBody = serde_json::from_str(&self.lease.body).ok()?;
        Some(Job {
            product: self.lease.key.product.clone(),
            delivery: self.lease.id.clone(),
            note,
        })
    }

    /// Makes an attempt, unless the schedule has run out or the lease nearly has. In the latter case
    /// nothing may be written either: the delivery may already belong to somebody else.
    async fn post(&self, destination: &dyn Destination, job: &Job) -> Option<Next> {
        if self.options.schedule.is_spent(self.lease.attempt) {
            return Some(self.give_up("the last attempt did not arrive"));
        }
        let started_ms = self.start()?;
        let result = self.timed(destination, destination.deliver(job)).await;
        Some(match result {
            Ok(receipt) => Next::Settle(Outcome::Delivered(receipt.part)),
            Err(Refusal::Never { reason }) => Next::Settle(Outcome::Failed(reason)),
            Err(Refusal::Unknown { after_ms, reason }) => {
                self.to_be_looked_up(started_ms, after_ms, &reason)
            }
            Err(refusal) => self.after_refusal(refusal, None),
        })
    }

    /// Reads the conversation to learn whether an earlier attempt arrived.
    async fn look_up(
        &self,
        destination: &dyn Destination,
        job: &Job,
        since_ms: u64,
    ) -> Option<Next> {
        let ready_ms = since_ms.saturating_add(self.options.request_timeout_ms);
        let now_ms = self.around.clock.now_ms();
        if now_ms < ready_ms {
            return Some(Next::PutBack(Retry {
                id: self.lease.id.clone(),
                lease_until_ms: self.until_ms,
                not_before_ms: ready_ms,
                unsettled_since_ms: Some(since_ms),
                error: Arc::from("waiting to see whether it arrived"),
                counts: false,
            }));
        }
        self.start()?;
        let result = self
            .timed(destination, destination.read_back(job, since_ms))
            .await;
        let found = match result {
            Ok(candidates) => self.first_unrecorded(candidates).await,
            Err(refusal) => Err(refusal),
        };
        Some(match found {
            Ok(Some(part)) => Next::Settle(Outcome::Delivered(Some(part))),
            Ok(None) if self.options.schedule.is_spent(self.lease.attempt) => {
                self.give_up("the last attempt did not arrive")
            }
            Ok(None) => Next::PutBack(Retry {
                id: self.lease.id.clone(),
                lease_until_ms: self.until_ms,
                not_before_ms: self.around.clock.now_ms(),
                unsettled_since_ms: None,
                error: Arc::from("it did not arrive"),
                counts: false,
            }),
            Err(refusal) => self.after_refusal(refusal, Some(since_ms)),
        })
    }

    /// The oldest candidate that no other delivery of the lane claims.
    async fn first_unrecorded(&self, candidates: Vec<PartId>) -> Result<Option<PartId>, Refusal> {
        if candidates.is_empty() {
            return Ok(None);
        }
        let store = &self.around.store;
        let recorded = store
            .recorded_parts(&self.lease.lane, &candidates)
            .await
            .map_err(|error| Refusal::later(error.to_string()))?;
        let is_free = |part: &PartId| !recorded.contains(part);
        Ok(candidates.into_iter().find(is_free))
    }

    /// When a call may begin: now, if the lease outlasts it.
    fn start(&self) -> Option<u64> {
        let now_ms = self.around.clock.now_ms();
        let ends_ms = now_ms.saturating_add(self.options.request_timeout_ms);
        if ends_ms <= self.until_ms {
            return Some(now_ms);
        }
        tracing::warn!(
            delivery_id = %self.lease.id,
            "an attempt began too late for its lease; it is left to the next one"
        );
        None
    }

    async fn timed<T>(&self, destination: &dyn Destination, call: impl Future<Output = T>) -> T {
        let started = self.around.clock.monotonic();
        let result = call.await;
        let took = self.around.clock.since(started).as_secs_f64();
        let histogram = &self.around.metrics.delivery_seconds;
        histogram
            .with_label_values(&[destination.name()])
            .observe(took);
        result
    }

    /// An attempt without a definite answer: pause as the schedule says, look no sooner than the
    /// request timeout after it began, and look even when no further attempt would follow.
    fn to_be_looked_up(&self, started_ms: u64, after_ms: Option<u64>, reason: &Arc<str>) -> Next {
        let now_ms = self.around.clock.now_ms();
        let settled_ms = started_ms.saturating_add(self.options.request_timeout_ms);
        let pause_ms = self.pause_ms(after_ms).unwrap_or(0);
        Next::PutBack(Retry {
            id: self.lease.id.clone(),
            lease_until_ms: self.until_ms,
            not_before_ms: settled_ms.max(now_ms.saturating_add(pause_ms)),
            unsettled_since_ms: Some(started_ms),
            error: Arc::clone(reason),
            counts: true,
        })
    }

    /// A call that certainly changed nothing: again as the schedule says, or the end. A reading that
    /// was refused for good is tried again too, since it says nothing about the note.
    fn after_refusal(&self, refusal: Refusal, unsettled_since_ms: Option<u64>) -> Next {
        let cap_ms = self.options.schedule.cap_ms;
        let (after_ms, reason, is_stuck) = match refusal {
            Refusal::Gone { reason } => return Next::Settle(Outcome::Gone(reason)),
            Refusal::Later { after_ms, reason } | Refusal::Unknown { after_ms, reason } => {
                (after_ms, reason, false)
            }
            Refusal::Never { reason } => (None, reason, false),
            Refusal::Unauthorized { reason } => (Some(cap_ms), reason, true),
        };
        let Some(pause_ms) = self.pause_ms(after_ms) else {
            let doubt = unsettled_since_ms.map_or("", |_| "; it may have arrived");
            return self.give_up(&format!("{reason}{doubt}"));
        };
        let retry = Retry {
            id: self.lease.id.clone(),
            lease_until_ms: self.until_ms,
            not_before_ms: self.around.clock.now_ms().saturating_add(pause_ms),
            unsettled_since_ms,
            error: reason,
            counts: true,
        };
        if is_stuck {
            Next::Stuck(retry)
        } else {
            Next::PutBack(retry)
        }
    }

    fn pause_ms(&self, after_ms: Option<u64>) -> Option<u64> {
        let jitter = self.around.chance.fraction();
        let schedule = self.options.schedule;
        schedule.after(self.lease.attempt, jitter, after_ms)
    }

    fn give_up(&self, reason: &str) -> Next {
        let attempts = self
            .lease
            .attempt
            .min(self.options.schedule.retries_max + 1);
        let reason = format!("gave up after {attempts} attempts: {reason}");
        Next::Settle(Outcome::Failed(reason.into()))
    }

    /// Writes down what became of the delivery. If that fails the lease runs out, and the next one
    /// begins by reading the conversation.
    async fn conclude(&self, platform: &str, note: Option<&NoteBody>, next: Next) {
        let written = match &next {
            Next::Settle(outcome) => {
                let settlement = Settlement {
                    delivery: self.lease.id.clone(),
                    outcome: outcome.clone(),
                };
                self.around.report.report(&self.lease.key, settlement).await
            }
            Next::PutBack(retry) | Next::Stuck(retry) => {
                let written = self.around.store.retry(retry.clone()).await;
                written.map_err(|error| error.to_string())
            }
        };
        if let Err(error) = written {
            tracing::warn!(
                delivery_id = %self.lease.id,
                product_id = %self.lease.key.product,
                error,
                "the outcome of a delivery could not be written; it is read back after its lease"
            );
            return;
        }
        self.log(note, &next);
        if let Some(outcome) = next.label() {
            let counter = &self.around.metrics.notes;
            counter.with_label_values(&[platform, outcome]).inc();
        }
    }

    fn log(&self, note: Option<&NoteBody>, next: &Next) {
        macro_rules! log {
            ($level:ident, $($extra:tt)*) => {
                tracing::$level!(
                    delivery_id = %self.lease.id,
                    product_id = %self.lease.key.product,
                    session_id = %self.lease.key.id,
                    conversation_id = note.map(|note| note.conversation_id.as_str()),
                    attempt = self.lease.attempt,
                    $($extra)*
                )
            };
        }
        let reason = next.reason();
        match next {
            Next::Settle(Outcome::Delivered(part)) => {
                let part_id = part.as_ref().map(PartId::as_str);
                log!(info, part_id, "a note is in its conversation");
            }
            Next::Settle(Outcome::Failed(_)) => {
                log!(
                    error,
                    reason,
                    "a note is given up and kept as a dead letter"
                );
            }
            Next::Settle(Outcome::Gone(_)) => {
                log!(warn, reason, "a note's conversation no longer exists");
            }
            Next::PutBack(retry) if retry.counts => {
                let not_before_ms = retry.not_before_ms;
                log!(warn, reason, not_before_ms, "a note is tried again later");
            }
            Next::PutBack(_) => log!(debug, reason, "a note is back in the outbox"),
            Next::Stuck(retry) => {
                let not_before_ms = retry.not_before_ms;
                log!(
                    error,
                    reason,
                    not_before_ms,
                    "a note cannot be delivered with these credentials or settings"
                );
            }
        }
    }
}

impl Next {
    /// The `outcome` of `connector_notes_total`; waiting to look is none.
    fn label(&self) -> Option<&'static str> {
        match self {
            Self::Settle(Outcome::Delivered(_)) => Some("delivered"),
            Self::Settle(Outcome::Failed(_)) => Some("dead"),
            Self::Settle(Outcome::Gone(_)) => Some("gone"),
            Self::PutBack(retry) | Self::Stuck(retry) => retry.counts.then_some("retried"),
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Self::Settle(Outcome::Delivered(_)) => None,
            Self::Settle(Outcome::Failed(reason) | Outcome::Gone(reason)) => Some(reason),
            Self::PutBack(retry) | Self::Stuck(retry) => Some(&retry.error),
        }
    }
}

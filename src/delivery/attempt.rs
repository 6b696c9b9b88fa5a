//! One lease, one call, one outcome.
//!
//! A note whose earlier attempt may have happened is looked up and nothing else; whether it is
//! then posted again is for the next lease. So a lease never has to outlast two calls. A push is
//! repeated instead, under the same id.

use std::sync::Arc;

use super::admission::{Change, Pass, Why};
use super::destination::{Receipt, Refusal, Reply};
use super::outbox::{Options, Surroundings};
use super::outcome::{Next, outcome_of, reason_of};
use super::work::{Route, Work};
use crate::domain::attempt::{AttemptOutcome, AttemptRecord, Call};
use crate::domain::id::PartId;
use crate::domain::lane::PUSH;
use crate::domain::session::{Errand, Outcome, Settlement};
use crate::store::{Lease, Retry};

/// A leased delivery on its way.
pub(super) struct Attempt {
    pub(super) around: Arc<Surroundings>,
    pub(super) options: Options,
    pub(super) lease: Lease,
    pub(super) until_ms: u64,
}

/// A call that was made: what it means, and its line in the history.
struct Called<T> {
    result: Result<T, Refusal>,
    record: AttemptRecord,
}

/// What a refusal leaves of an earlier doubt, and the call that was refused.
struct Refused {
    unsettled_since_ms: Option<u64>,
    record: Option<AttemptRecord>,
}

impl Attempt {
    /// Makes the attempt. `pass` is its right to call; a product without an account needs none.
    pub(super) async fn run(self, route: Option<Route>, pass: Option<Pass>) {
        let Some(route) = route else {
            let refusal = Refusal::later("there is no destination of that name");
            let next = self.after_refusal(
                &refusal,
                Refused {
                    unsettled_since_ms: self.lease.unsettled_since_ms,
                    record: None,
                },
            );
            return self.conclude("unknown", None, next).await;
        };
        let name = route.name();
        let Some(work) = route.work(&self.lease) else {
            let reason = Arc::from("the delivery's body cannot be read");
            let next = Next::Settle(Outcome::Failed(reason), None);
            return self.conclude(name, None, next).await;
        };
        let attempt = Self {
            options: work.terms(self.options),
            ..self
        };
        let next = match (work.lookup(), attempt.lease.unsettled_since_ms) {
            (Some((lookup, job)), Some(since_ms)) => {
                let call = lookup.read_back(job, since_ms);
                attempt.look_up(name, pass, call, since_ms).await
            }
            _ => attempt.post(name, pass, &work).await,
        };
        if let Some(next) = next {
            attempt.conclude(name, Some(&work), next).await;
        }
    }

    /// Gives the lease back because the account takes no calls now. That is no attempt.
    pub(super) async fn give_back(self, not_before_ms: u64) {
        let next = Next::PutBack(Retry {
            unsettled_since_ms: self.lease.unsettled_since_ms,
            ..self.retry(not_before_ms)
        });
        self.conclude("unknown", None, next).await;
    }

    /// Gives the delivery up because it has waited for as long as it may for an account that takes no calls until
    /// somebody mends something.
    pub(super) async fn expire(self, route: Option<Route>) {
        let name = route.as_ref().map_or("unknown", Route::name);
        let work = route.as_ref().and_then(|route| route.work(&self.lease));
        let doubt = self.lease.unsettled_since_ms.map_or("", |_| IN_DOUBT);
        let reason = format!(
            "it waited for longer than delivery.give_up_after_s, because {}{doubt}",
            if name == PUSH {
                "the endpoint is disabled"
            } else {
                "the credentials are refused"
            }
        );
        let next = Next::Expire(reason.into());
        self.conclude(name, work.as_ref(), next).await;
    }

    /// Makes an attempt, unless the schedule has run out or the lease nearly has. In the latter case
    /// nothing may be written either: the delivery may already belong to somebody else.
    async fn post(&self, name: &'static str, pass: Option<Pass>, work: &Work) -> Option<Next> {
        if self.options.schedule.is_spent(self.lease.attempt) {
            return Some(self.give_up("the last attempt did not arrive", None));
        }
        let started_ms = self.start()?;
        let call = self.timed(name, pass, Call::Post, work.deliver());
        let Called { result, mut record }: Called<Receipt> = call.await;
        Some(match result {
            Ok(receipt) => {
                record.outcome = AttemptOutcome::Delivered;
                Next::Settle(Outcome::Delivered(receipt.part), Some(record))
            }
            Err(Refusal::Never { reason }) => Next::Settle(Outcome::Failed(reason), Some(record)),
            Err(Refusal::Unknown { after_ms, reason }) if work.lookup().is_some() => {
                self.to_be_looked_up(started_ms, after_ms, reason, record)
            }
            Err(refusal) => self.after_refusal(
                &refusal,
                Refused {
                    unsettled_since_ms: None,
                    record: Some(record),
                },
            ),
        })
    }

    /// Reads the conversation to learn whether an earlier attempt arrived.
    async fn look_up(
        &self,
        name: &'static str,
        pass: Option<Pass>,
        call: impl Future<Output = Reply<Vec<PartId>>>,
        since_ms: u64,
    ) -> Option<Next> {
        let ready_ms = since_ms.saturating_add(self.options.request_timeout_ms);
        if self.around.clock.now_ms() < ready_ms {
            return Some(Next::PutBack(Retry {
                unsettled_since_ms: Some(since_ms),
                ..self.retry(ready_ms)
            }));
        }
        self.start()?;
        let Called { result, mut record } = self.timed(name, pass, Call::Read, call).await;
        let found = match result {
            Ok(candidates) => self.first_unrecorded(candidates).await,
            Err(refusal) => Err(refusal),
        };
        Some(match found {
            Ok(Some(part)) => {
                record.outcome = AttemptOutcome::Delivered;
                Next::Settle(Outcome::Delivered(Some(part)), Some(record))
            }
            Ok(None) => {
                record.outcome = AttemptOutcome::Missing;
                if self.options.schedule.is_spent(self.lease.attempt) {
                    return Some(self.give_up("the last attempt did not arrive", Some(record)));
                }
                Next::PutBack(Retry {
                    error: Some(Arc::from("it did not arrive")),
                    attempt: Some(record),
                    ..self.retry(self.around.clock.now_ms())
                })
            }
            Err(refusal) => self.after_refusal(
                &refusal,
                Refused {
                    unsettled_since_ms: Some(since_ms),
                    record: Some(record),
                },
            ),
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

    /// Makes a call and tells the account's gate what it said.
    async fn timed<T>(
        &self,
        name: &'static str,
        pass: Option<Pass>,
        call: Call,
        reply: impl Future<Output = Reply<T>>,
    ) -> Called<T> {
        let clock = &self.around.clock;
        let (started_ms, started) = (clock.now_ms(), clock.monotonic());
        let mut reply = reply.await;
        let took = clock.since(started);
        let change = pass.and_then(|pass| pass.settle(reply.sign, reply.rate));
        // There is room for another call while what became of this one is written down.
        self.around.nudge.nudge();
        if change == Some(Change::Shut(Why::Disabled)) {
            reply.result = reply.result.map_err(Refusal::into_disabled);
        }
        let histogram = &self.around.metrics.delivery_seconds;
        histogram
            .with_label_values(&[name])
            .observe(took.as_secs_f64());
        let refusal = reply.result.as_ref().err();
        Called {
            record: AttemptRecord {
                call,
                started_ms,
                took_ms: u64::try_from(took.as_millis()).ok(),
                http_status: reply.http_status,
                outcome: refusal.map_or(AttemptOutcome::Delivered, outcome_of),
                reason: refusal.map(reason_of),
                excerpt: reply.excerpt,
            },
            result: reply.result,
        }
    }

    /// An attempt without a definite answer: pause as the schedule says, look no sooner than the
    /// request timeout after it began, and look even when no further attempt would follow.
    fn to_be_looked_up(
        &self,
        started_ms: u64,
        after_ms: Option<u64>,
        reason: Arc<str>,
        record: AttemptRecord,
    ) -> Next {
        let now_ms = self.around.clock.now_ms();
        let settled_ms = started_ms.saturating_add(self.options.request_timeout_ms);
        let pause_ms = self.pause_ms(after_ms).unwrap_or(0);
        Next::PutBack(Retry {
            unsettled_since_ms: Some(started_ms),
            error: Some(reason),
            counts: true,
            attempt: Some(record),
            ..self.retry(settled_ms.max(now_ms.saturating_add(pause_ms)))
        })
    }

    /// A call that certainly changed nothing: again as the schedule says, or the end. A reading that
    /// was refused for good is tried again too, since it says nothing about the note. Waiting for an
    /// account that takes no calls is no attempt.
    fn after_refusal(&self, refusal: &Refusal, refused: Refused) -> Next {
        let now_ms = self.around.clock.now_ms();
        let Refused {
            unsettled_since_ms,
            record,
        } = refused;
        let retry = |not_before_ms| Retry {
            unsettled_since_ms,
            error: Some(reason_of(refusal)),
            attempt: record.clone(),
            ..self.retry(not_before_ms)
        };
        let after_ms = match refusal {
            Refusal::Gone { reason } => {
                return Next::Settle(Outcome::Gone(Arc::clone(reason)), record);
            }
            Refusal::Limited { after_ms, .. } => {
                let pause_ms = self.options.account.rate_pause(*after_ms);
                return Next::PutBack(retry(now_ms.saturating_add(pause_ms)));
            }
            Refusal::Unauthorized { .. } | Refusal::Disabled { .. } => {
                // What waits with it for the account stays in the order of its age.
                return Next::PutBack(retry(self.lease.created_ms.min(now_ms)));
            }
            Refusal::Misconfigured { .. } => Some(self.options.schedule.cap_ms),
            Refusal::Unknown { after_ms, .. } => *after_ms,
            Refusal::Later { .. } | Refusal::Never { .. } => None,
        };
        let Some(pause_ms) = self.pause_ms(after_ms) else {
            let doubt = unsettled_since_ms.map_or("", |_| IN_DOUBT);
            return self.give_up(&format!("{refusal}{doubt}"), record);
        };
        let retry = Retry {
            counts: true,
            ..retry(now_ms.saturating_add(pause_ms))
        };
        match refusal {
            Refusal::Misconfigured { .. } => Next::Stuck(retry),
            _ => Next::PutBack(retry),
        }
    }

    /// Puts the delivery back as if nothing had happened.
    fn retry(&self, not_before_ms: u64) -> Retry {
        Retry {
            id: self.lease.id.clone(),
            fence: self.lease.fence,
            not_before_ms,
            unsettled_since_ms: None,
            error: None,
            counts: false,
            attempt: None,
        }
    }

    fn pause_ms(&self, after_ms: Option<u64>) -> Option<u64> {
        let jitter = self.around.chance.fraction();
        let schedule = self.options.schedule;
        schedule.after(self.lease.attempt, jitter, after_ms)
    }

    fn give_up(&self, reason: &str, record: Option<AttemptRecord>) -> Next {
        let attempts = self
            .lease
            .attempt
            .min(self.options.schedule.retries_max + 1);
        let reason = format!("gave up after {attempts} attempts: {reason}");
        Next::Settle(Outcome::Failed(reason.into()), record)
    }

    /// Writes down what became of the delivery. If that fails the lease runs out, and the next one
    /// begins by reading the conversation, or repeats the push.
    async fn conclude(&self, name: &str, work: Option<&Work>, next: Next) {
        let settle = |outcome: Outcome, attempt| {
            let settlement = Settlement {
                delivery: self.lease.id.clone(),
                errand: work.map_or(Errand::Note, Work::errand),
                outcome,
                attempt,
                replayed: self.lease.replayed,
            };
            self.around.report.report(&self.lease.key, settlement)
        };
        let written = match &next {
            Next::Settle(outcome, attempt) => settle(outcome.clone(), attempt.clone()).await,
            Next::Expire(reason) => settle(Outcome::Failed(Arc::clone(reason)), None).await,
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
                "the outcome of a delivery could not be written; it is looked up, or pushed again, after its lease"
            );
            return;
        }
        next.log(&self.lease, work);
        let metrics = &self.around.metrics;
        let Some(outcome) = next.label() else {
            return;
        };
        match work.map_or(Errand::Note, Work::errand) {
            Errand::Push => metrics.push_attempts.with_label_values(&[outcome]).inc(),
            Errand::Note => metrics.notes.with_label_values(&[name, outcome]).inc(),
            Errand::Redaction => {
                let counter = &metrics.redactions;
                counter.with_label_values(&[name, outcome]).inc();
            }
        }
    }
}

/// What is said of a delivery that is given up although a call of it never got an answer.
const IN_DOUBT: &str = "; it may have arrived";

//! What becomes of a delivery after an attempt, and how that is told.

use std::sync::Arc;

use super::destination::Refusal;
use super::work::Work;
use crate::domain::attempt::{AttemptOutcome, AttemptRecord};
use crate::domain::id::PartId;
use crate::domain::session::Outcome;
use crate::store::{Lease, Retry};

/// What becomes of the delivery.
pub(super) enum Next {
    /// It has come to its end, with the call that ended it.
    Settle(Outcome, Option<AttemptRecord>),
    /// It has waited for too long without a call, and has come to its end.
    Expire(Arc<str>),
    /// It goes back into the outbox.
    PutBack(Retry),
    /// It goes back as well, and waits for an operator to mend the cause.
    Stuck(Retry),
}

impl Next {
    /// The `outcome` of `connector_notes_total` and `connector_push_attempts_total`; waiting to look is
    /// none.
    pub(super) fn label(&self) -> Option<&'static str> {
        match self {
            Self::Settle(Outcome::Delivered(_), _) => Some("delivered"),
            Self::Settle(Outcome::Failed(_), _) => Some("dead"),
            Self::Settle(Outcome::Gone(_), _) => Some("gone"),
            Self::Expire(_) => Some("expired"),
            Self::PutBack(retry) | Self::Stuck(retry) if retry.counts => Some("retried"),
            Self::PutBack(retry) | Self::Stuck(retry) => {
                match retry.attempt.as_ref().map(|attempt| attempt.outcome) {
                    Some(AttemptOutcome::Limited) => Some("limited"),
                    Some(AttemptOutcome::Unauthorized) => Some("unauthorized"),
                    Some(AttemptOutcome::Disabled) => Some("disabled"),
                    _ => None,
                }
            }
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Self::Settle(Outcome::Delivered(_), _) => None,
            Self::Settle(Outcome::Failed(reason) | Outcome::Gone(reason), _)
            | Self::Expire(reason) => Some(reason),
            Self::PutBack(retry) | Self::Stuck(retry) => retry.error.as_deref(),
        }
    }

    /// One line in the log. What cannot be read is told of as a note.
    pub(super) fn log(&self, lease: &Lease, work: Option<&Work>) {
        let (thing, conversation_id) = match work {
            Some(Work::Push(..)) => ("push", None),
            Some(Work::Note(_, job)) => ("note", Some(job.body.conversation_id.as_str())),
            Some(Work::Redaction(_, job)) => ("redaction", Some(job.body.conversation_id.as_str())),
            None => ("note", None),
        };
        macro_rules! log {
            ($level:ident, $($extra:tt)*) => {
                tracing::$level!(
                    delivery_id = %lease.id,
                    product_id = %lease.key.product,
                    session_id = %lease.key.id,
                    conversation_id,
                    attempt = lease.attempt,
                    $($extra)*
                )
            };
        }
        let reason = self.reason();
        match self {
            Self::Settle(Outcome::Delivered(_), _) if thing == "push" => {
                log!(debug, "a push has arrived");
            }
            Self::Settle(Outcome::Delivered(_), _) if thing == "redaction" => {
                log!(info, "a note is taken back");
            }
            Self::Settle(Outcome::Delivered(part), _) => {
                let part_id = part.as_ref().map(PartId::as_str);
                log!(info, part_id, "a note is in its conversation");
            }
            Self::Settle(Outcome::Failed(_), _) | Self::Expire(_) => {
                log!(
                    error,
                    reason,
                    "a {thing} is given up and kept as a dead letter"
                );
            }
            Self::Settle(Outcome::Gone(_), _) => {
                log!(warn, reason, "a {thing}'s conversation no longer exists");
            }
            Self::PutBack(retry) if retry.counts => {
                let not_before_ms = retry.not_before_ms;
                log!(
                    warn,
                    reason,
                    not_before_ms,
                    "a {thing} is tried again later"
                );
            }
            Self::PutBack(_) => log!(debug, reason, "a {thing} is back in the outbox"),
            Self::Stuck(retry) => {
                let not_before_ms = retry.not_before_ms;
                log!(
                    error,
                    reason,
                    not_before_ms,
                    "a {thing} cannot be delivered with these settings"
                );
            }
        }
    }
}

/// What a refusal is called in the history.
pub(super) fn outcome_of(refusal: &Refusal) -> AttemptOutcome {
    match refusal {
        Refusal::Later { .. } => AttemptOutcome::Later,
        Refusal::Unknown { .. } => AttemptOutcome::Unknown,
        Refusal::Never { .. } => AttemptOutcome::Rejected,
        Refusal::Gone { .. } => AttemptOutcome::Gone,
        Refusal::Limited { .. } => AttemptOutcome::Limited,
        Refusal::Unauthorized { .. } => AttemptOutcome::Unauthorized,
        Refusal::Disabled { .. } => AttemptOutcome::Disabled,
        Refusal::Misconfigured { .. } => AttemptOutcome::Misconfigured,
    }
}

/// The words of a refusal.
pub(super) fn reason_of(refusal: &Refusal) -> Arc<str> {
    refusal.to_string().into()
}

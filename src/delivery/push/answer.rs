//! What the answers of push targets mean (contract 2.8, X-2; Standard Webhooks 1.0).

use std::sync::Arc;

use crate::delivery::admission::Sign;
use crate::delivery::client::{Answer, Error};
use crate::delivery::destination::{Receipt, Refusal, Reply};
use crate::delivery::excerpt::excerpt;
use crate::delivery::guard::Unanswered;

/// Of a longer body no excerpt of an answer is kept: looking for pieces of it would cost too much.
const SEARCHED_BYTES_MAX: usize = 32 << 10;

/// What an answer says about the push and its endpoint. `body` and `hidden` were sent, and are kept out of
/// what is told. Rate headers are not believed: every service means something else by them.
pub(super) fn judge(answer: &Answer, body: &str, hidden: &str) -> Reply<Receipt> {
    let status = answer.status;
    let after_ms = answer.retry_after_ms;
    let reason: Arc<str> = format!("the endpoint answered {status}").into();
    let (result, sign) = match status {
        200..300 => (Ok(Receipt { part: None }), Sign::Works),
        408 | 425 | 500.. => (Err(Refusal::Unknown { after_ms, reason }), Sign::Silent),
        429 => (
            Err(Refusal::Limited { after_ms, reason }),
            Sign::Limited { after_ms },
        ),
        410 => {
            let reason = format!("{reason} and is disabled").into();
            (Err(Refusal::Disabled { reason }), Sign::Gone)
        }
        ..400 => {
            let reason = format!("{reason}, and redirects are not followed").into();
            (Err(Refusal::Never { reason }), Sign::Rejected)
        }
        _ => (Err(Refusal::Never { reason }), Sign::Rejected),
    };
    let is_told = result.is_err() && body.len() <= SEARCHED_BYTES_MAX;
    Reply {
        result,
        sign,
        rate: None,
        http_status: Some(status),
        excerpt: is_told
            .then(|| excerpt(&answer.body, body, hidden))
            .flatten(),
    }
}

/// What it means that no answer came.
pub(super) fn unanswered(error: &Unanswered) -> Reply<Receipt> {
    let reason = error.to_string();
    let (refusal, sign) = match error {
        Unanswered::Forbidden(_) => (Refusal::misconfigured(reason), Sign::NotCalled),
        Unanswered::Failed(Error::NotSent(_)) => (Refusal::later(reason), Sign::Silent),
        Unanswered::Failed(Error::NoAnswer(_)) => (Refusal::unknown(reason), Sign::Silent),
    };
    Reply {
        sign,
        ..Reply::not_called(refusal)
    }
}

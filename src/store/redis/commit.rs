//! A commit as its script reads it, and a state as it is read back.

use redis::{Cmd, Value};

use super::link::{Failure, Waited};
use super::reply::{List, surprise};
use super::{log, name};
use crate::domain::attempt::AttemptRecord;
use crate::domain::log::{OutboxChange, Space};
use crate::store::{Commit, CommitId, Error, Guard, Outcome, Stored};

/// Says a commit in the order in which the script reads it.
pub(super) fn write(commit: &Commit, command: &mut Cmd) {
    command
        .arg(commit.product.as_str())
        .arg(commit.now_ms)
        .arg(&commit.id[..]);
    match &commit.state {
        Some(new) => {
            command
                .arg(name::within(&new.key))
                .arg(new.base)
                .arg(&*new.state);
            optional_number(new.due_ms, command);
            command.arg(new.as_of_ms);
            optional(new.settled.as_deref(), command);
            command.arg(u8::from(new.is_restored));
            optional_number(new.known, command);
        }
        None => {
            command.arg(&["", "0", "", "", "0", "0", "", "0", ""]);
        }
    }
    let effects = &commit.effects;
    command
        .arg(commit.guards.len())
        .arg(effects.entries.len())
        .arg(effects.deliveries.len() + effects.outbox.len());
    guards(commit, command);
    for entry in &effects.entries {
        command
            .arg(entry.r#type.as_str())
            .arg(entry.at.to_string())
            .arg(entry.source)
            .arg(&*entry.correlation_id)
            .arg(entry.user_id.as_deref().unwrap_or_default())
            .arg(&*entry.body)
            .arg(u8::from(entry.r#type.on_feed()));
    }
    for delivery in &effects.deliveries {
        command
            .arg("insert")
            .arg(delivery.id.as_str())
            .arg(&*delivery.lane)
            .arg(&*delivery.body);
    }
    for change in &effects.outbox {
        outbox(change, command);
    }
    command.arg(effects.index.len());
    for write in &effects.index {
        command.arg(name::row(&commit.product, &write.key));
        optional(write.value.as_deref().map(str::as_bytes), command);
        command.arg(write.expires_ms).arg(list_of(write.key.space));
    }
}

/// The list that a row of the space is on; empty for none.
fn list_of(space: Space) -> &'static str {
    if space.is_listed() {
        space.as_str()
    } else {
        ""
    }
}

fn guards(commit: &Commit, command: &mut Cmd) {
    for guard in &commit.guards {
        match guard {
            Guard::Index { key, value } => {
                command.arg("index").arg(name::row(&commit.product, key));
                optional(value.as_deref().map(str::as_bytes), command);
            }
            Guard::NoState { key } => {
                command.arg("state").arg(key.to_string()).arg("0").arg("");
            }
        }
    }
}

fn outbox(change: &OutboxChange, command: &mut Cmd) {
    match change {
        OutboxChange::Attempted { id, attempt } => {
            command.arg("attempted").arg(id.as_str());
            attempted(Some(attempt), command);
        }
        OutboxChange::Delivered { id, part } => {
            command.arg("delivered").arg(id.as_str());
            let part = part.as_ref().map(|part| part.as_str().as_bytes());
            optional(part, command);
        }
        OutboxChange::Dead { id, reason } => {
            command.arg("dead").arg(id.as_str()).arg(&**reason).arg("");
        }
        OutboxChange::Withdrawn { id } => {
            command.arg("withdrawn").arg(id.as_str()).arg("").arg("");
        }
        OutboxChange::RetryNow { lane } => {
            command.arg("retry_now").arg(&**lane).arg("").arg("");
        }
    }
}

/// A call and the status of its answer, both empty when there was none.
pub(super) fn attempted(attempt: Option<&AttemptRecord>, command: &mut Cmd) {
    let text = attempt.map(super::deliveries::attempt_text);
    command.arg(text.unwrap_or_default());
    let status = attempt.and_then(|attempt| attempt.http_status);
    optional_number(status.map(u64::from), command);
}

/// Whether there is a value, and the value.
pub(super) fn optional(value: Option<&[u8]>, command: &mut Cmd) {
    command
        .arg(u8::from(value.is_some()))
        .arg(value.unwrap_or_default());
}

/// A number, or nothing.
pub(super) fn optional_number(number: Option<u64>, command: &mut Cmd) {
    match number {
        Some(number) => command.arg(number),
        None => command.arg(""),
    };
}

/// What became of a commit. What too few replicas have may be gone after a failover, so that nobody knows; a
/// repetition that finds itself written waits for them once more.
pub(super) fn outcome(
    commit: &Commit,
    answer: Result<(Value, Option<Waited>), Failure>,
) -> Outcome {
    let (value, waited) = match answer {
        Err(Failure::Refused(error)) => return Outcome::NotWritten(error),
        Err(Failure::Unknown(error)) => return Outcome::Unknown(error),
        Ok(answered) => answered,
    };
    let outcome = told(commit, value).unwrap_or_else(Outcome::Unknown);
    let is_written = match &outcome {
        Outcome::Committed => true,
        Outcome::Conflict(newest) => newest
            .as_ref()
            .is_some_and(|newest| newest.commits.contains(&commit.id)),
        _ => false,
    };
    match waited {
        Some(Waited { reached, wanted }) if is_written && reached < wanted => {
            let text = format!("{reached} of {wanted} replicas have it");
            Outcome::Unknown(Error::Unavailable(text.into()))
        }
        _ => outcome,
    }
}

fn told(commit: &Commit, value: Value) -> Result<Outcome, Error> {
    let mut answer = List::of(value)?;
    match answer.text()?.as_str() {
        "committed" => Ok(Outcome::Committed),
        "conflict" if answer.len() == 0 => Ok(Outcome::Conflict(None)),
        "conflict" => {
            let mut newest = stored(answer.value()?)?;
            if let Some(newest) = &mut newest {
                newest.news = log::sound(&commit.product, answer.list()?)?;
            }
            Ok(Outcome::Conflict(newest))
        }
        _ => Err(surprise("an unknown outcome")),
    }
}

/// A state, if the key has one.
pub(super) fn stored(value: Value) -> Result<Option<Stored>, Error> {
    let mut fields = List::of(value)?;
    let Some(version) = fields.number_if_any()? else {
        return Ok(None);
    };
    let sequence = fields.number()?;
    let (ids, rest) = (fields.bytes()?, fields);
    let (ids, []) = ids.as_chunks::<{ size_of::<CommitId>() }>() else {
        return Err(surprise("half a commit id"));
    };
    let mut fields = rest;
    Ok(Some(Stored {
        version,
        sequence,
        commits: ids.to_vec(),
        written_ms: fields.number()?,
        state: fields.bytes()?.into(),
        settled: fields.bytes_if_any()?.unwrap_or_default().into(),
        news: Vec::new(),
    }))
}

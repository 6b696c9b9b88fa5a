//! A commit as its script reads it, and a state as it is read back.

use std::borrow::Cow;
use std::sync::Arc;

use redis::{Cmd, Value};

use super::link::{Failure, Waited};
use super::reply::{List, parse, surprise};
use super::{log, name};
use crate::domain::attempt::AttemptRecord;
use crate::domain::log::{OutboxChange, Space};
use crate::store::{Commit, CommitId, Error, Guard, Outcome, Stored};

/// Says commits in the order in which the script reads them, each with the place of its bucket among those that the
/// script is told.
pub(super) fn write<'a>(
    commits: impl ExactSizeIterator<Item = (&'a Arc<Commit>, usize)>,
    command: &mut Cmd,
) {
    command.arg(commits.len());
    for (commit, place) in commits {
        write_one(commit, place, command);
    }
}

/// The shape of most commits: one log entry and nothing else, in the first bucket. Every word that Redis is told costs
/// it as much as some of what it does with it, so that this is one word, and one that it need not take apart.
pub(super) const ORDINARY: &str = "0 1 0 0 1 0 0";

/// How long each list of a commit is, the place of its bucket, and what else there is.
fn shape(commit: &Commit, place: usize) -> Cow<'static, str> {
    let effects = &commit.effects;
    let works = effects.deliveries.len() + effects.outbox.len();
    let lists = [
        commit.guards.len(),
        effects.entries.len(),
        works,
        effects.index.len(),
    ];
    let state = commit.state.as_ref();
    let has_settled = state.is_some_and(|new| new.settled.is_some());
    let is_restored = state.is_some_and(|new| new.is_restored);
    if (lists, place, has_settled, is_restored) == ([0, 1, 0, 0], 0, false, false) {
        return ORDINARY.into();
    }
    let [guards, entries, works, rows] = lists;
    let (settled, restored) = (u8::from(has_settled), u8::from(is_restored));
    // Places in Lua begin at one.
    let bucket = place + 1;
    format!("{guards} {entries} {works} {rows} {bucket} {settled} {restored}").into()
}

fn write_one(commit: &Commit, place: usize, command: &mut Cmd) {
    let effects = &commit.effects;
    command
        .arg(&*shape(commit, place))
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
            optional_number(new.known, command);
            if let Some(settled) = &new.settled {
                command.arg(settled.behind_bytes).arg(&*settled.bytes);
            }
        }
        None => {
            command.arg(&["", "0", "", "", "0", ""]);
        }
    }
    guards(commit, command);
    for entry in &effects.entries {
        command
            .arg(log::said(entry))
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

/// What became of each of the commits. What too few replicas have may be gone after a failover, so that nobody knows;
/// a repetition that finds itself written waits for them once more.
pub(super) fn outcomes(
    commits: &[Arc<Commit>],
    answer: Result<(Value, Option<Waited>), Failure>,
) -> Vec<Outcome> {
    let all = |outcome: Outcome| vec![outcome; commits.len()];
    let (value, waited) = match answer {
        Err(Failure::Refused(error)) => return all(Outcome::NotWritten(error)),
        Err(Failure::Unknown(error)) => return all(Outcome::Unknown(error)),
        Ok(answered) => answered,
    };
    let answers = match value {
        Value::Array(answers) if answers.len() == commits.len() => answers,
        _ => return all(Outcome::Unknown(surprise("another number of outcomes"))),
    };
    let told = commits.iter().zip(answers).map(|(commit, answer)| {
        let outcome = outcome(commit, answer).unwrap_or_else(Outcome::Unknown);
        match waited {
            Some(Waited { reached, wanted })
                if reached < wanted && is_written(commit, &outcome) =>
            {
                let text = format!("{reached} of {wanted} replicas have it");
                Outcome::Unknown(Error::Unavailable(text.into()))
            }
            _ => outcome,
        }
    });
    told.collect()
}

fn is_written(commit: &Commit, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Committed => true,
        Outcome::Conflict(Some(newest)) => newest.commits.contains(&commit.id),
        _ => false,
    }
}

/// What the script says of a commit: 1, what its writer has to know, or what stood in its way.
fn outcome(commit: &Commit, answer: Value) -> Result<Outcome, Error> {
    let mut conflict = match answer {
        Value::Int(1) => return Ok(Outcome::Committed),
        Value::BulkString(text) => {
            return Err(Error::Backend(String::from_utf8_lossy(&text).into()));
        }
        other => List::of(other)?,
    };
    if conflict.len() == 0 {
        return Ok(Outcome::Conflict(None));
    }
    let mut newest = stored(conflict.value()?)?;
    if let Some(newest) = &mut newest {
        newest.news = log::sound(&commit.product, conflict.list()?)?;
    }
    Ok(Outcome::Conflict(newest))
}

/// A state, if the key has one.
pub(super) fn stored(value: Value) -> Result<Option<Stored>, Error> {
    let mut fields = List::of(value)?;
    let Some(head) = fields.bytes_if_any()? else {
        return Ok(None);
    };
    let mut parts = head.splitn(4, |byte| *byte == b' ');
    let mut part = || parts.next().ok_or_else(|| surprise("a short head"));
    let number = |part: &[u8]| parse(&String::from_utf8_lossy(part));
    let (version, written_ms) = (number(part()?)?, number(part()?)?);
    part()?;
    let (ids, []) = part()?.as_chunks::<{ size_of::<CommitId>() }>() else {
        return Err(surprise("half a commit id"));
    };
    let tail = fields.text()?;
    let (sequence, _) = tail.split_once(' ').unwrap_or_default();
    Ok(Some(Stored {
        version,
        sequence: parse(sequence)?,
        commits: ids.to_vec(),
        written_ms,
        state: fields.bytes()?.into(),
        settled: fields.bytes_if_any()?.unwrap_or_default().into(),
        news: Vec::new(),
    }))
}

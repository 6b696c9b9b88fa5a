//! What operators ask about deliveries, and the calls made for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use redis::Value;
use serde::{Deserialize, Serialize};

use super::name;
use super::reply::{List, surprise};
use crate::domain::attempt::{AttemptOutcome, AttemptRecord, Call};
use crate::domain::id::{DeliveryId, PartId, ProductId};
use crate::store::{
    DeliveryHistory, DeliveryPage, DeliveryQuery, DeliveryRecord, DeliveryStatus, Error,
};

/// A call as it is written down.
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    call: &'a str,
    started_ms: u64,
    took_ms: Option<u64>,
    http_status: Option<u16>,
    outcome: &'a str,
    #[serde(borrow)]
    reason: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow)]
    excerpt: Option<std::borrow::Cow<'a, str>>,
}

/// A call as one JSON object.
pub(super) fn attempt_text(attempt: &AttemptRecord) -> String {
    let written = Written {
        call: attempt.call.as_str(),
        started_ms: attempt.started_ms,
        took_ms: attempt.took_ms,
        http_status: attempt.http_status,
        outcome: attempt.outcome.as_str(),
        reason: attempt.reason.as_deref().map(Into::into),
        excerpt: attempt.excerpt.as_deref().map(Into::into),
    };
    serde_json::to_string(&written).unwrap_or_default()
}

fn read_attempt(text: &str) -> Option<AttemptRecord> {
    let written: Written<'_> = serde_json::from_str(text).ok()?;
    Some(AttemptRecord {
        call: Call::parse(written.call)?,
        started_ms: written.started_ms,
        took_ms: written.took_ms,
        http_status: written.http_status,
        outcome: AttemptOutcome::parse(written.outcome)?,
        reason: written.reason.map(Into::into),
        excerpt: written.excerpt.map(Into::into),
    })
}

/// Positions of a listing compare across buckets: numbers follow the clock, and the bucket tells equal
/// ones apart.
fn position(number: u64, bucket: usize, buckets: usize) -> u64 {
    number
        .saturating_mul(buckets as u64)
        .saturating_add(bucket as u64)
}

/// The newest number that may still be older than a position of an earlier page.
pub(super) fn newest_before(after: Option<u64>, buckets: usize) -> Option<u64> {
    after.map(|after| after / buckets as u64)
}

/// One page, newest first, of what each bucket has: `looked_max` of each were asked for.
pub(super) fn page(
    answers: Vec<Value>,
    query: &DeliveryQuery,
    looked_max: usize,
) -> Result<DeliveryPage, Error> {
    let buckets = answers.len();
    let mut found = Vec::new();
    // Behind the end of a bucket's answer there may be more of it, so nothing older is told.
    let mut known_down_to = 0;
    for (bucket, answer) in answers.into_iter().enumerate() {
        let answer = List::of(answer)?;
        let is_cut = answer.len() >= looked_max;
        let mut last = u64::MAX;
        for delivery in answer.lists() {
            let mut delivery = delivery?;
            let id = delivery.text()?;
            match read(&id, delivery.list()?) {
                Ok((number, record)) => {
                    last = position(number, bucket, buckets);
                    found.push((last, record));
                }
                Err(error) => tracing::warn!(id, %error, "a delivery cannot be read"),
            }
        }
        if is_cut {
            known_down_to = known_down_to.max(last);
        }
    }
    found.sort_unstable_by_key(|(position, _)| std::cmp::Reverse(*position));
    let older = query.after.unwrap_or(u64::MAX);
    found.retain(|(position, _)| (known_down_to..older).contains(position));
    let mut page = DeliveryPage::default();
    for (position, record) in found {
        if query.admits(&record) {
            page.deliveries.push(record);
        }
        if page.deliveries.len() >= query.limit {
            page.next = Some(position);
            return Ok(page);
        }
    }
    page.next = (known_down_to > 0).then_some(known_down_to);
    Ok(page)
}

/// One delivery and its calls.
pub(super) fn history(id: &DeliveryId, answer: Value) -> Result<Option<DeliveryHistory>, Error> {
    let mut answer = List::of(answer)?;
    if answer.len() == 0 {
        return Ok(None);
    }
    let (_, delivery) = read(id.as_str(), answer.list()?)?;
    let mut calls = answer.list()?;
    let first = u64::from(delivery.calls).saturating_sub(calls.len() as u64) + 1;
    let mut attempts = Vec::with_capacity(calls.len());
    for number in first.. {
        if calls.len() == 0 {
            break;
        }
        match read_attempt(&calls.text()?) {
            Some(attempt) => attempts.push((u32::try_from(number).unwrap_or(u32::MAX), attempt)),
            None => tracing::warn!(%id, number, "a call of a delivery cannot be read"),
        }
    }
    Ok(Some(DeliveryHistory { delivery, attempts }))
}

/// A delivery and its number, from its fields in the order of `script/fields.lua`.
fn read(id: &str, mut fields: List) -> Result<(u64, DeliveryRecord), Error> {
    let product = ProductId::from(fields.text()?);
    let key = name::parse_within(&product, &fields.text()?);
    let (lane, body) = (fields.text()?.into(), fields.text()?.into());
    let number = fields.number()?;
    let created_ms = fields.number()?;
    let status = DeliveryStatus::parse(&fields.text()?);
    Ok((
        number,
        DeliveryRecord {
            id: DeliveryId::from(id),
            key: key.ok_or_else(|| surprise("an unknown kind"))?,
            lane,
            status: status.ok_or_else(|| surprise("an unknown status"))?,
            calls: fields.number()?,
            created_ms,
            due_ms: fields.number_if_any()?,
            finished_ms: fields.number_if_any()?,
            part: fields.text_if_any()?.as_deref().map(PartId::from),
            error: fields.text_if_any()?,
            http_status: fields.number_if_any()?,
            replay_of: fields.text_if_any()?.as_deref().map(DeliveryId::from),
            body,
        },
    ))
}

/// When the oldest open delivery was queued, by platform.
pub(super) fn oldest(buckets: Vec<Value>) -> Result<Vec<(Arc<str>, u64)>, Error> {
    let mut oldest = BTreeMap::new();
    for bucket in buckets {
        let mut found = List::of(bucket)?;
        while found.len() > 0 {
            let (platform, ms): (_, u64) = (found.text()?, found.number()?);
            let queued = oldest.entry(platform).or_insert(u64::MAX);
            *queued = ms.min(*queued);
        }
    }
    let named = oldest.into_iter().map(|(name, ms)| (name.into(), ms));
    Ok(named.collect())
}

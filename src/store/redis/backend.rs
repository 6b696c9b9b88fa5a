//! The handle, and its methods in the order of the trait.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use redis::Value;

use super::link::Link;
use super::options::Options;
use super::reply::{List, count, parse};
use super::{age, commit, deliveries, erase, lease, log, name, script};
use crate::domain::id::{DeliveryId, Key, PartId, ProductId};
use crate::domain::log::{IndexKey, Offset};
use crate::store::erasure::{PendingErasure, Place, Subject, Trace};
use crate::store::{
    Aged, Commit, DeliveryHistory, DeliveryPage, DeliveryQuery, Depth, Entry, Error, FeedPage,
    Lease, LeaseRequest, Outcome, Retention, Retry, Store, Stored,
};

/// How many log entries one question looks at.
const LOOKED_MAX: usize = 1_000;

/// How many rows of each kind one round of ageing removes.
const AGED_MAX: usize = 1_000;

/// How many deliveries of each bucket one page of a listing looks at.
const LISTED_OF_EACH: usize = 1_000;

/// A store in Redis.
pub struct Redis {
    link: Link,
    /// The tenant that leased last; the next one has the next turn.
    served: Mutex<Option<ProductId>>,
}

impl Redis {
    /// Prepares the way to Redis; the first command makes the connection.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the address is none.
    pub fn new(options: &Options) -> Result<Self, Error> {
        Ok(Self {
            link: Link::new(options)?,
            served: Mutex::new(None),
        })
    }

    /// Sets a row aside that cannot be read.
    async fn set_aside(
        &self,
        what: &str,
        product: &ProductId,
        row: &str,
        reason: &str,
        now_ms: u64,
    ) {
        tracing::error!(product = %product, row, reason, "a {what} is unreadable and is set aside");
        let done = self.link.of(product, &script::SET_ASIDE, |command| {
            let told = [what, product.as_str(), row, reason];
            command.arg(&told).arg(now_ms);
        });
        if let Err(failure) = done.await {
            // It can wait for the next read of the same row.
            let error = Error::from(failure);
            tracing::warn!(%error, "an unreadable row could not be set aside yet");
        }
    }

    /// The entries of a page; those that cannot be read are set aside.
    async fn entries(&self, product: &ProductId, page: List) -> Result<Vec<Entry>, Error> {
        let (entries, flawed) = log::entries(product, page)?;
        for flawed in flawed {
            self.set_aside("log entry", product, &flawed.offset, &flawed.reason, 0)
                .await;
        }
        Ok(entries)
    }

    /// Claims, among the keys that each bucket names with their deadlines, the first.
    async fn claim(
        &self,
        found: Vec<Value>,
        until_ms: u64,
        limit: usize,
    ) -> Result<Vec<Key>, Error> {
        let mut wanted = Vec::new();
        for (bucket, found) in found.into_iter().enumerate() {
            let mut found = List::of(found)?;
            while found.len() > 0 {
                let (member, due) = (found.text()?, found.text()?);
                wanted.push((parse::<f64>(&due)?, bucket, member, due));
            }
        }
        wanted.sort_by(|one, other| one.0.total_cmp(&other.0));
        wanted.truncate(limit);
        let mut by_bucket: HashMap<usize, Vec<&str>> = HashMap::new();
        for (_, bucket, member, due) in &wanted {
            let members = by_bucket.entry(*bucket).or_default();
            members.extend([member.as_str(), due]);
        }
        let mut claimed = std::collections::HashSet::new();
        for (bucket, members) in by_bucket {
            let claim = self.link.on(bucket, &script::CLAIM, |command| {
                command.arg(until_ms).arg(&members);
            });
            let mut answer = List::of(claim.await?)?;
            while answer.len() > 0 {
                claimed.insert(answer.text()?);
            }
        }
        let won = wanted
            .iter()
            .filter(|(_, _, member, _)| claimed.contains(member));
        Ok(won
            .filter_map(|(_, _, member, _)| name::parse(member))
            .collect())
    }

    /// Removes the oldest log entries while the log is larger than it may be; answers how many.
    async fn shrink_log(&self, bytes_max: u64, most: usize) -> Result<u64, Error> {
        let excess = self.depth().await?.log_bytes.saturating_sub(bytes_max);
        if excess == 0 || most == 0 {
            return Ok(0);
        }
        let oldest = self.link.each(&script::OLDEST, |command| {
            command.arg(most);
        });
        let mut removed = 0;
        let shares = age::share_out(oldest.await?, excess, most)?;
        for (bucket, share) in shares.into_iter().enumerate() {
            if share.is_empty() {
                continue;
            }
            let trim = self.link.on(bucket, &script::TRIM, |command| {
                for (product, entries) in share {
                    command.arg(product).arg(entries);
                }
            });
            removed += count(trim.await?)?;
        }
        Ok(removed)
    }
}

#[async_trait]
impl Store for Redis {
    async fn load(&self, key: &Key) -> Result<Option<Stored>, Error> {
        let answer = self.link.of(&key.product, &script::LOAD, |command| {
            command.arg(key.to_string());
        });
        match commit::stored(answer.await?) {
            Ok(stored) => Ok(stored),
            Err(error) => {
                let (member, reason) = (key.to_string(), error.to_string());
                self.set_aside("state", &key.product, &member, &reason, 0)
                    .await;
                Err(Error::Unreadable {
                    what: "state",
                    key: member.into(),
                })
            }
        }
    }

    async fn commit(&self, commit: Arc<Commit>) -> Outcome {
        if let Some(reason) = commit::flaw(&commit) {
            return Outcome::NotWritten(Error::Backend(reason.into()));
        }
        let answer = self.link.of(&commit.product, &script::COMMIT, |command| {
            commit::write(&commit, command);
        });
        commit::outcome(answer.await)
    }

    async fn index(
        &self,
        product: &ProductId,
        keys: &[IndexKey],
        now_ms: u64,
    ) -> Result<Vec<Option<Arc<str>>>, Error> {
        let answer = self.link.of(product, &script::INDEX, |command| {
            for key in keys {
                command.arg(name::row(product, key));
            }
        });
        let mut found = List::of(answer.await?)?;
        let mut values = Vec::with_capacity(keys.len());
        for _ in keys {
            let stored = found.text_if_any()?;
            let row = stored.as_deref().and_then(|stored| stored.split_once(' '));
            let lasting = row.filter(|(expires_ms, _)| {
                expires_ms
                    .parse::<u64>()
                    .is_ok_and(|expires_ms| expires_ms >= now_ms)
            });
            values.push(lasting.map(|(_, value)| value.into()));
        }
        Ok(values)
    }

    async fn history(&self, key: &Key, limit: usize) -> Result<Vec<Entry>, Error> {
        let answer = self.link.of(&key.product, &script::HISTORY, |command| {
            command
                .arg(key.product.as_str())
                .arg(name::within(key))
                .arg(limit);
        });
        self.entries(&key.product, List::of(answer.await?)?).await
    }

    async fn feed(
        &self,
        product: &ProductId,
        after: Offset,
        limit: usize,
    ) -> Result<FeedPage, Error> {
        let answer = self.link.of(product, &script::FEED, |command| {
            command
                .arg(product.as_str())
                .arg(after.to_string())
                .arg(limit)
                .arg(LOOKED_MAX.max(limit));
        });
        let mut answer = List::of(answer.await?)?;
        let page = answer.list()?;
        let scanned = log::offset(&answer.text()?)?;
        Ok(FeedPage {
            entries: self.entries(product, page).await?,
            scanned: scanned.max(after),
            trimmed: log::offset_if_any(answer.value()?)?,
        })
    }

    async fn head(&self, product: &ProductId) -> Result<Offset, Error> {
        let answer = self.link.of(product, &script::HEAD, |command| {
            command.arg(product.as_str());
        });
        log::offset_if_any(answer.await?)
    }

    async fn lease(&self, request: LeaseRequest) -> Result<Vec<Lease>, Error> {
        let due = self.link.each(&script::DUE, |command| {
            command.arg(request.now_ms);
        });
        let due = lease::due(due.await?)?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let served = self
            .served
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let turns = lease::turns(due, served.as_ref(), &request);
        let mut by_bucket: HashMap<usize, HashMap<&ProductId, usize>> = HashMap::new();
        for product in &turns {
            let bucket = by_bucket.entry(self.link.bucket(product)).or_default();
            *bucket.entry(product).or_insert(0) += 1;
        }
        let mut leased: HashMap<ProductId, VecDeque<Lease>> = HashMap::new();
        for (bucket, products) in by_bucket {
            let answer = self.link.on(bucket, &script::LEASE, |command| {
                command.arg(request.now_ms).arg(request.until_ms);
                for (product, most) in products {
                    command.arg(product.as_str()).arg(most);
                }
            });
            for flawed in lease::leases(answer.await?, &mut leased)? {
                self.set_aside(
                    "delivery",
                    &flawed.product,
                    &flawed.id,
                    &flawed.reason,
                    request.now_ms,
                )
                .await;
            }
        }
        let mut leases = Vec::with_capacity(turns.len());
        for product in turns {
            let next = leased.get_mut(&product).and_then(VecDeque::pop_front);
            if let Some(lease) = next {
                leases.push(lease);
                *self.served.lock().unwrap_or_else(PoisonError::into_inner) = Some(product);
            }
        }
        Ok(leases)
    }

    async fn retry(&self, retry: Retry) -> Result<(), Error> {
        let answers = self.link.all(&script::RETRY, |command| {
            command
                .arg(retry.id.as_str())
                .arg(retry.fence)
                .arg(retry.not_before_ms);
            commit::optional_number(retry.unsettled_since_ms, command);
            let reason = retry.error.as_ref().map(|reason| format!("={reason}"));
            command
                .arg(reason.unwrap_or_default())
                .arg(u8::from(retry.counts));
            commit::attempted(retry.attempt.as_ref(), command);
        });
        answers.await?;
        Ok(())
    }

    async fn next_delivery_ms(&self, closed: &[ProductId]) -> Result<Option<u64>, Error> {
        let next = self.link.each(&script::NEXT_DUE, |command| {
            for product in closed {
                command.arg(product.as_str());
            }
        });
        let mut earliest = None;
        let mut next = List::of(Value::Array(next.await?))?;
        while next.len() > 0 {
            earliest = earliest.into_iter().chain(next.number_if_any()?).min();
        }
        Ok(earliest)
    }

    async fn deliveries(&self, query: &DeliveryQuery) -> Result<DeliveryPage, Error> {
        let before = deliveries::newest_before(query.after, self.link.buckets());
        let answers = self.link.each(&script::DELIVERIES, |command| {
            match before {
                Some(before) => command.arg(before),
                None => command.arg("+inf"),
            }
            .arg(LISTED_OF_EACH);
        });
        deliveries::page(answers.await?, query, LISTED_OF_EACH)
    }

    async fn delivery(&self, id: &DeliveryId) -> Result<Option<DeliveryHistory>, Error> {
        let answers = self.link.all(&script::DELIVERY, |command| {
            command.arg(id.as_str());
        });
        for answer in answers.await? {
            if let Some(found) = deliveries::history(id, answer)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn replay(
        &self,
        id: &DeliveryId,
        copy: DeliveryId,
        now_ms: u64,
    ) -> Result<Option<DeliveryId>, Error> {
        let answers = self.link.all(&script::REPLAY, |command| {
            command.arg(id.as_str()).arg(copy.as_str()).arg(now_ms);
        });
        let mut answers = List::of(Value::Array(answers.await?))?;
        while answers.len() > 0 {
            if let Some(sent) = answers.text_if_any()? {
                return Ok(Some(DeliveryId::from(&*sent)));
            }
        }
        Ok(None)
    }

    async fn recorded_parts(&self, lane: &str, parts: &[PartId]) -> Result<Vec<PartId>, Error> {
        let answers = self.link.all(&script::PARTS, |command| {
            command.arg(lane);
            for part in parts {
                command.arg(part.as_str());
            }
        });
        let mut recorded = Vec::new();
        for answer in answers.await? {
            let mut answer = List::of(answer)?;
            while answer.len() > 0 {
                recorded.push(PartId::from(answer.text()?));
            }
        }
        Ok(recorded)
    }

    async fn claim_overdue(
        &self,
        now_ms: u64,
        until_ms: u64,
        limit: usize,
    ) -> Result<Vec<Key>, Error> {
        let found = self.link.each(&script::OVERDUE, |command| {
            command.arg(now_ms).arg(limit);
        });
        self.claim(found.await?, until_ms, limit).await
    }

    async fn claim_ahead(
        &self,
        now_ms: u64,
        until_ms: u64,
        limit: usize,
    ) -> Result<Vec<Key>, Error> {
        let found = self.link.each(&script::AHEAD, |command| {
            command.arg(now_ms).arg(until_ms).arg(limit);
        });
        self.claim(found.await?, until_ms, limit).await
    }

    async fn rewind(&self, now_ms: u64, by_ms: u64, wait_ms_max: u64) -> Result<(), Error> {
        let answers = self.link.all(&script::REWIND, |command| {
            command.arg(now_ms).arg(by_ms).arg(wait_ms_max);
        });
        answers.await?;
        Ok(())
    }

    async fn quarantine(&self, key: &Key, reason: &str) -> Result<(), Error> {
        let done = self.link.of(&key.product, &script::SET_ASIDE, |command| {
            let member = key.to_string();
            command.arg(&["state", key.product.as_str(), &member, reason, "0"]);
        });
        done.await?;
        Ok(())
    }

    async fn park(&self, key: &Key, now_ms: u64, reason: &str, input: &str) -> Result<(), Error> {
        let done = self.link.of(&key.product, &script::PARK, |command| {
            command
                .arg(key.to_string())
                .arg(now_ms)
                .arg(reason)
                .arg(input);
        });
        done.await?;
        Ok(())
    }

    async fn age(&self, now_ms: u64, keep: Retention) -> Result<Aged, Error> {
        let answers = self.link.all(&script::AGE, |command| {
            command
                .arg(now_ms.saturating_sub(keep.log_ms))
                .arg(now_ms.saturating_sub(keep.state_ms))
                .arg(now_ms)
                .arg(now_ms.saturating_sub(keep.outbox_ms))
                .arg(AGED_MAX);
        });
        let mut aged = Aged::default();
        let most = AGED_MAX as u64;
        for answer in answers.await? {
            let mut answer = List::of(answer)?;
            let mut next = || answer.number::<u64>();
            let (entries, states, rows, deliveries) = (next()?, next()?, next()?, next()?);
            aged.entries += entries;
            aged.states += states;
            aged.deliveries += deliveries;
            aged.pending_links += next()?;
            aged.more |= [entries, states, rows, deliveries].contains(&most);
        }
        let left = AGED_MAX.saturating_sub(usize::try_from(aged.entries).unwrap_or(AGED_MAX));
        let removed = self.shrink_log(keep.log_bytes_max, left).await?;
        aged.entries += removed;
        aged.more |= removed > 0 && removed == left as u64;
        Ok(aged)
    }

    async fn ready(&self) -> Result<(), Error> {
        self.link.all(&script::READY, |_| {}).await?;
        Ok(())
    }

    async fn trace(&self, subject: Arc<dyn Subject>, from: Place) -> Result<Trace, Error> {
        erase::trace(&self.link, &*subject, from).await
    }

    async fn erase(
        &self,
        subject: Arc<dyn Subject>,
        trace: Trace,
        now_ms: u64,
    ) -> Result<u64, Error> {
        erase::erase(&self.link, &*subject, &trace, now_ms).await
    }

    async fn erasures(&self) -> Result<Vec<PendingErasure>, Error> {
        erase::pending(self.link.each(&script::ERASURES, |_| {}).await?)
    }

    async fn scrub(&self) -> Result<bool, Error> {
        self.link.scrub().await
    }

    async fn depth(&self) -> Result<Depth, Error> {
        let mut depth = Depth::default();
        for bucket in self.link.each(&script::DEPTH, |_| {}).await? {
            let mut counts = List::of(bucket)?;
            let mut next = || Ok::<u64, Error>(counts.number_if_any()?.unwrap_or(0));
            depth.outbox += next()?;
            depth.dead_letters += next()?;
            depth.log_bytes += next()?;
            depth.newest_ms = depth.newest_ms.max(next()?);
            depth.quarantined += next()?;
        }
        Ok(depth)
    }

    async fn close(&self) {
        self.link.close();
    }
}

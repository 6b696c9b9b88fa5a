//! The handle, and its methods in the order of the trait.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use redis::Value;

use super::link::Link;
use super::options::Options;
use super::reply::List;
use super::scrub::Scrubber;
use super::states::SessionStates;
use super::writer::Writer;
use super::{age, aside, commit, deadlines, deliveries, erase, lease, log, name, script};
use crate::domain::id::{DeliveryId, Key, PartId, ProductId};
use crate::domain::log::{IndexKey, Offset, Space};
use crate::store::erasure::{Place, Subject, Trace};
use crate::store::{
    Aged, Commit, DeliveryHistory, DeliveryPage, DeliveryQuery, Depth, Entry, Error, FeedPage,
    Heard, LISTED_MAX, Lease, LeaseRequest, Listed, Outcome, Retention, Retry, Store, Stored,
};

/// How many deliveries of each bucket one page of a listing looks at, unless it is to hold more.
const LISTED_OF_EACH: usize = 200;

/// A store in Redis.
pub struct Redis {
    link: Arc<Link>,
    writer: Writer,
    /// The tenant that leased last; the next one has the next turn.
    served: Mutex<Option<ProductId>>,
    scrubber: Scrubber,
}

impl Redis {
    /// Prepares the way to Redis; the first command makes the connection.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the address is none.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let link = Link::new(options)?;
        Ok(Self {
            writer: Writer::new(link.runs().len(), options.connections, options.group_max),
            link: Arc::new(link),
            served: Mutex::new(None),
            scrubber: Scrubber::default(),
        })
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
                let row = ("state", &key.product, member.as_str());
                aside::flawed(&self.link, row, &reason, 0).await;
                Err(Error::Unreadable {
                    what: "state",
                    key: member.into(),
                })
            }
        }
    }

    async fn commit(&self, commit: Arc<Commit>) -> Outcome {
        if let Some(flaw) = commit.flaw() {
            return Outcome::NotWritten(flaw);
        }
        let outcome = self.writer.write(&self.link, Arc::clone(&commit)).await;
        let is_missing = matches!(outcome, Outcome::Conflict(None));
        if is_missing && commit.state.as_ref().is_some_and(|new| new.base > 0) {
            // Whoever asks wants to know whether it was removed or lost.
            let bucket = self.link.bucket(&commit.product);
            if let Err(failure) = self.link.look_at_life(bucket).await {
                return Outcome::NotWritten(failure.into());
            }
        }
        outcome
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
            let fact = stored.as_deref().and_then(name::parse_fact);
            let lasting = fact.filter(|(expires_ms, _)| *expires_ms >= now_ms);
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
        log::read(&self.link, &key.product, List::of(answer.await?)?).await
    }

    async fn feed(
        &self,
        product: &ProductId,
        after: Offset,
        limit: usize,
    ) -> Result<FeedPage, Error> {
        log::feed(&self.link, product, after, limit).await
    }

    async fn head(&self, product: &ProductId) -> Result<Offset, Error> {
        let answer = self.link.of(product, &script::HEAD, |command| {
            command.arg(product.as_str());
        });
        log::offset_if_any(answer.await?)
    }

    async fn lease(&self, request: LeaseRequest) -> Result<Vec<Lease>, Error> {
        lease::lease(&self.link, &self.served, &request).await
    }

    async fn retry(&self, retry: Retry) -> Result<(), Error> {
        let answers = self.link.all(&script::RETRY, |command| {
            command
                .arg(retry.id.as_str())
                .arg(retry.fence)
                .arg(retry.not_before_ms);
            commit::optional_number(retry.unsettled_since_ms, command);
            commit::optional(retry.error.as_deref().map(str::as_bytes), command);
            command.arg(u8::from(retry.counts));
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
        let looked_max = query.limit.clamp(LISTED_OF_EACH, LISTED_MAX);
        let answers = self.link.each(&script::DELIVERIES, |command| {
            match before {
                Some(before) => command.arg(before),
                None => command.arg("+inf"),
            }
            .arg(looked_max);
        });
        deliveries::page(answers.await?, query, looked_max)
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
        deadlines::overdue(&self.link, now_ms, until_ms, limit).await
    }

    async fn claim_ahead(
        &self,
        now_ms: u64,
        until_ms: u64,
        limit: usize,
    ) -> Result<Vec<Key>, Error> {
        deadlines::ahead(&self.link, now_ms, until_ms, limit).await
    }

    async fn rewind(&self, now_ms: u64, by_ms: u64, wait_ms_max: u64) -> Result<(), Error> {
        let answers = self.link.all(&script::REWIND, |command| {
            command.arg(now_ms).arg(by_ms).arg(wait_ms_max);
        });
        answers.await?;
        Ok(())
    }

    async fn quarantine(&self, key: &Key, reason: &str) -> Result<(), Error> {
        let row = ("state", &key.product, &*key.to_string());
        aside::set(&self.link, row, reason, 0).await
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
        age::age(&self.link, now_ms, keep).await
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

    async fn listed(&self, space: Space) -> Result<Vec<Listed>, Error> {
        if !space.is_listed() {
            return Ok(Vec::new());
        }
        let answers = self.link.each(&script::LISTED, |command| {
            command.arg(space.as_str());
        });
        erase::listed(answers.await?)
    }

    async fn scrub(&self) -> Result<bool, Error> {
        self.scrubber.scrub(&self.link).await
    }

    async fn depth(&self) -> Result<Depth, Error> {
        age::depth(&self.link).await
    }

    async fn oldest_deliveries(&self) -> Result<Vec<(Arc<str>, u64)>, Error> {
        deliveries::oldest(self.link.each(&script::OLDEST_DELIVERIES, |_| {}).await?)
    }

    async fn listen(&self, heard: &(dyn Fn(Heard) + Send + Sync)) -> Result<(), Error> {
        self.link.listen(heard).await
    }

    fn losses(&self) -> u64 {
        self.link.lives.losses()
    }

    fn may_forget(&self) -> bool {
        true
    }

    fn session_states(&self) -> Option<SessionStates> {
        Some(SessionStates::new(Arc::clone(&self.link)))
    }

    fn cautions(&self) -> Vec<Arc<str>> {
        self.link.cautions()
    }

    async fn close(&self) {
        self.link.close();
    }
}

//! The contract between a pure state and the actor that keeps it.
//!
//! A [`Machine`] is a value that changes only through [`Machine::handle`] and
//! [`Machine::on_deadline`]. Whatever it needs to know arrives in a [`Moment`]: the time, the
//! product's policy, facts that span states, and a source of identifiers. Whatever it wants done
//! goes into the moment's effects. The actor may run the same inputs again on a newer state when a
//! commit was refused, so nothing outside may ever be touched from here.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use super::id::{DeliveryId, Key};
use super::log::{Effects, EntryType, IndexKey, IndexWrite, NewEntry};

/// A pure state with inputs, a deadline and a serialised form.
pub trait Machine: Clone + Send + Sync + Sized + 'static {
    /// What may happen to it.
    type Input: Clone + Send + Sync + Debug + 'static;
    /// What the sender of an input learns once it is committed.
    type Reply: Clone + Send + Debug + 'static;
    /// The product's settings that decisions depend on.
    type Policy: Send + Sync + 'static;

    /// The state of a key that has never been written.
    fn open(key: &Key, policy: &Self::Policy, now: f64) -> Self;

    /// Reads a stored state and its settled part, which is empty when there is none; the text of the
    /// error says what is wrong with them.
    fn decode(state: &[u8], settled: &[u8]) -> Result<Self, String>;

    /// Whether its stored form leaves something to the log.
    fn recalls(&self) -> bool {
        false
    }

    /// Takes back what the stored form leaves to the log. Called whenever a state was read that [recalls](Self::recalls)
    /// something. Answers whether `past` was too little; then it is called again with more of it, unless there is no
    /// more. Where the same state is still `known` as it was earlier, `past` is all that the log has since then.
    fn recall(
        &mut self,
        _known: Option<&Self>,
        _past: &[Past<'_>],
        _policy: &Self::Policy,
    ) -> bool {
        false
    }

    /// The stored form. Called once for each decision, whose commit writes it.
    fn encode(&mut self) -> Encoded;

    /// Index rows that handling `input` at `now` (Unix seconds) would look at and `facts` does not hold
    /// yet. Asked again with the answers until it wants nothing more.
    fn wants(
        &self,
        input: &Self::Input,
        facts: &Facts,
        policy: &Self::Policy,
        now: f64,
    ) -> Vec<IndexKey>;

    /// Takes one input.
    fn handle(&mut self, input: Self::Input, moment: &mut Moment<'_, Self::Policy>) -> Self::Reply;

    /// When [`Machine::on_deadline`] must be called, Unix seconds.
    fn deadline(&self) -> Option<f64>;

    /// Does whatever is due at the moment's time.
    fn on_deadline(&mut self, moment: &mut Moment<'_, Self::Policy>);

    /// The store has lost everything about this state and will be given it again: whatever others find it by, or
    /// do for it, has to be written again too. Nothing of it counts as stored.
    fn restore(&mut self, moment: &mut Moment<'_, Self::Policy>);

    /// Recognises an input that comes again, to park one that cannot be handled.
    fn fingerprint(input: &Self::Input) -> u64;
}

/// A state as it is stored: a part that every commit writes, and a settled one to which few commits add, so that
/// what a commit writes does not grow with all that the state holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// What every commit writes.
    pub state: Arc<[u8]>,
    /// What is written of the settled part; `None` leaves the stored one as it is.
    pub settled: Option<Settled>,
}

/// What a commit writes of the settled part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// How many of the bytes that are stored stay in front: all of them, or none.
    pub behind_bytes: usize,
    /// What follows them. Its last byte is no space.
    pub bytes: Arc<[u8]>,
}

impl Settled {
    /// The settled part once this is written on what is `stored` of it.
    pub fn onto(&self, stored: &[u8]) -> Arc<[u8]> {
        let kept = stored.get(..self.behind_bytes).unwrap_or(stored);
        kept.iter().chain(&*self.bytes).copied().collect()
    }
}

/// What the log of a state's key says of its past, up to when it was written: one entry of many, newest first.
#[derive(Clone, Copy, Debug)]
pub struct Past<'a> {
    /// An [`EntryType`] by name.
    pub r#type: &'a str,
    /// Unix seconds.
    pub at: f64,
    /// Who caused it.
    pub source: &'a str,
    /// One JSON object.
    pub body: &'a str,
}

/// Everything a decision may depend on besides the state and the input.
pub struct Moment<'a, P> {
    /// Unix seconds.
    pub now: f64,
    /// The product's settings.
    pub policy: &'a P,
    /// What the index says, overlaid with this run's own writes.
    pub facts: &'a mut Facts,
    /// What is to be done.
    pub effects: &'a mut Effects,
    /// The request or delivery that led here.
    pub correlation_id: Arc<str>,
    /// Makes identifiers that nobody else makes.
    pub new_id: &'a mut dyn FnMut() -> DeliveryId,
}

impl<P> Moment<'_, P> {
    /// Appends an entry to the log.
    pub fn log(
        &mut self,
        r#type: EntryType,
        source: &'static str,
        user_id: Option<Arc<str>>,
        body: &serde_json::Value,
    ) {
        self.log_text(r#type, source, user_id, body.to_string().into());
    }

    /// Appends an entry whose body is serialised already.
    pub fn log_text(
        &mut self,
        r#type: EntryType,
        source: &'static str,
        user_id: Option<Arc<str>>,
        body: Arc<str>,
    ) {
        self.effects.entries.push(NewEntry {
            r#type,
            at: self.now,
            source,
            correlation_id: Arc::clone(&self.correlation_id),
            user_id,
            body,
        });
    }

    /// Writes or removes an index row; later looks of this run see the change.
    pub fn write_index(&mut self, key: IndexKey, value: Option<Arc<str>>, lives_s: f64) {
        self.facts.overlay(key.clone(), value.clone());
        self.effects.index.push(IndexWrite {
            key,
            value,
            expires_ms: super::time::to_ms(self.now + lives_s),
        });
    }
}

/// Index rows as they were read. Each row that was read becomes a guard of the commit, in the order
/// of the keys, so that equal decisions make equal commits.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    read: BTreeMap<IndexKey, Option<Arc<str>>>,
    written: BTreeMap<IndexKey, Option<Arc<str>>>,
}

impl Facts {
    /// Records what the store answered.
    pub fn learn(&mut self, key: IndexKey, value: Option<Arc<str>>) {
        self.read.insert(key, value);
    }

    /// Whether the row was read.
    pub fn knows(&self, key: &IndexKey) -> bool {
        self.read.contains_key(key)
    }

    /// The row's value; `None` when it is absent or was never read.
    pub fn get(&self, key: &IndexKey) -> Option<&str> {
        self.written
            .get(key)
            .or_else(|| self.read.get(key))
            .and_then(|value| value.as_deref())
    }

    /// The row's value as `T`; a row that does not parse counts as absent.
    pub fn parse<T: serde::de::DeserializeOwned>(&self, key: &IndexKey) -> Option<T> {
        self.get(key)
            .and_then(|text| serde_json::from_str(text).ok())
    }

    /// What was read, for guards.
    pub fn read(&self) -> impl Iterator<Item = (&IndexKey, &Option<Arc<str>>)> {
        self.read.iter()
    }

    fn overlay(&mut self, key: IndexKey, value: Option<Arc<str>>) {
        self.written.insert(key, value);
    }
}

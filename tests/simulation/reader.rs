//! Those who read the feed: they lose their connection, come back with the last id they saw, and may
//! be slow.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use event_connector::domain::id::ProductId;
use event_connector::domain::log::{EntryType, Offset};
use event_connector::feed::{Filter, Start};
use event_connector::store::{Entry, Store};
use serde_json::Value;
use tokio::sync::mpsc;

use super::dice::Dice;
use super::instance::Up;
use super::people::Fleet;
use super::truth::Truth;
use super::world::World;

/// One reader of one product. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) name: String,
    pub(crate) product: ProductId,
    filter: Filter,
    is_live: bool,
    world: World,
    truth: Truth,
    dice: Dice,
    seats: Seats,
    seen: Arc<Mutex<Seen>>,
}

/// What a reader has seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// Everything after it was promised.
    from: Offset,
    last: Option<Offset>,
    got: BTreeSet<Offset>,
    /// What it was told is no longer kept.
    gaps: Vec<(Offset, Offset)>,
}

/// Which product somebody reads at which instance: one at a time, because two would be woken in an
/// order that no seed decides.
#[derive(Clone, Default)]
pub(crate) struct Seats(Arc<Mutex<BTreeSet<(usize, ProductId)>>>);

struct Seat {
    seats: Seats,
    place: (usize, ProductId),
}

impl Seats {
    fn take(&self, place: (usize, ProductId)) -> Option<Seat> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.insert(place.clone()).then(|| Seat {
            seats: self.clone(),
            place,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.remove(&self.place);
    }
}

impl Reader {
    pub(crate) fn new(
        number: u64,
        product: &ProductId,
        (world, truth): (&World, &Truth),
        seats: &Seats,
    ) -> Self {
        let dice = Dice::new(world.shape.seed, 100 + number);
        let sessions = world.shape.tenant(product);
        let session = sessions.map(|tenant| dice.pick(&tenant.people).sessions[0].clone());
        Self {
            name: format!("r{number}"),
            product: product.clone(),
            filter: Filter {
                session: session
                    .filter(|_| dice.permille(250))
                    .map(|session| session.as_str().to_owned()),
                ..Filter::default()
            },
            is_live: dice.permille(300),
            world: world.clone(),
            truth: truth.clone(),
            dice,
            seats: seats.clone(),
            seen: Arc::default(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads for as long as the world lasts.
    pub(crate) async fn run(self, fleet: Fleet) {
        loop {
            let last = self.world.shape.instances as u64 - 1;
            let at = usize::try_from(self.dice.among(0..=last)).unwrap_or(0);
            if let Some(up) = fleet.get(at)
                && let Some(seat) = self.seats.take((at, self.product.clone()))
            {
                let told = format_args!("reads at i{at} after {:?}", self.seen().last).to_string();
                self.world.trace.tell(&self.name, format_args!("{told}"));
                self.stay(&up, seat).await;
            }
            self.world.wait_ms(self.dice.among(10..=3000)).await;
        }
    }

    /// One connection.
    async fn stay(&self, up: &Up, seat: Seat) {
        let mut chunks = self.connect(up, seat);
        loop {
            let limit = Duration::from_secs(60);
            let Some(Some(chunk)) = self.world.clock.timeout(limit, chunks.recv()).await else {
                return;
            };
            let is_foul = self.world.is_foul();
            if is_foul && self.dice.permille(60) {
                // It had arrived, and nobody took it in.
                return;
            }
            self.take(&chunk).await;
            if is_foul && self.dice.permille(60) {
                return;
            }
            if is_foul && self.dice.permille(200) {
                self.world.wait_ms(self.dice.among(100..=8000)).await;
            }
        }
    }

    fn connect(&self, up: &Up, seat: Seat) -> mpsc::Receiver<Bytes> {
        let (sender, receiver) = mpsc::channel(1);
        let start = match self.seen().last {
            Some(last) => Start::After(last),
            None if self.is_live => Start::Live,
            None => Start::After(Offset::default()),
        };
        let (feed, gate) = (up.feed.clone(), up.gate.clone());
        let (product, filter) = (self.product.clone(), self.filter.clone());
        up.tasks.spawn("stream", async move {
            let _seat = seat;
            gate.pass().await;
            let Ok(Ok(mut subscriber)) = feed.subscribe(&product, start, filter).await else {
                return;
            };
            loop {
                let chunk = tokio::select! {
                    biased;
                    () = sender.closed() => return,
                    chunk = subscriber.next(Duration::from_secs(15)) => chunk,
                };
                gate.pass().await;
                let Some(chunk) = chunk else { return };
                if sender.send(chunk).await.is_err() {
                    return;
                }
            }
        });
        receiver
    }

    async fn take(&self, chunk: &Bytes) {
        let text = String::from_utf8_lossy(chunk).into_owned();
        for frame in text.split_terminator("\n\n") {
            if frame.starts_with("event: heartbeat") {
                let head = self.truth.head(&self.product).await.unwrap_or_default();
                let mut seen = self.seen();
                if self.is_live && seen.last.is_none() {
                    // Whatever is written from now on is promised.
                    seen.from = head;
                }
                continue;
            }
            let event = frame
                .strip_prefix("id: ")
                .and_then(|rest| rest.split_once("\ndata: "))
                .and_then(|(id, data)| Some((Offset::parse(id)?, data)));
            match event {
                Some((id, data)) => self.take_event(id, data).await,
                None => self.complain("readers_understand", format!("{frame:?}")),
            }
        }
    }

    async fn take_event(&self, id: Offset, data: &str) {
        self.world.trace.tell(&self.name, format_args!("gets {id}"));
        let before = self.seen().last;
        if before.is_some_and(|before| before >= id) {
            self.complain(
                "readers_get_nothing_twice",
                format!("{id} after {before:?}"),
            );
        }
        let data_json: Value = serde_json::from_str(data).unwrap_or_default();
        if data_json.get("type").and_then(Value::as_str) == Some("gap") {
            let from = data_json.get("from").and_then(Value::as_str);
            let from = from.and_then(Offset::parse).unwrap_or_default();
            let trimmed = self.truth.trimmed(&self.product).await;
            if id > trimmed {
                self.complain("gaps_are_true", format!("up to {id}, trimmed {trimmed}"));
            }
            self.seen().gaps.push((from, id));
        } else {
            let record = self.truth.record();
            let log = record.logs.get(&self.product);
            let place = log.and_then(|log| log.binary_search_by_key(&id, |e| e.offset).ok());
            let entry = place.and_then(|place| log?.get(place));
            let is_true = entry.is_some_and(|entry| &*entry.body == data && self.wants(entry));
            drop(record);
            if !is_true {
                self.complain("readers_get_what_was_written", format!("{id}: {data}"));
            }
            self.seen().got.insert(id);
        }
        self.seen().last = Some(id);
    }

    fn wants(&self, entry: &Entry) -> bool {
        &*entry.r#type == EntryType::Actions.as_str()
            && self
                .filter
                .admits(&entry.key, entry.user_id.as_deref(), &entry.r#type)
    }

    /// The first entry that was promised and has not come.
    pub(crate) fn missing(&self) -> Option<Offset> {
        let record = self.truth.record();
        let seen = self.seen();
        let log = record.logs.get(&self.product)?;
        let mut missing = log
            .iter()
            .filter(|entry| self.wants(entry) && entry.offset > seen.from)
            .map(|entry| entry.offset)
            .filter(|at| !seen.got.contains(at))
            .filter(|at| !seen.gaps.iter().any(|(from, to)| from < at && at <= to));
        missing.next()
    }

    fn complain(&self, law: &'static str, text: String) {
        let text = format!("{} of {}: {text}", self.name, self.product);
        self.world.trace.break_law(law, text);
    }
}

//! One run: the director draws what happens, moves all clocks, and lets everything come to an end.

use std::sync::Arc;
use std::time::Duration;

use event_connector::clock::Hand;
use event_connector::domain::machine::Machine;
use event_connector::store::Store;

use super::backend::{Backend, House};
use super::book::Book;
use super::check;
use super::dice::Dice;
use super::instance::Instance;
use super::mutant::Mutant;
use super::operator;
use super::page::Page;
use super::people::{Fleet, People};
use super::reader::{Reader, Seats};
use super::trace::Broken;
use super::truth::Truth;
use super::vendor::{Mood, Vendor};
use super::world::{Rest, World};

/// What is left of a run.
pub(crate) struct Ending {
    /// Equal for equal runs.
    pub(crate) hash: u64,
    pub(crate) events: u64,
    /// How many offers were made.
    pub(crate) offers: usize,
    pub(crate) broken: Option<Broken>,
}

/// A run on its way.
pub(crate) struct Run {
    pub(crate) world: World,
    pub(crate) truth: Truth,
    pub(crate) vendor: Vendor,
    pub(crate) instances: Vec<Instance>,
    pub(crate) people: People,
    page: Page,
    pub(crate) readers: Vec<Reader>,
    rest: Rest,
    hand: Hand,
    dice: Dice,
}

/// Something that a director may let happen.
#[derive(Clone, Copy)]
enum Step {
    Post,
    Repeat,
    Ask,
    AskAgain,
    Mood,
    Token,
    Delete,
    Replay,
    Crash,
    Start,
    Pause,
    Resume,
    Clock,
    Quiet,
}

/// Plays one seed from its first event to its last law.
pub(crate) fn play(seed: u64, mutant: Option<Mutant>, prints: bool) -> Ending {
    play_on(Backend::Memory, seed, mutant, prints)
}

/// The same on another store. What is under way at the same time there comes to its end in no order of ours.
pub(crate) fn play_on(backend: Backend, seed: u64, mutant: Option<Mutant>, prints: bool) -> Ending {
    let rest = Rest::default();
    let runtime = rest.runtime(backend != Backend::Memory);
    runtime.expect("a runtime").block_on(async {
        let house = backend.open();
        let mut run = Run::new((seed, mutant, prints), &house, rest);
        run.storm().await;
        run.calm().await;
        run.end().await;
        house.store.close().await;
        Ending {
            hash: run.world.trace.hash(),
            events: run.world.trace.now(),
            offers: run.truth.offers().made(),
            broken: run.world.trace.broken(),
        }
    })
}

impl Run {
    fn new((seed, mutant, prints): (u64, Option<Mutant>, bool), house: &House, rest: Rest) -> Self {
        let (world, hand) = World::new(seed, mutant, prints);
        let shape = &world.shape;
        world
            .trace
            .tell("shape", format_args!("{:?}", shape.faults));
        let vendor = Vendor::new(&world);
        let store = (Arc::clone(&house.store), rest.work());
        let truth = Truth::new(&world, &vendor, store);
        let people = People {
            world: world.clone(),
            fleet: Fleet::default(),
            book: Book::default(),
            dice: Dice::new(seed, 4),
        };
        let page = Page {
            people: people.clone(),
            dice: Dice::new(seed, 7),
        };
        let seats = Seats::default();
        let products = shape.products.iter().flat_map(|tenant| [&tenant.id; 2]);
        let readers: Vec<_> = (0..)
            .zip(products)
            .map(|(number, product)| Reader::new(number, product, (&world, &truth), &seats))
            .collect();
        let instances = (0..shape.instances as u64)
            .map(|number| Instance::new(number, &world, &truth, &vendor))
            .collect();
        Self {
            dice: Dice::new(seed, 5),
            world,
            truth,
            vendor,
            instances,
            people,
            page,
            readers,
            rest,
            hand,
        }
    }

    /// Everything that may go wrong, while people go on.
    async fn storm(&mut self) {
        for instance in &mut self.instances {
            instance.start();
        }
        self.say_who_is_up();
        for reader in &self.readers {
            let reading = reader.clone().run(self.people.fleet.clone());
            self.world.tasks.spawn("reader", reading);
        }
        for _ in 0..self.world.shape.steps {
            if self.world.trace.broken().is_some() {
                return;
            }
            let step = self.draw();
            self.take(step).await;
            self.page.act();
            let pause_ms = match self.dice.among(0..=9) {
                0..=3 => 0,
                4..=6 => self.dice.among(1..=300),
                7..=8 => self.dice.among(300..=4000),
                _ => self.dice.among(4000..=30_000),
            };
            self.pass(Duration::from_millis(pause_ms)).await;
        }
    }

    fn draw(&self) -> Step {
        let faults = &self.world.shape.faults;
        let when = |share: u64, is_on: bool| if is_on { share } else { 0 };
        self.dice.weigh(&[
            (40, Step::Post),
            (8, Step::Repeat),
            (12, Step::Ask),
            (4, Step::AskAgain),
            (when(8, faults.vendor), Step::Mood),
            (when(3, faults.vendor), Step::Token),
            (when(6, faults.replays), Step::Replay),
            (when(2, faults.gone), Step::Delete),
            (when(5, faults.crashes), Step::Crash),
            (when(8, faults.crashes), Step::Start),
            (when(4, faults.pauses), Step::Pause),
            (when(6, faults.pauses), Step::Resume),
            (when(5, faults.skew_ms > 0), Step::Clock),
            (3, Step::Quiet),
        ])
    }

    async fn take(&mut self, step: Step) {
        let last = self.instances.len() as u64 - 1;
        let at = usize::try_from(self.dice.among(0..=last)).unwrap_or(0);
        let skew_ms = self.world.shape.faults.skew_ms;
        match step {
            Step::Post | Step::Ask | Step::Delete | Step::Mood | Step::Token => self.act(step),
            Step::Replay => operator::replay(&self.people),
            Step::Repeat => {
                let requests = self.people.book.pages().requests.len() as u64;
                if requests > 0 {
                    let which = self.dice.among(0..=requests - 1);
                    self.people.post(usize::try_from(which).unwrap_or(0));
                }
            }
            Step::AskAgain => {
                let asks = self.people.book.pages().asks.len() as u64;
                if asks > 0 {
                    let which = self.dice.among(0..=asks - 1);
                    self.people.ask(usize::try_from(which).unwrap_or(0));
                }
            }
            Step::Quiet => {
                let quiet_s = self.dice.among(20..=150);
                self.pass(Duration::from_secs(quiet_s)).await;
            }
            Step::Crash => {
                if let Some(instance) = self.instances.get_mut(at) {
                    instance.crash().await;
                }
            }
            Step::Start => {
                if let Some(down) = self.instances.iter_mut().find(|one| one.up.is_none()) {
                    down.start();
                }
            }
            Step::Pause => {
                if let Some(one) = self.instances.get(at).filter(|one| !one.is_paused()) {
                    one.pause();
                }
            }
            Step::Resume => {
                if let Some(paused) = self.instances.iter_mut().find(|one| one.is_paused()) {
                    paused.resume();
                }
            }
            Step::Clock => {
                let far = i64::try_from(self.dice.among(0..=2 * skew_ms)).unwrap_or(0);
                let off_ms = far - i64::try_from(skew_ms).unwrap_or(0);
                if let Some(instance) = self.instances.get_mut(at) {
                    instance.set_clock(off_ms);
                }
            }
        }
        self.say_who_is_up();
    }

    /// What people and the platform do.
    fn act(&self, step: Step) {
        let tenant = self.dice.pick(&self.world.shape.products);
        let person = self.dice.pick(&tenant.people);
        let conversation = self.dice.pick(&tenant.conversations);
        match step {
            Step::Post => {
                let number = self.people.write(tenant, person);
                for _ in 0..self.dice.weigh(&[(8, 1), (1, 2), (1, 3)]) {
                    self.people.post(number);
                }
            }
            Step::Ask if !self.vendor.is_gone(&tenant.id, conversation) => {
                let wish = self.people.wish(tenant, person, conversation.as_str());
                self.people.ask(wish);
            }
            Step::Delete => self.vendor.delete(&tenant.id, conversation),
            Step::Mood => {
                let mood = *self.dice.pick(&Mood::ALL);
                let text = format!("{mood:?} to account {}", tenant.account);
                self.world.trace.tell("vendor", format_args!("{text}"));
                self.vendor.set_mood(tenant.account, mood);
            }
            Step::Token => {
                let text = format!("a new token for account {}", tenant.account);
                self.world.trace.tell("operator", format_args!("{text}"));
                self.vendor.replace_token(tenant.account);
            }
            _ => {}
        }
    }

    fn say_who_is_up(&self) {
        let ups = self.instances.iter().map(|instance| instance.up.clone());
        self.people.fleet.set(ups.collect());
    }

    /// Lets so much true time pass, stopping wherever anybody has something to do.
    pub(crate) async fn pass(&mut self, time: Duration) {
        let mut left = time;
        loop {
            self.rest.come().await;
            if self.world.trace.broken().is_some() {
                return;
            }
            let wakes = self.instances.iter().filter_map(Instance::next_wake);
            let next = wakes.chain(self.hand.next_wake()).min();
            let by = next.map_or(left, |next| next.min(left));
            if by.is_zero() {
                return;
            }
            left -= by;
            self.hand.advance(by);
            for instance in &mut self.instances {
                instance.advance(by);
            }
        }
    }

    /// Nothing goes wrong any more: everything must come to its end within a bounded time.
    async fn calm(&mut self) {
        self.world.clear_up();
        self.world.trace.tell("calm", format_args!("from now on"));
        for instance in &mut self.instances {
            if instance.is_paused() {
                instance.resume();
            }
            if instance.up.is_none() {
                instance.start();
            }
        }
        self.say_who_is_up();
        let bound_s = CALM_S + 2 * self.world.shape.faults.skew_ms / 1000;
        let mut unrest = None;
        for _ in 0..bound_s / LOOK_S {
            self.pass(Duration::from_secs(LOOK_S)).await;
            unrest = self.unrest().await;
            if unrest.is_none() || self.world.trace.broken().is_some() {
                return;
            }
        }
        if let Some(text) = unrest {
            let text = format!("after {bound_s} s of calm {text}");
            self.world.trace.break_law("all_comes_to_rest", text);
        }
    }

    /// What is still going on, if anything is.
    async fn unrest(&self) -> Option<String> {
        let waiting = self.people.book.pages().waiting;
        if waiting > 0 {
            return Some(format!("{waiting} wait for an answer"));
        }
        let depth = self.truth.depth().await.unwrap_or_default();
        if depth.outbox > 0 {
            return Some(format!("{} deliveries are open", depth.outbox));
        }
        if depth.quarantined > 0 {
            return Some(format!("{} rows are set aside", depth.quarantined));
        }
        let record = self.truth.record();
        let due = record
            .states
            .iter()
            .find(|(_, state)| state.deadline().is_some());
        if let Some((key, state)) = due {
            return Some(format!("{key} is due at {:?}", state.deadline()));
        }
        let open = record
            .states
            .iter()
            .find(|(_, state)| !state.open_notes.is_empty());
        if let Some((key, state)) = open {
            return Some(format!("{key} waits for {:?}", state.open_notes));
        }
        drop(record);
        for instance in &self.instances {
            let live = instance.up.as_ref().map_or(0, |up| up.sessions.live());
            if live > 0 {
                return Some(format!("{live} sessions are live on {}", instance.name));
            }
        }
        let late = |reader: &Reader| Some((reader.name.clone(), reader.missing()?));
        let (reader, missing) = self.readers.iter().find_map(late)?;
        Some(format!("{reader} misses {missing}"))
    }

    /// The laws that hold at the end.
    async fn end(&mut self) {
        if self.world.trace.broken().is_none() {
            check::laws(self);
        }
        if self.world.trace.broken().is_none() {
            check::repeat(self).await;
        }
        for instance in &mut self.instances {
            instance.crash().await;
        }
    }
}

/// How long everything may take to come to rest, beyond what clocks are apart.
const CALM_S: u64 = 900;

/// How often one looks whether it has.
const LOOK_S: u64 = 5;

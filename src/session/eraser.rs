//! Erasing a person: everything that is stored or held in memory about one user of a product.
//!
//! A request is an index row, so it survives a crash, and is gone when the work is done. The work
//! begins by finding the sessions that were ever theirs, writes them into the request, removes page
//! by page whatever is about the person, lets go of what is held in memory or mirrored, and ends by making sure
//! that nothing can be read from the store's files. Every step may be repeated.
//!
//! What arrives about the person while the work goes on may be erased with the rest; what arrives
//! afterwards is new.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};

use super::mirror::Mirror;
use super::person::{Known, Person, session_in};
use super::registry::Registry;
use crate::domain::id::{Key, Kind, ProductId, SessionId};
use crate::domain::log::{Effects, IndexKey, IndexWrite, Space};
use crate::domain::machine::Machine;
use crate::domain::session::Session;
use crate::feed::Feed;
use crate::store::erasure::{Place, Subject, Table, Trace};
use crate::store::{Commit, Error, Guard, Outcome};

/// How long whoever asks waits for the end; what takes longer goes on without them.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait before trying again what the store refused.
const RETRY: Duration = Duration::from_secs(1);

/// How often to look for requests without having been told: another instance may have left some.
const POLL: Duration = Duration::from_secs(60);

/// How long to wait before looking again whether the write-ahead log can be emptied.
const GLANCE: Duration = Duration::from_millis(250);

/// How many rows went, by table.
pub type Erased = Vec<(Table, u64)>;

/// Somebody to be erased: a user of a product.
type Whom = (ProductId, Arc<str>);

/// A request as it is stored.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Request {
    /// Tells it from those before and after it.
    #[serde(default)]
    id: Arc<str>,
    #[serde(flatten)]
    known: Known,
}

/// A request that is done: its identifier, and what went.
type Ended = (Arc<str>, Erased);

/// Who hears of requests that are done.
type Listeners = HashMap<Whom, Vec<mpsc::UnboundedSender<Ended>>>;

/// Hears of every request for one person that is done, until dropped.
struct Listener {
    eraser: Eraser,
    whom: Whom,
    ended: mpsc::UnboundedReceiver<Ended>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.ended.close();
        let mut listeners = self.eraser.listeners();
        if let Some(of_whom) = listeners.get_mut(&self.whom) {
            of_whom.retain(|listener| !listener.is_closed());
            if of_whom.is_empty() {
                listeners.remove(&self.whom);
            }
        }
    }
}

/// Erases people, one after the other. Cheap to clone.
#[derive(Clone)]
pub struct Eraser {
    sessions: Registry<Session>,
    feed: Feed,
    mirror: Option<Mirror>,
    nudge: Arc<Notify>,
    listeners: Arc<Mutex<Listeners>>,
}

impl Eraser {
    /// Nothing is erased before [`Eraser::run`].
    pub fn new(sessions: Registry<Session>, feed: Feed, mirror: Option<Mirror>) -> Self {
        Self {
            sessions,
            feed,
            mirror,
            nudge: Arc::default(),
            listeners: Arc::default(),
        }
    }

    /// Asks for an erasure and waits a while for its end: how many rows went, or `None` when it goes
    /// on. The request is durable in either case.
    ///
    /// # Errors
    ///
    /// The store did not take the request.
    pub async fn erase(&self, product: &ProductId, user: &str) -> Result<Option<Erased>, Error> {
        let clock = &self.sessions.0.around.clock;
        let asked = self.ask(product, user);
        Ok(clock.timeout(PATIENCE, asked).await.transpose()?.flatten())
    }

    async fn ask(&self, product: &ProductId, user: &str) -> Result<Option<Erased>, Error> {
        let around = &self.sessions.0.around;
        let whom = (product.clone(), Arc::from(user));
        let own = Request {
            id: around.chance.id(around.clock.now_ms()).to_string().into(),
            known: Known::default(),
        };
        let mut listener = self.listen(&whom);
        loop {
            let is_written = match self.commit(self.request(&whom, Some(&own), true)).await {
                Outcome::Committed => true,
                // Somebody else's request is under way. It may have passed by what was written last.
                Outcome::Conflict(_) => false,
                Outcome::NotWritten(error) | Outcome::Unknown(error) => return Err(error),
            };
            self.nudge.notify_one();
            loop {
                match listener.ended.recv().await {
                    Some((id, erased)) if id == own.id => return Ok(Some(erased)),
                    // One that was under way before.
                    Some(_) if is_written => {}
                    Some(_) => break,
                    // The service stops; the request is done after its next start.
                    None => return Ok(None),
                }
            }
        }
    }

    /// Works until the service stops. What was asked for before a restart is done first.
    pub async fn run(self) {
        let around = &self.sessions.0.around;
        loop {
            let pause = match self.work_off().await {
                Ok(()) => POLL,
                Err(error) => {
                    around.metrics.erasures.with_label_values(&["failed"]).inc();
                    error.report("an erasure waits for the store");
                    RETRY
                }
            };
            tokio::select! {
                biased;
                () = around.tasks.stopping() => break,
                () = self.nudge.notified() => {}
                () = around.clock.sleep(pause) => {}
            }
        }
        self.listeners().clear();
    }

    async fn work_off(&self) -> Result<(), Error> {
        let around = &self.sessions.0.around;
        for pending in around.store.listed(Space::Erasure).await? {
            let whom = (pending.product, pending.id);
            // Found before a crash; what is found now comes on top.
            let request: Request = serde_json::from_str(&pending.value).unwrap_or_default();
            let id = Arc::clone(&request.id);
            let erased = self.carry_out(&whom, request).await?;
            around.metrics.erasures.with_label_values(&["done"]).inc();
            tracing::info!(
                product_id = %whom.0,
                user_id = &*whom.1,
                rows = erased.iter().map(|(_, rows)| rows).sum::<u64>(),
                "a user was erased"
            );
            for listener in self.listeners().get(&whom).into_iter().flatten() {
                // Whoever asked may have stopped waiting.
                let _ = listener.send((Arc::clone(&id), erased.clone()));
            }
        }
        Ok(())
    }

    async fn carry_out(&self, whom: &Whom, mut request: Request) -> Result<Erased, Error> {
        let (product, user) = whom;
        self.find(product, user, &mut request.known).await?;
        settled(self.commit(self.request(whom, Some(&request), false)).await)?;

        let erased = self.remove(product, user, &request.known).await?;
        for session in &request.known.sessions {
            let session = SessionId::from(&**session);
            let key = Key::session(product, &session);
            self.sessions.forget(&key);
            if let Some(mirror) = &self.mirror {
                mirror.erase(&key).await?;
            }
        }
        self.feed.forget(product);
        // The request names the person too, so it goes before the files are cleaned.
        settled(self.commit(self.request(whom, None, false)).await)?;
        self.scrub().await?;
        Ok(erased)
    }

    /// Finds the sessions that name the person, or that index rows tie to them, and their addresses.
    async fn find(
        &self,
        product: &ProductId,
        user: &Arc<str>,
        known: &mut Known,
    ) -> Result<(), Error> {
        let store = &self.sessions.0.around.store;
        let person = Person::new(product.clone(), Arc::clone(user), known.clone());
        let person: Arc<dyn Subject> = Arc::new(person);
        let mut place = Some(Place::default());
        while let Some(from) = place.filter(|place| place.table <= Table::Index) {
            let trace = store.trace(Arc::clone(&person), from).await?;
            let keys = trace.keys.into_iter();
            let own = keys.filter(|key| key.kind == Kind::Session);
            known.sessions.extend(own.map(|key| key.id));
            let values = trace.values.iter();
            known
                .sessions
                .extend(values.filter_map(|value| session_in(value)));
            place = trace.next;
        }
        for session in &known.sessions {
            let key = Key::session(product, &SessionId::from(&**session));
            // A state that cannot be read is set aside by the look at it, and found there.
            let stored = store.load(&key).await.ok().flatten();
            let session =
                stored.and_then(|stored| Session::decode(&stored.state, &stored.settled).ok());
            let email = session.and_then(|session| session.email);
            known.emails.extend(email.map(|email| email.to_lowercase()));
        }
        Ok(())
    }

    async fn remove(
        &self,
        product: &ProductId,
        user: &Arc<str>,
        known: &Known,
    ) -> Result<Erased, Error> {
        let around = &self.sessions.0.around;
        let person = Person::new(product.clone(), Arc::clone(user), known.clone());
        let person: Arc<dyn Subject> = Arc::new(person);
        let mut erased = Erased::new();
        let mut place = Some(Place::default());
        while let Some(from) = place {
            let trace = around.store.trace(Arc::clone(&person), from).await?;
            place = trace.next;
            let rows = self.remove_page(&person, trace).await?;
            match erased.last_mut() {
                Some((table, sum)) if *table == from.table => *sum += rows,
                _ => erased.push((from.table, rows)),
            }
            let counter = &around.metrics.erased;
            counter
                .with_label_values(&[from.table.as_str()])
                .inc_by(rows);
        }
        Ok(erased)
    }

    async fn remove_page(&self, person: &Arc<dyn Subject>, trace: Trace) -> Result<u64, Error> {
        if trace.is_empty() {
            return Ok(0);
        }
        let around = &self.sessions.0.around;
        let now_ms = around.clock.now_ms();
        around.store.erase(Arc::clone(person), trace, now_ms).await
    }

    /// Waits until nothing of it can be read from the files. A stop does the same when it closes the
    /// store, and so does a start.
    async fn scrub(&self) -> Result<(), Error> {
        let around = &self.sessions.0.around;
        while !around.store.scrub().await? {
            tokio::select! {
                biased;
                () = around.tasks.stopping() => return Ok(()),
                () = around.clock.sleep(GLANCE) => {}
            }
        }
        Ok(())
    }

    fn listen(&self, whom: &Whom) -> Listener {
        let (sender, ended) = mpsc::unbounded_channel();
        let mut listeners = self.listeners();
        listeners.entry(whom.clone()).or_default().push(sender);
        Listener {
            eraser: self.clone(),
            whom: whom.clone(),
            ended,
        }
    }

    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The commit that writes or removes a request.
    fn request(&self, whom: &Whom, request: Option<&Request>, only_if_absent: bool) -> Commit {
        let (product, user) = whom;
        let around = &self.sessions.0.around;
        let now_ms = around.clock.now_ms();
        let key = IndexKey::new(Space::Erasure, Arc::clone(user));
        let write = IndexWrite {
            key: key.clone(),
            value: request.map(|request| {
                serde_json::to_string(request)
                    .expect("it holds only strings")
                    .into()
            }),
            expires_ms: u64::MAX,
        };
        let absent = Guard::Index { key, value: None };
        Commit {
            id: around.chance.bytes(),
            product: product.clone(),
            now_ms,
            state: None,
            effects: Effects {
                index: vec![write],
                ..Effects::default()
            },
            guards: only_if_absent.then_some(absent).into_iter().collect(),
        }
    }

    async fn commit(&self, commit: Commit) -> Outcome {
        self.sessions.0.around.store.commit(Arc::new(commit)).await
    }
}

/// Whether a commit without guards was written. One whose answer was lost is tried again with the
/// rest.
fn settled(outcome: Outcome) -> Result<(), Error> {
    match outcome {
        Outcome::Committed => Ok(()),
        Outcome::Conflict(_) => Err(Error::Backend("a conflict without a guard".into())),
        Outcome::NotWritten(error) | Outcome::Unknown(error) => Err(error),
    }
}

//! The handle on the file, and the one thread that writes it: whatever waits shares a transaction.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot};

use super::file::{File, Writing};
use crate::domain::action::Activity;
use crate::domain::id::Key;
use crate::store::Error;

/// What the spool's thread runs.
pub type Work = Box<dyn FnOnce() + Send>;

/// How a spool is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file; it and its directory are created when missing.
    pub path: PathBuf,
    /// How much may be in it.
    pub bytes_max: u64,
    /// How many requests to write may wait; more are answered [`Error::Overloaded`].
    pub queue_max: usize,
    /// How many of them share one transaction at most.
    pub group_max: usize,
}

/// How much is in a spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Shares.
    pub entries: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// One session's share of a request, as it waits.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Share {
    /// Whose.
    pub(super) key: Key,
    /// The request it came with.
    pub(super) correlation_id: Arc<str>,
    /// What the user did.
    pub(super) activity: Arc<Activity>,
}

/// A share as it is stored.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) share: String,
}

/// A queue on disk. Cheap to clone.
#[derive(Clone)]
pub struct Spool(Arc<Inner>);

struct Inner {
    jobs: Mutex<Option<SyncSender<Box<dyn Job>>>>,
    /// What is in it, and what is on its way into it.
    waiting: AtomicU64,
    bytes: Arc<AtomicU64>,
    filled: Notify,
    ended: tokio::sync::Mutex<tokio::sync::mpsc::Receiver<()>>,
}

/// Something for the thread to do, in a transaction with others.
trait Job: Send {
    fn run(&mut self, writing: &mut Writing<'_>) -> rusqlite::Result<()>;

    /// Answers whoever asked, once the fate of the transaction is known.
    fn settle(self: Box<Self>, fate: &Result<(), Error>);
}

/// A job made of a closure, with the way back to who asked.
struct Asked<F, A> {
    work: F,
    answer: Option<A>,
    reply: oneshot::Sender<Result<A, Error>>,
}

impl<F, A> Job for Asked<F, A>
where
    F: FnMut(&mut Writing<'_>) -> rusqlite::Result<A> + Send,
    A: Send,
{
    fn run(&mut self, writing: &mut Writing<'_>) -> rusqlite::Result<()> {
        self.answer = Some((self.work)(writing)?);
        Ok(())
    }

    fn settle(self: Box<Self>, fate: &Result<(), Error>) {
        let Self { answer, reply, .. } = *self;
        let answer = fate.clone().and_then(|()| answer.ok_or_else(closed));
        // Whoever asked may have stopped waiting.
        let _ = reply.send(answer);
    }
}

impl Spool {
    /// Opens the file and starts its thread through `spawn`, which receives a name and what to run.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the file cannot be opened, is in use already, or is no spool.
    pub fn open(options: &Options, spawn: &dyn Fn(&str, Work)) -> Result<Self, Error> {
        let mut file = File::open(&options.path, options.bytes_max)?;
        let (sender, jobs) = sync_channel(options.queue_max);
        let (alive, ended) = tokio::sync::mpsc::channel(1);
        let depth = file.depth();
        let bytes = Arc::new(AtomicU64::new(depth.bytes));
        let inner = Inner {
            jobs: Mutex::new(Some(sender)),
            waiting: AtomicU64::new(depth.entries),
            bytes: Arc::clone(&bytes),
            filled: Notify::new(),
            ended: tokio::sync::Mutex::new(ended),
        };
        let group_max = options.group_max;
        let work = move || {
            run(&mut file, &jobs, group_max, &bytes);
            drop((file, alive));
        };
        spawn("spool", Box::new(work));
        Ok(Self(Arc::new(inner)))
    }

    /// How much is in it or on its way into it.
    pub fn depth(&self) -> Depth {
        Depth {
            entries: self.0.waiting.load(Ordering::Acquire),
            bytes: self.0.bytes.load(Ordering::Relaxed),
        }
    }

    /// Whether anything is in it, so that whatever comes in has to go behind it.
    pub(super) fn is_in_use(&self) -> bool {
        self.0.waiting.load(Ordering::Acquire) > 0
    }

    /// Completes when something has come in, perhaps while nobody was waiting for it.
    pub(super) async fn filled(&self) {
        self.0.filled.notified().await;
    }

    /// Puts a share at the end. When this returns, it is on the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] when there is no room for it; any other, when it could not be written.
    pub(super) async fn append(&self, share: &Share) -> Result<(), Error> {
        let text = serde_json::to_string(share);
        let text = text.map_err(|error| Error::Backend(error.to_string().into()))?;
        // Counted before it is there: whoever comes next goes behind it.
        self.0.waiting.fetch_add(1, Ordering::AcqRel);
        let appended = match self.write(move |writing| writing.append(&text)).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::Full),
            Err(error) => Err(error),
        };
        match appended {
            Ok(()) => self.0.filled.notify_one(),
            Err(_) => self.forget(1),
        }
        appended
    }

    /// The oldest shares.
    pub(super) async fn oldest(&self, rows_max: usize) -> Result<Vec<Row>, Error> {
        self.write(move |writing| writing.oldest(rows_max)).await
    }

    /// Removes shares that are elsewhere by now.
    pub(super) async fn remove(&self, ids: Vec<i64>) -> Result<(), Error> {
        let count = ids.len() as u64;
        self.write(move |writing| writing.remove(&ids)).await?;
        self.forget(count);
        Ok(())
    }

    /// Leaves a share that cannot be read where it is, and passes it over from now on.
    pub(super) async fn set_aside(&self, id: i64, flaw: String) -> Result<(), Error> {
        let work = move |writing: &mut Writing<'_>| writing.set_aside(id, &flaw);
        self.write(work).await?;
        self.forget(1);
        Ok(())
    }

    /// Takes nothing more in, and completes when the file is closed.
    pub async fn close(&self) {
        let jobs = &self.0.jobs;
        jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Nobody sends: this waits until the thread has let go of the file.
        self.0.ended.lock().await.recv().await;
    }

    fn forget(&self, count: u64) {
        self.0.waiting.fetch_sub(count, Ordering::AcqRel);
    }

    /// Has `work` done in a transaction with others. The answer means that it is durable.
    async fn write<F, A>(&self, work: F) -> Result<A, Error>
    where
        F: FnMut(&mut Writing<'_>) -> rusqlite::Result<A> + Send + 'static,
        A: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Box::new(Asked {
            work,
            answer: None,
            reply,
        }))?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    fn enqueue(&self, job: Box<dyn Job>) -> Result<(), Error> {
        let jobs = self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = jobs.as_ref().ok_or_else(closed)?;
        sender.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Error::Overloaded,
            TrySendError::Disconnected(_) => closed(),
        })
    }
}

fn closed() -> Error {
    Error::Unavailable("the spool is closed".into())
}

/// Does what is asked until nobody can ask any more. What shares a transaction shares its fate.
fn run(file: &mut File, jobs: &Receiver<Box<dyn Job>>, group_max: usize, bytes: &AtomicU64) {
    while let Ok(first) = jobs.recv() {
        let others = jobs.try_iter().take(group_max.saturating_sub(1));
        let mut group: Vec<_> = std::iter::once(first).chain(others).collect();
        let fate = file.write(|writing| group.iter_mut().try_for_each(|job| job.run(writing)));
        bytes.store(file.depth().bytes, Ordering::Relaxed);
        if let Err(error) = &fate {
            tracing::warn!(%error, "the spool could not be written");
        }
        group.into_iter().for_each(|job| job.settle(&fate));
    }
}

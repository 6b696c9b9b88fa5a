//! The one thread that writes, and the queue in front of it.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::checkpoint::Gauge;
use super::ledger::{Failure, Ledger};
use crate::store::Error;

/// The front of the queue.
pub(super) struct Writer {
    queue: Mutex<Option<SyncSender<Box<dyn Job>>>>,
}

/// The back of the queue.
pub(super) type Jobs = Receiver<Box<dyn Job>>;

/// Something to write. It runs again when the transaction it was part of failed.
pub(super) trait Job: Send {
    /// Reads, decides and writes.
    fn run(&mut self, ledger: &mut Ledger) -> rusqlite::Result<()>;

    /// Answers whoever asked, once the fate of the transaction is known.
    fn settle(self: Box<Self>, fate: Result<(), Failure>);
}

/// A job made of a closure, with the way back to who asked.
struct Asked<F, A> {
    work: F,
    answer: Option<A>,
    reply: oneshot::Sender<Result<A, Failure>>,
}

impl<F, A> Job for Asked<F, A>
where
    F: FnMut(&mut Ledger) -> rusqlite::Result<A> + Send,
    A: Send,
{
    fn run(&mut self, ledger: &mut Ledger) -> rusqlite::Result<()> {
        self.answer = Some((self.work)(ledger)?);
        Ok(())
    }

    fn settle(self: Box<Self>, fate: Result<(), Failure>) {
        let answer = match (fate, self.answer) {
            (Ok(()), Some(answer)) => Ok(answer),
            (Ok(()), None) => Err(ended()),
            (Err(failure), _) => Err(failure),
        };
        // Whoever asked may have stopped waiting; what was written stays written.
        let _ = self.reply.send(answer);
    }
}

impl Writer {
    /// A queue for `queue_max` jobs.
    pub(super) fn new(queue_max: usize) -> (Self, Jobs) {
        let (sender, jobs) = sync_channel(queue_max);
        let queue = Mutex::new(Some(sender));
        (Self { queue }, jobs)
    }

    /// Has `work` done in a transaction, alone or with others. The answer means that it is durable.
    pub(super) async fn write<F, A>(&self, work: F) -> Result<A, Failure>
    where
        F: FnMut(&mut Ledger) -> rusqlite::Result<A> + Send + 'static,
        A: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Box::new(Asked {
            work,
            answer: None,
            reply,
        }))
        .map_err(Failure::clean)?;
        answer.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Lets the thread finish what was accepted and accepts nothing more.
    pub(super) fn close(&self) {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    fn enqueue(&self, job: Box<dyn Job>) -> Result<(), Error> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = queue.as_ref() else {
            return Err(closed());
        };
        sender.try_send(job).map_err(|refused| match refused {
            TrySendError::Full(_) => Error::Overloaded,
            TrySendError::Disconnected(_) => closed(),
        })
    }
}

/// Writes until the queue is closed and empty.
pub(super) fn run(ledger: &mut Ledger, jobs: &Jobs, group_max: usize, mut gauge: Gauge) {
    // A log that was found must start over before anything is appended to it.
    recover(ledger, &mut gauge);
    while let Ok(first) = jobs.recv() {
        let mut group = vec![first];
        group.extend(jobs.try_iter().take(group_max.saturating_sub(1)));
        recover(ledger, &mut gauge);
        settle(ledger, group);
        gauge.look(ledger);
    }
}

/// Undoes what a failure left behind, as far as the disk allows by now: has a suspect log start over,
/// and tries whether commits succeed again. Every group asks anew, so that no time is lost once they
/// do, and none is spent while all is well.
fn recover(ledger: &mut Ledger, gauge: &mut Gauge) {
    if ledger.health.is_suspect() {
        gauge.start_over(ledger);
    }
    if ledger.health.trouble().is_some() && ledger.probe().is_ok() {
        ledger.health.recovered();
    }
}

/// One transaction for all; if that fails, one for each, so that only the culprit fails. But where the
/// fate of the transaction is unknown, or the log may not be written to, all share that fate.
fn settle(ledger: &mut Ledger, mut group: Vec<Box<dyn Job>>) {
    match attempt(ledger, &mut group) {
        Ok(()) => group.into_iter().for_each(|job| job.settle(Ok(()))),
        Err(failure) if group.len() == 1 || ledger.health.is_suspect() => {
            for job in group {
                job.settle(Err(failure.clone()));
            }
        }
        Err(failure) => {
            tracing::debug!(error = %failure.error, jobs = group.len(), "a group failed");
            for mut job in group {
                let fate = attempt(ledger, std::slice::from_mut(&mut job));
                job.settle(fate);
            }
        }
    }
}

fn attempt(ledger: &mut Ledger, jobs: &mut [Box<dyn Job>]) -> Result<(), Failure> {
    ledger.transaction(|ledger| jobs.iter_mut().try_for_each(|job| job.run(ledger)))
}

/// The answer to those who come after the end.
pub(super) fn closed() -> Error {
    Error::Unavailable(Arc::from("it is closed"))
}

/// The answer to those whose job was accepted and never settled.
fn ended() -> Failure {
    Failure {
        error: Error::Unavailable(Arc::from("its writer has ended")),
        unknown: true,
    }
}

//! The one thread that writes, and the queue in front of it.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::checkpoint::Gauge;
use super::ledger::{Failure, Ledger};
use super::row::failure;
use crate::store::Error;

/// The front of the queue.
pub(super) struct Writer {
    queue: Mutex<Option<SyncSender<Order>>>,
}

/// The back of the queue.
pub(super) type Orders = Receiver<Order>;

/// What the thread is told.
pub(super) enum Order {
    /// Something to write.
    Write(Box<dyn Job>),
    /// The write-ahead log is to be emptied behind everything written before.
    Empty(oneshot::Sender<Result<bool, Failure>>),
}

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
    /// A queue for `queue_max` orders.
    pub(super) fn new(queue_max: usize) -> (Self, Orders) {
        let (sender, orders) = sync_channel(queue_max);
        let queue = Mutex::new(Some(sender));
        (Self { queue }, orders)
    }

    /// Has `work` done in a transaction, alone or with others. The answer means that it is durable.
    pub(super) async fn write<F, A>(&self, work: F) -> Result<A, Failure>
    where
        F: FnMut(&mut Ledger) -> rusqlite::Result<A> + Send + 'static,
        A: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Order::Write(Box::new(Asked {
            work,
            answer: None,
            reply,
        })))?;
        answer.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Has the write-ahead log emptied, so that nothing can be read from it; `false` when somebody's
    /// reading prevents it.
    pub(super) async fn empty_log(&self) -> Result<bool, Failure> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Order::Empty(reply))?;
        answer.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Lets the thread finish what was accepted and accepts nothing more.
    pub(super) fn close(&self) {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    fn enqueue(&self, order: Order) -> Result<(), Failure> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = queue.as_ref().ok_or_else(|| Failure::clean(closed()))?;
        sender.try_send(order).map_err(|error| match error {
            TrySendError::Full(_) => Failure::clean(Error::Overloaded),
            TrySendError::Disconnected(_) => Failure::clean(closed()),
        })
    }
}

/// What waits, `first` and at most `group_max` in all. Whoever has more to write may be standing still because
/// this thread has woken on its core: as long as it brings something, they go first. Without that the first few
/// commits of a flood make a group, and a flood makes more syncs than the calm. A lone commit loses one
/// system call.
fn gather(first: Order, orders: &Orders, group_max: usize) -> Vec<Order> {
    let mut gathered = vec![first];
    loop {
        std::thread::yield_now();
        let before = gathered.len();
        gathered.extend(orders.try_iter().take(group_max.saturating_sub(before)));
        if gathered.len() == before || gathered.len() >= group_max {
            return gathered;
        }
    }
}

/// Writes until the queue is closed and empty.
pub(super) fn run(ledger: &mut Ledger, orders: &Orders, group_max: usize, mut gauge: Gauge) {
    // A log that was found must start over before anything is appended to it.
    recover(ledger, &mut gauge);
    while let Ok(first) = orders.recv() {
        let (mut group, mut emptied) = (Vec::new(), Vec::new());
        for order in gather(first, orders, group_max) {
            match order {
                Order::Write(job) => group.push(job),
                Order::Empty(reply) => emptied.push(reply),
            }
        }
        recover(ledger, &mut gauge);
        settle(ledger, group);
        for reply in emptied {
            let outcome = gauge.empty(&ledger.db);
            // Whoever asked may have stopped waiting.
            let _ = reply.send(outcome.map_err(|error| Failure::clean(failure(&error))));
        }
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
    if group.is_empty() {
        return;
    }
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

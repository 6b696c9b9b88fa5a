//! Reads on threads of their own, so that no runtime thread ever waits for a disk.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::row::failure;
use super::writer::closed;
use crate::store::Error;

/// A read waiting for a connection.
type Read = Box<dyn FnOnce(&Connection) + Send>;

/// The front of the readers' common queue.
pub(super) struct Readers {
    queue: Mutex<Option<SyncSender<Read>>>,
}

/// The back of the queue; every reader holds it.
pub(super) type Reads = Arc<Mutex<Receiver<Read>>>;

impl Readers {
    /// A queue for `queue_max` reads.
    pub(super) fn new(queue_max: usize) -> (Self, Reads) {
        let (sender, reads) = sync_channel(queue_max);
        let queue = Mutex::new(Some(sender));
        (Self { queue }, Arc::new(Mutex::new(reads)))
    }

    /// Runs `work` on one of the connections.
    pub(super) async fn read<A: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<A> + Send + 'static,
    ) -> Result<A, Error> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Box::new(move |db| {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(work(db).map_err(|error| failure(&error)));
        }))?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Lets the threads finish what was accepted and accepts nothing more.
    pub(super) fn close(&self) {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    fn enqueue(&self, read: Read) -> Result<(), Error> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = queue.as_ref() else {
            return Err(closed());
        };
        sender.try_send(read).map_err(|refused| match refused {
            TrySendError::Full(_) => Error::Overloaded,
            TrySendError::Disconnected(_) => closed(),
        })
    }
}

/// Reads until the queue is closed and empty.
pub(super) fn run(db: &Connection, reads: &Reads) {
    loop {
        let next = reads.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(read) = next else { return };
        read(db);
    }
}

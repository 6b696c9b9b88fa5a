//! The only place that spawns.
//!
//! Every task runs under a name and a tracker. A stop is soft first (tasks finish what they hold
//! and return) and hard later (what is left is dropped). A task that panics is logged and counted
//! by whoever looks at [`Tasks::panics`]; it never takes the process with it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;

/// Spawns, and knows how to stop what it spawned. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    soft: CancellationToken,
    hard: CancellationToken,
    panics: Arc<AtomicU64>,
}

impl Tasks {
    /// Nothing spawned yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `work` under `name` until it returns or the hard stop drops it.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where tasks are spawned"
    )]
    pub fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let hard = self.hard.clone();
        let panics = Arc::clone(&self.panics);
        // Combinators instead of an `async` block, which would hold the work twice over: there is a
        // task per connection.
        let work = std::panic::AssertUnwindSafe(work).catch_unwind();
        let guarded = hard.run_until_cancelled_owned(work).map(move |ended| {
            if let Some(Err(_)) = ended {
                panics.fetch_add(1, Ordering::Relaxed);
                tracing::error!(task = name, "a task panicked");
            }
        });
        tokio::spawn(self.tracker.track_future(guarded));
    }

    /// Runs blocking `work` on a thread of its own, named `name`.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where threads are started"
    )]
    pub fn thread(name: &str, work: Box<dyn FnOnce() + Send>) {
        let spawned = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work);
        if let Err(error) = spawned {
            tracing::error!(thread = name, %error, "a thread could not be started");
        }
    }

    /// Completes when a soft stop is asked for: finish what you hold and return.
    pub async fn stopping(&self) {
        self.soft.cancelled().await;
    }

    /// Asks every task to finish.
    pub fn stop(&self) {
        self.soft.cancel();
    }

    /// Waits for all tasks; after `grace` drops what is left. Returns whether all finished.
    pub async fn finish(&self, clock: &Clock, grace: Duration) -> bool {
        self.soft.cancel();
        self.tracker.close();
        let finished = clock.timeout(grace, self.tracker.wait()).await.is_some();
        self.hard.cancel();
        self.tracker.wait().await;
        finished
    }

    /// How many tasks ended in a panic.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}

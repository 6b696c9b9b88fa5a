//! The only place that spawns.
//!
//! Every task runs under a name and a tracker. A stop is soft first (tasks finish what they hold
//! and return) and hard later (what is left is dropped). A task that panics is logged and counted
//! by whoever looks at [`Tasks::panics`]; it never takes the process with it.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;

/// Spawns, and knows how to stop what it spawned. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    soft: CancellationToken,
    hard: CancellationToken,
    panics: Panics,
}

/// Counts work that panicked.
#[derive(Clone, Debug, Default)]
struct Panics(Arc<AtomicU64>);

/// Work that runs where it is waited for; see [`Tasks::here`].
#[must_use = "it begins when it is waited for"]
pub struct Here<'t, F>
where
    F: Future<Output = ()> + Send + 'static,
{
    tasks: &'t Tasks,
    name: &'static str,
    /// `None` once it has returned or panicked.
    work: Option<Pin<Box<F>>>,
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
        let panics = self.panics.clone();
        // Combinators instead of an `async` block, which would hold the work twice over: there is a
        // task per connection.
        let work = AssertUnwindSafe(work).catch_unwind();
        let guarded = hard.run_until_cancelled_owned(work).map(move |ended| {
            if let Some(Err(_)) = ended {
                panics.count(name);
            }
        });
        tokio::spawn(self.tracker.track_future(guarded));
    }

    /// Runs `work` under `name` in the task of whoever waits for it, which saves the way to another task and back.
    /// It does not depend on who waits: it goes on in a task of its own when the waiting ends before it returns.
    pub fn here<F>(&self, name: &'static str, work: F) -> Here<'_, F>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Here {
            tasks: self,
            name,
            work: Some(Box::pin(work)),
        }
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
        self.panics.0.load(Ordering::Relaxed)
    }
}

impl Panics {
    fn count(&self, task: &'static str) {
        self.0.fetch_add(1, Ordering::Relaxed);
        tracing::error!(task, "a task panicked");
    }
}

impl<F> Future for Here<'_, F>
where
    F: Future<Output = ()> + Send + 'static,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(work) = &mut self.work {
            match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
                Ok(polled) => ready!(polled),
                Err(_) => self.tasks.panics.count(self.name),
            }
        }
        self.work = None;
        Poll::Ready(())
    }
}

impl<F> Drop for Here<'_, F>
where
    F: Future<Output = ()> + Send + 'static,
{
    fn drop(&mut self) {
        // A runtime that is gone runs nothing any more.
        if let Some(work) = self.work.take()
            && Handle::try_current().is_ok()
        {
            self.tasks.spawn(self.name, work);
        }
    }
}

//! Running: the doors open, work goes on, and everything is put away at the end.

use std::future::Future;
use std::time::Duration;

use tokio::net::TcpListener;

use super::background::age;
use super::build::App;
use super::{news, time};
use crate::clock::Instant;
use crate::domain::retry::WISH_CAPS_MAX;
use crate::http::{AppState, Handles, Server};
use crate::session::mirror::Mirror;
use crate::session::sweeper;
use crate::spool::{self, Feeder};
use crate::tasks::Tasks;

impl App {
    /// Serves on `listener` until `stop` completes; then finishes what is under way within the
    /// grace period. Returns whether everything finished by itself.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) -> bool {
        let Self {
            state,
            tasks,
            outbox,
            reloader,
            mirror,
            nudge,
        } = self;
        tasks.spawn("outbox", outbox.run());
        if let Some(reloader) = reloader {
            tasks.spawn("products", reloader.run());
        }
        if let Some(mirror) = mirror.clone() {
            tasks.spawn("mirror", mirror.run(tasks.clone()));
        }
        let following = news::follow(state.clone(), nudge, mirror.clone(), tasks.clone());
        tasks.spawn("news", following);
        start_background(&state, &tasks);
        let connections = Tasks::new();
        let server = Server::new(listener, state.clone(), connections.clone());
        connections.spawn("server", server.run());
        stop.await;
        let stopping = Stopping {
            began: state.clock.monotonic(),
            grace: Duration::from_millis(state.config.shutdown.grace_ms),
            state,
            mirror,
        };
        stopping.run(&connections, &tasks).await
    }
}

/// The part of the grace that requests may use up, so that what comes after them has time as well.
const REQUESTS_PART: f64 = 0.8;

/// The end, all of it within one grace period: whoever asks is told that we are not ready, the port
/// is closed and requests are answered, what is due is committed, work under way comes to its end.
/// What is left over is in the store and goes on at the next start.
struct Stopping {
    state: AppState,
    mirror: Option<Mirror>,
    began: Instant,
    grace: Duration,
}

impl Stopping {
    fn left(&self) -> Duration {
        let clock = &self.state.clock;
        self.grace.saturating_sub(clock.since(self.began))
    }

    async fn run(self, connections: &Tasks, tasks: &Tasks) -> bool {
        let Handles { clock, store, .. } = &*self.state;
        let open = self.state.metrics.connections.get();
        self.state.stopping.cancel();
        // Streams never end by themselves; requests do.
        self.state.feed.close();
        let for_requests = self.left().mul_f64(REQUESTS_PART);
        let answered = connections.finish(clock, for_requests).await;
        let flushing = clock.timeout(self.left(), sweeper::flush(&self.state.sessions));
        let flushed = flushing.await;
        let ended = tasks.finish(clock, self.left()).await;
        let finished = answered && ended && flushed.is_some();
        if let Some(mirror) = &self.mirror {
            // Best effort, like all its work: what is left has the next commit to wait for.
            let _ = clock.timeout(self.left(), mirror.flush()).await;
        }
        let waiting = match store.depth().await {
            Ok(depth) => depth.outbox,
            Err(error) => {
                tracing::warn!(%error, "what is left in the outbox could not be read");
                0
            }
        };
        if let Some(spool) = self.state.intake.spool() {
            spool.close().await;
        }
        store.close().await;
        tracing::info!(
            connections = open,
            all_answered = answered,
            flushed_sessions = flushed.unwrap_or(0),
            all_work_ended = ended,
            notes_left = waiting,
            "stopped: {}; {waiting} notes are left for the next start",
            if finished {
                "everything under way was finished"
            } else {
                "not everything under way could be finished in time; it goes on at the next start"
            }
        );
        finished
    }
}

fn start_background(state: &AppState, tasks: &Tasks) {
    let interval = Duration::from_millis(state.config.session.sweep_ms);
    let sessions = state.sessions.clone();
    tasks.spawn("sweeper", sweeper::run(sessions, interval));
    tasks.spawn("eraser", state.eraser.clone().run());
    tasks.spawn("directory", state.directory.clone().run(tasks.clone()));
    let own = &state.config.delivery;
    let watching = time::watch(
        state.store.clone(),
        state.clock.clone(),
        tasks.clone(),
        state.metrics.clone(),
        // As long as a pause can be at all.
        own.lease_ms
            .max(own.retry_cap_ms.saturating_mul(WISH_CAPS_MAX + 1)),
    );
    tasks.spawn("clock", watching);
    if let Some(spool) = state.intake.spool() {
        let feeder = Feeder::new(spool::Surroundings {
            spool: spool.clone(),
            sessions: state.sessions.clone(),
            store: state.store.clone(),
            clock: state.clock.clone(),
            tasks: tasks.clone(),
            metrics: state.metrics.clone(),
            product_label: state.config.metrics.product_label,
        });
        tasks.spawn("spool", feeder.run());
    }
    let ageing = age(
        state.store.clone(),
        state.feed.clone(),
        state.config.clone(),
        state.clock.clone(),
        tasks.clone(),
        state.metrics.clone(),
    );
    tasks.spawn("retention", ageing);
}

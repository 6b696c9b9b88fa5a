//! Running: the doors open, work goes on, and everything is put away at the end.

use std::future::Future;
use std::time::Duration;

use tokio::net::TcpListener;

use super::background::age;
use super::build::App;
use super::time;
use crate::domain::retry::WISH_CAPS_MAX;
use crate::http::{AppState, Peer, StallGuard, routes};
use crate::session::sweeper;
use crate::tasks::Tasks;

impl App {
    /// Serves on `listener` until `stop` completes; then finishes what is under way within the
    /// grace period. Returns whether everything finished by itself.
    ///
    /// # Errors
    ///
    /// The listener failed.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<bool> {
        let Self {
            state,
            tasks,
            outbox,
            reloader,
        } = self;
        tasks.spawn("outbox", outbox.run());
        if let Some(reloader) = reloader {
            tasks.spawn("products", reloader.run());
        }
        start_background(&state, &tasks);
        let grace = Duration::from_millis(state.config.shutdown.grace_ms);
        let stall = Duration::from_millis(state.config.feed.write_timeout_ms);
        let listener = StallGuard::new(listener, state.clock.clone(), state.metrics.clone(), stall);
        let feed = state.feed.clone();
        let stopped = tokio_util::sync::CancellationToken::new();
        let told = stopped.clone();
        let until_stop = async move {
            stop.await;
            // Streams never end by themselves; requests do.
            feed.close();
            told.cancel();
        };
        let service = routes(state.clone()).into_make_service_with_connect_info::<Peer>();
        let serving = axum::serve(listener, service).with_graceful_shutdown(until_stop);
        let too_long = async {
            stopped.cancelled().await;
            state.clock.sleep(grace).await;
        };
        let closed = tokio::select! {
            biased;
            served = async { serving.await } => served.map(|()| true)?,
            () = too_long => false,
        };
        let finished = tasks.finish(&state.clock, grace).await;
        state.store.close().await;
        Ok(closed && finished)
    }
}

fn start_background(state: &AppState, tasks: &Tasks) {
    let interval = Duration::from_millis(state.config.session.sweep_ms);
    let sessions = state.sessions.clone();
    tasks.spawn("sweeper", sweeper::run(sessions, interval));
    tasks.spawn("eraser", state.eraser.clone().run());
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
    let ageing = age(
        state.store.clone(),
        state.config.clone(),
        state.clock.clone(),
        tasks.clone(),
        state.metrics.clone(),
    );
    tasks.spawn("retention", ageing);
}

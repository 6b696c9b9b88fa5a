//! One running instance of the application.

use std::time::Duration;

use event_connector::app::{App, Parts};
use event_connector::clock::Clock;
use event_connector::metrics::Metrics;
use event_connector::tasks::Tasks;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// An instance on a free port; told to stop when dropped.
pub(crate) struct Instance {
    pub url: String,
    pub metrics: Metrics,
    /// Completes once it is told to stop.
    stop: CancellationToken,
    /// What readiness looks at.
    pub stopping: CancellationToken,
    tasks: Tasks,
}

impl Instance {
    /// Starts one.
    pub(crate) async fn start(parts: Parts) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let metrics = parts.metrics.clone();
        let app = App::build(parts).expect("an application");
        let (tasks, stop) = (Tasks::new(), CancellationToken::new());
        let stopping = app.state().stopping.clone();
        let told = stop.clone();
        tasks.spawn("service", async move {
            app.serve(listener, told.cancelled()).await;
        });
        Self {
            url,
            metrics,
            stop,
            stopping,
            tasks,
        }
    }

    /// Tells it to stop and waits for nothing.
    pub(crate) fn tell_to_stop(&self) {
        self.stop.cancel();
    }

    /// Stops and waits until everything is put away.
    pub(crate) async fn stop(&self) {
        self.tell_to_stop();
        let clock = Clock::system();
        let finished = self.tasks.finish(&clock, Duration::from_secs(20)).await;
        assert!(finished, "the service stops within its grace");
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.tell_to_stop();
    }
}

//! What goes on beside the requests: reloading products, and removing what is past its time.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::sync::Notify;

use super::time::Cautious;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::time::to_ms;
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::product::{Fingerprint, Products, Report, Source};
use crate::store::{Aged, Retention, Store};
use crate::tasks::Tasks;

/// How long to wait between two rounds of ageing while there is more to remove, so that requests
/// come in between.
const AGE_PAUSE: Duration = Duration::from_millis(20);

/// Keeps the products in force in step with their list.
pub(super) struct Reloader {
    pub(super) source: Source,
    pub(super) products: Products,
    pub(super) seen: Option<Fingerprint>,
    pub(super) nudge: Arc<Notify>,
    pub(super) interval: Duration,
    pub(super) clock: Clock,
    pub(super) tasks: Tasks,
    pub(super) metrics: Metrics,
}

impl Reloader {
    /// Looks at the list every interval and whenever it is nudged (SIGHUP).
    pub(super) async fn run(mut self) {
        loop {
            tokio::select! {
                biased;
                () = self.tasks.stopping() => return,
                () = self.nudge.notified() => self.reload(true),
                () = self.clock.sleep(self.interval) => self.reload(false),
            }
        }
    }

    fn reload(&mut self, was_asked: bool) {
        let loaded = match self.source.load() {
            Ok(loaded) => loaded,
            Err(error) => {
                if was_asked {
                    tracing::warn!(%error, "the product list stays as it was");
                }
                return;
            }
        };
        if self.seen.as_ref() == Some(&loaded.fingerprint) && !was_asked {
            return;
        }
        self.seen = Some(loaded.fingerprint);
        match self.products.replace(loaded.text.expose_secret()) {
            Ok(report) => {
                self.metrics
                    .product_problems
                    .set(count(report.problems.len()));
                tell(&report);
            }
            Err(error) => {
                self.metrics.product_problems.set(1);
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the product list stays as it was");
            }
        }
        self.metrics.products.set(count(self.products.count()));
    }
}

fn tell(report: &Report) {
    for problem in &report.problems {
        tracing::error!(
            event = problem.event(),
            row = problem.index,
            product_id = problem.product.as_ref().map(|id| id.as_str()),
            pointer = problem.pointer,
            "a product row is wrong: {}",
            problem.text
        );
    }
    for product in &report.kept_offers {
        let product_id = product.as_str();
        tracing::error!(
            product_id,
            "what the product offers stays as it was until its row is put right"
        );
    }
    for (product, notice) in &report.notices {
        tracing::warn!(product_id = product.as_str(), "{notice}");
    }
    tracing::info!(
        added = report.added.len(),
        changed = report.changed.len(),
        removed = report.removed.len(),
        kept = report.kept.len(),
        "products reloaded"
    );
}

/// A count as a gauge holds it.
pub(super) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Removes what is past its time, a bounded amount at once.
pub(super) async fn age(
    store: Arc<dyn Store>,
    feed: Feed,
    config: Arc<Config>,
    clock: Clock,
    tasks: Tasks,
    metrics: Metrics,
) {
    let keep = Retention {
        log_ms: to_ms(config.retention.log_s),
        log_bytes_max: config.retention.log_bytes_max,
        state_ms: to_ms(config.retention.state_s),
        outbox_ms: to_ms(config.retention.outbox_s),
    };
    let interval = Duration::from_millis(config.retention.interval_ms);
    let doubt = Duration::from_secs_f64(config.retention.clock_doubt_s);
    let newest_ms = store.depth().await.map_or(0, |depth| depth.newest_ms);
    let mut time = Cautious::new(clock.clone(), doubt, newest_ms);
    loop {
        let pause = match store.age(time.now_ms(), keep).await {
            Ok(aged) => {
                if aged.entries > 0 {
                    feed.forget_pages();
                }
                tally(&metrics, aged);
                if aged.more { AGE_PAUSE } else { interval }
            }
            Err(error) => {
                error.report("what is past its time could not be removed");
                interval
            }
        };
        tokio::select! {
            biased;
            () = tasks.stopping() => return,
            () = clock.sleep(pause) => {}
        }
    }
}

fn tally(metrics: &Metrics, aged: Aged) {
    let kinds = [
        ("entry", aged.entries),
        ("state", aged.states),
        ("delivery", aged.deliveries),
    ];
    for (kind, removed) in kinds {
        metrics.aged.with_label_values(&[kind]).inc_by(removed);
    }
    let expired = metrics.links.with_label_values(&["expired"]);
    expired.inc_by(aged.pending_links);
}

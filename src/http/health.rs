//! `/health`, `/healthz`, `/readyz`, `/metrics` (contract 1.17).

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus::IntGauge;
use serde_json::{Value, json};

use super::problem::Problem;
use super::state::AppState;
use crate::config::Backend;
use crate::spool::Spool;
use crate::store::Error;

/// How long the store may take to show that it is there.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

/// The same where it hardly matters: whoever asks may give up after a second, and then send nothing here that could
/// be kept.
const SPOOL_PATIENCE: Duration = Duration::from_millis(500);

/// The process runs and answers, whatever the store does; whether Redis can be written to is only told.
pub(super) async fn alive(State(state): State<AppState>) -> Json<Value> {
    let redis = match state.config.store.backend {
        Backend::Sqlite => "disabled",
        Backend::Redis => {
            let asked = state.clock.timeout(STORE_PATIENCE, state.store.ready());
            match asked.await {
                Some(Ok(())) => "ok",
                _ => "degraded",
            }
        }
    };
    Json(json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "redis": redis,
    }))
}

/// Requests can be served: the configuration is loaded (else nothing would listen), nobody told the
/// service to stop, the store can be read, and commits succeed. While they fail the reason is told,
/// and each call has the store try whether the cause is gone; where activity can be kept in the spool meanwhile,
/// the service is ready for that all the same. In which ways the store may lose what it has
/// acknowledged is a warning: ready all the same.
pub(super) async fn ready(State(state): State<AppState>) -> Result<Json<Value>, Problem> {
    if state.stopping.is_cancelled() {
        let detail = "the service is stopping";
        return Err(Problem::unavailable("stopping", detail));
    }
    let asked = async {
        state.store.ready().await?;
        state.store.depth().await
    };
    let depth = state.intake.spool().map(Spool::depth);
    let has_room = depth.is_some_and(|depth| depth.bytes < state.config.spool.bytes_max);
    let patience = if has_room {
        SPOOL_PATIENCE
    } else {
        STORE_PATIENCE
    };
    let failure = match state.clock.timeout(patience, asked).await {
        Some(Ok(_)) => None,
        Some(Err(error @ Error::Full)) => Some(("store_full", error.to_string())),
        Some(Err(error)) => Some(("store_unavailable", error.to_string())),
        None => Some(("store_unavailable", "the store does not answer".to_owned())),
    };
    let mut warnings = state.store.cautions();
    match failure {
        Some((code, reason)) if !has_room => return Err(Problem::unavailable(code, reason)),
        Some((_, reason)) => {
            let kept = "activity is kept in the spool, everything else is refused";
            warnings.push(format!("{reason}; {kept}").into());
        }
        None => {}
    }
    if depth.is_none() && state.config.store.backend == Backend::Redis {
        let warning = "there is no spool; while the store is away activity is refused";
        warnings.push(warning.into());
    }
    let mut told = json!({
        "status": "ready",
        "store": state.config.store.backend,
        "products": state.products.count(),
    });
    if let Some(depth) = depth {
        told["spool"] = json!({ "entries": depth.entries, "bytes": depth.bytes });
    }
    if !warnings.is_empty() {
        told["warnings"] = json!(warnings);
    }
    Ok(Json(told))
}

/// Everything that is counted, as Prometheus text.
pub(super) async fn metrics(State(state): State<AppState>) -> Response {
    let looked = state.clock.timeout(STORE_PATIENCE, look(&state)).await;
    if let Some(Err(error)) = looked {
        tracing::debug!(%error, "sizes of the store could not be read");
    }
    let headers = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (headers, state.metrics.render()).into_response()
}

/// Sets what is not counted as it happens. What cannot be read stays as it was.
async fn look(state: &AppState) -> Result<(), Error> {
    let metrics = &state.metrics;
    let set = |gauge: &IntGauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    if let Some(depth) = state.intake.spool().map(Spool::depth) {
        set(&metrics.spool_entries, depth.entries);
        set(&metrics.spool_bytes, depth.bytes);
    }
    let depth = state.store.depth().await?;
    set(&metrics.outbox_depth, depth.outbox);
    set(&metrics.dead_letters, depth.dead_letters);
    set(&metrics.log_bytes, depth.log_bytes);
    set(&metrics.quarantined, depth.quarantined);
    let oldest = state.store.oldest_deliveries().await?;
    metrics.outbox_age.reset();
    let now_ms = state.clock.now_ms();
    for (platform, queued_ms) in oldest {
        let age = metrics.outbox_age.with_label_values(&[&platform]);
        set(&age, now_ms.saturating_sub(queued_ms) / 1000);
    }
    Ok(())
}

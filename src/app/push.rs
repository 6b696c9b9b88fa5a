//! What calls customers' own addresses: bounds, guard and targets from the configuration and the rows.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::build::Parts;
use crate::delivery::admission::Terms;
use crate::delivery::client::Limits;
use crate::delivery::guard::{Guard, GuardedClient, System};
use crate::delivery::push::{Push, Target, Targets};
use crate::domain::time::{bound_ms, to_ms};
use crate::http::PushTest;

/// The destination of all pushes.
///
/// # Errors
///
/// The HTTP client could not be set up.
pub(super) fn push(parts: &Parts) -> anyhow::Result<Push> {
    let own = &parts.config.push;
    let client = guarded(parts, parts.config.push_timeout_ms())?;
    let terms = Terms {
        workers: Some(own.endpoint_workers),
        second_max: NonZeroU32::new(own.endpoint_second_max),
        disable_after_ms: bound_ms(own.disable_after_s),
    };
    Ok(Push::new(
        client,
        targets(parts),
        parts.clock.clone(),
        terms,
    ))
}

/// A client for addresses that customers choose.
pub(super) fn guarded(parts: &Parts, request_timeout_ms: u64) -> anyhow::Result<GuardedClient> {
    let own = &parts.config.push;
    let open = own.allow_networks.clone();
    let guard = Guard::new(
        own.allow_http,
        move |address| open.iter().any(|network| network.contains(address)),
        System,
    );
    let limits = Limits {
        request_timeout_ms,
        response_bytes_max: own.response_bytes_max,
    };
    Ok(GuardedClient::new(parts.clock.clone(), limits, guard)?)
}

/// Sends one test to a product's target, for the operator's door.
pub(super) fn test(push: Arc<Push>) -> PushTest {
    Arc::new(move |product, id| {
        let push = Arc::clone(&push);
        Box::pin(async move { push.test(&product, &id).await })
    })
}

/// Targets are read from the products in force for each attempt, so that a changed one is used at once.
fn targets(parts: &Parts) -> Targets {
    let products = parts.products.clone();
    Arc::new(move |id| {
        let product = products.get(id)?;
        let own = product.push.as_ref()?;
        Some(Target {
            url: own.url.url().clone(),
            secret: own.secret.clone(),
            retries_max: own.retries_max,
            timeout_ms: own.timeout_s.map(to_ms),
            second_max: own.second_max,
        })
    })
}

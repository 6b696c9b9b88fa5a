//! Waiting on conditions.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use event_connector::clock::Clock;

/// How long anything may take before a test gives up; generous, because a busy machine is no bug.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a condition is looked at.
const GLANCE: Duration = Duration::from_millis(5);

/// Waits until `look` finds something; panics with what was last seen if it never does.
pub(crate) async fn eventually<T, S, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    S: Debug,
    F: Future<Output = Result<T, S>>,
{
    let clock = Clock::system();
    let began = clock.monotonic();
    loop {
        let seen = match look().await {
            Ok(found) => return found,
            Err(seen) => seen,
        };
        assert!(
            clock.since(began) < PATIENCE,
            "never happened: {what}; last seen: {seen:?}"
        );
        clock.sleep(GLANCE).await;
    }
}

/// Waits until `read` gives `wanted`.
pub(crate) async fn reads<N: PartialEq + Debug>(what: &str, wanted: N, read: impl Fn() -> N) {
    eventually(what, || {
        let seen = read();
        let outcome = if seen == wanted { Ok(()) } else { Err(seen) };
        std::future::ready(outcome)
    })
    .await;
}

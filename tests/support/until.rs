//! Waiting for a condition.

use std::time::Duration;

use event_connector::clock::Clock;

/// How long to wait before looking again.
const GLANCE: Duration = Duration::from_millis(5);

/// Looks again and again, for as long as `patience`, until something is there.
pub(crate) async fn until<T>(
    patience: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Option<T>, String>,
) -> Result<T, String> {
    let clock = Clock::system();
    let began = clock.monotonic();
    while clock.since(began) < patience {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        clock.sleep(GLANCE).await;
    }
    Err(format!("never happened: {what}"))
}

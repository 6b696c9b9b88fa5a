//! Numbers from many measurements: medians, percentiles.

use std::time::Duration;

/// One turn of load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turn {
    /// Answers with 2xx.
    pub(crate) accepted: u64,
    /// Other answers.
    pub(crate) refused: u64,
    /// Calls without an answer.
    pub(crate) failed: u64,
    /// How long it lasted, seconds.
    pub(crate) seconds: f64,
    /// Processor time of the server, seconds.
    pub(crate) busy_s: f64,
    /// Microseconds of each accepted call.
    pub(crate) latencies_us: Vec<u32>,
}

impl Turn {
    /// Adds the calls of another worker.
    pub(crate) fn add(&mut self, part: Self) {
        self.accepted += part.accepted;
        self.refused += part.refused;
        self.failed += part.failed;
        self.latencies_us.extend(part.latencies_us);
    }

    /// Accepted calls per second.
    pub(crate) fn rate(&self) -> f64 {
        float(self.accepted) / self.seconds
    }

    /// Microseconds of the server's processor time per accepted call.
    pub(crate) fn cost_us(&self) -> f64 {
        self.busy_s * 1e6 / float(self.accepted.max(1))
    }

    /// Milliseconds that `share` of the accepted calls did not exceed.
    pub(crate) fn percentile_ms(&mut self, share: f64) -> f64 {
        self.latencies_us.sort_unstable();
        f64::from(percentile(&self.latencies_us, share)) / 1000.0
    }
}

/// The value that `share` of the sorted values do not exceed; 0 without values.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "an index into a list of measurements"
)]
pub(crate) fn percentile<T: Copy + Default>(sorted: &[T], share: f64) -> T {
    let last = sorted.len().saturating_sub(1);
    let at = (last as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or_default()
}

/// The middle of the values; 0 without values.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    percentile(&values, 0.5)
}

/// A count as a number to reckon with.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a benchmark are far below 2^52"
)]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// Microseconds, at most an hour's worth.
pub(crate) fn micros(took: Duration) -> u32 {
    u32::try_from(took.as_micros()).unwrap_or(u32::MAX)
}

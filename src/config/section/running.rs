//! How the service itself is seen and stopped.

use serde::Serialize;

use super::MAYBE_WAIT_MS;
use crate::config::check;
use crate::config::reader::Reader;
use crate::config::value::LogFormat;

section! {
    /// Log lines.
    Log = "log" {
        /// Filter directives.
        level: String = parsed(String::new(), check::directives),
        /// The shape of a line.
        format: LogFormat = parsed(LogFormat::Auto, check::log_format),
    }
}

section! {
    /// Metrics.
    Metrics = "metrics" {
        /// Whether they carry a `product` label.
        product_label: bool = flag(),
    }
}

section! {
    /// Stopping.
    Shutdown = "shutdown" {
        /// How long what is under way may take.
        grace_ms: u64 = whole(MAYBE_WAIT_MS),
    }
}

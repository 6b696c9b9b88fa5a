//! Log lines: where they go and what they look like.
//!
//! Text for people at a terminal, one JSON object per line for machines. Every line inside a request
//! carries its `request_id`; identifiers are fields as well as part of the sentence. Bodies, secrets
//! and payloads are never logged.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::{Log, LogFormat};

/// Installs the subscriber of this process. A second call changes nothing.
pub fn install(log: &Log) {
    let filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let is_terminal = std::io::stderr().is_terminal();
    let as_json = match log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !is_terminal,
    };
    let lines = fmt::Subscriber::builder()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal);
    let installed = if as_json {
        let lines = lines.json().flatten_event(true).with_current_span(true);
        tracing::subscriber::set_global_default(lines.with_span_list(false).finish())
    } else {
        tracing::subscriber::set_global_default(lines.finish())
    };
    if installed.is_err() {
        tracing::debug!("logging was set up already");
    }
}

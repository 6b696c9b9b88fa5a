//! Reads the keys whose text has a meaning. What is wrong is said without repeating the text, which
//! may have come from the wrong place and be a secret.

use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::SecretString;
use tracing_subscriber::EnvFilter;

use super::value::{Backend, LogFormat, RegistrationMode};
use crate::registration::Vault;
use crate::store::redis::Address;

/// An address with its port.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.trim()
        .parse()
        .map_err(|_| "must be an address and a port, e.g. 127.0.0.1:8080".to_owned())
}

/// The path of a file.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.trim().is_empty() {
        return Err("must name a file".to_owned());
    }
    Ok(text.into())
}

/// Scheme and host, perhaps with a path to put requests under; a trailing slash is taken off so that
/// paths can be appended.
pub(super) fn origin(text: &str) -> Result<String, String> {
    let text = text.trim().trim_end_matches('/');
    if text.is_empty() {
        return Ok(String::new());
    }
    let wrong = || "must be empty or an http(s) address, e.g. https://example.org".to_owned();
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .ok_or_else(wrong)?;
    let host = rest.split('/').next().unwrap_or_default();
    let is_misplaced = |c: char| c.is_whitespace() || c.is_control() || "?#@\"\\".contains(c);
    if host.is_empty() || host.starts_with(':') || text.contains(is_misplaced) {
        return Err(wrong());
    }
    Ok(text.to_owned())
}

/// Filter directives of log lines.
pub(super) fn directives(text: &str) -> Result<String, String> {
    match EnvFilter::builder().parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(
            "must be error, warn, info, debug, trace, off, or directives such as \
             info,event_connector::store=debug"
                .to_owned(),
        ),
    }
}

/// The shape of log lines.
pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be auto, text or json".to_owned()),
    }
}

/// Who may register products.
pub(super) fn registration_mode(text: &str) -> Result<RegistrationMode, String> {
    match text {
        "auto" => Ok(RegistrationMode::Auto),
        "admin_key" => Ok(RegistrationMode::AdminKey),
        "invite" => Ok(RegistrationMode::Invite),
        "open" => Ok(RegistrationMode::Open),
        _ => Err("must be auto, admin_key, invite or open".to_owned()),
    }
}

/// The kind of store.
pub(super) fn backend(text: &str) -> Result<Backend, String> {
    match text {
        "sqlite" => Ok(Backend::Sqlite),
        "redis" => Ok(Backend::Redis),
        _ => Err("must be sqlite or redis".to_owned()),
    }
}

/// The value of a version header: `2.11`, `Unstable`.
pub(super) fn version(text: &str) -> Result<String, String> {
    let is_header_text = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if text.is_empty() || !text.chars().all(is_header_text) {
        return Err("must be a version of the vendor's interface, e.g. 2.11".to_owned());
    }
    Ok(text.to_owned())
}

/// Keys that seal, or nothing.
pub(super) fn secrets_key(text: &str) -> Result<SecretString, String> {
    let keys = SecretString::from(text);
    if !text.is_empty() {
        Vault::parse(&keys).map_err(|error| error.to_string())?;
    }
    Ok(keys)
}

/// The address of a Redis, or nothing.
pub(super) fn redis_url(text: &str) -> Result<SecretString, String> {
    if !text.is_empty() {
        Address::parse(text)?;
    }
    Ok(text.into())
}

/// A path, or nothing.
pub(super) fn maybe_path(text: &str) -> Result<PathBuf, String> {
    Ok(text.into())
}

/// What keys begin with: not empty, and without what has a meaning in the name of a key or a pattern.
pub(super) fn key_prefix(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ":._-".contains(c);
    if text.is_empty() || !text.chars().all(is_plain) {
        return Err("must hold letters, digits and : . _ - only".to_owned());
    }
    Ok(text.to_owned())
}

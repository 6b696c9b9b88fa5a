//! Who may come in, and with what.

use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::SecretString;
use serde::Serialize;

use super::{BODY_BYTES, COUNT, MAYBE_WAIT_MS, MEMORY_BYTES, NOWHERE, UP_TO_A_YEAR_S, WAIT_MS};
use crate::config::check;
use crate::config::network::Network;
use crate::config::reader::Reader;
use crate::config::value::{RegistrationMode, redacted};

section! {
    /// The doors.
    Http = "http" {
        /// Where to listen.
        bind: SocketAddr = parsed(NOWHERE, check::address),
        /// The address under which the outside reaches the service, without a trailing slash; empty
        /// when it was not told.
        public_url: String = parsed(String::new(), check::origin),
        /// Whose `X-Forwarded-For` is believed.
        trusted_proxies: Vec<Network> = networks(),
        /// The largest ingest body as received.
        body_bytes_max: usize = whole(BODY_BYTES),
        /// The largest body elsewhere.
        small_body_bytes_max: usize = whole(BODY_BYTES),
        /// The largest ingest body once inflated.
        inflated_bytes_max: usize = whole(BODY_BYTES),
        /// The most raw events in one request.
        events_max: usize = whole(COUNT),
        /// How long one request may take.
        request_timeout_ms: u64 = whole(WAIT_MS),
        /// How long a request's head may take.
        head_timeout_ms: u64 = whole(WAIT_MS),
        /// How long a connection may wait for its next request.
        keep_alive_timeout_ms: u64 = whole(WAIT_MS),
        /// How long a body may pause.
        body_idle_ms: u64 = whole(WAIT_MS),
        /// The largest head of a request. The protocol layer takes at least 8 KiB.
        head_bytes_max: usize = whole(8192..=1 << 20),
        /// The most headers of a request.
        headers_max: usize = whole(10..=10_000),
        /// The most open connections.
        connections_max: usize = whole(COUNT),
        /// The most ingest requests that were taken in and are not yet answered.
        ingest_requests_max: usize = whole(COUNT),
        /// The most ingest requests that wait to be taken in.
        ingest_waiting_max: usize = whole(COUNT),
        /// How long one of them waits; nothing means that nobody waits.
        ingest_wait_ms: u64 = whole(MAYBE_WAIT_MS),
        /// The most memory for reading and parsing ingest bodies.
        bodies_bytes_max: usize = whole(MEMORY_BYTES),
        /// The same for all other bodies.
        small_bodies_bytes_max: usize = whole(MEMORY_BYTES),
        /// The part of each of these four that one product alone may hold.
        product_share_percent: u64 = whole(1..=100),
    }
}

section! {
    /// The operator's door.
    Admin = "admin" {
        /// What `X-Admin-Key` must equal; while empty, endpoints that need it refuse.
        #[serde(serialize_with = "redacted")]
        key: SecretString = secret(),
    }
}

section! {
    /// Where the rows of products are.
    Products = "products" {
        /// The file.
        path: PathBuf = parsed(PathBuf::new(), check::path),
        /// The rows themselves; when not empty they replace the file.
        #[serde(serialize_with = "redacted")]
        inline: SecretString = secret(),
        /// How often the file is looked at.
        reload_ms: u64 = whole(WAIT_MS),
    }
}

section! {
    /// What seals the secrets of registered products.
    Secrets = "secrets" {
        /// 32 bytes in hex or base64; more of them, after commas, still open what they sealed.
        #[serde(serialize_with = "redacted")]
        key: SecretString = parsed(SecretString::default(), check::secrets_key),
    }
}

section! {
    /// Products that are registered while the service runs.
    Registration = "registration" {
        /// Who may register.
        mode: RegistrationMode = parsed(RegistrationMode::Auto, check::registration_mode),
        /// How long secrets and keys are still accepted that were replaced.
        overlap_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// How long an invitation may be used unless told.
        invite_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// How long a removed product may be registered anew, before it goes with all it has.
        purge_after_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// Registrations a minute from one address.
        per_minute: u32 = whole(1..=1_000_000),
        /// Registrations a minute from all addresses.
        total_per_minute: u32 = whole(1..=1_000_000),
        /// The most registered products.
        products_max: usize = whole(COUNT),
        /// The most valid keys of one product.
        keys_max: usize = whole(2..=10_000),
        /// How often other instances' changes are looked for without having been told.
        poll_ms: u64 = whole(WAIT_MS),
    }
}

section! {
    /// Keys of readers that Unkey verifies.
    Unkey = "unkey" {
        /// Permits verifying; empty where Unkey is not asked.
        #[serde(serialize_with = "redacted")]
        root_key: SecretString = secret(),
        /// Where Unkey is, without a trailing slash.
        base_url: String = parsed(String::new(), check::origin),
        /// How long one verification may take.
        timeout_ms: u64 = whole(WAIT_MS),
        /// How long a key that was accepted is not asked about again.
        accepted_ms: u64 = whole(MAYBE_WAIT_MS),
        /// How long one that was refused is not.
        refused_ms: u64 = whole(MAYBE_WAIT_MS),
        /// The most keys that are remembered, or asked about at once.
        keys_max: usize = whole(COUNT),
    }
}

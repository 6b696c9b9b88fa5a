//! The sections, one struct each. A field is named like its key and carries its bounds, so neither
//! can drift from the other; `config/default.toml` says why each default is what it is.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use secrecy::SecretString;
use serde::Serialize;

use super::check;
use super::network::Network;
use super::reader::Reader;
use super::value::{Backend, LogFormat, RegistrationMode, redacted};

macro_rules! section {
    ($(#[$doc:meta])* $name:ident = $section:literal { $(
        $(#[$field_doc:meta])* $field:ident: $type:ty = $read:ident($($argument:expr),*),
    )* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize)]
        pub struct $name { $(
            $(#[$field_doc])* pub $field: $type,
        )* }

        impl $name {
            pub(super) fn read(reader: &mut Reader) -> Self {
                Self { $(
                    $field: reader.$read(
                        concat!($section, ".", stringify!($field)),
                        $($argument),*
                    ),
                )* }
            }
        }
    };
}

/// Stands in for an address that could not be read; never used, because the mistake is reported.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// Bodies: at most what still fits comfortably in memory.
const BODY_BYTES: RangeInclusive<usize> = 1..=1 << 30;
/// What many bodies hold together.
const MEMORY_BYTES: RangeInclusive<usize> = 1..=1 << 40;
/// Things held in memory: at least one.
const COUNT: RangeInclusive<usize> = 1..=100_000_000;
/// Waits and timeouts: something, and at most a day.
const WAIT_MS: RangeInclusive<u64> = 1..=86_400_000;
/// Waits that may be nothing.
const MAYBE_WAIT_MS: RangeInclusive<u64> = 0..=86_400_000;
/// Lengths of time that may be nothing and are at most a year.
const UP_TO_A_YEAR_S: RangeInclusive<f64> = 0.0..=31_536_000.0;
/// How long something is kept: at least a second, at most ten years.
const KEPT_S: RangeInclusive<f64> = 1.0..=315_360_000.0;
/// Sizes on disk.
const DISK_BYTES: RangeInclusive<u64> = 0..=1 << 50;

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
    /// Where state is kept.
    Store = "store" {
        /// The kind of store.
        backend: Backend = parsed(Backend::Sqlite, check::backend),
        /// The `SQLite` file.
        path: PathBuf = parsed(PathBuf::new(), check::path),
        /// The largest size of that file; 0 for no limit.
        bytes_max: u64 = whole(DISK_BYTES),
        /// The most commits waiting for the writer.
        queue_max: usize = whole(COUNT),
        /// The most commits in one transaction.
        group_max: usize = whole(COUNT),
        /// Connections that read.
        readers: usize = whole(1..=64),
        /// Write-ahead log size at which it is folded back.
        checkpoint_pages: u32 = whole(1..=1_000_000),
        /// Whether a file is copied before its schema is changed.
        backup_before_upgrade: bool = flag(),
    }
}

section! {
    /// Sessions: their policy, unless a product overrides it, and how many live in memory.
    Session = "session" {
        /// How old an action may be and still be kept for the first note.
        pre_link_window_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// How long a linked session must be quiet before its note is written.
        post_link_debounce_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// Width of the bins of a first note; 0 for none.
        bin_seconds: f64 = seconds(UP_TO_A_YEAR_S),
        /// How long a session stays in conversation without interaction.
        interaction_timeout_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// How long it keeps quiet afterwards.
        cooldown_period_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// How long a link passes on to the user's next session.
        link_carry_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// How long a link request waits for its session.
        pending_link_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// The longest text of one note. A header and one line must fit.
        note_bytes_max: usize = whole(1000..=1 << 20),
        /// The most actions held for a note.
        window_actions_max: usize = whole(COUNT),
        /// The most sessions in memory.
        live_max: usize = whole(COUNT),
        /// The most messages waiting for one session.
        mailbox_max: usize = whole(COUNT),
        /// The most messages in one commit.
        batch_max: usize = whole(COUNT),
        /// How long a session stays in memory without a message.
        idle_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// How often overdue sessions are looked for.
        sweep_ms: u64 = whole(WAIT_MS),
    }
}

section! {
    /// How long what is kept.
    Retention = "retention" {
        /// Age of log entries.
        log_s: f64 = seconds(KEPT_S),
        /// Size of all log entries.
        log_bytes_max: u64 = whole(DISK_BYTES),
        /// Age of untouched sessions.
        state_s: f64 = seconds(KEPT_S),
        /// Age of finished deliveries.
        outbox_s: f64 = seconds(KEPT_S),
        /// How long a clock that leaps forward is doubted.
        clock_doubt_s: f64 = seconds(UP_TO_A_YEAR_S),
        /// How often the old is deleted.
        interval_ms: u64 = whole(WAIT_MS),
    }
}

section! {
    /// Notes on their way out.
    Delivery = "delivery" {
        /// Deliveries under way at the same time.
        workers: usize = whole(1..=1024),
        /// Of these, those of one account.
        account_workers: usize = whole(1..=1024),
        /// How long one attempt may take.
        request_timeout_ms: u64 = whole(WAIT_MS),
        /// How long a delivery belongs to its worker.
        lease_ms: u64 = whole(WAIT_MS),
        /// Attempts after the first.
        retries_max: u32 = whole(0..=1000),
        /// The first pause.
        retry_base_ms: u64 = whole(WAIT_MS),
        /// The longest pause.
        retry_cap_ms: u64 = whole(WAIT_MS),
        /// Calls in a row without a definite answer that close an account.
        breaker_failures: u32 = whole(1..=1000),
        /// How long it stays closed the first time.
        breaker_pause_ms: u64 = whole(WAIT_MS),
        /// How long it stays closed at most.
        breaker_pause_cap_ms: u64 = whole(WAIT_MS),
        /// How often refused credentials are tried again.
        refused_probe_ms: u64 = whole(WAIT_MS),
        /// How long a rate limit is waited for at most.
        rate_pause_cap_ms: u64 = whole(WAIT_MS),
        /// How far a vendor's clock may be from ours.
        clock_skew_ms: u64 = whole(MAYBE_WAIT_MS),
        /// How often the outbox is looked at without being told.
        poll_ms: u64 = whole(WAIT_MS),
        /// The largest vendor answer that is read.
        response_bytes_max: usize = whole(BODY_BYTES),
    }
}

section! {
    /// Calls to Intercom.
    Intercom = "intercom" {
        /// Where its API is, without a trailing slash; empty for the host of the product's region.
        base_url: String = parsed(String::new(), check::origin),
        /// The `Intercom-Version` header.
        version: String = parsed(String::new(), check::version),
    }
}

section! {
    /// Pushes to products' own endpoints.
    Push = "push" {
        /// Whether they may be called without TLS.
        allow_http: bool = flag(),
        /// Which networks are open to them beside the public internet.
        allow_networks: Vec<Network> = networks(),
        /// How long one attempt may take.
        timeout_ms: u64 = whole(WAIT_MS),
        /// The most of an answer's body that is read.
        response_bytes_max: usize = whole(BODY_BYTES),
        /// How long an endpoint may only fail before it is disabled; 0 for ever.
        disable_after_s: f64 = seconds(UP_TO_A_YEAR_S),
    }
}

section! {
    /// Streams to subscribers.
    Feed = "feed" {
        /// How often a heartbeat is sent.
        heartbeat_ms: u64 = whole(WAIT_MS),
        /// Newest entries in memory per product.
        ring_entries: usize = whole(COUNT),
        /// Entries read from the store at once.
        page_entries: usize = whole(COUNT),
        /// Pending events per write.
        coalesce_entries: usize = whole(COUNT),
        /// How long a socket may accept nothing.
        write_timeout_ms: u64 = whole(WAIT_MS),
        /// The most subscribers per product.
        subscribers_max: usize = whole(COUNT),
        /// How long a stream may be begun with a token, unless told.
        token_s: f64 = seconds(KEPT_S),
        /// The most that may be told.
        token_max_s: f64 = seconds(KEPT_S),
    }
}

section! {
    /// Redis as the store.
    Redis = "redis" {
        /// Its URL, or those of a cluster's nodes; empty when there is none.
        #[serde(serialize_with = "redacted")]
        url: SecretString = parsed(SecretString::default(), check::redis_url),
        /// Whether one URL is that of a cluster.
        cluster: bool = flag(),
        /// A file with the certificates that vouch for servers reached by TLS; empty for the machine's own.
        ca_path: PathBuf = parsed(PathBuf::new(), check::maybe_path),
        /// What all keys begin with.
        key_prefix: String = parsed(String::new(), check::key_prefix),
        /// Over how many hash tags tenants are spread.
        buckets: u16 = whole(1..=1024),
        /// Connections that share the commands.
        connections: usize = whole(1..=1024),
        /// How many replicas must have a commit before it is acknowledged.
        wait_replicas: u16 = whole(0..=16),
        /// How long a command may take.
        timeout_ms: u64 = whole(WAIT_MS),
        /// Whether states of sessions are copied to where clients of the published SDK read them.
        mirror: bool = flag(),
        /// The most sessions whose copies wait to be written.
        mirror_pending_max: usize = whole(COUNT),
    }
}

section! {
    /// Activity that waits for a store that is away.
    Spool = "spool" {
        /// The file; empty for none.
        path: PathBuf = parsed(PathBuf::new(), check::maybe_path),
        /// How much may wait.
        bytes_max: u64 = whole(DISK_BYTES),
        /// How long the store may take before a share is spooled.
        wait_ms: u64 = whole(WAIT_MS),
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

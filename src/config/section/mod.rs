//! The sections, one struct each. A field is named like its key and carries its bounds, so neither
//! can drift from the other; `config/default.toml` says why each default is what it is.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;

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
            pub(in crate::config) fn read(reader: &mut Reader) -> Self {
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

/// How much of a session triggers look at: the longest window costs memory in every session.
const SEEN: RangeInclusive<usize> = 1..=500;
/// Questions of pages.
const CALLS: RangeInclusive<u32> = 1..=1_000_000_000;
/// Offers; 0 for as many as there are.
const OFFERS: RangeInclusive<u32> = 0..=1_000_000;

mod doors;
mod keeping;
mod running;
mod work;

pub use doors::{Admin, Http, Products, Registration, Secrets, Unkey};
pub use keeping::{Redis, Retention, Spool, Store};
pub use running::{Log, Metrics, Shutdown};
pub use work::{Delivery, Feed, Intercom, Proactive, Push, Session};

//! The service's own configuration: what can be set, where it came from, what is wrong with it.
//!
//! The cast: `config/default.toml` is the reference and is compiled in; a **layer** is that text, a
//! file, or the environment; [`Config`] is all of it merged and checked, one struct per section;
//! [`Mistakes`] is everything that is wrong, each with the place it came from.
//!
//! Guaranteed:
//!
//! * Later layers win: defaults, then the file, then the environment.
//! * Unknown keys are refused, and all mistakes are reported in one go.
//! * A secret is never printed: not by `Debug`, not by [`Config::effective`], not in a mistake.
//!
//! Deliberately absent: reading the process environment (only `main` does, and passes it in), and
//! the rows of products, which `product` understands.

mod check;
mod layer;
mod load;
mod mistake;
mod network;
mod reader;
mod section;
mod value;

pub use load::{Config, LoadOptions};
pub use mistake::{Mistake, Mistakes};
pub use network::Network;
pub use section::{
    Admin, Delivery, Feed, Http, Intercom, Log, Metrics, Proactive, Products, Push, Redis,
    Registration, Retention, Secrets, Session, Shutdown, Spool, Store, Unkey,
};
pub use value::{Backend, LogFormat, RegistrationMode};

/// The reference configuration: every key, its default and the reason for it.
pub const DEFAULT_TOML: &str = include_str!("../../config/default.toml");

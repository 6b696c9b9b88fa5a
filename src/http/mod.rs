//! The doors. Every endpoint, what it needs to be opened, and how it says no.
//!
//! [`routes`] shows every route and layer on one screen. A handler's signature is its whole truth:
//! who is asked for, what is read, which [`Problem`]s come back. Secrets are compared in constant
//! time and before any parsing; bodies are bounded before and after inflation; a refusal is cheap,
//! because published clients repeat refused connections for ever (contract 2.3).
//!
//! Deliberately absent: any waiting for a vendor. A 2xx says that the commit is durable and nothing
//! more.

mod chatbot;
mod credentials;
mod health;
mod ingest;
mod link;
mod listener;
mod problem;
mod request;
mod routes;
mod sessions;
mod state;
mod stream;
mod users;

pub use listener::{Peer, StallGuard};
pub use problem::Problem;
pub use routes::routes;
pub use state::AppState;

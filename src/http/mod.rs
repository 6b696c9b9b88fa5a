//! The doors. Every endpoint, what it needs to be opened, and how it says no.
//!
//! [`Server`] accepts connections and bounds them; `routes.rs` shows every route and layer on
//! one screen; [`Admission`] shares what is scarce among products, and `queue.rs` lets ingest wait for
//! it. A handler's signature is its whole truth: who is asked for, what is read, which [`Problem`]s come
//! back. Secrets are compared in constant time and before any parsing; bodies are bounded before and
//! after inflation; a refusal is cheap, because published clients repeat refused connections for ever
//! (contract 2.3).
//!
//! Deliberately absent: any waiting for a vendor. A 2xx says that the commit is durable and nothing
//! more.

mod admission;
mod chatbot;
mod credentials;
mod deliveries;
pub(crate) mod explanation;
mod health;
mod ingest;
mod keys;
mod labels;
mod link;
mod offers;
pub(crate) mod outbox;
mod problem;
mod products;
mod queue;
mod request;
mod routes;
mod server;
mod sessions;
mod state;
mod stream;
mod throttle;
mod users;

pub use admission::Admission;
pub use problem::Problem;
pub use server::Server;
pub use state::{AppState, Handles, PushTest};

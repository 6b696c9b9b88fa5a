//! The house for tests: the whole application on a free port, with `SQLite` in a directory that
//! vanishes, a modelled Intercom over real HTTP, and clients that read what it says.

pub(crate) mod instance;
mod service;
mod setup;
mod stream;
mod wait;

pub(crate) use service::{ADMIN_KEY, SECRET, SECRETS_KEY, Service, click, json_of, open};
pub(crate) use setup::Setup;
pub(crate) use stream::Stream;
pub(crate) use wait::{eventually, reads};

//! The house for tests: the whole application on a free port, with `SQLite` in a directory that
//! vanishes, a modelled Intercom over real HTTP, and clients that read what it says.

mod service;
mod stream;
mod wait;

pub use service::{ADMIN_KEY, SECRET, Service, Setup, click, json_of};
pub use stream::{Event, Stream};
pub use wait::eventually;

//! Products that are registered while the service runs, and the secrets that are issued for them
//! (contract 1.4 to 1.6, 2.7).
//!
//! The cast: the [`desk`] answers what is asked about products and keys, over HTTP and at a terminal; an
//! `Application` is a request to be registered, read; a `Registration` is what is stored of a product; `decision` says
//! what becomes of a registration and is pure; the [`Vault`] seals what must be read again; the [`Directory`] keeps
//! registrations in the store and puts their products in force; a [`Ticket`] opens the stream for a while to a page
//! that may not know a key.
//!
//! Guaranteed:
//!
//! * Whatever a product's row says is sealed before it is stored, with the name of the product in the seal; keys and
//!   tokens that we issue are stored as digests only. Both are shown once, to whoever asked for them.
//! * A registration, its project and the invitation that it used up are written in one commit, guarded by what was
//!   read, so that two applications at once make one product.
//! * Nobody replaces a registration without the admin key, its owner token, or its present secret.
//! * After a rotation the secrets and keys before it are accepted for a while longer.
//! * A registration that cannot be opened is reported and not in force; it harms no other.
//!
//! Deliberately absent: who may apply (the door decides), and products of the operator's list, which are read-only.

mod application;
mod decision;
pub mod desk;
mod directory;
mod in_force;
mod key_file;
mod missing;
mod patch;
mod purge;
mod record;
mod rows;
mod secret;
mod setup;
mod ticket;
mod uses;
mod vault;
mod view;

pub use decision::{Authority, Refused};
pub use directory::Directory;
pub use key_file::{key_path, read_or_create};
pub use setup::{Error, Limits, Surroundings};
pub use ticket::{Reach, Ticket};
pub use vault::{NotAKey, Vault};

//! Calls to addresses that customers choose, and that must not reach what only we can reach: other services of
//! this network, this machine, the metadata of a cloud.
//!
//! The cast: [`address`] knows which addresses the whole internet can reach; a [`Guard`] says whether one may be
//! called, and resolves names for the HTTP client; [`Lookup`] asks the name service; a [`GuardedClient`] calls.
//!
//! Guaranteed:
//!
//! * A connection is only ever made to an address that was judged: names are judged when they are resolved for
//!   that very connection, so that one which changes its mind in between gains nothing, and addresses
//!   written into a URL, whatever their spelling, as what the client reads them to be.
//! * A name with several addresses is refused if one of them is. So is whatever cannot be judged.
//! * Redirects are not followed and no proxy is asked, so nothing else decides where a call goes.
//! * Only networks that an operator has named are open beside the public internet, and an IPv4 address within an
//!   IPv6 one has to be open as well.

pub mod address;
mod client;
mod resolver;

pub use client::GuardedClient;
pub(in crate::delivery) use client::Unanswered;
pub use resolver::{Guard, Lookup, System};

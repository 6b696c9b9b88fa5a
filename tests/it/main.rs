//! One binary for all tests that need no process of their own.
//!
//! Read `walk.rs` first: a browser event becomes a note and a line in the feed.

#[path = "../support/around.rs"]
mod around;
mod bad_input;
mod cli;
mod clock;
mod config;
mod delivery;
mod difference;
mod erasure;
mod feed;
mod fsm;
mod heart;
mod ingest;
mod intercom;
mod link;
mod metrics;
mod note;
mod product;
mod session;
mod store;
mod support;
mod upkeep;
mod walk;
mod wire;

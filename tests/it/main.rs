//! One binary for all tests that need no process of their own.
//!
//! Read `walk.rs` first: a browser event becomes a note and a line in the feed.

#[path = "../support/around.rs"]
mod around;
mod backlog;
mod bad_input;
#[path = "../support/chaos.rs"]
#[expect(dead_code, reason = "shared with tests that need worse weather")]
mod chaos;
mod cli;
mod client;
mod clock;
mod config;
mod deliveries;
mod delivery;
mod demo;
mod difference;
mod door;
mod erasure;
mod explain;
mod feed;
mod fsm;
mod heart;
mod help;
mod ingest;
mod instances;
mod intercom;
#[path = "../support/intercom_setup.rs"]
mod intercom_setup;
mod link;
mod loss;
mod metrics;
mod mirror;
mod note;
mod offers;
mod outbox;
mod proactive;
mod product;
mod push;
#[path = "../support/redis.rs"]
mod redis;
mod registration;
mod session;
mod spool;
mod start;
mod store;
mod support;
mod tail;
mod terminal;
mod upkeep;
mod walk;
mod wire;

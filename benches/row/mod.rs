//! The rows of the table, one module each.

mod crossing;
mod disk;
mod feed;
mod fleet;
mod footprint;
mod ingest;
mod instances;
mod isolation;
mod latency;
mod memory;
mod overload;
mod peer;
mod push;
mod redis;
pub(crate) mod service;
mod start;
mod storm;
mod takeover;
mod triggers;

use std::future::Future;
use std::pin::Pin;

use crate::arguments::Arguments;
use crate::figure::Figure;

type Measured<'a> = Pin<Box<dyn Future<Output = anyhow::Result<Vec<Figure>>> + 'a>>;

/// A row: its name on the command line, what it is about, how it is measured.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: fn(&Arguments) -> Measured<'_>,
}

/// All rows, in the order of the README's table.
pub(crate) const ALL: &[Row] = &[
    Row {
        name: "ingest",
        about: "closed loop of 64 connections, signed bodies of 1.5 KB, 10,000 sessions",
        run: |arguments| Box::pin(ingest::run(arguments)),
    },
    Row {
        name: "latency",
        about: "open loop at 5,000 requests a second, and 200 in flight",
        run: |arguments| Box::pin(latency::run(arguments)),
    },
    Row {
        name: "disk",
        about: "512 connections while every fsync takes 5 ms longer",
        run: |arguments| Box::pin(disk::run(arguments)),
    },
    Row {
        name: "feed",
        about: "1,000 subscribers, live and with a backlog",
        run: |arguments| Box::pin(feed::run(arguments)),
    },
    Row {
        name: "memory",
        about: "resident memory per feed connection and per session, and waking a session",
        run: |arguments| Box::pin(memory::run(arguments)),
    },
    Row {
        name: "isolation",
        about: "notes of one product while the vendor of another hangs",
        run: |arguments| Box::pin(isolation::run(arguments)),
    },
    Row {
        name: "overload",
        about: "three times as many requests as can be served",
        run: |arguments| Box::pin(overload::run(arguments)),
    },
    Row {
        name: "push",
        about: "from a signed request to a signed push that is marked done",
        run: |arguments| Box::pin(push::run(arguments)),
    },
    Row {
        name: "triggers",
        about: "20 triggers of three levels: a look at full windows, and ingest of sessions that have them",
        run: |arguments| Box::pin(triggers::run(arguments)),
    },
    Row {
        name: "storm",
        about: "ingest at 2,000 a second beside registrations and guessed keys",
        run: |arguments| Box::pin(storm::run(arguments)),
    },
    Row {
        name: "redis",
        about: "closed loop of 64 connections on a store in Redis, both on the servers' core",
        run: |arguments| Box::pin(redis::run(arguments)),
    },
    Row {
        name: "instances",
        about: "one, two and three instances on one Redis, all on the servers' core: what sharing costs",
        run: |arguments| Box::pin(instances::run(arguments)),
    },
    Row {
        name: "crossing",
        about: "from the answer of one instance to a subscriber of another, at half the load",
        run: |arguments| Box::pin(crossing::run(arguments)),
    },
    Row {
        name: "takeover",
        about: "instances are killed with work in hand (takes more than a minute, whatever is asked for)",
        run: |arguments| Box::pin(takeover::run(arguments)),
    },
    Row {
        name: "footprint",
        about: "memory of Redis per session that is known and rests",
        run: |arguments| Box::pin(footprint::run(arguments)),
    },
    Row {
        name: "start",
        about: "from exec to ready, with 10,000 sessions in the store",
        run: |arguments| Box::pin(start::run(arguments)),
    },
];

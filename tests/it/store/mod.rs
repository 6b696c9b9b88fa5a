//! Every backend passes one suite; what only a database in a file can do or suffer comes after it.
//!
//! The cast: a [`house::House`] is an open store with whatever it needs to live; a
//! [`house::Draft`] is a commit in the making; [`suite`] lists the checks.

mod ageing;
mod backups;
mod crowd;
mod damage;
mod deadlines;
mod erasure;
mod faults;
mod feed;
mod files;
mod groups;
mod guards;
mod history;
mod house;
mod lanes;
mod layout;
mod limits;
mod log;
mod model;
mod outbox;
mod redis;
mod reverse;
mod schema;
mod sentinels;
mod states;
mod story;
mod suite;
mod turns;

use suite::store_suite;

store_suite!(memory, super::house::memory());
store_suite!(sqlite, super::house::sqlite());
store_suite!(redis_server, super::house::redis());
store_suite!(redis_cluster, super::house::redis_cluster());

//! The store of many instances: one Redis, a cluster of them, or the one that Sentinels name.
//!
//! The cast: every tenant lives in one of a fixed number of **buckets**, and everything in a bucket has one hash
//! tag, so that a **script** may change all of it in one step, on a cluster too; the **writer** is where commits
//! wait for each other, and go as a group; the **link** is the connections, and knows which failure leaves a
//! commit's fate open; the **master** is the server that takes the writes, wherever it is; a **reply** is what
//! comes back, read with suspicion.
//!
//! Guarantees beyond those of [`super::Store`]:
//!
//! * A commit is one step of a script: it checks version and guards before it writes, and Redis runs nothing in
//!   between. Those of a group are judged one after another, and none fails because of another. Where memory or disk
//!   are exhausted Redis refuses the first write of the script, so it never writes half.
//! * [`super::Outcome::Committed`] is as durable as Redis is told to be: nothing acknowledged is lost with
//!   `appendfsync always` and `noeviction`.
//! * With Sentinels in the address a broken or silent connection, or one to a replica, is a reason to ask them
//!   again, for commands and for news alike.
//! * Scripts are sent again where Redis does not know them: after a restart, a failover, `SCRIPT FLUSH`.
//! * Questions about all tenants are one command, whatever the number of tenants, and one for each
//!   bucket on a cluster.
//! * No look at a clock: times are the caller's, and nothing expires by itself. [`SessionStates`] are no part of
//!   the store: they lie beside it, where the published SDK puts and expires them.
//!
//! Names and shapes of the keys are said at the top of `script/log.lua` and `script/outbox.lua`.

mod address;
mod age;
mod aside;
mod backend;
mod commit;
mod deadlines;
mod deliveries;
mod erase;
mod lease;
mod lines;
mod link;
mod lives;
mod log;
mod master;
mod meeting;
mod name;
mod news;
mod options;
mod reply;
mod script;
mod scrub;
mod states;
mod writer;

pub use address::Address;
pub use backend::Redis;
pub use options::Options;
pub use states::SessionStates;

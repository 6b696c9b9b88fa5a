//! The scripts, each with the functions that it uses before it.

use std::fmt::Write;
use std::sync::LazyLock;

use redis::{Arg, Cmd, ErrorKind, RedisError, ServerErrorKind, ToRedisArgs};
use sha1::{Digest, Sha1};

use super::commit::ORDINARY;
use super::link::REFUSALS;
use crate::domain::attempt::AttemptRecord;
use crate::store::{ATTEMPTS_MAX, CommitId, NEWS_MAX, WRITERS_MAX, WriterId};

/// A script and the name under which Redis remembers it.
pub(super) struct Script {
    pub(super) text: String,
    pub(super) sha: String,
}

/// Whether a server does not know a script by its name.
pub(super) fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// Asks for a script by its name, on buckets.
pub(super) fn by_name<B: ToRedisArgs>(script: &Script, bases: &[B]) -> Cmd {
    let mut command = redis::cmd("EVALSHA");
    command.arg(&script.sha).arg(bases.len()).arg(bases);
    command
}

/// The same with the whole text, for a server that does not know the script by its name.
pub(super) fn in_full(script: &Script, command: &Cmd) -> Cmd {
    let mut whole = redis::cmd("EVAL");
    whole.arg(&script.text);
    for arg in command.args_iter().skip(2) {
        if let Arg::Simple(bytes) = arg {
            whole.arg(bytes);
        }
    }
    whole
}

/// What scripts take from the program: one word per thing, said once.
fn constants() -> String {
    let lost = super::deliveries::attempt_text(&AttemptRecord::lost(0));
    format!(
        "local ATTEMPTS_MAX, NEWS_MAX = {ATTEMPTS_MAX}, {NEWS_MAX}\n\
         local WRITER_BYTES, ID_BYTES, IDS_BYTES = {}, {}, {}\n\
         local LOST = '{lost}'\n",
        size_of::<WriterId>(),
        size_of::<CommitId>(),
        WRITERS_MAX * size_of::<CommitId>(),
    )
}

fn script(parts: &[&str]) -> Script {
    let text = constants() + &parts.concat();
    let mut sha = String::new();
    for byte in Sha1::digest(text.as_bytes()) {
        let _ = write!(sha, "{byte:02x}");
    }
    Script { text, sha }
}

const PRELUDE: &str = include_str!("script/prelude.lua");
const OUTBOX: &str = include_str!("script/outbox.lua");
const STATE: &str = include_str!("script/state.lua");
const ENTRY: &str = include_str!("script/entry.lua");
const LOG: &str = concat!(
    include_str!("script/state.lua"),
    include_str!("script/entry.lua"),
    include_str!("script/log.lua")
);
const FIELDS: &str = include_str!("script/fields.lua");
const ROWS: &str = include_str!("script/rows.lua");

macro_rules! scripts {
    ($($name:ident = $file:literal after [$($part:expr),*];)*) => {$(
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            script(&[$($part,)* include_str!(concat!("script/", $file))])
        });
    )*};
}

scripts! {
    ANEW = "anew.lua" after [];
    LOAD = "load.lua" after [STATE];
    FEED = "feed.lua" after [LOG];
    INDEX = "index.lua" after [];
    HEAD = "head.lua" after [];
    HISTORY = "history.lua" after [LOG];
    DUE = "due.lua" after [];
    NEXT_DUE = "next_due.lua" after [];
    LEASE = "lease.lua" after [PRELUDE, OUTBOX];
    RETRY = "retry.lua" after [PRELUDE, OUTBOX];
    REPLAY = "replay.lua" after [PRELUDE, OUTBOX];
    REWIND = "rewind.lua" after [PRELUDE, OUTBOX];
    DELIVERIES = "deliveries.lua" after [FIELDS];
    DELIVERY = "delivery.lua" after [FIELDS];
    PARTS = "parts.lua" after [];
    OLDEST_DELIVERIES = "oldest_deliveries.lua" after [];
    OVERDUE = "overdue.lua" after [];
    AHEAD = "ahead.lua" after [];
    CLAIM = "claim.lua" after [];
    AGE = "age.lua" after [PRELUDE, OUTBOX, LOG];
    OLDEST = "oldest.lua" after [LOG];
    TRIM = "trim.lua" after [LOG];
    SET_ASIDE = "set_aside.lua" after [PRELUDE, OUTBOX, LOG];
    PARK = "park.lua" after [PRELUDE, OUTBOX];
    DEPTH = "depth.lua" after [];
    READY = "ready.lua" after [];
    LIFE = "life.lua" after [];
    TRACE = "trace.lua" after [LOG, ROWS];
    LOOK = "look.lua" after [LOG, ROWS];
    ERASE = "erase.lua" after [PRELUDE, OUTBOX, LOG, ROWS];
    LISTED = "listed.lua" after [];
}

/// The functions of the outbox are made anew whenever they are called, so that a commit does so only where it has
/// something for the outbox.
pub(super) static COMMIT: LazyLock<Script> = LazyLock::new(|| {
    let refusals: String = (REFUSALS.iter())
        .map(|code| format!("{code} = true, "))
        .collect();
    script(&[
        &format!("local REFUSALS, ORDINARY = {{ {refusals}}}, '{ORDINARY}'\n"),
        STATE,
        ENTRY,
        include_str!("script/commit.lua"),
        "\nlocal function outbox(base, product, key, now, at, works)\n",
        OUTBOX,
        include_str!("script/commit_outbox.lua"),
        "end\n\n",
        include_str!("script/commit_index.lua"),
        include_str!("script/commit_run.lua"),
    ])
});

//! The real service on failing disks, damaged files, a misbehaving vendor and a bad network.
//!
//! `cargo test --release --test faults` runs every case on the `serve` process over real HTTP; words
//! after `--` choose the cases whose names contain one of them. Disk faults are injected into the
//! running process by strace, which many systems leave to root; a small file system is mounted where
//! that is permitted; and bytes between processes pass a proxy that loses, delays and cuts them. Each family has a case that shows
//! that its checks can fail.
//!
//! With `STORE=redis` the store is on a Redis of its own, and cases about files are left out.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program of its own: it prints its results and reads its environment"
)]

#[path = "../support/around.rs"]
mod around;
#[path = "../support/chaos.rs"]
mod chaos;
mod clients;
mod damage;
mod disk;
mod inject;
#[path = "../support/look.rs"]
mod look;
#[path = "../support/mutant.rs"]
mod mutant;
#[path = "../support/redis.rs"]
#[expect(dead_code, reason = "shared with tests that do more to a server")]
mod redis;
#[path = "../support/sent.rs"]
mod sent;
#[path = "../support/server.rs"]
mod server;
mod space;
mod stage;
#[path = "../support/tally.rs"]
mod tally;
#[path = "../support/until.rs"]
mod until;
mod vendor;

use std::process::ExitCode;

use futures_util::future::LocalBoxFuture;
use server::Build;
use tally::Tally;

/// What is not tried with `STORE=redis`, by the beginning of its name, and why.
const OF_FILES: [(&str, &str); 3] = [
    (
        "disk:",
        "it is Redis that syncs; the crash test kills it, and others cut it off",
    ),
    (
        "space:",
        "it is Redis that has no room; the tests of the spool fill it",
    ),
    ("files:", "there is no file of the store"),
];

/// One case: its name, and what it does. It answers with what it saw.
type Case = (
    &'static str,
    LocalBoxFuture<'static, Result<String, String>>,
);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if_eq(mutant::FLAG).is_some() {
        return mutant::serve(arguments);
    }
    let wanted: Vec<String> = arguments.filter(|word| !word.starts_with('-')).collect();
    let left_out: &[_] = if redis::is_redis() { &OF_FILES } else { &[] };
    for (family, why) in left_out {
        println!("faults: {family} left out on Redis: {why}");
    }
    let is_wanted = |name: &str| {
        let is_left_out = left_out.iter().any(|(family, _)| name.starts_with(family));
        !is_left_out && (wanted.is_empty() || wanted.iter().any(|word| name.contains(word)))
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let mut tally = Tally::new("faults");
    for (name, case) in cases().into_iter().filter(|(name, _)| is_wanted(name)) {
        tally.tell(name, runtime.block_on(case));
    }
    tally.close()
}

/// Boxes the case, so that all are of one type.
macro_rules! cases {
    ($($name:literal: $case:expr;)*) => {
        vec![$(($name, Box::pin($case) as LocalBoxFuture<'static, _>)),*]
    };
}

fn cases() -> Vec<Case> {
    cases! {
        "disk: every sync fails": disk::no_sync(Build::Release);
        "disk: every sync of the log fails": disk::no_sync_of_the_log();
        "disk: every sync of the database fails": disk::no_sync_of_the_database();
        "disk: every seventh sync fails": disk::some_syncs_fail();
        "disk: every write fails": disk::no_write();
        "disk: every write finds no space": disk::no_space();
        "disk: a sync takes 5 ms": disk::slow_syncs(5_000);
        "disk: a sync takes 100 ms": disk::slow_syncs(100_000);
        "disk: a sync hangs": disk::hanging_sync();
        "disk: the log starts over after a failed sync": disk::the_log_starts_over();
        "disk: a log that goes on is caught": async { disk::a_log_that_goes_on_is_caught() };
        "disk: a build that acknowledges early is caught": caught(disk::no_sync(Build::AcknowledgesEarly));
        "disk: a build that never syncs is caught": caught(disk::no_sync(Build::NeverSyncs));
        "space: a file system is full, and room is made": space::file_system();
        "space: the store's own limit, and ageing makes room": space::limit();
        "space: an acknowledged action that is missing is caught": space::a_missing_action_is_caught();
        "files: a log damaged after the fact": damage::log_damaged_after_the_fact();
        "files: what the refusal advises works": damage::the_advice_works();
        "files: a log torn at its end": damage::log_torn_at_its_end();
        "files: a log that is found starts over": damage::a_log_that_is_found_starts_over();
        "files: an index of garbage": damage::index_of_garbage();
        "files: a database without its header": damage::header_of_the_database();
        "files: a database emptied beside its log": damage::database_emptied();
        "files: a directory instead of a database": damage::directory_instead();
        "files: not writable": damage::not_writable();
        "files: a start that should be refused is caught": damage::a_start_is_caught();
        "vendor: down": vendor::down();
        "vendor: accepts and takes nothing": vendor::black_hole();
        "vendor: processes and never answers": vendor::no_answer();
        "vendor: processes and resets": vendor::reset_after_processing();
        "vendor: an answer cut in the middle": vendor::answer_cut();
        "vendor: an answer that ends early": vendor::answer_half_closed();
        "vendor: an answer byte by byte": vendor::trickle();
        "vendor: too slow": vendor::too_slow();
        "vendor: slow": vendor::slow();
        "vendor: garbage": vendor::garbage();
        "vendor: huge headers": vendor::huge_headers();
        "vendor: an endless answer": vendor::endless();
        "vendor: an action told twice is caught": vendor::a_second_telling_is_caught();
        "clients: a request cut in the middle": clients::request_cut();
        "clients: a request that ends early": clients::request_half_closed();
        "clients: an answer lost after the commit": clients::answer_lost_after_commit();
        "clients: a wrong count is caught": clients::a_wrong_count_is_caught();
        "clients: a subscriber that takes nothing": clients::subscriber_black_holed();
    }
}

/// A case that must fail.
async fn caught(case: impl Future<Output = Result<String, String>>) -> Result<String, String> {
    match case.await {
        Ok(seen) => Err(format!("it passed ({seen}): the case has no power")),
        Err(reason) => Ok(reason.lines().next().unwrap_or_default().to_owned()),
    }
}

//! The disk fails under the running service, and mends.

use std::fs;
use std::path::Path;

use super::inject::Inject;
use super::sent::{self, Sent};
use super::server::Build;
use super::stage::{Answer, Stage, read};

/// How many sessions post while the disk fails.
const SESSIONS: usize = 20;

/// A disk on which a call fails, always or every so often.
struct Fault {
    rule: &'static str,
    /// The suffix of the file it concerns; every file where there is none.
    file: Option<&'static str>,
}

/// Commits fail while the fault lasts: each is refused and nothing is lost; afterwards all is well
/// without a restart.
async fn outage(build: Build, fault: Fault) -> Result<String, String> {
    let mut stage = Stage::alone(build, &[("retention.interval_ms", "200")])?;
    for session in ["before", "s0", "s1"] {
        accepted(&mut stage, session).await?;
    }
    let inject = begin(&stage, &fault)?;
    let mut codes = Vec::new();
    for number in 0..SESSIONS {
        match stage.post(&format!("s{number}")).await? {
            Answer::Accepted => return Err("answered 200 although no commit succeeds".to_owned()),
            Answer::Refused(code) => codes.push(code),
        }
        stage.is_alive().await?;
    }
    let reason = stage.until_red().await?;
    // What does not need a commit goes on.
    let refused = stage
        .metric("connector_commits_total{outcome=\"not_written\"}")
        .await?
        + stage
            .metric("connector_commits_total{outcome=\"unknown\"}")
            .await?;
    if refused < 1.0 {
        return Err("no metric tells of refused commits".to_owned());
    }
    inject.end();
    stage.until_green().await?;
    stage.post_open().await?;
    said_once_per_change(&stage).await?;
    let count = survives(&mut stage).await?;
    codes.dedup();
    Ok(format!(
        "{SESSIONS} requests refused ({}; ready: {reason}), {count} actions kept",
        codes.join(", ")
    ))
}

pub(crate) async fn no_sync(build: Build) -> Result<String, String> {
    let rule = "fsync,fdatasync:error=EIO";
    outage(build, Fault { rule, file: None }).await
}

pub(crate) async fn no_sync_of_the_log() -> Result<String, String> {
    let fault = Fault {
        rule: "fsync,fdatasync:error=EIO",
        file: Some("-wal"),
    };
    outage(Build::Release, fault).await
}

pub(crate) async fn no_write() -> Result<String, String> {
    let rule = "pwrite64:error=EIO";
    outage(Build::Release, Fault { rule, file: None }).await
}

pub(crate) async fn no_space() -> Result<String, String> {
    let rule = "pwrite64:error=ENOSPC";
    outage(Build::Release, Fault { rule, file: None }).await
}

/// Every seventh sync fails, from the fourth on: some commits succeed, and exactly those are kept.
pub(crate) async fn some_syncs_fail() -> Result<String, String> {
    let mut stage = Stage::alone(Build::Release, &[])?;
    accepted(&mut stage, "before").await?;
    let rule = "fsync,fdatasync:error=EIO:when=4+7";
    let inject = begin(&stage, &Fault { rule, file: None })?;
    let (mut taken, mut refused) = (0, 0);
    for number in 0..60 {
        match stage.post(&format!("s{}", number % 5)).await? {
            Answer::Accepted => taken += 1,
            Answer::Refused(_) => refused += 1,
        }
    }
    let failures = stage.said("commits fail");
    inject.end();
    stage.until_green().await?;
    stage.post_open().await?;
    let count = survives(&mut stage).await?;
    if failures == 0 || taken == 0 {
        return Err(format!(
            "{failures} outages, {taken} taken: nothing was tried"
        ));
    }
    Ok(format!(
        "{failures} short outages, {taken} taken at once, {refused} refused, {count} actions kept"
    ))
}

/// The database cannot be synced: commits go into the log, which must not grow without bound.
pub(crate) async fn no_sync_of_the_database() -> Result<String, String> {
    let mut stage = Stage::alone(Build::Release, &[("store.checkpoint_pages", "40")])?;
    accepted(&mut stage, "before").await?;
    let fault = Fault {
        rule: "fsync,fdatasync:error=EIO",
        file: Some(""),
    };
    let inject = begin(&stage, &fault)?;
    let mut taken = 0;
    let refused = loop {
        if taken > 500 {
            return Err(
                "commits go on without end although the log cannot be folded back".to_owned(),
            );
        }
        match stage.post(&format!("s{}", taken % 3)).await? {
            Answer::Accepted => taken += 1,
            Answer::Refused(code) => break code,
        }
    };
    let bytes = fs::metadata(stage.file("-wal")).map_or(0, |metadata| metadata.len());
    stage.until_red().await?;
    inject.end();
    stage.until_green().await?;
    stage.post_open().await?;
    let count = survives(&mut stage).await?;
    // Four times forty pages, and the group that reached the bound.
    if bytes > 300 * 4_120 {
        return Err(format!("the log grew to {bytes} bytes"));
    }
    Ok(format!(
        "{taken} commits until refused ({refused}) at {bytes} bytes of log, {count} actions kept"
    ))
}

/// A slow disk is slow, and that is all.
pub(crate) async fn slow_syncs(delay_us: u32) -> Result<String, String> {
    let mut stage = Stage::alone(Build::Release, &[])?;
    let rule = format!("fsync,fdatasync:delay_exit={delay_us}");
    let trace = stage.home.path().join("trace");
    let inject = Inject::begin(stage.server().id(), &rule, None, &trace)?;
    for number in 0..30 {
        accepted(&mut stage, &format!("s{}", number % 5)).await?;
    }
    if let Some(reason) = stage.trouble().await? {
        return Err(format!("slow, but red: {reason}"));
    }
    inject.end();
    let count = survives(&mut stage).await?;
    Ok(format!("{count} actions, none refused"))
}

/// A sync hangs: the request waits, readiness tells, and once the disk moves both end well.
pub(crate) async fn hanging_sync() -> Result<String, String> {
    let mut stage = Stage::alone(Build::Release, &[])?;
    accepted(&mut stage, "before").await?;
    let rule = "fsync,fdatasync:delay_enter=8000000:when=1";
    let inject = begin(&stage, &Fault { rule, file: None })?;
    let (client, url) = (stage.client.clone(), stage.url().to_owned());
    let label = sent::label("s0", 0);
    let waiting = sent::send(&client, &url, "s0", &label);
    let watching = async {
        let reason = stage.until_red().await?;
        stage.is_alive().await?;
        inject.end();
        Ok::<_, String>(reason)
    };
    let (waiting, reason) = tokio::join!(waiting, watching);
    let (answer, reason) = (
        read(waiting.map_err(|error| error.to_string())?).await?,
        reason?,
    );
    stage.until_green().await?;
    stage.sent.push(Sent {
        session: "s0".to_owned(),
        acknowledged: vec![label],
        open: None,
    });
    let count = survives(&mut stage).await?;
    if answer != Answer::Accepted {
        return Err(format!("the request that waited was answered {answer:?}"));
    }
    Ok(format!("ready: {reason}; {count} actions kept"))
}

/// After a failed sync nothing is appended to the log before it has started over: the pages that the
/// failed sync gave up count as clean, and no later sync would bring them to the disk.
pub(crate) async fn the_log_starts_over() -> Result<String, String> {
    let mut stage = Stage::alone(Build::Release, &[])?;
    accepted(&mut stage, "before").await?;
    let rule = "fsync,fdatasync:error=EIO:when=2";
    let trace = stage.home.path().join("trace");
    let inject = Inject::begin(stage.server().id(), rule, None, &trace)?;
    for number in 0..5 {
        stage.post(&format!("s{number}")).await?;
    }
    inject.end();
    stage.post_open().await?;
    survives(&mut stage).await?;
    judge(&fs::read_to_string(&trace).map_err(|error| error.to_string())?)
}

/// The judge of the case above knows a log that went on.
pub(crate) fn a_log_that_goes_on_is_caught() -> Result<String, String> {
    let trace = "7 fsync(12</d/x.db-wal>) = -1 EIO (Input/output error) (INJECTED)\n\
        7 pwrite64(12</d/x.db-wal>, \"\"..., 24, 4152) = 24\n";
    match judge(trace) {
        Ok(said) => Err(format!("it passed ({said}): the judge has no power")),
        Err(reason) => Ok(reason),
    }
}

fn judge(trace: &str) -> Result<String, String> {
    let mut is_suspect = false;
    let mut times = 0;
    for line in trace.lines().filter(|line| line.contains("-wal>")) {
        if line.contains("sync(") && line.contains("EIO") {
            is_suspect = true;
        } else if line.contains("ftruncate(") && line.contains(">, 0") {
            times += usize::from(is_suspect);
            is_suspect = false;
        } else if line.contains("pwrite64(") && is_suspect {
            return Err("the log was written to after a failed sync".to_owned());
        }
    }
    if times == 0 {
        return Err("no sync of the log failed: nothing was tried".to_owned());
    }
    Ok(format!("the log started over after {times} failed syncs"))
}

fn begin(stage: &Stage, fault: &Fault) -> Result<Inject, String> {
    let file = fault.file.map(|suffix| stage.file(suffix));
    let file = file.as_deref().map(Path::to_owned);
    let trace = stage.home.path().join("trace");
    Inject::begin(stage.server().id(), fault.rule, file.as_deref(), &trace)
}

pub(crate) async fn accepted(stage: &mut Stage, session: &str) -> Result<(), String> {
    match stage.post(session).await? {
        Answer::Accepted => Ok(()),
        Answer::Refused(code) => Err(format!("{session} was refused: {code}")),
    }
}

/// Kill and restart: everything acknowledged is there.
pub(crate) async fn survives(stage: &mut Stage) -> Result<usize, String> {
    stage.restart()?;
    stage.feed_is_exact().await
}

/// An outage is one line, and its end another, however many requests met it.
pub(crate) async fn said_once_per_change(stage: &Stage) -> Result<(), String> {
    stage.hear("commits succeed again").await?;
    let (began, ended) = (
        stage.said("commits fail"),
        stage.said("commits succeed again"),
    );
    let per_request = stage.said("not taken in");
    if (began, ended, per_request) == (1, 1, 0) {
        return Ok(());
    }
    Err(format!(
        "the log tells {began} beginnings and {ended} ends of one outage, and {per_request} requests"
    ))
}

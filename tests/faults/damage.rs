//! Files that were damaged while the service was not running: it recovers what checksums allow, or
//! refuses to start in one sentence that says what to do, and then leaves the files alone.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;

use super::disk::{accepted, survives};
use super::server::{Build, Server};
use super::stage::Stage;

/// Bytes of the log's header, of a frame's header, and of a page.
const HEADER: usize = 32;
const FRAME: usize = 24 + 4096;

/// Somebody who may not write: nobody.
const NOBODY: u32 = 65_534;

/// A store whose process was killed with a log full of commits.
async fn killed() -> Result<Stage, String> {
    let mut stage = Stage::alone(Build::Release, &[])?;
    for number in 0..30 {
        accepted(&mut stage, &format!("s{}", number % 3)).await?;
    }
    stage.stop()?;
    Ok(stage)
}

/// Changes the bytes of a file of the store.
fn change(stage: &Stage, suffix: &str, change: impl FnOnce(&mut Vec<u8>)) -> Result<(), String> {
    let path = stage.file(suffix);
    let mut bytes = fs::read(&path).map_err(|error| error.to_string())?;
    change(&mut bytes);
    fs::write(&path, bytes).map_err(|error| error.to_string())
}

/// The start is refused with a sentence that holds all `words`; no file is touched.
fn refused(stage: &Stage, words: &[&str]) -> Result<String, String> {
    let before = contents(stage);
    let mut command = stage.home.command(Build::Release);
    let sentence = refusal(Server::start(&mut command), words)?;
    if contents(stage) != before {
        return Err("the files were touched".to_owned());
    }
    Ok(sentence)
}

fn refusal(started: Result<Server, String>, words: &[&str]) -> Result<String, String> {
    let said = match started {
        Ok(_) => return Err("it started all the same".to_owned()),
        Err(said) => said,
    };
    let last = said.lines().last().unwrap_or_default().to_owned();
    let is_refusal = said.contains("exit status: 1") && !said.contains("panicked");
    if is_refusal && words.iter().all(|word| last.contains(word)) {
        return Ok(last);
    }
    Err(format!("expected a sentence with {words:?}, but:\n{said}"))
}

fn contents(stage: &Stage) -> [Option<Vec<u8>>; 2] {
    ["", "-wal"].map(|suffix| fs::read(stage.file(suffix)).ok())
}

/// Without the commits of the log's end, which nobody can tell from one that was never finished.
async fn recovers_all_but_the_end(mut stage: Stage) -> Result<(usize, usize), String> {
    stage.restart_as_found()?;
    let lost = stage.forget_what_is_missing().await?;
    let kept = survives(&mut stage).await?;
    Ok((lost, kept))
}

/// The log's header, and a frame that others follow.
pub(crate) async fn log_damaged_after_the_fact() -> Result<String, String> {
    let mut said = String::new();
    // In the header; in a page, a checksum and a salt of frames in the middle.
    for at in [
        3,
        17,
        HEADER + FRAME * 4 + 700,
        HEADER + FRAME * 6 + 17,
        HEADER + FRAME * 8 + 9,
    ] {
        let stage = killed().await?;
        change(&stage, "-wal", |bytes| bytes[at] ^= 0x10)?;
        said = refused(
            &stage,
            &["write-ahead log", "damaged", "backup", "truncate -s"],
        )?;
    }
    Ok(said)
}

/// What the refusal advises works: everything before the damage is there.
pub(crate) async fn the_advice_works() -> Result<String, String> {
    let stage = killed().await?;
    change(&stage, "-wal", |bytes| {
        let middle = bytes.len() / FRAME / 2;
        bytes[HEADER + FRAME * middle + 100] ^= 1;
    })?;
    let said = refused(&stage, &["truncate -s "])?;
    let bytes = said.split("truncate -s ").nth(1);
    let bytes = bytes.and_then(|rest| rest.split(' ').next()?.parse().ok());
    let bytes: usize = bytes.ok_or("the sentence names no size")?;
    change(&stage, "-wal", |log| log.truncate(bytes))?;
    let (lost, kept) = recovers_all_but_the_end(stage).await?;
    if lost == 0 || kept < 10 {
        return Err(format!(
            "{lost} lost and {kept} kept by giving up the later half"
        ));
    }
    Ok(format!(
        "{lost} actions after the damage given up, {kept} kept"
    ))
}

/// The last frame, the last bytes, and everything after some point.
pub(crate) async fn log_torn_at_its_end() -> Result<String, String> {
    let mut seen = Vec::new();
    type Tear = fn(&mut Vec<u8>);
    let tears: [Tear; 4] = [
        |bytes| {
            let last = bytes.len() - 50;
            bytes[last] ^= 1;
        },
        |bytes| bytes.truncate(bytes.len() - 1),
        |bytes| bytes.truncate(HEADER + FRAME * 20 + 11),
        |bytes| bytes.extend([7; FRAME + 5]),
    ];
    for tear in tears {
        let stage = killed().await?;
        change(&stage, "-wal", tear)?;
        let (lost, kept) = recovers_all_but_the_end(stage).await?;
        seen.push(format!("{lost} lost, {kept} kept"));
    }
    Ok(seen.join("; "))
}

/// Nobody knows what of a log that is found has reached the disk, so nothing is appended to it: what it
/// holds goes into the database first, and it starts over.
pub(crate) async fn a_log_that_is_found_starts_over() -> Result<String, String> {
    let mut stage = killed().await?;
    let found = contents(&stage)[1].as_ref().map_or(0, Vec::len);
    stage.restart_as_found()?;
    accepted(&mut stage, "s0").await?;
    let now = contents(&stage)[1].as_ref().map_or(0, Vec::len);
    let count = survives(&mut stage).await?;
    if now >= found {
        return Err(format!(
            "a log of {found} bytes was found and grew to {now}"
        ));
    }
    Ok(format!(
        "{found} bytes of log became {now}, {count} actions kept"
    ))
}

/// The shared memory is only an index of the log and is made anew.
pub(crate) async fn index_of_garbage() -> Result<String, String> {
    let mut stage = killed().await?;
    change(&stage, "-shm", |bytes| bytes.fill(0xa5))?;
    stage.restart_as_found()?;
    let count = survives(&mut stage).await?;
    Ok(format!("{count} actions kept"))
}

pub(crate) async fn header_of_the_database() -> Result<String, String> {
    let mut stage = killed().await?;
    stage.restart_as_found()?;
    stage.stop_gently()?;
    change(&stage, "", |bytes| bytes[..16].fill(0))?;
    refused(&stage, &["not a database", "backup"])
}

/// An empty or missing database beside a log full of commits: opening it would delete the log.
pub(crate) async fn database_emptied() -> Result<String, String> {
    let stage = killed().await?;
    change(&stage, "", Vec::clear)?;
    refused(&stage, &["missing or empty", "backup"])?;
    fs::remove_file(stage.file("")).map_err(|error| error.to_string())?;
    refused(&stage, &["missing or empty", "backup"])
}

pub(crate) async fn directory_instead() -> Result<String, String> {
    let stage = killed().await?;
    for suffix in ["", "-wal", "-shm"] {
        fs::remove_file(stage.file(suffix)).map_err(|error| error.to_string())?;
    }
    fs::create_dir(stage.file("")).map_err(|error| error.to_string())?;
    refused(&stage, &["is a directory"])
}

/// Files that may not be written, in a directory that may; then a directory that may not.
pub(crate) async fn not_writable() -> Result<String, String> {
    let stage = killed().await?;
    let home = stage.home.path();
    let program = home.join("event-connector");
    let own = stage.home.command(Build::Release);
    fs::copy(own.get_program(), &program).map_err(|error| error.to_string())?;
    open_to_nobody(home)?;
    let data = home.join("data");
    let start = || {
        let mut command = std::process::Command::new(&program);
        command.args(own.get_args());
        if is_root(home) {
            command.uid(NOBODY).gid(NOBODY);
        }
        Server::start(&mut command)
    };
    set_mode(&stage.file(""), 0o400)?;
    let of_file = refusal(start(), &["event-connector.db", "writable by this user"])?;
    set_mode(&stage.file(""), 0o600)?;
    set_mode(&data, 0o500)?;
    fs::remove_file(stage.file(".lock")).map_err(|error| error.to_string())?;
    let of_directory = refusal(start(), &["event-connector.db", "writable by this user"])?;
    set_mode(&data, 0o700)?;
    start()?.kill();
    Ok(format!("{of_file} / {of_directory}"))
}

/// Whether permissions have to be tried as somebody else, because they do not bind us.
fn is_root(home: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(home).is_ok_and(|metadata| metadata.uid() == NOBODY)
}

/// Gives everything to nobody where we may; otherwise it stays ours and its permissions bind us.
fn open_to_nobody(directory: &Path) -> Result<(), String> {
    let entries = fs::read_dir(directory).map_err(|error| error.to_string())?;
    for entry in entries.flatten() {
        if entry.path().is_dir() {
            open_to_nobody(&entry.path())?;
        } else {
            // Refused to all but root.
            let _ = chown(entry.path(), Some(NOBODY), Some(NOBODY));
        }
    }
    let _ = chown(directory, Some(NOBODY), Some(NOBODY));
    Ok(())
}

fn set_mode(path: &Path, mode: u32) -> Result<(), String> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|error| error.to_string())
}

/// The check beneath these cases knows a start that was not refused.
pub(crate) async fn a_start_is_caught() -> Result<String, String> {
    let stage = killed().await?;
    match refused(&stage, &["backup"]) {
        Ok(said) => Err(format!("it passed ({said}): the check has no power")),
        Err(reason) => Ok(reason),
    }
}

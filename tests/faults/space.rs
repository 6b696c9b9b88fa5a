//! The store is full, and room returns.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::disk::{accepted, said_once_per_change, survives};
use super::look::until;
use super::server::Build;
use super::stage::{Answer, Stage};

/// Enough for a young store, and soon full.
const FILE_SYSTEM_BYTES: u64 = 8 << 20;

/// What stands on it until room is made.
const BALLAST_BYTES: u64 = 3 << 20;

/// A small file system of its own; unmounted when dropped.
struct Small {
    at: PathBuf,
}

impl Small {
    /// Mounts one below `home`; an error where that is not permitted.
    fn mount(home: &Path) -> Result<Self, String> {
        let (image, at) = (home.join("image"), home.join("small"));
        let made = fs::File::create(&image).and_then(|file| file.set_len(FILE_SYSTEM_BYTES));
        made.and_then(|()| fs::create_dir(&at))
            .map_err(|error| error.to_string())?;
        run(Command::new("mkfs.ext4")
            .args(["-q", "-m", "0"])
            .arg(&image))?;
        run(Command::new("mount")
            .args(["-o", "loop"])
            .args([&image, &at]))?;
        Ok(Self { at })
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily, because the last process may not have let go yet.
        let _ = run(Command::new("umount").arg("-l").arg(&self.at));
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.output() {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => Err(format!("{name}: {}", String::from_utf8_lossy(&done.stderr))),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

/// A real file system fills up and is given room again. Where none can be mounted the store's own limit
/// is lifted by ageing instead, which the case beside this one does as well; the output says so.
pub(crate) async fn file_system() -> Result<String, String> {
    let place = tempfile::tempdir().map_err(|error| error.to_string())?;
    let small = match Small::mount(place.path()) {
        Ok(small) => small,
        Err(reason) => {
            let seen = limit().await?;
            return Ok(format!(
                "by store.bytes_max, for want of a mount: {reason}; {seen}"
            ));
        }
    };
    let ballast = small.at.join("ballast");
    let weight = vec![0; usize::try_from(BALLAST_BYTES).unwrap_or_default()];
    fs::write(&ballast, weight).map_err(|error| error.to_string())?;
    let path = format!("{:?}", small.at.join("store.db"));
    let settings = [
        ("store.path", path.as_str()),
        ("store.checkpoint_pages", "100"),
    ];
    let mut stage = Stage::alone(Build::Release, &settings)?;
    let taken = fill(&mut stage).await?;
    let reason = stage.until_red().await?;
    stage.is_alive().await?;
    fs::remove_file(&ballast).map_err(|error| error.to_string())?;
    stage.until_green().await?;
    stage.post_open().await?;
    said_once_per_change(&stage).await?;
    let count = survives(&mut stage).await?;
    stage.stop()?;
    Ok(format!(
        "a mounted file system: full ({reason}) after {taken} actions, {count} kept"
    ))
}

/// The store's own limit is reached, and ageing makes room.
pub(crate) async fn limit() -> Result<String, String> {
    let settings = [
        ("store.bytes_max", "400000"),
        ("retention.log_s", "1"),
        // Seldom, so that even a slow machine fills the store in between.
        ("retention.interval_ms", "8000"),
    ];
    let mut stage = Stage::alone(Build::Release, &settings)?;
    let taken = fill(&mut stage).await?;
    // Ageing may make room at any moment, so that red may have passed.
    stage.hear("commits fail").await?;
    stage.is_alive().await?;
    until("what is old has made room", async || {
        stage.post_open().await.map_or(Ok(None), |()| Ok(Some(())))
    })
    .await?;
    stage.until_green().await?;
    let aged = stage.metric("connector_aged_total{kind=\"entry\"}").await?;
    if aged < 1.0 {
        return Err("it recovered although nothing was aged".to_owned());
    }
    stage.restart()?;
    stage.until_green().await?;
    Ok(format!(
        "full after {taken} actions, well again after {aged} aged entries"
    ))
}

/// Posts until refused for want of room.
async fn fill(stage: &mut Stage) -> Result<usize, String> {
    for taken in 0..50_000 {
        match stage.post(&format!("s{}", taken % 8)).await? {
            Answer::Accepted => {}
            Answer::Refused(code) if code == "store_full" || code == "store_unavailable" => {
                return Ok(taken);
            }
            Answer::Refused(code) => return Err(format!("refused with {code}")),
        }
    }
    Err("it is never full".to_owned())
}

/// A commit that is on the feed no more is missed: the check beneath all cases of this family.
pub(crate) async fn a_missing_action_is_caught() -> Result<String, String> {
    let mut stage = Stage::alone(Build::Release, &[])?;
    for _ in 0..3 {
        accepted(&mut stage, "s0").await?;
    }
    stage.sent[0].acknowledged.insert(1, "s0x99999".to_owned());
    match stage.feed_is_exact().await {
        Ok(_) => Err("it passed: the check has no power".to_owned()),
        Err(reason) => Ok(reason),
    }
}

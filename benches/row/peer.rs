//! The same work in Python: FastAPI on uvicorn with the published SDK's classes, in memory.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use super::service::free_address;
use crate::load::request::SECRET;
use crate::process::{Process, pinned, say};

/// Starts it with its notes going to `vendor`, installing it first where it is not.
pub(crate) async fn start(vendor: SocketAddr) -> anyhow::Result<Process> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let environment = install(home)?;
    let address = free_address()?;
    let mut command = pinned(environment.join("bin/python"));
    command
        .args(["-m", "uvicorn", "app:app", "--app-dir"])
        .arg(home.join("benches/peer"))
        .args(["--host", "127.0.0.1", "--port", &address.port().to_string()])
        .args(["--loop", "uvloop", "--http", "httptools", "--no-access-log"])
        .args(["--log-level", "warning"])
        .env("SECRET", SECRET)
        .env("VENDOR", format!("http://{vendor}"));
    Process::start_at(command, address).await
}

/// A virtual environment below `target`, made once.
fn install(home: &Path) -> anyhow::Result<PathBuf> {
    let environment = home.join("target/bench-peer");
    let requirements = home.join("benches/peer/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements)?;
    let marker = environment.join("installed.txt");
    if std::fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(environment);
    }
    say("  installing the Python service (once)");
    let run = |command: &mut Command| -> anyhow::Result<()> {
        let done = command.stdout(Stdio::null()).status();
        ensure!(done?.success(), "{command:?} failed");
        Ok(())
    };
    run(Command::new("python3")
        .args(["-m", "venv"])
        .arg(&environment))
    .context("Python 3 with venv is needed")?;
    run(Command::new(environment.join("bin/pip"))
        .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(&requirements))?;
    std::fs::write(&marker, wanted)?;
    Ok(environment)
}

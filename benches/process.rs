//! Servers under measurement: pinned to a core, read from the kernel.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use event_connector::clock::Clock;

use crate::arguments::Role;

/// Where servers run.
pub(crate) const SERVER_CORE: usize = 0;

/// Where load is made.
pub(crate) const LOAD_CORE: usize = 1;

/// Kernel ticks per second, as `/proc` counts them on Linux.
const TICKS_PER_S: f64 = 100.0;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(60);

/// A running server; killed when dropped.
pub(crate) struct Process {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The process that serves: the child itself, or what a tracer runs.
    pid: u32,
}

/// A line for whoever watches.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Keeps this process and its future threads on one core.
pub(crate) fn pin_this_process(core: usize) -> anyhow::Result<()> {
    let pid = std::process::id().to_string();
    let done = Command::new("taskset")
        .args(["-acp", &core.to_string(), &pid])
        .stdout(Stdio::null())
        .status()
        .context("taskset is needed (package util-linux)")?;
    ensure!(done.success(), "this machine has no core {core}");
    Ok(())
}

/// `program` on the servers' core.
pub(crate) fn pinned(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new("taskset");
    command
        .args(["-c", &SERVER_CORE.to_string()])
        .arg(program.as_ref());
    command
}

/// This binary as a reference program on the servers' core.
pub(crate) fn role(role: Role, directory: &Path) -> anyhow::Result<Command> {
    let name = match role {
        Role::Noop => "noop",
        Role::Log => "log",
        Role::Null => "null",
        Role::Feed => "feed",
    };
    let mut command = pinned(std::env::current_exe()?);
    command.args(["--role", name, "--directory"]).arg(directory);
    Ok(command)
}

impl Process {
    /// Starts a program that prints the address it listens on as its first line.
    pub(crate) fn start(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let stdout = child.stdout.take().context("a pipe")?;
        let address = first_line(stdout)?;
        let address = address
            .trim()
            .parse()
            .with_context(|| format!("the server said {address:?}"))?;
        let pid = child.id();
        Ok(Self {
            child,
            address,
            pid,
        })
    }

    /// Starts a program that listens on `address` and says nothing; waits until it accepts.
    pub(crate) async fn start_at(
        mut command: Command,
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let clock = Clock::system();
        let began = clock.monotonic();
        while tokio::net::TcpStream::connect(address).await.is_err() {
            ensure!(clock.since(began) < START, "{command:?} does not listen");
            if let Some(status) = child.try_wait()? {
                anyhow::bail!("{command:?} ended with {status}");
            }
            clock.sleep(Duration::from_millis(1)).await;
        }
        let pid = serving(child.id());
        Ok(Self {
            child,
            address,
            pid,
        })
    }

    /// Processor time so far, seconds, of all threads.
    pub(crate) fn busy_s(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks =
            |at: usize| -> f64 { fields.get(at).and_then(|f| f.parse().ok()).unwrap_or(0.0) };
        (ticks(11) + ticks(12)) / TICKS_PER_S
    }

    /// Resident memory, bytes.
    pub(crate) fn resident_bytes(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kb = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
        kb.unwrap_or(0.0) * 1024.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The whole group, so that what a tracer runs ends with it.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}

fn first_line(stdout: ChildStdout) -> anyhow::Result<String> {
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    Ok(line)
}

/// The process that serves under `pid`: its youngest descendant, or itself.
fn serving(pid: u32) -> u32 {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let children = fs::read_to_string(path).unwrap_or_default();
    let child = children
        .split_whitespace()
        .next()
        .and_then(|id| id.parse().ok());
    child.map_or(pid, serving)
}

//! Makes system calls of a running process fail, and stops doing so.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use event_connector::tasks::Tasks;

/// A tracer that is attached; it lets go when dropped.
pub(crate) struct Inject {
    tracer: Child,
}

impl Inject {
    /// Attaches to the process `id`, which some systems leave to root, and returns once every thread of
    /// it is under the `rule`, which is strace's: `fsync:error=EIO`. With a `file`, only calls on that
    /// file are touched. What the calls did is written to `trace`.
    pub(crate) fn begin(
        id: u32,
        rule: &str,
        file: Option<&Path>,
        trace: &Path,
    ) -> Result<Self, String> {
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-s", "0", "-p", &id.to_string()]);
        command.args(["-e", "trace=fsync,fdatasync,pwrite64,ftruncate"]);
        command.args(["-e", &format!("inject={rule}")]);
        if let Some(file) = file {
            command.arg("-P").arg(file);
        }
        command.arg("-o").arg(trace);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let spawned = command.stderr(Stdio::piped()).spawn();
        let mut tracer = spawned.map_err(|error| {
            format!("strace is needed for these faults (apt-get install strace): {error}")
        })?;
        let stderr = tracer.stderr.take().expect("stderr is piped");
        let (said, heard) = mpsc::channel();
        Tasks::thread(
            "tracer",
            Box::new(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    // Once nobody listens the pipe is still drained, so that the tracer never blocks.
                    let _ = said.send(line);
                }
            }),
        );
        let attached = Self { tracer };
        let mut lines = Vec::new();
        while let Ok(line) = heard.recv_timeout(Duration::from_secs(20)) {
            if line.contains(" attached") {
                return Ok(attached);
            }
            lines.push(line);
        }
        Err(format!(
            "strace did not attach (run as root, or with kernel.yama.ptrace_scope = 0):\n{}",
            lines.join("\n")
        ))
    }

    /// Lets go: from now on calls do what they should.
    pub(crate) fn end(self) {
        drop(self);
    }
}

impl Drop for Inject {
    fn drop(&mut self) {
        let id = self.tracer.id().to_string();
        // A tracer that is asked to end detaches first; one that is killed might not.
        let _ = Command::new("kill").args(["-INT", &id]).status();
        let _ = self.tracer.wait();
    }
}

//! What the kernel was asked to do before an answer left.

use std::collections::HashSet;
use std::fs;
use std::process::Command;

use super::load;
use super::sent;
use super::server::{Build, Home, Server};

/// How many requests are made, one after the other.
const REQUESTS: usize = 50;

/// Runs the service under strace and checks that between two answers the write-ahead log was synced.
pub(crate) async fn syncs(build: Build) -> Result<String, String> {
    let home = Home::new("http://127.0.0.1:9", &[]);
    let trace = home.path().join("trace");
    let plain = home.command(build);
    let mut traced = Command::new("strace");
    traced
        .args([
            "-f",
            "-y",
            "-s",
            "24",
            "-e",
            "trace=fsync,fdatasync,write,writev,sendto,sendmsg",
        ])
        .arg("-o")
        .arg(&trace)
        .arg(plain.get_program())
        .args(plain.get_args());
    let server = Server::start(&mut traced).map_err(|error| {
        format!("strace is needed for this proof (apt-get install strace): {error}")
    })?;
    let client = reqwest::Client::builder()
        .build()
        .map_err(|error| error.to_string())?;
    for number in 0..REQUESTS {
        let label = sent::label("traced", number);
        if !load::post(&client, &server.url, "traced", &label).await {
            return Err(format!("{label} was refused"));
        }
    }
    end(server)?;
    let text = fs::read_to_string(&trace).map_err(|error| error.to_string())?;
    judge(&text)
}

/// Asks the traced process to end and waits until its tracer has seen it end: a tracer that is killed
/// first would take the request with it and leave the process behind.
fn end(mut server: Server) -> Result<(), String> {
    let tracer = server.id().to_string();
    let asked = Command::new("pkill")
        .args(["-TERM", "-P", &tracer])
        .status();
    asked.map_err(|error| error.to_string())?;
    server.wait()
}

/// Reads the trace line by line. A sync that another thread's line interrupts ends on a line of its
/// own, which names the thread but not the file.
fn judge(trace: &str) -> Result<String, String> {
    let mut syncing: HashSet<&str> = HashSet::new();
    let mut synced = false;
    let mut answers = 0;
    for line in trace.lines() {
        let thread = line.split_whitespace().next().unwrap_or_default();
        let of_log = line.contains("sync(") && line.contains("-wal>");
        let ended = line.contains("sync resumed>") && syncing.remove(thread);
        if of_log && line.contains("<unfinished") {
            syncing.insert(thread);
        } else if (of_log || ended) && line.ends_with("= 0") {
            synced = true;
        } else if line.contains("\"HTTP/1.1 200") {
            answers += 1;
            if !synced {
                return Err(format!(
                    "answer {answers} left before its commit was synced:\n{line}"
                ));
            }
            synced = false;
        }
    }
    if answers < REQUESTS {
        return Err(format!(
            "only {answers} of {REQUESTS} answers were seen in the trace"
        ));
    }
    Ok(format!(
        "{answers} answers, each after a sync of the write-ahead log"
    ))
}

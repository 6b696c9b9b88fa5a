//! `tail` on the binary as people run it.

mod resume;
mod shown;
mod terminal;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use event_connector::tasks::Tasks;
use serde_json::Value;

use crate::cli::binary;
use crate::support::{ADMIN_KEY, SECRET, Service, eventually, reads};

/// A running `tail`; killed if a test fails.
struct Tail {
    child: Child,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
}

impl Tail {
    fn start(url: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = command(url, arguments, environment)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let out = collect(child.stdout.take().expect("piped"));
        let err = collect(child.stderr.take().expect("piped"));
        Self { child, out, err }
    }

    fn said(&self) -> (String, String) {
        let read = |text: &Mutex<String>| text.lock().expect("whole").clone();
        (read(&self.out), read(&self.err))
    }

    /// What is on standard output once it has so many lines.
    async fn lines(&self, count: usize) -> Vec<String> {
        eventually(&format!("{count} lines"), || async {
            let (out, err) = self.said();
            let lines: Vec<_> = out.lines().map(str::to_owned).collect();
            if lines.len() >= count {
                Ok(lines)
            } else {
                Err((out, err))
            }
        })
        .await
    }

    /// The descriptions of all actions, once there are so many.
    async fn actions(&self, count: usize) -> Vec<String> {
        let told = self.lines(count).await;
        let told = told
            .iter()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        told.map(|line: Value| {
            line["actions"][0]["title"]
                .as_str()
                .expect("a title")
                .to_owned()
        })
        .collect()
    }

    async fn remarks(&self, part: &str) {
        eventually(part, || async {
            let (_, err) = self.said();
            if err.contains(part) { Ok(()) } else { Err(err) }
        })
        .await;
    }

    /// Waits until it ends by itself; the exit code and what it has said.
    fn ends(mut self) -> (Option<i32>, String, String) {
        let code = self.child.wait().expect("it ends").code();
        let (out, err) = self.said();
        assert!(
            ![&out, &err]
                .iter()
                .any(|said| said.contains(SECRET) || said.contains(ADMIN_KEY))
        );
        (code, out, err)
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status();
        assert!(sent.expect("kill is there").success());
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(url: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = binary();
    command
        .args(["tail", "acme"])
        .args(arguments)
        .env("CONNECTOR_URL", url)
        .env("CONNECTOR_STREAM_KEY", SECRET)
        .envs(environment.iter().copied());
    command
}

/// Reads along for as long as somebody writes.
fn collect(from: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&text);
    let read = move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            *kept.lock().expect("whole") += &format!("{line}\n");
        }
    };
    Tasks::thread("tail reader", Box::new(read));
    text
}

async fn subscribed(service: &Service, count: i64) {
    let gauge = &service.metrics.stream_subscribers;
    let gauge = gauge.with_label_values(&["acme"]);
    reads("it listens", count, || gauge.get()).await;
}

//! A program of somebody else that answers in lines and ends when its input does.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use event_connector::tasks::Tasks;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;

use super::{until, within};

/// A running program; killed when dropped.
pub(crate) struct Program {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: UnboundedReceiver<String>,
    errors: Option<oneshot::Receiver<String>>,
    /// Answers that were passed over while another kind was waited for.
    kept: VecDeque<Value>,
}

impl Program {
    /// Starts a program; `name` is what failures call it.
    pub(crate) fn start(name: &str, command: &mut Command) -> Result<Self, String> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{name} cannot be started: {error}"))?;
        let (answers, complaints) = (child.stdout.take(), child.stderr.take());
        let (say, lines) = unbounded_channel();
        if let Some(answers) = answers {
            let read = move || {
                for line in BufReader::new(answers).lines().map_while(Result::ok) {
                    let _ = say.send(line);
                }
            };
            Tasks::thread("program's output", Box::new(read));
        }
        let (tell, errors) = oneshot::channel();
        if let Some(mut complaints) = complaints {
            let read = move || {
                let mut text = String::new();
                let _ = complaints.read_to_string(&mut text);
                let _ = tell.send(text);
            };
            Tasks::thread("program's errors", Box::new(read));
        }
        let input = child.stdin.take();
        Ok(Self {
            name: name.to_owned(),
            child,
            input,
            lines,
            errors: Some(errors),
            kept: VecDeque::new(),
        })
    }

    /// What the program is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Says something to the program, in a line of JSON.
    pub(crate) fn say(&mut self, what: &Value) -> Result<(), String> {
        let input = self.input.as_mut().ok_or("its input is closed")?;
        writeln!(input, "{what}").map_err(|error| format!("{}: {error}", self.name))
    }

    /// The next line, as it is.
    pub(crate) async fn line(&mut self) -> Result<String, String> {
        let (lines, what) = (&mut self.lines, format!("{} says something", self.name));
        let next = async { lines.recv().await.ok_or_else(|| "it ended".to_owned()) };
        match within(&what, next).await {
            Ok(line) => Ok(line),
            Err(reason) => {
                let errors = self.errors().await;
                Err(format!("{}: {reason}\n{errors}", self.name))
            }
        }
    }

    /// The next answer of a kind. Others are kept for when they are asked for.
    pub(crate) async fn answer(&mut self, kind: &str) -> Result<Value, String> {
        if let Some(at) = self.kept.iter().position(|one| one["kind"] == kind) {
            return Ok(self.kept.remove(at).unwrap_or_default());
        }
        loop {
            let line = self.line().await?;
            let answer: Value = serde_json::from_str(&line)
                .map_err(|_| format!("{} said what is no JSON: {line}", self.name))?;
            if answer["kind"] == kind {
                return Ok(answer);
            }
            self.kept.push_back(answer);
        }
    }

    /// The answers of a kind that came while others were waited for.
    pub(crate) fn passed_over(&self, kind: &str) -> Vec<Value> {
        let of_kind = self.kept.iter().filter(|one| one["kind"] == kind);
        of_kind.cloned().collect()
    }

    /// Tells the program that there is nothing more to do, and waits until it has ended well:
    /// successfully, and without a word on its error output.
    pub(crate) async fn finish(&mut self) -> Result<(), String> {
        self.input = None;
        let what = format!("{} ends", self.name);
        let status = until(&what, async || {
            self.child.try_wait().map_err(|error| error.to_string())
        });
        let status = status.await?;
        let errors = self.errors().await;
        if status.success() && errors.is_empty() {
            return Ok(());
        }
        Err(format!("{} ended with {status}:\n{errors}", self.name))
    }

    /// What stands on the error output once the program has ended, which this makes sure of.
    async fn errors(&mut self) -> String {
        let _ = self.child.kill();
        match self.errors.take() {
            Some(errors) => errors.await.unwrap_or_default(),
            None => String::new(),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

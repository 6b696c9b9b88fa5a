//! The demonstration: what it shows, on a terminal and in a pipe, and how it ends.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use event_connector::demo::ledger::{Balance, Ledger, median_and_longest};
use event_connector::tasks::Tasks;
use event_connector::terminal::width;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tempfile::TempDir;

use crate::cli::{binary, text};

fn ledger(actions: usize) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.acknowledge(actions);
    ledger
}

fn feed(ledger: &mut Ledger, index: &str, text: &str) {
    let id = ("s1".to_owned(), index.to_owned());
    ledger.fed("c1", id, text, Duration::from_millis(3));
}

#[test]
fn the_accounts_show_what_is_lost_and_what_is_doubled() {
    let mut books = ledger(3);
    feed(&mut books, "0", "User clicked Save");
    feed(&mut books, "1", "User clicked Save");
    let first = "session_id: s1\n\n[1] User clicked Save".to_owned();
    assert!(!books.is_settled("c1", std::slice::from_ref(&first)));
    assert!(books.is_settled("c1", &[first.clone(), first.clone()]));
    let balance = |books: &Ledger, notes: usize| books.balance(|_| vec![first.clone(); notes]);
    let sums = |actions, noted, lost, doubled| Balance {
        actions,
        noted,
        lost,
        doubled,
    };
    assert_eq!(balance(&books, 2), sums(2, 2, 1, 0));
    feed(&mut books, "2", "User clicked Save");
    assert_eq!(balance(&books, 3), sums(3, 3, 0, 0));
    assert_eq!(balance(&books, 1), sums(3, 1, 2, 0));
    assert_eq!(balance(&books, 4), sums(3, 3, 0, 1));
    feed(&mut books, "2", "User clicked Save");
    assert_eq!(balance(&books, 4).doubled, 1);
    let durations = [9, 1, 5, 7].map(Duration::from_millis);
    let middle = (Duration::from_millis(5), Duration::from_millis(9));
    assert_eq!(median_and_longest(&durations), Some(middle));
    assert_eq!(median_and_longest(&[]), None);
}

/// A demonstration with a directory of its own for what it stores.
struct Demo {
    command: Command,
    temporary: TempDir,
}

impl Demo {
    fn new(arguments: &[&str]) -> Self {
        let temporary = tempfile::tempdir().expect("a directory");
        let mut command = binary();
        command
            .arg("demo")
            .args(arguments)
            .env("TMPDIR", temporary.path());
        Self { command, temporary }
    }

    fn assert_nothing_is_left(&self) {
        let left = self.temporary.path().read_dir().expect("a directory");
        let left: Vec<_> = left.flatten().map(|entry| entry.path()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// The text with every time and number made alike.
fn alike(text: &str) -> String {
    let mut alike = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        alike.push_str(&rest[..at]);
        let number = rest[at..].trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let unit = [" ms", " s"]
            .iter()
            .find_map(|unit| number.strip_prefix(unit));
        match unit {
            Some(after) if !after.starts_with(char::is_alphanumeric) => {
                alike.push_str("0 ms");
                rest = after;
            }
            _ => {
                alike.push('0');
                rest = number;
            }
        }
    }
    alike + rest
}

#[test]
fn in_a_pipe_it_is_plain_text_ends_by_itself_and_is_what_the_readme_shows() {
    let mut demo = Demo::new(&["--once"]);
    let shown = demo.command.env("COLUMNS", "80").output().expect("it runs");
    let said = text(&shown.stdout);
    assert!(shown.status.success(), "{said}\n{}", text(&shown.stderr));
    demo.assert_nothing_is_left();
    assert!(!said.contains(['\u{1b}', '\r']), "{said}");
    let widest = said
        .lines()
        .max_by_key(|line| width(line))
        .unwrap_or_default();
    assert!(width(widest) <= 80, "{widest}");
    for stop in [
        "[1] User landed on the dashboard page",
        "the link waits",
        "offer    Questions about an invoice? [Yes] [No, thanks]",
        "held     nothing more, while that one stands · fsm:wrong_state",
        "vendor   429 Too Many Requests",
        "vendor   takes the note, but answers 503",
        "retry    reads the conversation before it sends anything again",
        "retry    connection refused; the note stays in the outbox",
        "vendor   is back",
        "Everything arrived, and once.",
        "rate limits 1, lost answers 1",
        "lost     nothing",
        "doubled  nothing",
    ] {
        assert!(said.contains(stop), "{stop} is not in:\n{said}");
    }
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).expect("the README");
    let excerpt = readme.split("```text\n").nth(1).expect("an excerpt");
    let excerpt = excerpt.split("```").next().expect("its end");
    let (excerpt, whole) = (alike(excerpt), alike(&said));
    for piece in excerpt.split("\n…\n") {
        assert!(
            whole.contains(piece.trim()),
            "not as in the README:\n{piece}\n\n{whole}"
        );
    }
}

/// A pseudo-terminal of so many columns: our end, and the one a program writes to.
pub(crate) fn pseudo_terminal(columns: u16) -> (File, File) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
    grantpt(&ours).expect("granted");
    unlockpt(&ours).expect("unlocked");
    let name = ptsname(&ours, Vec::new()).expect("a name");
    let name = name.into_string().expect("text");
    let theirs = File::options().read(true).write(true).open(name);
    let theirs = theirs.expect("the other end");
    let size = Winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&theirs, size).expect("a size");
    (ours.into(), theirs)
}

/// What a terminal shows in the end, and the widest line that ever stood on it. Understands what we
/// write and nothing else.
pub(crate) fn screen_of(written: &str) -> (Vec<String>, usize) {
    let (mut lines, mut line, mut widest) = (Vec::new(), String::new(), 0);
    let mut rest = written;
    while let Some(c) = rest.chars().next() {
        if let Some(sequence) = rest.strip_prefix("\u{1b}[") {
            let end = sequence
                .find(|c: char| c.is_ascii_alphabetic())
                .expect("an end");
            match &sequence[..=end] {
                "2K" => line.clear(),
                colour => assert!(colour.ends_with('m'), "unexpected sequence {colour:?}"),
            }
            rest = &sequence[end + 1..];
            continue;
        }
        match c {
            '\n' => lines.push(std::mem::take(&mut line)),
            // Nothing is written over what stands in the line before it is cleared.
            '\r' => {
                let after = rest.trim_start_matches('\r');
                let is_clear = after.starts_with("\u{1b}[2K") || after.starts_with('\n');
                assert!(is_clear || after.is_empty(), "{after:?}");
            }
            c => line.push(c),
        }
        widest = widest.max(width(&line));
        rest = &rest[c.len_utf8()..];
    }
    lines.push(line);
    (lines, widest)
}

fn run_on_a_terminal(columns: u16) -> String {
    let (mut ours, theirs) = pseudo_terminal(columns);
    let mut demo = Demo::new(&["--once", "--fast"]);
    let mut child = demo.command.stdout(theirs).spawn().expect("it starts");
    // The end of the other side shows once nobody has it open.
    demo.command.stdout(Stdio::null());
    let mut written = Vec::new();
    let mut part = [0; 4096];
    while let Ok(length @ 1..) = ours.read(&mut part) {
        written.extend_from_slice(&part[..length]);
    }
    assert!(child.wait().expect("it ends").success());
    demo.assert_nothing_is_left();
    text(&written)
}

#[test]
fn on_a_terminal_the_status_is_drawn_in_place_and_every_line_fits() {
    for columns in [40, 80, 200] {
        let written = run_on_a_terminal(columns);
        assert!(written.contains("\u{1b}[32m"), "colour");
        assert!(written.contains("  events "), "status");
        let (lines, widest) = screen_of(&written);
        assert!(widest <= usize::from(columns), "{widest} at {columns}");
        assert!(widest <= 100, "{widest}");
        assert_eq!(lines.last().map(String::as_str), Some(""));
        let shown = lines.join("\n");
        assert!(!shown.contains("  events "), "{shown}");
        assert!(shown.contains("Everything arrived, and once."), "{shown}");
    }
}

/// Everything up to the line that begins with `last`, and the lines after it.
fn read_to(child: &mut Child, last: &'static str) -> (Vec<String>, mpsc::Receiver<String>) {
    let out = child.stdout.take().expect("stdout is piped");
    let (sender, lines) = mpsc::channel();
    let reading = move || {
        let mut lines = BufReader::new(out).lines().map_while(Result::ok);
        lines
            .try_for_each(|line| sender.send(line))
            .unwrap_or_default();
    };
    Tasks::thread("demo reader", Box::new(reading));
    let mut read = Vec::new();
    while read
        .last()
        .is_none_or(|line: &String| !line.starts_with(last))
    {
        read.push(lines.recv_timeout(PATIENCE).expect("it goes on"));
    }
    (read, lines)
}

/// How long a line may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The commands for a second terminal: from `curl` to where the shell would end it.
fn commands(lines: &[String]) -> Vec<String> {
    let from = lines
        .iter()
        .position(|line| line.contains("second terminal"));
    let block = &lines[from.expect("the suggestions")..];
    let paragraphs = block.split(String::is_empty);
    let bodies = paragraphs.filter(|body| body.first().is_some_and(|line| line.starts_with('#')));
    bodies.map(|body| body[1..].join("\n")).collect()
}

fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", command])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    shell
}

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args([name, &id]).status();
    assert!(sent.expect("kill is there").success());
}

/// Ends the child when a test fails.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_commands_for_a_second_terminal_work_as_they_stand() {
    let mut demo = Demo::new(&[]);
    let mut running = Ended(
        demo.command
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts"),
    );
    let (lines, later) = read_to(&mut running.0, "What you send appears here too");
    let commands = commands(&lines);
    let [listen, click, show, deliveries, count] = commands.as_slice() else {
        panic!("{commands:?}");
    };

    let mut listening = Ended(shell(listen).spawn().expect("sh is there"));
    let mut feed = BufReader::new(listening.0.stdout.take().expect("piped")).lines();
    let mut told = |part: &str| {
        feed.by_ref()
            .map_while(Result::ok)
            .any(|line| line.contains(part))
    };
    assert!(
        told("User landed on the dashboard page"),
        "curl -N is installed"
    );
    let clicked = shell(click).output().expect("sh is there");
    let said = text(&clicked.stdout);
    assert!(
        said.contains("\"actions\":1"),
        "{said}{}",
        text(&clicked.stderr)
    );
    assert!(told("Upgrade plan"));

    // It is seen in the first terminal as well, up to the note.
    let mut seen = String::new();
    while !seen.contains("[1] User clicked Upgrade plan") {
        seen.push_str(&later.recv_timeout(PATIENCE).expect("it goes on"));
    }
    assert!(
        seen.contains("action   User clicked Upgrade plan") && seen.contains("note     in"),
        "{seen}"
    );
    let shown = text(&shell(show).output().expect("sh is there").stdout);
    assert!(
        shown.contains("\"conversation_id\":\"215470012345\""),
        "{shown}"
    );
    let listed = text(&shell(deliveries).output().expect("sh is there").stdout);
    assert!(listed.contains("\"status\":\"delivered\""), "{listed}");
    let counted = text(&shell(count).output().expect("sh is there").stdout);
    assert!(
        counted.contains("connector_notes_total{outcome=\"delivered\""),
        "{counted}"
    );

    signal(&running.0, "-INT");
    assert_eq!(running.0.wait().expect("it ends").code(), Some(0));
    demo.assert_nothing_is_left();
}

#[test]
fn an_interrupt_in_the_middle_ends_it_cleanly() {
    for (arguments, code) in [(&["--once"][..], 1), (&[], 0)] {
        let mut demo = Demo::new(arguments);
        let mut running = Ended(
            demo.command
                .stdout(Stdio::piped())
                .spawn()
                .expect("it starts"),
        );
        let (_, later) = read_to(&mut running.0, "4/5");
        signal(&running.0, "-INT");
        assert_eq!(running.0.wait().expect("it ends").code(), Some(code));
        let rest: Vec<String> = later.iter().collect();
        assert!(
            rest.last().is_some_and(|line| line.starts_with("Stopped;")),
            "{rest:?}"
        );
        demo.assert_nothing_is_left();
    }
}

//! Following, until it is told to end.

use std::future::pending;
use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::Interest;
use tokio::net::unix::pipe::Sender;
use tokio::signal::unix::{SignalKind, signal};

use super::shown::{Format, Shown};
use crate::chance::Chance;
use crate::cli::arguments::TailArgs;
use crate::cli::connect::{Service, failed, variable};
use crate::cli::run::{Mistyped, complain};
use crate::client::{Credential, EVENT_BYTES_MAX, Error, Follower, Told, Wanted};
use crate::clock::{Clock, Instant};
use crate::config::Config;
use crate::terminal::{Style, Terminal, spoken};

/// Holds the key of the product's feed.
const KEY_VARIABLE: &str = "CONNECTOR_STREAM_KEY";

/// After so many heartbeats' time without a byte a stream is taken for dead.
const SILENT_HEARTBEATS: f64 = 2.5;

/// How often a person is told how long the feed has been away.
const GLANCE: Duration = Duration::from_secs(1);

/// The key of the product's feed, if there is one.
pub(in crate::cli) fn key(environment: &[(String, String)]) -> Option<SecretString> {
    variable(environment, KEY_VARIABLE).map(SecretString::from)
}

/// Follows the feed; `out` is for events, `remarks` for everything else.
pub(in crate::cli) async fn run(
    arguments: TailArgs,
    service: Service,
    key: Option<SecretString>,
    config: Config,
    [out, remarks]: [Terminal; 2],
) -> anyhow::Result<ExitCode> {
    let clock = Clock::system();
    let connector = service.connector(&config, &credential(key, &config)?)?;
    if out.is_live() && remarks.is_live() {
        let text = format!(
            "following {} at {}; Ctrl-C ends it",
            arguments.product,
            connector.at()
        );
        complain(&remarks.paint(Style::Faint, &text));
    }
    let wanted = Wanted {
        product: arguments.product,
        since: arguments.since.map(|moment| moment.at(clock.now_ms())),
        session: arguments.session,
        user: arguments.user,
        types: arguments.types,
    };
    let heartbeat = Duration::from_millis(config.feed.heartbeat_ms);
    let silence_max = heartbeat.mul_f64(SILENT_HEARTBEATS);
    let chance = Chance::system();
    let mut follower = Follower::new(connector, clock.clone(), chance, wanted, silence_max);
    let format = arguments.format.unwrap_or(if out.is_terminal() {
        Format::Compact
    } else {
        Format::Json
    });
    let shown = Shown { format, out };
    let mut away = Away::new(clock, out, remarks);
    let mut ended = pin!(ended()?);
    let mut unread = pin!(unread());
    loop {
        let told = tokio::select! {
            biased;
            () = &mut ended => break,
            () = &mut unread => break,
            told = away.wait_for(&mut follower) => told.map_err(failed)?,
        };
        if !write(&tell(&shown, told))? {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The product's key, else the admin key: an operator may see everything anyway.
fn credential(key: Option<SecretString>, config: &Config) -> anyhow::Result<Credential> {
    if let Some(key) = key {
        return Ok(Credential::Bearer(key));
    }
    let key = &config.admin.key;
    if key.expose_secret().is_empty() {
        let error = anyhow!("there is no key to open the feed with");
        let next = format!("set {KEY_VARIABLE} to the product's key, or CONNECTOR_ADMIN_KEY");
        return Err(Mistyped::new(error, Some(next)).into());
    }
    Ok(Credential::AdminKey(key.clone()))
}

/// What belongs on standard output. What does not is said on standard error.
fn tell(shown: &Shown, told: Told) -> String {
    match told {
        Told::Event(event) => {
            let lines = shown.event(&event);
            if let Some(remark) = lines.remark {
                complain(&remark);
            }
            lines.text
        }
        Told::TooLarge(id) => {
            let most = EVENT_BYTES_MAX >> 20;
            complain(&format!(
                "an event of more than {most} MiB was left out, at {id}"
            ));
            String::new()
        }
        Told::Lost(reason) => {
            complain(&format!(
                "the feed is away, and will go on where it stopped: {reason}"
            ));
            String::new()
        }
        Told::Back => String::new(),
    }
}

/// Writes whole lines; answers whether anybody still reads.
fn write(lines: &str) -> anyhow::Result<bool> {
    if lines.is_empty() {
        return Ok(true);
    }
    let mut out = std::io::stdout();
    match out.write_all(lines.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("standard output cannot be written"),
    }
}

/// Completes once somebody wants it to end.
fn ended() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// Completes once the reader of a pipe has closed it, so that nobody waits for an event to notice. Written is
/// elsewhere: this only looks.
async fn unread() {
    let out = std::io::stdout().as_fd().try_clone_to_owned();
    // What cannot be watched, such as a file, nobody closes.
    let Ok(pipe) = out.and_then(Sender::from_owned_fd_unchecked) else {
        return pending().await;
    };
    // It may be said for nothing.
    while pipe
        .ready(Interest::ERROR)
        .await
        .is_ok_and(|ready| ready.is_empty())
    {}
}

/// The line that tells a person how long the feed has been away. In a pipe there is none.
struct Away {
    clock: Clock,
    remarks: Terminal,
    is_seen: bool,
    since: Option<Instant>,
}

impl Away {
    fn new(clock: Clock, out: Terminal, remarks: Terminal) -> Self {
        Self {
            clock,
            remarks,
            is_seen: out.is_live() && remarks.is_live(),
            since: None,
        }
    }

    /// What the follower tells next; meanwhile, if the feed is away, how long it has been.
    async fn wait_for(&mut self, follower: &mut Follower) -> Result<Told, Error> {
        let mut next = pin!(follower.next());
        loop {
            let glance = self.clock.sleep(GLANCE);
            tokio::select! {
                biased;
                told = &mut next => {
                    if self.since.take().is_some() {
                        draw("");
                    }
                    if matches!(told, Ok(Told::Lost(_))) && self.is_seen {
                        self.since = Some(self.clock.monotonic());
                    }
                    return told;
                }
                () = glance, if self.since.is_some() => self.draw(),
            }
        }
    }

    fn draw(&self) {
        if let Some(since) = self.since {
            let text = format!("waiting for it, {}", spoken(self.clock.since(since)));
            draw(&self.remarks.paint(Style::Faint, &text));
        }
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        if self.since.is_some() {
            draw("");
        }
    }
}

/// Draws a line that will be written over.
fn draw(text: &str) {
    let mut remarks = std::io::stderr();
    let line = format!("\r\u{1b}[2K{text}");
    let _ = remarks
        .write_all(line.as_bytes())
        .and_then(|()| remarks.flush());
}

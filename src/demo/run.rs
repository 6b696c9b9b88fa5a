//! Setting the stage, playing, and staying open.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::closing::{suggest, sum_up};
use super::recording::scenes;
use super::screen::Screen;
use super::stage::{Pace, Stage};
use super::walk::Walk;
use super::watch::{Cause, Watch};
use crate::terminal::{Style, Terminal};

/// How the demonstration runs.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The port to listen on; 0 for a free one.
    pub port: u16,
    /// End after the walk.
    pub once: bool,
    /// No pauses for people to read in. Without a terminal there are none anyway.
    pub fast: bool,
    /// Where it is shown.
    pub screen: Terminal,
    /// Where log lines go.
    pub log: Terminal,
}

/// How long the whole walk may take.
const WALK: Duration = Duration::from_secs(240);

/// How often one looks while a person plays.
const GLANCE: Duration = Duration::from_millis(100);

/// Plays the recording. The exit code is 0 only if everything that was expected arrived.
///
/// # Errors
///
/// The stage could not be set.
pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let mut interrupts = Interrupts::new()?;
    let pace = if options.fast || !options.screen.is_live() {
        Pace::FAST
    } else {
        Pace::CALM
    };
    let stage = Stage::set(options.port, pace, options.log).await?;
    let shown = tokio::select! {
        biased;
        () = interrupts.next() => Shown::Interrupted,
        shown = show(options, &stage) => shown,
    };
    stage.strike().await?;
    let mut screen = Screen::new(options.screen);
    Ok(match shown {
        Shown::Whole => ExitCode::SUCCESS,
        Shown::Failed(error) => {
            let text = format!("Something did not arrive: {error:#}");
            screen.heading(Style::Bad, "", &text, "");
            ExitCode::FAILURE
        }
        Shown::Interrupted => {
            screen.sentence(Style::Faint, "Stopped; the temporary store is removed.");
            // A script that asked for the whole walk did not get it.
            if options.once {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            }
        }
    })
}

/// How far it got.
enum Shown {
    Whole,
    Failed(anyhow::Error),
    Interrupted,
}

async fn show(options: Options, stage: &Stage) -> Shown {
    let walked = stage.clock.timeout(WALK, walk(options, stage)).await;
    let mut walk = match walked.context("it took too long").flatten() {
        Ok(walk) => walk,
        Err(error) => return Shown::Failed(error),
    };
    if options.once || walk.watch.screen.is_gone() {
        return Shown::Whole;
    }
    suggest(&mut walk.watch.screen, &stage.url());
    match attend(walk).await {
        Ok(()) => Shown::Whole,
        Err(error) => Shown::Failed(error),
    }
}

async fn walk(options: Options, stage: &Stage) -> anyhow::Result<Walk<'_>> {
    let mut screen = Screen::new(options.screen);
    introduce(&mut screen, stage);
    let mut walk = Walk::begin(Watch::new(stage, screen)).await?;
    let scenes = scenes()?;
    for (at, scene) in (1..).zip(&scenes) {
        let number = format!("{at}/{}", scenes.len());
        let screen = &mut walk.watch.screen;
        screen.heading(Style::Strong, &number, &scene.title, &scene.intro);
        screen.blank();
        walk.play(scene).await?;
    }
    sum_up(&mut walk.watch)?;
    Ok(walk)
}

fn introduce(screen: &mut Screen, stage: &Stage) {
    let title = concat!("event-connector ", env!("CARGO_PKG_VERSION"));
    let intro = "What people do in your app, brought to where help is given.";
    screen.heading(Style::Strong, "", title, intro);
    screen.blank();
    let store = "SQLite in a temporary directory; a 200 means that it is on disk";
    let vendor = "a modelled Intercom over real HTTP; nothing leaves this machine";
    let rows = [
        ("service", stage.url()),
        ("store", store.to_owned()),
        ("vendor", vendor.to_owned()),
    ];
    for (tag, text) in rows {
        screen.happened(Style::Faint, tag, &text, "");
    }
}

/// Shows what a second terminal brings about, until the feed or the reader is gone.
async fn attend(mut walk: Walk<'_>) -> anyhow::Result<()> {
    let clock = walk.watch.stage.clock.clone();
    while !walk.watch.screen.is_gone() {
        tokio::select! {
            told = walk.feed.next() => for told in told? {
                walk.watch.actions += 1;
                let session = format!("session {}", told.id.0);
                let screen = &mut walk.watch.screen;
                screen.happened(Style::Good, "action", &told.text, &session);
                if told.is_linked {
                    walk.watch.expect_note(clock.now_ms(), Cause::Event);
                }
            },
            () = clock.sleep(GLANCE) => {}
        }
        walk.watch.look();
    }
    Ok(())
}

/// Ctrl-C, and a supervisor's wish to stop.
struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

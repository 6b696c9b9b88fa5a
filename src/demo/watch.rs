//! Looking on: what the vendor gets, what the outbox repeats, and the line that says how it goes.
//!
//! All of it is looked at from the outside: the vendor's own record of calls and messages, and the
//! service's counters.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;
use jiff::Timestamp;
use prometheus::core::Collector;

use super::intercom::Request;
use super::ledger::{Ledger, median_and_longest};
use super::screen::Screen;
use super::stage::Stage;
use crate::clock::Instant;
use crate::terminal::{Style, spoken};

/// How long a note may take to appear in its conversation.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often one looks.
const GLANCE: Duration = Duration::from_millis(40);

/// What keeps moving while one waits, one picture per tenth of a second.
const WHEEL: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/// What the next note meets.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ahead {
    /// 429 until this second.
    Limit { reset_s: u64 },
    /// A success whose answer is lost.
    LostAnswer,
}

/// What made a note due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Something done while the session was linked.
    Event,
    /// The conversation's begin.
    Chat,
    /// The page's word.
    Link,
}

impl Cause {
    fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Chat => "chat",
            Self::Link => "link",
        }
    }
}

/// Times that trouble was met.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Troubles {
    pub(super) limits: usize,
    pub(super) lost_answers: usize,
    pub(super) refused: u64,
    /// Calls during a rate limit. None is what is promised.
    pub(super) early_calls: usize,
}

/// Everything seen so far.
pub(super) struct Watch<'a> {
    pub(super) stage: &'a Stage,
    pub(super) screen: Screen,
    pub(super) ledger: Ledger,
    /// Actions that the feed told of.
    pub(super) actions: usize,
    pub(super) troubles: Troubles,
    /// What is in store for the next note.
    pub(super) ahead: Option<Ahead>,
    /// Whether nobody listens at the vendor's.
    pub(super) is_down: bool,
    began: Instant,
    /// Since when a note is due, Unix milliseconds, and what made it due.
    due: Option<(u64, Cause)>,
    /// Notes shown, by conversation.
    shown: BTreeMap<String, usize>,
    calls_seen: usize,
    limited_until_ms: u64,
    is_in_doubt: bool,
    retries_seen: u64,
}

impl<'a> Watch<'a> {
    pub(super) fn new(stage: &'a Stage, screen: Screen) -> Self {
        Self {
            stage,
            screen,
            ledger: Ledger::default(),
            actions: 0,
            troubles: Troubles::default(),
            ahead: None,
            is_down: false,
            began: stage.clock.monotonic(),
            due: None,
            shown: BTreeMap::new(),
            calls_seen: 0,
            limited_until_ms: 0,
            is_in_doubt: false,
            retries_seen: 0,
        }
    }

    /// How many notes there are.
    pub(super) fn notes_shown(&self) -> usize {
        self.shown.values().sum()
    }

    /// How long it has been going on.
    pub(super) fn elapsed(&self) -> Duration {
        self.stage.clock.since(self.began)
    }

    /// From now on this conversation is looked at as well.
    pub(super) fn follow(&mut self, conversation: &str) {
        self.shown.entry(conversation.to_owned()).or_default();
    }

    /// A note is due because of something at `since_ms`, unless one is due already.
    pub(super) fn expect_note(&mut self, since_ms: u64, cause: Cause) {
        self.due.get_or_insert((since_ms, cause));
    }

    /// Looks on for a while.
    pub(super) async fn pause(&mut self, wait: Duration) {
        let began = self.stage.clock.monotonic();
        loop {
            self.look();
            let left = wait.saturating_sub(self.stage.clock.since(began));
            if left.is_zero() {
                return;
            }
            self.stage.clock.sleep(left.min(GLANCE)).await;
        }
    }

    /// Looks on until the conversation has everything it is owed.
    pub(super) async fn settle(&mut self, conversation: &str) -> anyhow::Result<()> {
        let began = self.stage.clock.monotonic();
        loop {
            self.look();
            let notes = self.notes(conversation);
            if self.ledger.is_settled(conversation, &notes) && !self.is_in_doubt {
                break;
            }
            ensure!(
                self.stage.clock.since(began) < PATIENCE,
                "conversation {conversation} did not get everything in time"
            );
            self.stage.clock.sleep(GLANCE).await;
        }
        // What comes later is due for a reason of its own.
        self.due = None;
        Ok(())
    }

    /// Shows what is new.
    pub(super) fn look(&mut self) {
        self.see_calls();
        self.see_notes();
        self.see_retries();
        self.draw();
    }

    /// The texts of a conversation's notes.
    pub(super) fn notes(&self, conversation: &str) -> Vec<String> {
        let posts = self.stage.intercom.posts(conversation).into_iter();
        posts.map(|post| post.text).collect()
    }

    fn see_calls(&mut self) {
        let calls = self.stage.intercom.requests();
        for call in calls.iter().skip(self.calls_seen) {
            self.see_call(call);
        }
        self.calls_seen = calls.len();
    }

    fn see_call(&mut self, call: &Request) {
        if call.at_ms < self.limited_until_ms {
            self.troubles.early_calls += 1;
        }
        if call.method == "GET" && self.is_in_doubt {
            self.is_in_doubt = false;
            self.screen.happened(
                Style::Warning,
                "retry",
                "reads the conversation before it sends anything again: the note is there",
                "not sent twice",
            );
            return;
        }
        match self.ahead.take_if(|_| call.method == "POST") {
            Some(Ahead::Limit { reset_s }) => {
                self.troubles.limits += 1;
                self.limited_until_ms = reset_s * 1000;
                let left = self.limited_until_ms.saturating_sub(call.at_ms);
                let left = spoken(Duration::from_millis(left));
                let text = format!(
                    "429 Too Many Requests, open again at {}",
                    time_of_day(reset_s)
                );
                let aside = format!("in {left}");
                self.screen.happened(Style::Bad, "vendor", &text, &aside);
            }
            Some(Ahead::LostAnswer) => {
                self.troubles.lost_answers += 1;
                self.is_in_doubt = true;
                let text = "takes the note, but answers 503 Service Unavailable";
                self.screen.happened(Style::Bad, "vendor", text, "");
            }
            None => {}
        }
    }

    fn see_notes(&mut self) {
        for (conversation, shown) in &mut self.shown {
            let posts = self.stage.intercom.posts(conversation);
            for post in posts.iter().skip(*shown) {
                let aside = match self.due.take() {
                    Some((since_ms, cause)) => {
                        let took = Duration::from_millis(post.at_ms.saturating_sub(since_ms));
                        if cause == Cause::Event {
                            self.ledger.noted(took);
                        }
                        format!("{} after the {}", spoken(took), cause.name())
                    }
                    None => String::new(),
                };
                let text = format!("in conversation {conversation}");
                self.screen.happened(Style::Result, "note", &text, &aside);
                self.screen.quote(&post.text);
            }
            *shown = posts.len();
        }
    }

    fn see_retries(&mut self) {
        let retried = self.retried();
        let new = retried - self.retries_seen;
        self.retries_seen = retried;
        if self.is_down && new > 0 {
            self.troubles.refused += new;
            let count = self.troubles.refused;
            self.screen.happened(
                Style::Warning,
                "retry",
                "connection refused; the note stays in the outbox",
                &format!("try {count}"),
            );
        }
    }

    /// Attempts after which a note went back into the outbox.
    fn retried(&self) -> u64 {
        let notes = &self.stage.metrics.notes;
        notes.with_label_values(&["intercom", "retried"]).get()
    }

    /// Raw events that the service took in.
    fn events(&self) -> f64 {
        let families = self.stage.metrics.events.collect().into_iter();
        let counters = families.flat_map(|mut family| family.take_metric());
        counters.map(|one| one.get_counter().get_value()).sum()
    }

    fn draw(&mut self) {
        let elapsed = self.elapsed();
        let tenths = usize::try_from(elapsed.as_millis() / 100).unwrap_or_default();
        let mut segments = vec![
            format!(
                "{} {:>5.1} s",
                WHEEL[tenths % WHEEL.len()],
                elapsed.as_secs_f64()
            ),
            format!("events {:.0}", self.events()),
            format!("actions {}", self.actions),
            format!("notes {}", self.notes_shown()),
            format!("retries {}", self.retries_seen),
        ];
        if let Some((median, _)) = median_and_longest(self.ledger.to_note()) {
            segments.push(format!("event→note p50 {}", spoken(median)));
        }
        self.screen.status(&segments);
    }
}

/// The time of day at a Unix second, UTC.
fn time_of_day(at_s: u64) -> String {
    let at = i64::try_from(at_s).map(Timestamp::from_second);
    match at {
        Ok(Ok(at)) => at.strftime("%H:%M:%S UTC").to_string(),
        _ => at_s.to_string(),
    }
}

//! The laws of speaking first, held against what the log tells of it, entry by entry as each session's were written.

use std::collections::BTreeMap;

use event_connector::domain::id::{Key, ProductId};
use event_connector::domain::proactive::resilience::Limits;
use serde_json::Value;

/// What products want. Lengths of time are seconds.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// How long a session's machine stays in a conversation.
    pub(crate) timeout_s: f64,
    /// How long it keeps quiet afterwards.
    pub(crate) cooldown_s: f64,
    /// How long each trigger keeps quiet after its offer.
    pub(crate) pauses_s: BTreeMap<String, f64>,
    /// The interval and the quotas.
    pub(crate) limits: Limits,
    /// How far clocks may be apart.
    pub(crate) apart_s: f64,
}

/// An entry of a session's log.
#[derive(Clone, Debug)]
pub(crate) struct Told<'a> {
    pub(crate) key: &'a Key,
    pub(crate) r#type: &'a str,
    /// When, Unix seconds.
    pub(crate) at: f64,
    pub(crate) user: Option<&'a str>,
    pub(crate) body: &'a Value,
}

/// A law that does not hold, and what was found instead.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    pub(crate) law: &'static str,
    pub(crate) text: String,
}

/// Everything that was ever offered.
pub(crate) struct Offers {
    rules: Rules,
    sessions: BTreeMap<Key, Story>,
    /// How many offers fell into each window of each quota.
    counts: BTreeMap<(ProductId, String, i64), u32>,
}

/// What one session has said first.
#[derive(Default)]
struct Story {
    made: Vec<Made>,
    /// Where its machine went last, from where, and when; `None` while it has thought all the time.
    moved: Option<Move>,
    /// When it came back to thinking last.
    left_at: Option<f64>,
}

struct Made {
    id: String,
    trigger: String,
    at: f64,
    is_over: bool,
}

struct Move {
    from: String,
    to: String,
    at: f64,
}

const THINKING: &str = "thinking";
const PROACTIVE: &str = "proactive_assistance";
const OUTCOMES: [&str; 4] = ["accepted", "dismissed", "timed_out", "withdrawn"];

/// Times are whole milliseconds; differences of them are not quite.
const A_MOMENT_S: f64 = 0.0005;

impl Offers {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            sessions: BTreeMap::new(),
            counts: BTreeMap::new(),
        }
    }

    /// How many offers were made.
    pub(crate) fn made(&self) -> usize {
        self.sessions.values().map(|story| story.made.len()).sum()
    }

    /// Takes note of an entry that was written.
    pub(crate) fn note(&mut self, entry: &Told<'_>) -> Result<(), Broken> {
        let text = |field: &str| entry.body[field].as_str().unwrap_or_default().to_owned();
        let story = self.sessions.entry(entry.key.clone()).or_default();
        match entry.r#type {
            "state_changed" => {
                let next = Move {
                    from: text("from"),
                    to: text("to"),
                    at: entry.at,
                };
                if entry.body["machine"] == "page" {
                    return story.note_page(entry, &next);
                }
                story.note_move(&self.rules, entry, next)
            }
            "decided" if entry.body["verdict"] == "offered" => {
                let made = Made {
                    id: text("offer_id"),
                    trigger: text("trigger_id"),
                    at: entry.at,
                    is_over: false,
                };
                story.note_offer(&self.rules, entry, made)?;
                self.count(entry)
            }
            "offer_ended" => story.note_end(entry, &text("offer_id")),
            _ => Ok(()),
        }
    }

    /// No quota is exceeded, as far as clocks agree on what a minute is.
    fn count(&mut self, entry: &Told<'_>) -> Result<(), Broken> {
        let limits = &self.rules.limits;
        let session = format!("session {}", entry.key.id);
        let user = entry.user.map(|user| format!("user {user}"));
        let quotas = [
            (Some(String::new()), limits.per_product_minute, 60.0),
            (Some(session), limits.per_session_hour, 3600.0),
            (user, limits.per_user_day, 86_400.0),
        ];
        for (whose, max, window_s) in quotas {
            let Some(whose) = whose.filter(|_| max > 0) else {
                continue;
            };
            #[expect(
                clippy::cast_possible_truncation,
                reason = "numbers of minutes are small"
            )]
            let window = (entry.at / window_s).floor() as i64;
            let place = (entry.key.product.clone(), whose, window);
            let count = self.counts.entry(place).or_default();
            *count += 1;
            if *count > max {
                let text = format!("{} at {}: {count} in {window_s} s", entry.key, entry.at);
                return broken("quotas_hold", text);
            }
        }
        Ok(())
    }

    /// What a page was told is what was written, and no two pages were told the same. `told` are the sessions and the
    /// offers' own names.
    pub(crate) fn check_told(&self, told: &[(Key, String)]) -> Result<(), Broken> {
        let mut times = BTreeMap::<_, u32>::new();
        for one in told {
            *times.entry(one).or_default() += 1;
        }
        for ((key, id), times) in times {
            let made = self.sessions.get(key).into_iter().flat_map(|own| &own.made);
            let written = made.filter(|made| made.id == *id).count();
            if (times, written) != (1, 1) {
                let text = format!("{id} of {key} was told {times} times, written {written} times");
                return broken("offers_are_told_once", text);
            }
        }
        Ok(())
    }

    /// Everything has come to its end.
    pub(crate) fn check_ended(&self) -> Result<(), Broken> {
        let made = self.sessions.values().flat_map(|story| &story.made);
        let mut open = made.filter(|made| !made.is_over);
        open.next().map_or(Ok(()), |made| {
            broken("offers_end_once", format!("{} never ended", made.id))
        })
    }
}

impl Story {
    /// A conversation is begun and left through thinking only, and left by a timeout only.
    fn note_move(&mut self, rules: &Rules, entry: &Told<'_>, next: Move) -> Result<(), Broken> {
        let stood = self.moved.as_ref().map_or(THINKING, |moved| &moved.to);
        let is_known = stood == next.from && (next.from == THINKING) != (next.to == THINKING);
        let since = self.moved.as_ref().map(|moved| moved.at);
        let stayed_s = since.map_or(f64::INFINITY, |since| next.at - since);
        let is_early = next.to == THINKING && stayed_s <= rules.timeout_s - rules.apart_s;
        if !is_known || is_early {
            let text = format!(
                "{}: {} after {stood} becomes {} after {stayed_s} s",
                entry.key, next.from, next.to
            );
            return broken("conversations_time_out", text);
        }
        if next.to == THINKING {
            self.left_at = Some(next.at);
        }
        self.moved = Some(next);
        Ok(())
    }

    /// An offer is made by a machine that was thinking, and not too soon.
    fn note_offer(&mut self, rules: &Rules, entry: &Told<'_>, new: Made) -> Result<(), Broken> {
        let (key, id, at) = (entry.key, &new.id, new.at);
        let speaks = self
            .moved
            .as_ref()
            .is_some_and(|moved| moved.from == THINKING && moved.to == PROACTIVE && moved.at == at);
        if !speaks || self.open().is_some() {
            let open = self.open().map(|open| &open.id);
            let text = format!("{id} of {key} in the middle of something, beside {open:?}");
            return broken("offers_interrupt_nothing", text);
        }
        let newest = self.made.last().map(|made| made.at);
        let mut of_trigger = self.made.iter().filter(|made| made.trigger == new.trigger);
        let pause_s = rules.pauses_s.get(&new.trigger).copied();
        let waits = [
            (newest, rules.limits.min_interval_s),
            // Once these are over they stay over, even where a clock is behind the one that saw their end.
            (self.left_at, rules.cooldown_s - rules.apart_s),
            (
                of_trigger.next_back().map(|made| made.at),
                pause_s.unwrap_or_default() - rules.apart_s,
            ),
        ];
        for (earlier, wait_s) in waits {
            if earlier.is_some_and(|earlier| at - earlier < wait_s - A_MOMENT_S) {
                let text = format!("{id} of {key} at {at}, {wait_s} s after {earlier:?}");
                return broken("offers_keep_their_distance", text);
            }
        }
        self.made.push(new);
        Ok(())
    }

    /// Whatever the page leaves an offer for, the offer has ended before.
    fn note_page(&self, entry: &Told<'_>, next: &Move) -> Result<(), Broken> {
        match self.open().filter(|_| next.from == PROACTIVE) {
            Some(open) => {
                let text = format!("{} of {} outlives it: {}", open.id, entry.key, next.to);
                broken("offers_end_with_their_page", text)
            }
            None => Ok(()),
        }
    }

    fn note_end(&mut self, entry: &Told<'_>, id: &str) -> Result<(), Broken> {
        let made = self.made.iter_mut().find(|made| made.id == id);
        let is_outcome = OUTCOMES.contains(&entry.body["outcome"].as_str().unwrap_or_default());
        match made.filter(|made| !made.is_over && is_outcome) {
            Some(made) => {
                made.is_over = true;
                Ok(())
            }
            None => broken(
                "offers_end_once",
                format!("{id} of {}: {}", entry.key, entry.body),
            ),
        }
    }

    fn open(&self) -> Option<&Made> {
        self.made.iter().find(|made| !made.is_over)
    }
}

fn broken(law: &'static str, text: String) -> Result<(), Broken> {
    Err(Broken { law, text })
}

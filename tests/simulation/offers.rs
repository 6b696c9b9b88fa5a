//! What was offered, as the log tells, and the laws of speaking first.

use std::collections::BTreeMap;

use event_connector::domain::id::{Key, ProductId};
use event_connector::domain::session::Policy;
use event_connector::store::Entry;
use serde_json::Value;

use super::book::Pages;
use super::world::World;

/// Everything that was ever offered.
#[derive(Default)]
pub(crate) struct Offers {
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
    at: f64,
    /// How often it has ended.
    ends: u32,
}

struct Move {
    from: String,
    to: String,
    at: f64,
}

const THINKING: &str = "thinking";
const OUTCOMES: [&str; 4] = ["accepted", "dismissed", "timed_out", "withdrawn"];

impl Offers {
    /// Takes note of an entry that was written.
    pub(crate) fn note(&mut self, world: &World, entry: &Entry) {
        let body: Value = serde_json::from_str(&entry.body).unwrap_or_default();
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let story = self.sessions.entry(entry.key.clone()).or_default();
        match &*entry.r#type {
            "state_changed" if body["machine"].is_null() => {
                let next = Move {
                    from: text("from"),
                    to: text("to"),
                    at: entry.at,
                };
                story.note_move(world, &entry.key, next);
            }
            "decided" if body["verdict"] == "offered" => {
                story.note_offer(world, entry, text("offer_id"));
                self.count(world, entry);
            }
            "offer_ended" => story.note_end(world, &entry.key, &text("offer_id"), &body),
            _ => {}
        }
    }

    /// No quota is exceeded, as far as clocks agree on what a minute is.
    fn count(&mut self, world: &World, entry: &Entry) {
        let limits = world.shape.policy.resilience;
        let user = entry.user_id.as_deref().map(|user| format!("user {user}"));
        let quotas = [
            (Some(String::new()), limits.per_product_minute, 60.0),
            (
                Some(entry.key.id.to_string()),
                limits.per_session_hour,
                3600.0,
            ),
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
            if *count > max && !world.shape.is_wild() {
                let text = format!("{} at {}: {count} in {window_s} s", entry.key, entry.at);
                world.trace.break_law("quotas_hold", text);
            }
        }
    }

    /// The laws that hold at the end: what a page was told is what was written, and no two pages were told the same;
    /// everything has come to one end.
    pub(crate) fn check(&self, world: &World, pages: &Pages) {
        let mut told = BTreeMap::<(&Key, &str), u32>::new();
        for (key, id) in &pages.offered {
            *told.entry((key, id.as_str())).or_default() += 1;
        }
        for ((key, id), times) in told {
            let made = self.sessions.get(key).into_iter().flat_map(|own| &own.made);
            let written = made.filter(|made| made.id == id).count();
            if (times, written) != (1, 1) {
                let text = format!("{id} of {key} was told {times} times, written {written} times");
                world.trace.break_law("offers_are_told_once", text);
            }
        }
        for (key, story) in &self.sessions {
            for made in story.made.iter().filter(|made| made.ends != 1) {
                let text = format!("{} of {key} ended {} times", made.id, made.ends);
                world.trace.break_law("offers_end_once", text);
            }
        }
    }
}

impl Story {
    /// A conversation is begun and left through thinking only, and left by a timeout only.
    fn note_move(&mut self, world: &World, key: &Key, next: Move) {
        let stood = self.moved.as_ref().map_or(THINKING, |moved| &moved.to);
        let is_known = stood == next.from && (next.from == THINKING) != (next.to == THINKING);
        let (policy, apart_s) = rules(world);
        let since = self.moved.as_ref().map(|moved| moved.at);
        let stayed_s = since.map_or(f64::INFINITY, |since| next.at - since);
        let is_early = next.to == THINKING && stayed_s <= policy.interaction_timeout_s - apart_s;
        if !is_known || is_early {
            let text = format!(
                "{key}: {} after {stood} becomes {} after {stayed_s} s",
                next.from, next.to
            );
            world.trace.break_law("conversations_time_out", text);
        }
        if next.to == THINKING {
            self.left_at = Some(next.at);
        }
        self.moved = Some(next);
    }

    /// An offer is made by a machine that was thinking, and not too soon.
    fn note_offer(&mut self, world: &World, entry: &Entry, id: String) {
        let (key, at) = (&entry.key, entry.at);
        let speaks = self.moved.as_ref().is_some_and(|moved| {
            moved.from == THINKING && moved.to == "proactive_assistance" && moved.at == at
        });
        let open = self.made.iter().find(|made| made.ends == 0);
        if !speaks || open.is_some() {
            let open = open.map(|open| &open.id);
            let text = format!("{id} of {key} in the middle of something, beside {open:?}");
            world.trace.break_law("offers_interrupt_nothing", text);
        }
        let (policy, apart_s) = rules(world);
        let newest = self.made.last().map(|made| made.at);
        let waits = [
            (newest, policy.resilience.min_interval_s),
            // Once it is over it stays over, even where a clock is behind the one that saw its end.
            (self.left_at, policy.cooldown_period_s - apart_s),
        ];
        for (earlier, wait_s) in waits {
            if earlier.is_some_and(|earlier| at - earlier < wait_s) {
                let text = format!("{id} of {key} at {at}, after {earlier:?}");
                world.trace.break_law("offers_keep_their_distance", text);
            }
        }
        self.made.push(Made { id, at, ends: 0 });
    }

    fn note_end(&mut self, world: &World, key: &Key, id: &str, body: &Value) {
        let made = self.made.iter_mut().find(|made| made.id == id);
        let is_outcome = OUTCOMES.iter().any(|outcome| body["outcome"] == *outcome);
        match made.filter(|made| made.ends == 0 && is_outcome) {
            Some(made) => made.ends += 1,
            None => {
                let text = format!("{id} of {key}: {body}");
                world.trace.break_law("offers_end_once", text);
            }
        }
    }
}

/// What the product wants, and how far clocks may be apart, seconds.
fn rules(world: &World) -> (&Policy, f64) {
    let apart = std::time::Duration::from_millis(2 * world.shape.faults.skew_ms);
    (&world.shape.policy, apart.as_secs_f64())
}

//! `redis_session_state`: the published store of states, built here on the form in which we mirror them. Machines
//! live on the wall clock and lie in the store on the monotonic one, which is how a mirrored state is written.

use std::collections::BTreeMap;

use event_connector::domain::fsm::{COOLDOWN_PERIOD_S, Fsm, INTERACTION_TIMEOUT_S};
use serde_json::{Map, Value, json};

use crate::case::Case;
use crate::compare::{self, error, is_error};
use crate::fsm::take;
use crate::topic::{Topic, nothing_later};

/// Creating, loading and saving.
pub(crate) const TOPIC: Topic = Topic {
    name: "redis_session_state",
    answer,
    compare: by_value,
    judge: nothing_accepted_is_lost,
    later: nothing_later,
};

/// How far the wall clock of the cases is ahead of their monotonic one, seconds.
const AHEAD_S: f64 = 1_700_000_000.0;

const PREFIX: &str = "autoplay:session_state:";

/// A state that somebody works on.
struct Handle {
    session: String,
    fsm: Fsm,
    /// Which write of its key it was read from.
    base: u64,
    /// What was done to it since.
    steps: Vec<Value>,
}

/// A stored text.
struct Held {
    text: String,
    /// On the monotonic clock.
    expires_at: Option<f64>,
    write: u64,
}

struct Store {
    is_redis: bool,
    ttl_s: f64,
    held: BTreeMap<String, Held>,
    writes: u64,
    /// By the names that a case gives them.
    handles: BTreeMap<String, Handle>,
}

/// What was found under a key.
enum Found {
    Nothing,
    State(Box<Fsm>, u64),
    /// Something that may have been a state, and cannot be read.
    Unreadable,
}

fn answer(input: &Value) -> Value {
    let mut store = Store {
        is_redis: input["backend"] == "redis",
        ttl_s: input["config"]["ttl_s"].as_f64().unwrap_or(86_400.0),
        held: BTreeMap::new(),
        writes: 0,
        handles: BTreeMap::new(),
    };
    let steps = input["steps"].as_array().into_iter().flatten();
    let steps: Vec<Value> = steps
        .map(|step| {
            let now = step["at"].as_f64().unwrap_or_default();
            store.expire(now);
            let mut shown = store.take(step, now).unwrap_or_else(error);
            if store.is_redis {
                shown["redis"] = store.shown(now);
            }
            shown
        })
        .collect();
    json!({ "steps": steps })
}

impl Store {
    fn take(&mut self, step: &Value, now: f64) -> Result<Value, &'static str> {
        let name = step["as"].as_str().unwrap_or("h").to_owned();
        let session = step["session_id"].as_str().unwrap_or_default();
        let fails = |what: &str| {
            let listed = step["fail"].as_array().into_iter().flatten();
            listed.into_iter().any(|failing| failing == what)
        };
        match step["op"].as_str().unwrap_or_default() {
            "raw_set" => {
                let text = step["value"].as_str().unwrap_or_default().to_owned();
                self.write(step["key"].as_str().unwrap_or_default(), text, None);
                Ok(json!({"result": null}))
            }
            "get" => {
                let found = self.look(session, now);
                let Found::State(fsm, base) = found else {
                    return Ok(json!({"state": null}));
                };
                let shown = json!({"state": on_host(&fsm)});
                if step["as"].is_string() {
                    self.hold(name, session, *fsm, base);
                }
                Ok(shown)
            }
            "get_or_create" => {
                let (fsm, base) = self.open(session, step, now, (fails("get"), fails("set")))?;
                let shown = json!({"state": on_host(&fsm)});
                self.hold(name, session, fsm, base);
                Ok(shown)
            }
            "apply" => {
                let mut done = step.clone();
                done["op"] = step["fsm_op"].clone();
                done["at"] = json!(now + AHEAD_S);
                let handle = self.handles.get_mut(&name).ok_or("KeyError")?;
                let result = take(&mut handle.fsm, &done, None);
                handle.steps.push(done);
                let state = on_host(&handle.fsm);
                if !self.is_redis {
                    self.save(&name, now)?;
                }
                Ok(json!({"result": result?, "state": state}))
            }
            "save" => {
                if !fails("set") {
                    self.save(&name, now)?;
                }
                Ok(json!({"result": null}))
            }
            _ => Err("AttributeError"),
        }
    }

    /// The state of a session, made if there is none. What cannot be read is left alone, and where reading fails a
    /// state is made only if nothing is there.
    fn open(
        &mut self,
        session: &str,
        step: &Value,
        now: f64,
        (reading_fails, writing_fails): (bool, bool),
    ) -> Result<(Fsm, u64), &'static str> {
        match self.look(session, now) {
            Found::State(fsm, base) if !reading_fails => return Ok((*fsm, base)),
            Found::Nothing if !(reading_fails && writing_fails) => {}
            _ => return Err("RuntimeError"),
        }
        let (timeout_s, cooldown_s) = (INTERACTION_TIMEOUT_S, COOLDOWN_PERIOD_S);
        let fsm = Fsm::new(session, timeout_s, cooldown_s, now + AHEAD_S);
        let mut snapshot = fsm.map_err(|_| "ValueError")?.to_snapshot();
        if step["metadata"].is_object() {
            snapshot["metadata"] = step["metadata"].clone();
        }
        let fsm = Fsm::from_snapshot(&snapshot, now).map_err(|_| "TypeError")?;
        if !writing_fails {
            self.put(session, &fsm, now);
        }
        Ok((fsm, self.writes))
    }

    fn look(&self, session: &str, now: f64) -> Found {
        let held = self.held.get(&format!("{PREFIX}{session}"));
        let Some(held) = held.filter(|held| !held.text.is_empty()) else {
            return Found::Nothing;
        };
        match serde_json::from_str::<Value>(&held.text) {
            Ok(snapshot) if snapshot.is_object() => match Fsm::from_snapshot(&snapshot, now) {
                Ok(fsm) => Found::State(Box::new(fsm.shifted(AHEAD_S)), held.write),
                Err(_) => Found::Unreadable,
            },
            Ok(_) => Found::Nothing,
            Err(_) => Found::Unreadable,
        }
    }

    fn hold(&mut self, name: String, session: &str, fsm: Fsm, base: u64) {
        let handle = Handle {
            session: session.to_owned(),
            fsm,
            base,
            steps: Vec::new(),
        };
        self.handles.insert(name, handle);
    }

    /// Saves a state under the key that it was read from. If somebody was faster, what was done to it is done
    /// again on what they have written.
    fn save(&mut self, name: &str, now: f64) -> Result<(), &'static str> {
        let mut handle = self.handles.remove(name).ok_or("KeyError")?;
        if let Found::State(newer, write) = self.look(&handle.session, now)
            && write != handle.base
        {
            handle.fsm = *newer;
            for step in &handle.steps {
                // What is refused on the newer state is refused.
                let _ = take(&mut handle.fsm, step, None);
            }
        }
        self.put(&handle.session, &handle.fsm, now);
        handle.steps.clear();
        handle.base = self.writes;
        self.handles.insert(name.to_owned(), handle);
        Ok(())
    }

    fn put(&mut self, session: &str, fsm: &Fsm, now: f64) {
        let expires_at = now + self.ttl_s;
        let key = format!("{PREFIX}{session}");
        self.write(&key, on_host(fsm).to_string(), Some(expires_at));
    }

    fn write(&mut self, key: &str, text: String, expires_at: Option<f64>) {
        self.writes += 1;
        let held = Held {
            text,
            expires_at,
            write: self.writes,
        };
        self.held.insert(key.to_owned(), held);
    }

    fn expire(&mut self, now: f64) {
        self.held
            .retain(|_, held| held.expires_at.is_none_or(|at| at > now));
    }

    /// Every key with its text and how long it has left.
    fn shown(&self, now: f64) -> Value {
        let shown = self.held.iter().map(|(key, held)| {
            let left_s = held.expires_at.map(|at| (at - now).round_ties_even());
            let shown = json!({"value": held.text, "ttl_s": left_s.unwrap_or(-1.0)});
            (key.clone(), shown)
        });
        Value::Object(shown.collect::<Map<_, _>>())
    }
}

/// The published snapshot with times of the monotonic clock.
fn on_host(fsm: &Fsm) -> Value {
    fsm.shifted(-AHEAD_S).to_snapshot()
}

/// To the letter, except that stored texts are compared by what they say.
fn by_value(case: &Case<'_>, answer: &Value) -> Result<(), String> {
    compare::exactly(&read(case.expected), &read(answer))
}

/// With every stored text read.
fn read(answer: &Value) -> Value {
    let mut answer = answer.clone();
    for step in answer["steps"].as_array_mut().into_iter().flatten() {
        for (_, held) in step["redis"].as_object_mut().into_iter().flatten() {
            let text = held["value"].as_str().unwrap_or_default();
            if let Ok(value) = serde_json::from_str(text) {
                held["value"] = value;
            }
        }
        if step["redis"].is_null() {
            step.as_object_mut().map(|step| step.remove("redis"));
        }
    }
    answer
}

/// A state that was stored stays: whoever opens it while it cannot be read is refused, whoever was slower is
/// decided again, and a write that failed is made up for by the next. A state stays under its own key.
fn nothing_accepted_is_lost(case: &Case<'_>, answer: &Value) -> Result<(), String> {
    if case.flags.contains(&"wrong_type") {
        let refused = is_error(&answer["steps"][0]);
        return refused.then_some(()).ok_or_else(|| "taken".to_owned());
    }
    let mut input = case.input.clone();
    let steps = input["steps"].as_array_mut().ok_or("no steps")?;
    let last_at = steps
        .last()
        .map_or(0.0, |step| step["at"].as_f64().unwrap_or_default());
    let saves = steps.iter().filter(|step| step["op"] == "save");
    let names: Vec<Value> = saves.map(|step| step["as"].clone()).collect();
    for name in names {
        steps.push(json!({"op": "save", "at": last_at + 1.0, "as": name}));
    }
    let answer = self::answer(&input);
    let links = |step: &Value| step["args"]["conversation_id"] == "c1";
    let stored = |step: &Value| {
        step["value"]
            .as_str()
            .is_some_and(|text| text.contains("c1"))
    };
    let steps = input["steps"].as_array().into_iter().flatten();
    if !steps.clone().any(|step| links(step) || stored(step)) {
        return Err("the case tells of no link".to_owned());
    }
    let last = answer["steps"].as_array().and_then(|steps| steps.last());
    let held = last
        .and_then(|last| last["redis"].as_object())
        .ok_or("no keys")?;
    let own = format!("{PREFIX}s1");
    let text = held.get(&own).and_then(|held| held["value"].as_str());
    match text {
        Some(text) if text.contains("\"c1\"") && held.len() == 1 => Ok(()),
        _ => Err(format!("the link is gone, or elsewhere: {held:?}")),
    }
}

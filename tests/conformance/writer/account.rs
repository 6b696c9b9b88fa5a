//! What became of every action: the ledger that cases are settled against.

use serde_json::{Value, json};

use event_connector::domain::session::Held;

use super::platform::Post;

/// One action that was written.
pub struct Written {
    pub id: String,
    pub session: String,
    pub held: Held,
    /// The conversation that was current when it was accepted.
    pub conversation: Option<String>,
    pub was_trimmed: bool,
    pub was_delayed: bool,
}

/// All actions of a case, in the order in which they were written.
#[derive(Default)]
pub struct Ledger(pub Vec<Written>);

impl Ledger {
    /// Marks what has left a session's window without a note.
    pub fn mark_trimmed(&mut self, session: &str, before: &[Held], after: &[Held]) {
        let mut kept = after.to_vec();
        for held in before {
            if let Some(at) = kept.iter().position(|one| one == held) {
                kept.remove(at);
                continue;
            }
            let gone = |one: &&mut Written| {
                one.session == session && one.held == *held && !one.was_trimmed
            };
            if let Some(written) = self.0.iter_mut().find(gone) {
                written.was_trimmed = true;
            }
        }
    }

    /// Marks what a session holds for a note without any deadline.
    pub fn mark_delayed(&mut self, session: &str, pending: &[Held]) {
        for written in &mut self.0 {
            if written.session == session && pending.contains(&written.held) {
                written.was_delayed = true;
            }
        }
    }

    /// The final account. `held` is what sessions still keep, with its session; `stranded` the part
    /// of it that nothing will ever post.
    pub fn settle(&self, posts: &[Post], held: &[(String, Held)], stranded: &[(String, Held)]) -> Value {
        let mut told: Vec<(&str, &str, &Held)> = posts
            .iter()
            .filter(|post| post.is_ok())
            .flat_map(|post| {
                let lines = post.lines.iter();
                lines.map(|line| (post.session.as_str(), post.conversation.as_str(), line))
            })
            .collect();
        let mut kept: Vec<&(String, Held)> = held.iter().collect();
        let mut lists: [Vec<&str>; 7] = Default::default();
        let [delivered, trimmed, lost, stuck, delayed, misrouted, duplicated] = &mut lists;
        for written in &self.0 {
            let id = written.id.as_str();
            let is_own = |told: &(&str, &str, &Held)| {
                told.0 == written.session && *told.2 == written.held
            };
            if let Some(at) = told.iter().position(is_own) {
                let (_, conversation, _) = told.remove(at);
                delivered.push(id);
                if written.conversation.as_deref().is_some_and(|own| own != conversation) {
                    misrouted.push(id);
                }
            } else if written.was_trimmed {
                trimmed.push(id);
            } else if let Some(at) = kept.iter().position(|(session, one)| {
                *session == written.session && *one == written.held
            }) {
                let (session, one) = kept.remove(at);
                if stranded.contains(&(session.clone(), one.clone())) {
                    stuck.push(id);
                }
            } else {
                lost.push(id);
            }
            if written.was_delayed {
                delayed.push(id);
            }
        }
        // What was told and belongs to nothing that is left was told before.
        for (session, _, line) in told {
            let own = self.0.iter().find(|one| one.session == session && one.held == *line);
            duplicated.extend(own.map(|one| one.id.as_str()));
        }
        json!({
            "delivered": delivered, "trimmed": trimmed, "lost": lost, "stranded": stuck,
            "delayed": delayed, "misrouted": misrouted, "duplicated": duplicated,
        })
    }
}

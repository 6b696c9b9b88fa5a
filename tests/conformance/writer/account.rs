//! What became of every action: the ledger that cases are settled against.

use serde_json::{Value, json};

use event_connector::domain::session::Held;

use super::platform::Post;

/// One action that was written.
pub(super) struct Written {
    pub id: String,
    pub session: String,
    pub held: Held,
    /// The conversation that was current when it was accepted.
    pub conversation: Option<String>,
    pub was_delayed: bool,
}

/// All actions of a case, in the order in which they were written.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) written: Vec<Written>,
    /// Positions of what left a window without a note, in the order of leaving.
    trimmed: Vec<usize>,
}

impl Ledger {
    /// Marks what has left a session's window without a note.
    pub(super) fn mark_trimmed(&mut self, session: &str, before: &[Held], after: &[Held]) {
        let mut kept = after.to_vec();
        for held in before {
            if let Some(at) = kept.iter().position(|one| one == held) {
                kept.remove(at);
                continue;
            }
            let is_own = |one: &Written| one.session == session && one.held == *held;
            let own = (0..self.written.len())
                .find(|at| is_own(&self.written[*at]) && !self.trimmed.contains(at));
            self.trimmed.extend(own);
        }
    }

    /// Marks what a session holds for a note without any deadline.
    pub(super) fn mark_delayed(&mut self, session: &str, pending: &[Held]) {
        for written in &mut self.written {
            if written.session == session && pending.contains(&written.held) {
                written.was_delayed = true;
            }
        }
    }

    /// The final account. `held` is what sessions still keep; `stranded` the part of it that nothing
    /// will ever post.
    pub(super) fn settle(
        &self,
        posts: &[Post],
        held: &[(String, Held)],
        stranded: &[(String, Held)],
    ) -> Value {
        let ids = |places: &[usize]| -> Vec<&str> {
            places
                .iter()
                .map(|at| self.written[*at].id.as_str())
                .collect()
        };
        let told = self.told(posts);
        let delivered: Vec<usize> = told.iter().map(|(at, _)| *at).collect();
        let mut open: Vec<usize> = (0..self.written.len())
            .filter(|at| !delivered.contains(at) && !self.trimmed.contains(at))
            .collect();
        let kept = self.take(&mut open, held);
        let stuck = self.take(&mut kept.clone(), stranded);
        let misrouted: Vec<usize> = told
            .iter()
            .filter(|(at, conversation)| {
                let own = self.written[*at].conversation.as_ref();
                own.is_some_and(|own| own != conversation)
            })
            .map(|(at, _)| *at)
            .collect();
        let delayed: Vec<usize> = (0..self.written.len())
            .filter(|at| self.written[*at].was_delayed)
            .collect();
        json!({
            "delivered": ids(&delivered), "trimmed": ids(&self.trimmed), "lost": ids(&open),
            "stranded": ids(&stuck), "delayed": ids(&delayed), "misrouted": ids(&misrouted),
            "duplicated": repeated(&ids(&delivered)),
        })
    }

    /// Every telling of an action by a successful post, with its conversation: posts in order, each
    /// one's actions in the order of their arrival. What no action is left for was told before.
    fn told(&self, posts: &[Post]) -> Vec<(usize, String)> {
        let mut used = vec![0_usize; self.written.len()];
        let mut told = Vec::new();
        for post in posts.iter().filter(|post| post.is_ok()) {
            let mut places = Vec::new();
            for line in &post.lines {
                let own = (0..self.written.len()).filter(|at| {
                    let written = &self.written[*at];
                    written.session == post.session && written.held == *line
                });
                if let Some(at) = own.min_by_key(|at| used[*at]) {
                    used[at] += 1;
                    places.push(at);
                }
            }
            places.sort_unstable();
            told.extend(places.into_iter().map(|at| (at, post.conversation.clone())));
        }
        told
    }

    /// Moves out of `open` what `held` names.
    fn take(&self, open: &mut Vec<usize>, held: &[(String, Held)]) -> Vec<usize> {
        let mut taken = Vec::new();
        for (session, line) in held {
            let own = open.iter().position(|at| {
                let written = &self.written[*at];
                written.session == *session && written.held == *line
            });
            taken.extend(own.map(|place| open.remove(place)));
        }
        taken
    }
}

/// What a list names more than once, once each.
fn repeated<'a>(ids: &[&'a str]) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for (at, id) in ids.iter().enumerate() {
        if ids[..at].contains(id) && !seen.contains(id) {
            seen.push(*id);
        }
    }
    seen
}

//! From held actions to notes in the outbox, and back when a conversation is gone.

use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

use super::activity::to_json;
use super::input::{Errand, Outcome, Redaction, Settlement};
use super::policy::Policy;
use super::settling::Settling;
use super::state::{Held, LastError, Link, Session};
use crate::domain::id::{ConversationId, DeliveryId, PartId, SessionId};
use crate::domain::lane;
use crate::domain::log::{EntryType, IndexKey, NewDelivery, OutboxChange, Space};
use crate::domain::machine::Moment;
use crate::domain::note;
use crate::domain::time::later;

/// How many of the newest parts a session remembers.
const PARTS_MAX: usize = 100;

/// A note in the outbox whose end is not known yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenNote {
    /// Its delivery.
    pub delivery: DeliveryId,
    /// Where it goes.
    pub conversation: ConversationId,
    /// What it tells, to be held again if the conversation is gone.
    pub lines: Vec<Held>,
}

/// The body of a note's outbox row. It holds no credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoteBody {
    /// Where to post.
    pub conversation_id: ConversationId,
    /// Whose activity it tells.
    pub session_id: SessionId,
    /// The text as documented in contract 4.0, plain.
    pub text: Arc<str>,
}

/// The body of the outbox row that takes a note back. It holds no credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RedactionBody {
    /// The delivery whose note it is.
    pub redacts: DeliveryId,
    /// The platform's number for the note; absent where it gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_id: Option<PartId>,
    /// Where it was posted.
    pub conversation_id: ConversationId,
    /// Whose activity it told.
    pub session_id: SessionId,
}

/// The body of an outbox row that goes to a conversation, whichever it is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum ConversationBody {
    /// A note.
    Note(NoteBody),
    /// A note that is taken back.
    Redaction(RedactionBody),
}

impl ConversationBody {
    /// Reads a row's body; `None` of a push's, and of what cannot be read.
    pub fn read(body: &str) -> Option<Self> {
        serde_json::from_str(body).ok()
    }
}

impl Session {
    /// Keeps actions for a note: in the window before a link, pending after it.
    pub(super) fn hold_for_note(&mut self, held: Vec<Held>, moment: &mut Moment<'_, Policy>) {
        let policy = moment.policy;
        let now = moment.now;
        let mut is_full = false;
        let mut trimmed = 0;
        match &mut self.link {
            Link::Unlinked { window } => {
                window.extend(held);
                trimmed = trim(
                    window,
                    now - policy.pre_link_window_s,
                    policy.window_actions_max,
                );
            }
            Link::Linked {
                pending, flush_at, ..
            } => {
                pending.extend(held);
                *flush_at = Some(later(now, policy.post_link_debounce_s));
                is_full = pending.len() >= policy.window_actions_max;
            }
        }
        if trimmed > 0 {
            self.trimmed += trimmed as u64;
            moment.effects.trimmed_actions += trimmed as u64;
            let body = json!({"actions": trimmed});
            moment.log(EntryType::WindowTrimmed, "timer", self.user_text(), &body);
        }
        if is_full {
            self.flush(moment);
        }
    }

    /// Posts what is pending as one note without bins.
    pub(super) fn flush(&mut self, moment: &mut Moment<'_, Policy>) {
        if let Link::Linked {
            conversation,
            pending,
            flush_at,
        } = &mut self.link
        {
            *flush_at = None;
            let lines = std::mem::take(pending);
            let conversation = conversation.clone();
            self.queue_note(conversation, lines, 0.0, moment);
        }
    }

    /// Puts `lines` into the outbox, as more than one delivery only when they are too long for one.
    pub(super) fn queue_note(
        &mut self,
        conversation: ConversationId,
        lines: Vec<Held>,
        bin_seconds: f64,
        moment: &mut Moment<'_, Policy>,
    ) {
        let Some(session_id) = self.id.clone().filter(|_| !lines.is_empty()) else {
            return;
        };
        let lane = self.lane(&conversation, moment);
        let text_lines: Vec<note::Line> = lines.iter().map(Held::as_line).collect();
        let pieces = note::render(
            Some(session_id.as_str()),
            &text_lines,
            bin_seconds,
            moment.now,
            moment.policy.note_bytes_max,
        );
        for piece in pieces {
            let delivery = (moment.new_id)();
            let entry = json!({
                "delivery_id": delivery,
                "conversation_id": conversation,
                "actions": piece.lines.len(),
            });
            moment.log(EntryType::NoteQueued, "session", self.user_text(), &entry);
            moment.effects.deliveries.push(NewDelivery {
                id: delivery.clone(),
                lane: Arc::clone(&lane),
                body: body(&conversation, &session_id, piece.text),
            });
            let told = piece.lines.iter().filter_map(|at| lines.get(*at));
            self.open_notes.push(OpenNote {
                delivery,
                conversation: conversation.clone(),
                lines: told.cloned().collect(),
            });
        }
    }

    /// Puts the notes whose end is not known into the outbox again, each in its place. One that was under way is
    /// new to the outbox, so that its conversation may get it twice.
    pub(super) fn queue_again(&self, moment: &mut Moment<'_, Policy>) {
        let Some(session_id) = &self.id else { return };
        let mut new = std::mem::take(&mut moment.effects.deliveries);
        for note in &self.open_notes {
            let place = new.iter().position(|one| one.id == note.delivery);
            let delivery = place.map_or_else(
                || NewDelivery {
                    id: note.delivery.clone(),
                    lane: self.lane(&note.conversation, moment),
                    body: body(
                        &note.conversation,
                        session_id,
                        text(session_id, note, moment.now),
                    ),
                },
                |place| new.remove(place),
            );
            moment.effects.deliveries.push(delivery);
        }
        moment.effects.deliveries.append(&mut new);
    }

    /// Puts a redaction into the outbox, behind whatever waits for the conversation.
    pub(super) fn queue_redaction(
        redaction: &Redaction,
        moment: &mut Moment<'_, Policy>,
    ) -> DeliveryId {
        let id = (moment.new_id)();
        moment.effects.deliveries.push(NewDelivery {
            id: id.clone(),
            lane: Arc::clone(&redaction.lane),
            body: to_json(&redaction.body),
        });
        id
    }

    /// The order group of everything sent to `conversation`.
    pub(super) fn lane(
        &self,
        conversation: &ConversationId,
        moment: &Moment<'_, Policy>,
    ) -> Arc<str> {
        let platform = moment.policy.platform.unwrap_or("none");
        lane::lane(&self.product, platform, conversation)
    }

    /// The row to be removed when the conversation turns out to be gone.
    pub(super) fn wants_for_settlement(&self, settlement: &Settlement) -> Vec<IndexKey> {
        let is_gone = matches!(settlement.outcome, Outcome::Gone(_));
        self.open_note(&settlement.delivery)
            .filter(|_| is_gone)
            .map(|note| super::link::conversation_key(&note.conversation))
            .into_iter()
            .collect()
    }

    /// Notes the end of a delivery, in the outbox and in the state, in one commit.
    pub(super) fn take_settlement(
        &mut self,
        settlement: &Settlement,
        moment: &mut Moment<'_, Policy>,
    ) {
        if let Some(alone) = settlement.alone() {
            return moment.effects.outbox.extend(alone.outbox);
        }
        moment.effects.outbox.extend(settlement.attempted());
        let id = settlement.delivery.clone();
        let replayed = settlement.replayed;
        match (settlement.errand, &settlement.outcome) {
            (_, Outcome::Delivered(part)) => {
                self.take_delivered(id, part.clone(), replayed, moment)
            }
            // It has no conversation that could be gone.
            (Errand::Push | Errand::Redaction, Outcome::Failed(reason) | Outcome::Gone(reason)) => {
                self.remember_error(reason, moment.now);
                Self::give_up(id, reason, moment);
            }
            (Errand::Note, Outcome::Failed(reason)) => {
                self.take_failed(id, reason, replayed, moment);
            }
            (Errand::Note, Outcome::Gone(reason)) => self.take_gone(id, reason, replayed, moment),
        }
    }

    fn take_delivered(
        &mut self,
        id: DeliveryId,
        part: Option<PartId>,
        replayed: bool,
        moment: &mut Moment<'_, Policy>,
    ) {
        // A report that is repeated names a part that is known by now.
        let is_known = part.as_ref().is_some_and(|part| self.parts.contains(part));
        if self.open_note(&id).is_some() || (replayed && !is_known) {
            let body = json!({"delivery_id": id, "part_id": part});
            moment.log(
                EntryType::NoteDelivered,
                "delivery",
                self.user_text(),
                &body,
            );
            self.open_notes.retain(|note| note.delivery != id);
            self.parts.extend(part.clone());
            let surplus = self.parts.len().saturating_sub(PARTS_MAX);
            self.parts.drain(..surplus);
        }
        moment
            .effects
            .outbox
            .push(OutboxChange::Delivered { id, part });
    }

    fn take_failed(
        &mut self,
        id: DeliveryId,
        reason: &Arc<str>,
        replayed: bool,
        moment: &mut Moment<'_, Policy>,
    ) {
        if replayed || self.open_note(&id).is_some() {
            let body = json!({"delivery_id": id, "reason": reason});
            moment.log(EntryType::NoteFailed, "delivery", self.user_text(), &body);
            self.open_notes.retain(|note| note.delivery != id);
            self.remember_error(reason, moment.now);
        }
        Self::give_up(id, reason, moment);
    }

    fn give_up(id: DeliveryId, reason: &Arc<str>, moment: &mut Moment<'_, Policy>) {
        let reason = Arc::clone(reason);
        let dead = OutboxChange::Dead { id, reason };
        moment.effects.outbox.push(dead);
    }

    /// The conversation no longer exists: everything not delivered to it is withdrawn and held
    /// again, and the session is untied unless it has moved to another conversation meanwhile.
    fn take_gone(
        &mut self,
        id: DeliveryId,
        reason: &Arc<str>,
        replayed: bool,
        moment: &mut Moment<'_, Policy>,
    ) {
        let Some(conversation) = self.open_note(&id).map(|note| note.conversation.clone()) else {
            // There are no lines left that could wait for another conversation.
            return self.take_failed(id, reason, replayed, moment);
        };
        let mut returned = Vec::new();
        for note in std::mem::take(&mut self.open_notes) {
            if note.conversation == conversation {
                moment
                    .effects
                    .outbox
                    .push(OutboxChange::Withdrawn { id: note.delivery });
                returned.extend(note.lines);
            } else {
                self.open_notes.push(note);
            }
        }
        self.remember_error(reason, moment.now);
        let body =
            json!({"conversation_id": conversation, "reason": reason, "actions": returned.len()});
        moment.log(EntryType::Unlinked, "delivery", self.user_text(), &body);
        self.remove_link_rows(&conversation, moment);
        if self.conversation() == Some(&conversation) {
            if let Link::Linked { pending, .. } = &mut self.link {
                returned.append(pending);
            }
            self.fsm.on_conversation_gone();
            self.link = Link::Unlinked {
                window: returned.into(),
            };
        } else {
            self.hold_for_note(returned, moment);
        }
    }

    fn remove_link_rows(&self, conversation: &ConversationId, moment: &mut Moment<'_, Policy>) {
        let key = super::link::conversation_key(conversation);
        let owner: Option<super::index::SessionRow> = moment.facts.parse(&key);
        if owner.is_some_and(|row| Some(&row.session) == self.id.as_ref()) {
            moment.write_index(key, None, 0.0);
        }
        if let (Some(user), true) = (&self.user, self.conversation() == Some(conversation)) {
            let key = IndexKey::new(Space::UserLink, user.as_str());
            moment.write_index(key, None, 0.0);
        }
    }

    fn remember_error(&mut self, reason: &Arc<str>, at: f64) {
        self.last_error = Some(LastError {
            at,
            text: Arc::clone(reason),
        });
    }

    fn open_note(&self, delivery: &DeliveryId) -> Option<&OpenNote> {
        self.open_notes
            .iter()
            .find(|note| note.delivery == *delivery)
    }
}

fn body(conversation: &ConversationId, session: &SessionId, text: String) -> Arc<str> {
    to_json(&NoteBody {
        conversation_id: conversation.clone(),
        session_id: session.clone(),
        text: text.into(),
    })
}

/// A note's text without bins; they are known only to the outbox.
fn text(session: &SessionId, note: &OpenNote, now: f64) -> String {
    let lines: Vec<note::Line> = note.lines.iter().map(Held::as_line).collect();
    let pieces = note::render(Some(session.as_str()), &lines, 0.0, now, usize::MAX);
    pieces.into_iter().map(|piece| piece.text).collect()
}

/// Removes what the window rule no longer keeps; returns how many.
fn trim(window: &mut Settling<Held>, oldest: f64, actions_max: usize) -> usize {
    let before = window.len();
    window.retain(|held| held.window_at() >= oldest);
    window.forget(window.len().saturating_sub(actions_max));
    before - window.len()
}

//! Tying a session to a conversation (contract 4.0, 1.8, 1.10).

use serde_json::json;

use super::activity::to_json;
use super::index::{LinkRequest, LinkRow, PendingRow, SessionRow, Trust};
use super::input::Reply;
use super::policy::Policy;
use super::state::{Link, Session};
use crate::domain::id::{ConversationId, SessionId};
use crate::domain::link::LinkEvent;
use crate::domain::log::{EntryType, IndexKey, OutboxChange, Space};
use crate::domain::machine::Moment;

/// How long a conversation's row lives, seconds. Every link and carry-over writes it anew, so only
/// conversations without any traffic for a month are forgotten.
const CONVERSATION_S: f64 = 30.0 * 86_400.0;

/// The row that says whose activity a conversation shows.
pub(super) fn conversation_key(conversation: &ConversationId) -> IndexKey {
    IndexKey::new(Space::Conversation, conversation.as_str())
}

impl Session {
    /// Decides on a link request. The index is written first, then the machine, then the notes
    /// follow the newest conversation even where the machine, seeing a reply, keeps the older one.
    pub(super) fn take_link(
        &mut self,
        request: &LinkRequest,
        moment: &mut Moment<'_, Policy>,
    ) -> Reply {
        let Some(id) = self.id.clone() else {
            return Reply::Refused;
        };
        let conversation = &request.conversation;
        let notification = request.notification_key;
        if notification.is_some_and(|key| self.seen.contains(key, moment.now)) {
            // A late repetition must not pull the notes back to a conversation long left.
            return Reply::Unchanged;
        }
        let key = conversation_key(conversation);
        let owner: Option<SessionRow> = moment.facts.parse(&key);
        if self.is_foreign(owner.as_ref(), request.trust) {
            let body = json!({"conversation_id": conversation});
            moment.log(
                EntryType::LinkRefused,
                request.trust.as_str(),
                self.user_text(),
                &body,
            );
            return Reply::Refused;
        }
        if let Some(key) = notification {
            self.seen.insert(key, moment.now);
        }
        let owned = owner
            .as_ref()
            .is_some_and(|row| !row.session.as_str().is_empty());
        let event = LinkEvent::infer(owned);
        let row = self.row(&id);
        if owner.as_ref() != Some(&row) {
            moment.write_index(key, Some(to_json(&row)), CONVERSATION_S);
        }
        self.with_fsm(request.trust.as_str(), moment, |fsm, now| {
            fsm.on_conversation_linked(conversation.as_str(), event);
            if request.message && fsm.transition_to_reactive(now).is_err() {
                fsm.record_message(now);
            }
        });
        self.attach(conversation, request.trust, moment)
    }

    /// What look-up rows say that lead to this session.
    pub(super) fn row(&self, id: &SessionId) -> SessionRow {
        SessionRow {
            session: id.clone(),
            user: self.user.clone(),
        }
    }

    /// Writes the row of the session's conversation again.
    pub(super) fn renew_link(&self, moment: &mut Moment<'_, Policy>) {
        let (Some(conversation), Some(id)) = (self.conversation(), &self.id) else {
            return;
        };
        let row = self.row(id);
        let key = conversation_key(conversation);
        moment.write_index(key, Some(to_json(&row)), CONVERSATION_S);
    }

    /// Links that waited for this session or this user, then the link of the user's previous
    /// session. Called when the session has just learned who its user is.
    pub(super) fn adopt_waiting_link(&mut self, moment: &mut Moment<'_, Policy>) {
        let user = self.user.as_ref().map(|user| user.as_str().to_owned());
        let keys = self.waiting_keys(user.as_deref(), self.email.as_deref());
        for key in keys.iter().filter(|key| key.space.is_pending()) {
            let Some(waiting) = moment.facts.parse::<PendingRow>(key) else {
                continue;
            };
            for (space, id) in &waiting.also {
                moment.write_index(space.key(id), None, 0.0);
            }
            moment.write_index(key.clone(), None, 0.0);
            self.take_link(&waiting.request, moment);
        }
        if self.conversation().is_some() {
            return;
        }
        for key in keys.iter().filter(|key| key.space == Space::UserLink) {
            let Some(previous) = moment.facts.parse::<LinkRow>(key) else {
                continue;
            };
            let quiet_s = moment.now - previous.active_at;
            if quiet_s <= moment.policy.link_carry_s && Some(&previous.session) != self.id.as_ref()
            {
                let request = LinkRequest {
                    conversation: previous.conversation,
                    trust: Trust::Carried,
                    message: false,
                    notification_key: None,
                };
                self.take_link(&request, moment);
            }
        }
    }

    /// Points the notes at `conversation` and posts what waited.
    fn attach(
        &mut self,
        conversation: &ConversationId,
        trust: Trust,
        moment: &mut Moment<'_, Policy>,
    ) -> Reply {
        if self.conversation() == Some(conversation) {
            if self
                .open_notes
                .iter()
                .any(|note| note.conversation == *conversation)
            {
                let lane = self.lane(conversation, moment);
                moment.effects.outbox.push(OutboxChange::RetryNow { lane });
            }
            return Reply::Unchanged;
        }
        // What was pending was done while the old conversation was current; it belongs there.
        self.flush(moment);
        let fresh = Link::Linked {
            conversation: conversation.clone(),
            pending: Vec::new(),
            flush_at: None,
        };
        let body = json!({"conversation_id": conversation});
        moment.log(EntryType::Linked, trust.as_str(), self.user_text(), &body);
        if let Link::Unlinked { window } = std::mem::replace(&mut self.link, fresh) {
            let bin_seconds = moment.policy.bin_seconds;
            let lines = window.into_items();
            self.queue_note(conversation.clone(), lines, bin_seconds, moment);
        }
        Reply::Linked
    }

    /// Whether the conversation shows another user's session and the asker may not change that.
    fn is_foreign(&self, owner: Option<&SessionRow>, trust: Trust) -> bool {
        let Some(owner) = owner else { return false };
        let mine = Some(&owner.session) == self.id.as_ref();
        let same_user = owner.user.is_some() && owner.user == self.user;
        trust == Trust::Page && !mine && !same_user
    }
}

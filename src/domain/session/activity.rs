//! Taking in what the user did: duplicates out, identity in, numbered, onto the feed, towards a
//! note (contract 3.6.6 to 3.6.8).

use std::borrow::Cow;
use std::sync::Arc;

use super::index::{LinkRow, PendingRow, PendingSpace, email_key};
use super::input::Reply;
use super::offers::Occasion;
use super::policy::{IndexMode, Policy};
use super::state::{Held, Session};
use crate::domain::action::{
    Action, ActionsPayload, Activity, Identity, NewAction, PayloadType, Provider,
};
use crate::domain::id::{SessionId, UserId};
use crate::domain::lane;
use crate::domain::log::{EntryType, IndexKey, NewDelivery, Space};
use crate::domain::machine::{Facts, Moment};

/// What the payload of most requests fits into, so that it need not grow while it is written.
const MOSTLY_BYTES: usize = 1024;

/// After this long without activity a session's actions are numbered from 0 again.
const INDEX_AGE_S: f64 = 86_400.0;

impl Session {
    pub(super) fn take_activity(
        &mut self,
        activity: &Activity,
        moment: &mut Moment<'_, Policy>,
    ) -> Reply {
        let total = activity.actions.len();
        let provider = activity.provider;
        let fresh = self.without_duplicates(activity.body_key, &activity.actions, moment.now);
        let reply = Reply::Accepted {
            actions: fresh.len(),
            duplicates: total - fresh.len(),
        };
        if self.id.is_none() {
            self.publish(&fresh, provider, moment);
            return reply;
        }
        self.apply_identities(&activity.identities);
        self.apply_properties(activity, moment);
        if moment.now - self.active_at > INDEX_AGE_S {
            self.next_index = 0;
        }
        self.active_at = self.active_at.max(moment.now);
        if moment.policy.platform.is_some() && !fresh.is_empty() {
            self.hold(&fresh, provider, moment);
        }
        self.adopt_waiting_link(moment);
        // Once there is something to remember, the log is what is remembered, whatever the product wants meanwhile.
        if moment.policy.wants_offers() || self.offers.is_some() {
            let (policy, now) = (&moment.policy.offers, moment.now);
            let recent = &mut self.offers_mut().recent;
            recent.note(&fresh, provider, policy, now);
        }
        self.publish(&fresh, provider, moment);
        if moment.policy.wants_offers() {
            self.consider(Occasion::Batch, moment);
        }
        self.renew_index(moment);
        reply
    }

    /// Rows that a session looks at when it learns who its user is: links that wait for it, the link of the user's
    /// previous session, and how much the user was offered.
    pub(super) fn wants_for_activity(
        &self,
        activity: &Activity,
        facts: &Facts,
        policy: &Policy,
        now: f64,
    ) -> Vec<IndexKey> {
        if self.id.is_none() {
            return Vec::new();
        }
        let later = self.identity_after(&activity.identities);
        let mut keys = self.quota_rows_of_newcomer(later.user, policy, now);
        let user = later.user.map(UserId::as_str);
        for key in self.waiting_keys(user, later.email) {
            if let Some(row) = facts.parse::<PendingRow>(&key) {
                keys.push(super::link::conversation_key(&row.request.conversation));
            } else if let Some(row) = facts.parse::<LinkRow>(&key) {
                keys.push(super::link::conversation_key(&row.conversation));
            }
            keys.push(key);
        }
        keys
    }

    /// The rows under which a link may wait for this session, as far as they are news to it.
    pub(super) fn waiting_keys(&self, user: Option<&str>, email: Option<&str>) -> Vec<IndexKey> {
        let mut keys = Vec::new();
        if let (None, Some(id)) = (self.indexed.at, &self.id) {
            keys.push(PendingSpace::Session.key(id.as_str()));
        }
        let known = self.indexed.user.as_ref().map(|user| user.as_str());
        if let Some(user) = user.filter(|user| Some(*user) != known) {
            keys.push(PendingSpace::User.key(user));
            if self.conversation().is_none() {
                keys.push(IndexKey::new(Space::UserLink, user));
            }
        }
        if let Some(email) = email.filter(|email| Some(*email) != self.indexed.email.as_deref()) {
            keys.push(PendingSpace::Email.key(&email.to_lowercase()));
        }
        keys
    }

    /// Writes the rows by which this session is found, when they say something new or grow old.
    pub(super) fn renew_index(&mut self, moment: &mut Moment<'_, Policy>) {
        let Some(id) = self.id.clone() else { return };
        // Short carry-over times want finer renewal than once a minute.
        let refresh_s = super::index::REFRESH_S.min(moment.policy.link_carry_s / 20.0);
        let old = self
            .indexed
            .at
            .is_none_or(|at| moment.now - at >= refresh_s);
        if self.is_indexed() && !old {
            return;
        }
        let lives_s = moment.policy.index_s.max(moment.policy.link_carry_s);
        let row: Arc<str> = to_json(&self.row(&id));
        if let Some(user) = &self.user {
            let key = IndexKey::new(Space::UserSession, user.as_str());
            moment.write_index(key, Some(Arc::clone(&row)), lives_s);
        }
        if let Some(email) = &self.email {
            let key = email_key(Space::EmailSession, email);
            moment.write_index(key, Some(Arc::clone(&row)), lives_s);
        }
        if let (Some(conversation), Some(user)) = (self.conversation(), &self.user) {
            let value = to_json(&LinkRow {
                session: id,
                conversation: conversation.clone(),
                active_at: self.active_at,
            });
            let key = IndexKey::new(Space::UserLink, user.as_str());
            moment.write_index(key, Some(value), lives_s);
        }
        self.indexed = self.to_be_indexed(Some(moment.now));
    }

    fn without_duplicates<'a>(
        &mut self,
        body_key: u64,
        actions: &'a [NewAction],
        now: f64,
    ) -> Vec<&'a NewAction> {
        // One action is recognised by its own key; remembering the body as well would halve the
        // memory for the most common request.
        let is_batch = actions.len() > 1;
        if is_batch && self.seen.contains(body_key, now) {
            return Vec::new();
        }
        let fresh = actions
            .iter()
            .filter(|action| self.seen.insert(action.duplicate_key, now))
            .collect();
        if is_batch {
            // Last, so that even a body of more actions than are remembered stays recognised.
            self.seen.insert(body_key, now);
        }
        fresh
    }

    fn apply_identities(&mut self, identities: &[Identity]) {
        let later = self.identity_after(identities);
        let user = later.user.cloned();
        let news = |email: &&str| Some(*email) != self.email.as_deref();
        let email = later.email.filter(news).map(str::to_owned);
        self.user = user;
        // Most requests repeat it, and what is known stays where it is.
        self.email = email.or(self.email.take());
    }

    /// Labels first, then statements, each in order: what an `$identify` says wins over the distinct
    /// id that the same request's ordinary events carry.
    fn identity_after<'a>(&'a self, identities: &'a [Identity]) -> KnownIdentity<'a> {
        let mut known = KnownIdentity {
            user: self.user.as_ref(),
            email: self.email.as_deref(),
        };
        for stated in [false, true] {
            for identity in identities.iter().filter(|one| one.stated == stated) {
                known.user = identity.user_id.as_ref().or(known.user);
                known.email = identity.email.as_deref().or(known.email);
            }
        }
        known
    }

    fn hold(
        &mut self,
        actions: &[&NewAction],
        provider: Provider,
        moment: &mut Moment<'_, Policy>,
    ) {
        let now = moment.now;
        let held = actions
            .iter()
            .map(|action| Held {
                at: action.at,
                arrived_at: provider.delivers_late().then_some(now),
                description: action.description.clone(),
            })
            .collect();
        self.hold_for_note(held, moment);
    }

    /// Puts a feed payload into the outbox, to be pushed as it is. The row holds all of it rather than the
    /// place of its log entry: the log may be trimmed, by age or size, while a receiver is away.
    fn queue_push(&self, body: Arc<str>, moment: &mut Moment<'_, Policy>) {
        let bucket = self.fsm.session_id().unwrap_or_default();
        let name = self.id.as_ref().map_or(bucket, SessionId::as_str);
        let delivery = NewDelivery {
            id: (moment.new_id)(),
            lane: lane::push_lane(&self.product, name, self.id.is_none()),
            body,
        };
        moment.effects.deliveries.push(delivery);
    }

    /// Numbers the actions and puts them on the feed as one batch, and into the outbox where the product
    /// pushes.
    fn publish(
        &mut self,
        actions: &[&NewAction],
        provider: Provider,
        moment: &mut Moment<'_, Policy>,
    ) {
        if actions.is_empty() {
            return;
        }
        let ends: Vec<f64> = actions.iter().skip(1).filter_map(|next| next.at).collect();
        let numbered = self.id.is_some() && moment.policy.index_mode == IndexMode::Session;
        let first = if numbered { self.next_index } else { 0 };
        self.next_index = first + actions.len() as u64;
        let email = self.email.as_deref();
        let wire: Vec<Action<'_>> = (first..)
            .zip(actions)
            .enumerate()
            .map(|(position, (index, action))| Action {
                index,
                timestamp_start: action.at.unwrap_or(0.0),
                r#type: action.r#type,
                title: Cow::Borrowed(&action.title),
                description: Cow::Borrowed(&action.description),
                timestamp_end: ends.get(position).copied().or(action.at).unwrap_or(0.0),
                raw_url: Cow::Borrowed(&action.raw_url),
                canonical_url: Cow::Borrowed(&action.canonical_url),
                session_id: self.id.clone(),
                user_id: action.user_id.as_ref().or(self.user.as_ref()).cloned(),
                email: action.email.as_deref().or(email).map(Cow::Borrowed),
                conversation_id: self.conversation().cloned(),
            })
            .collect();
        let first_known = || actions.first().and_then(|action| action.user_id.as_ref());
        let user_id = self.user.as_ref().or_else(first_known).cloned();
        let known = || actions.iter().find_map(|action| action.email.as_deref());
        let user_text = user_id.as_ref().map(|user| Arc::from(user.as_str()));
        let payload = ActionsPayload {
            r#type: PayloadType::Actions,
            product_id: self.product.clone(),
            session_id: self.id.clone(),
            user_id,
            email: email.or_else(known).map(Cow::Borrowed),
            conversation_id: self.conversation().cloned(),
            count: wire.len(),
            actions: wire,
            forwarded_at: moment.now,
        };
        let body: Arc<str> = wire_json(&payload).into();
        if moment.policy.pushes {
            self.queue_push(Arc::clone(&body), moment);
        }
        moment.log_text(EntryType::Actions, provider.as_str(), user_text, body);
    }
}

/// Who the user is once a request's identities are applied.
struct KnownIdentity<'a> {
    user: Option<&'a UserId>,
    email: Option<&'a str>,
}

/// The JSON of a feed payload, on one line and without any character that the oldest clients take
/// for the end of a line (contract 2.3): U+0085, U+2028, U+2029 and every control are escaped.
pub fn wire_json(payload: &impl serde::Serialize) -> String {
    let mut plain = Vec::with_capacity(MOSTLY_BYTES);
    serde_json::to_writer(&mut plain, payload)
        .expect("payloads hold only strings, numbers and lists of them");
    let plain = String::from_utf8(plain).expect("JSON is text");
    let needs_escape = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}');
    // Their first bytes, which few texts hold. All bytes of a chunk are looked at, because that is done for
    // many at once, and stopping at the first is not.
    let may_need_escape = |found, byte: &u8| found | matches!(byte, 0x7f | 0xc2 | 0xe2);
    let in_chunk = |chunk: &[u8]| chunk.iter().fold(false, may_need_escape);
    if !plain.as_bytes().chunks(64).any(in_chunk) {
        return plain;
    }
    let mut escaped = String::with_capacity(plain.len() + 32);
    for c in plain.chars() {
        if needs_escape(c) {
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

pub(super) fn to_json(value: &impl serde::Serialize) -> Arc<str> {
    serde_json::to_string(value)
        .expect("index rows hold only strings, numbers and lists of them")
        .into()
}

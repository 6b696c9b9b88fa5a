//! A session on a stage: inputs with times in, everything it asked for out.

use std::collections::HashMap;
use std::sync::Arc;

use event_connector::domain::action::{
    Action, ActionType, ActionsPayload, Activity, Identity, NewAction, Property, Provider,
};
use event_connector::domain::id::{DeliveryId, Key, ProductId, SessionId};
use event_connector::domain::log::{
    Effects, EntryType, IndexKey, NewDelivery, NewEntry, OutboxChange,
};
use event_connector::domain::machine::{Encoded, Facts, Machine, Moment, Past};
use event_connector::domain::proactive::Seen;
use event_connector::domain::session::index::{LinkRequest, Trust};
use event_connector::domain::session::{
    Errand, Input, NoteBody, Outcome, Policy, Reply, Session, Settlement,
};

/// The time at which stories begin: 2026-05-18 09:14:00 UTC.
pub(super) const T0: f64 = 1_779_095_640.0;

/// A note as it went into the outbox.
pub(super) struct Posted {
    pub id: DeliveryId,
    pub conversation: String,
    pub text: String,
    pub at: f64,
}

/// One session with its surroundings.
pub(super) struct Stage {
    pub session: Session,
    pub policy: Policy,
    pub index: HashMap<IndexKey, Arc<str>>,
    pub entries: Vec<NewEntry>,
    pub outbox: Vec<OutboxChange>,
    pub trimmed_actions: u64,
    /// What went into the outbox to be pushed.
    pub pushed: Vec<NewDelivery>,
    /// The newest stored form of the session.
    pub stored: Encoded,
    pub(super) settled: Arc<[u8]>,
    posted: Vec<Posted>,
    identities: Vec<Identity>,
    properties: Vec<Property>,
    pub dropped_properties: u64,
    ids: u64,
    /// How many more entries a session that is loaded is told at a time.
    pub recalls: usize,
}

pub(super) fn action(name: &str, at: f64) -> NewAction {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (name, at.to_bits()).hash(&mut hasher);
    NewAction {
        duplicate_key: hasher.finish(),
        r#type: ActionType::Click,
        title: format!("Click {name}"),
        description: name.to_owned(),
        at: Some(at),
        raw_url: String::new(),
        canonical_url: String::new(),
        user_id: None,
        email: None,
    }
}

impl Stage {
    pub(super) fn new() -> Self {
        Self::with(Policy::default())
    }

    pub(super) fn with(policy: Policy) -> Self {
        Self::of("s1", policy, HashMap::new())
    }

    /// A session `id` that finds `index` as others left it.
    pub(super) fn of(id: &str, policy: Policy, index: HashMap<IndexKey, Arc<str>>) -> Self {
        let key = Key::session(&ProductId::from("acme"), &SessionId::from(id));
        let mut session = Session::open(&key, &policy, T0);
        Self {
            stored: session.encode(),
            settled: Arc::default(),
            session,
            policy,
            index,
            entries: Vec::new(),
            outbox: Vec::new(),
            trimmed_actions: 0,
            pushed: Vec::new(),
            posted: Vec::new(),
            identities: Vec::new(),
            properties: Vec::new(),
            dropped_properties: 0,
            ids: 0,
            recalls: usize::MAX,
        }
    }

    /// From now on the user's events carry this identity.
    pub(super) fn is(&mut self, user: &str, email: Option<&str>) {
        self.identities = vec![Identity {
            user_id: Some(user.into()),
            email: email.map(str::to_owned),
            stated: false,
        }];
    }

    /// From now on the user's events say this of them.
    pub(super) fn says(&mut self, properties: &[Property]) {
        self.properties = properties.to_vec();
    }

    pub(super) fn act(&mut self, now: f64, actions: &[NewAction]) -> Reply {
        self.act_from(Provider::Posthog, now, actions)
    }

    pub(super) fn act_late(&mut self, now: f64, actions: &[NewAction]) -> Reply {
        self.act_from(Provider::Fullstory, now, actions)
    }

    pub(super) fn link(&mut self, now: f64, conversation: &str) -> Reply {
        self.handle(now, Self::wish(conversation))
    }

    /// The platform says that a conversation is the user's.
    pub(super) fn wish(conversation: &str) -> Input {
        Input::Link(LinkRequest {
            conversation: conversation.into(),
            trust: Trust::Platform,
            message: false,
            notification_key: None,
        })
    }

    pub(super) fn link_from_page(&mut self, now: f64, conversation: &str) -> Reply {
        self.ask_link(now, conversation, Trust::Page, None)
    }

    pub(super) fn message(&mut self, now: f64, conversation: &str, notification: u64) -> Reply {
        self.ask_link(now, conversation, Trust::Platform, Some(notification))
    }

    pub(super) fn delivered(&mut self, now: f64, id: &DeliveryId, part: Option<&str>) {
        self.settle(now, id, Outcome::Delivered(part.map(Into::into)));
    }

    pub(super) fn settle(&mut self, now: f64, id: &DeliveryId, outcome: Outcome) {
        self.end(now, Errand::Note, id, outcome);
    }

    /// A push came to its end.
    pub(super) fn settle_push(&mut self, now: f64, id: &DeliveryId, outcome: Outcome) {
        self.end(now, Errand::Push, id, outcome);
    }

    fn end(&mut self, now: f64, errand: Errand, id: &DeliveryId, outcome: Outcome) {
        let delivery = id.clone();
        self.handle(
            now,
            Input::Settled(Settlement {
                delivery,
                errand,
                outcome,
                attempt: None,
                replayed: false,
            }),
        );
    }

    /// Lets time pass up to `end`, serving every deadline at its own instant.
    pub(super) fn until(&mut self, end: f64) {
        while let Some(due) = self.session.deadline().filter(|due| *due <= end) {
            self.run(due, &[], |session, moment| {
                session.on_deadline(moment);
                let next = session.deadline();
                assert!(
                    next.is_none_or(|next| next > due),
                    "what was due at {due} is due at {next:?} once it is served"
                );
            });
        }
    }

    pub(super) fn handle(&mut self, now: f64, input: Input) -> Reply {
        let replies = self.decide(now, &[input]);
        replies.into_iter().next().expect("an input has a reply")
    }

    /// Takes inputs in one decision, as an actor does with what waits for it. The entries of each carry its place
    /// among them.
    pub(super) fn decide(&mut self, now: f64, inputs: &[Input]) -> Vec<Reply> {
        self.until(now);
        self.run(now, inputs, |session, moment| {
            let mut replies = Vec::new();
            for (place, input) in inputs.iter().enumerate() {
                moment.correlation_id = place.to_string().into();
                replies.push(session.handle(input.clone(), moment));
            }
            replies
        })
    }

    pub(super) fn notes(&self) -> &[Posted] {
        &self.posted
    }

    pub(super) fn count(&self, r#type: EntryType) -> usize {
        self.entries
            .iter()
            .filter(|entry| entry.r#type == r#type)
            .count()
    }

    /// Every action on the feed, in order.
    pub(super) fn published(&self) -> Vec<Action<'static>> {
        let batches = self
            .entries
            .iter()
            .filter(|entry| entry.r#type == EntryType::Actions);
        batches
            .flat_map(|entry| {
                let payload: ActionsPayload<'_> =
                    serde_json::from_str(&entry.body).expect("payload");
                assert_eq!(payload.count, payload.actions.len());
                payload.actions
            })
            .collect()
    }

    fn act_from(&mut self, provider: Provider, now: f64, actions: &[NewAction]) -> Reply {
        let input = self.activity(provider, actions);
        self.handle(now, input)
    }

    /// What a provider sends of the user, who is whoever was said last.
    pub(super) fn activity(&self, provider: Provider, actions: &[NewAction]) -> Input {
        let body_key = actions.iter().fold(17, |sum: u64, action| {
            sum.wrapping_mul(31).wrapping_add(action.duplicate_key)
        });
        let activity = Activity {
            identities: self.identities.clone(),
            properties: self.properties.clone(),
            actions: actions.to_vec(),
            ..Activity::new(provider, body_key)
        };
        Input::Activity(activity.into())
    }

    fn ask_link(
        &mut self,
        now: f64,
        conversation: &str,
        trust: Trust,
        notification_key: Option<u64>,
    ) -> Reply {
        let request = LinkRequest {
            conversation: conversation.into(),
            trust,
            message: notification_key.is_some(),
            notification_key,
        };
        self.handle(now, Input::Link(request))
    }

    fn run<R>(
        &mut self,
        now: f64,
        inputs: &[Input],
        go: impl FnOnce(&mut Session, &mut Moment<'_, Policy>) -> R,
    ) -> R {
        let mut facts = Facts::default();
        loop {
            let wants = |input| self.session.wants(input, &facts, &self.policy, now);
            let wanted: Vec<_> = inputs.iter().flat_map(wants).collect();
            if wanted.is_empty() {
                break;
            }
            for key in wanted {
                let value = self.index.get(&key).cloned();
                facts.learn(key, value);
            }
        }
        let mut effects = Effects::default();
        let ids = &mut self.ids;
        let mut new_id = || {
            *ids += 1;
            DeliveryId::from(format!("d{ids}"))
        };
        let mut moment = Moment {
            now,
            policy: &self.policy,
            facts: &mut facts,
            effects: &mut effects,
            correlation_id: "timer".into(),
            new_id: &mut new_id,
        };
        let result = go(&mut self.session, &mut moment);
        self.keep(now, effects);
        // Whatever a session becomes, it survives being written down.
        self.stored = self.session.encode();
        if let Some(settled) = &self.stored.settled {
            self.settled = settled.onto(&self.settled);
        }
        let mut read = self.read();
        let (known, found) = (Self::seen(&self.session), Self::seen(&read));
        let is_there = known.iter().all(|one| found.contains(one));
        assert!(is_there, "{found:?} and not {known:?}");
        // Who loads it also finds what happened before anybody wanted it remembered, and what was too old before the
        // clock was set back.
        if found.len() > known.len()
            && let (Some(found), Some(known)) = (&mut read.offers, &self.session.offers)
        {
            found.recent = known.recent.clone();
        }
        assert_eq!(read, self.session);
        result
    }

    /// What triggers look at, as far as it is remembered.
    pub(super) fn seen(session: &Session) -> Vec<Seen<'_>> {
        let offers = session.offers.iter();
        offers
            .flat_map(|offers| offers.recent.actions().iter())
            .collect()
    }

    /// The session as whoever loads it finds it, from its stored form and as little of the log as it wants.
    fn read(&self) -> Session {
        let read = Session::decode(&self.stored.state, &self.settled);
        let mut read = read.expect("a stored session is readable");
        let past: Vec<_> = self.entries.iter().rev().map(past).collect();
        let mut known = 0;
        while read.recall(None, past.get(..known).unwrap_or(&past), &self.policy)
            && known < past.len()
        {
            known = known.saturating_add(self.recalls);
        }
        read
    }

    fn keep(&mut self, now: f64, effects: Effects) {
        self.trimmed_actions += effects.trimmed_actions;
        self.dropped_properties += effects.dropped_properties;
        self.entries.extend(effects.entries);
        self.outbox.extend(effects.outbox);
        for write in effects.index {
            match write.value {
                Some(value) => self.index.insert(write.key, value),
                None => self.index.remove(&write.key),
            };
        }
        for delivery in effects.deliveries {
            if delivery.lane.contains("/push/") {
                self.pushed.push(delivery);
                continue;
            }
            let body: NoteBody = serde_json::from_str(&delivery.body).expect("note body");
            self.posted.push(Posted {
                id: delivery.id,
                conversation: body.conversation_id.to_string(),
                text: body.text.to_string(),
                at: now,
            });
        }
    }
}

fn past(entry: &NewEntry) -> Past<'_> {
    Past {
        r#type: entry.r#type.as_str(),
        at: entry.at,
        source: entry.source,
        body: &entry.body,
    }
}

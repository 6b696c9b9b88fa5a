//! What was really written, commit by commit, and the laws that hold of every single commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use event_connector::domain::action::ActionsPayload;
use event_connector::domain::id::{ConversationId, DeliveryId, Key, PartId, ProductId};
use event_connector::domain::log::{EntryType, Offset, OutboxChange, Space};
use event_connector::domain::machine::Machine;
use event_connector::domain::session::index::SessionRow;
use event_connector::domain::session::{IndexMode, NoteBody, Session};
use event_connector::store::{Commit, Entry, StateWrite};

use super::outbox::check_sent;
use super::vendor::Vendor;
use super::world::World;

/// Everything that was ever committed.
#[derive(Default)]
pub(crate) struct Record {
    /// Entries by product, in commit order; ageing takes nothing away here.
    pub(crate) logs: BTreeMap<ProductId, Vec<Entry>>,
    /// The newest state of every key.
    pub(crate) states: BTreeMap<Key, Session>,
    /// Their settled parts.
    settled: BTreeMap<Key, Arc<[u8]>>,
    pub(crate) deliveries: BTreeMap<DeliveryId, Sent>,
    /// Actions on the feed: whose, where, and how many came before.
    pub(crate) told: BTreeMap<String, (Key, Offset, usize)>,
    /// What a session was linked to, from which event on.
    pub(crate) links: BTreeMap<Key, Vec<(u64, Option<ConversationId>)>>,
    /// Whom a conversation shows, from which event on.
    pub(crate) owners: BTreeMap<(ProductId, ConversationId), Owners>,
    sequences: BTreeMap<Key, u64>,
    indexes: BTreeMap<Key, u64>,
    /// When a session's newest actions were taken in.
    acted_at: BTreeMap<Key, f64>,
}

/// Whom one conversation shows, from which event on.
type Owners = Vec<(u64, Option<SessionRow>)>;

/// A delivery that was asked for.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) key: Key,
    /// Its place in the order of commits.
    pub(crate) number: usize,
    pub(crate) conversation: ConversationId,
    pub(crate) actions: Vec<String>,
    pub(crate) end: Option<End>,
    /// The part that it was recorded as.
    pub(super) part: Option<PartId>,
    /// How it was sent again, if it was.
    pub(crate) replayed: Option<Replayed>,
    /// The entries that tell how it ended this time.
    pub(super) told: BTreeSet<Arc<str>>,
    /// Leases that ran out, each of them an attempt.
    pub(super) lost: u32,
    /// The fence of the lease that it is under, if it is.
    pub(super) fence: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Replayed {
    /// Whether it is the copy of one that had ended.
    pub(crate) is_copy: bool,
    /// How often it had been called for when it was a dead letter, if it was one.
    pub(crate) revived: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Delivered,
    Dead,
    Withdrawn,
}

impl Sent {
    pub(crate) fn is_copy(&self) -> bool {
        self.replayed.is_some_and(|replayed| replayed.is_copy)
    }
}

impl Record {
    /// Takes note of a commit that was written, with the entries that it appended.
    pub(crate) fn note(
        &mut self,
        world: &World,
        vendor: &Vendor,
        commit: &Commit,
        entries: Vec<Entry>,
    ) {
        let Some(new) = &commit.state else {
            return self.note_owners(world, commit);
        };
        let settled = self.settle(new);
        let Ok(state) = Session::decode(&new.state, &settled) else {
            let text = format!("the state of {} cannot be decoded", new.key);
            return world.trace.break_law("states_are_readable", text);
        };
        let before = self.states.get(&new.key).cloned();
        self.check_timers(world, commit, &new.key, before.as_ref(), &entries);
        self.check_links(world, vendor, &new.key, before.as_ref(), &state, &entries);
        for entry in entries {
            self.append(world, entry);
        }
        self.note_deliveries(world, commit, &new.key);
        self.note_ends(world, vendor, commit);
        self.check_notes(world, commit);
        self.note_owners(world, commit);
        self.states.insert(new.key.clone(), state);
    }

    /// The settled part of a state as this write leaves it.
    fn settle(&mut self, new: &StateWrite) -> Arc<[u8]> {
        let settled = self.settled.entry(new.key.clone()).or_default();
        if let Some(written) = &new.settled {
            *settled = written.onto(settled);
        } else if new.base == 0 {
            *settled = Arc::default();
        }
        Arc::clone(settled)
    }

    fn append(&mut self, world: &World, entry: Entry) {
        let key = entry.key.clone();
        let sequence = self.sequences.entry(key.clone()).or_default();
        if entry.sequence != *sequence + 1 {
            let text = format!("{key}: {} follows {sequence}", entry.sequence);
            world.trace.break_law("sequences_are_dense", text);
        }
        *sequence = entry.sequence;
        let log = self.logs.entry(key.product.clone()).or_default();
        if let Some(last) = log.last().filter(|last| last.offset >= entry.offset) {
            let text = format!("{}: {} follows {}", key, entry.offset, last.offset);
            world.trace.break_law("offsets_grow", text);
        }
        let about = format!("{key} #{} {} {}", entry.sequence, entry.r#type, entry.body);
        world.trace.tell("log", format_args!("{about}"));
        if &*entry.r#type == EntryType::Actions.as_str() {
            self.note_actions(world, &entry);
        }
        if &*entry.r#type == EntryType::Unlinked.as_str() {
            // What was in its notes waits again, from now on.
            self.acted_at.insert(key.clone(), entry.at);
        }
        self.note_told(world, &entry);
        self.logs.entry(key.product).or_default().push(entry);
    }

    fn note_actions(&mut self, world: &World, entry: &Entry) {
        let Ok(payload) = serde_json::from_str::<ActionsPayload<'_>>(&entry.body) else {
            let text = format!("{} at {} is no payload", entry.key, entry.offset);
            return world.trace.break_law("payloads_are_readable", text);
        };
        self.acted_at.insert(entry.key.clone(), entry.at);
        let runs_on =
            world.shape.policy.index_mode == IndexMode::Session && payload.session_id.is_some();
        for action in payload.actions {
            let next = self.indexes.entry(entry.key.clone()).or_default();
            if runs_on && action.index != *next {
                let text = format!("{}: {} instead of {next}", entry.key, action.index);
                world.trace.break_law("actions_are_numbered", text);
            }
            *next += 1;
            let place = (entry.key.clone(), entry.offset, self.told.len());
            if let Some((_, first, _)) = self.told.insert(action.description.to_string(), place) {
                let text = format!(
                    "{} is on the feed at {first} and at {}",
                    action.description, entry.offset
                );
                world.trace.break_law("feed_exactly_once", text);
            }
        }
    }

    /// Nothing that a timer does happens before its time, and one pause gives one note. Where clocks are
    /// set, one that was set back serves a deadline when as much time has passed as there was: it may
    /// be behind the deadline by as far as clocks are apart.
    fn check_timers(
        &self,
        world: &World,
        commit: &Commit,
        key: &Key,
        before: Option<&Session>,
        entries: &[Entry],
    ) {
        let behind_ms = 2 * world.shape.faults.skew_ms;
        let now_ms = commit.now_ms.saturating_add(behind_ms);
        let timed = || entries.iter().filter(|e| &*e.correlation_id == "timer");
        let due_ms = before
            .and_then(Machine::deadline)
            .map(event_connector::domain::time::to_ms);
        if let Some(entry) = timed().next()
            && due_ms.is_none_or(|due_ms| due_ms > now_ms)
        {
            let text = format!("{key}: {} at {now_ms}, due {due_ms:?}", entry.r#type);
            world.trace.break_law("deadlines_never_early", text);
        }
        let queued: Vec<_> = timed()
            .filter(|entry| &*entry.r#type == EntryType::NoteQueued.as_str())
            .collect();
        let pause_s = world.shape.policy.post_link_debounce_s;
        for note in &queued {
            let quiet_s = self.acted_at.get(key).map(|at| note.at - at);
            if quiet_s.is_some_and(|quiet_s| quiet_s < pause_s - 1e-6) {
                let text = format!("{key}: a note after {quiet_s:?} s of quiet");
                world.trace.break_law("deadlines_never_early", text);
            }
        }
        let bytes: usize = commit.effects.deliveries.iter().map(|d| d.body.len()).sum();
        if queued.len() > 1 && bytes <= world.shape.policy.note_bytes_max {
            let text = format!("{key}: {} notes in {bytes} bytes", queued.len());
            world.trace.break_law("one_note_per_pause", text);
        }
    }

    /// A link changes only by an entry that says so, and only for a reason.
    fn check_links(
        &mut self,
        world: &World,
        vendor: &Vendor,
        key: &Key,
        before: Option<&Session>,
        after: &Session,
        entries: &[Entry],
    ) {
        let mut linked = before.and_then(Session::conversation).cloned();
        // Within one commit a page may find what was taken for its session just before.
        let mut taken = BTreeSet::new();
        for entry in entries {
            let conversation = conversation_of(entry);
            let Some(conversation) = conversation else {
                continue;
            };
            if &*entry.r#type == EntryType::Linked.as_str() {
                if &*entry.source != "page" {
                    taken.insert(conversation.clone());
                } else if !taken.contains(&conversation) {
                    self.check_page(world, key, after, &conversation);
                }
                linked = Some(conversation);
            } else if &*entry.r#type == EntryType::Unlinked.as_str() {
                if !vendor.is_gone(&key.product, &conversation) {
                    let text = format!("{key} left {conversation}, which exists");
                    world.trace.break_law("links_survive", text);
                }
                linked = linked.filter(|linked| *linked != conversation);
            }
            let links = self.links.entry(key.clone()).or_default();
            links.push((world.trace.now(), linked.clone()));
        }
        if after.conversation() != linked.as_ref() {
            let text = format!("{key}: {:?}, logged {linked:?}", after.conversation());
            world.trace.break_law("links_are_logged", text);
        }
    }

    fn check_page(
        &self,
        world: &World,
        key: &Key,
        session: &Session,
        conversation: &ConversationId,
    ) {
        let place = (key.product.clone(), conversation.clone());
        let owner = self.owners.get(&place).and_then(|rows| rows.last());
        let Some((_, Some(owner))) = owner else {
            return;
        };
        let is_own = owner.session.as_str() == &*key.id
            || (owner.user.is_some() && owner.user == session.user);
        if !is_own {
            let text = format!("{key} took {conversation} from {owner:?}");
            world.trace.break_law("pages_take_nothing", text);
        }
    }

    fn note_deliveries(&mut self, world: &World, commit: &Commit, key: &Key) {
        for new in &commit.effects.deliveries {
            let Ok(note) = serde_json::from_str::<NoteBody>(&new.body) else {
                let text = format!("{} of {key}", new.id);
                world.trace.break_law("notes_are_readable", text);
                continue;
            };
            let sent = Sent {
                key: key.clone(),
                number: self.deliveries.len(),
                conversation: note.conversation_id,
                actions: actions_in(&note.text),
                end: None,
                part: None,
                replayed: None,
                told: BTreeSet::new(),
                lost: 0,
                fence: None,
            };
            self.deliveries.insert(new.id.clone(), sent);
        }
    }

    /// An action is in one note, unless an earlier one was withdrawn.
    fn check_notes(&self, world: &World, commit: &Commit) {
        for new in &commit.effects.deliveries {
            let own = self.deliveries.get(&new.id);
            for action in own.iter().flat_map(|own| &own.actions) {
                let held = self.deliveries.values().filter(|other| {
                    other.end != Some(End::Withdrawn)
                        && !other.is_copy()
                        && other.actions.contains(action)
                });
                if held.count() > 1 {
                    let text = format!("{action} is in {} and in an earlier one", new.id);
                    world.trace.break_law("one_note_per_action", text);
                }
            }
        }
    }

    fn note_ends(&mut self, world: &World, vendor: &Vendor, commit: &Commit) {
        for change in &commit.effects.outbox {
            let (id, end) = match change {
                OutboxChange::Delivered { id, .. } => (id, End::Delivered),
                OutboxChange::Dead { id, .. } => (id, End::Dead),
                OutboxChange::Withdrawn { id } => (id, End::Withdrawn),
                OutboxChange::Attempted { .. } => continue,
                OutboxChange::RetryNow { .. } => {
                    vendor.may_come_early();
                    continue;
                }
            };
            let part = match change {
                OutboxChange::Delivered { part, .. } => part.as_ref(),
                _ => None,
            };
            let is_recorded = self.records(part);
            let Some(sent) = self.deliveries.get_mut(id) else {
                let text = format!("{id} ended {end:?} and was never asked for");
                world.trace.break_law("deliveries_are_known", text);
                continue;
            };
            // What has ended stays as it ended.
            if sent.end.is_some() {
                continue;
            }
            sent.end = Some(end);
            sent.part = part.cloned();
            sent.fence = None;
            check_sent(world, vendor, id, sent);
            let is_gone = vendor.is_gone(&sent.key.product, &sent.conversation);
            let is_true = match change {
                // Two notes of one text are told apart by what was recorded of the first.
                OutboxChange::Delivered { part, .. } => {
                    let is_copy = sent.is_copy() && !is_recorded;
                    vendor.has(id, part.as_ref())
                        || (is_copy && part.as_ref().is_some_and(|part| vendor.tells(part, sent)))
                }
                // Nobody holds what it tells for another conversation.
                OutboxChange::Dead { .. } if sent.replayed.is_some() && is_gone => true,
                OutboxChange::Dead { .. } => vendor.may_be_dead(id),
                _ => is_gone,
            };
            if !is_true {
                let text = format!("{id} of {}: {change:?}", sent.key);
                world.trace.break_law("ends_are_true", text);
            }
        }
    }

    fn note_owners(&mut self, world: &World, commit: &Commit) {
        for write in &commit.effects.index {
            if write.key.space != Space::Conversation {
                continue;
            }
            let value = write.value.as_deref();
            let owner = value.and_then(|text| serde_json::from_str(text).ok());
            let place = (commit.product.clone(), ConversationId::from(&*write.key.id));
            let rows = self.owners.entry(place).or_default();
            rows.push((world.trace.now(), owner));
        }
    }
}

/// The conversation that an entry names.
fn conversation_of(entry: &Entry) -> Option<ConversationId> {
    let body: serde_json::Value = serde_json::from_str(&entry.body).ok()?;
    let id = body.get("conversation_id")?.as_str()?;
    Some(ConversationId::from(id))
}

/// The actions that a note tells, in the order of its lines.
pub(crate) fn actions_in(text: &str) -> Vec<String> {
    text.split('<')
        .skip(1)
        .filter_map(|rest| rest.split_once('>'))
        .map(|(name, _)| format!("<{name}>"))
        .collect()
}

//! The laws that hold once everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use event_connector::domain::id::{ConversationId, DeliveryId, Key, ProductId};
use event_connector::domain::log::EntryType;
use event_connector::domain::session::Link;
use event_connector::domain::session::index::{SessionRow, Trust};
use event_connector::session::linker::Resolution;
use event_connector::store::Entry;

use super::book::{Ask, Pages};
use super::record::{End, Record};
use super::run::Run;
use super::shape::Shape;
use super::trace::Trace;
use super::vendor::State;

/// Everything that was seen from the outside, and everything that was written.
struct Case<'a> {
    trace: &'a Trace,
    shape: &'a Shape,
    record: &'a Record,
    pages: &'a Pages,
    platform: &'a State,
}

/// Holds the run to the laws.
pub(crate) fn laws(run: &Run) {
    let (record, pages) = (run.truth.record(), run.people.book.pages());
    let platform = run.vendor.state();
    let case = Case {
        trace: &run.world.trace,
        shape: &run.world.shape,
        record: &record,
        pages: &pages,
        platform: &platform,
    };
    case.feed();
    case.order();
    case.notes();
    case.landings();
    case.note_order();
    case.links();
    case.waiting_links();
    let offers = run.truth.offers();
    run.world.hold(offers.check_told(&pages.offered));
    run.world.hold(offers.check_ended());
    drop(offers);
    drop((record, pages, platform));
    for instance in &run.instances {
        if let Some(up) = &instance.up {
            instance.check_panics(up);
        }
    }
}

/// Whatever was acknowledged is sent once more to some instance: nothing may come of it, wherever it
/// is answered and whatever that instance remembers.
pub(crate) async fn repeat(run: &mut Run) {
    let before = written(run);
    let count = run.people.book.pages().requests.len();
    for number in 0..count {
        let is_answered = run.people.book.pages().requests[number].answered.is_some();
        if is_answered {
            run.people.post(number);
        }
    }
    run.pass(Duration::from_secs(120)).await;
    if run.people.book.pages().waiting > 0 {
        let text = "repetitions are not answered".to_owned();
        run.world.trace.break_law("all_comes_to_rest", text);
    }
    let after = written(run);
    if before != after {
        let text = format!("{before} entries became {after}");
        run.world
            .trace
            .break_law("repetitions_change_nothing", text);
    }
}

/// How many entries there are, but for those that tell how a delivery ended: one may be under way still,
/// because an operator asked for it; and but for decisions: whether there is something to offer is asked again.
fn written(run: &Run) -> usize {
    let others = [
        EntryType::NoteDelivered,
        EntryType::NoteFailed,
        EntryType::Decided,
    ];
    let is_other = |entry: &Entry| others.iter().any(|one| one.as_str() == &*entry.r#type);
    let record = run.truth.record();
    let entries = record.logs.values().flatten();
    entries.filter(|entry| !is_other(entry)).count()
}

impl Case<'_> {
    fn broken(&self, law: &'static str, text: String) {
        self.trace.break_law(law, text);
    }

    /// What was acknowledged is on the feed of its session; what was never sent is not.
    fn feed(&self) {
        let (sent, acknowledged) = self.pages.actions();
        for action in &acknowledged {
            if !self.record.told.contains_key(action) {
                self.broken(
                    "acknowledged_is_told",
                    format!("{action} is not on the feed"),
                );
            }
        }
        for (action, (key, offset, _)) in &self.record.told {
            if sent.get(action) != Some(key) {
                let text = format!("{action} at {offset} of {key} was never sent");
                self.broken("nothing_is_made_up", text);
            }
        }
    }

    /// What was answered before something else was sent comes before it, and so do earlier actions of
    /// one request.
    fn order(&self) {
        let place = |action: &String| self.record.told.get(action).map(|(_, _, place)| *place);
        for request in &self.pages.requests {
            let places: Vec<_> = request.own.iter().filter_map(place).collect();
            if !places.is_sorted() {
                let text = format!("{:?} are told as {places:?}", request.own);
                self.broken("actions_in_order", text);
            }
        }
        for earlier in &self.pages.requests {
            let Some((answered, _)) = earlier.answered else {
                continue;
            };
            let later = self.pages.requests.iter();
            let later = later.filter(|later| later.key == earlier.key && later.sent > answered);
            let first = later.flat_map(|later| &later.own).filter_map(place).min();
            let last = earlier.own.iter().filter_map(place).max();
            if first.is_some_and(|first| last.is_some_and(|last| last > first)) {
                let text = format!("{:?} come after what was sent later", earlier.own);
                self.broken("actions_in_order", text);
            }
        }
    }

    /// Every action of a session with notes is in a note that arrived, in one that was given up, still
    /// in the window, or counted as trimmed.
    fn notes(&self) {
        let mut noted = BTreeMap::<&String, usize>::new();
        for landing in &self.platform.landings {
            for action in &landing.actions {
                *noted.entry(action).or_default() += 1;
            }
        }
        let dead = self.record.deliveries.values();
        let dead: BTreeSet<&String> = dead
            .filter(|sent| sent.end == Some(End::Dead))
            .flat_map(|sent| &sent.actions)
            .collect();
        for (key, state) in &self.record.states {
            let tenant = self.shape.tenant(&key.product);
            if key.session_id().is_none() || tenant.is_none_or(|tenant| !tenant.has_notes) {
                continue;
            }
            let held: BTreeSet<_> = match &state.link {
                Link::Unlinked { window } => window.iter().map(|held| &held.description).collect(),
                Link::Linked { .. } => BTreeSet::new(),
            };
            let told = self
                .record
                .told
                .iter()
                .filter(|(_, (own, _, _))| own == key);
            let lost: Vec<_> = told
                .map(|(action, _)| action)
                .filter(|action| !noted.contains_key(action))
                .filter(|action| !dead.contains(action) && !held.contains(action))
                .collect();
            if lost.len() as u64 > state.trimmed || (self.shape.keeps_all && !lost.is_empty()) {
                let text = format!("{key}: {lost:?} are nowhere, {} trimmed", state.trimmed);
                self.broken("actions_reach_notes", text);
            }
        }
    }

    /// A delivery lands once, where it belongs, and only where somebody said it belongs.
    fn landings(&self) {
        let mut first = BTreeMap::<&DeliveryId, bool>::new();
        for landing in &self.platform.landings {
            let id = &landing.delivery;
            let Some(sent) = self.record.deliveries.get(id) else {
                self.broken("notes_are_written_first", format!("{id} was never written"));
                continue;
            };
            let session = landing.session.as_str();
            let tenant = self.shape.tenant(&landing.product);
            let may_link = tenant
                .and_then(|tenant| tenant.owner(session))
                .is_some_and(|owner| {
                    let conversation = &landing.conversation;
                    self.pages.may_link(&landing.product, owner, conversation)
                });
            if landing.conversation != sent.conversation || !may_link {
                let text = format!("{id} of {session} is in {}", landing.conversation);
                self.broken("notes_where_they_belong", text);
            }
            let Some(was_stalled) = first.insert(id, landing.was_stalled) else {
                continue;
            };
            // Whoever stood still with a call in hand may have made it long after it was looked for.
            let cannot_tell = was_stalled || landing.was_stalled || self.shape.is_wild();
            if !cannot_tell {
                self.broken(
                    "notes_land_once",
                    format!("{id} is in {} twice", landing.conversation),
                );
            }
        }
        for (id, sent) in &self.record.deliveries {
            if sent.end.is_none() {
                self.broken("deliveries_end", format!("{id} of {} is open", sent.key));
            }
        }
    }

    /// Notes of one conversation land in the order in which they were written.
    fn note_order(&self) {
        let mut newest = BTreeMap::<(&ProductId, &ConversationId), usize>::new();
        let mut known = BTreeSet::new();
        for landing in &self.platform.landings {
            let Some(sent) = self.record.deliveries.get(&landing.delivery) else {
                continue;
            };
            // A dead letter that is sent again comes after what did not wait for it.
            let is_revived = sent
                .replayed
                .is_some_and(|replayed| replayed.revived.is_some());
            let is_late = landing.was_stalled || is_revived || self.shape.is_wild();
            if !known.insert(&landing.delivery) || is_late {
                continue;
            }
            let place = (&landing.product, &landing.conversation);
            let newest = newest.entry(place).or_default();
            if sent.number < *newest {
                let text = format!("{} lands after a later one", landing.delivery);
                self.broken("notes_in_order", text);
            }
            *newest = sent.number.max(*newest);
        }
    }

    /// Who is told of a link had one at some time while they asked.
    fn links(&self) {
        for (number, ask) in self.pages.asks.iter().enumerate() {
            for (answered, _, resolution) in &ask.answers {
                let (session, is_linked) = match resolution {
                    Resolution::Linked(session) | Resolution::Unchanged(session) => (session, true),
                    Resolution::Refused(session) => (session, false),
                    _ => continue,
                };
                let key = Key::session(&ask.product, session);
                let during = (ask.sent, *answered);
                let holds = if is_linked {
                    let links = self.record.links.get(&key);
                    let wanted = Some(&ask.request.conversation);
                    links.is_some_and(|links| was(links, during, |one| one.as_ref() == wanted))
                } else {
                    ask.request.trust == Trust::Page && self.was_foreign(ask, &key, during)
                };
                if !holds {
                    let text = format!("ask-{number} was told {resolution:?}");
                    self.broken("link_answers_are_true", text);
                }
            }
        }
    }

    /// Whether the conversation showed another session at some time while it was asked for.
    fn was_foreign(&self, ask: &Ask, key: &Key, during: (u64, u64)) -> bool {
        let place = (ask.product.clone(), ask.request.conversation.clone());
        let rows = self.record.owners.get(&place);
        let is_other = |row: &Option<SessionRow>| {
            row.as_ref()
                .is_some_and(|row| row.session.as_str() != &*key.id)
        };
        rows.is_some_and(|rows| was(rows, during, is_other))
    }

    /// A link that waits is taken up by the first session it waits for.
    fn waiting_links(&self) {
        if self.shape.is_wild() {
            return;
        }
        let slack_ms = 4 * self.shape.faults.skew_ms + 1000;
        for (number, ask) in self.pages.asks.iter().enumerate() {
            for (answered, at_ms, resolution) in &ask.answers {
                if *resolution != Resolution::Pending {
                    continue;
                }
                let until_ms = (at_ms + self.shape.pending_ms).saturating_sub(slack_ms);
                let came = self.pages.requests.iter().any(|request| {
                    request.sent > *answered
                        && request.answered.is_some_and(|(_, at_ms)| at_ms < until_ms)
                        && self.is_meant(ask, &request.key, request.is_identified)
                });
                if came && !self.has_link(ask) {
                    let text = format!("ask-{number} waited and was forgotten");
                    self.broken("waiting_links_are_kept", text);
                }
            }
        }
    }

    fn is_meant(&self, ask: &Ask, key: &Key, is_identified: bool) -> bool {
        let Some((user, email)) = self.user(key).filter(|_| key.product == ask.product) else {
            return false;
        };
        let person = &ask.person;
        match &person.session {
            Some(session) => *key == Key::session(&ask.product, session),
            None => {
                let is_user = person.user.as_ref().is_some_and(|one| one.as_str() == user);
                let own = person.email.as_deref();
                is_identified && (is_user || own.is_some_and(|one| one.eq_ignore_ascii_case(email)))
            }
        }
    }

    /// Whether any session that the wish may have meant ever had a link, or was refused one.
    fn has_link(&self, ask: &Ask) -> bool {
        let keys = self.record.states.keys();
        let mut meant = keys.filter(|key| self.is_meant(ask, key, true));
        meant.any(|key| {
            let links = self.record.links.get(key);
            let log = self.record.logs.get(&key.product);
            links.is_some_and(|links| links.iter().any(|(_, link)| link.is_some()))
                || log.is_some_and(|log| {
                    log.iter()
                        .any(|entry| entry.key == *key && &*entry.r#type == "link_refused")
                })
        })
    }

    fn user(&self, key: &Key) -> Option<(&str, &str)> {
        let tenant = self.shape.tenant(&key.product)?;
        let person = tenant.owner(&key.id)?;
        Some((person.user.as_str(), &person.email))
    }
}

/// Whether `holds` was true of a value at some time in between, both ends included. Before its first
/// event a value is unknown.
fn was<T>(history: &[(u64, T)], (from, to): (u64, u64), holds: impl Fn(&T) -> bool) -> bool {
    let ends = history.iter().skip(1).map(|(at, _)| *at).chain([u64::MAX]);
    history
        .iter()
        .zip(ends)
        .any(|((at, value), end)| *at <= to && end >= from && holds(value))
}

//! The platform that takes notes.
//!
//! A note lands in a conversation or it does not, and the caller may hear the truth, nothing or too
//! little. What is promised to the service: a call that lands does so within the request timeout of
//! its start, and a reading shows everything that has landed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_connector::delivery::admission::{Fingerprint, Rate};
use event_connector::domain::id::{ConversationId, DeliveryId, PartId, ProductId, SessionId};
use event_connector::domain::session::NoteBody;

use super::dice::Dice;
use super::record::{Sent, actions_in};
use super::trace::START_MS;
use super::world::World;

/// The platform, one for all instances. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Vendor {
    pub(crate) world: World,
    pub(crate) dice: Dice,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub(crate) struct State {
    gone: BTreeSet<(ProductId, ConversationId)>,
    accounts: BTreeMap<u64, Account>,
    /// In the order in which they landed.
    pub(crate) landings: Vec<Landing>,
    /// Deliveries that were refused for good.
    never: BTreeSet<DeliveryId>,
    /// The highest attempt of a delivery that was seen since it was last sent again.
    attempts: BTreeMap<DeliveryId, u32>,
    /// How often it was called for a delivery.
    calls: BTreeMap<DeliveryId, u32>,
    /// How many of those calls were turned away: the limit was hit, or the credentials were refused.
    turned_away: BTreeMap<DeliveryId, u32>,
    /// Before that true time a delivery must not come again.
    not_before_ms: BTreeMap<DeliveryId, u64>,
}

/// What one or more products call it with.
#[derive(Default)]
struct Account {
    mood: Mood,
    /// How often its token was replaced.
    token: u64,
    /// The newest rate window, and the calls counted in it.
    window: (u64, u32),
}

/// A note in a conversation.
#[derive(Clone)]
pub(crate) struct Landing {
    pub(crate) product: ProductId,
    pub(crate) conversation: ConversationId,
    pub(crate) session: SessionId,
    pub(crate) delivery: DeliveryId,
    pub(crate) part: PartId,
    pub(crate) actions: Vec<String>,
    text: Arc<str>,
    at_ms: u64,
    /// The instance stood still while it held the lease, so it may have come too late.
    pub(crate) was_stalled: bool,
}

/// How the platform treats an account's calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Fine,
    /// Anything may happen.
    Flaky,
    /// Nothing answers.
    Silent,
    /// 429, with a wish.
    Limited,
    /// 401, until the account has another mood or another token.
    Locked,
}

/// What becomes of one call.
#[derive(Clone, Copy)]
pub(crate) enum Fate {
    Accept,
    /// It lands, and the answer is a 5xx.
    FailAfter,
    /// It does not land, and the answer is a 5xx.
    FailBefore,
    /// The connection breaks at once, and the call lands later.
    Reset,
    /// No answer; it lands.
    HangAfter,
    /// No answer; it does not land.
    HangBefore,
    Limit,
    Lock,
    Never,
}

impl Mood {
    pub(crate) const ALL: [Self; 5] = [
        Self::Fine,
        Self::Flaky,
        Self::Silent,
        Self::Limited,
        Self::Locked,
    ];
}

impl Vendor {
    pub(crate) fn new(world: &World) -> Self {
        Self {
            world: world.clone(),
            dice: Dice::new(world.shape.seed, 3),
            state: Arc::default(),
        }
    }

    pub(crate) fn set_mood(&self, account: u64, mood: Mood) {
        self.state().accounts.entry(account).or_default().mood = mood;
    }

    /// The account gets a token that is accepted, everywhere at once.
    pub(crate) fn replace_token(&self, account: u64) {
        let mut state = self.state();
        let account = state.accounts.entry(account).or_default();
        account.token += 1;
        if account.mood == Mood::Locked {
            account.mood = Mood::Fine;
        }
    }

    /// The account that a product uses now.
    pub(crate) fn account(&self, product: &ProductId) -> Option<Fingerprint> {
        let number = self.world.shape.tenant(product)?.account;
        let state = self.state();
        let token = state.accounts.get(&number).map_or(0, |own| own.token);
        Some(Fingerprint::of(
            &format!("vendor{number}"),
            &token.to_string(),
        ))
    }

    /// Counts a call in the account's rate window, and tells whether there was room for it.
    pub(crate) fn count(&self, product: &ProductId) -> (Rate, bool) {
        let number = self
            .world
            .shape
            .tenant(product)
            .map_or(0, |own| own.account);
        let limit = self.world.shape.window_calls;
        let current = (self.world.clock.now_ms() - START_MS) / WINDOW_MS;
        let mut state = self.state();
        let account = state.accounts.entry(number).or_default();
        if account.window.0 != current {
            account.window = (current, 0);
        }
        let has_room = account.window.1 < limit;
        account.window.1 += u32::from(has_room);
        let rate = Rate {
            limit,
            remaining: limit - account.window.1,
            reset_ms: START_MS + (current + 1) * WINDOW_MS,
        };
        (rate, has_room)
    }

    pub(crate) fn delete(&self, product: &ProductId, conversation: &ConversationId) {
        let place = (product.clone(), conversation.clone());
        self.state().gone.insert(place);
    }

    pub(crate) fn is_gone(&self, product: &ProductId, conversation: &ConversationId) -> bool {
        let place = (product.clone(), conversation.clone());
        self.state().gone.contains(&place)
    }

    /// Whether a delivery has landed, as the given part if one is given.
    pub(crate) fn has(&self, delivery: &DeliveryId, part: Option<&PartId>) -> bool {
        let state = self.state();
        let mut own = state.landings.iter().filter(|l| l.delivery == *delivery);
        own.any(|landing| part.is_none_or(|part| landing.part == *part))
    }

    /// Whether a part tells the same as a delivery, where it belongs.
    pub(crate) fn tells(&self, part: &PartId, sent: &Sent) -> bool {
        let state = self.state();
        state.landings.iter().any(|landing| {
            landing.part == *part
                && landing.conversation == sent.conversation
                && landing.actions == sent.actions
        })
    }

    /// Whether there was reason enough to give a delivery up.
    pub(crate) fn may_be_dead(&self, delivery: &DeliveryId) -> bool {
        let state = self.state();
        let attempts = state.attempts.get(delivery).copied().unwrap_or(0);
        state.never.contains(delivery) || attempts > self.world.shape.outbox.schedule.retries_max
    }

    /// The delivery is sent again from its first attempt on.
    pub(crate) fn forget_attempts(&self, delivery: &DeliveryId) {
        let mut state = self.state();
        state.attempts.remove(delivery);
        state.never.remove(delivery);
    }

    /// How often a delivery was attempted in any way.
    pub(crate) fn calls(&self, delivery: &DeliveryId) -> u32 {
        self.state().calls.get(delivery).copied().unwrap_or(0)
    }

    /// How many calls for a delivery may have been attempts: waiting for an account is none.
    pub(crate) fn attempts_at_most(&self, delivery: &DeliveryId) -> u32 {
        let state = self.state();
        let turned_away = state.turned_away.get(delivery).copied().unwrap_or(0);
        let calls = state.calls.get(delivery).copied().unwrap_or(0);
        calls - turned_away
    }

    /// A call for the delivery begins.
    pub(crate) fn called(&self, delivery: &DeliveryId) {
        *self.state().calls.entry(delivery.clone()).or_default() += 1;
    }

    /// A call for the delivery was turned away.
    pub(crate) fn turn_away(&self, delivery: &DeliveryId) {
        *self
            .state()
            .turned_away
            .entry(delivery.clone())
            .or_default() += 1;
    }

    /// A repeated link may bring forward whatever waits.
    pub(crate) fn may_come_early(&self) {
        self.state().not_before_ms.clear();
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fate(&self, product: &ProductId) -> Fate {
        let faults = &self.world.shape.faults;
        if !self.world.is_foul() {
            return Fate::Accept;
        }
        if faults.never && self.dice.permille(50) {
            return Fate::Never;
        }
        let account = self.world.shape.tenant(product).map(|own| own.account);
        let state = self.state();
        let account = account.and_then(|number| state.accounts.get(&number));
        match account.map_or(Mood::Fine, |own| own.mood) {
            Mood::Fine => Fate::Accept,
            Mood::Flaky => *self.dice.pick(&[
                Fate::Accept,
                Fate::Accept,
                Fate::FailAfter,
                Fate::FailBefore,
                Fate::Reset,
                Fate::HangAfter,
                Fate::HangBefore,
                Fate::Limit,
            ]),
            Mood::Silent => *self.dice.pick(&[Fate::HangAfter, Fate::HangBefore]),
            Mood::Limited => Fate::Limit,
            Mood::Locked => Fate::Lock,
        }
    }

    /// A note lands, unless its conversation is gone.
    pub(crate) fn land(
        &self,
        (product, conversation): (&ProductId, &ConversationId),
        delivery: &DeliveryId,
        note: &NoteBody,
        was_stalled: bool,
    ) -> Option<PartId> {
        if self.is_gone(product, conversation) {
            return None;
        }
        let mut state = self.state();
        let part = PartId::from(format!("part{}", state.landings.len()));
        state.landings.push(Landing {
            product: product.clone(),
            conversation: conversation.clone(),
            session: note.session_id.clone(),
            delivery: delivery.clone(),
            part: part.clone(),
            actions: actions_in(&note.text),
            text: Arc::clone(&note.text),
            at_ms: self.world.clock.now_ms(),
            was_stalled,
        });
        drop(state);
        self.world.trace.tell(
            "vendor",
            format_args!("{delivery} lands in {conversation} as {part}"),
        );
        Some(part)
    }

    /// The parts that read like the note and are not older than `since_ms`; nothing when the
    /// conversation is gone.
    pub(crate) fn find(
        &self,
        product: &ProductId,
        note: &NoteBody,
        since_ms: u64,
    ) -> Option<Vec<PartId>> {
        if self.is_gone(product, &note.conversation_id) {
            return None;
        }
        let oldest_ms = since_ms.saturating_sub(SKEW_MS);
        let state = self.state();
        let found = state.landings.iter().filter(|landing| {
            landing.product == *product
                && landing.conversation == note.conversation_id
                && landing.text == note.text
                && landing.at_ms >= oldest_ms
        });
        Some(found.map(|landing| landing.part.clone()).collect())
    }

    /// The delivery is refused for good.
    pub(crate) fn refuse(&self, delivery: &DeliveryId) {
        self.state().never.insert(delivery.clone());
    }

    /// An attempt at the delivery is about to be made.
    pub(crate) fn expect(&self, delivery: &DeliveryId, attempt: u32) {
        let mut state = self.state();
        let seen = state.attempts.entry(delivery.clone()).or_default();
        *seen = attempt.max(*seen);
    }

    /// The delivery was asked not to come again before that true time.
    pub(crate) fn hold_off(&self, delivery: &DeliveryId, until_ms: u64) {
        let mut state = self.state();
        state.not_before_ms.insert(delivery.clone(), until_ms);
    }

    /// Before when the delivery was asked not to come; asked for once.
    pub(crate) fn held_off(&self, delivery: &DeliveryId) -> Option<u64> {
        self.state().not_before_ms.remove(delivery)
    }
}

/// How long a rate window lasts, from its first to its last millisecond.
const WINDOW_MS: u64 = 10_000;

/// How far the platform's clock may be from an instance's when a note is looked for.
const SKEW_MS: u64 = 120_000;

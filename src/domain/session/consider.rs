//! Whether to speak first (contract 5.1): the gates in their order, and what follows from an open one.

use std::sync::Arc;

use serde_json::json;

use super::input::{Polled, Reply};
use super::offers::{Decision, Ending, Matched, Occasion, Offers, OpenOffer, Verdict};
use super::policy::Policy;
use super::recent::Recent;
use super::state::Session;
use crate::domain::agent_state::{self, State};
use crate::domain::fsm::Gate;
use crate::domain::id::{UserId, pseudonym};
use crate::domain::log::{EntryType, IndexKey, Space};
use crate::domain::machine::Moment;
use crate::domain::proactive::resilience::{Counter, Place, Role};
use crate::domain::proactive::trigger::Look;
use crate::domain::proactive::{Context, Offer, Program, Tally};

/// Where offers appear.
const SURFACE: &str = "page";

/// How much longer than its window a counter is kept, seconds. Its name says which window it counts, so it is never
/// taken for the next one; and an instance whose clock is behind still counts in it while others are past it.
const COUNTER_KEPT_S: f64 = 300.0;

impl Session {
    /// Looks whether there is something to say, and says it if the page asks.
    pub(super) fn consider(
        &mut self,
        occasion: Occasion,
        moment: &mut Moment<'_, Policy>,
    ) -> Verdict {
        let policy = moment.policy;
        let may_ask = self.id.is_some() && policy.wants_offers();
        let Some(program) = policy.program.as_deref().filter(|_| may_ask) else {
            if let Some(offers) = &mut self.offers {
                offers.evaluate_at = None;
            }
            return Verdict::OptOut;
        };
        // A batch has just been noted.
        if let Some(offers) = &mut self.offers
            && occasion != Occasion::Batch
        {
            offers.recent.trim(&moment.policy.offers, moment.now);
        }
        let gate = self.may_speak(moment);
        let context = self.context(moment.now);
        let may_speak = gate.is_ok();
        let offer = may_speak.then(|| self.look(program, &context, occasion, moment));
        let mut evaluate_at = self.next_look(program, &context);
        let (verdict, offer) = match (gate, offer.flatten()) {
            (Err(verdict), _) => (verdict, None),
            (Ok(()), None) => (Verdict::NoTrigger, None),
            (Ok(()), Some(offer)) => (self.take_up(&offer, occasion, moment), Some(offer)),
        };
        if verdict == Verdict::Offered {
            // Its trigger keeps quiet now.
            evaluate_at = self.next_look(program, &self.context(moment.now));
        }
        if verdict.is_skip() {
            let trigger = offer.as_ref().map(|offer| offer.trigger_id.as_str().into());
            moment
                .effects
                .tallies
                .push(Tally::Skipped(trigger, verdict.as_str()));
        }
        self.tell_decision(occasion, verdict, offer.as_ref(), moment);
        self.offers_mut().evaluate_at = evaluate_at;
        verdict
    }

    /// The counters that an offer to this session is held to, with their rows.
    pub fn quotas(&self, policy: &Policy, now: f64) -> Vec<(IndexKey, Counter)> {
        self.quotas_of(self.user.as_ref(), policy, now)
    }

    /// The rows that count what is offered to `user`, if that is news to the session: the page may ask in the very
    /// decision in which it learns of them.
    pub(super) fn quota_rows_of_newcomer(
        &self,
        user: Option<&UserId>,
        policy: &Policy,
        now: f64,
    ) -> Vec<IndexKey> {
        if user == self.user.as_ref() {
            return Vec::new();
        }
        let counters = self.quotas_of(user, policy, now).into_iter();
        let of_user = counters.filter(|(_, counter)| counter.role == Role::UserDay);
        of_user.map(|(row, _)| row).collect()
    }

    fn quotas_of(
        &self,
        user: Option<&UserId>,
        policy: &Policy,
        now: f64,
    ) -> Vec<(IndexKey, Counter)> {
        let Some(session) = self.id.as_ref().filter(|_| policy.program.is_some()) else {
            return Vec::new();
        };
        // Whoever is erased is named in no row.
        let session = pseudonym(session.as_str());
        let user = user.map(|user| pseudonym(user.as_str()));
        let place = Place {
            surface: SURFACE,
            product: self.product.as_str(),
            session: &session,
            user: user.as_deref(),
        };
        let counters = place.quotas(&policy.resilience, now);
        let with_row =
            |counter: Counter| (IndexKey::new(Space::Quota, counter.id.as_str()), counter);
        counters.map(with_row).collect()
    }

    /// The page asks.
    pub(super) fn take_poll(&mut self, moment: &mut Moment<'_, Policy>) -> Reply {
        let verdict = self.consider(Occasion::Poll, moment);
        let open = self
            .offers
            .as_ref()
            .and_then(|offers| offers.open.as_deref());
        let made = open.filter(|_| verdict == Verdict::Offered);
        let page = self.offers.as_ref().map(|offers| offers.page_state());
        Reply::Polled(Arc::new(Polled {
            verdict,
            open: made.cloned(),
            state: page.unwrap_or(State::Thinking),
            user: self.user.clone(),
        }))
    }

    /// What triggers look at.
    fn context(&self, now: f64) -> Context<'_> {
        static NOTHING: Recent = Recent::new();
        let offers = self.offers.as_deref();
        let recent = offers.map_or(&NOTHING, |offers| &offers.recent);
        Context::new(now, recent.actions(), recent.entered_at(), &self.properties)
    }

    /// Gate 4: what a trigger says now or, when the page asks, has said since it asked last.
    fn look(
        &self,
        program: &Program,
        context: &Context<'_>,
        occasion: Occasion,
        moment: &mut Moment<'_, Policy>,
    ) -> Option<Offer> {
        let asking = self.offers.as_deref();
        let asking = asking.filter(|_| occasion == Occasion::Poll);
        let match_s = moment.policy.offers.match_s;
        let matched = || asking?.matched_lately(program, match_s, context.now);
        self.ask(program, context, &mut moment.effects.tallies)
            .or_else(matched)
    }

    /// When the triggers are to be looked at again although nothing happens, Unix seconds.
    fn next_look(&self, program: &Program, context: &Context<'_>) -> Option<f64> {
        let offers = self.offers.as_deref();
        let quiet_until = |trigger: &str| offers?.quiet.get(trigger).copied();
        program.triggers.deadline(context, quiet_until)
    }

    /// Asks the triggers in their turn.
    fn ask(
        &self,
        program: &Program,
        context: &Context<'_>,
        tallies: &mut Vec<Tally>,
    ) -> Option<Offer> {
        let is_quiet = |trigger: &str| {
            let offers = self.offers.as_deref();
            offers.is_some_and(|offers| offers.is_quiet(trigger, context.now))
        };
        let mut turns = 0;
        let note = |trigger: &str, look| {
            turns += 1;
            let what = match look {
                Look::Nothing => return,
                Look::Quiet => "quiet",
                Look::Panicked => "panicked",
                Look::Fired => "fired",
            };
            tallies.push(Tally::Trigger(trigger.into(), what));
        };
        let offer = program.triggers.evaluate(context, is_quiet, note);
        tallies.push(Tally::Evaluated(Arc::clone(&program.names), turns));
        offer
    }

    /// An offer is remembered until the page asks, or made to the page that asks.
    fn take_up(
        &mut self,
        offer: &Offer,
        occasion: Occasion,
        moment: &mut Moment<'_, Policy>,
    ) -> Verdict {
        if occasion != Occasion::Poll {
            let matched = Matched {
                offer: offer.clone(),
                at: moment.now,
            };
            self.offers_mut().matched = Some(matched.into());
            return Verdict::Matched;
        }
        if let Err(verdict) = self.spend_quotas(moment) {
            return verdict;
        }
        self.make(offer, moment);
        Verdict::Offered
    }

    /// Gates 2 and 3. The machine has ticked.
    fn may_speak(&mut self, moment: &Moment<'_, Policy>) -> Result<(), Verdict> {
        let now = moment.now;
        match self.fsm.can_deliver_proactive() {
            Gate::Open => {}
            Gate::Cooling => return Err(Verdict::Cooldown),
            Gate::Proactive | Gate::Reactive => return Err(Verdict::WrongState),
        }
        let Some(offers) = &mut self.offers else {
            return Ok(());
        };
        let page = offers.page.as_mut();
        match page.map(|page| page.can_show_proactive(None, None, now)) {
            None | Some(agent_state::Gate::Open) => {}
            Some(agent_state::Gate::WrongState) => return Err(Verdict::WrongState),
            Some(_) => return Err(Verdict::Cooldown),
        }
        let wait_s = moment.policy.resilience.min_interval_s;
        if offers.made_at.is_some_and(|at| now - at < wait_s) {
            return Err(Verdict::MinInterval);
        }
        Ok(())
    }

    /// Gate 5: one more for every counter, if all of them permit it.
    fn spend_quotas(&mut self, moment: &mut Moment<'_, Policy>) -> Result<(), Verdict> {
        let now = moment.now;
        let mut counts = Vec::new();
        for (key, counter) in self.quotas(moment.policy, now) {
            let count: u64 = moment.facts.parse(&key).unwrap_or(0);
            if !counter.permits(count) {
                return Err(verdict_of(&counter));
            }
            counts.push((key, count + 1, counter.ends_at - now + COUNTER_KEPT_S));
        }
        for (key, count, lives_s) in counts {
            moment.write_index(key, Some(count.to_string().into()), lives_s);
        }
        Ok(())
    }

    /// Gate 6: both machines, the interval and the trigger's own pause.
    fn make(&mut self, offer: &Offer, moment: &mut Moment<'_, Policy>) {
        let now = moment.now;
        self.with_fsm("page", moment, |fsm, now| {
            // The gate was open a moment ago.
            let _ = fsm.transition_to_proactive(now);
        });
        let id = (moment.new_id)();
        let offers = self.offers_mut();
        // The gate was open a moment ago.
        let _ = offers
            .page_mut(now)
            .transition(State::ProactiveAssistance, now);
        offers.matched = None;
        offers.made_at = Some(now);
        offers.quiet.retain(|_, until| now < *until);
        offers
            .quiet
            .insert(offer.trigger_id.clone(), now + offer.cooldown_s);
        let open = OpenOffer {
            id: id.as_str().into(),
            offer: offer.clone(),
            made_at: now,
        };
        offers.open = Some(open.into());
        let trigger = offer.trigger_id.as_str().into();
        moment
            .effects
            .tallies
            .push(Tally::Trigger(trigger, "offered"));
    }

    /// The open offer has come to its end, if there is one.
    pub(super) fn end_offer(&mut self, ending: Ending, moment: &mut Moment<'_, Policy>) {
        let open = self.offers.as_mut().and_then(|offers| offers.open.take());
        let Some(open) = open else {
            return;
        };
        let OpenOffer { id, offer, .. } = *open;
        let body =
            json!({"offer_id": id, "trigger_id": offer.trigger_id, "outcome": ending.as_str()});
        moment.log(EntryType::OfferEnded, "page", self.user_text(), &body);
        let trigger = offer.trigger_id.into();
        moment
            .effects
            .tallies
            .push(Tally::Trigger(trigger, ending.as_str()));
    }

    /// Ends what nobody answered in time.
    pub(super) fn age_offers(&mut self, moment: &mut Moment<'_, Policy>) {
        let now = moment.now;
        let page_idle_s = moment.policy.offers.page_idle_s;
        let Some(offers) = &mut self.offers else {
            return;
        };
        let is_over = offers.open.as_ref().map(|open| open.ends_at() <= now);
        if is_over != Some(false) {
            offers.leave_page(page_idle_s, now);
        }
        if is_over == Some(true) {
            self.end_offer(Ending::TimedOut, moment);
        }
    }

    fn tell_decision(
        &mut self,
        occasion: Occasion,
        verdict: Verdict,
        offer: Option<&Offer>,
        moment: &mut Moment<'_, Policy>,
    ) {
        let decision = Decision {
            at: moment.now,
            occasion,
            verdict,
            trigger_id: offer.map(|offer| offer.trigger_id.clone()),
        };
        let offers = self.offers_mut();
        // That there is nothing to say is remembered, and no news.
        if !offers.note_decision(decision) || verdict == Verdict::NoTrigger {
            return;
        }
        let open = offers.open.as_ref().filter(|_| verdict == Verdict::Offered);
        let body = json!({
            "occasion": occasion,
            "verdict": verdict,
            "trigger_id": offer.map(|offer| &offer.trigger_id),
            "offer_id": open.map(|open| &open.id),
            "metadata": offer.map(|offer| &offer.metadata),
        });
        moment.log(EntryType::Decided, "page", self.user_text(), &body);
    }

    pub(super) fn offers_mut(&mut self) -> &mut Offers {
        self.offers.get_or_insert_default()
    }
}

fn verdict_of(counter: &Counter) -> Verdict {
    match counter.role {
        Role::ProductMinute => Verdict::ProductMinute,
        Role::SessionHour => Verdict::SessionHour,
        _ => Verdict::UserDay,
    }
}

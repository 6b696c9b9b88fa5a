//! What the user did last, as far as triggers look back.
//!
//! The log has every action that was ever published, and a commit writes both, so the stored form of a session does
//! not repeat them: they are recalled from the log when the session is loaded.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::offers::OfferPolicy;
use crate::domain::action::{ActionType, NewAction, Provider};
use crate::domain::log::EntryType;
use crate::domain::machine::Past;
use crate::domain::proactive::{Actions, Seen};

/// The newest actions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    #[serde(skip)]
    actions: Actions,
    /// When the user came to the page of the newest action that has one, Unix seconds: that may be longer ago than
    /// any action that is remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entered_at: Option<f64>,
}

/// What is remembered of an action, as the log tells of it (contract 2.1).
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow)]
    canonical_url: Cow<'a, str>,
    r#type: ActionType,
    #[serde(borrow)]
    title: Cow<'a, str>,
    /// 0 where nobody knows.
    timestamp_start: f64,
}

/// A batch of them.
#[derive(Deserialize)]
struct ToldBatch<'a> {
    #[serde(borrow)]
    actions: Vec<Told<'a>>,
}

impl Recent {
    /// Nothing.
    pub(super) const fn new() -> Self {
        Self {
            actions: Actions::new(),
            entered_at: None,
        }
    }

    /// Remembers what the user did, as far as triggers look back.
    pub(super) fn note(
        &mut self,
        actions: &[&NewAction],
        provider: Provider,
        policy: &OfferPolicy,
        now: f64,
    ) {
        let told = actions.iter().map(|action| Told {
            canonical_url: Cow::from(&action.canonical_url),
            r#type: action.r#type,
            title: Cow::from(&action.title),
            timestamp_start: action.at.unwrap_or_default(),
        });
        self.add(told, provider, policy, now);
    }

    /// Remembers again what the log says of the past, newest first: of all of it, of its newest part, or of what came
    /// after `known`. Answers whether more of it is needed.
    pub(super) fn recall(
        &mut self,
        known: Option<&Self>,
        past: &[Past<'_>],
        policy: &OfferPolicy,
    ) -> bool {
        let is_batch = |entry: &&Past<'_>| entry.r#type == EntryType::Actions.as_str();
        let batches = || past.iter().filter(is_batch);
        // Whoever came before what is recalled came then.
        let entered_at = self.entered_at;
        *self = known.cloned().unwrap_or_default();
        for entry in batches().rev() {
            // Whatever a session has written can be read.
            if let Some(provider) = Provider::parse(entry.source)
                && let Ok(batch) = serde_json::from_str::<ToldBatch<'_>>(entry.body)
            {
                self.add(batch.actions.into_iter(), provider, policy, entry.at);
            }
        }
        self.entered_at = entered_at;
        let newest = batches().next().map(|newest| newest.at);
        let oldest = newest.map(|at| at - policy.lookback_s);
        let is_behind = oldest.is_some_and(|oldest| past.last().is_some_and(|end| end.at < oldest));
        known.is_none() && !is_behind && self.actions.len() < policy.actions_max
    }

    /// Forgets what triggers do not look at any more at `now`, Unix seconds (contract 6). The newest action stays,
    /// however long ago it was: the user may still look at its page.
    pub(super) fn trim(&mut self, policy: &OfferPolicy, now: f64) {
        let oldest = now - policy.lookback_s;
        self.actions.trim(oldest, policy.actions_max);
    }

    /// The actions that are remembered.
    pub fn actions(&self) -> &Actions {
        &self.actions
    }

    /// When the user came to the current page, Unix seconds.
    pub(super) fn entered_at(&self) -> Option<f64> {
        self.entered_at
    }

    /// Whether there is nothing to store.
    pub(super) fn is_blank(&self) -> bool {
        self.entered_at.is_none()
    }

    fn add<'a>(
        &mut self,
        told: impl Iterator<Item = Told<'a>>,
        provider: Provider,
        policy: &OfferPolicy,
        now: f64,
    ) {
        // Nothing happens after it has arrived: where a clock is ahead, it is not ours.
        let time = |told: &Told<'_>| match told.timestamp_start {
            at if at != 0.0 && !provider.delivers_late() => at.min(now),
            _ => now,
        };
        let mut told = told.peekable();
        while let Some(action) = told.next() {
            let start = time(&action);
            let leads_on = self.actions.push(&Seen {
                canonical_url: Cow::from(&*action.canonical_url),
                r#type: action.r#type,
                title: Cow::from(&*action.title),
                start,
                end: time(told.peek().unwrap_or(&action)),
            });
            if leads_on {
                self.entered_at = Some(start);
            }
        }
        self.trim(policy, now);
    }
}

//! Triggers in the order in which they are asked.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Trigger;
use crate::domain::proactive::{Context, Offer};

/// A product's triggers; the first that fires wins. Names need not be different.
#[derive(Debug, Default)]
pub struct Registry {
    triggers: Vec<Box<dyn Trigger>>,
}

/// What became of one trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// It was not asked, because it keeps quiet.
    Quiet,
    /// It has nothing to offer.
    Nothing,
    /// It fired.
    Fired,
    /// It panicked, and counts as having nothing to offer.
    Panicked,
}

impl Registry {
    /// Triggers, the first asked first.
    pub fn new(triggers: Vec<Box<dyn Trigger>>) -> Self {
        Self { triggers }
    }

    /// The triggers, in their order.
    pub fn triggers(&self) -> impl Iterator<Item = &dyn Trigger> {
        self.triggers.iter().map(|trigger| &**trigger)
    }

    /// The first offer. Triggers of which `is_quiet` says so are not asked; `note` is told of every trigger by name
    /// what became of it, as far as it was its turn.
    ///
    /// A trigger that panics does not keep the others from being asked.
    pub fn evaluate(
        &self,
        context: &Context<'_>,
        is_quiet: impl Fn(&str) -> bool,
        mut note: impl FnMut(&str, Look),
    ) -> Option<Offer> {
        for trigger in self.triggers() {
            let id = trigger.id();
            if is_quiet(id) {
                note(id, Look::Quiet);
                continue;
            }
            match guarded(|| trigger.evaluate(context)) {
                Ok(None) => note(id, Look::Nothing),
                Err(Panicked) => note(id, Look::Panicked),
                Ok(Some(offer)) => {
                    note(id, Look::Fired);
                    return Some(offer);
                }
            }
        }
        None
    }

    /// The earliest later instant at which a trigger could fire although the user does nothing more, Unix seconds. One
    /// that keeps quiet, until when `quiet_until` says, may not before that is over.
    pub fn deadline(
        &self,
        context: &Context<'_>,
        quiet_until: impl Fn(&str) -> Option<f64>,
    ) -> Option<f64> {
        // What comes later than one that is known need not be found out.
        let soonest = self.triggers().fold(f64::INFINITY, |soonest, trigger| {
            let Ok(Some(at)) = guarded(|| trigger.deadline(context, soonest)) else {
                return soonest;
            };
            let quiet_until = quiet_until(trigger.id()).unwrap_or(at);
            soonest.min(at.max(quiet_until))
        });
        Some(soonest).filter(|at| at.is_finite())
    }
}

/// A trigger has panicked; the panic itself was told to the process's hook.
struct Panicked;

fn guarded<T>(ask: impl FnOnce() -> T) -> Result<T, Panicked> {
    // Triggers only look: whatever one leaves half done is its own.
    catch_unwind(AssertUnwindSafe(ask)).map_err(|_| Panicked)
}

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

    /// Every trigger that could fire later although the user does nothing more, with the earliest instant at which it
    /// could, Unix seconds. Whoever keeps some of them quiet asks again when that is over, if it is later.
    pub fn deadlines(&self, context: &Context<'_>) -> impl Iterator<Item = (&str, f64)> {
        self.triggers().filter_map(|trigger| {
            let deadline = guarded(|| trigger.deadline(context)).ok()??;
            Some((trigger.id(), deadline))
        })
    }
}

/// A trigger has panicked; the panic itself was told to the process's hook.
struct Panicked;

fn guarded<T>(ask: impl FnOnce() -> T) -> Result<T, Panicked> {
    // Triggers only look: whatever one leaves half done is its own.
    catch_unwind(AssertUnwindSafe(ask)).map_err(|_| Panicked)
}

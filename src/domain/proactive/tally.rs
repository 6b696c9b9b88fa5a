//! What is counted of decisions.

use std::sync::Arc;

/// Something to count once it is written down, or once nothing had to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Tally {
    /// It was the turn of so many of the first of these triggers.
    Evaluated(Arc<[Arc<str>]>, usize),
    /// What became of a trigger's turn, or of an offer of it.
    Trigger(Arc<str>, &'static str),
    /// Nothing was offered, for a reason; the trigger, if one had something to say.
    Skipped(Option<Arc<str>>, &'static str),
}

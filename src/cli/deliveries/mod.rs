//! `deliveries`: the notes on their way out, and what became of them.
//!
//! The cast: `source` is whoever is asked, a running service or, where none runs, the store itself; `run` does what
//! was asked; `shown` is how a person sees it. Both sources answer with the same JSON, so that nothing depends on
//! which one it was.

mod run;
mod shown;
mod source;

pub(super) use run::{filter, run};

//! `explain`: the story of a session, and where it stands.
//!
//! The cast: `run` asks a running service or, where none runs, the store itself; `story` turns the log and the decisions
//! into lines, oldest first; `standing` is what holds now; `words` says in plain words what reasons are called by name.
//!
//! Guaranteed: whoever is asked, the JSON is the same, and the text is made of that JSON alone. What a later service
//! tells beyond it is shown by its name rather than left out.

mod run;
mod standing;
mod story;
mod words;

pub(super) use run::{entries, run};

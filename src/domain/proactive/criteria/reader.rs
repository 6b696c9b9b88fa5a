//! Collecting what is wrong while reading.

use crate::domain::proactive::Flaw;

/// What is wrong with a value: how its sentence goes on. Never repeats the value, which may be a secret.
pub(super) type Refusal = &'static str;

/// Collects flaws.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) flaws: Vec<Flaw>,
}

impl Reader {
    /// Something is wrong there.
    pub(super) fn flaw(&mut self, pointer: impl Into<String>, text: impl Into<String>) {
        self.flaws.push(Flaw::new(pointer, text));
    }

    /// Something there has no effect, as the published form allows.
    pub(super) fn tolerate(&mut self, pointer: impl Into<String>, text: impl Into<String>) {
        self.flaws.push(Flaw::tolerated(pointer, text));
    }
}

//! What is collected while reading: everything that is wrong, and the parts of texts that conditions share.

use super::part::Parts;
use crate::domain::proactive::Flaw;

/// What is wrong with a value: how its sentence goes on. Never repeats the value, which may be a secret.
pub(super) type Refusal = &'static str;

/// Collects flaws and parts of texts.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) flaws: Vec<Flaw>,
    pub(super) parts: Parts,
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

//! What is wrong with a product's wishes.

/// Something that cannot be used, at a JSON pointer (RFC 6901) below what was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Where.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub text: String,
    /// Whether the published form allows it, so that it is told and nothing is refused for it.
    pub is_tolerated: bool,
}

impl Flaw {
    /// Something that is wrong.
    pub fn new(pointer: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            text: text.into(),
            is_tolerated: false,
        }
    }

    /// Something that has no effect.
    pub fn tolerated(pointer: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            is_tolerated: true,
            ..Self::new(pointer, text)
        }
    }
}

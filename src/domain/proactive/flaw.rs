//! What is wrong with a product's wishes.

/// Something that cannot be used, at a JSON pointer (RFC 6901) below what was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Where.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub text: String,
}

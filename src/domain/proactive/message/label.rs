//! Which of the offered answers a message is.

use unicase::UniCase;

use crate::domain::loose::trim;

/// What accepts the offer of a tour.
pub const YES_LABEL: &str = "Yes";
/// What declines it.
pub const NO_LABEL: &str = "No";

/// An answer to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum YesNo {
    /// It is accepted.
    Yes,
    /// It is declined.
    No,
}

/// The first label that the message is, as a position; a blank message is none.
pub fn match_label(message: &str, labels: &[impl AsRef<str>]) -> Option<usize> {
    let is_same = |label: &str| is_same(message, label);
    labels.iter().position(|label| is_same(label.as_ref()))
}

/// Whether the message accepts or declines; accepting is looked at first. Normally [`YES_LABEL`] and [`NO_LABEL`].
pub fn match_yes_no(message: &str, yes_label: &str, no_label: &str) -> Option<YesNo> {
    match match_label(message, &[yes_label, no_label])? {
        0 => Some(YesNo::Yes),
        _ => Some(YesNo::No),
    }
}

pub(super) fn is_same(message: &str, label: &str) -> bool {
    let message = trim(message);
    !message.is_empty() && UniCase::unicode(message) == UniCase::unicode(trim(label))
}

//! A text to look for whatever its case.

use super::reader::Refusal;

/// The longest text that is looked for, characters.
const CHARS_MAX: usize = 256;

/// The bit that tells lower case from upper case in ASCII.
const CASE: u8 = 0x20;

/// What is looked for, in lower case.
#[derive(Clone, Debug)]
pub(super) struct Needle {
    lower: Box<str>,
}

impl Needle {
    /// To look for a text that is not empty.
    pub(super) fn new(text: &str) -> Result<Self, Refusal> {
        if text.chars().count() > CHARS_MAX {
            return Err("must have at most 256 characters");
        }
        let lower = text.to_lowercase().into_boxed_str();
        Ok(Self { lower })
    }

    /// Whether a text holds it.
    pub(super) fn is_in(&self, text: &str) -> bool {
        if self.lower.is_ascii() && text.is_ascii() {
            return self.is_in_ascii(text.as_bytes());
        }
        let mut starts = text.char_indices();
        starts.any(|(at, _)| self.begins(&text[at..]))
    }

    fn begins(&self, text: &str) -> bool {
        let mut lower = text.chars().flat_map(char::to_lowercase);
        self.lower.chars().all(|c| lower.next() == Some(c))
    }

    fn is_in_ascii(&self, text: &[u8]) -> bool {
        let needle = self.lower.as_bytes();
        let Some(first) = needle.first() else {
            return true;
        };
        // One byte settles nearly every position; with this bit letters of either case are the same.
        let first = first | CASE;
        text.windows(needle.len())
            .any(|window| window[0] | CASE == first && window.eq_ignore_ascii_case(needle))
    }
}

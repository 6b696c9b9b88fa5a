//! A text to look for in titles, whatever its case.

use memchr::memmem::Finder;

use super::reader::Refusal;
use crate::domain::proactive::{Seen, Window};

/// The longest text that is looked for, characters.
const CHARS_MAX: usize = 256;

/// What is looked for, in lower case.
#[derive(Clone, Debug)]
pub(super) struct Needle {
    finder: Box<Finder<'static>>,
}

impl Needle {
    /// To look for a text that is not empty.
    pub(super) fn new(text: &str) -> Result<Self, Refusal> {
        if text.chars().count() > CHARS_MAX {
            return Err("must have at most 256 characters");
        }
        let lower = Window::lower(text);
        Ok(Self {
            finder: Box::new(Finder::new(&lower).into_owned()),
        })
    }

    /// The actions whose titles hold it.
    pub(super) fn titled<'s, 'a>(
        &'s self,
        window: &'s Window<'a>,
    ) -> impl Iterator<Item = &'a Seen<'a>> + use<'s, 'a> {
        window.titled(&self.finder)
    }
}

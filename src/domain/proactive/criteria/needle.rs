//! Texts to look for. How is found out once, because they are looked for with every batch.

use memchr::memmem::Finder;

use super::reader::Refusal;
use crate::domain::proactive::{Act, Window};

/// The longest text that is looked for, characters.
const CHARS_MAX: usize = 256;

/// What is looked for in titles, whatever its case: in lower case.
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
    ) -> impl Iterator<Item = &'a Act> + use<'s, 'a> {
        window.titled(&self.finder)
    }
}

/// A part of an address, as it is written.
#[derive(Clone, Debug)]
pub(super) struct UrlPart {
    finder: Box<Finder<'static>>,
}

impl UrlPart {
    pub(super) fn new(text: &str) -> Self {
        Self {
            finder: Box::new(Finder::new(text).into_owned()),
        }
    }

    /// Whether `url` holds it.
    pub(super) fn is_in(&self, url: &str) -> bool {
        self.finder.find(url.as_bytes()).is_some()
    }
}

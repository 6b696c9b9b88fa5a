//! Parts to look for. How is found out once, because they are looked for with every batch; and what many conditions
//! look for is there once, because what lies apart takes longer to fetch than to find.

use std::collections::HashMap;
use std::sync::Arc;

use memchr::memmem::Finder;

use crate::domain::proactive::text::lower;
use crate::domain::proactive::{Act, Window};

/// The longest text that is looked for in titles, characters.
pub(super) const TITLE_CHARS_MAX: usize = 256;

/// All parts of texts that a product's conditions look for.
#[derive(Debug, Default)]
pub(super) struct Parts {
    known: HashMap<String, Arc<Part>>,
}

/// One of them, and how to find it.
#[derive(Debug)]
struct Part {
    finder: Finder<'static>,
    /// Unlike that of any other of the product.
    number: usize,
}

impl Parts {
    /// A part of titles, whatever its case.
    pub(super) fn of_titles(&mut self, text: &str) -> TitlePart {
        TitlePart(self.part(lower(text).collect()))
    }

    /// A part of addresses, as it is written.
    pub(super) fn of_urls(&mut self, text: &str) -> UrlPart {
        UrlPart(self.part(text.to_owned()))
    }

    fn part(&mut self, text: String) -> Arc<Part> {
        let number = self.known.len();
        let part = self.known.entry(text).or_insert_with_key(|text| {
            let finder = Finder::new(text).into_owned();
            Part { finder, number }.into()
        });
        Arc::clone(part)
    }
}

/// What is looked for in titles.
#[derive(Clone, Debug)]
pub(super) struct TitlePart(Arc<Part>);

impl TitlePart {
    /// The actions whose titles hold it.
    pub(super) fn titled<'s>(&'s self, window: &'s Window<'_>) -> impl Iterator<Item = Act> {
        window.titled(&self.0.finder)
    }
}

/// What is looked for in addresses.
#[derive(Clone, Debug)]
pub(super) struct UrlPart(Arc<Part>);

impl UrlPart {
    /// Whether `url` holds it.
    pub(super) fn is_in(&self, url: &str) -> bool {
        self.0.finder.find(url.as_bytes()).is_some()
    }

    /// Whether the address of the current page holds it.
    pub(super) fn is_in_page(&self, window: &Window<'_>) -> bool {
        let find = |page: &str| self.is_in(page);
        window.of_page(self.0.number, find)
    }
}

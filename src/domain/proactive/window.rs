//! The newest actions, and what conditions ask of them.
//!
//! A product has many triggers, and they ask the same: which page is this, which titles hold a word, what was
//! clicked again and again. Each answer is found out once for all of them, and only when one asks.

use std::cell::OnceCell;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use memchr::memmem::Finder;

use super::context::Seen;
use crate::domain::action::ActionType;

/// Actions in the order of their arrival, oldest first, with what has been asked of them so far.
#[derive(Debug)]
pub struct Window<'a> {
    actions: &'a [Seen<'a>],
    /// When the user came to the current page, where that is remembered.
    entered_at: Option<f64>,
    pages: OnceCell<Pages>,
    times: OnceCell<Times>,
    titles: OnceCell<Titles>,
    clicks: OnceCell<Vec<Click<'a>>>,
}

/// Places of actions that have a page.
#[derive(Clone, Copy, Debug)]
struct Pages {
    /// The newest one.
    current: Option<usize>,
    /// The oldest one since the user came to its page.
    entered: Option<usize>,
    /// The newest one on another page.
    before: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    /// Whether no action begins before the one that arrived ahead of it.
    is_in_order: bool,
    /// When the last to begin began.
    newest: Option<f64>,
}

/// All titles one after the other, in lower case.
#[derive(Debug, Default)]
struct Titles {
    text: String,
    /// Where each ends.
    ends: Vec<usize>,
}

/// A click on the current page. Clicks on one thing lie together, in the order of their times.
#[derive(Debug)]
struct Click<'a> {
    /// Settles nearly all comparisons of titles.
    hash: u64,
    title: &'a str,
    start: f64,
}

impl<'a> Window<'a> {
    /// Of actions of which nothing has been asked.
    pub(super) fn new(actions: &'a [Seen<'a>], entered_at: Option<f64>) -> Self {
        Self {
            actions,
            entered_at,
            pages: OnceCell::new(),
            times: OnceCell::new(),
            titles: OnceCell::new(),
            clicks: OnceCell::new(),
        }
    }

    /// The actions, oldest first.
    pub fn actions(&self) -> &'a [Seen<'a>] {
        self.actions
    }

    /// The canonical URL of the current page: the newest that is known.
    pub fn page(&self) -> Option<&'a str> {
        self.url(self.pages().current)
    }

    /// The page before the current one; `None` while there is only one.
    pub fn page_before(&self) -> Option<&'a str> {
        self.url(self.pages().before)
    }

    /// When the user came to the current page, as far back as can be seen or is remembered, Unix seconds.
    pub fn entered_at(&self) -> Option<f64> {
        let first = self.actions.get(self.pages().entered?)?;
        self.entered_at.or(Some(first.start))
    }

    /// When the user last did something, Unix seconds. Batches may arrive late, so the newest need not be the last
    /// one.
    pub fn active_at(&self) -> Option<f64> {
        self.times().newest
    }

    /// How many actions are at most so old.
    pub fn count_since(&self, now: f64, within_s: f64) -> usize {
        let is_old = |seen: &Seen<'_>| now - seen.start > within_s;
        if self.times().is_in_order {
            return self.actions.len() - self.actions.partition_point(is_old);
        }
        self.actions.iter().filter(|seen| !is_old(seen)).count()
    }

    /// `text` as titles are searched: in lower case.
    pub fn lower(text: &str) -> String {
        let mut lower = String::with_capacity(text.len());
        add_lower(&mut lower, text);
        lower
    }

    /// The actions whose titles hold `part`, which is in [lower case](Self::lower).
    pub fn titled<'s>(&'s self, part: &'s Finder<'_>) -> impl Iterator<Item = &'a Seen<'a>> + 's {
        let titles = self.titles.get_or_init(|| Titles::of(self.actions));
        let text = titles.text.as_bytes();
        let mut from = 0;
        std::iter::from_fn(move || {
            loop {
                let at = from + part.find(text.get(from..)?)?;
                let place = titles.ends.partition_point(|end| *end <= at);
                let end = *titles.ends.get(place)?;
                if at + part.needle().len() <= end {
                    from = end;
                    return self.actions.get(place);
                }
                // It reaches into the next title, in which nothing of it has been found yet.
                from = at + 1;
            }
        })
    }

    /// Whether `min` clicks on one thing of the current page lie within `within_s` seconds. Their own times count, not
    /// the present: a provider may tell of them much later.
    pub fn has_burst(&self, min: usize, within_s: f64) -> bool {
        let clicks = self.clicks.get_or_init(|| self.clicks_here());
        clicks.windows(min.max(1)).any(|burst| match burst {
            [first, .., last] => first.is_on_same(last) && last.start - first.start <= within_s,
            _ => true,
        })
    }

    fn url(&self, place: Option<usize>) -> Option<&'a str> {
        let seen = self.actions.get(place?)?;
        Some(&*seen.canonical_url)
    }

    fn pages(&self) -> Pages {
        *self.pages.get_or_init(|| Pages::of(self.actions))
    }

    fn times(&self) -> Times {
        *self.times.get_or_init(|| Times {
            is_in_order: self
                .actions
                .is_sorted_by(|one, next| one.start <= next.start),
            newest: self.actions.iter().map(|seen| seen.start).reduce(f64::max),
        })
    }

    fn clicks_here(&self) -> Vec<Click<'a>> {
        let page = self.page();
        // Where nobody knows of any page all of it is in one place.
        let is_here = |seen: &&Seen<'_>| page.is_none_or(|page| seen.canonical_url == page);
        let here = self.actions.iter().filter(is_here);
        let clicks = here.filter(|seen| seen.r#type == ActionType::Click);
        let mut clicks: Vec<_> = clicks.map(Click::of).collect();
        clicks.sort_unstable_by(|one, other| {
            let of_thing = (one.hash, one.title).cmp(&(other.hash, other.title));
            of_thing.then(one.start.total_cmp(&other.start))
        });
        clicks
    }
}

impl Pages {
    fn of(actions: &[Seen<'_>]) -> Self {
        let mut pages = Self {
            current: None,
            entered: None,
            before: None,
        };
        let newest = actions.iter().enumerate().rev();
        for (place, seen) in newest.filter(|(_, seen)| !seen.canonical_url.is_empty()) {
            let current = pages.current.and_then(|current| actions.get(current));
            if current.is_some_and(|current| current.canonical_url != seen.canonical_url) {
                pages.before = Some(place);
                break;
            }
            pages.current = pages.current.or(Some(place));
            pages.entered = Some(place);
        }
        pages
    }
}

impl Titles {
    fn of(actions: &[Seen<'_>]) -> Self {
        let mut titles = Self::default();
        for seen in actions {
            add_lower(&mut titles.text, &seen.title);
            titles.ends.push(titles.text.len());
        }
        titles
    }
}

impl<'a> Click<'a> {
    fn of(seen: &'a Seen<'a>) -> Self {
        Self {
            hash: FixedState::default().hash_one(&*seen.title),
            title: &seen.title,
            start: seen.start,
        }
    }

    /// Whether both are clicks on one thing.
    fn is_on_same(&self, other: &Self) -> bool {
        self.hash == other.hash && self.title == other.title
    }
}

/// Appends `text` in lower case, letter by letter: what a letter becomes depends on no other one.
fn add_lower(to: &mut String, text: &str) {
    if text.is_ascii() {
        let from = to.len();
        to.push_str(text);
        if let Some(added) = to.get_mut(from..) {
            added.make_ascii_lowercase();
        }
    } else {
        to.extend(text.chars().flat_map(char::to_lowercase));
    }
}

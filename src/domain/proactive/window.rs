//! The newest actions, and what conditions ask of them.
//!
//! A product has many triggers, and they ask the same: which page is this, which titles hold a word, what was
//! clicked again and again. Each answer is found out once for all of them, and only when one asks.

use std::cell::OnceCell;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use memchr::memmem::Finder;

use super::actions::{Act, Actions};
use super::context::Seen;
use crate::domain::action::ActionType;

/// Actions in the order of their arrival, oldest first, with what has been asked of them so far.
#[derive(Debug)]
pub struct Window<'a> {
    actions: &'a Actions,
    /// When the user came to the current page, where that is remembered.
    entered_at: Option<f64>,
    seen: OnceCell<Vec<Seen<'a>>>,
    stay: OnceCell<Stay<'a>>,
    times: OnceCell<Times>,
    titles: OnceCell<Titles>,
    /// When each click on the current page began, sorted.
    click_times: OnceCell<Vec<f64>>,
    /// The clicks on the current page. Those on one thing lie together, in the order of their times.
    clicks: OnceCell<Vec<Click<'a>>>,
}

/// How the user came to the current page.
#[derive(Clone, Copy, Debug)]
struct Stay<'a> {
    /// When, as far as can be seen.
    entered_at: Option<f64>,
    /// The page before.
    before: Option<&'a str>,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    /// Whether no action begins before the one that arrived ahead of it.
    is_in_order: bool,
    /// When the last to begin began.
    newest: Option<f64>,
}

/// All titles one after the other, in lower case.
#[derive(Debug)]
struct Titles {
    text: String,
    /// Where each ends.
    ends: Vec<usize>,
}

/// A click on the current page.
#[derive(Debug)]
struct Click<'a> {
    /// Settles nearly all comparisons of titles.
    hash: u64,
    title: &'a str,
    start: f64,
}

impl<'a> Window<'a> {
    /// Of actions of which nothing has been asked.
    pub(super) fn new(actions: &'a Actions, entered_at: Option<f64>) -> Self {
        Self {
            actions,
            entered_at,
            seen: OnceCell::new(),
            stay: OnceCell::new(),
            times: OnceCell::new(),
            titles: OnceCell::new(),
            click_times: OnceCell::new(),
            clicks: OnceCell::new(),
        }
    }

    /// The actions one by one, oldest first.
    pub fn seen(&self) -> &[Seen<'a>] {
        self.seen.get_or_init(|| self.actions.iter().collect())
    }

    /// What is the same for all actions, oldest first, without pages and titles.
    pub fn acts(&self) -> impl DoubleEndedIterator<Item = &'a Act> {
        self.actions.acts().iter()
    }

    /// The canonical URL of the current page: the newest that is known.
    pub fn page(&self) -> Option<&'a str> {
        self.actions.page().map(|page| &**page)
    }

    /// The page before the current one; `None` while there is only one.
    pub fn page_before(&self) -> Option<&'a str> {
        self.stay().before
    }

    /// When the user came to the current page, as far back as can be seen or is remembered, Unix seconds.
    pub fn entered_at(&self) -> Option<f64> {
        self.page()?;
        self.entered_at.or_else(|| self.stay().entered_at)
    }

    /// When the user last did something, Unix seconds. Batches may arrive late, so the newest need not be the last
    /// one.
    pub fn active_at(&self) -> Option<f64> {
        self.times().newest
    }

    /// Whether at least `min` actions are at most so old.
    pub fn has_since(&self, min: usize, now: f64, within_s: f64) -> bool {
        let is_young = |act: &Act| now - act.start <= within_s;
        let Some(others) = min.checked_sub(1) else {
            return true;
        };
        if self.times().is_in_order {
            return self.acts().rev().nth(others).is_some_and(is_young);
        }
        self.acts()
            .filter(|act| is_young(act))
            .nth(others)
            .is_some()
    }

    /// `text` as titles are searched: in lower case.
    pub fn lower(text: &str) -> String {
        lower(text).collect()
    }

    /// The actions whose titles hold `part`, which is in [lower case](Self::lower).
    pub fn titled<'s>(&'s self, part: &'s Finder<'_>) -> impl Iterator<Item = &'a Act> + 's {
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
                    return self.actions.acts().get(place);
                }
                // It reaches into the next title, in which nothing of it has been found yet.
                from = at + 1;
            }
        })
    }

    /// Whether `min` clicks on one thing of the current page lie within `within_s` seconds. Their own times count, not
    /// the present: a provider may tell of them much later.
    pub fn has_burst(&self, min: usize, within_s: f64) -> bool {
        let min = min.max(1);
        let mut times = self
            .click_times
            .get_or_init(|| self.click_times())
            .windows(min);
        // Mostly nobody clicks that quickly, on whatever.
        let is_quick = times.any(|burst| match burst {
            [first, .., last] => last - first <= within_s,
            _ => true,
        });
        let clicks = || self.clicks.get_or_init(|| self.clicks());
        is_quick
            && clicks().windows(min).any(|burst| match burst {
                [first, .., last] => first.is_on_same(last) && last.start - first.start <= within_s,
                _ => true,
            })
    }

    fn stay(&self) -> Stay<'a> {
        *self.stay.get_or_init(|| {
            let mut first = self.actions.len();
            let mut stay = Stay {
                entered_at: None,
                before: None,
            };
            for (page, count) in self.actions.runs() {
                first -= count;
                if page.is_empty() {
                    continue;
                }
                if self.page().is_some_and(|current| !is_same(current, page)) {
                    stay.before = Some(page);
                    break;
                }
                stay.entered_at = self.actions.acts().get(first).map(|act| act.start);
            }
            stay
        })
    }

    fn times(&self) -> Times {
        *self.times.get_or_init(|| {
            let starts = || self.acts().map(|act| act.start);
            Times {
                is_in_order: starts().is_sorted(),
                newest: starts().reduce(f64::max),
            }
        })
    }

    /// The clicks on the current page, with their titles.
    fn clicks_here(&self) -> impl Iterator<Item = (&'a Act, &'a str)> {
        let current = self.page();
        // Where nobody knows of any page all of it is in one place.
        let is_here = move |page: &str| current.is_none_or(|current| is_same(current, page));
        let is_click = |act: &Act| act.r#type == ActionType::Click;
        let all = self.actions.parts();
        let clicks = all.filter(move |(act, page, _)| is_here(page) && is_click(act));
        clicks.map(|(act, _, title)| (act, title))
    }

    fn click_times(&self) -> Vec<f64> {
        let mut times: Vec<_> = self.clicks_here().map(|(act, _)| act.start).collect();
        times.sort_unstable_by(f64::total_cmp);
        times
    }

    fn clicks(&self) -> Vec<Click<'a>> {
        let clicks = self.clicks_here().map(|(act, title)| Click {
            hash: FixedState::default().hash_one(title),
            title,
            start: act.start,
        });
        let mut clicks: Vec<_> = clicks.collect();
        clicks.sort_unstable_by(|one, other| {
            let of_thing = (one.hash, one.title).cmp(&(other.hash, other.title));
            of_thing.then(one.start.total_cmp(&other.start))
        });
        clicks
    }
}

impl Titles {
    fn of(actions: &Actions) -> Self {
        let mut text = actions.titles().to_owned();
        if text.is_ascii() {
            // Nothing moves, so all of it is done at once.
            text.make_ascii_lowercase();
            let ends = actions.title_ends().collect();
            return Self { text, ends };
        }
        text.clear();
        let ends = actions.parts().map(|(_, _, title)| {
            text.extend(lower(title));
            text.len()
        });
        Self {
            ends: ends.collect(),
            text,
        }
    }
}

impl Click<'_> {
    /// Whether both are clicks on one thing.
    fn is_on_same(&self, other: &Self) -> bool {
        self.hash == other.hash && self.title == other.title
    }
}

/// In lower case letter by letter: what a letter becomes depends on no other one.
fn lower(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

/// Whether both are the same address. Neighbours mostly share its text, and then it need not be read.
fn is_same(one: &str, other: &str) -> bool {
    std::ptr::eq(one, other) || one == other
}

//! The newest actions, and what conditions ask of them.
//!
//! A product has many triggers, and they ask the same: which page is this, which titles hold a word, what was
//! clicked again and again. Each answer is found out once for all of them, and only when one asks.

use std::cell::{Cell, OnceCell};
use std::hash::BuildHasher;
use std::ops::Range;

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
    /// What has been asked of the current page, and what of it is true, a bit for each number.
    of_page: Cell<(u64, u64)>,
    stay: OnceCell<Stay<'a>>,
    times: OnceCell<Times>,
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
            of_page: Cell::default(),
            stay: OnceCell::new(),
            times: OnceCell::new(),
            click_times: OnceCell::new(),
            clicks: OnceCell::new(),
        }
    }

    /// The actions one by one, oldest first.
    pub fn seen(&self) -> &[Seen<'a>] {
        self.seen.get_or_init(|| self.actions.iter().collect())
    }

    /// The actions without their pages and titles, oldest first.
    pub fn acts(&self) -> impl DoubleEndedIterator<Item = Act> {
        self.actions.acts(..)
    }

    /// The canonical URL of the current page: the newest that is known.
    pub fn page(&self) -> Option<&'a str> {
        self.actions.page().map(|page| &**page)
    }

    /// Whether something is true of the current page, which `ask` finds out. Whoever gives the same `number` asks the
    /// same.
    pub fn of_page(&self, number: usize, ask: impl FnOnce(&str) -> bool) -> bool {
        let ask = || self.page().is_some_and(ask);
        let Some(bit) = u32::try_from(number)
            .ok()
            .and_then(|number| 1_u64.checked_shl(number))
        else {
            return ask();
        };
        let (known, holds) = self.of_page.get();
        if known & bit != 0 {
            return holds & bit != 0;
        }
        let answer = ask();
        let holds = if answer { holds | bit } else { holds };
        self.of_page.set((known | bit, holds));
        answer
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
        let is_young = |start: &f64| now - start <= within_s;
        let Some(others) = min.checked_sub(1) else {
            return true;
        };
        if self.times().is_in_order {
            return self.starts().nth_back(others).is_some_and(is_young);
        }
        let mut young = self.starts().filter(|start| is_young(start));
        young.nth(others).is_some()
    }

    /// The actions whose titles hold `part`, which is in lower case.
    pub fn titled<'s>(&'s self, part: &'s Finder<'_>) -> impl Iterator<Item = Act> {
        self.actions.titled(part)
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
                stay.entered_at = self.actions.starts().get(first).copied();
            }
            stay
        })
    }

    fn times(&self) -> Times {
        *self.times.get_or_init(|| {
            let starts = || self.starts().copied();
            Times {
                is_in_order: starts().is_sorted(),
                newest: starts().reduce(f64::max),
            }
        })
    }

    fn starts(&self) -> impl DoubleEndedIterator<Item = &'a f64> {
        self.actions.starts().iter()
    }

    /// The places of the actions on the current page, newest first, those in turn together.
    fn places_here(&self) -> impl Iterator<Item = Range<usize>> {
        // Where nobody knows of any page all of it is in one place.
        let current = self.page();
        let is_here = move |page: &str| current.is_none_or(|current| is_same(current, page));
        let mut begin = self.actions.len();
        let runs = self.actions.runs().map(move |(page, count)| {
            let end = begin;
            begin -= count;
            is_here(page).then_some(begin..end)
        });
        runs.flatten()
    }

    fn click_times(&self) -> Vec<f64> {
        let mut times = Vec::with_capacity(self.actions.len());
        for places in self.places_here() {
            let clicks = self.actions.acts(places).filter(is_click);
            times.extend(clicks.map(|act| act.start));
        }
        times.sort_unstable_by(f64::total_cmp);
        times
    }

    fn clicks(&self) -> Vec<Click<'a>> {
        let clicks = self.places_here().flatten().filter_map(|place| {
            let act = self.actions.act(place).filter(is_click)?;
            let title = self.actions.title(place);
            Some(Click {
                hash: FixedState::default().hash_one(title),
                title,
                start: act.start,
            })
        });
        let mut clicks: Vec<_> = clicks.collect();
        clicks.sort_unstable_by(|one, other| {
            let of_thing = (one.hash, one.title).cmp(&(other.hash, other.title));
            of_thing.then(one.start.total_cmp(&other.start))
        });
        clicks
    }
}

impl Click<'_> {
    /// Whether both are clicks on one thing.
    fn is_on_same(&self, other: &Self) -> bool {
        self.hash == other.hash && self.title == other.title
    }
}

fn is_click(act: &Act) -> bool {
    act.r#type == ActionType::Click
}

/// Whether both are the same address. Neighbours mostly share its text, and then it need not be read.
fn is_same(one: &str, other: &str) -> bool {
    std::ptr::eq(one, other) || one == other
}

//! The newest actions, and what conditions ask of them.
//!
//! A product has many triggers, and they ask the same: which page is this, which titles hold a word, what was
//! clicked again and again. Each answer is found out once for all of them, and only when one asks.

use std::cell::OnceCell;
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
    source: Source<'a>,
    /// When the user came to the current page, where that is remembered.
    entered_at: Option<f64>,
    seen: OnceCell<Vec<Seen<'a>>>,
    stay: OnceCell<Stay>,
    times: OnceCell<Times>,
    titles: OnceCell<Titles>,
    /// When each click on the current page began, sorted.
    click_times: OnceCell<Vec<f64>>,
    /// The clicks on the current page. Those on one thing lie together, in the order of their times.
    clicks: OnceCell<Vec<Click>>,
}

/// Where actions come from.
#[derive(Debug)]
enum Source<'a> {
    /// From where they are kept.
    Kept(&'a Actions),
    /// Out of a list, and as they would be kept.
    Listed(&'a [Seen<'a>], Actions),
}

/// How the user came to the current page.
#[derive(Clone, Copy, Debug)]
struct Stay {
    /// When, as far as can be seen.
    entered_at: Option<f64>,
    /// The page before, counted from the newest in turn.
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
#[derive(Debug)]
struct Titles {
    text: String,
    /// Where each ends.
    ends: Vec<usize>,
}

/// A click on the current page.
#[derive(Debug)]
struct Click {
    /// Settles nearly all comparisons of titles.
    hash: u64,
    /// Where its title is among all titles.
    title: Range<usize>,
    start: f64,
}

impl<'a> Window<'a> {
    /// Of actions of which nothing has been asked.
    pub(super) fn new(actions: &'a Actions, entered_at: Option<f64>) -> Self {
        Self::from(Source::Kept(actions), entered_at)
    }

    /// The same of actions one by one, oldest first.
    pub(super) fn of(seen: &'a [Seen<'a>]) -> Self {
        Self::from(Source::Listed(seen, seen.iter().collect()), None)
    }

    fn from(source: Source<'a>, entered_at: Option<f64>) -> Self {
        Self {
            source,
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
        match self.source {
            Source::Kept(actions) => self.seen.get_or_init(|| actions.iter().collect()),
            Source::Listed(seen, _) => seen,
        }
    }

    fn actions(&self) -> &Actions {
        match &self.source {
            Source::Kept(actions) => actions,
            Source::Listed(_, actions) => actions,
        }
    }

    /// What is the same for all actions, oldest first, without pages and titles.
    pub fn acts(&self) -> impl DoubleEndedIterator<Item = &Act> + ExactSizeIterator {
        self.actions().acts().iter()
    }

    /// The canonical URL of the current page: the newest that is known.
    pub fn page(&self) -> Option<&str> {
        self.actions().page().map(|page| &**page)
    }

    /// The page before the current one; `None` while there is only one.
    pub fn page_before(&self) -> Option<&str> {
        let (page, _) = self.actions().runs().nth(self.stay().before?)?;
        Some(page)
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
        let is_young = |act: &&Act| now - act.start <= within_s;
        if self.times().is_in_order {
            let oldest = min
                .checked_sub(1)
                .map(|others| self.acts().rev().nth(others));
            return oldest.is_none_or(|act| act.as_ref().is_some_and(is_young));
        }
        self.acts().filter(is_young).count() >= min
    }

    /// `text` as titles are searched: in lower case.
    pub fn lower(text: &str) -> String {
        lower(text).collect()
    }

    /// The actions whose titles hold `part`, which is in [lower case](Self::lower).
    pub fn titled<'s>(&'s self, part: &'s Finder<'_>) -> impl Iterator<Item = &'s Act> {
        let titles = self.titles.get_or_init(|| Titles::of(self.actions()));
        let text = titles.text.as_bytes();
        let mut from = 0;
        std::iter::from_fn(move || {
            loop {
                let at = from + part.find(text.get(from..)?)?;
                let place = titles.ends.partition_point(|end| *end <= at);
                let end = *titles.ends.get(place)?;
                if at + part.needle().len() <= end {
                    from = end;
                    return self.actions().acts().get(place);
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
                [first, .., last] => {
                    self.are_on_same(first, last) && last.start - first.start <= within_s
                }
                _ => true,
            })
    }

    fn stay(&self) -> Stay {
        *self.stay.get_or_init(|| {
            let mut end = self.actions().len();
            let mut stay = Stay {
                entered_at: None,
                before: None,
            };
            for (turn, (page, count)) in self.actions().runs().enumerate() {
                end -= count;
                if page.is_empty() {
                    continue;
                }
                if self.page().is_some_and(|current| !is_same(current, page)) {
                    stay.before = Some(turn);
                    break;
                }
                stay.entered_at = self.actions().acts().get(end).map(|act| act.start);
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

    /// The clicks on the current page, with their places.
    fn clicks_here(&self) -> impl Iterator<Item = (usize, &Act)> {
        let current = self.page();
        // Where nobody knows of any page all of it is in one place.
        let is_here = move |page: &str| current.is_none_or(|current| is_same(current, page));
        let all = self.actions().with_pages().enumerate();
        let here = all.filter(move |(_, (_, page))| is_here(page));
        let acts = here.map(|(place, (act, _))| (place, act));
        acts.filter(|(_, act)| act.r#type == ActionType::Click)
    }

    fn click_times(&self) -> Vec<f64> {
        let mut times: Vec<_> = self.clicks_here().map(|(_, act)| act.start).collect();
        times.sort_unstable_by(f64::total_cmp);
        times
    }

    fn clicks(&self) -> Vec<Click> {
        let ends: Vec<_> = self.actions().title_ends().collect();
        let begin = |place: usize| {
            place
                .checked_sub(1)
                .and_then(|place| ends.get(place))
                .copied()
        };
        let clicks = self.clicks_here().map(|(place, act)| {
            let end = ends.get(place).copied().unwrap_or_default();
            let title = begin(place).unwrap_or_default()..end;
            Click {
                hash: FixedState::default().hash_one(self.title(&title)),
                title,
                start: act.start,
            }
        });
        let mut clicks: Vec<_> = clicks.collect();
        clicks.sort_unstable_by(|one, other| {
            let of_thing = one.hash.cmp(&other.hash);
            let of_thing =
                of_thing.then_with(|| self.title(&one.title).cmp(self.title(&other.title)));
            of_thing.then(one.start.total_cmp(&other.start))
        });
        clicks
    }

    fn title(&self, range: &Range<usize>) -> &str {
        self.actions()
            .titles()
            .get(range.clone())
            .unwrap_or_default()
    }

    /// Whether both are clicks on one thing.
    fn are_on_same(&self, one: &Click, other: &Click) -> bool {
        one.hash == other.hash && self.title(&one.title) == self.title(&other.title)
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
        let ends = actions.iter().map(|seen| {
            text.extend(lower(&seen.title));
            text.len()
        });
        Self {
            ends: ends.collect(),
            text,
        }
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

//! A session's newest actions, as they are kept.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::iter;
use std::ops::RangeBounds;
use std::sync::Arc;

use memchr::memmem::Finder;

use super::context::Seen;
use super::text::lower;
use crate::domain::action::ActionType;

/// Actions in the order of their arrival, oldest first. What they are made of lies apart, each kind densely: every
/// batch looks at all of them, and what is scattered takes longer to fetch than to read. Titles are kept as they are
/// searched, in lower case, because an action arrives once and is looked at many times.
#[derive(Clone, Debug, Default)]
pub struct Actions {
    /// When each began, Unix seconds.
    starts: VecDeque<f64>,
    /// What was done.
    types: VecDeque<ActionType>,
    /// What else there is of each.
    ends: VecDeque<Ends>,
    /// The pages, and how many of the actions in turn were on each.
    pages: VecDeque<(Arc<str>, usize)>,
    /// The titles of all actions, one behind the other, in lower case; and ahead of them some that are forgotten, so that
    /// the others need not move each time.
    titles: String,
    /// How many bytes of titles are forgotten.
    forgotten_bytes: usize,
    /// How many of them are gone from the text.
    gone_bytes: usize,
}

/// Where an action ends, in time and among the titles.
#[derive(Clone, Copy, Debug)]
struct Ends {
    /// When the action ended, Unix seconds.
    at: f64,
    /// Where its title ends among all titles that there ever were.
    title: usize,
}

/// An action without its page and its title.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Act {
    /// When it began, Unix seconds.
    pub start: f64,
    /// What was done.
    pub r#type: ActionType,
}

impl Actions {
    /// None.
    pub const fn new() -> Self {
        Self {
            starts: VecDeque::new(),
            types: VecDeque::new(),
            ends: VecDeque::new(),
            pages: VecDeque::new(),
            titles: String::new(),
            forgotten_bytes: 0,
            gone_bytes: 0,
        }
    }

    /// Adds the newest; whether it leads to another page than [the one that is known](Self::page).
    pub fn push(&mut self, seen: &Seen<'_>) -> bool {
        if seen.title.is_ascii() {
            let begin = self.titles.len();
            self.titles.push_str(&seen.title);
            self.titles[begin..].make_ascii_lowercase();
        } else {
            self.titles.extend(lower(&seen.title));
        }
        self.starts.push_back(seen.start);
        self.types.push_back(seen.r#type);
        self.ends.push_back(Ends {
            at: seen.end,
            title: self.gone_bytes + self.titles.len(),
        });
        let url = &*seen.canonical_url;
        let newest = self.pages.back_mut();
        if let Some((_, count)) = newest.filter(|(page, _)| **page == *url) {
            *count += 1;
            return false;
        }
        // Whoever comes back from where nobody knows is where they were.
        let same = self.page().filter(|page| ***page == *url).map(Arc::clone);
        let leads_on = same.is_none() && !url.is_empty();
        let page = same.unwrap_or_else(|| url.into());
        self.pages.push_back((page, 1));
        leads_on
    }

    /// Keeps those that began at `oldest` (Unix seconds) or later, and of them the newest `actions_max`. Their order says
    /// which are the newest, not their times: what providers deliver late is new nevertheless. The newest of all stays
    /// in any case, and is one more if it is old.
    pub fn trim(&mut self, oldest: f64, actions_max: usize) {
        let is_old = |start: &f64| *start < oldest;
        let others = self.len().saturating_sub(1);
        let gone = self.starts.iter().take(others);
        let gone = gone.take_while(|start| is_old(start)).count();
        self.forget(gone);
        let others = others - gone;
        if self.starts.iter().take(others).any(is_old) {
            // Not all have arrived in the order of their times.
            let young = self.iter().enumerate();
            let young = young.filter(|(place, seen)| *place == others || !is_old(&seen.start));
            *self = young.map(|(_, seen)| seen).collect();
        }
        let is_one_more = self.starts.back().is_some_and(is_old);
        let most = actions_max.max(1).saturating_add(usize::from(is_one_more));
        self.forget(self.len().saturating_sub(most));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// When each began, Unix seconds.
    pub fn starts(&self) -> &VecDeque<f64> {
        &self.starts
    }

    /// The one at `place`, without its page and its title.
    pub fn act(&self, place: usize) -> Option<Act> {
        let (&start, &r#type) = self.starts.get(place).zip(self.types.get(place))?;
        Some(Act { start, r#type })
    }

    /// Those at `places`, without their pages and titles.
    pub fn acts(
        &self,
        places: impl RangeBounds<usize> + Clone,
    ) -> impl DoubleEndedIterator<Item = Act> {
        let starts = self.starts.range(places.clone());
        let acts = starts.zip(self.types.range(places));
        acts.map(|(&start, &r#type)| Act { start, r#type })
    }

    /// The title of the one at `place`.
    ///
    /// # Panics
    ///
    /// Where there is none.
    pub fn title(&self, place: usize) -> &str {
        let before = place.checked_sub(1);
        let begin = before.map_or(0, |before| self.title_end(self.ends[before]));
        &self.text()[begin..self.title_end(self.ends[place])]
    }

    /// Those whose titles hold `part`, which is in lower case.
    pub fn titled<'s>(&'s self, part: &'s Finder<'_>) -> impl Iterator<Item = Act> {
        let text = self.text().as_bytes();
        let mut from = 0;
        iter::from_fn(move || {
            loop {
                let at = from + part.find(text.get(from..)?)?;
                let place = self
                    .ends
                    .partition_point(|ends| self.title_end(*ends) <= at);
                let end = self.title_end(*self.ends.get(place)?);
                if at + part.needle().len() <= end {
                    from = end;
                    return self.act(place);
                }
                // It reaches into the next title, in which nothing of it has been found yet.
                from = at + 1;
            }
        })
    }

    /// The newest page that is known.
    pub fn page(&self) -> Option<&Arc<str>> {
        let mut pages = self.runs().map(|(page, _)| page);
        pages.find(|page| !page.is_empty())
    }

    /// The pages, newest first, each with how many actions in turn were on it.
    pub fn runs(&self) -> impl Iterator<Item = (&Arc<str>, usize)> {
        self.pages.iter().rev().map(|(page, count)| (page, *count))
    }

    /// The actions, oldest first. Neighbours mostly share the text of their page.
    pub fn iter(&self) -> impl Iterator<Item = Seen<'_>> {
        let pages = self.pages.iter();
        let pages = pages.flat_map(|(page, count)| iter::repeat_n(&**page, *count));
        let all = self.acts(..).zip(&self.ends).zip(pages).enumerate();
        all.map(|(place, ((act, ends), page))| Seen {
            canonical_url: Cow::from(page),
            r#type: act.r#type,
            title: Cow::from(self.title(place)),
            start: act.start,
            end: ends.at,
        })
    }

    /// The titles that are left.
    fn text(&self) -> &str {
        &self.titles[self.forgotten_bytes - self.gone_bytes..]
    }

    /// Where in the titles that are left one of them ends.
    fn title_end(&self, ends: Ends) -> usize {
        ends.title - self.forgotten_bytes
    }

    fn forget(&mut self, mut gone: usize) {
        self.starts.drain(..gone);
        self.types.drain(..gone);
        if let Some(last) = self.ends.drain(..gone).next_back() {
            self.forgotten_bytes = last.title;
            let ahead = self.forgotten_bytes - self.gone_bytes;
            if ahead > self.titles.len() / 2 {
                self.titles.drain(..ahead);
                self.gone_bytes = self.forgotten_bytes;
            }
        }
        while let Some((_, count)) = self.pages.front_mut().filter(|_| gone > 0) {
            let off = gone.min(*count);
            (*count, gone) = (*count - off, gone - off);
            if *count == 0 {
                self.pages.pop_front();
            }
        }
    }
}

/// What is forgotten makes no difference.
impl PartialEq for Actions {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a> FromIterator<Seen<'a>> for Actions {
    fn from_iter<I: IntoIterator<Item = Seen<'a>>>(seen: I) -> Self {
        let mut actions = Self::default();
        for seen in seen {
            actions.push(&seen);
        }
        actions
    }
}

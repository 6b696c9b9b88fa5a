//! A session's newest actions, as they are kept.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::iter::repeat_n;
use std::sync::Arc;

use super::context::Seen;
use crate::domain::action::ActionType;

/// Actions in the order of their arrival, oldest first. What they are made of lies apart, each kind densely: every
/// batch looks at all of them, and what is scattered takes longer to fetch than to read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Actions {
    acts: VecDeque<Act>,
    /// The pages, and how many of the actions in turn were on each.
    pages: VecDeque<(Arc<str>, usize)>,
    /// The titles of all actions, one behind the other.
    titles: String,
}

/// An action without its page and its title.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// When it began, Unix seconds.
    pub start: f64,
    /// When it ended, Unix seconds.
    pub end: f64,
    /// What was done.
    pub r#type: ActionType,
    title_bytes: usize,
}

impl Actions {
    /// Adds the newest.
    pub fn push(&mut self, seen: &Seen<'_>) {
        let url = &*seen.canonical_url;
        let newest = self.pages.back_mut();
        if let Some((_, count)) = newest.filter(|(page, _)| **page == *url) {
            *count += 1;
        } else {
            // Whoever comes back from where nobody knows is where they were.
            let same = self.page().filter(|page| ***page == *url).map(Arc::clone);
            self.pages
                .push_back((same.unwrap_or_else(|| url.into()), 1));
        }
        self.titles.push_str(&seen.title);
        self.acts.push_back(Act {
            start: seen.start,
            end: seen.end,
            r#type: seen.r#type,
            title_bytes: seen.title.len(),
        });
    }

    /// Keeps those that began at `oldest` (Unix seconds) or later, and of them the newest `actions_max`. Their order says
    /// which are the newest, not their times: what providers deliver late is new nevertheless. The newest of all stays
    /// in any case, and is one more if it is old.
    pub fn trim(&mut self, oldest: f64, actions_max: usize) {
        let most = self.acts.len().saturating_sub(1);
        let is_old = |act: &Act| act.start < oldest;
        let gone = self
            .acts
            .iter()
            .take(most)
            .take_while(|act| is_old(act))
            .count();
        self.forget(gone);
        let most = most - gone;
        if self.acts.iter().take(most).any(is_old) {
            // Not all have arrived in the order of their times.
            let young = self.iter().enumerate();
            let young = young.filter(|(place, seen)| *place == most || seen.start >= oldest);
            *self = young.map(|(_, seen)| seen).collect();
        }
        let is_one_more = self.acts.back().is_some_and(is_old);
        let most = actions_max.max(1).saturating_add(usize::from(is_one_more));
        self.forget(self.acts.len().saturating_sub(most));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.acts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.acts.is_empty()
    }

    /// What is the same for all, without pages and titles.
    pub fn acts(&self) -> &VecDeque<Act> {
        &self.acts
    }

    /// The titles of all, one behind the other.
    pub fn titles(&self) -> &str {
        &self.titles
    }

    /// Where each of them ends.
    pub fn title_ends(&self) -> impl Iterator<Item = usize> {
        self.acts.iter().scan(0, |end, act| {
            *end += act.title_bytes;
            Some(*end)
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

    /// The actions, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Seen<'_>> {
        self.parts().map(|(act, page, title)| Seen {
            canonical_url: Cow::from(page),
            r#type: act.r#type,
            title: Cow::from(title),
            start: act.start,
            end: act.end,
        })
    }

    /// The same in parts: with each action its page, of which neighbours mostly share the text, and its title.
    pub fn parts(&self) -> impl Iterator<Item = (&Act, &str, &str)> {
        let pages = self.pages.iter();
        let pages = pages.flat_map(|(page, count)| repeat_n(&**page, *count));
        let mut titles = self.titles.as_str();
        self.acts.iter().zip(pages).map(move |(act, page)| {
            let (title, others) = titles.split_at(act.title_bytes);
            titles = others;
            (act, page, title)
        })
    }

    fn forget(&mut self, mut gone: usize) {
        let titles = self.acts.drain(..gone).map(|act| act.title_bytes);
        self.titles.drain(..titles.sum::<usize>());
        while let Some((_, count)) = self.pages.front_mut().filter(|_| gone > 0) {
            let off = gone.min(*count);
            (*count, gone) = (*count - off, gone - off);
            if *count == 0 {
                self.pages.pop_front();
            }
        }
    }
}

impl<'a> FromIterator<Seen<'a>> for Actions {
    fn from_iter<I: IntoIterator<Item = Seen<'a>>>(seen: I) -> Self {
        let mut actions = Self::default();
        seen.into_iter().for_each(|seen| actions.push(&seen));
        actions
    }
}

//! What the user did last, as far as triggers look back.

use std::borrow::Cow;
use std::sync::Arc;

use serde::ser::{SerializeSeq, SerializeStruct};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::offers::OfferPolicy;
use super::settling::{Settling, Stored, Weight};
use crate::domain::action::{ActionType, NewAction, Provider};
use crate::domain::proactive::Seen;

/// About as many bytes as an action takes where it is stored.
const STORED_BYTES: usize = 64;

/// The newest actions, in the order of their arrival. Their titles are one text: every batch looks at all of them,
/// and texts that lie apart take longer to fetch than to read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recent {
    actions: Settling<Item>,
    /// The titles of all actions, one after the other.
    titles: String,
    /// When the user came to the page of the newest action that has one, Unix seconds: that may be longer ago than
    /// any action that is remembered.
    entered_at: Option<f64>,
}

/// An action without its title.
#[derive(Clone, Debug, PartialEq)]
struct Item {
    page: Arc<str>,
    r#type: ActionType,
    title_bytes: usize,
    start: f64,
    end: f64,
}

impl Recent {
    /// Remembers what the user did, as far as triggers look back.
    pub(super) fn note(
        &mut self,
        actions: &[NewAction],
        provider: Provider,
        policy: &OfferPolicy,
        now: f64,
    ) {
        let time = |action: &NewAction| match action.at {
            Some(at) if !provider.delivers_late() => at,
            _ => now,
        };
        let ends = actions.iter().skip(1).map(Some).chain([None]);
        for (action, next) in actions.iter().zip(ends) {
            let url = action.canonical_url.as_str();
            let newest = self.actions.iter().rev().map(|item| &item.page);
            let page = newest.into_iter().find(|page| !page.is_empty());
            // Most actions are on the page of the one before, of whose address one text is enough.
            let same = page.filter(|page| ***page == *url).map(Arc::clone);
            if same.is_none() && !url.is_empty() {
                self.entered_at = Some(time(action));
            }
            self.titles.push_str(&action.title);
            self.actions.push(Item {
                page: same.unwrap_or_else(|| url.into()),
                r#type: action.r#type,
                title_bytes: action.title.len(),
                start: time(action),
                end: time(next.unwrap_or(action)),
            });
        }
        let old = self.first(policy, now);
        self.titles.drain(..bytes(self.actions.iter().take(old)));
        self.actions.forget(old);
    }

    /// The actions that triggers look at. The newest action is, however long ago it was: the user may still look at its
    /// page.
    pub fn seen(&self, policy: &OfferPolicy, now: f64) -> Vec<Seen<'_>> {
        let first = self.first(policy, now);
        let mut at = bytes(self.actions.iter().take(first));
        let items = self.actions.iter().skip(first);
        let seen = items.map(|item| {
            let from = at;
            at += item.title_bytes;
            Seen {
                canonical_url: Cow::from(&*item.page),
                r#type: item.r#type,
                title: Cow::from(self.titles.get(from..at).unwrap_or_default()),
                start: item.start,
                end: item.end,
            }
        });
        seen.collect()
    }

    /// When the user came to the current page, Unix seconds.
    pub(super) fn entered_at(&self) -> Option<f64> {
        self.entered_at
    }

    /// Whether there is nothing to store.
    pub(super) fn is_blank(&self) -> bool {
        self.actions.is_blank()
    }

    pub(super) fn weight(&self) -> Weight {
        self.actions.weight(STORED_BYTES)
    }

    /// All actions as they are stored, which from now on count as settled.
    pub(super) fn settle(&mut self) -> Packed<'_> {
        self.actions.settle();
        self.packed(&self.actions)
    }

    /// Notes that there is no settled part.
    pub(super) fn unsettle(&mut self) {
        self.actions.unsettle();
    }

    /// Puts what was read of the settled part in front of what is fresh.
    pub(super) fn complete(&mut self, stored: Unpacked) -> Result<(), String> {
        let (ours, theirs) = (self.actions.len(), stored.items.len());
        let lengths: Vec<_> = stored.items.iter().map(|item| item.title_bytes).collect();
        self.actions.complete(stored.items)?;
        let gone = ours + theirs - self.actions.len();
        let mut titles = stored.titles;
        titles.drain(..lengths.iter().take(gone).sum::<usize>());
        self.titles.insert_str(0, &titles);
        Ok(())
    }

    /// How many actions are too old, or too many, to be looked at.
    fn first(&self, policy: &OfferPolicy, now: f64) -> usize {
        let oldest = now - policy.lookback_s;
        let many = self.actions.len().saturating_sub(policy.actions_max);
        let newest = self.actions.iter().skip(many);
        let old = newest.take_while(|item| item.start < oldest).count();
        (many + old).min(self.actions.len().saturating_sub(1))
    }

    /// The last of the actions, as they are stored.
    fn packed<'a>(&'a self, items: &'a [Item]) -> Packed<'a> {
        let from = self.titles.len() - bytes(items.iter());
        Packed {
            items,
            titles: self.titles.get(from..).unwrap_or_default(),
        }
    }
}

fn bytes<'a>(items: impl Iterator<Item = &'a Item>) -> usize {
    items.map(|item| item.title_bytes).sum()
}

/// Actions as they are stored: each page once, and behind it what was done there.
pub(super) struct Packed<'a> {
    items: &'a [Item],
    titles: &'a str,
}

/// Actions as they were stored.
#[derive(Default)]
pub(super) struct Unpacked {
    items: Vec<Item>,
    titles: String,
}

/// One element of the stored list.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Element<'a> {
    /// The page of the actions behind it.
    Page(#[serde(borrow)] Cow<'a, str>),
    /// An action that takes no time: what was done, its title, when.
    Moment(ActionType, #[serde(borrow)] Cow<'a, str>, f64),
    /// Another one, with its end.
    Span(ActionType, #[serde(borrow)] Cow<'a, str>, f64, f64),
}

impl Serialize for Packed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        let (mut page, mut titles) = ("", self.titles);
        for item in self.items {
            if *item.page != *page {
                page = &item.page;
                list.serialize_element(&Element::Page(page.into()))?;
            }
            let (title, others) = titles.split_at(item.title_bytes);
            titles = others;
            list.serialize_element(&if item.start.total_cmp(&item.end).is_eq() {
                Element::Moment(item.r#type, title.into(), item.start)
            } else {
                Element::Span(item.r#type, title.into(), item.start, item.end)
            })?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Unpacked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut page: Arc<str> = "".into();
        let mut unpacked = Self::default();
        for element in Vec::<Element<'de>>::deserialize(deserializer)? {
            let (r#type, title, start, end) = match element {
                Element::Page(url) => {
                    page = url.into();
                    continue;
                }
                Element::Moment(r#type, title, at) => (r#type, title, at, at),
                Element::Span(r#type, title, start, end) => (r#type, title, start, end),
            };
            unpacked.titles.push_str(&title);
            unpacked.items.push(Item {
                page: Arc::clone(&page),
                r#type,
                title_bytes: title.len(),
                start,
                end,
            });
        }
        Ok(unpacked)
    }
}

/// What is not settled, as it is stored.
struct Fresh<'a>(&'a Recent);

impl Serialize for Fresh<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = |fresh| self.0.packed(fresh);
        self.0.actions.serialize_as(serializer, form)
    }
}

impl Serialize for Recent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Recent", 2)?;
        fields.serialize_field("actions", &Fresh(self))?;
        match self.entered_at {
            Some(at) => fields.serialize_field("entered_at", &at)?,
            None => fields.skip_field("entered_at")?,
        }
        fields.end()
    }
}

/// As it was stored.
#[derive(Deserialize)]
struct Read {
    actions: Stored<Unpacked>,
    #[serde(default)]
    entered_at: Option<f64>,
}

impl<'de> Deserialize<'de> for Recent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Read {
            actions: Stored { settled, fresh },
            entered_at,
        } = Read::deserialize(deserializer)?;
        Ok(Self {
            actions: Settling::behind(settled, fresh.items),
            titles: fresh.titles,
            entered_at,
        })
    }
}

//! What the user did last, as far as triggers look back.

use std::borrow::Cow;
use std::sync::Arc;

use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::offers::OfferPolicy;
use super::settling::{Settling, Weight};
use crate::domain::action::{ActionType, NewAction, Provider};
use crate::domain::proactive::{Context, Properties, Seen};

/// About as many bytes as an action takes where it is stored.
const STORED_BYTES: usize = 64;

/// The newest actions, in the order of their arrival.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    #[serde(serialize_with = "pack", deserialize_with = "unpack")]
    actions: Settling<Seen>,
    /// When the user came to the page of the newest action that has one, Unix seconds: that may be longer ago than
    /// any action that is remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entered_at: Option<f64>,
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
            let page = self.actions.iter().rev().map(|seen| &seen.canonical_url);
            let page = page.into_iter().find(|page| !page.is_empty());
            // Most actions are on the page of the one before, of whose address one text is enough.
            let same = page.filter(|page| ***page == *url).map(Arc::clone);
            if same.is_none() && !url.is_empty() {
                self.entered_at = Some(time(action));
            }
            self.actions.push(Seen {
                canonical_url: same.unwrap_or_else(|| url.into()),
                r#type: action.r#type,
                title: action.title.as_str().into(),
                start: time(action),
                end: time(next.unwrap_or(action)),
            });
        }
        let young = self.within(policy, now).len();
        self.actions.forget(self.actions.len() - young);
    }

    /// The actions that triggers look at. The newest action is, however long ago it was: the user may still look at its page.
    pub fn within(&self, policy: &OfferPolicy, now: f64) -> &[Seen] {
        let oldest = now - policy.lookback_s;
        let many = self.actions.len().saturating_sub(policy.actions_max);
        let newest = self.actions.get(many..).unwrap_or_default();
        let old = newest.iter().take_while(|seen| seen.start < oldest);
        let old = old.count().min(newest.len().saturating_sub(1));
        newest.get(old..).unwrap_or_default()
    }

    /// What triggers look at, at `now`.
    pub(super) fn context<'a>(
        &'a self,
        policy: &OfferPolicy,
        properties: &'a Properties,
        now: f64,
    ) -> Context<'a> {
        Context::with_entry(now, self.within(policy, now), self.entered_at, properties)
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
        Packed(&self.actions)
    }

    /// Notes that there is no settled part.
    pub(super) fn unsettle(&mut self) {
        self.actions.unsettle();
    }

    /// Puts what was read of the settled part in front of what is fresh.
    pub(super) fn complete(&mut self, stored: Unpacked) -> Result<(), String> {
        self.actions.complete(stored.0)
    }
}

/// Actions as they are stored: each page once, and behind it what was done there.
pub(super) struct Packed<'a>(&'a [Seen]);

/// Actions as they were stored.
#[derive(Default)]
pub(super) struct Unpacked(Vec<Seen>);

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

impl From<Unpacked> for Vec<Seen> {
    fn from(actions: Unpacked) -> Self {
        actions.0
    }
}

impl Serialize for Packed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        let mut page = "";
        for seen in self.0 {
            if *seen.canonical_url != *page {
                page = &seen.canonical_url;
                list.serialize_element(&Element::Page(page.into()))?;
            }
            let title = Cow::from(&*seen.title);
            list.serialize_element(&if seen.start.total_cmp(&seen.end).is_eq() {
                Element::Moment(seen.r#type, title, seen.start)
            } else {
                Element::Span(seen.r#type, title, seen.start, seen.end)
            })?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Unpacked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut page: Arc<str> = "".into();
        let mut actions = Vec::new();
        for element in Vec::<Element<'de>>::deserialize(deserializer)? {
            let (r#type, title, start, end) = match element {
                Element::Page(url) => {
                    page = url.into();
                    continue;
                }
                Element::Moment(r#type, title, at) => (r#type, title, at, at),
                Element::Span(r#type, title, start, end) => (r#type, title, start, end),
            };
            actions.push(Seen {
                canonical_url: Arc::clone(&page),
                r#type,
                title: title.into(),
                start,
                end,
            });
        }
        Ok(Self(actions))
    }
}

fn pack<S: Serializer>(actions: &Settling<Seen>, serializer: S) -> Result<S::Ok, S::Error> {
    actions.serialize_as(serializer, Packed)
}

fn unpack<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Settling<Seen>, D::Error> {
    Settling::deserialize_as::<Unpacked, D>(deserializer)
}

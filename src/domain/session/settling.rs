//! Lists whose older part is stored apart.
//!
//! A busy session holds many actions and remembers many keys, and each commit adds one. Written whole, every
//! commit would repeat all that the ones before it wrote. So what is fresh settles from time to time: it is
//! written once more, behind what has settled before (see [`Encoded`]), and from then on commits write only what is
//! newer, and how much of the settled part is left.
//!
//! [`Encoded`]: crate::domain::machine::Encoded

use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A list, oldest first, that grows at its end and shrinks from its front. Stored, it is what is fresh, as
/// plain as if nothing had settled where nothing has.
#[derive(Clone, Debug, PartialEq)]
pub struct Settling<T> {
    items: Vec<T>,
    /// How many of the first items are the last ones of the settled part.
    settled: usize,
}

impl<T> Default for Settling<T> {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl<T> From<Vec<T>> for Settling<T> {
    fn from(items: Vec<T>) -> Self {
        Self { items, settled: 0 }
    }
}

impl<T> Deref for Settling<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<T> Settling<T> {
    /// The items alone.
    pub fn into_items(self) -> Vec<T> {
        self.items
    }

    pub(super) fn push(&mut self, item: T) {
        self.items.push(item);
    }

    pub(super) fn extend(&mut self, items: Vec<T>) {
        self.items.extend(items);
    }

    /// Forgets the `count` oldest.
    pub(super) fn forget(&mut self, count: usize) {
        self.items.drain(..count.min(self.items.len()));
        self.settled = self.settled.saturating_sub(count);
    }

    /// Keeps what `stays`. Where that is not just the newest, nothing of the list counts as settled.
    pub(super) fn retain(&mut self, stays: impl Fn(&T) -> bool) {
        let gone = self.items.iter().take_while(|item| !stays(item)).count();
        self.forget(gone);
        if !self.items.iter().all(&stays) {
            let items = std::mem::take(&mut self.items);
            *self = Self::from(items.into_iter().filter(stays).collect::<Vec<T>>());
        }
    }

    /// What is not settled.
    fn fresh(&self) -> &[T] {
        self.items.get(self.settled..).unwrap_or_default()
    }

    /// About how many bytes commits have written of what is fresh, again and again, if each item came with a commit
    /// of its own.
    pub(super) fn repeated_bytes(&self, bytes_of: impl Fn(&T) -> usize) -> usize {
        let fresh = self.fresh();
        fresh.iter().map(bytes_of).sum::<usize>() * (fresh.len() + 1) / 2
    }

    /// Lets all of it settle, and answers what is to be written for that: what was fresh, or everything where the
    /// settled part is to be written `anew`.
    pub(super) fn settle(&mut self, anew: bool) -> &[T] {
        let written = if anew { 0 } else { self.settled };
        self.settled = self.items.len();
        self.items.get(written..).unwrap_or_default()
    }

    /// Notes that there is no settled part.
    pub(super) fn unsettle(&mut self) {
        self.settled = 0;
    }

    /// Puts what was read of the settled part in front of what is fresh.
    pub(super) fn complete(&mut self, stored: Vec<T>) -> Result<(), String> {
        let (settled, before) = (self.settled, stored.len());
        let Some(gone) = before.checked_sub(settled) else {
            return Err(format!(
                "{settled} items have settled, and {before} are there"
            ));
        };
        let fresh = std::mem::take(&mut self.items);
        self.items = stored.into_iter().skip(gone).chain(fresh).collect();
        Ok(())
    }

    /// As it is stored, its fresh items in the form of `P`.
    pub(super) fn serialize_as<'a, P: Serialize, S: Serializer>(
        &'a self,
        serializer: S,
        form: impl FnOnce(&'a [T]) -> P,
    ) -> Result<S::Ok, S::Error> {
        let fresh = form(self.fresh());
        if self.settled == 0 {
            return fresh.serialize(serializer);
        }
        let settled = self.settled;
        let behind = Form::Behind { settled, fresh };
        behind.serialize(serializer)
    }

    /// The fresh items behind `settled` others, which are to follow by [`Settling::complete`].
    pub(super) fn behind(settled: usize, fresh: Vec<T>) -> Self {
        Self {
            items: fresh,
            settled,
        }
    }
}

/// What was stored of a list: how much of it has settled, and what is fresh.
pub(super) struct Stored<P> {
    pub(super) settled: usize,
    pub(super) fresh: P,
}

impl<'de, P: Deserialize<'de>> Deserialize<'de> for Stored<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Form::<P>::deserialize(deserializer)? {
            Form::Whole(fresh) => Self { settled: 0, fresh },
            Form::Behind { settled, fresh } => Self { settled, fresh },
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form<P> {
    Whole(P),
    Behind { settled: usize, fresh: P },
}

impl<T: Serialize> Serialize for Settling<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize_as(serializer, |fresh| fresh)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Settling<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::<Vec<T>>::deserialize(deserializer)?;
        Ok(Self::behind(stored.settled, stored.fresh))
    }
}

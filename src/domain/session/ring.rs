//! The memory of recent events, so that a redelivery is recognised (contract 3.6.8).

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::settling::{Settling, Stored};

/// How many keys are remembered.
pub(super) const KEYS_MAX: usize = 1024;

/// For how long a key is remembered, seconds: covers the five hours over which FullStory retries.
pub(super) const KEYS_AGE_S: f64 = 6.0 * 3600.0;

/// Keys are stored packed, because they are the largest part of many states.
const PACKED_BYTES: usize = 12;

/// As many bytes a key takes as text.
const STORED_BYTES: usize = PACKED_BYTES / 3 * 4;

/// A key, and the second of its arrival.
type Seen = (u64, u32);

/// The newest [`KEYS_MAX`] keys of at most [`KEYS_AGE_S`], oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ring {
    keys: Settling<Seen>,
}

impl Ring {
    /// Remembers `key`; returns whether it was new.
    pub(super) fn insert(&mut self, key: u64, now: f64) -> bool {
        if self.contains(key, now) {
            return false;
        }
        self.keys
            .forget((self.keys.len() + 1).saturating_sub(KEYS_MAX));
        self.keys.push((key, whole_s(now)));
        true
    }

    /// Whether `key` is remembered; forgets what has grown too old.
    pub(super) fn contains(&mut self, key: u64, now: f64) -> bool {
        let oldest = whole_s(now - KEYS_AGE_S);
        let is_old = |(_, at): &&Seen| *at < oldest;
        self.keys
            .forget(self.keys.iter().take_while(is_old).count());
        self.keys.iter().any(|(known, _)| *known == key)
    }

    /// About how many bytes all keys take.
    pub(super) fn bytes(&self) -> usize {
        self.keys.len() * STORED_BYTES
    }

    /// As [`Settling::repeated_bytes`].
    pub(super) fn repeated_bytes(&self) -> usize {
        self.keys.repeated_bytes(|_| STORED_BYTES)
    }

    /// As [`Settling::settle`], packed.
    pub(super) fn settle(&mut self, anew: bool) -> Packed<'_> {
        Packed(self.keys.settle(anew))
    }

    /// Notes that there is no settled part.
    pub(super) fn unsettle(&mut self) {
        self.keys.unsettle();
    }

    /// Puts what was read of the settled part in front of what is fresh.
    pub(super) fn complete(&mut self, stored: Vec<Unpacked>) -> Result<(), String> {
        self.keys
            .complete(stored.into_iter().flat_map(|part| part.0).collect())
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float casts saturate, and seconds fit 32 bits until 2106"
)]
fn whole_s(seconds: f64) -> u32 {
    seconds as u32
}

/// Keys as they are stored, twelve bytes each.
pub(super) struct Packed<'a>(&'a [Seen]);

/// Keys as they were stored.
#[derive(Default)]
pub(super) struct Unpacked(Vec<Seen>);

impl Serialize for Ring {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.keys.serialize_as(serializer, Packed)
    }
}

impl<'de> Deserialize<'de> for Ring {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::<Unpacked>::deserialize(deserializer)?;
        let keys = Settling::behind(stored.settled, stored.fresh.0);
        Ok(Self { keys })
    }
}

impl Serialize for Packed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut packed = Vec::with_capacity(self.0.len() * PACKED_BYTES);
        for (key, at) in self.0 {
            packed.extend_from_slice(&key.to_le_bytes());
            packed.extend_from_slice(&at.to_le_bytes());
        }
        serializer.serialize_str(&STANDARD_NO_PAD.encode(packed))
    }
}

impl<'de> Deserialize<'de> for Unpacked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let packed = STANDARD_NO_PAD
            .decode(text.as_bytes())
            .map_err(serde::de::Error::custom)?;
        let (pairs, rest) = packed.as_chunks::<PACKED_BYTES>();
        if !rest.is_empty() {
            return Err(serde::de::Error::custom(
                "duplicate keys end in the middle of one",
            ));
        }
        let keys = pairs
            .iter()
            .map(|[a, b, c, d, e, f, g, h, w, x, y, z]| {
                (
                    u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]),
                    u32::from_le_bytes([*w, *x, *y, *z]),
                )
            })
            .collect();
        Ok(Self(keys))
    }
}

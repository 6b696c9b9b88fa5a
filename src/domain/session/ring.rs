//! The memory of recent events, so that a redelivery is recognised (contract 3.6.8).

use std::collections::VecDeque;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How many keys are remembered.
pub(super) const KEYS_MAX: usize = 1024;

/// For how long a key is remembered, seconds: covers the five hours over which FullStory retries.
pub(super) const KEYS_AGE_S: f64 = 6.0 * 3600.0;

const PACKED_BYTES: usize = 12;

/// The newest [`KEYS_MAX`] keys of at most [`KEYS_AGE_S`], oldest first. Stored packed, twelve bytes
/// a key, because it is the largest part of most snapshots.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ring {
    keys: VecDeque<(u64, u32)>,
}

impl Ring {
    /// Remembers `key`; returns whether it was new.
    pub(super) fn insert(&mut self, key: u64, now: f64) -> bool {
        if self.contains(key, now) {
            return false;
        }
        if self.keys.len() == KEYS_MAX {
            self.keys.pop_front();
        }
        self.keys.push_back((key, whole_s(now)));
        true
    }

    /// Whether `key` is remembered; forgets what has grown too old.
    pub(super) fn contains(&mut self, key: u64, now: f64) -> bool {
        let oldest = whole_s(now - KEYS_AGE_S);
        while self.keys.front().is_some_and(|(_, at)| *at < oldest) {
            self.keys.pop_front();
        }
        self.keys.iter().any(|(known, _)| *known == key)
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

impl Serialize for Ring {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut packed = Vec::with_capacity(self.keys.len() * PACKED_BYTES);
        for (key, at) in &self.keys {
            packed.extend_from_slice(&key.to_le_bytes());
            packed.extend_from_slice(&at.to_le_bytes());
        }
        serializer.serialize_str(&STANDARD_NO_PAD.encode(packed))
    }
}

impl<'de> Deserialize<'de> for Ring {
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
        Ok(Self { keys })
    }
}

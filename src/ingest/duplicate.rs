//! Eight-byte keys that tell a redelivery from a new raw event (contract 3.6.8), and other hashes
//! that are stored. They are part of the stored format: changing one makes every redelivery under
//! way look new.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::json::write_canonical;
use super::raw::RawEvent;
use crate::domain::action::Provider;

/// The key of a raw event: its provider's id, else what makes an Amplitude event unique, else all
/// of it.
pub(crate) fn key(raw: &RawEvent<'_>) -> u64 {
    if let Some(id) = raw.unique_id.as_deref() {
        return hash(b"raw-event-id", id.as_bytes());
    }
    let mut form = Vec::with_capacity(2048);
    if raw.provider == Provider::Amplitude {
        for time in raw.times {
            match time {
                Some(time) => write_canonical(time, &mut form),
                None => form.push(b'-'),
            }
        }
        let parts = [
            &raw.device,
            &raw.user,
            &raw.session,
            &raw.name,
            &raw.interaction,
            &raw.element_id,
            &raw.element_path,
            &raw.vendor_texts[1],
            &raw.vendor_texts[2],
            &raw.url,
        ];
        for part in parts {
            let part = part.as_deref().unwrap_or_default();
            form.extend_from_slice(&(part.len() as u64).to_be_bytes());
            form.extend_from_slice(part.as_bytes());
        }
        return hash(b"amplitude-event", &form);
    }
    write_canonical(raw.body, &mut form);
    hash(b"raw-event-body", &form)
}

/// The key of a whole request body.
pub(crate) fn body_key(body: &[u8]) -> u64 {
    hash(b"request-body", body)
}

/// A number that spreads users evenly.
pub(crate) fn spread(user: &str) -> u64 {
    hash(b"user", user.as_bytes())
}

/// XXH3; `domain` keeps keys of different kinds apart. Eight bytes are no proof whatever makes them, and none is needed:
/// who finds two contents with one key has an event of their own session taken for a redelivery.
fn hash(domain: &[u8], content: &[u8]) -> u64 {
    xxh3_64_with_seed(content, xxh3_64(domain))
}

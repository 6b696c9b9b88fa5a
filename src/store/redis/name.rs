//! How keys are named, and which bucket a tenant is in.

use crate::domain::id::{Key, Kind, ProductId};
use crate::domain::log::IndexKey;

/// The names of all buckets: what their keys begin with, up to and with the hash tag.
pub(super) fn bases(prefix: &str, buckets: u16) -> Vec<String> {
    (0..buckets)
        .map(|number| format!("{prefix}:{{b{number:02}}}:"))
        .collect()
}

/// Which of `buckets` a tenant is in, for good: FNV-1a of its name.
pub(super) fn bucket(product: &ProductId, buckets: usize) -> usize {
    let hash = product
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    usize::try_from(hash % buckets as u64).unwrap_or(0)
}

/// A key within its tenant: `<kind>/<id>`. The name of a tenant has no slash, so that
/// `<product>/<kind>/<id>` is read back without doubt.
pub(super) fn within(key: &Key) -> String {
    format!("{}/{}", key.kind.as_str(), key.id)
}

/// The key that is written `<kind>/<id>` within a tenant.
pub(super) fn parse_within(product: &ProductId, text: &str) -> Option<Key> {
    let (kind, id) = text.split_once('/')?;
    Some(Key {
        product: product.clone(),
        kind: Kind::parse(kind)?,
        id: id.into(),
    })
}

/// The key that is written `<product>/<kind>/<id>`.
pub(super) fn parse(text: &str) -> Option<Key> {
    let (product, within) = text.split_once('/')?;
    parse_within(&ProductId::from(product), within)
}

/// An index row: `<product>/<space>/<id>`.
pub(super) fn row(product: &ProductId, key: &IndexKey) -> String {
    format!("{product}/{}/{}", key.space.as_str(), key.id)
}

/// An index row as it is stored, `<expiry> <value>`: when it expires, Unix milliseconds, and the value.
pub(super) fn parse_fact(stored: &str) -> Option<(u64, &str)> {
    let (expires_ms, value) = stored.split_once(' ')?;
    Some((expires_ms.parse().ok()?, value))
}

//! What an answer of Unkey's means.

use serde::Deserialize;

use crate::domain::id::ProductId;

/// What is known of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It opens the product.
    Accepted,
    /// It does not, and will not soon.
    Refused,
    /// It does not now, for a limit that may be over at any time.
    Limited,
    /// Nobody knows.
    Unclear,
}

impl Verdict {
    /// The `outcome` of `connector_unkey_verifications_total`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Limited => "limited",
            Self::Unclear => "unclear",
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    valid: bool,
    code: String,
    #[serde(default)]
    identity: Option<Identity>,
    #[serde(default)]
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Identity {
    #[serde(rename = "externalId", default)]
    external_id: Option<String>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default)]
    product_id: Option<String>,
}

/// Reads an answer. Every verification that was made is answered 200; whatever else comes says nothing about the key.
pub(super) fn read(status: u16, body: &[u8], product: &ProductId) -> Verdict {
    if status != 200 {
        return Verdict::Unclear;
    }
    let Ok(Answer { data }) = serde_json::from_slice(body) else {
        return Verdict::Unclear;
    };
    match data.code.as_str() {
        "VALID" if data.valid && is_for(&data, product) => Verdict::Accepted,
        "RATE_LIMITED" | "USAGE_EXCEEDED" => Verdict::Limited,
        _ => Verdict::Refused,
    }
}

/// Whether the key belongs to the product: the identity that it was issued to, or `product_id` of its metadata.
fn is_for(data: &Data, product: &ProductId) -> bool {
    let identity = data.identity.as_ref();
    let identity = identity.and_then(|identity| identity.external_id.as_deref());
    let meta = data
        .meta
        .as_ref()
        .and_then(|meta| meta.product_id.as_deref());
    [identity, meta].contains(&Some(product.as_str()))
}

//! Short-lived tokens that open the stream to a page which may know no key (contract 2.7).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::vault::Vault;
use crate::domain::id::ProductId;

/// What a token begins with, so that it is told from keys, which are not taken where tokens are.
const PREFIX: &str = "tkt_";

/// What a token permits, until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Whose stream.
    #[serde(rename = "p")]
    pub product: ProductId,
    /// How much of it.
    #[serde(flatten)]
    pub reach: Reach,
    /// Until when a stream may be begun with it, Unix milliseconds.
    #[serde(rename = "e")]
    pub until_ms: u64,
}

/// The part of a stream that a token opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    /// What one session does.
    #[serde(rename = "s")]
    Session(String),
    /// What one user does.
    #[serde(rename = "u")]
    User(String),
}

impl Ticket {
    /// Signs the ticket. The token holds the ticket in clear: it is no secret from whoever it is given to.
    pub fn token(&self, vault: &Vault) -> SecretString {
        let json = serde_json::to_vec(self).expect("a ticket is made of strings and a number");
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(json));
        let signature = URL_SAFE_NO_PAD.encode(vault.sign(&text));
        format!("{text}.{signature}").into()
    }

    /// The ticket of a token that we signed for `product` and that is not over; `None` for anything else.
    pub fn read(token: &str, product: &ProductId, vault: &Vault, now_ms: u64) -> Option<Self> {
        let (text, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        if !vault.verifies(text, &signature) {
            return None;
        }
        let json = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let ticket: Self = serde_json::from_slice(&json).ok()?;
        (ticket.product == *product && now_ms < ticket.until_ms).then_some(ticket)
    }
}

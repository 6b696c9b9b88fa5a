//! What a product's account consists of, and where Intercom keeps it.

use std::sync::Arc;

use secrecy::SecretString;

use crate::domain::id::ProductId;

/// What posting for a product takes. `Debug` shows the token redacted.
#[derive(Clone, Debug)]
pub struct Account {
    /// Sent as bearer token.
    pub access_token: SecretString,
    /// The admin in whose name notes are written.
    pub admin_id: String,
    /// Scheme and host, with or without a trailing slash: the region's, or an operator's override.
    pub base_url: String,
    /// The `Intercom-Version` header.
    pub version: String,
}

/// Looks a product's account up, for every call anew, so that a rotated token counts at once.
pub type Accounts = Arc<dyn Fn(&ProductId) -> Option<Account> + Send + Sync>;

/// Where a workspace is hosted. A token works only on its own region's host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// United States.
    Us,
    /// European Union.
    Eu,
    /// Australia.
    Au,
}

impl Region {
    /// The address of the region's API.
    pub fn base_url(self) -> &'static str {
        match self {
            Self::Us => "https://api.intercom.io",
            Self::Eu => "https://api.eu.intercom.io",
            Self::Au => "https://api.au.intercom.io",
        }
    }
}

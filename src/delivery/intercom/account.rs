//! What a product's account consists of, and where Intercom keeps it.

use std::sync::Arc;

use secrecy::SecretString;

use crate::domain::id::ProductId;
use crate::product::Region;

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

/// The address of a region's API. A token works only on its own region's host.
pub fn region_url(region: Region) -> &'static str {
    match region {
        Region::Us => "https://api.intercom.io",
        Region::Eu => "https://api.eu.intercom.io",
        Region::Au => "https://api.au.intercom.io",
    }
}

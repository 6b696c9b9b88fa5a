//! What posting takes, and where it goes.

use std::sync::Arc;

use secrecy::SecretString;

use super::workspace::Workspace;
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

/// The service's own settings.
#[derive(Clone, Debug)]
pub struct Service {
    /// Where Intercom's API is; empty for the host of the workspace's region.
    pub base_url: String,
    /// The `Intercom-Version` header.
    pub version: String,
}

impl Service {
    /// What posting to a workspace takes.
    pub(super) fn account(&self, own: &Workspace) -> Account {
        let base_url = match self.base_url.as_str() {
            "" => own.region.url().to_owned(),
            url => url.to_owned(),
        };
        Account {
            access_token: own.access_token.clone(),
            admin_id: own.admin_id.clone(),
            base_url,
            version: self.version.clone(),
        }
    }
}

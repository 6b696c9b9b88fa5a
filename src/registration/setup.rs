//! What the directory is made with, and how it says no.

use std::sync::Arc;
use std::time::Duration;

use super::decision::Refused;
use super::record::Flaw;
use super::vault::Vault;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::product::Products;
use crate::store::{self, Store};

/// What the directory needs from the outside.
pub struct Surroundings {
    /// Where registrations are.
    pub store: Arc<dyn Store>,
    /// What seals them; without it nothing is registered and nothing that was is in force.
    pub vault: Option<Vault>,
    /// The products in force.
    pub products: Products,
    /// Time.
    pub clock: Clock,
    /// Secrets and identifiers.
    pub chance: Chance,
    /// Counters.
    pub metrics: Metrics,
    /// How much, and how long.
    pub limits: Limits,
    /// Whether other instances have the same store.
    pub is_shared: bool,
}

/// How much is registered, and how long things last.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long what is replaced is still accepted.
    pub overlap_ms: u64,
    /// How long a removed product may be registered anew.
    pub purge_after_ms: u64,
    /// Whether anybody may register by an invitation.
    pub takes_invites: bool,
    /// How long an invitation may be used unless told.
    pub invite_ms: u64,
    /// The most registered products.
    pub products_max: usize,
    /// The most valid keys of one product.
    pub keys_max: usize,
    /// How often other instances' changes are looked for without having been told.
    pub poll: Duration,
}

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not permitted, or not accepted.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Somebody registered the same product at the same time.
    #[error(
        "somebody else has just registered it; send the owner_token that was issued to them to register it anew"
    )]
    Collided,
    /// The invitation is unknown, used up or over.
    #[error("the invitation is unknown, used up or over")]
    NotInvited,
    /// Nobody may register by an invitation.
    #[error("registration.mode is admin_key, which takes no invitations")]
    InvitationsOff,
    /// There is no room for another product.
    #[error("{0} products are registered already (registration.products_max)")]
    TooMany(usize),
    /// There is no key to seal with.
    #[error(
        "nothing can be registered without a key to seal secrets with: set secrets.key (CONNECTOR_SECRETS_KEY)"
    )]
    NoVault,
    /// What is stored cannot be opened.
    #[error("the registration is stored, but cannot be used: {0}")]
    Unreadable(#[from] Flaw),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// A stable word for it, by which programs tell it from others.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(Refused::Faults(_)) => "invalid_fields",
            Self::Refused(Refused::Exists) => "product_exists",
            Self::Refused(Refused::InList) => "product_in_list",
            Self::Refused(Refused::Closed) => "registration_closed",
            Self::Refused(Refused::NotOwner) => "not_owner",
            Self::Refused(Refused::Unknown) => "product_not_found",
            Self::Refused(Refused::UnknownKey) => "key_not_found",
            Self::Refused(Refused::TooManyKeys(_)) => "too_many_keys",
            Self::Collided => "registration_collided",
            Self::NotInvited => "invitation_invalid",
            Self::InvitationsOff => "invitations_off",
            Self::TooMany(_) => "too_many_products",
            Self::NoVault => "secrets_key_unset",
            Self::Unreadable(_) => "registration_unreadable",
            Self::Store(_) => "store_unavailable",
        }
    }
}

/// A stored registration that is not in force, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// The product.
    pub product: Arc<str>,
    /// What is wrong with it.
    pub reason: String,
}

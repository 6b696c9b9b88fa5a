//! What is known of one product.

use secrecy::SecretString;

use super::push::Push;
use super::source::Fingerprint;
use crate::domain::id::ProductId;
use crate::domain::session::IndexMode;
use crate::ingest;

/// One tenant. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Product {
    /// Its identifier in every path.
    pub id: ProductId,
    /// The webhook secret: key of ingest and, until registration exists, of the stream. Absent only
    /// where the row allows unauthenticated ingest; then nothing that needs a key can be opened.
    pub secret: Option<SecretString>,
    /// Whom to ask about it.
    pub contact_email: Option<String>,
    /// Where its activity goes.
    pub integration: Integration,
    /// The Intercom workspace, when the integration is Intercom.
    pub intercom: Option<Intercom>,
    /// Whether activity is taken from anybody.
    pub allow_unauthenticated_ingest: bool,
    /// How its raw events become actions.
    pub ingest: ingest::Settings,
    /// Lengths of time that differ from the service's own.
    pub session: SessionOverrides,
    /// How its actions are numbered.
    pub index_mode: IndexMode,
    /// Origins whose web pages may call; `*` for all.
    pub cors_origins: Vec<String>,
    /// Where its activity is pushed to, beside whatever else happens with it.
    pub push: Option<Push>,
    /// What an operator should know of this row although nothing is wrong with it, as sentences.
    pub notices: Vec<String>,
    /// Tells whether a new row says anything different.
    pub(super) fingerprint: Fingerprint,
}

/// Where a product's activity goes (contract 1.4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Integration {
    /// To feed subscribers, and to a push target if there is one.
    EventStream,
    /// To a push target, if there is one.
    Webhook,
    /// Into Intercom conversations, as notes.
    Intercom,
    /// To Zendesk.
    Zendesk,
    /// To a platform that this version does not know.
    Other(String),
}

/// One Intercom workspace (contract 4.1).
#[derive(Clone, Debug)]
pub struct Intercom {
    /// Authorises calls.
    pub access_token: SecretString,
    /// Who writes the notes.
    pub admin_id: String,
    /// Verifies webhooks; without it they are taken unverified.
    pub client_secret: Option<SecretString>,
    /// Where the workspace is hosted.
    pub region: Region,
}

/// Where Intercom hosts a workspace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Region {
    /// United States.
    #[default]
    Us,
    /// Europe.
    Eu,
    /// Australia.
    Au,
}

/// Lengths of time in seconds that a row may set for itself; `None` where the service's own count.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SessionOverrides {
    /// How old an action may be and still be kept for the first note.
    pub pre_link_window_s: Option<f64>,
    /// How long a linked session must be quiet before its note is written.
    pub post_link_debounce_s: Option<f64>,
    /// Width of the bins of a first note; 0 for none.
    pub bin_seconds: Option<f64>,
    /// How long a session stays in conversation without interaction.
    pub interaction_timeout_s: Option<f64>,
    /// How long it keeps quiet afterwards.
    pub cooldown_period_s: Option<f64>,
}

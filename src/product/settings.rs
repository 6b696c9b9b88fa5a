//! What is known of one product.

use std::sync::Arc;

use secrecy::SecretString;
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::labels::Labels;
use super::push::Push;
use super::row;
use super::source::Fingerprint;
use crate::domain::id::ProductId;
use crate::domain::proactive::Program;
use crate::domain::session::IndexMode;
use crate::fields::Fault;
use crate::ingest;
use crate::platform::Chatbot;

/// One tenant. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Product {
    /// Its identifier in every path.
    pub id: ProductId,
    /// The webhook secret, also known as ingest secret: opens ingest and the stream. Absent only where the row
    /// allows unauthenticated ingest; then nothing that needs it can be opened.
    pub secret: Option<SecretString>,
    /// Those before it that are still accepted.
    pub old_secrets: Vec<OldSecret>,
    /// Keys that were issued for it and not revoked.
    pub keys: Vec<ReadKey>,
    /// Who wrote its row.
    pub origin: Origin,
    /// Whom to ask about it.
    pub contact_email: Option<String>,
    /// Where its activity goes.
    pub integration: Integration,
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
    /// What it wants to be offered, if that is anything.
    pub program: Option<Arc<Program>>,
    /// Which labels it has for buttons, and when they are given.
    pub labels: Labels,
    /// What is wrong with either: a list of products is in force all the same, a registration is refused.
    pub program_faults: Vec<Fault>,
    /// Whether anybody may see what was done in a session whose name they know.
    pub context_actions_public: bool,
    /// Its `integration_config` as it may be shown.
    pub shown_config: Value,
    /// What an operator should know of this row although nothing is wrong with it, as sentences.
    pub notices: Vec<String>,
    /// Tells whether a new row says anything different.
    pub(super) fingerprint: Fingerprint,
}

/// Who wrote a product's row, and so who may change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An operator, in the list of products; over HTTP it is read-only.
    File,
    /// Whoever registered it over HTTP or from the command line.
    Registered,
}

/// A webhook secret that was replaced.
#[derive(Clone, Debug)]
pub struct OldSecret {
    /// The secret.
    pub secret: SecretString,
    /// Until when it is accepted, Unix milliseconds.
    pub until_ms: u64,
}

/// A key that opens what a product tells. Only its digest is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadKey {
    /// Its public name.
    pub id: Arc<str>,
    /// The SHA-256 of the key.
    pub digest: [u8; 32],
    /// Until when it is accepted, Unix milliseconds; `None` for good.
    pub until_ms: Option<u64>,
}

impl Product {
    /// Reads one row that stands in no list; pointers of faults begin at the row.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn read(row: &Value) -> Result<Self, Vec<Fault>> {
        row::read("", row).product
    }

    /// The chatbot that its activity goes to, if it has one.
    pub fn chatbot(&self) -> Option<&Arc<dyn Chatbot>> {
        match &self.integration {
            Integration::Chatbot(chatbot) => Some(chatbot),
            _ => None,
        }
    }

    /// The platform that takes its notes, by the name of its destination.
    pub fn platform(&self) -> Option<&'static str> {
        self.chatbot().map(|chatbot| chatbot.platform())
    }

    /// The webhook secrets that are accepted at `now_ms`, the newest first.
    pub fn secrets(&self, now_ms: u64) -> impl Iterator<Item = &SecretString> {
        let old = self.old_secrets.iter();
        let old = old.filter(move |old| now_ms < old.until_ms);
        self.secret.iter().chain(old.map(|old| &old.secret))
    }

    /// The issued key that `given` is, if it is accepted at `now_ms`. Every key is compared, in constant time.
    pub fn key(&self, given: &str, now_ms: u64) -> Option<&ReadKey> {
        let digest = Sha256::digest(given);
        let mut found = None;
        for key in &self.keys {
            let is_same: bool = digest.ct_eq(&key.digest).into();
            let is_valid = key.until_ms.is_none_or(|until_ms| now_ms < until_ms);
            if is_same && is_valid {
                found = Some(key);
            }
        }
        found
    }
}

/// Where a product's activity goes (contract 1.4.1).
#[derive(Clone, Debug)]
pub enum Integration {
    /// To feed subscribers, and to a push target if there is one.
    EventStream,
    /// To a push target, if there is one.
    Webhook,
    /// Into conversations with a chatbot, as notes.
    Chatbot(Arc<dyn Chatbot>),
    /// To Zendesk, which gets nothing in this version.
    Zendesk,
    /// To a platform that this version does not know.
    Other(String),
}

impl Integration {
    /// Its name in a row.
    pub fn name(&self) -> &str {
        match self {
            Self::EventStream => "event_stream",
            Self::Webhook => "webhook",
            Self::Chatbot(chatbot) => chatbot.platform(),
            Self::Zendesk => "zendesk",
            Self::Other(name) => name,
        }
    }
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

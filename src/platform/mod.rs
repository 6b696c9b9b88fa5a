//! Chatbots: all that the service knows of each kind of them, one module a kind.
//!
//! The cast: a `Platform` is a kind of chatbot; a [`Chatbot`] is what one product has there, as its row says;
//! [`webhook`] has the words for what chatbots send us. Calls are made by the platform's destination, which the
//! outbox gives its deliveries.
//!
//! Guaranteed: whoever adds a platform writes its module and names it in `PLATFORMS`, and nothing else: rows,
//! registration, notes, webhooks, risks and what is shown of a product ask this list. `tests/tidy.rs` sees to it that
//! nobody else in the service names a platform's module, but for whoever hands it settings of the service's own.
//!
//! Deliberately absent: when a note is due and what it says (sessions decide), and when a call may be made
//! (`delivery` does).

pub mod bridge;
pub mod intercom;
pub mod webhook;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use self::webhook::{Heard, NoNotification, Proof, Webhook};
use crate::clock::Clock;
use crate::delivery::Destination;
use crate::delivery::client::Client;
use crate::delivery::guard::GuardedClient;
use crate::domain::id::ProductId;
use crate::fields::Fields;

/// Every platform there is.
pub(crate) const PLATFORMS: [Platform; 2] = [intercom::PLATFORM, bridge::PLATFORM];

/// A kind of chatbot.
pub(crate) struct Platform {
    /// The `integration_type` of its products, and its name in lanes and metrics.
    pub(crate) name: &'static str,
    /// The keys of `integration_config` that it reads.
    pub(crate) keys: &'static [&'static str],
    /// Reads them; `None` after a fault.
    pub(crate) read: fn(&mut Fields<'_>) -> Option<Arc<dyn Chatbot>>,
    /// What delivers notes to it.
    pub(crate) destination: fn(&Tools) -> Arc<dyn Destination>,
}

/// The platform of an `integration_type`, if it is one.
pub(crate) fn named(integration_type: &str) -> Option<Platform> {
    let mut all = PLATFORMS.into_iter();
    all.find(|platform| platform.name == integration_type)
}

/// What one product has on its platform. `Debug` shows no secret.
pub trait Chatbot: Any + fmt::Debug + Send + Sync {
    /// The platform's name.
    fn platform(&self) -> &'static str;

    /// Where its notes go, for people: what stands behind "notes", such as `in Intercom (eu)`.
    fn place(&self) -> String;

    /// What of it is not safe, although it is meant and works.
    fn risk(&self) -> Option<Risk> {
        None
    }

    /// How far the sender of a webhook is believed.
    fn prove(&self, webhook: &Webhook<'_>) -> Proof;

    /// What a webhook says.
    ///
    /// # Errors
    ///
    /// [`NoNotification`] when it is nothing that the platform sends.
    fn hear(&self, body: &[u8]) -> Result<Heard, NoNotification>;
}

/// One thing that is not safe, as sentences without a full stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Risk {
    /// What it is.
    pub what: &'static str,
    /// How to mend it.
    pub mend: &'static str,
}

/// What destinations are made of.
pub(crate) struct Tools {
    /// Calls vendors.
    pub(crate) client: Client,
    /// Calls addresses that customers choose.
    pub(crate) guarded: GuardedClient,
    /// Time.
    pub(crate) clock: Clock,
    /// How far a vendor's clock may be from ours.
    pub(crate) clock_skew_ms: u64,
    /// What each product has, asked for every call anew, so that what was changed counts at once.
    pub(crate) chatbot_of: ChatbotOf,
    /// The service's own settings for Intercom.
    pub(crate) intercom: intercom::Service,
}

/// Looks up what a product has.
pub(crate) type ChatbotOf = Arc<dyn Fn(&ProductId) -> Option<Arc<dyn Chatbot>> + Send + Sync>;

/// Looks up what a product has on one platform, for every call anew.
pub(crate) type OwnOf<T> = Arc<dyn Fn(&ProductId) -> Option<Arc<T>> + Send + Sync>;

impl Tools {
    /// What products have on the platform whose own type `T` is.
    pub(crate) fn own<T: Chatbot>(&self) -> OwnOf<T> {
        let chatbot_of = Arc::clone(&self.chatbot_of);
        Arc::new(move |product| {
            let any: Arc<dyn Any + Send + Sync> = chatbot_of(product)?;
            any.downcast().ok()
        })
    }
}

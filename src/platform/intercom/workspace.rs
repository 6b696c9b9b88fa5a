//! A product's workspace, as its row has it, and what comes from there (contract 4.1).

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::NAME;
use super::destination::Intercom;
use super::webhook::{Author, Notification, Topic, parse};
use crate::delivery::Destination;
use crate::domain::session::index::Trust;
use crate::fields::Fields;
use crate::ingest::signature;
use crate::platform::webhook::{Asked, Heard, NoNotification, Proof, Webhook};
use crate::platform::{Chatbot, Platform, Risk, Tools};
use crate::session::linker::Person;

/// What the service asks of this platform.
pub(in crate::platform) const PLATFORM: Platform = Platform {
    name: NAME,
    keys: &["access_token", "admin_id", "client_secret", "region"],
    read,
    destination,
};

/// One Intercom workspace. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Workspace {
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

impl Region {
    /// Its name in a row.
    fn name(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Eu => "eu",
            Self::Au => "au",
        }
    }

    /// The address of its API. A token works only on its own region's host.
    pub fn url(self) -> &'static str {
        match self {
            Self::Us => "https://api.intercom.io",
            Self::Eu => "https://api.eu.intercom.io",
            Self::Au => "https://api.au.intercom.io",
        }
    }
}

fn read(config: &mut Fields<'_>) -> Option<Arc<dyn Chatbot>> {
    let access_token = config.secret("access_token");
    let admin_id = config.name("admin_id");
    let client_secret = config.secret("client_secret");
    let regions = [Region::Us, Region::Eu, Region::Au];
    let region = config.choice("region", regions.map(|region| (region.name(), region)));
    for (key, is_absent) in [
        ("access_token", access_token.is_none()),
        ("admin_id", admin_id.is_none()),
    ] {
        if is_absent && config.is_sound(key) {
            config.fault(key, "is required for notes to Intercom");
        }
    }
    Some(Arc::new(Workspace {
        access_token: access_token?,
        admin_id: admin_id?,
        client_secret,
        region,
    }))
}

fn destination(tools: &Tools) -> Arc<dyn Destination> {
    let (own, service) = (tools.own::<Workspace>(), tools.intercom.clone());
    let accounts = move |product: &_| Some(service.account(&*own(product)?));
    let client = tools.client.clone();
    Arc::new(Intercom::new(
        client,
        Arc::new(accounts),
        tools.clock_skew_ms,
    ))
}

impl Chatbot for Workspace {
    fn platform(&self) -> &'static str {
        NAME
    }

    fn place(&self) -> String {
        format!("in Intercom ({})", self.region.name())
    }

    fn risk(&self) -> Option<Risk> {
        let risk = Risk {
            what: "webhooks of Intercom are taken unverified",
            mend: "set client_secret, which is in the Intercom app's basic information",
        };
        self.client_secret.is_none().then_some(risk)
    }

    /// The signature over the raw body counts under either header. A workspace without a client secret is heard as
    /// well, but like a page: its word does not take a conversation away from another user's session.
    fn prove(&self, webhook: &Webhook<'_>) -> Proof {
        let Some(secret) = &self.client_secret else {
            return Proof::Given(Trust::Page);
        };
        let sha1 = (webhook.header)("x-hub-signature");
        let sha256 = (webhook.header)("x-hub-signature-256");
        match signature::hub(secret.expose_secret(), webhook.body, sha1, sha256) {
            true => Proof::Given(Trust::Platform),
            false => Proof::Failed,
        }
    }

    fn hear(&self, body: &[u8]) -> Result<Heard, NoNotification> {
        let notification = parse(body).map_err(|_| NoNotification)?;
        Ok(Heard {
            topic: notification.topic.as_str(),
            asks: self.asked(notification),
        })
    }
}

impl Workspace {
    /// What a notification asks for; nothing for topics that link nothing, and for what we wrote ourselves: our notes
    /// must not come back as a person's message.
    fn asked(&self, notification: Notification) -> Option<Asked> {
        if matches!(&notification.author, Author::Admin(Some(id)) if *id == self.admin_id) {
            return None;
        }
        if !matches!(notification.topic, Topic::UserCreated | Topic::UserReplied) {
            return None;
        }
        Some(Asked {
            person: Person {
                session: None,
                user: notification.external_id,
                email: notification.email,
            },
            conversation: notification.conversation?,
            notification: notification.id,
        })
    }
}

//! The handle: look at the model, change it, make it misbehave.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::door::Door;
use super::fault::{Call, Fault};
use super::model::{Conversation, Model, Part, Post, Request, Window};
use super::{server, wire};
use crate::clock::Clock;
use crate::tasks::Tasks;

/// The secrets of the modelled workspace.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The only token that is accepted.
    pub access_token: String,
    /// The only admin there is.
    pub admin_id: String,
    /// The key of webhook signatures.
    pub client_secret: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            access_token: "dG9rOmRlbW8=".to_owned(),
            admin_id: "814860".to_owned(),
            client_secret: "demo-client-secret".to_owned(),
        }
    }
}

/// A modelled Intercom. Cheap to clone; clones are the same Intercom.
#[derive(Clone, Debug)]
pub struct Intercom(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    address: SocketAddr,
    client_secret: String,
    model: Mutex<Model>,
    changes: watch::Sender<u64>,
    door: Door,
}

impl Intercom {
    /// Listens on a free port of this machine until `tasks` stop.
    pub async fn start(clock: Clock, tasks: &Tasks, settings: Settings) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Self::start_on(listener, clock, tasks, settings)
    }

    /// Takes calls from `listener` until `tasks` stop.
    pub fn start_on(
        listener: TcpListener,
        clock: Clock,
        tasks: &Tasks,
        settings: Settings,
    ) -> std::io::Result<Self> {
        let model = Model {
            access_token: settings.access_token,
            admin_id: settings.admin_id,
            conversations: BTreeMap::new(),
            requests: Vec::new(),
            faults: Vec::new(),
            serial: 9000,
            window: None,
        };
        let intercom = Self(Arc::new(Inner {
            clock,
            address: listener.local_addr()?,
            client_secret: settings.client_secret,
            model: Mutex::new(model),
            changes: watch::Sender::new(0),
            door: Door::open(),
        }));
        server::serve(listener, intercom.clone(), tasks);
        Ok(intercom)
    }

    /// Ends every connection and listens no more. Returns once connections are refused.
    pub async fn go_down(&self) {
        self.0.door.close().await;
    }

    /// Listens again at the same address. Returns once connections are taken.
    pub async fn come_back(&self) {
        self.0.door.reopen().await;
    }

    /// Scheme, host and port.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    /// Begins a conversation with a person; an older one of the same identifier is replaced.
    pub fn open_conversation(&self, id: &str, external_id: &str, email: &str) {
        let now_ms = self.0.clock.now_ms();
        self.change(|model| {
            let conversation = Conversation {
                id: id.to_owned(),
                contact: contact_id(external_id, email),
                external_id: external_id.to_owned(),
                email: email.to_owned(),
                created_ms: now_ms,
                parts: Vec::new(),
            };
            model.conversations.insert(id.to_owned(), conversation);
        });
    }

    /// Deletes a conversation.
    pub fn remove_conversation(&self, id: &str) {
        self.change(|model| model.conversations.remove(id));
    }

    /// A person writes; returns the part's identifier, if there is such a conversation.
    pub fn say(&self, conversation: &str, text: &str) -> Option<String> {
        let now_ms = self.0.clock.now_ms();
        let html = Some(format!("<p>{text}</p>"));
        self.change(|model| model.add_part(conversation, "user", "comment", html, now_ms))
    }

    /// A teammate, under the connector's own name, writes a note by hand.
    pub fn write_note(&self, conversation: &str, html: &str) -> Option<String> {
        let now_ms = self.0.clock.now_ms();
        let html = Some(html.to_owned());
        self.change(|model| model.add_part(conversation, "admin", "note", html, now_ms))
    }

    /// From now on only this token is accepted.
    pub fn set_access_token(&self, token: &str) {
        self.change(|model| token.clone_into(&mut model.access_token));
    }

    /// From now on only so many calls are taken in every ten seconds; answers say how many are left.
    pub fn limit_rate(&self, calls: u32) {
        self.change(|model| model.window = Some(Window::new(calls)));
    }

    /// Scripts the next call of this kind, to any conversation or to the given one. Several scripts
    /// are used up in order.
    pub fn script(&self, call: Call, conversation: Option<&str>, fault: Fault) {
        let target = conversation.map(str::to_owned);
        self.change(|model| model.faults.push((call, target, fault)));
    }

    /// What admins posted in a conversation, in order.
    pub fn posts(&self, conversation: &str) -> Vec<Post> {
        let model = self.lock();
        let Some(conversation) = model.conversations.get(conversation) else {
            return Vec::new();
        };
        let by_admin = |part: &&Part| part.author_type == "admin";
        let posts = conversation.parts.iter().filter(by_admin).map(|part| {
            let html = part.html.clone().unwrap_or_default();
            Post {
                part: part.id.clone(),
                kind: part.kind.clone(),
                text: wire::plain_text(&html),
                html,
                at_ms: part.created_ms,
            }
        });
        posts.collect()
    }

    /// Every call so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    /// Returns once `holds`, which is asked again after every change and every call.
    pub async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let mut changes = self.0.changes.subscribe();
        while !holds(self) {
            // The handle itself keeps the sender, so waiting cannot fail.
            let _ = changes.changed().await;
        }
    }

    /// A signed notification about a conversation: its body and its `X-Hub-Signature`. The
    /// conversation is begun if need be.
    pub fn webhook(
        &self,
        topic: &str,
        conversation: &str,
        external_id: &str,
        email: &str,
    ) -> (Vec<u8>, String) {
        if !self.lock().conversations.contains_key(conversation) {
            self.open_conversation(conversation, external_id, email);
        }
        let body = self.change(|model| {
            model.serial += 1;
            let found = model.conversations.get(conversation)?;
            Some(wire::notification(topic, found, model.serial))
        });
        self.sign(body.unwrap_or_default().to_string().into_bytes())
    }

    /// A signed ping.
    pub fn ping(&self) -> (Vec<u8>, String) {
        self.sign(wire::ping(self.0.clock.now_ms()).to_string().into_bytes())
    }

    /// Any body with its `X-Hub-Signature`.
    pub fn sign(&self, body: Vec<u8>) -> (Vec<u8>, String) {
        let mut mac = Hmac::<Sha1>::new_from_slice(self.0.client_secret.as_bytes())
            .expect("HMAC takes keys of any length");
        mac.update(&body);
        let digest = mac.finalize().into_bytes();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        (body, format!("sha1={hex}"))
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(super) fn door(&self) -> &Door {
        &self.0.door
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.address
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Model) -> T) -> T {
        let result = change(&mut self.lock());
        self.0.changes.send_modify(|count| *count += 1);
        result
    }

    fn lock(&self) -> MutexGuard<'_, Model> {
        self.0.model.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 24 hexadecimal digits, the same for the same person.
fn contact_id(external_id: &str, email: &str) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (external_id, email).hash(&mut hasher);
    format!("667d60f1{:016x}", hasher.finish())
}

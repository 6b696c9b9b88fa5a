//! Playing the recording against a running service, and looking at what comes of it.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::intercom::Intercom;
use super::listener::Listener;
use super::recording::{Chat, Page, Scene, Step, shifted};
use super::screen::Screen;
use crate::clock::Clock;

/// How long a note may take to appear in its conversation.
const PATIENCE: Duration = Duration::from_secs(10);

/// The product of the demonstration.
pub(super) const PRODUCT: &str = "acme_demo";

/// Its webhook secret, which is its stream key as well.
pub(super) const SECRET: &str = "whsec_demo";

/// What was seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) actions: usize,
    pub(super) notes: usize,
}

/// Everything the walk holds on to.
pub(super) struct Walk {
    pub(super) url: String,
    pub(super) client: reqwest::Client,
    pub(super) clock: Clock,
    pub(super) intercom: Intercom,
    pub(super) screen: Screen,
    pub(super) feed: Listener,
    pub(super) seen: Seen,
}

impl Walk {
    /// Plays one provider's story. An error says what was expected and did not come.
    pub(super) async fn play(&mut self, scene: &Scene) -> anyhow::Result<()> {
        self.screen.heading(&scene.title);
        for step in &scene.steps {
            if let Some(body) = &step.post {
                self.post(&scene.provider, body, step).await?;
            }
            if let Some(chat) = &step.chat {
                self.chat(chat, step).await?;
            }
            if let Some(page) = &step.page {
                self.page(page).await?;
            }
            if let (Some(conversation), Some(notes)) = (conversation(step), step.notes) {
                self.note(&conversation, notes).await?;
            }
        }
        Ok(())
    }

    async fn post(&mut self, provider: &str, body: &Value, step: &Step) -> anyhow::Result<()> {
        let path = format!("/ingest/{provider}/{PRODUCT}");
        let body = shifted(body, self.clock.now_ms(), step.ago_s)?;
        let request = self.client.post(format!("{}{path}", self.url));
        let request = request.bearer_auth(SECRET).body(body.to_string());
        let counts = answer(request).await?;
        let Value::Object(fields) = &counts else {
            anyhow::bail!("unexpected answer {counts}");
        };
        let number = |name: &str| fields.get(name).and_then(Value::as_u64).unwrap_or(0);
        let (actions, dropped) = (number("actions"), number("dropped"));
        self.screen.stop(
            "received",
            &format!("POST {path}  200, durable (actions: {actions}, dropped: {dropped})"),
        );
        ensure!(
            actions == step.actions as u64,
            "expected {} actions, got {counts}",
            step.actions
        );
        for text in self.feed.actions(step.actions).await? {
            self.screen.stop("action", &text);
            self.seen.actions += 1;
        }
        Ok(())
    }

    async fn chat(&self, chat: &Chat, step: &Step) -> anyhow::Result<()> {
        let topic = "conversation.user.created";
        let (body, signature) =
            self.intercom
                .webhook(topic, &chat.conversation, &chat.user, &chat.email);
        let request = self
            .client
            .post(format!("{}/chatbot-webhook/{PRODUCT}", self.url));
        let request = request.header("x-hub-signature", signature).body(body);
        let linked = answer(request).await?;
        let is_linked = linked["session_linked"] == true;
        ensure!(is_linked != step.pending, "unexpected answer {linked}");
        let who = if chat.user.is_empty() {
            &chat.email
        } else {
            &chat.user
        };
        let (name, text) = if is_linked {
            ("linked", "their session is tied to it")
        } else {
            (
                "waiting",
                "nobody of that name was seen yet; the link waits",
            )
        };
        let conversation = &chat.conversation;
        self.screen.stop(
            name,
            &format!("{who} writes in conversation {conversation}: {text}"),
        );
        Ok(())
    }

    async fn page(&self, page: &Page) -> anyhow::Result<()> {
        self.intercom
            .open_conversation(&page.conversation, &page.user, "");
        let body = json!({
            "product_id": PRODUCT,
            "session_id": page.session,
            "conversation_id": page.conversation,
        });
        let request = self.client.post(format!("{}/sessions/link", self.url));
        let linked = answer(request.body(body.to_string())).await?;
        ensure!(linked["status"] == "linked", "unexpected answer {linked}");
        let conversation = &page.conversation;
        self.screen.stop(
            "linked",
            &format!("the page names conversation {conversation} for its session"),
        );
        Ok(())
    }

    /// Waits until the conversation has `count` notes and shows the newest.
    async fn note(&mut self, conversation: &str, count: usize) -> anyhow::Result<()> {
        let has_all = |intercom: &Intercom| intercom.posts(conversation).len() >= count;
        let posted = self
            .clock
            .timeout(PATIENCE, self.intercom.until(has_all))
            .await;
        posted
            .with_context(|| format!("note {count} of conversation {conversation} did not come"))?;
        let posts = self.intercom.posts(conversation);
        let newest = posts.last().context("a note")?;
        self.screen.stop(
            "note",
            &format!(
                "posted in conversation {conversation} as part {}",
                newest.part
            ),
        );
        self.screen.quote(&newest.text);
        self.seen.notes += 1;
        Ok(())
    }
}

fn conversation(step: &Step) -> Option<String> {
    let chat = step.chat.as_ref().map(|chat| &chat.conversation);
    let page = step.page.as_ref().map(|page| &page.conversation);
    let quiet = step.quiet.as_ref().map(|quiet| &quiet.conversation);
    chat.or(page).or(quiet).or(step.notes_in.as_ref()).cloned()
}

async fn answer(request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
    let response = request.send().await?;
    let status = response.status();
    let text = response.text().await?;
    ensure!(status.is_success(), "answered {status}: {text}");
    Ok(serde_json::from_str(&text)?)
}

//! Playing the recording against a running service, and looking at what comes of it.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use super::intercom::{Call, Fault, Twist};
use super::listener::{Listener, Told};
use super::recording::{Ask, Chat, Page, Post, Scene, Step, Trouble, shifted};
use super::stage::{PRODUCT, SECRET};
use super::watch::{Ahead, Cause, Watch};
use crate::terminal::{Style, spoken};

/// How long the feed may take to tell of an action that was acknowledged.
const PATIENCE: Duration = Duration::from_secs(10);

/// Everything the walk holds on to.
pub(super) struct Walk<'a> {
    pub(super) watch: Watch<'a>,
    pub(super) feed: Listener,
    client: reqwest::Client,
    is_linked: bool,
}

impl<'a> Walk<'a> {
    /// Nothing has happened yet, and somebody listens to the feed.
    pub(super) async fn begin(watch: Watch<'a>) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().build()?;
        let stream = format!("{}/stream/{PRODUCT}", watch.stage.url());
        Ok(Self {
            watch,
            feed: Listener::open(&client, &stream, SECRET).await?,
            client,
            is_linked: false,
        })
    }

    /// Plays one story. An error says what was expected and did not come.
    pub(super) async fn play(&mut self, scene: &Scene) -> anyhow::Result<()> {
        self.is_linked = false;
        self.watch.follow(&scene.conversation);
        for step in &scene.steps {
            let is_at_once = match step {
                Step::Post(post) => post.at_once,
                // Pages ask all the time.
                Step::Ask(_) | Step::Settle => true,
                _ => false,
            };
            if !is_at_once {
                self.watch.pause(self.watch.stage.pace.step).await;
            }
            match step {
                Step::Post(post) => self.post(scene, post).await?,
                Step::Chat(chat) => self.chat(scene, chat).await?,
                Step::Page(page) => self.page(scene, page).await?,
                Step::Ask(ask) => self.ask(ask).await?,
                Step::Trouble(trouble) => self.trouble(scene, *trouble).await,
                Step::Settle => self.watch.settle(&scene.conversation).await?,
            }
        }
        Ok(())
    }

    async fn post(&mut self, scene: &Scene, post: &Post) -> anyhow::Result<()> {
        let (clock, url) = (self.watch.stage.clock.clone(), self.watch.stage.url());
        let sent_ms = clock.now_ms();
        let body = shifted(&post.body, sent_ms, post.ago_s)?.to_string();
        self.watch.screen.raw("event", &body);
        let request = self
            .client
            .post(format!("{url}/ingest/{}/{PRODUCT}", scene.provider));
        let sent = clock.monotonic();
        let counts = answer(request.bearer_auth(SECRET).body(body)).await?;
        let answered = clock.since(sent);
        ensure!(
            counts["actions"] == post.actions,
            "expected {} actions, got {counts}",
            post.actions
        );
        self.watch.ledger.acknowledge(post.actions);
        if post.actions == 0 {
            let aside = format!("200 in {}", spoken(answered));
            let text = "it says nothing about what she did";
            self.watch
                .screen
                .happened(Style::Faint, "drop", text, &aside);
        }
        for told in self.told(post.actions).await? {
            let took = clock.since(sent);
            let aside = format!("in {}", spoken(took));
            self.watch.actions += 1;
            let screen = &mut self.watch.screen;
            screen.happened(Style::Good, "action", &told.text, &aside);
            let ledger = &mut self.watch.ledger;
            ledger.fed(&scene.conversation, told.id, &told.text, took);
        }
        if self.is_linked {
            self.watch.expect_note(sent_ms, Cause::Event);
        }
        Ok(())
    }

    /// The next actions of the feed.
    async fn told(&mut self, count: usize) -> anyhow::Result<Vec<Told>> {
        let clock = self.watch.stage.clock.clone();
        let reading = async {
            let mut told = Vec::new();
            while told.len() < count {
                told.extend(self.feed.next().await?);
            }
            Ok(told)
        };
        let told = clock.timeout(PATIENCE, reading).await;
        told.context("the feed did not tell of an acknowledged action in time")?
    }

    async fn chat(&mut self, scene: &Scene, chat: &Chat) -> anyhow::Result<()> {
        let stage = self.watch.stage;
        let conversation = &scene.conversation;
        let sent_ms = stage.clock.now_ms();
        let topic = "conversation.user.created";
        let intercom = &stage.intercom;
        let (body, signature) = intercom.webhook(topic, conversation, &chat.user, &chat.email);
        let request = self
            .client
            .post(format!("{}/chatbot-webhook/{PRODUCT}", stage.url()));
        let request = request.header("x-hub-signature", signature).body(body);
        let linked = answer(request).await?;
        let is_linked = linked["session_linked"] == true;
        ensure!(is_linked != chat.pending, "unexpected answer {linked}");
        let who = if chat.user.is_empty() {
            &chat.email
        } else {
            &chat.user
        };
        let outcome = if is_linked {
            "linked to the session"
        } else {
            "the link waits"
        };
        let text = format!("{who} opens conversation {conversation}");
        self.watch
            .screen
            .happened(Style::Link, "chat", &text, outcome);
        self.is_linked = true;
        if is_linked {
            self.watch.expect_note(sent_ms, Cause::Chat);
        }
        Ok(())
    }

    async fn page(&mut self, scene: &Scene, page: &Page) -> anyhow::Result<()> {
        let stage = self.watch.stage;
        let conversation = &scene.conversation;
        stage
            .intercom
            .open_conversation(conversation, &page.user, "");
        let sent_ms = stage.clock.now_ms();
        let body = json!({
            "product_id": PRODUCT,
            "session_id": page.session,
            "conversation_id": conversation,
        });
        let request = self.client.post(format!("{}/sessions/link", stage.url()));
        let linked = answer(request.body(body.to_string())).await?;
        ensure!(linked["status"] == "linked", "unexpected answer {linked}");
        let text = format!("the page names conversation {conversation}");
        self.watch
            .screen
            .happened(Style::Link, "chat", &text, "linked to the session");
        self.is_linked = true;
        self.watch.expect_note(sent_ms, Cause::Link);
        Ok(())
    }

    async fn ask(&mut self, ask: &Ask) -> anyhow::Result<()> {
        let url = self.watch.stage.url();
        let request = format!("{url}/context/{PRODUCT}/{}", ask.session);
        let told = answer(self.client.get(request)).await?;
        ensure!(
            told["proactive_skip_reason"].as_str() == ask.held.as_deref(),
            "unexpected answer {told}"
        );
        let offer = &told["proactive_trigger"];
        let labels = offer["reply_option_labels"].as_array();
        let labels = labels.into_iter().flatten().filter_map(Value::as_str);
        let labels: Vec<_> = labels.map(|label| format!("[{label}]")).collect();
        let screen = &mut self.watch.screen;
        match (&ask.held, offer["body"].as_str()) {
            (None, Some(body)) => {
                let text = format!("{body} {}", labels.join(" "));
                screen.happened(Style::Result, "offer", &text, "the page asked");
            }
            (Some(reason), None) => {
                let text = "nothing more, while that one stands";
                screen.happened(Style::Warning, "held", text, reason);
            }
            _ => bail!("unexpected answer {told}"),
        }
        Ok(())
    }

    async fn trouble(&mut self, scene: &Scene, trouble: Trouble) {
        let stage = self.watch.stage;
        let conversation = Some(scene.conversation.as_str());
        match trouble {
            Trouble::RateLimited => {
                let reset_s = stage.clock.now_ms() / 1000 + stage.pace.limit_s;
                let fault = Fault::before(Twist::rate_limited(reset_s));
                stage.intercom.script(Call::Reply, conversation, fault);
                self.watch.ahead = Some(Ahead::Limit { reset_s });
            }
            Trouble::LosesAnswer => {
                let fault = Fault::after(Twist::error(503, "service_unavailable"));
                stage.intercom.script(Call::Reply, conversation, fault);
                self.watch.ahead = Some(Ahead::LostAnswer);
            }
            Trouble::GoesDown => {
                stage.intercom.go_down().await;
                self.watch.is_down = true;
                let text = "goes down: nobody listens there any more";
                self.watch.screen.happened(Style::Bad, "vendor", text, "");
            }
            Trouble::ComesBack => {
                self.watch.pause(stage.pace.outage).await;
                stage.intercom.come_back().await;
                self.watch.is_down = false;
                let text = "is back";
                self.watch.screen.happened(Style::Good, "vendor", text, "");
            }
        }
    }
}

async fn answer(request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
    let response = request.send().await?;
    let status = response.status();
    let text = response.text().await?;
    ensure!(status.is_success(), "answered {status}: {text}");
    Ok(serde_json::from_str(&text)?)
}

//! A subscriber of the feed, as a customer would write it.

use std::collections::VecDeque;

use anyhow::bail;

use crate::client::sse::{Frame, Parser};
use crate::client::{EVENT_BYTES_MAX, Payload};

/// An open subscription.
pub(super) struct Listener {
    response: reqwest::Response,
    parser: Parser,
    frames: VecDeque<Frame>,
}

/// An action as the feed told of it.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// Its session, and its number in it.
    pub(super) id: (String, String),
    /// What happened, as a sentence.
    pub(super) text: String,
    /// Whether its session was linked to a conversation by then.
    pub(super) is_linked: bool,
}

impl Listener {
    pub(super) async fn open(
        client: &reqwest::Client,
        url: &str,
        key: &str,
    ) -> anyhow::Result<Self> {
        let response = client.get(url).bearer_auth(key).send().await?;
        let response = response.error_for_status()?;
        Ok(Self {
            response,
            parser: Parser::new(EVENT_BYTES_MAX),
            frames: VecDeque::new(),
        })
    }

    /// The actions of the next event, which may be none. May be dropped while it waits; nothing of
    /// the stream is lost by that.
    pub(super) async fn next(&mut self) -> anyhow::Result<Vec<Told>> {
        let data = match self.next_frame().await? {
            // A heartbeat says nothing.
            Frame::Event(event) if event.name.is_empty() => event.data,
            Frame::Event(_) | Frame::TooLarge { .. } => return Ok(Vec::new()),
        };
        let Some(Payload::Actions(batch)) = Payload::decode(&serde_json::from_str(&data)?)? else {
            return Ok(Vec::new());
        };
        let told = batch.actions.iter().map(|action| Told {
            id: (batch.session_id.to_string(), action.index.to_string()),
            text: action.description.to_string(),
            is_linked: batch.conversation_id.is_truthy(),
        });
        Ok(told.collect())
    }

    async fn next_frame(&mut self) -> anyhow::Result<Frame> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Ok(frame);
            }
            match self.response.chunk().await? {
                Some(chunk) => self.frames.extend(self.parser.push(&chunk)),
                None => bail!("the feed ended"),
            }
        }
    }
}

//! A subscriber of the feed, as a customer would write it.

use anyhow::bail;

use crate::client::Payload;

/// An open subscription.
pub(super) struct Listener {
    response: reqwest::Response,
    buffer: Vec<u8>,
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
            buffer: Vec::new(),
        })
    }

    /// The actions of the next event, which may be none. May be dropped while it waits; nothing of
    /// the stream is lost by that.
    pub(super) async fn next(&mut self) -> anyhow::Result<Vec<Told>> {
        let frame = self.next_frame().await?;
        let Some(data) = frame.lines().find_map(|line| line.strip_prefix("data: ")) else {
            return Ok(Vec::new());
        };
        let Some(Payload::Actions(batch)) = Payload::decode(&serde_json::from_str(data)?)? else {
            return Ok(Vec::new());
        };
        let told = batch.actions.iter().map(|action| Told {
            id: (batch.session_id.to_string(), action.index.to_string()),
            text: action.description.to_string(),
            is_linked: batch.conversation_id.is_truthy(),
        });
        Ok(told.collect())
    }

    async fn next_frame(&mut self) -> anyhow::Result<String> {
        loop {
            let end = self.buffer.windows(2).position(|pair| pair == b"\n\n");
            if let Some(end) = end {
                let frame: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Ok(String::from_utf8(frame)?);
            }
            match self.response.chunk().await? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => bail!("the feed ended"),
            }
        }
    }
}

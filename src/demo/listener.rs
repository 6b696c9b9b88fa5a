//! A subscriber of the feed, as a customer would write it.

use std::time::Duration;

use anyhow::{Context, bail};

use crate::client::Payload;
use crate::clock::Clock;

/// How long the feed may take to tell of an action that was acknowledged.
const PATIENCE: Duration = Duration::from_secs(10);

/// An open subscription.
pub(super) struct Listener {
    response: reqwest::Response,
    clock: Clock,
    buffer: Vec<u8>,
}

impl Listener {
    pub(super) async fn open(
        client: &reqwest::Client,
        url: &str,
        key: &str,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let response = client.get(url).bearer_auth(key).send().await?;
        let response = response.error_for_status()?;
        Ok(Self {
            response,
            clock,
            buffer: Vec::new(),
        })
    }

    /// The next `count` actions as text.
    pub(super) async fn actions(&mut self, count: usize) -> anyhow::Result<Vec<String>> {
        let clock = self.clock.clone();
        let reading = async {
            let mut told = Vec::new();
            while told.len() < count {
                told.extend(self.next_batch().await?);
            }
            Ok(told)
        };
        let told = clock.timeout(PATIENCE, reading).await;
        told.context("the feed did not tell of an acknowledged action in time")?
    }

    async fn next_batch(&mut self) -> anyhow::Result<Vec<String>> {
        let frame = self.next_frame().await?;
        let Some(data) = frame.lines().find_map(|line| line.strip_prefix("data: ")) else {
            return Ok(Vec::new());
        };
        match Payload::decode(&serde_json::from_str(data)?)? {
            Some(Payload::Actions(batch)) => {
                Ok(batch.actions.iter().map(ToString::to_string).collect())
            }
            _ => Ok(Vec::new()),
        }
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

//! What can be seen of a running service from outside: its feed, its notes, and waiting for either.

use std::collections::HashSet;
use std::time::Duration;

use event_connector::clock::Clock;
use event_connector::demo::intercom::Intercom;
use serde_json::Value;

use super::sent::Sent;
use super::server::SECRET;

/// How long anything may take before a round has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Waits until `look` finds something.
pub(crate) async fn until<T>(
    what: &str,
    look: impl AsyncFnMut() -> Result<Option<T>, String>,
) -> Result<T, String> {
    super::until::until(PATIENCE, what, look).await
}

/// The user writes in the conversation `c-{session}`: a signed notification.
pub(crate) async fn send_webhook(
    client: &reqwest::Client,
    url: &str,
    product: &str,
    intercom: &Intercom,
    session: &str,
) -> Result<(), String> {
    let conversation = format!("c-{session}");
    let user = format!("user-{session}");
    let topic = "conversation.user.created";
    let (body, signature) = intercom.webhook(topic, &conversation, &user, "");
    let answer = client
        .post(format!("{url}/chatbot-webhook/{product}"))
        .header("x-hub-signature", signature)
        .body(body)
        .send()
        .await
        .map_err(|error| error.to_string())?;
    let status = answer.status();
    (status == 200)
        .then_some(())
        .ok_or_else(|| format!("the link was answered {status}"))
}

/// Every label on the feed from the very beginning to `last`, which was posted after all others: what
/// does not stand before it is not there.
pub(crate) async fn read_feed(
    client: &reqwest::Client,
    url: &str,
    last: &str,
) -> Result<Vec<(String, String)>, String> {
    let reading = follow_feed(client, url, last);
    let read = Clock::system().timeout(PATIENCE, reading).await;
    read.ok_or_else(|| format!("{last} never came"))?
}

/// The same, however long it takes until `last` is posted.
pub(crate) async fn follow_feed(
    client: &reqwest::Client,
    url: &str,
    last: &str,
) -> Result<Vec<(String, String)>, String> {
    let request = client.get(format!("{url}/stream/acme?since=0-0"));
    let mut frames = Frames::open(request).await?;
    let mut labels = Vec::new();
    loop {
        let frame = frames.next().await?.ok_or("the feed ended")?;
        collect(&frame, &mut labels);
        if labels.iter().any(|(_, label)| label == last) {
            return Ok(labels);
        }
    }
}

/// The frames of an open feed, as text.
pub(crate) struct Frames {
    response: reqwest::Response,
    text: String,
}

impl Frames {
    /// Opens the feed that `request` asks for, with the product's secret.
    pub(crate) async fn open(request: reqwest::RequestBuilder) -> Result<Self, String> {
        let sent = request.bearer_auth(SECRET).send().await;
        let response = sent.map_err(|error| error.to_string())?;
        let text = String::new();
        Ok(Self { response, text })
    }

    /// The next frame; `None` once the feed has ended.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, String> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                return Ok(Some(self.text.drain(..end + 2).collect()));
            }
            let chunk = self.response.chunk().await;
            match chunk.map_err(|error| error.to_string())? {
                Some(chunk) => self.text.push_str(&String::from_utf8_lossy(&chunk)),
                None => return Ok(None),
            }
        }
    }
}

fn collect(frame: &str, labels: &mut Vec<(String, String)>) {
    let data = frame.lines().find_map(|line| line.strip_prefix("data: "));
    let json: Value = data
        .and_then(|data| serde_json::from_str(data).ok())
        .unwrap_or_default();
    let session = json["session_id"].as_str().unwrap_or_default();
    for action in json["actions"].as_array().into_iter().flatten() {
        let title = action["title"].as_str().unwrap_or_default();
        if let Some(label) = title.strip_prefix("Click ") {
            labels.push((session.to_owned(), label.to_owned()));
        }
    }
}

/// Nothing missing, nothing twice, nothing else, in order per session.
pub(crate) fn feed_is_exact(feed: &[(String, String)], sent: &[Sent]) -> Result<(), String> {
    for one in sent {
        let of_session = feed.iter().filter(|(session, _)| *session == one.session);
        let shown: Vec<_> = of_session.map(|(_, label)| label.clone()).collect();
        if shown != one.acknowledged {
            let shown_set: HashSet<_> = shown.iter().collect();
            let missing: Vec<_> = one
                .acknowledged
                .iter()
                .filter(|l| !shown_set.contains(l))
                .collect();
            return Err(format!(
                "session {}: {} acknowledged, {} on the feed; missing {missing:?}",
                one.session,
                one.acknowledged.len(),
                shown.len()
            ));
        }
    }
    Ok(())
}

/// All notes of a conversation.
pub(crate) fn told(intercom: &Intercom, conversation: &str) -> String {
    let posts = intercom.posts(conversation).into_iter();
    posts.map(|post| post.text + "\n").collect()
}

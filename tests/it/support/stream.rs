//! A raw reader of the event stream.

use std::time::Duration;

use event_connector::clock::Clock;
use serde_json::Value;

/// One frame of the stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Event {
    pub id: Option<String>,
    pub name: Option<String>,
    pub data: String,
    pub retry_ms: Option<u64>,
}

impl Event {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).expect("data is JSON")
    }

    /// The descriptions of the actions it carries.
    pub(crate) fn told(&self) -> Vec<String> {
        let json = self.json();
        let actions = json["actions"].as_array().cloned().unwrap_or_default();
        let text = |action: &Value| action["description"].as_str().map(str::to_owned);
        actions.iter().filter_map(text).collect()
    }
}

/// An open subscription.
pub(crate) struct Stream {
    response: reqwest::Response,
    buffer: String,
}

impl Stream {
    pub(crate) fn new(response: reqwest::Response) -> Self {
        assert_eq!(response.status(), 200);
        let kind = response.headers()["content-type"].to_str().expect("text");
        assert!(kind.starts_with("text/event-stream"));
        Self {
            response,
            buffer: String::new(),
        }
    }

    /// The next frame of any kind.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.buffer.find("\n\n") {
                let frame: String = self.buffer.drain(..end + 2).collect();
                return Some(parse(&frame));
            }
            let chunk = self.response.chunk().await.ok()??;
            self.buffer
                .push_str(std::str::from_utf8(&chunk).expect("frames are UTF-8"));
        }
    }

    /// The next frame that is not a heartbeat, or a failed test.
    pub(crate) async fn next_event(&mut self) -> Event {
        let patience = Duration::from_secs(30);
        let clock = Clock::system();
        let next = async {
            loop {
                let event = self.next().await.expect("the stream goes on");
                if event.name.is_none() {
                    return event;
                }
                assert_eq!(event.data, "", "a heartbeat carries nothing");
            }
        };
        clock
            .timeout(patience, next)
            .await
            .expect("an event within 30 s")
    }

    /// The descriptions of the next `count` actions.
    pub(crate) async fn next_actions(&mut self, count: usize) -> Vec<String> {
        let mut told = Vec::new();
        while told.len() < count {
            told.extend(self.next_event().await.told());
        }
        told
    }
}

fn parse(frame: &str) -> Event {
    let mut event = Event::default();
    for line in frame.trim_end_matches('\n').split('\n') {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => event.id = Some(value.to_owned()),
            "retry" => event.retry_ms = Some(value.parse().expect("milliseconds")),
            "event" => event.name = Some(value.to_owned()),
            "data" => event.data.push_str(value),
            other => panic!("unexpected field {other:?} in {frame:?}"),
        }
    }
    event
}

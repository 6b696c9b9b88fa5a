//! A receiver of pushes: a real HTTP server on this machine that does what it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use event_connector::clock::Clock;
use event_connector::tasks::Tasks;
use futures_util::stream;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::support::eventually;

/// What is answered to one call.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// A status with headers and a body.
    Plain(u16, Vec<(&'static str, String)>, String),
    /// Status 200 with a body that never ends.
    Trickle,
    /// An error whose body is larger than anybody wants.
    Flood,
    /// The call again: its path, headers and body, with status 400.
    Echo,
    /// Nothing.
    Silence,
}

/// One call as it arrived, and the status that it was answered with.
#[derive(Clone, Debug)]
pub(super) struct Call {
    uri: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) status: u16,
}

/// The server.
pub(super) struct Receiver {
    address: String,
    state: Arc<Inner>,
    tasks: Tasks,
}

struct Inner {
    calls: Mutex<Vec<Call>>,
    script: Mutex<VecDeque<Answer>>,
    otherwise: Mutex<Answer>,
}

impl Answer {
    pub(super) fn status(status: u16) -> Self {
        Self::Plain(status, Vec::new(), String::new())
    }

    fn code(&self) -> u16 {
        match self {
            Self::Plain(status, ..) => *status,
            Self::Trickle => 200,
            Self::Flood => 500,
            Self::Echo => 400,
            Self::Silence => 0,
        }
    }
}

impl Call {
    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        let value = value.unwrap_or_else(|| panic!("a push has {name}"));
        std::str::from_utf8(value.as_bytes()).expect("text")
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a push is JSON")
    }

    /// The titles of its only action, and its session.
    pub(super) fn told(&self) -> (String, String) {
        let json = self.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (
            text(&json["session_id"]),
            text(&json["actions"][0]["title"]),
        )
    }

    pub(super) fn is_taken(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Receiver {
    /// Takes everything until it is told otherwise.
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let state = Arc::new(Inner {
            calls: Mutex::default(),
            script: Mutex::default(),
            otherwise: Mutex::new(Answer::status(200)),
        });
        let tasks = Tasks::new();
        let router = Router::new().fallback(take).with_state(Arc::clone(&state));
        tasks.spawn("receiver", async move {
            axum::serve(listener, router).await.expect("it serves");
        });
        Self {
            address,
            state,
            tasks,
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What is answered to the next calls, in order.
    pub(super) fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        let mut script = self.state.script.lock().expect("no test panics here");
        script.extend(answers);
    }

    /// What is answered once the script is over.
    pub(super) fn otherwise(&self, answer: Answer) {
        *self.state.otherwise.lock().expect("no test panics here") = answer;
    }

    /// Everything that arrived so far.
    pub(super) fn calls(&self) -> Vec<Call> {
        self.state
            .calls
            .lock()
            .expect("no test panics here")
            .clone()
    }

    /// Waits until so many calls have arrived.
    pub(super) async fn called(&self, count: usize) -> Vec<Call> {
        eventually(&format!("{count} calls"), || {
            let calls = self.calls();
            let is_enough = calls.len() >= count;
            std::future::ready(if is_enough {
                Ok(calls)
            } else {
                Err(calls.len())
            })
        })
        .await
    }

    /// Waits until so many calls were taken, and answers those.
    pub(super) async fn took(&self, count: usize) -> Vec<Call> {
        eventually(&format!("{count} calls that were taken"), || {
            let mut calls = self.calls();
            calls.retain(Call::is_taken);
            let is_enough = calls.len() >= count;
            std::future::ready(if is_enough {
                Ok(calls)
            } else {
                Err(calls.len())
            })
        })
        .await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

async fn take(State(state): State<Arc<Inner>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await;
    let body = body.expect("a push is whole");
    let scripted = state
        .script
        .lock()
        .expect("no test panics here")
        .pop_front();
    let answer =
        scripted.unwrap_or_else(|| state.otherwise.lock().expect("no test panics here").clone());
    let call = Call {
        uri: head.uri.to_string(),
        headers: head.headers,
        body,
        status: answer.code(),
    };
    state
        .calls
        .lock()
        .expect("no test panics here")
        .push(call.clone());
    respond(&call, answer).await
}

async fn respond(call: &Call, answer: Answer) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(answer.code()).unwrap_or_default();
    let clock = Clock::system();
    match answer {
        Answer::Plain(_, headers, text) => {
            for (name, value) in headers {
                let value = value.parse().expect("a header's value");
                response.headers_mut().insert(name, value);
            }
            *response.body_mut() = text.into();
        }
        Answer::Trickle => {
            let pause = Duration::from_millis(20);
            let bytes = stream::unfold(clock, move |clock| async move {
                clock.sleep(pause).await;
                Some((Ok::<_, std::io::Error>(Bytes::from_static(b".")), clock))
            });
            *response.body_mut() = Body::from_stream(bytes);
        }
        Answer::Flood => {
            let bytes = stream::repeat(Ok::<_, std::convert::Infallible>(Bytes::from_static(
                &[b'x'; 8192],
            )));
            *response.body_mut() = Body::from_stream(bytes);
        }
        Answer::Echo => {
            let body = String::from_utf8_lossy(&call.body);
            let told = format!("cannot take {} {:?} {body}", call.uri, call.headers);
            *response.body_mut() = told.into();
        }
        Answer::Silence => std::future::pending().await,
    }
    response
}

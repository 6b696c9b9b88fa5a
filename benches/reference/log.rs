//! The least that is durable: signature, parsing, an append to a file, one fdatasync per batch, and
//! only then the answers.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use event_connector::ingest::signature;
use event_connector::tasks::Tasks;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::load::request::SECRET;

/// The most appends that share one sync.
const BATCH_MAX: usize = 512;

type Append = (Bytes, oneshot::Sender<()>);

/// An event as far as a router needs it.
#[derive(Deserialize)]
struct Event {
    session_id: String,
    event: String,
    elements_chain: String,
}

pub(super) async fn serve(bind: SocketAddr, directory: PathBuf) -> anyhow::Result<()> {
    let file = File::create(directory.join("append.log"))?;
    let (appends, queue) = sync_channel(4096);
    Tasks::thread("append", Box::new(move || append(file, &queue)));
    let listener = TcpListener::bind(bind).await?;
    super::announce(listener.local_addr()?);
    let router = Router::new()
        .route("/webhook/{product_id}", post(take))
        .with_state(appends);
    Ok(axum::serve(listener, router).await?)
}

async fn take(
    State(appends): State<SyncSender<Append>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<&'static str, StatusCode> {
    let given = headers
        .get("x-posthog-secret")
        .and_then(|v| v.to_str().ok());
    let given = given.ok_or(StatusCode::UNAUTHORIZED)?;
    if !signature::posthog(SECRET, &body, given) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let event: Event = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    if event.session_id.is_empty() || event.event.is_empty() || event.elements_chain.is_empty() {
        return Err(StatusCode::BAD_REQUEST);
    }
    let (done, synced) = oneshot::channel();
    appends
        .try_send((body, done))
        .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    synced.await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(r#"{"status":"ok","received":1,"actions":1,"dropped":0}"#)
}

fn append(mut file: File, queue: &Receiver<Append>) {
    let mut bytes = Vec::new();
    let mut waiting = Vec::new();
    while let Ok(first) = queue.recv() {
        let batch = std::iter::once(first).chain(queue.try_iter().take(BATCH_MAX - 1));
        for (body, done) in batch {
            bytes.extend_from_slice(&body);
            bytes.push(b'\n');
            waiting.push(done);
        }
        let written = file.write_all(&bytes).and_then(|()| file.sync_data());
        bytes.clear();
        for done in waiting.drain(..) {
            if written.is_ok() {
                let _ = done.send(());
            }
        }
    }
}

//! Connections: accepted, bounded, timed, and ended.
//!
//! The cast: a [`Server`] accepts and gives every connection a task; the [`table::Table`] knows how many
//! are open and which of them wait for a request; a [`presence::Presence`] says what one connection is
//! doing and since when; [`socket::Socket`] is its TCP stream, which notices a peer that takes
//! nothing or has left; [`connection`] drives it with hyper and keeps its times; [`stream`] writes
//! an endless answer; [`refusal`] answers where no request was read.
//!
//! Guaranteed:
//!
//! * No peer holds a connection by silence: a head has `http.head_timeout_ms`, the rest between two
//!   requests `http.keep_alive_timeout_ms`, a pause within a body `http.body_idle_ms`, and an answer that
//!   is not taken `feed.write_timeout_ms`.
//! * At most `http.connections_max` are open. One more takes the place of the one that has waited
//!   longest for its next request; if none waits, it is answered 503 and closed.
//! * A stop closes the port first, then the connections that wait; a request under way is answered
//!   with `Connection: close`, and no answer is cut short.
//! * A client that closes its sending side after a request still gets its answer. Only a stream takes
//!   it for the end, because nothing else would tell that its reader is gone.

mod connection;
mod presence;
mod refusal;
mod socket;
mod stream;
mod table;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::problem::Problem;
use super::routes::Doors;
use super::state::AppState;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::config::Http;
use crate::metrics::Metrics;
use crate::tasks::Tasks;
use table::Table;

/// How long to wait before accepting again after the system refused, e.g. for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The most connections that are being told 503 at once; further ones are closed without a word.
const REFUSALS_MAX: usize = 128;

/// hyper parses this many headers without allocating for each request.
const HEADERS_FREE: usize = 100;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Marks an answer that never ends by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Endless;

/// Accepts connections and serves them.
pub struct Server {
    listener: TcpListener,
    shared: Arc<Shared>,
    refusals: Arc<Semaphore>,
}

/// What all connections need.
struct Shared {
    doors: Doors,
    protocol: http1::Builder,
    table: Table,
    limits: Limits,
    clock: Clock,
    chance: Chance,
    metrics: Metrics,
    tasks: Tasks,
}

/// How long a peer may take for what.
#[derive(Clone, Copy)]
struct Limits {
    head_ms: u64,
    keep_alive_ms: u64,
    stall: Duration,
}

impl Server {
    /// Serves every route on `listener`. Connections are `tasks`, and nothing else should be: its soft
    /// stop ends them gracefully.
    pub fn new(listener: TcpListener, state: AppState, tasks: Tasks) -> Self {
        let config = Arc::clone(&state.config);
        let (clock, metrics) = (state.clock.clone(), state.metrics.clone());
        let shared = Shared {
            protocol: protocol(&config.http),
            table: Table::new(config.http.connections_max, clock.clone(), metrics.clone()),
            limits: Limits {
                head_ms: config.http.head_timeout_ms,
                keep_alive_ms: config.http.keep_alive_timeout_ms,
                stall: Duration::from_millis(config.feed.write_timeout_ms),
            },
            clock,
            chance: state.chance.clone(),
            metrics,
            tasks,
            doors: Doors::new(state),
        };
        Self {
            listener,
            shared: Arc::new(shared),
            refusals: Arc::new(Semaphore::new(REFUSALS_MAX)),
        }
    }

    /// Accepts until the soft stop; then the port is closed.
    pub async fn run(self) {
        let tasks = self.shared.tasks.clone();
        loop {
            let accepted = tokio::select! {
                biased;
                () = tasks.stopping() => return,
                accepted = self.listener.accept() => accepted,
            };
            let pause = match accepted {
                Ok((stream, peer)) => {
                    self.take(stream, Peer(peer));
                    continue;
                }
                Err(error) if concerns_one(&error) => continue,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    // Most likely descriptors ran out: whoever waits gives his back.
                    self.shared.table.evict();
                    self.shared.clock.sleep(ACCEPT_PAUSE)
                }
            };
            tokio::select! {
                biased;
                () = tasks.stopping() => return,
                () = pause => {}
            }
        }
    }

    fn take(&self, stream: TcpStream, peer: Peer) {
        // Without this a lone small frame may wait for the peer's acknowledgement.
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&self.shared);
        if let Some(seat) = shared.table.admit() {
            let serving = connection::serve(stream, peer, seat, Arc::clone(&shared));
            // In a box: without it the memory of a resting subscriber was measured at 16 KB, with it at 7 KB.
            shared.tasks.spawn("connection", Box::pin(serving));
            return;
        }
        let detail = "as many connections are open as are allowed, and all are in use";
        let problem = Problem::unavailable("too_many_connections", detail);
        refusal::count(&problem, &shared.metrics);
        let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned() else {
            return;
        };
        let tasks = shared.tasks.clone();
        tasks.spawn("refusal", async move {
            refusal::tell(stream, &problem, &shared.clock, &shared.chance).await;
            drop(permit);
        });
    }
}

/// Whether only the connection that was about to be accepted is gone.
fn concerns_one(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

fn protocol(limits: &Http) -> http1::Builder {
    let mut protocol = http1::Builder::new();
    // The same bound for head and buffer, so that thousands of heads without an end fill no memory.
    protocol
        .half_close(true)
        // Answers are short: one piece is written faster than a head and a body.
        .writev(false)
        // The connection keeps the time of a head itself: what it waits for decides how long.
        .header_read_timeout(None)
        .max_header_size(limits.head_bytes_max)
        .max_buf_size(limits.head_bytes_max);
    if limits.headers_max != HEADERS_FREE {
        protocol.max_headers(limits.headers_max);
    }
    protocol
}

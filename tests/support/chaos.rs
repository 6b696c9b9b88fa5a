//! A TCP proxy that misbehaves on request.
//!
//! [`Chaos`] stands between a client and a server; its [`Weather`] says what happens to connections
//! and to the bytes of either direction, and may change at any moment, for open connections too.
//! Jitter is drawn from a seed. Nothing is lost unless the weather says so.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use event_connector::clock::Clock;
use event_connector::tasks::Tasks;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

/// How much is taken from a socket at once.
const CHUNK_BYTES: usize = 16 << 10;

/// Small, so that what a peer no longer takes is soon felt at the other end.
const BUFFER_BYTES: u32 = 16 << 10;

/// What happens to connections.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    /// Nobody listens: connections are refused, and open ones are reset.
    pub down: bool,
    /// From the client to the server.
    pub request: Way,
    /// From the server to the client.
    pub answer: Way,
}

/// What happens to the bytes of one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Way {
    /// Every chunk waits this long.
    pub latency: Duration,
    /// And up to this much longer.
    pub jitter: Duration,
    /// How many bytes pass in a second, in small portions; at 100 and below one by one.
    pub bytes_per_s: Option<u32>,
    /// Bytes are taken from nobody and given to nobody; the connection stays open.
    pub is_black_hole: bool,
    /// What happens once a connection has passed so many bytes under this weather.
    pub end: Option<(u64, End)>,
}

/// How a connection comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Both sides are reset.
    Reset,
    /// This direction ends as if its sender had finished; the other goes on.
    HalfClose,
}

/// A running proxy; it ends with its tasks.
pub(crate) struct Chaos {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    passed: Arc<Passed>,
}

#[derive(Default)]
struct Passed {
    connections: AtomicU64,
    request_bytes: AtomicU64,
    answer_bytes: AtomicU64,
}

/// What every connection of one proxy shares.
#[derive(Clone)]
struct Shared {
    target: SocketAddr,
    weather: watch::Receiver<Weather>,
    passed: Arc<Passed>,
    clock: Clock,
}

/// Asked for by the weather, or done by a peer.
struct Reset;

impl Chaos {
    /// Listens on a free port of this machine and passes everything on to `target`.
    pub(crate) async fn start(
        target: SocketAddr,
        seed: u64,
        tasks: &Tasks,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (weather, seen) = watch::channel(Weather::default());
        let passed = Arc::new(Passed::default());
        let shared = Shared {
            target,
            weather: seen,
            passed: Arc::clone(&passed),
            clock: Clock::system(),
        };
        let (stop, of_connections) = (tasks.clone(), tasks.clone());
        tasks.spawn("chaos", async move {
            tokio::select! {
                () = stop.stopping() => {}
                () = listen(listener, shared, seed, of_connections) => {}
            }
        });
        Ok(Self {
            address,
            weather,
            passed,
        })
    }

    /// Scheme, host and port.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes the weather, for open connections too.
    pub(crate) fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// How many connections were taken.
    pub(crate) fn connections(&self) -> u64 {
        self.passed.connections.load(Ordering::Relaxed)
    }

    /// How many bytes went to clients.
    pub(crate) fn answer_bytes(&self) -> u64 {
        self.passed.answer_bytes.load(Ordering::Relaxed)
    }
}

/// Accepts while the weather allows it; while it does not, the port is closed.
async fn listen(mut listener: TcpListener, shared: Shared, seed: u64, tasks: Tasks) {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut weather = shared.weather.clone();
    let Ok(address) = listener.local_addr() else {
        return;
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => Some(accepted),
            () = until(&mut weather, |weather| weather.down) => None,
        };
        let Some(accepted) = accepted else {
            drop(listener);
            until(&mut weather, |weather| !weather.down).await;
            let Ok(again) = TcpListener::bind(address).await else {
                return;
            };
            listener = again;
            continue;
        };
        let Ok((client, _)) = accepted else { continue };
        shared.passed.connections.fetch_add(1, Ordering::Relaxed);
        let (shared, seed) = (shared.clone(), chance.random());
        tasks.spawn("chaos connection", async move {
            // A peer that is gone ends its connection and nothing else.
            let _ = connect(client, shared, seed).await;
        });
    }
}

/// Returns once the weather is as asked, or will never change again.
async fn until(weather: &mut watch::Receiver<Weather>, holds: impl FnMut(&Weather) -> bool) {
    let _ = weather.wait_for(holds).await;
}

/// Both directions until both have ended, or until there is a reset.
async fn connect(mut client: TcpStream, shared: Shared, seed: u64) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(BUFFER_BYTES)?;
    let mut server = socket.connect(shared.target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let is_reset = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let passed = &*shared.passed;
        let request = Flow {
            way: |weather| weather.request,
            bytes: &passed.request_bytes,
            shared: &shared,
            chance: StdRng::seed_from_u64(seed),
        };
        let answer = Flow {
            way: |weather| weather.answer,
            bytes: &passed.answer_bytes,
            shared: &shared,
            chance: StdRng::seed_from_u64(!seed),
        };
        let mut weather = shared.weather.clone();
        tokio::select! {
            () = until(&mut weather, |weather| weather.down) => true,
            ended = async {
                tokio::try_join!(request.run(from_client, to_server), answer.run(from_server, to_client))
            } => ended.is_err(),
        }
    };
    if is_reset {
        client.set_zero_linger()?;
        server.set_zero_linger()?;
    }
    Ok(())
}

/// What passes at once at a given rate: a hundredth of a second's worth.
fn portion_bytes(bytes_per_s: u32) -> usize {
    let portion = usize::try_from(bytes_per_s / 100).unwrap_or(CHUNK_BYTES);
    portion.clamp(1, CHUNK_BYTES)
}

/// One direction of one connection.
struct Flow<'a> {
    /// Picks the direction out of the weather.
    way: fn(&Weather) -> Way,
    bytes: &'a AtomicU64,
    shared: &'a Shared,
    chance: StdRng,
}

impl Flow<'_> {
    async fn run(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> Result<(), Reset> {
        let way = self.way;
        let mut weather = self.shared.weather.clone();
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut passed = 0;
        loop {
            let now = weather
                .wait_for(|weather| !way(weather).is_black_hole)
                .await;
            let now = way(&*now.map_err(|_| Reset)?);
            let most = now.bytes_per_s.map_or(CHUNK_BYTES, portion_bytes);
            let count = tokio::select! {
                read = from.read(&mut buffer[..most]) => read.map_err(|_| Reset)?,
                changed = weather.changed() => {
                    changed.map_err(|_| Reset)?;
                    passed = 0;
                    continue;
                }
            };
            if count == 0 {
                return to.shutdown().await.map_err(|_| Reset);
            }
            self.pause(now, count).await;
            let room = now.end.map_or(u64::MAX, |(after, _)| after - passed);
            let whole = count as u64;
            let taken = usize::try_from(whole.min(room)).unwrap_or(count);
            to.write_all(&buffer[..taken]).await.map_err(|_| Reset)?;
            passed += taken as u64;
            self.bytes.fetch_add(taken as u64, Ordering::Relaxed);
            match now.end {
                Some((_, End::Reset)) if whole > room => return Err(Reset),
                Some((_, End::HalfClose)) if whole > room => {
                    return to.shutdown().await.map_err(|_| Reset);
                }
                _ => {}
            }
        }
    }

    async fn pause(&mut self, way: Way, count: usize) {
        let jitter = way.jitter.mul_f64(self.chance.random());
        let bytes = u32::try_from(count).unwrap_or(u32::MAX);
        let passage = way
            .bytes_per_s
            .map(|rate| Duration::from_secs(1) * bytes / rate.max(1));
        let wait = way.latency + jitter + passage.unwrap_or_default();
        if !wait.is_zero() {
            self.shared.clock.sleep(wait).await;
        }
    }
}

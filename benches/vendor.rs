//! A vendor that takes every note, or has its troubles with some until it recovers: as small as it can be,
//! because it shares the load's core.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use event_connector::clock::Clock;
use event_connector::tasks::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A modelled vendor.
#[derive(Clone)]
pub(crate) struct Vendor {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    posts: Arc<std::sync::Mutex<Vec<(String, f64)>>>,
    count: Arc<AtomicU64>,
    has_recovered: Arc<AtomicBool>,
}

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Answers at once.
    Prompt,
    /// Never answers calls that carry this token.
    HangsFor(&'static str),
    /// The same, and asks those that carry the second one to wait for a second.
    HangsForAndLimits(&'static str, &'static str),
}

/// What becomes of a call.
enum Treatment {
    Answered,
    Limited,
    Ignored,
}

impl Manner {
    fn treatment(self, call: &str) -> Treatment {
        match self {
            Self::HangsFor(token) | Self::HangsForAndLimits(token, _) if call.contains(token) => {
                Treatment::Ignored
            }
            Self::HangsForAndLimits(_, token) if call.contains(token) => Treatment::Limited,
            _ => Treatment::Answered,
        }
    }
}

impl Vendor {
    /// Listens on a free port.
    pub(crate) async fn start(tasks: &Tasks, manner: Manner) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let vendor = Self {
            address: listener.local_addr()?,
            posts: Arc::default(),
            count: Arc::default(),
            has_recovered: Arc::default(),
        };
        let (own, all) = (vendor.clone(), tasks.clone());
        tasks.spawn("vendor", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let vendor = own.clone();
                all.spawn("vendor connection", async move {
                    // A caller that hangs up ends the connection.
                    let _ = vendor.serve(stream, manner).await;
                });
            }
        });
        Ok(vendor)
    }

    /// Takes every note from now on.
    pub(crate) fn recover(&self) {
        self.has_recovered.store(true, Ordering::Relaxed);
    }

    /// Which calls came, word for word, and when, Unix seconds.
    pub(crate) fn posts(&self) -> Vec<(String, f64)> {
        self.posts
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// How many calls it has answered with success.
    pub(crate) fn taken(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    async fn serve(&self, mut stream: TcpStream, manner: Manner) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let clock = Clock::system();
        let mut buffer = Vec::new();
        let mut chunk = [0_u8; 16 * 1024];
        loop {
            let Some(end) = whole(&buffer) else {
                let read = stream.read(&mut chunk).await?;
                if read == 0 {
                    return Ok(());
                }
                buffer.extend_from_slice(chunk.get(..read).unwrap_or_default());
                continue;
            };
            let request: Vec<u8> = buffer.drain(..end).collect();
            let text = String::from_utf8_lossy(&request).into_owned();
            let treatment = match self.has_recovered.load(Ordering::Relaxed) {
                true => Treatment::Answered,
                false => manner.treatment(&text),
            };
            self.posts
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .push((text, clock.now_s()));
            match treatment {
                Treatment::Answered => {}
                Treatment::Limited => {
                    stream.write_all(LIMITED).await?;
                    continue;
                }
                Treatment::Ignored => continue,
            }
            let part = self.count.fetch_add(1, Ordering::Relaxed);
            let body = format!(
                r#"{{"type":"conversation","id":"1","conversation_parts":{{"type":"conversation_part.list","conversation_parts":[{{"type":"conversation_part","id":"{part}","part_type":"note","body":"","author":{{"type":"admin","id":"1"}}}}]}}}}"#
            );
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await?;
        }
    }
}

/// As Intercom says that a second is enough.
const LIMITED: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";

/// The length of the first whole request in `buffer`.
fn whole(buffer: &[u8]) -> Option<usize> {
    let head = buffer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(buffer.get(..head)?).to_ascii_lowercase();
    let length = text
        .split("content-length:")
        .nth(1)
        .and_then(|rest| rest.split("\r\n").next()?.trim().parse().ok())
        .unwrap_or(0);
    (buffer.len() >= head + length).then_some(head + length)
}

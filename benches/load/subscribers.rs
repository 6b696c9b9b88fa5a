//! Many feed subscribers on one thread: connected, counted, never parsed more than needed.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;
use event_connector::clock::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a reader waits for bytes that must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A subscriber.
pub(crate) struct Subscriber {
    stream: TcpStream,
    seen: usize,
    newline: bool,
}

impl Subscriber {
    /// Connects, asks for `path`, and waits for the answer's first bytes.
    pub(crate) async fn open(
        address: SocketAddr,
        path: &str,
        bearer: &str,
    ) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {bearer}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut subscriber = Self {
            stream,
            seen: 0,
            newline: false,
        };
        subscriber.greeted().await?;
        Ok(subscriber)
    }

    async fn greeted(&mut self) -> anyhow::Result<()> {
        let mut first = [0_u8; 12];
        self.stream.read_exact(&mut first).await?;
        ensure!(&first == b"HTTP/1.1 200", "the feed was refused");
        Ok(())
    }

    /// Reads what comes next, at most `chunk` of it, and answers how long that is.
    pub(crate) async fn read(&mut self, chunk: &mut [u8]) -> anyhow::Result<usize> {
        let read = self.stream.read(chunk).await?;
        ensure!(read > 0, "the feed ended");
        Ok(read)
    }

    /// Reads until `events` events have come since it was opened.
    pub(crate) async fn until(&mut self, events: usize) -> anyhow::Result<()> {
        let mut chunk = [0_u8; 64 * 1024];
        while self.seen < events {
            let read = Clock::system()
                .timeout(PATIENCE, self.stream.read(&mut chunk))
                .await;
            let read = read.unwrap_or(Ok(0))?;
            ensure!(read > 0, "the feed ended after {} events", self.seen);
            self.count(chunk.get(..read).unwrap_or_default());
        }
        Ok(())
    }

    /// Every event has one line that begins with `id:`; nothing else in a frame or a head does.
    fn count(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.newline && *byte == b'i' {
                self.seen += 1;
            }
            self.newline = *byte == b'\n';
        }
    }
}

//! Accepts connections and closes those that accept no bytes.
//!
//! A subscriber whose socket is full for too long holds a task and a socket for nothing; it is closed
//! and resumes with `Last-Event-ID` (decided with the feed).

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::clock::Clock;
use crate::metrics::Metrics;

/// How long to wait before accepting again after the system refused, e.g. for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener whose connections give up when a write stalls for `limit`.
pub struct StallGuard {
    listener: TcpListener,
    clock: Clock,
    metrics: Metrics,
    limit: Duration,
}

impl StallGuard {
    /// Guards the connections of `listener`.
    pub fn new(listener: TcpListener, clock: Clock, metrics: Metrics, limit: Duration) -> Self {
        Self {
            listener,
            clock,
            metrics,
            limit,
        }
    }
}

impl Listener for StallGuard {
    type Io = Guarded;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    // Without this a lone small frame may wait for the peer's acknowledgement.
                    let _ = stream.set_nodelay(true);
                    return (Guarded::new(stream, self), address);
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    self.clock.sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

impl Connected<IncomingStream<'_, StallGuard>> for Peer {
    fn connect_info(stream: IncomingStream<'_, StallGuard>) -> Self {
        Self(*stream.remote_addr())
    }
}

type Stall = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection that remembers since when its peer has accepted nothing.
pub struct Guarded {
    stream: TcpStream,
    clock: Clock,
    metrics: Metrics,
    limit: Duration,
    stall: Option<Stall>,
}

impl Guarded {
    fn new(stream: TcpStream, guard: &StallGuard) -> Self {
        Self {
            stream,
            clock: guard.clock.clone(),
            metrics: guard.metrics.clone(),
            limit: guard.limit,
            stall: None,
        }
    }

    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let (clock, limit) = (&self.clock, self.limit);
        let stall = self.stall.get_or_insert_with(|| {
            let clock = clock.clone();
            Box::pin(async move { clock.sleep(limit).await })
        });
        if stall.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.metrics
            .stream_dropped
            .with_label_values(&["stalled"])
            .inc();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

//! The TCP stream of one connection: it tells when bytes arrive, gives up on a peer that takes none,
//! and notices when the reader of an endless answer has left.
//!
//! A subscriber whose socket is full for too long holds a task and a socket for nothing; it is closed
//! and resumes with `Last-Event-ID` (decided with the feed).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::Shared;
use super::presence::Phase;
use super::table::Seat;

type Stall = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection's stream.
pub(super) struct Socket {
    stream: TcpStream,
    seat: Arc<Seat>,
    shared: Arc<Shared>,
    /// Runs while the peer takes nothing.
    stall: Option<Stall>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, seat: Arc<Seat>, shared: Arc<Shared>) -> Self {
        Self {
            stream,
            seat,
            shared,
            stall: None,
        }
    }

    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// The first bytes of a head start its time.
    fn received(&self) {
        let presence = &self.seat.presence;
        match presence.phase() {
            Phase::Silent => presence.set(Phase::Head),
            Phase::KeptAlive => presence.set_since(Phase::Head, self.shared.table.now_ms()),
            Phase::Head | Phase::Busy | Phase::Stream => {}
        }
    }

    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.seat.presence.set_writing(written.is_pending());
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let (clock, limit) = (&self.shared.clock, self.shared.limits.stall);
        let stall = self.stall.get_or_insert_with(|| {
            let clock = clock.clone();
            Box::pin(async move { clock.sleep(limit).await })
        });
        if stall.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let counter = &self.shared.metrics.stream_dropped;
        counter.with_label_values(&["stalled"]).inc();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Fails once the peer has closed its side. Bytes that it sends ahead hide that, and are left
    /// where they are.
    pub(super) fn look_for_the_end(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let mut byte = [0];
        match self.stream.poll_peek(cx, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(Ok(0)) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(_)) | Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.received();
        }
        read
    }
}

impl AsyncWrite for Socket {
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
        // hyper flushes whenever it runs, and while a message is under way it does not read.
        if self.seat.presence.phase() == Phase::Stream {
            self.look_for_the_end(cx)?;
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

//! An endless answer, written straight to its socket.
//!
//! hyper keeps two buffers of 8 KiB for as long as a connection lives, and a feed has thousands that
//! live long and rest. So once the head of the answer is known, its body leaves hyper: each frame
//! becomes one chunk and one write, and in between nothing is held but the body itself.

use std::fmt::Write;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::Response;
use bytes::Buf;
use jiff::Timestamp;
use tokio::io::AsyncWriteExt;

use super::socket::Socket;
use crate::clock::Clock;

/// Writes the answer to its end, which is also the connection's. An error means that the reader is gone
/// or takes nothing.
pub(super) async fn write(
    mut socket: Socket,
    answer: Response<Body>,
    clock: &Clock,
) -> io::Result<()> {
    let head = head(&answer, clock);
    let mut body = answer.into_body();
    socket.write_all(head.as_bytes()).await?;
    drop(head);
    while let Some(data) = next(&mut body, &mut socket).await? {
        // An empty chunk would be the end.
        if !data.is_empty() {
            let size = format!("{:x}\r\n", data.len());
            let mut chunk = size.as_bytes().chain(data).chain(&b"\r\n"[..]);
            socket.write_all_buf(&mut chunk).await?;
        }
    }
    socket.write_all(b"0\r\n\r\n").await?;
    socket.shutdown().await
}

/// The next frame of the body; fails when the reader leaves meanwhile.
async fn next(body: &mut Body, socket: &mut Socket) -> io::Result<Option<Bytes>> {
    poll_fn(|cx| {
        let frame = match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                socket.look_for_the_end(cx)?;
                return Poll::Pending;
            }
        };
        let data = frame.transpose().map_err(io::Error::other)?;
        Poll::Ready(Ok(data.map(|frame| frame.into_data().unwrap_or_default())))
    })
    .await
}

fn head(answer: &Response<Body>, clock: &Clock) -> String {
    let mut head = format!("HTTP/1.1 {}\r\n", answer.status());
    for (name, value) in answer.headers() {
        let value = value.to_str().unwrap_or_default();
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let now_ms = i64::try_from(clock.now_ms()).unwrap_or(i64::MAX);
    if let Ok(now) = Timestamp::from_millisecond(now_ms) {
        let _ = write!(head, "date: {}\r\n", now.strftime("%a, %d %b %Y %T GMT"));
    }
    head + "transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
}

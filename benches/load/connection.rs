//! One keep-alive connection that sends prepared bytes and reads answers.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// The longest answer that is expected, bytes.
const ANSWER_BYTES: usize = 64 * 1024;

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(4096),
        })
    }

    /// Sends a whole request and returns the answer's status and body.
    pub(crate) async fn call(&mut self, request: &[u8]) -> anyhow::Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if let Some((status, head, length)) = answer(&self.buffer)
                && self.buffer.len() >= head + length
            {
                let body = self.buffer.get(head..head + length).unwrap_or_default();
                return Ok((status, body));
            }
            let read = self.stream.read_buf(&mut self.buffer).await?;
            if read == 0 {
                bail!("the connection was closed");
            }
            if self.buffer.len() > ANSWER_BYTES {
                bail!("an answer of more than {ANSWER_BYTES} bytes");
            }
        }
    }

    /// As [`Connection::call`], for what must succeed.
    pub(crate) async fn demand(&mut self, request: &[u8]) -> anyhow::Result<String> {
        let (status, body) = self.call(request).await?;
        let text = String::from_utf8_lossy(body).into_owned();
        if !(200..300).contains(&status) {
            bail!("answered {status}: {text}");
        }
        Ok(text)
    }
}

/// Status, length of the head and length of the body, once the head is whole.
fn answer(buffer: &[u8]) -> Option<(u16, usize, usize)> {
    let head = buffer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(buffer.get(..head)?).ok()?;
    let status = text.get(9..12)?.parse().ok()?;
    Some((status, head, content_length(text).unwrap_or(0)))
}

fn content_length(head: &str) -> Option<usize> {
    let line = head.split("\r\n").find(|line| {
        line.get(..15)
            .is_some_and(|name| name.eq_ignore_ascii_case("content-length:"))
    })?;
    line.get(15..)?.trim().parse().ok()
}

/// A `GET` with a bearer token.
pub(crate) fn get(path: &str, bearer: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {bearer}\r\nx-admin-key: {bearer}\r\n\r\n"
    )
    .into_bytes()
}

/// A `POST` of JSON.
pub(crate) fn post(path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// What an open connection still has to say.
pub(crate) async fn value_of(connection: &mut Connection, metric: &str) -> anyhow::Result<f64> {
    let text = connection.demand(&get("/metrics", "")).await?;
    let line = text
        .lines()
        .find(|line| line.starts_with(metric))
        .with_context(|| format!("there is no metric {metric}"))?;
    let value = line.rsplit(' ').next().context("a value")?;
    Ok(value.parse()?)
}

//! A reader of the feed over a bare socket. It knows nothing but the protocol and lets nothing pass:
//! an unknown line, a comment or a frame without data is an error.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};

use super::service::{PRODUCT, SECRET};

/// One event as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) data: String,
}

impl Event {
    /// The data, decoded.
    pub(crate) fn json(&self) -> Result<Value, String> {
        serde_json::from_str(&self.data).map_err(|error| format!("{error}: {}", self.data))
    }
}

/// A connection that has been answered 200.
pub(crate) struct Reader {
    socket: BufReader<TcpStream>,
    pending: Vec<u8>,
}

impl Reader {
    /// Subscribes; `resume` is sent as `Last-Event-ID`. An error also stands for a refused
    /// connection.
    pub(crate) async fn open(
        service: SocketAddr,
        query: &str,
        resume: Option<&str>,
    ) -> Result<Self, String> {
        let told = |error: std::io::Error| error.to_string();
        let socket = TcpSocket::new_v4().map_err(told)?;
        // From an address of its own: a connection from the service's could be given the very port
        // on which the next process is to listen, and connect to itself.
        socket.bind(([127, 0, 0, 2], 0).into()).map_err(told)?;
        let mut socket =
            BufReader::with_capacity(2048, socket.connect(service).await.map_err(told)?);
        let resume = resume.map(|id| format!("Last-Event-ID: {id}\r\n"));
        let request = format!(
            "GET /stream/{PRODUCT}{query} HTTP/1.1\r\nHost: {service}\r\nAccept: text/event-stream\r\n\
             Authorization: Bearer {SECRET}\r\n{}\r\n",
            resume.unwrap_or_default(),
        );
        socket.write_all(request.as_bytes()).await.map_err(told)?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if socket.read_line(&mut head).await.map_err(told)? == 0 {
                return Err("the connection ended before an answer".to_owned());
            }
        }
        let is_stream = head.contains("\r\ncontent-type: text/event-stream; charset=utf-8\r\n");
        if !head.starts_with("HTTP/1.1 200 ") || !is_stream {
            return Err(format!("the stream was answered\n{head}"));
        }
        let pending = Vec::new();
        Ok(Self { socket, pending })
    }

    /// The next event; heartbeats are passed over. `None` when the stream has ended properly, an
    /// error when it broke off.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, String> {
        loop {
            while let Some(end) = self.pending.windows(2).position(|two| two == b"\n\n") {
                let frame: Vec<u8> = self.pending.drain(..end + 2).collect();
                let frame = String::from_utf8(frame).map_err(|error| error.to_string())?;
                if let Some(event) = parse(&frame)? {
                    return Ok(Some(event));
                }
            }
            if !self.read_chunk().await.map_err(|error| error.to_string())? {
                let is_whole = self.pending.is_empty();
                return is_whole
                    .then_some(None)
                    .ok_or_else(|| "half a frame".to_owned());
            }
        }
    }

    /// The next events, as many as asked for.
    pub(crate) async fn take(&mut self, count: usize) -> Result<Vec<Event>, String> {
        let mut events = Vec::with_capacity(count);
        while events.len() < count {
            let event = self.next().await?;
            events.push(event.ok_or_else(|| format!("the stream ended after {}", events.len()))?);
        }
        Ok(events)
    }

    /// One chunk of the chunked body; `false` after the last.
    async fn read_chunk(&mut self) -> std::io::Result<bool> {
        let mut size = String::new();
        self.socket.read_line(&mut size).await?;
        let size = usize::from_str_radix(size.trim_end(), 16);
        let size = size.map_err(|_| std::io::Error::from(std::io::ErrorKind::UnexpectedEof))?;
        let start = self.pending.len();
        self.pending.resize(start + size + 2, 0);
        self.socket.read_exact(&mut self.pending[start..]).await?;
        self.pending.truncate(start + size);
        Ok(size > 0)
    }
}

/// Reads a frame: an event, or `None` for a heartbeat.
fn parse(frame: &str) -> Result<Option<Event>, String> {
    let (mut id, mut name, mut data) = (None, None, None);
    for line in frame.trim_end_matches('\n').split('\n') {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        let slot = match field {
            "id" => &mut id,
            "event" => &mut name,
            "data" => &mut data,
            "retry" if value.parse::<u32>().is_ok() => continue,
            _ => return Err(format!("a line that clients do not expect: {line:?}")),
        };
        if slot.replace(value).is_some() {
            return Err(format!("a field that stands twice: {frame:?}"));
        }
    }
    match (id, name, data) {
        (_, Some("heartbeat"), Some("")) => Ok(None),
        (Some(id), None, Some(data)) if !data.is_empty() => Ok(Some(Event {
            id: id.to_owned(),
            data: data.to_owned(),
        })),
        _ => Err(format!("a frame that clients do not expect: {frame:?}")),
    }
}

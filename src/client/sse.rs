//! Frames of an event stream, from bytes as they arrive: the parsing rules of the HTML standard, in bounded memory.
//!
//! However the bytes are split, the same frames come out. Lines end with CR, LF or both; a byte order mark at the
//! start, comments and unknown fields mean nothing; what is no UTF-8 is replaced. A frame that is cut off by the end
//! of the stream never comes out.

use std::time::Duration;

/// One thing that a stream told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// An event.
    Event(Event),
    /// An event that was larger than may be held; the stream goes on behind it.
    TooLarge {
        /// The newest identifier that was read before it became too large.
        id: String,
    },
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its kind; empty where the stream gave it no name.
    pub name: String,
    /// The newest identifier on the stream, its own or that of one before it; empty while there was none.
    pub id: String,
    /// Its lines, joined by LF.
    pub data: String,
}

/// Takes bytes, gives frames. Holds at most as many bytes of a frame as it was told.
#[derive(Debug)]
pub struct Parser {
    frame_bytes_max: usize,
    /// The line that has begun.
    line: Vec<u8>,
    /// Whether nothing of that line has arrived.
    is_blank: bool,
    is_first_line: bool,
    is_after_cr: bool,
    /// Bytes of the frame that has begun.
    held: usize,
    name: String,
    id: String,
    data: Option<String>,
    retry: Option<Duration>,
}

impl Parser {
    /// A parser at the start of a stream.
    pub fn new(frame_bytes_max: usize) -> Self {
        Self {
            frame_bytes_max,
            line: Vec::new(),
            is_blank: true,
            is_first_line: true,
            is_after_cr: false,
            held: 0,
            name: String::new(),
            id: String::new(),
            data: None,
            retry: None,
        }
    }

    /// How long the stream asks to wait before it is opened anew, if it said so.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// The frames that `bytes` complete.
    pub fn push(&mut self, mut bytes: &[u8]) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(first) = bytes.first() {
            if std::mem::take(&mut self.is_after_cr) && *first == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let Some(end) = end else {
                self.hold(bytes);
                break;
            };
            self.hold(&bytes[..end]);
            self.is_after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            frames.extend(self.end_line());
        }
        frames
    }

    fn hold(&mut self, part: &[u8]) {
        self.is_blank &= part.is_empty();
        self.held = self.held.saturating_add(part.len());
        if self.is_too_large() {
            self.line = Vec::new();
            self.data = None;
        } else {
            self.line.extend_from_slice(part);
        }
    }

    fn is_too_large(&self) -> bool {
        self.held > self.frame_bytes_max
    }

    fn end_line(&mut self) -> Option<Frame> {
        let line = std::mem::take(&mut self.line);
        let mut is_blank = std::mem::replace(&mut self.is_blank, true);
        let mut line = line.as_slice();
        if std::mem::take(&mut self.is_first_line)
            && let Some(rest) = line.strip_prefix(BYTE_ORDER_MARK)
        {
            line = rest;
            is_blank = rest.is_empty();
        }
        if is_blank {
            return self.end_frame();
        }
        if !self.is_too_large() {
            self.field(line);
        }
        None
    }

    fn field(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = match colon {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let text = || String::from_utf8_lossy(value);
        match name {
            b"event" => self.name = text().into_owned(),
            b"data" => {
                let data = self.data.get_or_insert_default();
                data.push_str(&text());
                data.push('\n');
            }
            b"id" if !value.contains(&0) => self.id = text().into_owned(),
            b"retry" if value.iter().all(u8::is_ascii_digit) => {
                let told = text().parse().ok().map(Duration::from_millis);
                self.retry = told.or(self.retry);
            }
            _ => {}
        }
    }

    fn end_frame(&mut self) -> Option<Frame> {
        let is_too_large = self.is_too_large();
        self.held = 0;
        let name = std::mem::take(&mut self.name);
        let data = self.data.take();
        let id = self.id.clone();
        if is_too_large {
            return Some(Frame::TooLarge { id });
        }
        let mut data = data?;
        data.pop();
        Some(Frame::Event(Event { name, id, data }))
    }
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

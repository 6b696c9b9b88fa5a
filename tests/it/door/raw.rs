//! A client that sends exactly the bytes it is told to.

use std::time::Duration;

use event_connector::clock::Clock;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::{SECRET, Service};

/// How long the server may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A raw connection to the service.
pub(super) struct Raw {
    stream: TcpStream,
}

/// One answer as it came.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(super) fn code(&self) -> String {
        let problem: Value = serde_json::from_str(&self.body).expect("a problem document");
        assert_eq!(problem["status"], self.status);
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        problem["code"].as_str().expect("a code").to_owned()
    }

    pub(super) fn retry_after_s(&self) -> u32 {
        let wait = self.header("retry-after").expect("a time to come back");
        wait.parse().expect("whole seconds")
    }
}

impl Raw {
    pub(super) async fn connect(service: &Service) -> Self {
        let stream = TcpStream::connect(service.address()).await;
        Self {
            stream: stream.expect("connected"),
        }
    }

    /// A connection that takes little at a time.
    pub(super) async fn connect_narrow(service: &Service) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("set");
        let address = service.address().parse().expect("an address");
        Self {
            stream: socket.connect(address).await.expect("connected"),
        }
    }

    /// Sends; an error means that the server has closed already, which the answer tells as well.
    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Sends the head of a `POST` that promises `length` bytes.
    pub(super) async fn begin(&mut self, path: &str, length: usize) {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\nX-PostHog-Secret: {SECRET}\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        self.send(head).await;
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        let head = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        self.send(head).await;
        self.answer().await.expect("an answer")
    }

    /// Says that nothing more will be sent.
    pub(super) async fn close_sending(&mut self) {
        self.stream.shutdown().await.expect("closed");
    }

    /// The next answer; `None` when the server closes without one.
    pub(super) async fn answer(&mut self) -> Option<Answer> {
        let clock = Clock::system();
        let answer = clock.timeout(PATIENCE, self.read()).await;
        answer.expect("an answer or the end within 30 s")
    }

    /// Everything up to and with the next `end`, as it came.
    pub(super) async fn until(&mut self, end: &str) -> String {
        let mut text = String::new();
        let reading = async {
            while !text.ends_with(end) {
                let byte = self.stream.read_u8().await.expect("it goes on");
                text.push(char::from(byte));
            }
        };
        let done = Clock::system().timeout(PATIENCE, reading).await;
        assert!(done.is_some(), "never came: {end}; but: {text}");
        text
    }

    /// Everything until the server closes.
    pub(super) async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let reading = self.stream.read_to_end(&mut bytes);
        let done = Clock::system().timeout(PATIENCE, reading).await;
        done.expect("the end within 30 s").expect("no reset");
        bytes
    }

    async fn read(&mut self) -> Option<Answer> {
        let mut bytes = Vec::new();
        loop {
            if let Some(answer) = whole(&bytes) {
                return Some(answer);
            }
            match self.stream.read_buf(&mut bytes).await {
                Ok(read) if read > 0 => {}
                _ => {
                    assert!(bytes.is_empty(), "half an answer: {bytes:?}");
                    return None;
                }
            }
        }
    }
}

fn whole(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut answer = Answer {
        status: head.split(' ').nth(1)?.parse().expect("a status"),
        head: head.to_owned(),
        body: String::new(),
    };
    let length = answer.header("content-length").unwrap_or("0");
    let length: usize = length.parse().expect("a length");
    answer.body = body.get(..length)?.to_owned();
    Some(answer)
}

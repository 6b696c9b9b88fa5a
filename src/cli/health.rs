//! `health`: asks a running service.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::run::print;
use crate::clock::Clock;
use crate::terminal::{Advised, Style, Terminal, spoken};

/// How long the service may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// The most of an answer that is read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// The address under which a service bound to `bind` is reached from the same host.
pub(super) fn reachable(bind: SocketAddr) -> String {
    let host = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(host, bind.port()).to_string()
}

/// Prints what `/readyz` says, as a sentence on a terminal and as it is elsewhere; exit code 0 only
/// for "ready".
pub(super) async fn ask(address: String, out: Terminal) -> anyhow::Result<ExitCode> {
    let clock = Clock::system();
    let began = clock.monotonic();
    let answer = clock.timeout(PATIENCE, fetch(&address)).await;
    let answer = answer
        .with_context(|| format!("no answer from {address} within three seconds"))
        .flatten()
        .map_err(|error| {
            let next = "start it with event-connector serve, or ask another one with --address";
            Advised::new(error, next)
        })?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let body = body.trim();
    if head.split(' ').nth(1) != Some("200") {
        let next = "look at the log of the service: it says what it waits for";
        bail!(Advised::new(anyhow!("not ready: {body}"), next));
    }
    if out.is_terminal() {
        let took = spoken(clock.since(began));
        let ready = out.paint(Style::Good, "ready");
        print(&format!("{ready}  http://{address} answered in {took}"));
    } else {
        print(body);
    }
    Ok(ExitCode::SUCCESS)
}

/// One plain request; a client with pools and TLS would be out of proportion every few seconds.
async fn fetch(address: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)
        .await
        .with_context(|| format!("nothing answers at {address}"))?;
    let request = format!("GET /readyz HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream
        .take(ANSWER_BYTES_MAX)
        .read_to_end(&mut answer)
        .await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

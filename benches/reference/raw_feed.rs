//! Writing events to sockets, without a protocol, a runtime or a queue: the ceiling of any feed.
//!
//! Whoever connects first and sends `go <events>` is the conductor: each such line has so many events
//! written to everybody else, all of one event (or `coalesce` of them) before the next.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use anyhow::Context;

/// As long as an event of the service.
pub(super) fn event(number: usize) -> String {
    let filler = "x".repeat(330);
    format!("id: 1789000000000-{number:08}\ndata: {{\"type\":\"actions\",\"f\":\"{filler}\"}}\n\n")
}

pub(super) fn serve(bind: SocketAddr, coalesce: usize) -> anyhow::Result<()> {
    let listener = TcpListener::bind(bind)?;
    super::announce(listener.local_addr()?);
    let (conductor, _) = listener.accept()?;
    let mut orders = BufReader::new(conductor);
    let mut listeners: Vec<TcpStream> = Vec::new();
    let mut order = String::new();
    let mut sent = 0;
    loop {
        order.clear();
        if orders.read_line(&mut order)? == 0 {
            return Ok(());
        }
        let (verb, number) = order.trim().split_once(' ').context("an order")?;
        let number: usize = number.parse()?;
        if verb == "take" {
            for _ in 0..number {
                listeners.push(welcome(&listener)?);
            }
        } else {
            for first in (sent..sent + number).step_by(coalesce) {
                let last = (first + coalesce).min(sent + number);
                let bytes: String = (first..last).map(event).collect();
                for listener in &mut listeners {
                    listener.write_all(bytes.as_bytes())?;
                }
            }
            sent += number;
        }
        orders.get_mut().write_all(b".")?;
    }
}

fn welcome(listener: &TcpListener) -> anyhow::Result<TcpStream> {
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut request = [0_u8; 1024];
    let _ = stream.read(&mut request)?;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")?;
    Ok(stream)
}

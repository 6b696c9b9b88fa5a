//! The wire: real sockets, whose connections can be cut, and which can be shut altogether.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, State};
use axum::http::{self, HeaderMap, HeaderValue, Response, StatusCode};
use axum::serve::{IncomingStream, Listener};
use futures_util::stream;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::fault::{Call, Twist};
use super::handle::Intercom;
use super::model::{Answer, Request};
use crate::clock::Clock;
use crate::tasks::Tasks;

/// The largest request body; Intercom's own limit is not published.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Answers calls on `listener` until `tasks` stop; while the door is shut, nobody listens.
pub(super) fn serve(listener: TcpListener, intercom: Intercom, tasks: &Tasks) {
    let stop = tasks.clone();
    tasks.spawn("modelled intercom", async move {
        tokio::select! {
            () = stop.stopping() => {}
            ended = listen(listener, &intercom) => if let Err(error) = ended {
                tracing::error!(%error, "the modelled Intercom ended");
            }
        }
    });
}

async fn listen(mut listener: TcpListener, intercom: &Intercom) -> io::Result<()> {
    let routes = Router::new().fallback(answer).with_state(intercom.clone());
    let service = routes.into_make_service_with_connect_info::<Cut>();
    loop {
        let ending = CancellationToken::new();
        let sockets = Sockets {
            listener,
            ending: ending.clone(),
        };
        tokio::select! {
            ended = axum::serve(sockets, service.clone()) => return ended,
            () = intercom.door().wanted(false) => ending.cancel(),
        }
        intercom.door().set(false);
        intercom.door().wanted(true).await;
        listener = TcpListener::bind(intercom.address()).await?;
        intercom.door().set(true);
    }
}

async fn answer(
    State(intercom): State<Intercom>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: http::Request<Body>,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, Body::empty());
    };
    let clock = intercom.clock();
    let request = logged(&head, &body, clock.now_ms());
    let path: Vec<String> = head.uri.path().split('/').skip(1).map(decoded).collect();
    let call = call(&request.method, &path);
    let fault = intercom.change(|model| {
        model.requests.push(request.clone());
        model.take_fault(call, path.get(1).map(String::as_str))
    });
    if !accepts_json(&head.headers, &request) {
        return plain(StatusCode::NOT_ACCEPTABLE, Body::empty());
    }
    let query = head.uri.query().unwrap_or_default();
    let process = || intercom.change(|model| model.process(&path, query, &request));
    let Some(fault) = fault else {
        return right(process());
    };
    let done = fault.takes_effect.then(&process);
    match wrong(fault.twist, &cut, clock).await {
        Some(response) => response,
        None => right(done.unwrap_or_else(process)),
    }
}

fn logged(head: &http::request::Parts, body: &[u8], at_ms: u64) -> Request {
    Request {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        authorization: text(&head.headers, "authorization"),
        version: text(&head.headers, "intercom-version"),
        user_agent: text(&head.headers, "user-agent"),
        body: String::from_utf8_lossy(body).into_owned(),
        at_ms,
    }
}

fn call(method: &str, path: &[String]) -> Call {
    match (method, path) {
        ("POST", [first, _, last]) if first == "conversations" && last == "reply" => Call::Reply,
        ("GET", [first, _]) if first == "conversations" => Call::Read,
        _ => Call::Other,
    }
}

/// The answer that the model gave.
fn right(answer: Answer) -> Response<Body> {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = plain(status, Body::from(answer.body.to_string()));
    if let Some(quota) = answer.quota {
        let headers = response.headers_mut();
        headers.insert("x-ratelimit-limit", quota.limit.into());
        headers.insert("x-ratelimit-remaining", quota.remaining.into());
        headers.insert("x-ratelimit-reset", quota.reset_s.into());
    }
    response
}

/// The answer that the script asks for; `None` after a delay, when all goes on as it should.
async fn wrong(twist: Twist, cut: &Cut, clock: &Clock) -> Option<Response<Body>> {
    Some(match twist {
        Twist::Answer {
            status,
            headers,
            body,
        } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = plain(status, Body::from(body));
            for (name, value) in headers {
                if let Ok(value) = HeaderValue::from_str(&value) {
                    response.headers_mut().insert(name, value);
                }
            }
            response
        }
        Twist::Delay(wait) => {
            clock.sleep(wait).await;
            return None;
        }
        Twist::Reset => {
            cut.now();
            plain(StatusCode::OK, Body::empty())
        }
        Twist::Endless => {
            let chunk = Bytes::from_static(&[b'x'; 16 * 1024]);
            let chunks = stream::repeat_with(move || Ok::<_, Infallible>(chunk.clone()));
            plain(StatusCode::OK, Body::from_stream(chunks))
        }
        Twist::Trickle(pause) => plain(StatusCode::OK, trickle(clock.clone(), pause)),
    })
}

fn trickle(clock: Clock, pause: Duration) -> Body {
    Body::from_stream(stream::unfold(clock, move |clock| async move {
        clock.sleep(pause).await;
        Some((Ok::<_, Infallible>(Bytes::from_static(b" ")), clock))
    }))
}

fn plain(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert("content-type", json);
    response
}

/// JSON must be asked for, and sent where something is sent.
fn accepts_json(headers: &HeaderMap, request: &Request) -> bool {
    let is_json = |name: &str| text(headers, name) == "application/json";
    is_json("accept") && (request.body.is_empty() || is_json("content-type"))
}

fn text(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// Ends the connection that a request came on: nothing more is written to it.
#[derive(Clone, Debug, Default)]
struct Cut(Arc<AtomicBool>);

impl Cut {
    fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

/// Accepts connections that can be cut, one by one or all together.
struct Sockets {
    listener: TcpListener,
    ending: CancellationToken,
}

impl Listener for Sockets {
    type Io = Socket;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Socket, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let socket = Socket {
            stream,
            cut: Cut::default(),
            ended: Box::pin(self.ending.clone().cancelled_owned()),
        };
        (socket, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, Sockets>> for Cut {
    fn connect_info(stream: IncomingStream<'_, Sockets>) -> Self {
        stream.io().cut.clone()
    }
}

struct Socket {
    stream: TcpStream,
    cut: Cut,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ended.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.cut.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.cut.check()?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

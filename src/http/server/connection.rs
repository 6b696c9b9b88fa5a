//! One connection from its first byte to its last.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Method, Request, Response, Version};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::presence::Phase;
use super::socket::Socket;
use super::table::Seat;
use super::{Endless, Peer, Shared, refusal, stream};
use crate::http::problem::Problem;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Why a connection is closed.
enum End {
    /// By the peer, after an answer, or by a fault of either.
    Done,
    /// It waited, and its place or the whole service is needed otherwise.
    NotNeeded,
    /// The peer took too long for what it does in this phase.
    TooSlow(Phase),
    /// What it sent is no request; hyper has answered 400 or 431.
    Malformed(hyper::Error),
    /// An endless answer begins, and needs nothing that is here.
    Endless(Response<Body>),
}

/// Serves requests until the peer leaves, takes too long, must make room, or the service stops.
pub(super) async fn serve(tcp: TcpStream, peer: Peer, seat: Seat, shared: Arc<Shared>) {
    let seat = Arc::new(seat);
    let socket = Socket::new(tcp, Arc::clone(&seat), Arc::clone(&shared));
    let (endless, mut to_stream) = oneshot::channel();
    let requests = Requests {
        peer,
        seat: Arc::clone(&seat),
        shared: Arc::clone(&shared),
        endless: Mutex::new(Some(endless)),
    };
    let mut connection = shared
        .protocol
        .serve_connection(TokioIo::new(socket), requests);
    match drive(&mut connection, &mut to_stream, &seat, &shared).await {
        End::Done | End::NotNeeded => {}
        End::Endless(answer) => {
            let socket = connection.into_parts().io.into_inner();
            let clock = shared.clock.clone();
            // In a task of its own, because the memory of this one is as large as hyper needs it.
            shared.tasks.spawn("stream", async move {
                if let Err(error) = stream::write(socket, answer, &clock).await {
                    tracing::debug!(%error, "a subscriber is gone");
                }
            });
        }
        End::TooSlow(Phase::Head) => {
            seat.closed("head_timeout");
            let detail = "the head of the request did not arrive in time";
            let problem = Problem::timeout("head_timeout", detail);
            refusal::count(&problem, &shared.metrics);
            let tcp = connection.into_parts().io.into_inner().into_stream();
            refusal::tell(tcp, &problem, &shared.clock, &shared.chance).await;
        }
        End::TooSlow(Phase::Silent) => seat.closed("silent"),
        End::TooSlow(_) => seat.closed("keep_alive"),
        End::Malformed(error) if error.is_parse_too_large() => seat.closed("head_too_large"),
        End::Malformed(_) => seat.closed("malformed"),
    }
}

/// Runs the connection and keeps its times. An alarm is set when the peer's time is first seen to run,
/// and is not moved when the peer goes on: it then finds that there is time left. So a busy connection
/// sets no timers at all.
async fn drive(
    connection: &mut http1::Connection<TokioIo<Socket>, Requests>,
    to_stream: &mut oneshot::Receiver<Response<Body>>,
    seat: &Seat,
    shared: &Shared,
) -> End {
    let presence = &seat.presence;
    let mut stopping = pin!(shared.tasks.stopping());
    let mut is_leaving = false;
    let mut alarm: Option<(u64, Boxed<()>)> = None;
    poll_fn(|cx| {
        presence.listen(cx.waker());
        // hyper ends what is under way, and closes once everything is written.
        if !is_leaving && (presence.is_evicted() || stopping.as_mut().poll(cx).is_ready()) {
            is_leaving = true;
            Pin::new(&mut *connection).graceful_shutdown();
        }
        match Pin::new(&mut *connection).poll(cx) {
            Poll::Ready(Err(error)) if error.is_parse() => {
                return Poll::Ready(End::Malformed(error));
            }
            Poll::Ready(_) => return Poll::Ready(End::Done),
            Poll::Pending => {}
        }
        if let Ok(answer) = to_stream.try_recv() {
            return Poll::Ready(End::Endless(answer));
        }
        let phase = presence.phase();
        // It would wait for a head that may never come. Half of one is no request yet.
        let is_unused = matches!(phase, Phase::Silent | Phase::Head) && !presence.is_writing();
        if is_leaving && is_unused {
            return Poll::Ready(End::NotNeeded);
        }
        let Some(due_ms) = presence.deadline_ms(&shared.limits) else {
            return Poll::Pending;
        };
        loop {
            if let Some((_, running)) = alarm.as_mut().filter(|(at_ms, _)| *at_ms <= due_ms) {
                ready!(running.as_mut().poll(cx));
            }
            let now_ms = shared.table.now_ms();
            if now_ms >= due_ms {
                return Poll::Ready(End::TooSlow(phase));
            }
            let (clock, wait) = (shared.clock.clone(), due_ms - now_ms);
            let sleep = async move { clock.sleep(Duration::from_millis(wait)).await };
            alarm = Some((due_ms, Box::pin(sleep)));
        }
    })
    .await
}

/// The service as one connection sees it.
struct Requests {
    peer: Peer,
    seat: Arc<Seat>,
    shared: Arc<Shared>,
    /// Takes the first answer, if it is endless, away from hyper. Behind another one it stays, because
    /// hyper may not have written that yet.
    endless: Mutex<Option<oneshot::Sender<Response<Body>>>>,
}

impl Service<Request<Incoming>> for Requests {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Boxed<Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let seat = Arc::clone(&self.seat);
        if !seat.enter() {
            let detail = "the connection made room for another just before the request came";
            let problem = Problem::unavailable("too_many_connections", detail);
            refusal::count(&problem, &self.shared.metrics);
            let response = problem.closing().into_answer(&self.shared.chance);
            let response = response.map(|body| Answer { body, seat });
            return Box::pin(std::future::ready(Ok(response)));
        }
        let first = self.endless.lock();
        let first = first.unwrap_or_else(PoisonError::into_inner).take();
        // Older protocols have no chunks, and a `HEAD` has no body.
        let is_plain = request.version() == Version::HTTP_11 && request.method() == Method::GET;
        let endless = first.filter(|_| is_plain);
        let (shared, peer) = (Arc::clone(&self.shared), self.peer);
        Box::pin(async move {
            let response = shared.doors.answer(peer, request.map(Body::new)).await;
            if response.extensions().get::<Endless>().is_some() {
                seat.presence.set(Phase::Stream);
                if let Some(endless) = endless {
                    // Sent within the poll of the connection, whose task looks right after it.
                    let _ = endless.send(response);
                    return std::future::pending().await;
                }
            }
            Ok(response.map(|body| Answer { body, seat }))
        })
    }
}

/// The body of an answer. When it is complete the connection waits for its next request.
struct Answer {
    body: Body,
    seat: Arc<Seat>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.seat.leave();
    }
}

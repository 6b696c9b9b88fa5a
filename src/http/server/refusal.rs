//! Answers where no request was read: to a connection that is one too many, and to a head that does not
//! arrive.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::chance::Chance;
use crate::clock::Clock;
use crate::http::problem::Problem;
use crate::metrics::Metrics;

/// How long the peer may take to read the answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// How much of what it still sends is read away.
const DRAINED_BYTES: usize = 64 * 1024;

/// Counts the refusal like one of a request.
pub(super) fn count(problem: &Problem, metrics: &Metrics) {
    let counter = metrics.problems.with_label_values(&[problem.code()]);
    counter.inc();
}

/// Writes the answer and closes. What the peer sends is read away for a moment, because closing a
/// socket with unread bytes would take the answer back.
pub(super) async fn tell(mut stream: TcpStream, problem: &Problem, clock: &Clock, chance: &Chance) {
    let answer = problem.to_http(chance);
    let telling = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        let (mut buffer, mut drained) = ([0; 1024], 0);
        while drained < DRAINED_BYTES {
            match stream.read(&mut buffer).await? {
                0 => break,
                read => drained += read,
            }
        }
        Ok::<_, std::io::Error>(())
    };
    // A peer that does not listen is closed all the same.
    let _ = clock.timeout(PATIENCE, telling).await;
}

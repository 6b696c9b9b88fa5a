//! A feed that goes on by itself: over lost connections, restarts of the service, and sleep of this machine.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::Response;
use reqwest::header::{DATE, HeaderMap, HeaderValue};

use super::connector::{Connector, Error, root_cause};
use super::sse::{Event, Frame, Parser};
use crate::chance::Chance;
use crate::clock::Clock;

/// The most bytes of one event: far more than a batch of actions takes.
pub const EVENT_BYTES_MAX: usize = 16 << 20;

/// The first pause before a stream is opened anew; each further one doubles.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// By how much of itself a pause varies.
const JITTER: f64 = 0.1;

/// How often it is looked whether the machine has slept.
const GLANCE: Duration = Duration::from_secs(1);

/// Which part of which feed.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The product.
    pub product: String,
    /// From where on: an event's id, Unix seconds or an ISO 8601 time; live if not given.
    pub since: Option<String>,
    /// Only this session.
    pub session: Option<String>,
    /// Only this user.
    pub user: Option<String>,
    /// Only these types, separated by commas.
    pub types: Option<String>,
}

/// What a [`Follower`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// An event. Heartbeats are not told.
    Event(Event),
    /// An event that is larger than [`EVENT_BYTES_MAX`], by its id. The feed goes on behind it.
    TooLarge(String),
    /// The stream has ended, and why. It is opened anew by itself.
    Lost(String),
    /// The stream goes on behind what was told last.
    Back,
}

/// Follows the feed of a product.
///
/// Guaranteed: every event is told once and in order, whatever happens to the connection, as far as the service still
/// has it; what it no longer has it announces itself, by an event of the type `gap`.
#[derive(Debug)]
pub struct Follower {
    connector: Connector,
    clock: Clock,
    chance: Chance,
    wanted: Wanted,
    silence_max: Duration,
    stream: Option<Stream>,
    frames: VecDeque<Frame>,
    last_id: String,
    is_lost: bool,
    pause: Duration,
}

impl Follower {
    /// A follower that has not asked yet. A stream on which nothing comes for `silence_max` is taken for dead.
    pub fn new(
        connector: Connector,
        clock: Clock,
        chance: Chance,
        wanted: Wanted,
        silence_max: Duration,
    ) -> Self {
        Self {
            connector,
            clock,
            chance,
            wanted,
            silence_max,
            stream: None,
            frames: VecDeque::new(),
            last_id: String::new(),
            is_lost: false,
            pause: PAUSE,
        }
    }

    /// What comes next.
    ///
    /// # Errors
    ///
    /// What waiting does not mend: the service cannot be reached to begin with, or refuses for good.
    pub async fn next(&mut self) -> Result<Told, Error> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                if let Some(told) = self.told(frame) {
                    return Ok(told);
                }
                continue;
            }
            let Some(stream) = &mut self.stream else {
                if let Some(told) = self.open().await? {
                    return Ok(told);
                }
                continue;
            };
            match stream.read(&self.clock, self.silence_max).await {
                Ok(frames) => {
                    self.frames.extend(frames);
                    let asked = stream.parser.retry().unwrap_or_default();
                    self.pause = asked.clamp(PAUSE, PAUSE_MAX);
                }
                Err(reason) => {
                    self.stream = None;
                    self.is_lost = true;
                    return Ok(Told::Lost(reason));
                }
            }
        }
    }

    /// What a frame says to whoever follows. From here on the feed would go on behind it.
    fn told(&mut self, frame: Frame) -> Option<Told> {
        let (Frame::Event(Event { id, .. }) | Frame::TooLarge { id }) = &frame;
        // A stream that has told nothing yet has no id; the place is where the one before it was.
        if !id.is_empty() {
            self.last_id.clone_from(id);
        }
        match frame {
            Frame::Event(event) => (event.name != HEARTBEAT).then_some(Told::Event(event)),
            Frame::TooLarge { id } => Some(Told::TooLarge(id)),
        }
    }

    async fn open(&mut self) -> Result<Option<Told>, Error> {
        if self.is_lost {
            let spread = 1.0 + JITTER * (2.0 * self.chance.fraction() - 1.0);
            self.clock.sleep(self.pause.mul_f64(spread)).await;
        }
        match self.ask().await {
            Ok(response) => {
                self.stream = Some(Stream::new(response));
                Ok(std::mem::take(&mut self.is_lost).then_some(Told::Back))
            }
            Err(error) if self.is_lost && error.is_temporary() => {
                let next = (self.pause * 2).max(asked_pause(&error));
                self.pause = next.min(PAUSE_MAX);
                Ok(None)
            }
            // It is there, and will take us later.
            Err(Error::Refused(refusal)) if refusal.is_temporary() => {
                self.is_lost = true;
                Ok(Some(Told::Lost(refusal.to_string())))
            }
            Err(error) => Err(error),
        }
    }

    async fn ask(&mut self) -> Result<Response, Error> {
        let wanted = &self.wanted;
        let named = [
            ("since", &wanted.since),
            ("session_id", &wanted.session),
            ("user_id", &wanted.user),
            ("types", &wanted.types),
        ];
        let given = named
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        let query: Vec<_> = given.collect();
        let mut headers = HeaderMap::new();
        if let Ok(id) = HeaderValue::from_str(&self.last_id)
            && !id.is_empty()
        {
            headers.insert("last-event-id", id);
        }
        let path = ["stream", &wanted.product];
        let response = self.connector.open(&path, &query, headers).await?;
        // Whoever began live and has heard nothing yet has no id to go on behind.
        let began = || server_time_s(&response).unwrap_or_else(|| self.clock.now_ms() / 1000);
        if self.wanted.since.is_none() {
            self.wanted.since = Some(began().to_string());
        }
        Ok(response)
    }
}

/// The name of events that only show that the stream lives.
const HEARTBEAT: &str = "heartbeat";

/// How long a refusal asks to wait.
fn asked_pause(error: &Error) -> Duration {
    match error {
        Error::Refused(refusal) => refusal.retry_after.unwrap_or_default(),
        _ => Duration::ZERO,
    }
}

/// What the service's clock said when it answered, in Unix seconds, rounded down.
fn server_time_s(response: &Response) -> Option<u64> {
    let text = response.headers().get(DATE)?.to_str().ok()?;
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text);
    u64::try_from(at.ok()?.as_second()).ok()
}

/// An open stream.
#[derive(Debug)]
struct Stream {
    response: Response,
    parser: Parser,
}

impl Stream {
    fn new(response: Response) -> Self {
        Self {
            response,
            parser: Parser::new(EVENT_BYTES_MAX),
        }
    }

    /// The frames of the next bytes, which may be none; or why there are no more.
    ///
    /// Silence is measured by both clocks: the monotonic one stands while the machine sleeps, and what the service
    /// sent meanwhile may have gone to nobody.
    async fn read(&mut self, clock: &Clock, silence_max: Duration) -> Result<Vec<Frame>, String> {
        let (began, began_ms) = (clock.monotonic(), clock.now_ms());
        loop {
            let chunk = self.response.chunk();
            if let Some(read) = clock.timeout(GLANCE.min(silence_max), chunk).await {
                return match read {
                    Ok(Some(bytes)) => Ok(self.parser.push(&bytes)),
                    Ok(None) => Err("the service ended the stream".to_owned()),
                    Err(error) => Err(root_cause(&error)),
                };
            }
            let passed = Duration::from_millis(clock.now_ms().saturating_sub(began_ms));
            let silence = clock.since(began).max(passed);
            if silence >= silence_max {
                return Err(format!("nothing came for {} s", silence.as_secs()));
            }
        }
    }
}

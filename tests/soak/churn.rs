//! Visitors, listeners and weather.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use event_connector::clock::Clock;
use event_connector::demo::intercom::Intercom;
use event_connector::tasks::Tasks;

use super::chaos::{End, Way, Weather};
use super::look::{Frames, send_webhook};
use super::sent::{label, send};

/// Visitors at the same time.
const VISITORS: usize = 32;

/// Listeners at the same time.
const LISTENERS: usize = 16;

/// How many different people come. Everybody is known for a day after the last visit, so what is kept of
/// people grows with their number. Whoever opens a conversation does so on every visit.
const PEOPLE: u64 = 300 * CONVERSING;

/// Every how many people one opens a conversation.
const CONVERSING: u64 = 3;

/// What a visitor does before leaving for good.
const CLICKS: usize = 12;

/// Everybody who comes and goes.
pub(crate) struct Churn(Arc<Shared>);

struct Shared {
    urls: Vec<String>,
    vendor: Intercom,
    client: reqwest::Client,
    clock: Clock,
    stopped: AtomicBool,
    visitors: AtomicU64,
    clicks: AtomicU64,
    refused: AtomicU64,
    listeners: AtomicU64,
    events: AtomicU64,
}

impl Churn {
    /// They begin to come, each to any instance at any time.
    pub(crate) fn start(urls: Vec<String>, vendor: &Intercom, tasks: &Tasks) -> Self {
        let shared = Arc::new(Shared {
            urls,
            vendor: vendor.clone(),
            client: reqwest::Client::new(),
            clock: Clock::system(),
            stopped: AtomicBool::new(false),
            visitors: AtomicU64::new(0),
            clicks: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            listeners: AtomicU64::new(0),
            events: AtomicU64::new(0),
        });
        for _ in 0..VISITORS {
            let shared = Arc::clone(&shared);
            tasks.spawn("visitors", async move {
                while !shared.is_stopped() {
                    shared.visit().await;
                }
            });
        }
        for _ in 0..LISTENERS {
            let shared = Arc::clone(&shared);
            tasks.spawn("listeners", async move {
                while !shared.is_stopped() {
                    shared.listen().await;
                }
            });
        }
        Self(shared)
    }

    /// Whether nobody comes any more who was never here.
    pub(crate) fn is_everybody_known(&self) -> bool {
        self.0.visitors.load(Ordering::Relaxed) > PEOPLE + VISITORS as u64
    }

    /// Nobody new comes.
    pub(crate) fn stop(&self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }

    /// What happened so far.
    pub(crate) fn counts(&self) -> String {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        format!(
            "{} visitors, {} clicks ({} refused), {} listeners, {} events heard, {} notes",
            of(&self.0.visitors),
            of(&self.0.clicks),
            of(&self.0.refused),
            of(&self.0.listeners),
            of(&self.0.events),
            self.notes()
        )
    }

    /// How often the vendor was told something.
    fn notes(&self) -> u64 {
        let requests = self.0.vendor.requests();
        let notes = requests.iter().filter(|call| call.method == "POST");
        notes.count() as u64
    }

    /// A service that refuses what comes keeps flat for the wrong reason.
    pub(crate) fn acknowledged_enough(&self) -> Result<(), String> {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (clicks, refused) = (of(&self.0.clicks), of(&self.0.refused));
        let has_told = self.notes() > of(&self.0.visitors) / 20;
        if clicks < 1000 || refused * 100 > clicks || of(&self.0.events) == 0 || !has_told {
            return Err(format!("too little came through: {}", self.counts()));
        }
        Ok(())
    }
}

impl Shared {
    /// Where one of them turns to next.
    fn url(&self, turn: u64) -> &str {
        let count = self.urls.len() as u64;
        &self.urls[usize::try_from(turn % count).unwrap_or(0)]
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// A session from its first click to its last; every third opens a conversation on the way.
    async fn visit(&self) {
        let number = self.visitors.fetch_add(1, Ordering::Relaxed);
        let session = format!("soak{}", number % PEOPLE);
        for click in 0..CLICKS {
            let label = label(
                &session,
                usize::try_from(number).unwrap_or(0) * CLICKS + click,
            );
            let url = self.url(number + click as u64);
            let sent = send(&self.client, url, &session, &label).await;
            let counter = match sent {
                Ok(answer) if answer.status() == 200 => &self.clicks,
                _ => &self.refused,
            };
            counter.fetch_add(1, Ordering::Relaxed);
            if click == CLICKS / 2 && number.is_multiple_of(CONVERSING) {
                // A refusal shows in the counts of clicks as well.
                let _ = send_webhook(&self.client, url, "acme", &self.vendor, &session).await;
            }
            self.clock.sleep(Duration::from_millis(5)).await;
        }
    }

    /// A listener who takes what comes for a while and hangs up.
    async fn listen(&self) {
        let number = self.listeners.fetch_add(1, Ordering::Relaxed);
        let stay = Duration::from_millis(50 + number * 37 % 1500);
        let since = if number.is_multiple_of(2) {
            "?since=0-0"
        } else {
            ""
        };
        let request = self
            .client
            .get(format!("{}/stream/acme{since}", self.url(number / 2)));
        let listening = async {
            let mut frames = Frames::open(request).await?;
            while let Some(frame) = frames.next().await? {
                if frame.starts_with("id:") {
                    self.events.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok::<(), String>(())
        };
        let _ = self.clock.timeout(stay, listening).await;
        self.clock.sleep(Duration::from_millis(10)).await;
    }
}

/// The vendor's network, from sample to sample: mostly fair, and everything else in turn.
pub(crate) fn weather(number: u32) -> Weather {
    let slow = Way {
        latency: Duration::from_millis(80),
        jitter: Duration::from_millis(80),
        ..Way::default()
    };
    let hole = Way {
        is_black_hole: true,
        ..Way::default()
    };
    let cut = Way {
        end: Some((40, End::Reset)),
        ..Way::default()
    };
    match number % 10 {
        3 => Weather {
            down: true,
            ..Weather::default()
        },
        5 => Weather {
            answer: slow,
            ..Weather::default()
        },
        7 => Weather {
            answer: hole,
            ..Weather::default()
        },
        8 => Weather {
            answer: cut,
            ..Weather::default()
        },
        _ => Weather::default(),
    }
}

//! How often to speak first, and when to stop trying (contract 5.1, gates 3 and 5).
//!
//! The cast: a [`Circuit`] opens when deliveries keep failing, and [`Outcome`] says which of them count;
//! [`Limits`] are what a product allows; a [`Place`] is where an offer would be made, and names the
//! [`Counter`]s that are looked at first. Whoever stores the counters adds one to each of them when an offer is
//! made, and takes one whose time has ended for zero.

use jiff::civil::date;
use jiff::{Span, civil};
use serde::{Deserialize, Serialize};

use crate::domain::cooldown::Cooldown;
use crate::domain::loose::trim;

/// How an attempt to deliver an offer ended (contract 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It has arrived.
    Success,
    /// There was no connection, or it broke.
    TransportError,
    /// The vendor asked for fewer calls.
    RateLimited,
    /// There was no answer in time.
    Timeout,
    /// Nobody wanted it any more.
    Cancelled,
    /// It was refused as it is.
    ValidationError,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 6] = [
        Self::Success,
        Self::TransportError,
        Self::RateLimited,
        Self::Timeout,
        Self::Cancelled,
        Self::ValidationError,
    ];

    /// The published name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::TransportError => "transport_error",
            Self::RateLimited => "rate_limited",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::ValidationError => "validation_error",
        }
    }

    /// Whether it says that the next attempt would fail as well.
    pub fn is_failure(self) -> bool {
        matches!(
            self,
            Self::TransportError | Self::RateLimited | Self::Timeout
        )
    }
}

/// When a circuit opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CircuitSettings {
    /// So many failures in a row open it; 0 for never.
    pub failure_threshold: u32,
    /// How long it stays open, seconds; what is below zero counts as zero.
    pub pause_s: f64,
}

impl Default for CircuitSettings {
    fn default() -> Self {
        Self {
            failure_threshold: 5,
            pause_s: 120.0,
        }
    }
}

/// Whether deliveries to a product's surface are tried at all. Times are of one clock, whichever.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Circuit {
    fail_streak: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open_until: Option<Cooldown>,
}

impl Circuit {
    /// Failures in a row since it last opened, or since the last success.
    pub fn fail_streak(&self) -> u32 {
        self.fail_streak
    }

    /// Until when it is open; stays until somebody asks whether it is.
    pub fn open_until(&self) -> Option<Cooldown> {
        self.open_until
    }

    /// Notes a failure; whether that opened it. It takes a whole new streak to open it again, or to keep it
    /// open for longer.
    pub fn fail(&mut self, settings: &CircuitSettings, now: f64) -> bool {
        if settings.failure_threshold == 0 {
            return false;
        }
        self.fail_streak = self.fail_streak.saturating_add(1);
        let opens = self.fail_streak >= settings.failure_threshold;
        if opens {
            self.fail_streak = 0;
            self.open_until = Some(Cooldown::of(settings.pause_s.max(0.0), now));
        }
        opens
    }

    /// Notes a success, which closes it.
    pub fn succeed(&mut self) {
        *self = Self::default();
    }

    /// Whether it is open. The first look at its end or later closes it for good.
    pub fn is_open(&mut self, now: f64) -> bool {
        self.open_until = self.open_until.filter(|until| until.is_running(now));
        self.open_until.is_some()
    }
}

/// How often a product allows to speak first. Zero is no limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// How long after an offer in a session until the next one, seconds.
    pub min_interval_s: f64,
    /// The most offers of a product in a minute.
    pub per_product_minute: u32,
    /// The most offers in a session in an hour.
    pub per_session_hour: u32,
    /// The most offers to a user on a day of UTC.
    pub per_user_day: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            min_interval_s: 300.0,
            per_product_minute: 0,
            per_session_hour: 0,
            per_user_day: 0,
        }
    }
}

/// What is remembered about a product's surface, as it is named in identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// That the circuit is open.
    CircuitOpen,
    /// Failures in a row.
    FailStreak,
    /// That an offer was made in a session lately.
    MinInterval,
    /// Offers of the product in a minute.
    ProductMinute,
    /// Offers in a session in an hour.
    SessionHour,
    /// Offers to a user on a day.
    UserDay,
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Self::CircuitOpen => "circuit_open",
            Self::FailStreak => "fail_streak",
            Self::MinInterval => "min_interval",
            Self::ProductMinute => "attempts_min",
            Self::SessionHour => "sess_hour",
            Self::UserDay => "user_day",
        }
    }

    /// Why nothing is said, where this is what keeps us from it (contract 1.12).
    pub fn skip_reason(self) -> &'static str {
        match self {
            Self::CircuitOpen | Self::FailStreak => "resilience:circuit_open",
            Self::MinInterval => "resilience:min_interval",
            Self::ProductMinute => "quota:product_minute",
            Self::SessionHour => "quota:session_hour",
            Self::UserDay => "quota:user_day",
        }
    }
}

/// The published identifier of what is remembered, without a host's prefix. Blanks around a part do not count;
/// nothing is escaped, so a colon in one part may make two identifiers the same.
pub fn identifier(surface: &str, product: &str, role: Role, rest: &[&str]) -> String {
    let mut identifier = "v1".to_owned();
    let head = [surface, product, role.as_str()];
    for part in head.iter().chain(rest) {
        identifier.push(':');
        identifier.push_str(trim(part));
    }
    identifier
}

/// Where an offer would be made.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// By which way it would reach the user, e.g. `intercom`.
    pub surface: &'a str,
    /// The tenant.
    pub product: &'a str,
    /// The session.
    pub session: &'a str,
    /// The user; a day's offers to nobody in particular are not counted.
    pub user: Option<&'a str>,
}

/// A count of offers, and what it may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Counter {
    /// What it counts.
    pub role: Role,
    /// Which one it is; names the window too, where that begins on the clock.
    pub id: String,
    /// When it ends, Unix seconds: from then on it is zero again.
    pub ends_at: f64,
    /// The most offers.
    pub max: u32,
}

impl Counter {
    /// Whether one more is allowed.
    pub fn permits(&self, count: u64) -> bool {
        count < u64::from(self.max)
    }
}

impl Place<'_> {
    /// The counter of the minimum interval, if there is one. It begins with the offer that it counts.
    pub fn interval(&self, limits: &Limits, now: f64) -> Option<Counter> {
        let has_limit = limits.min_interval_s > 0.0;
        has_limit.then(|| Counter {
            role: Role::MinInterval,
            id: self.id(Role::MinInterval, &[self.session]),
            ends_at: now + limits.min_interval_s,
            max: 1,
        })
    }

    /// The counters of the quotas that there are, in the order in which they are looked at.
    pub fn quotas(&self, limits: &Limits, now: f64) -> impl Iterator<Item = Counter> {
        let minute = limited(limits.per_product_minute).map(|max| {
            let minute = (now / MINUTE_S).floor();
            Counter {
                role: Role::ProductMinute,
                id: self.id(Role::ProductMinute, &[&minute.to_string()]),
                ends_at: (minute + 1.0) * MINUTE_S,
                max,
            }
        });
        let hour = limited(limits.per_session_hour).map(|max| {
            let start = (now / HOUR_S).floor() * HOUR_S;
            Counter {
                role: Role::SessionHour,
                id: self.id(Role::SessionHour, &[self.session, &start.to_string()]),
                ends_at: start + HOUR_S,
                max,
            }
        });
        let user = self.user.zip(limited(limits.per_user_day));
        let day = user.map(|(user, max)| {
            let day = (now / DAY_S).floor();
            Counter {
                role: Role::UserDay,
                id: self.id(Role::UserDay, &[user, &day_text(day)]),
                ends_at: (day + 1.0) * DAY_S,
                max,
            }
        });
        [minute, hour, day].into_iter().flatten()
    }

    fn id(&self, role: Role, rest: &[&str]) -> String {
        identifier(self.surface, self.product, role, rest)
    }
}

const MINUTE_S: f64 = 60.0;
const HOUR_S: f64 = 3600.0;
const DAY_S: f64 = 86_400.0;

fn limited(max: u32) -> Option<u32> {
    (max > 0).then_some(max)
}

/// `2023-11-14`; a day that no calendar has is its number.
fn day_text(day: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "float casts saturate, and what is out of the calendar is refused by it"
    )]
    let days = Span::new().try_days(day as i64);
    let found = days.and_then(|days| EPOCH.checked_add(days));
    found.map_or_else(|_| day.to_string(), |date| date.to_string())
}

const EPOCH: civil::Date = date(1970, 1, 1);

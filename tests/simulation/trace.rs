//! What happened, in order: a hash to tell whether two runs were the same, lines to read one, and the
//! first law that was broken.

use std::fmt::Arguments;
use std::hash::{DefaultHasher, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_connector::clock::Clock;

/// The record of one run. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Trace {
    clock: Clock,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    hasher: DefaultHasher,
    events: u64,
    prints: bool,
    broken: Option<Broken>,
}

/// A law that does not hold.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    /// Its name.
    pub(crate) law: &'static str,
    /// What was found instead.
    pub(crate) text: String,
}

impl Trace {
    pub(crate) fn new(clock: Clock, prints: bool) -> Self {
        let inner = Inner {
            hasher: DefaultHasher::new(),
            events: 0,
            prints,
            broken: None,
        };
        Self {
            clock,
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// Records an event of `who` and gives it a number.
    #[expect(clippy::print_stdout, reason = "TRACE=1 asks for it")]
    pub(crate) fn tell(&self, who: &str, what: Arguments<'_>) -> u64 {
        let at_ms = self.clock.now_ms() - START_MS;
        let line = format!("{:>9}.{:03} {who:<8} {what}", at_ms / 1000, at_ms % 1000);
        let mut inner = self.lock();
        inner.hasher.write(line.as_bytes());
        inner.events += 1;
        if inner.prints {
            println!("{line}");
        }
        inner.events
    }

    /// The number of the newest event.
    pub(crate) fn now(&self) -> u64 {
        self.lock().events
    }

    /// Says that `law` does not hold. Only the first counts: what follows may come from it.
    pub(crate) fn break_law(&self, law: &'static str, text: String) {
        self.tell("LAW", format_args!("{law}: {text}"));
        self.lock().broken.get_or_insert(Broken { law, text });
    }

    pub(crate) fn broken(&self) -> Option<Broken> {
        self.lock().broken.clone()
    }

    pub(crate) fn hash(&self) -> u64 {
        self.lock().hasher.finish()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When every run begins, Unix milliseconds.
pub(crate) const START_MS: u64 = 1_779_095_640_000;

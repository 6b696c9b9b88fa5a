//! Ingest requests at the entrance: under way, waiting for it, or refused.
//!
//! A refusal costs a good part of what an acceptance costs, and whoever is refused often comes back at once.
//! Above what the store can take, a service that only refuses therefore spends its time on refusals. So a
//! request that finds no place waits for one, for a while, and its sender waits with it: a connection that
//! waits sends nothing more.
//!
//! Guaranteed:
//!
//! * Requests under way and requests that wait are bounded, in all and for each product (see
//!   [`super::admission`]); only what exceeds both, or has waited for its whole time, is refused.
//! * The requests of one product enter in the order in which they came, and products take turns: however
//!   many requests of one wait, a place that another may have is not kept from it.
//! * Only whose sender is known may wait or enter. Strangers are refused before they come here.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::Histogram;
use tokio::sync::oneshot;

use super::admission::{Exhausted, Hold, Shares};
use crate::clock::Clock;
use crate::domain::id::ProductId;

/// The entrance. Cheap to clone.
#[derive(Clone)]
pub(super) struct Queue(Arc<Inner>);

struct Inner {
    /// Those under way.
    places: Shares,
    /// Those that wait.
    room: Shares,
    /// How long one may wait.
    wait: Duration,
    clock: Clock,
    seconds: Histogram,
    lines: Mutex<Lines>,
}

/// Who waits: one line for each product.
#[derive(Default)]
struct Lines {
    by_product: HashMap<ProductId, VecDeque<(u64, oneshot::Sender<Place>)>>,
    /// The products with a line; whose turn is next stands first.
    turns: VecDeque<ProductId>,
    waiters_ever: u64,
}

/// A request's place among those under way; given back when dropped.
pub(super) struct Place {
    queue: Queue,
    hold: Hold,
}

/// A request's place in its line; left when dropped.
struct Waiter<'a> {
    queue: &'a Queue,
    product: &'a ProductId,
    number: u64,
    given: oneshot::Receiver<Place>,
    _room: Hold,
}

impl Queue {
    /// Nobody is here yet.
    pub(super) fn new(
        places: Shares,
        room: Shares,
        wait: Duration,
        clock: Clock,
        seconds: Histogram,
    ) -> Self {
        Self(Arc::new(Inner {
            places,
            room,
            wait,
            clock,
            seconds,
            lines: Mutex::default(),
        }))
    }

    /// Takes a place for a request of the product, at once or after waiting.
    ///
    /// # Errors
    ///
    /// When too many wait already, or none became free in time.
    pub(super) async fn enter(&self, product: &ProductId) -> Result<Place, Exhausted> {
        let mut waiter = {
            let mut lines = self.lock();
            if !lines.by_product.contains_key(product) {
                let mut hold = self.0.places.open(product);
                if hold.try_grow(1).is_ok() {
                    drop(lines);
                    return Ok(self.place(hold));
                }
            }
            let mut room = self.0.room.open(product);
            room.grow(1)?;
            let (give, given) = oneshot::channel();
            Waiter {
                queue: self,
                product,
                number: lines.join(product, give),
                given,
                _room: room,
            }
        };
        let Inner { clock, wait, .. } = &*self.0;
        let began = clock.monotonic();
        let given = clock.timeout(*wait, &mut waiter.given).await;
        self.0.seconds.observe(clock.since(began).as_secs_f64());
        if let Some(Ok(place)) = given {
            return Ok(place);
        }
        self.0.places.count_refusal(product);
        Err(Exhausted)
    }

    fn place(&self, hold: Hold) -> Place {
        Place {
            queue: self.clone(),
            hold,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives what is free to those who wait.
    fn serve(&self) {
        loop {
            let next = self.lock().next(&self.0.places);
            let Some((waiter, hold)) = next else { return };
            // Who has just given up drops it, and it comes back here.
            let _ = waiter.send(self.place(hold));
        }
    }
}

impl Lines {
    /// Goes to the end of the product's line; returns the number there.
    fn join(&mut self, product: &ProductId, give: oneshot::Sender<Place>) -> u64 {
        self.waiters_ever += 1;
        let line = self.by_product.entry(product.clone()).or_default();
        if line.is_empty() {
            self.turns.push_back(product.clone());
        }
        line.push_back((self.waiters_ever, give));
        self.waiters_ever
    }

    /// Leaves the product's line, if still in it.
    fn leave(&mut self, product: &ProductId, number: u64) {
        let Some(line) = self.by_product.get_mut(product) else {
            return;
        };
        if let Ok(at) = line.binary_search_by_key(&number, |(number, _)| *number) {
            line.remove(at);
        }
        if line.is_empty() {
            self.by_product.remove(product);
            self.turns.retain(|waiting| waiting != product);
        }
    }

    /// The first of the first product that may have one more of `places`, with what it now holds.
    fn next(&mut self, places: &Shares) -> Option<(oneshot::Sender<Place>, Hold)> {
        for _ in 0..self.turns.len() {
            let product = self.turns.pop_front()?;
            let mut hold = places.open(&product);
            let line = self.by_product.get_mut(&product)?;
            if hold.try_grow(1).is_err() {
                self.turns.push_back(product);
                continue;
            }
            let (_, waiter) = line.pop_front()?;
            if line.is_empty() {
                self.by_product.remove(&product);
            } else {
                self.turns.push_back(product);
            }
            return Some((waiter, hold));
        }
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hold.release();
        self.queue.serve();
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        // What is given from now on finds nobody; what was given before is dropped after this.
        self.queue.lock().leave(self.product, self.number);
    }
}

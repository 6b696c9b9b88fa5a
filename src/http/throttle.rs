//! How often one address, and all of them together, may ask for what costs a write.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Instant};

/// The span over which requests are counted.
const SPAN: Duration = Duration::from_secs(60);

/// The most addresses that are told apart; further ones wait for the next span together.
const ADDRESSES_MAX: usize = 10_000;

/// Counts requests in spans of a minute.
pub(super) struct Throttle {
    clock: Clock,
    each_max: u32,
    all_max: u32,
    counted: Mutex<Option<Counted>>,
}

struct Counted {
    began: Instant,
    all: u32,
    by_address: HashMap<IpAddr, u32>,
}

impl Throttle {
    /// Nothing was asked yet.
    pub(super) fn new(clock: Clock, each_max: u32, all_max: u32) -> Self {
        Self {
            clock,
            each_max,
            all_max,
            counted: Mutex::default(),
        }
    }

    /// Counts a request; whether it may go on.
    pub(super) fn admits(&self, address: IpAddr) -> bool {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |counted: &Counted| self.clock.since(counted.began) >= SPAN;
        if counted.as_ref().is_none_or(is_over) {
            *counted = None;
        }
        let counted = counted.get_or_insert_with(|| Counted {
            began: self.clock.monotonic(),
            all: 0,
            by_address: HashMap::new(),
        });
        let address = network(address);
        if counted.all >= self.all_max
            || (counted.by_address.len() >= ADDRESSES_MAX
                && !counted.by_address.contains_key(&address))
        {
            return false;
        }
        let own = counted.by_address.entry(address).or_default();
        if *own >= self.each_max {
            return false;
        }
        *own += 1;
        counted.all += 1;
        true
    }
}

/// Whoever has one IPv6 address has all of its network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::from((address.to_bits() & (u128::MAX << 64)).to_be_bytes()),
        address => address,
    }
}

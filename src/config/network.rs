//! Networks whose word about client addresses is taken.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// An address or a range of addresses, written `10.0.0.0/8`, `::1` or `192.0.2.7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u32,
}

impl Network {
    /// Whether `address` lies in this network. An IPv4 address that arrives mapped into IPv6 counts
    /// as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => shares_prefix(
                own.to_bits().into(),
                other.to_bits().into(),
                self.prefix_bits + 96,
            ),
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                shares_prefix(own.to_bits(), other.to_bits(), self.prefix_bits)
            }
            _ => false,
        }
    }
}

/// Whether the first `bits` of 128 agree.
fn shares_prefix(a: u128, b: u128, bits: u32) -> bool {
    (a ^ b).leading_zeros() >= bits
}

impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| ())?;
        let address_bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix {
            Some(prefix) => prefix.trim().parse().map_err(|_| ())?,
            None => address_bits,
        };
        if prefix_bits > address_bits {
            return Err(());
        }
        Ok(Self {
            address,
            prefix_bits,
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

//! Which addresses the whole internet can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 networks that are not part of the public internet: network and prefix length
/// (IANA special-purpose registry, RFC 6890 and its successors).
const V4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),       // this network
    ([10, 0, 0, 0], 8),      // private
    ([100, 64, 0, 0], 10),   // carrier-grade NAT, and the metadata of some clouds
    ([127, 0, 0, 0], 8),     // loopback
    ([169, 254, 0, 0], 16),  // link-local, and the metadata of most clouds
    ([172, 16, 0, 0], 12),   // private
    ([192, 0, 0, 0], 24),    // protocol assignments
    ([192, 0, 2, 0], 24),    // documentation
    ([192, 88, 99, 0], 24),  // 6to4 relays
    ([192, 168, 0, 0], 16),  // private
    ([198, 18, 0, 0], 15),   // benchmarking
    ([198, 51, 100, 0], 24), // documentation
    ([203, 0, 113, 0], 24),  // documentation
    ([224, 0, 0, 0], 4),     // multicast
    ([240, 0, 0, 0], 4),     // class E, and broadcast
];

/// The only part of IPv6 that is routed on the public internet.
const GLOBAL_UNICAST: ([u16; 8], u32) = ([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// What of it is not: network and prefix length. Everything outside of it (loopback, unspecified, ULA,
/// link-local, site-local, multicast, NAT64, SRv6, discard) is refused as a whole.
const V6: &[([u16; 8], u32)] = &[
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), // protocol assignments: Teredo, benchmarking, ORCHID
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), // documentation
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), // 6to4
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), // documentation
];

/// The well-known prefix of NAT64.
const NAT64: ([u16; 8], u32) = ([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);

/// Teredo, which carries the address of a server and, with its bits turned over, that of a client.
const TEREDO: ([u16; 8], u32) = ([0x2001, 0, 0, 0, 0, 0, 0, 0], 32);

/// 6to4.
const SIX_TO_FOUR: ([u16; 8], u32) = ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16);

/// IPv4-compatible addresses, which nobody should use any more.
const COMPATIBLE: ([u16; 8], u32) = ([0; 8], 96);

/// Whether anybody on the internet could reach the address. An IPv4 address that is mapped into IPv6 is
/// judged as what it is; every other address that carries an IPv4 one is not public.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let bits = u128::from(address.to_bits());
            !V4.iter()
                .any(|(network, prefix)| shares_prefix(bits, v4(*network), prefix + 96))
        }
        IpAddr::V6(address) => {
            is_in(address, GLOBAL_UNICAST) && !V6.iter().any(|network| is_in(address, *network))
        }
    }
}

/// The IPv4 addresses to which a packet for this address may end up going.
pub fn embedded(address: IpAddr) -> Vec<Ipv4Addr> {
    let IpAddr::V6(address) = address.to_canonical() else {
        return Vec::new();
    };
    let bits = address.to_bits();
    let last = low(bits);
    if is_in(address, TEREDO) {
        vec![low(bits >> 64), Ipv4Addr::from_bits(!last.to_bits())]
    } else if is_in(address, SIX_TO_FOUR) {
        vec![low(bits >> 80)]
    } else if is_in(address, NAT64) || is_in(address, COMPATIBLE) {
        vec![last]
    } else {
        Vec::new()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the last 32 bits are what is wanted"
)]
fn low(bits: u128) -> Ipv4Addr {
    Ipv4Addr::from_bits(bits as u32)
}

fn v4(octets: [u8; 4]) -> u128 {
    Ipv4Addr::from(octets).to_bits().into()
}

fn is_in(address: Ipv6Addr, (network, prefix): ([u16; 8], u32)) -> bool {
    shares_prefix(address.to_bits(), Ipv6Addr::from(network).to_bits(), prefix)
}

/// Whether the first `bits` of 128 agree.
fn shares_prefix(a: u128, b: u128, bits: u32) -> bool {
    (a ^ b).leading_zeros() >= bits
}

//! Which addresses may be called, in every spelling.

use std::net::{IpAddr, Ipv4Addr};

use event_connector::config::Network;
use event_connector::delivery::guard::address::is_public;
use event_connector::delivery::guard::{Guard, Lookup, System};
use event_connector::fields::EndpointUrl;
use proptest::prelude::*;

/// Addresses that only this machine, its network or nobody can reach.
const PRIVATE: &[&str] = &[
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::2",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::1",
    "100::1",
    "100:0:0:1::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:808:808::1",
    "3fff::1",
    "3fff:fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd12:3456:789a::1",
    "fe80::1",
    "fe80::a9fe:a9fe",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
];

/// Addresses that anybody can reach, just beside the former.
const PUBLIC: &[&str] = &[
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.0.3.0",
    "192.88.98.255",
    "192.88.100.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.255",
    "203.0.112.255",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2001:db7::1",
    "2003::1",
    "2606:4700::1111",
    "2a00:1450:4001:830::200e",
    "3ffe::1",
];

/// Spellings of 127.0.0.1, 169.254.169.254, ::1 and others as URLs may hold them.
const SPELLINGS: &[&str] = &[
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://2130706433/",
    "https://017700000001/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://0x7F.1/",
    "https://127.0.0.1./",
    "https://127.0.0.1:8443/",
    "https://%31%32%37.0.0.1/",
    "https://１２７.0.0.1/",
    "https://127。0。0。1/",
    "https://0/",
    "https://0.0.0.0/",
    "https://00000/",
    "https://2852039166/",
    "https://0xa9fea9fe/",
    "https://169.254.43518/",
    "https://169.16689662/",
    "https://0251.0376.0251.0376/",
    "https://[::]/",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[0:0:0:0:0:ffff:127.0.0.1]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
    "https://[fe80::1]/",
    "https://[fd00::1]/",
    "https:\\\\127.0.0.1\\",
    "https:127.0.0.1/",
    "https:///127.0.0.1/",
    "HTTPS://127.0.0.1/",
    "https://127.0.0.1?x",
    "https://\t127.0.0.1/",
];

pub(super) fn address(text: &str) -> IpAddr {
    text.parse()
        .unwrap_or_else(|_| panic!("{text} is an address"))
}

fn closed() -> Guard {
    Guard::new(true, |_| false, System)
}

/// Opens networks beside the public internet.
pub(super) fn with(networks: &[&str], lookup: impl Lookup) -> Guard {
    let networks: Vec<Network> = networks
        .iter()
        .map(|text| text.parse().expect("a network"))
        .collect();
    let opens = move |address| networks.iter().any(|network| network.contains(address));
    Guard::new(true, opens, lookup)
}

#[test]
fn what_is_not_public_is_refused_and_what_is_beside_it_is_not() {
    let guard = closed();
    for text in PRIVATE {
        assert!(
            !is_public(address(text)) && !guard.admits(address(text)),
            "{text}"
        );
    }
    for text in PUBLIC {
        assert!(
            is_public(address(text)) && guard.admits(address(text)),
            "{text}"
        );
    }
}

#[test]
fn every_spelling_of_an_address_is_read_as_the_client_reads_it() {
    let guard = closed();
    for text in SPELLINGS {
        let url = EndpointUrl::parse(text).unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
        let wrong = guard.check(url.url()).expect_err(text);
        assert!(
            wrong.starts_with("the address is not public"),
            "{text}: {wrong}"
        );
    }
    for text in [
        "https://8.8.8.8/",
        "https://134744072/",
        "https://hooks.example.org/",
    ] {
        let url = EndpointUrl::parse(text).expect(text);
        assert_eq!(guard.check(url.url()), Ok(()), "{text}");
    }
}

#[test]
fn a_url_is_checked_again_when_it_is_called() {
    let guard = Guard::new(false, |_| true, System);
    for (text, words) in [
        (
            "http://8.8.8.8/",
            "the address is not https, and push.allow_http is false",
        ),
        ("ftp://8.8.8.8/", "the address is neither https nor http"),
        (
            "https://u@8.8.8.8/",
            "the address holds a user name or a password",
        ),
        (
            "https://:p@8.8.8.8/",
            "the address holds a user name or a password",
        ),
        ("data:text/plain,x", "the address is neither https nor http"),
    ] {
        let url = text.parse().expect("a URL");
        assert_eq!(guard.check(&url), Err(words), "{text}");
    }
}

#[test]
fn an_open_network_opens_itself_and_not_what_is_wrapped_in_it() {
    let guard = with(
        &["10.0.0.0/8", "64:ff9b::/96", "2002::/16", "2001::/32"],
        System,
    );
    for text in [
        "10.1.2.3",
        "::ffff:10.1.2.3",
        "64:ff9b::8.8.8.8",
        "64:ff9b::10.0.0.1",
        "2002:808:808::1",
    ] {
        assert!(guard.admits(address(text)), "{text}");
    }
    for text in [
        "127.0.0.1",
        "::ffff:127.0.0.1",
        "192.168.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::169.254.169.254",
        "2002:7f00:1::1",
        "2001:0:808:808:8000:63bf:80ff:fffe",
        "2001:0:7f00:1:8000:63bf:f7f7:f7f7",
    ] {
        assert!(!guard.admits(address(text)), "{text}");
    }
}

proptest! {
    #[test]
    fn an_ipv4_address_is_judged_alike_however_it_is_mapped(bits in any::<u32>()) {
        let plain = Ipv4Addr::from_bits(bits);
        let mapped = IpAddr::V6(plain.to_ipv6_mapped());
        prop_assert_eq!(is_public(plain.into()), is_public(mapped));
        let own = plain.is_private() || plain.is_loopback() || plain.is_link_local()
            || plain.is_multicast() || plain.is_broadcast() || plain.is_documentation()
            || plain.is_unspecified();
        prop_assert!(!own || !is_public(plain.into()));
    }
}

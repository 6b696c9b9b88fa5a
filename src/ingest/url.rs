//! The canonical form of a URL (contract 3.6.5): where the user was, without which of many things
//! they looked at. Applying it twice changes nothing. What cannot be taken apart is kept as it is.

use std::borrow::Cow;

use super::identifier::{PLACEHOLDER, is_identifier};
use super::settings::UrlStyle;

/// A URL in canonical form.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Canonical {
    text: String,
    /// Where the path begins, for URLs that lead to a page of a site.
    path_at: Option<usize>,
}

impl Canonical {
    /// The path with its hash route; `None` for URLs without a host and unparseable ones, which
    /// have no page name. Relative URLs are all path.
    pub(crate) fn path(&self) -> Option<&str> {
        self.path_at.and_then(|at| self.text.get(at..))
    }

    /// The text in the style a product chose.
    pub(crate) fn into_text(mut self, style: UrlStyle) -> String {
        match (style, self.path_at) {
            (UrlStyle::Path, Some(at)) => self.text.split_off(at),
            _ => self.text,
        }
    }
}

/// The canonical form of `url`, which has its secrets removed already.
pub(crate) fn canonical(url: &str) -> Canonical {
    let url = one_line(url);
    match split(&url) {
        Parts::Site {
            scheme,
            authority,
            rest,
        } => match Authority::parse(scheme, authority) {
            Some(authority) => site(scheme, &authority, rest),
            None => copied(&url),
        },
        Parts::Opaque { scheme, rest } => opaque(scheme, rest),
        Parts::Relative(rest) => {
            let mut text = String::with_capacity(rest.len());
            push_location(rest, rest.starts_with('/'), &mut text);
            Canonical {
                text,
                path_at: Some(0),
            }
        }
    }
}

enum Parts<'u> {
    /// `scheme://authority…`, or `//authority…` with an empty scheme.
    Site {
        scheme: &'u str,
        authority: &'u str,
        rest: &'u str,
    },
    /// `scheme:…` without an authority.
    Opaque { scheme: &'u str, rest: &'u str },
    /// Anything else.
    Relative(&'u str),
}

fn split(url: &str) -> Parts<'_> {
    let scheme = url.split_once(':').filter(|(scheme, _)| is_scheme(scheme));
    let (scheme, after) = scheme.unwrap_or(("", url));
    let Some(after) = after.strip_prefix("//") else {
        return if scheme.is_empty() {
            Parts::Relative(url)
        } else {
            Parts::Opaque {
                scheme,
                rest: after,
            }
        };
    };
    let end = after.find(['/', '?', '#']).unwrap_or(after.len());
    let (authority, rest) = after.split_at(end);
    if scheme.is_empty() && Authority::parse(scheme, authority).is_none() {
        return Parts::Relative(url);
    }
    Parts::Site {
        scheme,
        authority,
        rest,
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

struct Authority {
    host: String,
    port: Option<u16>,
}

impl Authority {
    /// `None` for a host or port that cannot be one. Only files may lack a host.
    fn parse(scheme: &str, authority: &str) -> Option<Self> {
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let colon = match authority.rfind(']') {
            Some(bracket) => authority[bracket..].find(':').map(|found| bracket + found),
            None => authority.find(':'),
        };
        let (host, port) = match colon {
            Some(colon) => (&authority[..colon], &authority[colon + 1..]),
            None => (authority, ""),
        };
        let port = if port.is_empty() {
            None
        } else {
            Some(parse_port(port)?)
        };
        let valid = match host.strip_prefix('[') {
            Some(address) => address.strip_suffix(']').is_some_and(is_ip_literal),
            None if host.is_empty() => scheme.eq_ignore_ascii_case("file") && port.is_none(),
            None => !host.contains(is_forbidden_in_host),
        };
        valid.then(|| Self {
            host: host.to_lowercase(),
            port: port.filter(|port| default_port(scheme) != Some(*port)),
        })
    }
}

fn parse_port(port: &str) -> Option<u16> {
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| port.parse().ok()).flatten()
}

fn is_ip_literal(address: &str) -> bool {
    !address.is_empty()
        && address
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
}

fn is_forbidden_in_host(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '"' | '%' | '<' | '>' | '[' | ']' | '\\' | '^' | '`' | '{' | '|' | '}' | ':'
        )
}

fn default_port(scheme: &str) -> Option<u16> {
    [
        ("http", 80),
        ("https", 443),
        ("ws", 80),
        ("wss", 443),
        ("ftp", 21),
    ]
    .into_iter()
    .find(|(name, _)| scheme.eq_ignore_ascii_case(name))
    .map(|(_, port)| port)
}

fn site(scheme: &str, authority: &Authority, rest: &str) -> Canonical {
    let mut text = String::with_capacity(rest.len() + 64);
    text.push_str(scheme);
    text.make_ascii_lowercase();
    text.push_str(if scheme.is_empty() { "//" } else { "://" });
    text.push_str(&authority.host);
    if let Some(port) = authority.port {
        text.push(':');
        text.push_str(&port.to_string());
    }
    let path_at = (!authority.host.is_empty()).then_some(text.len());
    push_location(rest, true, &mut text);
    Canonical { text, path_at }
}

fn opaque(scheme: &str, rest: &str) -> Canonical {
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let text = format!("{}:{rest}", scheme.to_ascii_lowercase());
    Canonical {
        text: text.trim_end().to_owned(),
        path_at: None,
    }
}

fn copied(url: &str) -> Canonical {
    Canonical {
        text: url.to_owned(),
        path_at: None,
    }
}

/// Appends the path, and the hash route when the fragment is one.
fn push_location(rest: &str, rooted: bool, text: &mut String) {
    let (before, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let path = before.split('?').next().unwrap_or_default();
    let route = fragment.strip_prefix('!').unwrap_or(fragment);
    let route = route
        .starts_with('/')
        .then(|| route.split(['?', '#']).next().unwrap_or_default());
    let segments = push_segments(path, rooted, text);
    if let Some(route) = route {
        text.push_str("/#");
        if push_segments(route, true, text) == 0 {
            text.push('/');
        }
    } else if segments == 0 && rooted {
        text.push('/');
    }
}

/// Appends the segments that are not empty, each after a slash; the first without one unless the
/// path is `rooted`. Says how many there were.
fn push_segments(path: &str, rooted: bool, text: &mut String) -> usize {
    let mut count = 0;
    for segment in path
        .split('/')
        .map(str::trim)
        .filter(|segment| !segment.is_empty())
    {
        if rooted || count > 0 {
            text.push('/');
        }
        text.push_str(if is_identifier(segment) {
            PLACEHOLDER
        } else {
            segment
        });
        count += 1;
    }
    count
}

/// Trimmed and without control characters, as browsers read URLs.
fn one_line(url: &str) -> Cow<'_, str> {
    let trimmed = url.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    if trimmed.contains(char::is_control) {
        let kept: String = trimmed.chars().filter(|c| !c.is_control()).collect();
        Cow::Owned(kept.trim().to_owned())
    } else {
        Cow::Borrowed(trimmed)
    }
}

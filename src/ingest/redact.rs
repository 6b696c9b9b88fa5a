//! Secrets out of captured URLs (contract 3.6.5): user info, and the values of parameters that
//! carry secrets, in the query as well as in the fragment, where sign-in flows put them.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// What stands in for a removed value.
const REDACTED: &str = "REDACTED";

/// The URL without secrets, otherwise unchanged. `names` are compared in any case.
pub(crate) fn redact<'u>(url: &'u str, names: &[String]) -> Cow<'u, str> {
    match without_user_info(url) {
        None => redact_parameters(url, names).map_or(Cow::Borrowed(url), Cow::Owned),
        Some(url) => Cow::Owned(redact_parameters(&url, names).unwrap_or(url)),
    }
}

/// `None` when there is no user info.
fn without_user_info(url: &str) -> Option<String> {
    let (before, after) = url.split_once("//")?;
    let scheme = before.trim_start().strip_suffix(':').unwrap_or(before);
    if !scheme
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'.' | b'-'))
    {
        return None;
    }
    let authority = after.split(['/', '?', '#']).next()?;
    let user_info = authority.rfind('@')? + 1;
    Some(format!("{before}//{}", &after[user_info..]))
}

/// `None` when nothing had to be removed.
fn redact_parameters(url: &str, names: &[String]) -> Option<String> {
    let mut redacted = String::new();
    let mut copied = 0;
    let mut at = position(url, 0, b"?#")?;
    loop {
        let name_start = at + 1;
        let name_end = end_of(url, name_start, b"?#&;=");
        at = name_end;
        if url[name_end..].starts_with('=') {
            let value_start = name_end + 1;
            if names.is_empty() || !is_secret(&url[name_start..name_end], names) {
                at = end_of(url, value_start, b"?#&;");
            } else {
                at = end_of(url, value_start, b"#&");
                if at > value_start {
                    redacted.push_str(&url[copied..value_start]);
                    redacted.push_str(REDACTED);
                    copied = at;
                }
            }
        }
        if at >= url.len() {
            break;
        }
    }
    if copied == 0 {
        return None;
    }
    redacted.push_str(&url[copied..]);
    Some(redacted)
}

fn end_of(url: &str, from: usize, delimiters: &[u8]) -> usize {
    position(url, from, delimiters).unwrap_or(url.len())
}

/// Where the first of the delimiters stands; they are ASCII.
fn position(url: &str, from: usize, delimiters: &[u8]) -> Option<usize> {
    let mut bytes = url.as_bytes()[from..].iter();
    let found = bytes.position(|byte| delimiters.contains(byte))?;
    Some(from + found)
}

fn is_secret(name: &str, names: &[String]) -> bool {
    let decoded = if name.contains(['%', '+']) {
        percent_decode_str(name).decode_utf8_lossy()
    } else {
        Cow::Borrowed(name)
    };
    let name = decoded.trim_matches(|c: char| c.is_whitespace() || matches!(c, '+' | '/' | '!'));
    names.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

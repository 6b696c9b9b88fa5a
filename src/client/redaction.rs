//! Texts of other programs without the secrets that they may repeat.
//!
//! A service, or a proxy before it, may answer a request that it refuses with the whole of it. Published clients mask
//! such answers before they show them, and so do we, to the letter where that hides as much.

use std::io;

use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

use crate::domain::loose::trim;

/// What stands where a secret stood.
pub(super) const MASK: &str = "[REDACTED]";

/// The names, in lower case, of what published clients take for secrets.
const SECRETS: &[&str] = &[
    "access_token",
    "api_key",
    "client_secret",
    "forward_secret",
    "password",
    "refresh_token",
    "secret",
    "webhook_secret",
    "x_posthog_secret",
];

/// The longest text that is repeated although it is no JSON.
const TEXT_CHARS_MAX: usize = 4096;

/// `text` without blanks around it and without secrets.
///
/// JSON is written anew, compact and in ASCII. In it whatever is called like a secret, or by one of the names in
/// `more` (in lower case), is replaced by `[REDACTED]` unless it is `null` or empty; JSON inside a string is not looked
/// into. Another text is repeated, unless it is longer than 4096 characters or seems to be JSON that cannot be read,
/// because a secret in it could not be told: then only its length is named.
pub fn redact(text: &str, more: &[&str]) -> String {
    let text = trim(text);
    if text.is_empty() {
        return String::new();
    }
    if let Ok(mut value) = serde_json::from_str(text) {
        mask(&mut value, more);
        return written(&value);
    }
    let chars = text.chars().count();
    if chars > TEXT_CHARS_MAX || may_hold_names(text) {
        return format!("<non-JSON response omitted ({chars} chars)>");
    }
    text.to_owned()
}

/// Whether a text that cannot be read begins like an object or a list and has names or texts in it. A sentence may
/// begin with an address in brackets, which has none.
fn may_hold_names(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}');
    text.starts_with(['{', '[']) && text.contains('"')
}

fn mask(value: &mut Value, more: &[&str]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, more)),
        Value::Object(entries) => {
            for (name, value) in entries {
                if !is_secret(name, more) {
                    mask(value, more);
                } else if !is_empty(value) {
                    *value = MASK.into();
                }
            }
        }
        _ => {}
    }
}

fn is_secret(name: &str, more: &[&str]) -> bool {
    let name = name.to_lowercase();
    SECRETS.contains(&name.as_str()) || more.contains(&name.as_str())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The value as published clients write it.
fn written(value: &Value) -> String {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, Ascii);
    match serde::Serialize::serialize(value, &mut serializer) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        // Memory takes all that is written to it; should it not, nothing is shown.
        Err(_) => MASK.to_owned(),
    }
}

/// Compact JSON of printable ASCII characters, its exponents with a sign and two digits.
struct Ascii;

impl Formatter for Ascii {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let text = format!("{value:?}");
        let Some((digits, exponent)) = text.split_once('e') else {
            return writer.write_all(text.as_bytes());
        };
        match exponent.strip_prefix('-') {
            Some(exponent) => write!(writer, "{digits}e-{exponent:0>2}"),
            None => write!(writer, "{digits}e+{exponent:0>2}"),
        }
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for c in fragment.chars() {
            let mut units = [0; 2];
            match u8::try_from(c) {
                Ok(byte @ b' '..=b'~') => writer.write_all(&[byte])?,
                _ => {
                    for unit in c.encode_utf16(&mut units) {
                        write!(writer, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

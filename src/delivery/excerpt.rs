//! The beginning of an error answer, for an operator's eyes: plain text, bounded, and without what it
//! may repeat of our request.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use super::html::{decode_entities, strip_tags};

/// How much of a body is looked at.
const READ_BYTES_MAX: usize = 4096;

/// The longest excerpt.
const EXCERPT_CHARS_MAX: usize = 300;

/// Stands for what was taken out.
const MASK: &str = "[…]";

/// So many letters and digits in a row that are also in the note are taken for a piece of it.
const NOTE_RUN: usize = 12;

/// The same for a secret, of which less gives more away.
const SECRET_RUN: usize = 6;

/// The beginning of `body`, with every piece of `note` and `secret` taken out; `None` when nothing is
/// left, and for JSON that is cut or broken, where a piece could hide behind escapes.
pub fn excerpt(body: &[u8], note: &str, secret: &str) -> Option<Arc<str>> {
    let text = readable(body)?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = mask(&words.join(" "), &runs(note, NOTE_RUN), NOTE_RUN);
    let text = mask(&text, &runs(secret, SECRET_RUN), SECRET_RUN);
    let mut short: String = text.chars().take(EXCERPT_CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    (!short.is_empty()).then(|| short.into())
}

fn readable(body: &[u8]) -> Option<String> {
    let mut text = if matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) {
        // Written out again, letters stand for themselves.
        let value: Value = serde_json::from_slice(body).ok()?;
        value.to_string()
    } else {
        let beginning = body.get(..READ_BYTES_MAX).unwrap_or(body);
        String::from_utf8_lossy(beginning).into_owned()
    };
    truncate(&mut text);
    let text = decode_entities(&strip_tags(&text));
    let is_shown = |c: &char| !c.is_control() || c.is_whitespace();
    Some(text.chars().filter(is_shown).collect())
}

fn truncate(text: &mut String) {
    let mut end = text.len().min(READ_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

/// Every run of `length` letters and digits of a text, whatever stands between them.
fn runs(text: &str, length: usize) -> HashSet<Vec<char>> {
    let letters: Vec<char> = letters(text).map(|(_, c)| c).collect();
    let length = length.min(letters.len()).max(1);
    letters.windows(length).map(<[char]>::to_vec).collect()
}

/// Letters and digits with their places.
fn letters(text: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    text.char_indices().filter(|(_, c)| c.is_alphanumeric())
}

/// Takes every piece out that contains one of the runs.
fn mask(text: &str, runs: &HashSet<Vec<char>>, length: usize) -> String {
    let Some(length) = runs.iter().next().map(|run| run.len().min(length)) else {
        return text.to_owned();
    };
    let letters: Vec<(usize, char)> = letters(text).collect();
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    let mut hidden_until = 0;
    for (first, window) in letters.windows(length).enumerate() {
        let run: Vec<char> = window.iter().map(|(_, c)| *c).collect();
        let (Some((begin, _)), Some((end, last))) = (window.first(), window.last()) else {
            continue;
        };
        if !runs.contains(&run) {
            continue;
        }
        if first >= hidden_until {
            shown.push_str(text.get(from..*begin).unwrap_or_default());
            shown.push_str(MASK);
        }
        hidden_until = first + length;
        from = end + last.len_utf8();
    }
    shown.push_str(text.get(from..).unwrap_or_default());
    shown
}

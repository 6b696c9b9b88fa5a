//! Text from web pages made fit for one line: cleaned, cut, and identifiers turned into words
//! (contract 3.6.2).

use std::borrow::Cow;

use super::card::holds_card_number;

/// The longest label text, in characters, the ellipsis included.
pub(crate) const LABEL_CHARS_MAX: usize = 80;

/// The longest string we take from a raw event, in characters (contract 3.4).
pub(crate) const STRING_CHARS_MAX: usize = 8192;

/// The first `max` characters of `text`.
pub(crate) fn cut_chars(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    text.char_indices()
        .nth(max)
        .map_or(text, |(end, _)| &text[..end])
}

/// The longest beginning of `text` that has at most `max` bytes and ends at a character.
pub(crate) fn cut_bytes(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// Text fit to name something, on one line of at most 80 characters: runs of controls, spaces and
/// separators become one space, invisible format characters vanish. ZWJ and ZWNJ stay, because
/// emoji and some scripts need them, but do not count as text on their own. `None` when nothing
/// visible is left, or when the text holds a payment card number, looked for before cutting.
pub(crate) fn presentable(text: &str) -> Option<Cow<'_, str>> {
    if is_clean(text) {
        return (!text.is_empty() && !holds_card_number(text)).then_some(Cow::Borrowed(text));
    }
    let line = one_line(text);
    let shown = !line.chars().all(is_joiner) && !holds_card_number(&line);
    shown.then(|| Cow::Owned(shortened(line)))
}

/// Words from an identifier, as in `columnType` → `Column type`.
pub(crate) fn humanise(identifier: &str) -> String {
    capitalise(&words(identifier))
}

/// Lower-case words from an identifier: split at `-`, `_`, `.`, spaces and changes of case.
pub(crate) fn words(identifier: &str) -> String {
    let mut words = String::with_capacity(identifier.len() + 4);
    let mut previous = ' ';
    let mut rest = identifier.chars().peekable();
    while let Some(c) = rest.next() {
        if matches!(c, '-' | '_' | '.') || c.is_whitespace() {
            push_space(&mut words);
        } else {
            let starts_word = c.is_uppercase()
                && (previous.is_lowercase()
                    || previous.is_numeric()
                    || (previous.is_uppercase()
                        && rest.peek().is_some_and(|next| next.is_lowercase())));
            if starts_word {
                push_space(&mut words);
            }
            if c.is_ascii() {
                words.push(c.to_ascii_lowercase());
            } else {
                words.extend(c.to_lowercase());
            }
        }
        previous = c;
    }
    words.truncate(words.trim_end().len());
    words
}

/// The same text with its first letter in upper case.
pub(crate) fn capitalise(text: &str) -> String {
    let mut chars = text.chars();
    let mut capitalised = String::with_capacity(text.len());
    capitalised.extend(chars.next().into_iter().flat_map(char::to_uppercase));
    capitalised.push_str(chars.as_str());
    capitalised
}

/// The same text with every word's first letter in upper case.
pub(crate) fn title_case(text: &str) -> String {
    let mut titled = String::with_capacity(text.len());
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        push_space(&mut titled);
        titled.push_str(&capitalise(word));
    }
    titled
}

/// The common case, which costs no copy: short printable ASCII with single spaces.
fn is_clean(text: &str) -> bool {
    text.len() <= LABEL_CHARS_MAX
        && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && !text.starts_with(' ')
        && !text.ends_with(' ')
        && !text.contains("  ")
}

fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !is_format(*c)) {
        if c.is_whitespace() || c.is_control() {
            push_space(&mut line);
        } else {
            line.push(c);
        }
    }
    line.truncate(line.trim_end().len());
    line
}

fn shortened(mut line: String) -> String {
    if cut_chars(&line, LABEL_CHARS_MAX).len() == line.len() {
        return line;
    }
    let kept = cut_chars(&line, LABEL_CHARS_MAX - 1);
    line.truncate(kept.trim_end_matches(|c| c == ' ' || is_joiner(c)).len());
    line.push('…');
    line
}

/// Adds a space unless the text is empty or ends in one.
fn push_space(text: &mut String) {
    if !text.is_empty() && !text.ends_with(' ') {
        text.push(' ');
    }
}

/// ZWNJ and ZWJ.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}')
}

/// Unicode's format characters (general category Cf), the two joiners excepted.
fn is_format(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{0600}'..='\u{0605}' | '\u{061C}' | '\u{06DD}' | '\u{070F}'
        | '\u{0890}'..='\u{0891}' | '\u{08E2}' | '\u{180E}' | '\u{200B}' | '\u{200E}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206F}' | '\u{FEFF}'
        | '\u{FFF9}'..='\u{FFFB}' | '\u{110BD}' | '\u{110CD}' | '\u{13430}'..='\u{1343F}'
        | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0001}'
        | '\u{E0020}'..='\u{E007F}')
}

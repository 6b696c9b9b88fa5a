//! PostHog's `elements_chain`: the clicked element and its ancestors in one string.
//!
//! ```text
//! chain     := element *( ";" element ) [ ";" ]
//! element   := [ tag ] *( "." class ) ":" *( attribute )
//! attribute := key '="' value '"'
//! ```
//!
//! Only `"` is escaped, as `\"`; class names are not escaped at all. So the head of an element
//! ends not at its first `:` but at the first one that an attribute follows, and a few chains are
//! ambiguous. Any input gives some elements, in linear time, and nothing ever fails. Elements are
//! read one at a time, since the name of a button rarely needs more than the first.

use std::borrow::Cow;

use super::text::cut_bytes;

/// The longest chain we read (contract 3.4).
pub const CHAIN_BYTES_MAX: usize = 64 * 1024;

/// One element of a chain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Element<'a> {
    tag: &'a str,
    classes: &'a str,
    attributes: Vec<(&'a str, Cow<'a, str>)>,
}

impl<'a> Element<'a> {
    /// The tag name as sent; empty when the chain gives none.
    pub fn tag(&self) -> &'a str {
        self.tag
    }

    /// The decoded value of an attribute, by the key the chain uses: `text`, `attr__name`, ….
    pub fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find_map(|(name, value)| (*name == key).then_some(&**value))
    }

    /// All attributes in the order they were sent.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a str, &str)> {
        self.attributes
            .iter()
            .map(|(name, value)| (*name, &**value))
    }

    /// The class names, from the `class` attribute where the chain has it: class names may hold
    /// dots, and then the head cannot be taken apart.
    pub fn classes(&self) -> Vec<String> {
        match self.attribute("attr__class") {
            Some(classes) => class_tokens(classes).collect(),
            None => self
                .classes
                .split('.')
                .filter(|class| !class.is_empty())
                .map(str::to_owned)
                .collect(),
        }
    }
}

/// Reads a whole chain, the clicked element first.
pub fn parse(chain: &str) -> Vec<Element<'_>> {
    elements(chain).collect()
}

/// Reads a chain element by element.
pub fn elements(chain: &str) -> Elements<'_> {
    Elements {
        chain: cut_bytes(chain, CHAIN_BYTES_MAX),
        at: 0,
        ahead: None,
    }
}

/// The elements of a chain that have not been read yet.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    chain: &'a str,
    at: usize,
    /// The next colon that opens attributes, and the class suffix its head must have if class
    /// names hold a semicolon. Kept, so that a chain of bare tags costs one look ahead in all.
    ahead: Option<(usize, Option<String>)>,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let skipped =
            self.chain[self.at..].find(|c: char| !(c.is_whitespace() || matches!(c, ';' | '"')))?;
        let start = self.at + skipped;
        let (end, has_attributes) = self.head_end(start);
        let head = self.chain[start..end].trim();
        let mut element = Element::default();
        (element.tag, element.classes) = split_head(head, has_attributes);
        self.at = end;
        if has_attributes {
            self.at = end + 1;
            self.read_attributes(&mut element.attributes);
        }
        Some(element)
    }
}

impl<'a> Elements<'a> {
    /// Where the head that begins at `start` ends, and whether attributes follow.
    fn head_end(&mut self, start: usize) -> (usize, bool) {
        let bytes = self.chain.as_bytes();
        let mut at = start;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b':' if opens_attributes(&bytes[at + 1..]) => return (at, true),
                b';' => {
                    return match self.head_across_semicolons(start, at) {
                        Some(colon) => (colon, true),
                        None => (at, false),
                    };
                }
                // Not the grammar any more; at least nothing inside the quotes counts.
                b'=' if bytes.get(at + 1) == Some(&b'"') => at = read_value(self.chain, at + 2).1,
                _ => at += 1,
            }
        }
        (at, false)
    }

    /// A class name may hold a semicolon, which then looks like the end of the element. The
    /// `class` attribute tells: the head must end in exactly its names, sorted.
    fn head_across_semicolons(&mut self, start: usize, semicolon: usize) -> Option<usize> {
        if self.ahead.as_ref().is_none_or(|(colon, _)| *colon < start) {
            self.ahead = Some(self.look_ahead(semicolon));
        }
        let (colon, Some(suffix)) = self.ahead.as_ref()? else {
            return None;
        };
        let head = self.chain.get(start..*colon)?;
        let tag = head.get(..head.len().checked_sub(suffix.len())?)?;
        (!tag.contains(';') && head.ends_with(suffix.as_str())).then_some(*colon)
    }

    fn look_ahead(&self, from: usize) -> (usize, Option<String>) {
        let bytes = self.chain.as_bytes();
        let colon = (from..bytes.len())
            .take_while(|at| bytes[*at] != b'"')
            .find(|at| bytes[*at] == b':' && opens_attributes(&bytes[at + 1..]));
        let Some(colon) = colon else {
            return (bytes.len(), None);
        };
        let mut there = Elements {
            chain: self.chain,
            at: colon + 1,
            ahead: None,
        };
        let mut element = Element::default();
        there.read_attributes(&mut element.attributes);
        let suffix = element
            .attribute("attr__class")
            .filter(|classes| classes.contains(';'))
            .map(|classes| {
                let mut tokens: Vec<_> = class_tokens(classes).collect();
                tokens.sort_unstable();
                format!(".{}", tokens.join("."))
            });
        (colon, suffix)
    }

    /// Reads attributes up to the end of the element. Keys may be any text without quotes: page
    /// authors write `@keyup` and `x-on:click.prevent`.
    fn read_attributes(&mut self, attributes: &mut Vec<(&'a str, Cow<'a, str>)>) {
        let bytes = self.chain.as_bytes();
        let mut start = self.at;
        let mut at = start;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b';' => break,
                b'=' if bytes.get(at + 1) == Some(&b'"') => {
                    let key = &self.chain[start..at];
                    let (value, end) = read_value(self.chain, at + 2);
                    attributes.push((key.trim(), value));
                    start = end;
                    at = end;
                }
                b'"' => {
                    at += 1;
                    start = at;
                }
                _ => at += 1,
            }
        }
        self.at = at;
    }
}

/// Splits a head into its tag and the rest. A bare head may be anything, `button:0` or a CSS
/// path; then only a leading name is worth keeping.
fn split_head(head: &str, has_attributes: bool) -> (&str, &str) {
    let end = if has_attributes {
        head.find('.')
    } else {
        head.find(|c: char| matches!(c, '.' | ':' | '#' | '[' | '>' | '=') || c.is_whitespace())
    };
    end.map_or((head, ""), |end| head.split_at(end))
}

/// Whether the bytes after a colon are an attribute rather than more of a class name.
fn opens_attributes(rest: &[u8]) -> bool {
    let key = rest.iter().take_while(|byte| is_key_byte(**byte)).count();
    rest[key..].starts_with(b"=\"") || rest.starts_with(b"attr__")
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Reads a quoted value that begins at `from`, and says where reading goes on.
fn read_value(chain: &str, from: usize) -> (Cow<'_, str>, usize) {
    let mut decoded = String::new();
    let mut copied = from;
    let mut at = from;
    // Values are short: a search for longer texts takes longer to begin than to end.
    while let Some(found) = chain.as_bytes()[at..].iter().position(|byte| *byte == b'"') {
        let quote = at + found;
        at = quote + 1;
        let escaped = quote > copied && chain.as_bytes()[quote - 1] == b'\\';
        if escaped && !closes_after_backslash(&chain[at..]) {
            decoded.push_str(&chain[copied..quote - 1]);
            copied = quote;
        } else {
            return (joined(decoded, &chain[copied..quote]), at);
        }
    }
    (joined(decoded, &chain[copied..]), chain.len())
}

fn joined(mut decoded: String, rest: &str) -> Cow<'_, str> {
    if decoded.is_empty() {
        Cow::Borrowed(rest)
    } else {
        decoded.push_str(rest);
        Cow::Owned(decoded)
    }
}

/// A value that ends in a backslash makes its closing quote look escaped. It closes all the same
/// when the next thing is an attribute or element as PostHog writes them, in quotes that are not
/// themselves escaped: inside a value, every quote would be.
fn closes_after_backslash(rest: &str) -> bool {
    let Some(quote) = rest.find('"') else {
        return rest.is_empty() || rest.starts_with(';');
    };
    let Some(before) = rest[..quote].strip_suffix('=') else {
        return false;
    };
    let key_bytes = before
        .bytes()
        .rev()
        .take_while(|byte| is_key_byte(*byte))
        .count();
    let (lead, key) = before.split_at(before.len() - key_bytes);
    let known = key.starts_with("attr__")
        || matches!(
            key,
            "attr_id" | "href" | "nth-child" | "nth-of-type" | "text"
        );
    known && (lead.is_empty() || (lead.starts_with(';') && lead.ends_with(':')))
}

/// Class names as PostHog writes them into the head: without quotes.
fn class_tokens(classes: &str) -> impl Iterator<Item = String> {
    classes
        .split_whitespace()
        .map(|class| class.replace('"', ""))
        .filter(|class| !class.is_empty())
}

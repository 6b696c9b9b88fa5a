//! Takes merged values out, one key at a time, and writes down everything that is wrong.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;

use config::{Map, Value, ValueKind};
use secrecy::SecretString;

use super::layer::VARIABLE_ORIGIN;
use super::mistake::Mistakes;
use super::network::Network;

/// Hands out typed values. A value that is wrong is answered with some value of the type and a
/// mistake, so that reading goes on and finds the next one.
pub(super) struct Reader {
    sections: Map<String, Value>,
    /// Every key that was asked for, and who set it.
    known: BTreeMap<&'static str, String>,
    mistakes: Mistakes,
}

/// A value, and who set it.
struct Found {
    origin: String,
    kind: ValueKind,
}

impl Found {
    /// Variables are text by nature, so numbers and flags are read out of them; a file must say what
    /// it means.
    fn variable(&self) -> Option<&str> {
        match &self.kind {
            ValueKind::String(text) if self.origin.starts_with(VARIABLE_ORIGIN) => {
                Some(text.trim())
            }
            _ => None,
        }
    }
}

impl Reader {
    pub(super) fn new(sections: Map<String, Value>, mistakes: Mistakes) -> Self {
        Self {
            sections,
            known: BTreeMap::new(),
            mistakes,
        }
    }

    /// Reports every key that nothing has asked for, in order of name, and returns all mistakes.
    pub(super) fn finish(mut self) -> Mistakes {
        let mut unknown = BTreeMap::new();
        for (section, value) in self.sections {
            if let ValueKind::Table(keys) = value.kind {
                let named = |(key, value)| (format!("{section}.{key}"), origin_of(&value));
                unknown.extend(keys.into_iter().map(named));
            }
        }
        for (name, origin) in unknown {
            let text = match nearest(&name, &self.known) {
                Some(near) => format!("unknown key; did you mean {near}?"),
                None => "unknown key".to_owned(),
            };
            self.mistakes.add(name, origin, text);
        }
        self.mistakes
    }

    /// Says what two keys must agree on, as a mistake of the first. Keeps quiet when either is wrong
    /// by itself already.
    pub(super) fn require(&mut self, holds: bool, keys: [&'static str; 2], text: &str) {
        let is_sound = |key: &&str| !self.mistakes.iter().any(|mistake| mistake.key == *key);
        if !holds && keys.iter().all(is_sound) {
            let origins = keys.map(|key| self.known.get(key).map_or("defaults", String::as_str));
            let [first, second] = origins;
            let origin = if first == second {
                first.to_owned()
            } else {
                format!("{first}; {} from {second}", keys[1])
            };
            self.mistakes.add(keys[0], origin, text);
        }
    }

    /// Any text.
    pub(super) fn text(&mut self, key: &'static str) -> String {
        self.take_text(key)
            .map_or_else(String::new, |(text, _)| text)
    }

    /// Text that must never be shown.
    pub(super) fn secret(&mut self, key: &'static str) -> SecretString {
        self.text(key).into()
    }

    /// Text with a meaning: `parse` reads it, or says what would be right without repeating it.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        fallback: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        let Some((text, origin)) = self.take_text(key) else {
            return fallback;
        };
        parse(&text).unwrap_or_else(|wrong| {
            self.mistakes.add(key, origin, wrong);
            fallback
        })
    }

    /// Addresses and networks; a variable separates them by commas.
    pub(super) fn networks(&mut self, key: &'static str) -> Vec<Network> {
        let Some(found) = self.take(key) else {
            return Vec::new();
        };
        let texts: Vec<Option<String>> = match (found.variable(), found.kind.clone()) {
            (Some(text), _) => text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(|part| Some(part.to_owned()))
                .collect(),
            (None, ValueKind::Array(values)) => values
                .into_iter()
                .map(|value| match value.kind {
                    ValueKind::String(text) => Some(text),
                    _ => None,
                })
                .collect(),
            _ => return self.wrong_type(key, &found, "a list of networks", Vec::new()),
        };
        let mut networks = Vec::new();
        for (position, text) in texts.into_iter().enumerate() {
            match text.and_then(|text| text.parse().ok()) {
                Some(network) => networks.push(network),
                None => self.mistakes.add(
                    format!("{key}[{position}]"),
                    &found.origin,
                    "must be an address or a network, e.g. 10.0.0.0/8",
                ),
            }
        }
        networks
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, key: &'static str) -> bool {
        let Some(found) = self.take(key) else {
            return false;
        };
        match (found.variable(), &found.kind) {
            (Some("true"), _) | (_, ValueKind::Boolean(true)) => true,
            (Some("false"), _) | (_, ValueKind::Boolean(false)) => false,
            _ => self.wrong_type(key, &found, "true or false", false),
        }
    }

    /// A whole number within bounds.
    pub(super) fn whole<T>(&mut self, key: &'static str, bounds: RangeInclusive<T>) -> T
    where
        T: Copy + Display + PartialOrd + TryFrom<i128>,
    {
        let least = *bounds.start();
        let Some(found) = self.take(key) else {
            return least;
        };
        let number: Option<i128> = match (found.variable(), &found.kind) {
            (Some(text), _) => text.parse().ok(),
            (None, ValueKind::I64(number)) => Some((*number).into()),
            _ => None,
        };
        let Some(number) = number else {
            return self.wrong_type(key, &found, "a whole number", least);
        };
        match T::try_from(number) {
            Ok(number) if bounds.contains(&number) => number,
            _ => {
                let text = format!("must be from {least} to {}, is {number}", bounds.end());
                self.mistakes.add(key, found.origin, text);
                least
            }
        }
    }

    /// A length of time in seconds, fractions allowed.
    pub(super) fn seconds(&mut self, key: &'static str, bounds: RangeInclusive<f64>) -> f64 {
        let least = *bounds.start();
        let Some(found) = self.take(key) else {
            return least;
        };
        let number = match (found.variable(), &found.kind) {
            (Some(text), _) => text.parse().ok(),
            (None, ValueKind::Float(number)) => Some(*number),
            (None, ValueKind::I64(number)) => number.to_string().parse().ok(),
            _ => None,
        };
        let Some(number) = number else {
            return self.wrong_type(key, &found, "a number", least);
        };
        if bounds.contains(&number) {
            return number;
        }
        let text = format!("must be from {least} to {}, is {number}", bounds.end());
        self.mistakes.add(key, found.origin, text);
        least
    }

    fn take_text(&mut self, key: &'static str) -> Option<(String, String)> {
        let found = self.take(key)?;
        match found.kind {
            ValueKind::String(text) => Some((text, found.origin)),
            _ => self.wrong_type(key, &found, "text", None),
        }
    }

    fn take(&mut self, key: &'static str) -> Option<Found> {
        let value = key.split_once('.').and_then(|(section, key)| {
            match &mut self.sections.get_mut(section)?.kind {
                ValueKind::Table(keys) => keys.remove(key),
                _ => None,
            }
        });
        let Some(value) = value else {
            self.mistakes.add(key, "defaults", "has no default");
            return None;
        };
        let origin = origin_of(&value);
        self.known.insert(key, origin.clone());
        Some(Found {
            origin,
            kind: value.kind,
        })
    }

    fn wrong_type<T>(&mut self, key: &str, found: &Found, wanted: &str, fallback: T) -> T {
        let is = match &found.kind {
            ValueKind::String(_) => "text",
            ValueKind::Boolean(_) => "true or false",
            ValueKind::Table(_) => "a section",
            ValueKind::Array(_) => "a list",
            ValueKind::Float(_) => "a fraction",
            _ => "a number",
        };
        let text = format!("must be {wanted}, is {is}");
        self.mistakes.add(key, &found.origin, text);
        fallback
    }
}

fn origin_of(value: &Value) -> String {
    value.origin().unwrap_or("defaults").to_owned()
}

/// The known key that a misspelt one most likely means.
fn nearest(name: &str, known: &BTreeMap<&'static str, String>) -> Option<&'static str> {
    let key = |name: &str| name.split_once('.').map(|(_, key)| key.to_owned());
    let same_key = known.keys().find(|other| key(other) == key(name));
    let close = known
        .keys()
        .map(|other| (distance(name, other), other))
        .min()
        .filter(|(distance, _)| *distance <= 3);
    close.map(|(_, other)| other).or(same_key).copied()
}

/// How many characters must be inserted, removed or replaced to turn `a` into `b` (Levenshtein).
pub(super) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (to, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let above = *cell;
            left = (diagonal + usize::from(from != *to))
                .min(above + 1)
                .min(left + 1);
            diagonal = above;
            *cell = left;
        }
        row[0] = i + 1;
    }
    row.last().copied().unwrap_or(0)
}

//! Takes the fields of one JSON object, one at a time, and writes down everything that is wrong.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use secrecy::SecretString;
use serde_json::{Map, Value};

/// The fields of an object at a known place. A field that is `null` counts as absent. What is wrong
/// becomes a fault and reads as absent, so that reading goes on and finds the next one.
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    pointer: String,
    known: BTreeSet<&'static str>,
    pub(crate) faults: Vec<Fault>,
}

/// Something wrong at a JSON pointer (RFC 6901). Never repeats the value, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub text: String,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(object: &'a Map<String, Value>, pointer: String) -> Self {
        Self {
            object,
            pointer,
            known: BTreeSet::new(),
            faults: Vec::new(),
        }
    }

    /// Fields that nothing has asked for and `accepted` does not name either.
    pub(crate) fn unknown(&self, accepted: &[&str]) -> Vec<&'a str> {
        let is_known = |key: &&str| self.known.contains(key) || accepted.contains(key);
        let keys = self.object.keys().map(String::as_str);
        keys.filter(|key| !is_known(key)).collect()
    }

    pub(crate) fn fault(&mut self, key: &str, text: impl Into<String>) {
        let key = key.replace('~', "~0").replace('/', "~1");
        self.faults.push(Fault {
            pointer: format!("{}/{key}", self.pointer),
            text: text.into(),
        });
    }

    /// All of it.
    pub(crate) fn object(&self) -> &'a Map<String, Value> {
        self.object
    }

    /// Whether nothing is wrong with the field so far.
    pub(crate) fn is_sound(&self, key: &str) -> bool {
        let pointer = format!("{}/{key}", self.pointer);
        self.faults.iter().all(|fault| fault.pointer != pointer)
    }

    /// Whether there is such a field, used or not.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.object.get(key).is_some_and(|value| !value.is_null())
    }

    /// The field as it stands.
    pub(crate) fn value(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.insert(key);
        self.object.get(key).filter(|value| !value.is_null())
    }

    /// Text, white space at both ends taken off; empty text counts as absent.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<String> {
        let value = self.value(key)?;
        let Some(text) = value.as_str() else {
            self.fault(key, "must be text");
            return None;
        };
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Text or a whole number, as text.
    pub(crate) fn name(&mut self, key: &'static str) -> Option<String> {
        match self.value(key)? {
            Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
            Value::String(_) => self.text(key),
            _ => {
                self.fault(key, "must be text or a whole number");
                None
            }
        }
    }

    /// Text that must never be shown. Headers cannot carry white space at the ends, nor controls, so
    /// a secret with them could never match.
    pub(crate) fn secret(&mut self, key: &'static str) -> Option<SecretString> {
        let value = self.value(key)?;
        let Some(text) = value.as_str() else {
            self.fault(key, "must be text");
            return None;
        };
        if text.trim() != text || text.contains(char::is_control) {
            self.fault(key, "must not hold controls, nor white space at its ends");
            return None;
        }
        (!text.is_empty()).then(|| text.into())
    }

    /// Yes or no; no when absent.
    pub(crate) fn flag(&mut self, key: &'static str) -> bool {
        match self.value(key) {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            Some(_) => {
                self.fault(key, "must be true or false");
                false
            }
        }
    }

    /// A whole number within bounds.
    pub(crate) fn whole(&mut self, key: &'static str, bounds: RangeInclusive<u32>) -> Option<u32> {
        let number = self.value(key)?.as_u64();
        let number = number.and_then(|number| u32::try_from(number).ok());
        let number = number.filter(|number| bounds.contains(number));
        if number.is_none() {
            let (least, most) = (bounds.start(), bounds.end());
            self.fault(
                key,
                format!("must be a whole number from {least} to {most}"),
            );
        }
        number
    }

    /// A length of time in seconds.
    pub(crate) fn seconds(&mut self, key: &'static str) -> Option<f64> {
        let number = self.value(key)?.as_f64();
        let seconds = number.filter(|seconds| (0.0..=31_536_000.0).contains(seconds));
        if seconds.is_none() {
            self.fault(key, "must be a number of seconds from 0 to 31536000");
        }
        seconds
    }

    /// One of a few words; the first of them when absent.
    pub(crate) fn choice<T: Clone, const N: usize>(
        &mut self,
        key: &'static str,
        choices: [(&str, T); N],
    ) -> T {
        let fallback = choices[0].1.clone();
        let Some(value) = self.value(key) else {
            return fallback;
        };
        let chosen = choices
            .iter()
            .find(|(name, _)| value.as_str() == Some(name));
        if let Some((_, choice)) = chosen {
            return choice.clone();
        }
        let names = choices.map(|(name, _)| format!("\"{name}\"")).join(", ");
        self.fault(key, format!("must be one of {names}"));
        fallback
    }

    /// A list of texts that each pass `check`; `None` when absent.
    pub(crate) fn texts(
        &mut self,
        key: &'static str,
        check: fn(&str) -> bool,
        wanted: &str,
    ) -> Option<Vec<String>> {
        let Some(values) = self.value(key)?.as_array() else {
            self.fault(key, format!("must be a list, each entry {wanted}"));
            return None;
        };
        let mut texts = Vec::new();
        for (position, value) in values.iter().enumerate() {
            match value.as_str().map(str::trim).filter(|text| check(text)) {
                Some(text) => texts.push(text.to_owned()),
                None => self.faults.push(Fault {
                    pointer: format!("{}/{key}/{position}", self.pointer),
                    text: format!("must be {wanted}"),
                }),
            }
        }
        Some(texts)
    }
}

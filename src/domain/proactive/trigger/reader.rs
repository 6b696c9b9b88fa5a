//! Takes the fields of one JSON object, and writes down everything that is wrong.

use serde_json::{Map, Value};

use crate::domain::loose::trim;
use crate::domain::proactive::Flaw;

/// An object at a known place. A field that is `null` counts as absent. What is wrong becomes a flaw and reads as
/// absent, so that reading goes on and finds the next one.
pub(super) struct Reader<'a> {
    object: &'a Map<String, Value>,
    pointer: String,
    flaws: &'a mut Vec<Flaw>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        object: &'a Map<String, Value>,
        pointer: impl Into<String>,
        flaws: &'a mut Vec<Flaw>,
    ) -> Self {
        let pointer = pointer.into();
        Self {
            object,
            pointer,
            flaws,
        }
    }

    /// Writes down what is wrong with a field.
    pub(super) fn flaw(&mut self, key: &str, text: impl Into<String>) {
        self.flaw_at(&escaped(key), text);
    }

    /// Writes down what is wrong at a pointer below the object.
    pub(super) fn flaw_at(&mut self, path: &str, text: impl Into<String>) {
        self.flaws
            .push(Flaw::new(format!("{}/{path}", self.pointer), text.into()));
    }

    /// The field as it stands.
    pub(super) fn value(&self, key: &str) -> Option<&'a Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    /// Text, as it stands; empty text counts as absent.
    pub(super) fn text(&mut self, key: &str) -> Option<&'a str> {
        let text = self.value(key)?.as_str();
        if text.is_none() {
            self.flaw(key, "must be text");
        }
        text.filter(|text| !text.is_empty())
    }

    /// Text with something in it, white space at both ends taken off.
    pub(super) fn word(&mut self, key: &str) -> Option<&'a str> {
        self.text(key).map(trim).filter(|word| !word.is_empty())
    }

    /// A word that must be there.
    pub(super) fn required(&mut self, key: &str) -> Option<&'a str> {
        let before = self.flaws.len();
        let word = self.word(key);
        if word.is_none() && self.flaws.len() == before {
            self.flaw(key, "is required, and must not be blank");
        }
        word
    }

    /// Text that must be there and not be blank, as it stands.
    pub(super) fn required_text(&mut self, key: &str) -> Option<&'a str> {
        self.required(key).and_then(|_| self.text(key))
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        let flag = self.value(key)?.as_bool();
        if flag.is_none() {
            self.flaw(key, "must be true or false");
        }
        flag
    }

    /// A length of time, seconds; finite, since what is not can neither be compared nor stored.
    pub(super) fn seconds(&mut self, key: &str) -> Option<f64> {
        let seconds = number(self.value(key)?);
        if seconds.is_none() {
            self.flaw(key, "must be a number of seconds");
        }
        seconds
    }

    /// A length of time of which there is some, seconds.
    pub(super) fn some_seconds(&mut self, key: &str) -> Option<f64> {
        let seconds = self.seconds(key)?;
        if seconds <= 0.0 {
            self.flaw(key, "must be more than 0 seconds");
            return None;
        }
        Some(seconds)
    }

    /// A count, at least one; fractions are dropped.
    pub(super) fn count(&mut self, key: &str) -> Option<usize> {
        let count = whole(self.value(key)?).filter(|count| *count > 0);
        if count.is_none() {
            self.flaw(key, "must be a whole number from 1 on");
        }
        count
    }

    /// Texts that are not blank, as they stand.
    pub(super) fn texts(&mut self, key: &str) -> Vec<String> {
        let Some(list) = self.list(key) else {
            return Vec::new();
        };
        let mut texts = Vec::new();
        for (index, value) in list.iter().enumerate() {
            match value.as_str() {
                Some(text) if trim(text).is_empty() => {}
                Some(text) => texts.push(text.to_owned()),
                None => self.flaw_at(&format!("{key}/{index}"), "must be text"),
            }
        }
        texts
    }

    /// A list.
    pub(super) fn list(&mut self, key: &str) -> Option<&'a [Value]> {
        let list = self.value(key)?.as_array();
        if list.is_none() {
            self.flaw(key, "must be a list");
        }
        list.map(Vec::as_slice)
    }

    /// An object.
    pub(super) fn object(&mut self, key: &str) -> Option<&'a Map<String, Value>> {
        let object = self.value(key)?.as_object();
        if object.is_none() {
            self.flaw(key, "must be an object");
        }
        object
    }

    /// An object that must be there.
    pub(super) fn required_object(&mut self, key: &str) -> Option<&'a Map<String, Value>> {
        if self.value(key).is_none() {
            self.flaw(key, "is required");
        }
        self.object(key)
    }

    /// A list of objects, at most `most` of them; whatever else is in it is left out.
    pub(super) fn objects(
        &mut self,
        key: &str,
        most: usize,
    ) -> Vec<(usize, &'a Map<String, Value>)> {
        let list = self.list(key).unwrap_or_default();
        if list.len() > most {
            self.flaw(key, format!("must have at most {most} entries"));
        }
        let mut objects = Vec::new();
        for (index, value) in list.iter().take(most).enumerate() {
            match value.as_object() {
                Some(object) => objects.push((index, object)),
                None => self.flaw_at(&format!("{key}/{index}"), "must be an object"),
            }
        }
        objects
    }

    /// How many flaws have been written down, by whomever.
    pub(super) fn flaws(&self) -> usize {
        self.flaws.len()
    }

    /// A reader of an object at a pointer below this one.
    pub(super) fn below<'b>(
        &'b mut self,
        path: &str,
        object: &'b Map<String, Value>,
    ) -> Reader<'b> {
        Reader::new(object, format!("{}/{path}", self.pointer), self.flaws)
    }
}

/// A key as it stands in a pointer.
pub(super) fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// A finite number as configurations carry it: as such, as a flag that counts 1 or 0, or as text, in which single
/// underscores may stand between digits.
fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => digits(text)?.parse().ok()?,
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    number.is_finite().then_some(number)
}

/// A whole number that is not negative, as configurations carry it; text must not have a fraction.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "fractions are meant to be dropped, and a cast of what is outside the range ends at its border"
)]
fn whole(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => digits(text)?.parse().ok(),
        value => number(value).map(|number| number as usize),
    }
}

/// A number's text without padding and separators.
fn digits(text: &str) -> Option<String> {
    let text = trim(text);
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut separators = text.match_indices('_');
    let is_sound = separators.all(|(at, _)| at > 0 && is_digit(at - 1) && is_digit(at + 1));
    is_sound.then(|| text.replace('_', ""))
}

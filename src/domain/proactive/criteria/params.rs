//! The parameters of a leaf, read with everything that is wrong with them.

use serde_json::{Map, Value};

use super::part::Parts;
use super::reader::{Reader, Refusal};
use crate::domain::loose::trim;

/// The parameters of one leaf. What is wrong is noted and spoils all of them: half a condition would match what
/// nobody meant.
pub(super) struct Params<'a> {
    fields: &'a Map<String, Value>,
    pointer: String,
    reader: &'a mut Reader,
    known: Vec<&'static str>,
    is_spoilt: bool,
}

impl<'a> Params<'a> {
    /// Of the object at `pointer`.
    pub(super) fn new(
        fields: &'a Map<String, Value>,
        pointer: String,
        reader: &'a mut Reader,
    ) -> Self {
        Self {
            fields,
            pointer,
            reader,
            known: Vec::new(),
            is_spoilt: false,
        }
    }

    /// The value of a parameter that may be missing; `null` is missing as well.
    pub(super) fn value(&mut self, name: &'static str) -> Option<&'a Value> {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
        self.fields.get(name).filter(|value| !value.is_null())
    }

    /// A parameter that may be missing, as `read` understands it.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'a Value) -> Result<T, Refusal>,
    ) -> Option<T> {
        let value = self.value(name)?;
        read(value).map_err(|why| self.spoil(name, why)).ok()
    }

    /// A parameter that has to be there.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'a Value) -> Result<T, Refusal>,
    ) -> Option<T> {
        if self.value(name).is_none() {
            self.spoil(name, "is missing");
            return None;
        }
        self.optional(name, read)
    }

    /// What is looked for in texts.
    pub(super) fn parts(&mut self) -> &mut Parts {
        &mut self.reader.parts
    }

    /// A parameter is wrong.
    pub(super) fn spoil(&mut self, name: &str, why: &str) {
        self.is_spoilt = true;
        self.reader.flaw(format!("{}/{name}", self.pointer), why);
    }

    /// What was read, unless something was wrong. A parameter that nobody asked for may be a misspelt one, and without
    /// it the condition would match more than was meant.
    pub(super) fn end<T>(mut self, read: Option<T>) -> Option<T> {
        let fields = self.fields;
        if fields
            .keys()
            .any(|name| !self.known.contains(&name.as_str()))
        {
            let known = self.known.join(", ");
            self.is_spoilt = true;
            let text = format!("must hold no other parameters than {known}");
            self.reader.flaw(self.pointer, text);
        }
        read.filter(|_| !self.is_spoilt)
    }
}

/// The longest time that is waited for or looked back, seconds: a year.
const SECONDS_MAX: f64 = 31_536_000.0;

/// Text that is not blank, trimmed.
pub(super) fn text(value: &Value) -> Result<&str, Refusal> {
    let text = value.as_str().map(trim).filter(|text| !text.is_empty());
    text.ok_or("must be text that is not blank")
}

/// A length of time, seconds.
pub(super) fn seconds(value: &Value) -> Result<f64, Refusal> {
    let seconds = value.as_f64();
    let seconds = seconds.filter(|seconds| *seconds > 0.0 && *seconds <= SECONDS_MAX);
    seconds.ok_or("must be a number of seconds above 0, at most 31536000")
}

/// A number of things.
pub(super) fn count(value: &Value) -> Result<usize, Refusal> {
    let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
    let count = count.filter(|count| *count > 0);
    count.ok_or("must be a whole number above 0")
}

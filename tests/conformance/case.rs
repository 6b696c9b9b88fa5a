//! One recorded case, and running something that may panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

/// One recorded case.
pub(crate) struct Case<'a> {
    /// Its name within the topic.
    pub name: &'a str,
    /// What goes in.
    pub input: &'a Value,
    /// What came out of the reference.
    pub expected: &'a Value,
    /// Its extra boolean keys.
    pub flags: Vec<&'a str>,
}

impl<'a> Case<'a> {
    /// Reads a case; what is missing is `null` or empty.
    pub(crate) fn of(case: &'a Value) -> Self {
        Self {
            name: case["name"].as_str().unwrap_or("a case without a name"),
            input: &case["input"],
            expected: &case["expected"],
            flags: case
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(_, value)| value.is_boolean())
                .map(|(key, _)| key.as_str())
                .collect(),
        }
    }
}

/// Runs `work`; a panic becomes an error with its message.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        format!("panicked: {}", message.unwrap_or("without a message"))
    })
}

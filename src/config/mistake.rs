//! What is wrong with a configuration, and where it was said.

use std::fmt;

/// One thing that is wrong. It never repeats a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The dotted key, e.g. `http.bind`; empty when a whole file is meant.
    pub key: String,
    /// Where the value came from, e.g. `file settings.toml` or `variable CONNECTOR__HTTP__BIND`.
    pub origin: String,
    /// What is wrong and what would be right.
    pub text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}: {}", self.origin, self.text)
        } else {
            write!(f, "{} ({}): {}", self.key, self.origin, self.text)
        }
    }
}

/// Everything that is wrong with a configuration; prints one mistake per line. Never empty when it
/// is returned as an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// The mistakes, in the order of the reference, unknown keys last.
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(
        &mut self,
        key: impl Into<String>,
        origin: impl Into<String>,
        text: impl Into<String>,
    ) {
        self.0.push(Mistake {
            key: key.into(),
            origin: origin.into(),
            text: text.into(),
        });
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, mistake) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

//! Where the list of products is, and whether it says anything new.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// The largest list that is read.
const LIST_BYTES_MAX: u64 = 64 << 20;

/// A place with a JSON list of rows.
#[derive(Clone, Debug)]
pub enum Source {
    /// The list itself.
    Inline(SecretString),
    /// A file.
    File(PathBuf),
}

/// A list as it was found.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The text, secrets and all.
    pub text: SecretString,
    /// Tells it from another text.
    pub fingerprint: Fingerprint,
}

/// A hash of content. Two texts with the same fingerprint are the same text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

/// Why a list could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such file.
    #[error("there is no file {}", .0.display())]
    Missing(PathBuf),
    /// The file is there, but cannot be read as text.
    #[error("{} cannot be read", .0.display())]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// The file is too large to be a list of products.
    #[error("{} is larger than {LIST_BYTES_MAX} bytes", .0.display())]
    TooLarge(PathBuf),
}

impl Source {
    /// The list given in place, or else the file.
    pub fn new(path: impl Into<PathBuf>, inline: &SecretString) -> Self {
        if inline.expose_secret().trim().is_empty() {
            Self::File(path.into())
        } else {
            Self::Inline(inline.clone())
        }
    }

    /// Whether the list may change while the service runs.
    pub fn may_change(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Reads the list. The path is followed anew every time and the content itself is compared, so a
    /// change is seen however it was made: written in place, renamed over, or by a symbolic link
    /// that now points elsewhere, as in mounted `ConfigMap`s.
    ///
    /// # Errors
    ///
    /// [`Error`] when the file is missing, unreadable or too large.
    pub fn load(&self) -> Result<Loaded, Error> {
        let text = match self {
            Self::Inline(text) => text.clone(),
            Self::File(path) => {
                let failed = |error: std::io::Error| match error.kind() {
                    std::io::ErrorKind::NotFound => Error::Missing(path.clone()),
                    _ => Error::Unreadable(path.clone(), error),
                };
                let mut text = String::new();
                let file = File::open(path).map_err(failed)?;
                let mut bounded = file.take(LIST_BYTES_MAX + 1);
                let read = bounded.read_to_string(&mut text).map_err(failed)?;
                if read as u64 > LIST_BYTES_MAX {
                    return Err(Error::TooLarge(path.clone()));
                }
                text.into()
            }
        };
        let fingerprint = Fingerprint::of(text.expose_secret());
        Ok(Loaded { text, fingerprint })
    }
}

impl Fingerprint {
    /// Hashes a text.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }
}

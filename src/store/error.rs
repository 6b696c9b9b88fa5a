//! What goes wrong with a store.

use std::sync::Arc;

/// Why the store could not do as asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The commit queue is at its bound.
    #[error("the store's queue is full")]
    Overloaded,
    /// The disk or the configured size limit is exhausted.
    #[error("the store is full")]
    Full,
    /// The store is closed or could not be opened.
    #[error("the store is unavailable: {0}")]
    Unavailable(Arc<str>),
    /// A row could not be read; it has been set aside.
    #[error("{what} of {key} is unreadable and was set aside")]
    Unreadable {
        /// Which kind of row.
        what: &'static str,
        /// Its address.
        key: Arc<str>,
    },
    /// The backend reported a failure.
    #[error("the store failed: {0}")]
    Backend(Arc<str>),
}

impl Error {
    /// Writes down that something waits for the store. That a backend is away it says itself, at the beginning
    /// and at the end, so that everybody else who notices says so only to whoever looks closely.
    pub fn report(&self, what: &str) {
        match self {
            Self::Unavailable(_) => tracing::debug!(error = %self, "{what}"),
            _ => tracing::warn!(error = %self, "{what}"),
        }
    }
}

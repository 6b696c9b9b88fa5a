//! Erasing a person: finding what is about them, and removing it.
//!
//! A store does not know what its rows mean, so whoever erases brings a [`Subject`], which is shown
//! rows and says which of them are about the person. The work is cut into pages: [`Trace`] tells what
//! one page of one table holds, and what it found is removed in one transaction, looked at once more.

use std::sync::Arc;

use crate::domain::id::{Key, ProductId};

/// Says which rows are about a person.
pub trait Subject: Send + Sync {
    /// The tenant whose rows are shown; rows of others are not.
    fn product(&self) -> &ProductId;

    /// Whether the row is about the person.
    fn is_about(&self, row: &Row<'_>) -> bool;
}

/// A stored row as a [`Subject`] sees it. Text that is damaged is shown as well as it can be.
#[derive(Clone, Copy, Debug)]
pub enum Row<'a> {
    /// A state.
    State {
        /// The kind of its key.
        kind: &'a str,
        /// The identifier of its key.
        id: &'a str,
        /// The serialised state.
        state: &'a str,
    },
    /// A log entry.
    Entry {
        /// The kind of its key.
        kind: &'a str,
        /// The identifier of its key.
        id: &'a str,
        /// The user concerned, empty when there is none.
        user_id: &'a str,
        /// What it tells.
        body: &'a str,
    },
    /// An index row.
    Fact {
        /// The name of its space.
        space: &'a str,
        /// The identifier that is looked up.
        id: &'a str,
        /// The value.
        value: &'a str,
    },
    /// A delivery, finished or not.
    Delivery {
        /// The kind of its key.
        kind: &'a str,
        /// The identifier of its key.
        id: &'a str,
        /// What was to be done.
        body: &'a str,
    },
    /// A parked input, or a row set aside because it could not be read; of any tenant, because such
    /// rows do not always say whose they are.
    Aside {
        /// Where it came from: a key, or an address below a tenant, or a delivery.
        address: &'a str,
        /// What is left of it.
        content: &'a str,
    },
}

/// The tables, in the order in which they are gone through: states first, because whoever holds an
/// erased state in memory can then write nothing that rests on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// States.
    #[default]
    States,
    /// Log entries.
    Log,
    /// Index rows.
    Index,
    /// Deliveries.
    Outbox,
    /// Parked inputs.
    Parked,
    /// Rows set aside.
    Quarantine,
}

impl Table {
    /// The table after this one.
    pub(super) fn next(self) -> Option<Self> {
        match self {
            Self::States => Some(Self::Log),
            Self::Log => Some(Self::Index),
            Self::Index => Some(Self::Outbox),
            Self::Outbox => Some(Self::Parked),
            Self::Parked => Some(Self::Quarantine),
            Self::Quarantine => None,
        }
    }

    /// The label of `connector_erased_total`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::States => "session",
            Self::Log => "entry",
            Self::Index => "index",
            Self::Outbox => "delivery",
            Self::Parked => "parked",
            Self::Quarantine => "quarantined",
        }
    }
}

/// A place between two rows; the default lies before all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The table.
    pub table: Table,
    /// Where the backend stopped: the number of the row before, or its own cursor.
    pub(super) after: u128,
}

impl Place {
    /// The beginning of the table after `table`, if there is one.
    pub(super) fn after_table(table: Table) -> Option<Self> {
        table.next().map(|table| Self { table, after: 0 })
    }
}

/// What one page holds about a person.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// Where the page began.
    pub place: Place,
    /// The rows.
    pub(super) rows: Rows,
    /// Keys of the states and log entries among them.
    pub keys: Vec<Key>,
    /// Values of the index rows among them.
    pub values: Vec<Arc<str>>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Place>,
}

impl Trace {
    /// Whether the page holds nothing about the person.
    pub fn is_empty(&self) -> bool {
        match &self.rows {
            Rows::Numbered(rows) => rows.is_empty(),
            Rows::Named(rows) => rows.is_empty(),
        }
    }
}

/// Rows of one table, as their backend tells them apart.
#[derive(Clone, Debug)]
pub(super) enum Rows {
    /// By their numbers.
    Numbered(Vec<u64>),
    /// By their names.
    Named(Vec<String>),
}

impl Default for Rows {
    fn default() -> Self {
        Self::Numbered(Vec::new())
    }
}

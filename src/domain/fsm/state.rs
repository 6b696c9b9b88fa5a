//! Where a session stands, and what may be asked of it there.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing is going on; an offer may be considered.
    Thinking,
    /// We have spoken first.
    ProactiveAssistance,
    /// The user has spoken first.
    ReactiveAssistance,
}

impl State {
    /// The name in snapshots and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Thinking => "thinking",
            Self::ProactiveAssistance => "proactive_assistance",
            Self::ReactiveAssistance => "reactive_assistance",
        }
    }

    /// The inverse of [`State::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Thinking,
            Self::ProactiveAssistance,
            Self::ReactiveAssistance,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether an offer may be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Yes.
    Open,
    /// No: our last offer is still standing.
    Proactive,
    /// No: the user is in a conversation of their own.
    Reactive,
    /// No: the last conversation is too fresh.
    Cooling,
}

impl Gate {
    /// Whether an offer may be delivered.
    pub fn is_open(self) -> bool {
        self == Self::Open
    }

    /// The published reason.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Open => "ok",
            Self::Proactive => "v2_state_proactive_assistance",
            Self::Reactive => "v2_state_reactive_assistance",
            Self::Cooling => "v2_cooldown_active",
        }
    }
}

/// A move the machine does not make; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("cannot {attempt} while in {from}")]
pub struct InvalidTransition {
    /// Where the machine stands.
    pub from: State,
    /// What was asked of it.
    pub attempt: &'static str,
}

/// A machine was to be made for a session without an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a session needs an identifier")]
pub struct EmptySessionId;

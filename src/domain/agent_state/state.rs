//! Where the machine stands, where it may go, and whether an offer may be shown.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Where the machine stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing is going on; an offer may be considered.
    #[default]
    Thinking,
    /// The user has spoken and is being answered.
    ReactiveAssistance,
    /// An offer stands.
    ProactiveAssistance,
    /// A tour runs.
    GuidanceExecution,
    /// The user has declined, and is left alone for a while.
    ConservativeAssistance,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Thinking,
        Self::ReactiveAssistance,
        Self::ProactiveAssistance,
        Self::GuidanceExecution,
        Self::ConservativeAssistance,
    ];

    /// The name in snapshots, answers and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Thinking => "thinking",
            Self::ReactiveAssistance => "reactive_assistance",
            Self::ProactiveAssistance => "proactive_assistance",
            Self::GuidanceExecution => "guidance_execution",
            Self::ConservativeAssistance => "conservative_assistance",
        }
    }

    /// The inverse of [`State::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether there is a move from here to another state.
    pub fn may_become(self, to: Self) -> bool {
        use State::{
            ConservativeAssistance as Conservative, GuidanceExecution as Guidance,
            ProactiveAssistance as Proactive, ReactiveAssistance as Reactive, Thinking,
        };
        match self {
            Thinking => matches!(to, Proactive | Reactive | Conservative),
            Proactive => matches!(to, Guidance | Conservative | Thinking | Reactive),
            Guidance => matches!(to, Thinking | Reactive | Conservative),
            Reactive => matches!(to, Thinking | Guidance),
            Conservative => matches!(to, Thinking | Reactive),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether an offer may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Yes.
    Open,
    /// No: something is going on.
    WrongState,
    /// No: the user has declined too recently.
    Conservative,
    /// No: on this route there was one too recently.
    Route,
    /// No: for this flow there was one too recently.
    Flow,
}

impl Gate {
    /// Whether an offer may be shown.
    pub fn is_open(self) -> bool {
        self == Self::Open
    }

    /// The published reason.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Open => "ok",
            Self::WrongState => "wrong_state",
            Self::Conservative => "conservative_cooldown",
            Self::Route => "route_cooldown",
            Self::Flow => "flow_cooldown",
        }
    }
}

/// A move the machine does not make; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{attempt} is no way out of {from}")]
pub struct InvalidTransition {
    /// Where the machine stands.
    pub from: State,
    /// The state, or the event, that was asked for.
    pub attempt: &'static str,
}

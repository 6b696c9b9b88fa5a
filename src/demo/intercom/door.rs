//! Whether anybody listens: the difference between a vendor that fails and one that is not there.

use tokio::sync::watch;

/// What is asked for, and what has come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    wanted: bool,
    is: bool,
}

/// The door that a modelled vendor listens at.
#[derive(Debug)]
pub(super) struct Door(watch::Sender<State>);

impl Door {
    /// Open, and meant to stay so.
    pub(super) fn open() -> Self {
        Self(watch::Sender::new(State {
            wanted: true,
            is: true,
        }))
    }

    /// Asks for it to be shut and waits until it is.
    pub(super) async fn close(&self) {
        self.ask(false).await;
    }

    /// Asks for it to be opened and waits until it is.
    pub(super) async fn reopen(&self) {
        self.ask(true).await;
    }

    async fn ask(&self, open: bool) {
        self.0.send_modify(|state| state.wanted = open);
        // The door keeps the sender, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|state| state.is == open).await;
    }

    /// Completes when it should be open, or shut.
    pub(super) async fn wanted(&self, open: bool) {
        let _ = self
            .0
            .subscribe()
            .wait_for(|state| state.wanted == open)
            .await;
    }

    /// Says that it is open, or shut.
    pub(super) fn set(&self, open: bool) {
        self.0.send_modify(|state| state.is = open);
    }
}

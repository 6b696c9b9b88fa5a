//! Speaking first: what leads to an offer, as tables and properties.

mod campaigns;
mod criteria;
mod laws;
mod machines;
mod resilience;
mod trigger_settings;
mod triggers;
mod window;

use event_connector::domain::proactive::{Actions, Seen};

/// Actions as a session keeps them.
fn kept(actions: &[Seen<'_>]) -> Actions {
    actions.iter().cloned().collect()
}

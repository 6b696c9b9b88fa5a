//! Speaking first: what leads to an offer, as tables and properties.

mod campaigns;
mod criteria;
mod laws;
mod machines;
mod resilience;
mod trigger_settings;
mod triggers;
mod window;

//! What a product wants to be offered.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::trigger::{self, Registry, Trigger};
use super::{Flaw, criteria};
use crate::domain::fsm::TourRegistry;

/// The triggers and tours of one product, read once and shared by all its sessions.
#[derive(Debug)]
pub struct Program {
    /// Whether the product wants to speak first at all (gate 1 of contract 5.1).
    pub is_enabled: bool,
    /// In the order in which they are asked; the first that answers wins.
    pub triggers: Registry,
    /// The names of the triggers, in their order.
    pub names: Arc<[Arc<str>]>,
    /// What keeps a session busy while it runs.
    pub tours: TourRegistry,
}

impl Program {
    /// Of a product's `integration_config`: the triggers of `proactive_triggers`, then the campaigns. All that is wrong
    /// becomes flaws; what can be used is.
    pub fn read(is_enabled: bool, config: &Map<String, Value>) -> (Self, Vec<Flaw>) {
        let (triggers, mut flaws) = trigger::parse(config);
        let (campaigns, more) = criteria::parse(config);
        flaws.extend(more);
        let (tours, more) = TourRegistry::of_product(config);
        flaws.extend(more);
        let mut triggers = triggers.unwrap_or_default();
        let campaigns = campaigns.into_iter();
        triggers.extend(campaigns.map(|campaign| Box::new(campaign) as Box<dyn Trigger>));
        let program = Self::new(is_enabled, triggers, tours.unwrap_or_default());
        (program, flaws)
    }

    /// Of triggers in the order in which they are asked.
    pub fn new(is_enabled: bool, triggers: Vec<Box<dyn Trigger>>, tours: TourRegistry) -> Self {
        Self {
            is_enabled,
            names: triggers.iter().map(|trigger| trigger.id().into()).collect(),
            triggers: Registry::new(triggers),
            tours,
        }
    }
}

/// Two programs are the same where they are the same one: triggers cannot be compared.
impl PartialEq for Program {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

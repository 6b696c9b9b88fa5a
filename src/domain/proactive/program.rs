//! What a product wants to be offered.

use std::sync::Arc;

use super::trigger::{Registry, Trigger};
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

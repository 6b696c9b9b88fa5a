//! What triggers look at.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::actions::Actions;
use super::window::Window;
use crate::domain::action::ActionType;

/// One action as triggers see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen<'a> {
    /// Where it was done, identifiers folded away; empty when nobody knows.
    pub canonical_url: Cow<'a, str>,
    /// What was done.
    pub r#type: ActionType,
    /// Short and imperative; of an action that is kept, in lower case.
    pub title: Cow<'a, str>,
    /// When it began, Unix seconds.
    pub start: f64,
    /// When the next one of its batch began, or else when it began itself, Unix seconds.
    pub end: f64,
}

/// The value of a user property.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(f64),
    /// Text.
    Text(Arc<str>),
}

/// What is known of the user, by name.
pub type Properties = BTreeMap<Arc<str>, Scalar>;

/// A session as triggers see it.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// The present, Unix seconds.
    pub now: f64,
    /// What is known of the user.
    pub properties: &'a Properties,
    window: Rc<Window<'a>>,
}

impl<'a> Context<'a> {
    /// What can be seen at `now`, Unix seconds, of the newest actions, bounded in age and number, and where it is
    /// remembered when the user came to the current page, Unix seconds: that may be longer ago than the oldest action.
    pub fn new(
        now: f64,
        actions: &'a Actions,
        entered_at: Option<f64>,
        properties: &'a Properties,
    ) -> Self {
        Self {
            now,
            properties,
            window: Rc::new(Window::new(actions, entered_at)),
        }
    }

    /// The same at another time.
    pub fn at(&self, now: f64) -> Self {
        Self {
            now,
            ..self.clone()
        }
    }

    /// The newest actions, oldest first.
    pub fn actions(&self) -> &[Seen<'a>] {
        self.window.seen()
    }

    /// The newest actions, and what is to be found out about them.
    pub fn window(&self) -> &Window<'a> {
        &self.window
    }
}

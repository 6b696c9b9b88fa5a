//! What a user did, as a sentence, before and after a session has numbered it.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::id::{ConversationId, ProductId, SessionId, UserId};
use super::proactive::Scalar;

/// Where activity comes from; decides which clock the pre-link window trusts and labels metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// PostHog: hog destination, native webhook, capture, batch, REST hook.
    Posthog,
    /// Amplitude HTTP event streaming.
    Amplitude,
    /// FullStory Streams, minutes late by design.
    Fullstory,
    /// A shape none of the adapters knows.
    Unknown,
}

impl Provider {
    /// Finds a provider by its name.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [
            Self::Posthog,
            Self::Amplitude,
            Self::Fullstory,
            Self::Unknown,
        ];
        all.into_iter().find(|provider| provider.as_str() == name)
    }

    /// Its name in the log, and the label value in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Posthog => "posthog",
            Self::Amplitude => "amplitude",
            Self::Fullstory => "fullstory",
            Self::Unknown => "unknown",
        }
    }

    /// Whether event times say nothing about how fresh an action is.
    pub fn delivers_late(self) -> bool {
        self == Self::Fullstory
    }
}

/// The `type` of an action on the wire (contract 3.6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionType {
    /// A page or screen was opened.
    Pageview,
    /// Something was clicked, touched or rage-clicked.
    Click,
    /// A form was submitted.
    Submit,
    /// A field was edited; values are never recorded.
    Type,
    /// A field received focus.
    Focus,
    /// A field lost focus.
    Blur,
    /// An event of the product's own.
    Custom,
}

/// One extracted action that no session has accepted yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewAction {
    /// Eight bytes that tell a redelivery from a new event (contract 3.6.8).
    pub duplicate_key: u64,
    /// The kind of action.
    pub r#type: ActionType,
    /// Short imperative title, e.g. `Click Save button`.
    pub title: String,
    /// A whole sentence, e.g. `User clicked Save button on the team page`.
    pub description: String,
    /// When it happened, Unix seconds; providers that do not say get the receipt time, so `None`
    /// comes only from sources that are not providers.
    pub at: Option<f64>,
    /// The captured URL with secrets removed; empty when there was none.
    pub raw_url: String,
    /// The URL with identifiers, query and fragment folded away; empty when there was none.
    pub canonical_url: String,
    /// The user the event names, if any.
    pub user_id: Option<UserId>,
    /// The e-mail address the event carries, original case.
    pub email: Option<String>,
}

/// Identity carried by a request, applied before any of its actions (contract 3.6.7).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Whose session it is.
    pub user_id: Option<UserId>,
    /// Where the user can be reached, original case; always has text on both sides of one `@`.
    pub email: Option<String>,
    /// Whether this is a statement of identity (`$identify`, alias) rather than the label of an
    /// ordinary event: statements win over labels of the same request.
    pub stated: bool,
}

/// The most properties that are read from a request for one session, and that a session keeps.
pub const PROPERTIES_MAX: usize = 32;

/// Something that an application says of its user, such as a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Property {
    /// What it is called.
    pub name: Arc<str>,
    /// What it is.
    pub value: Scalar,
    /// Whether it counts only where nothing has been said under the name before.
    #[serde(default, skip_serializing_if = "is_false")]
    pub once: bool,
}

/// One request's share for one session, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    /// The source.
    pub provider: Provider,
    /// Hash of the whole request body, or the key of its only action: a retried request is recognised
    /// even where its events carry no identifier.
    pub body_key: u64,
    /// Identity in the order of the events that carried it.
    pub identities: Vec<Identity>,
    /// What is said of the user, in the order of the events that say it, each name once; at most
    /// [`PROPERTIES_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<Property>,
    /// How many properties were one too many.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped_properties: u64,
    /// The actions, stably sorted by time.
    pub actions: Vec<NewAction>,
}

impl Activity {
    /// Nothing yet.
    pub fn new(provider: Provider, body_key: u64) -> Self {
        Self {
            provider,
            body_key,
            identities: Vec::new(),
            properties: Vec::new(),
            dropped_properties: 0,
            actions: Vec::new(),
        }
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// One action as clients receive it (contract 2.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Action<'a> {
    /// Position in the session's sequence.
    pub index: u64,
    /// The kind of action.
    pub r#type: ActionType,
    /// Short imperative title.
    pub title: Cow<'a, str>,
    /// A whole sentence.
    pub description: Cow<'a, str>,
    /// Unix seconds.
    pub timestamp_start: f64,
    /// The next action's start, or its own start for the last of its batch.
    pub timestamp_end: f64,
    /// The captured URL with secrets removed.
    pub raw_url: Cow<'a, str>,
    /// The folded URL.
    pub canonical_url: Cow<'a, str>,
    /// The provider session, `null` when there was none.
    pub session_id: Option<SessionId>,
    /// The identified user, or the provider's distinct id.
    pub user_id: Option<UserId>,
    /// The user's address, `null` when unknown.
    pub email: Option<Cow<'a, str>>,
    /// The linked conversation, `null` until there is one.
    pub conversation_id: Option<ConversationId>,
}

/// One batch of actions as it travels on the feed (contract 2.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionsPayload<'a> {
    /// Always `actions`.
    pub r#type: PayloadType,
    /// The tenant.
    pub product_id: ProductId,
    /// The provider session, `null` when there was none.
    pub session_id: Option<SessionId>,
    /// The session's user.
    pub user_id: Option<UserId>,
    /// The session's address.
    pub email: Option<Cow<'a, str>>,
    /// The linked conversation.
    pub conversation_id: Option<ConversationId>,
    /// The actions, never empty.
    pub actions: Vec<Action<'a>>,
    /// Equals the number of actions.
    pub count: usize,
    /// Unix seconds at hand-off.
    pub forwarded_at: f64,
}

/// The discriminator of a feed payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayloadType {
    /// A batch of actions.
    Actions,
}

/// Why an event produced no action; the label of `connector_events_dropped_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// The event has no name.
    NoEventName,
    /// A server-side event: neither URL nor session.
    NoUrlNoSession,
    /// A page view of nothing that has a page name.
    PageviewWithoutUrl,
    /// An interaction of a type we do not know.
    UnknownEventType,
    /// An autocapture event that says neither type nor element.
    NoEventType,
    /// A provider event that is not a user action.
    LowSignal,
    /// Seen before.
    Duplicate,
    /// Consumed as identity.
    Identity,
    /// JSON of no known shape.
    UnrecognisedShape,
    /// A custom event of a product that drops them.
    CustomEvent,
    /// Handling it failed twice; it is kept as a dead letter.
    Parked,
}

impl DropReason {
    /// The label value in metrics and fixtures.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoEventName => "no_event_name",
            Self::NoUrlNoSession => "no_url_no_session",
            Self::PageviewWithoutUrl => "pageview_without_url",
            Self::UnknownEventType => "unknown_event_type",
            Self::NoEventType => "no_event_type",
            Self::LowSignal => "low_signal",
            Self::Duplicate => "duplicate",
            Self::Identity => "identity",
            Self::UnrecognisedShape => "unrecognised_shape",
            Self::CustomEvent => "custom_event",
            Self::Parked => "parked",
        }
    }
}

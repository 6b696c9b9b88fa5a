//! What chatbots send us, in words that are the same for all of them (contract 1.8).

use crate::domain::id::ConversationId;
use crate::domain::session::index::Trust;
use crate::session::linker::Person;

/// A request to the product's webhook.
pub struct Webhook<'a> {
    /// The value of a header, named in lower case, if it is there once and is text.
    pub header: &'a dyn Fn(&'static str) -> Option<&'a str>,
    /// The body as it arrived.
    pub body: &'a [u8],
}

/// What the sender of a webhook has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// That it may be believed so far.
    Given(Trust),
    /// Nothing yet: one of the product's own secrets will do.
    Wanted,
    /// A signature, or the lack of one, that proves it wrong.
    Failed,
}

/// What a notification came to.
#[derive(Clone, Debug)]
pub struct Heard {
    /// What it is about: one of few texts, fit for a metric's label.
    pub topic: &'static str,
    /// What it asks for; `None` where it links nothing.
    pub asks: Option<Asked>,
}

/// A session that is to be linked to a conversation, because somebody wrote in it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Whose session it is, by as many names as are known.
    pub person: Person,
    /// The conversation.
    pub conversation: ConversationId,
    /// Recognises a repetition of the notification.
    pub notification: Option<String>,
}

/// A body that is no notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is no notification")]
pub struct NoNotification;

//! Reads Intercom's webhook notifications, in the shape of any API version (external-apis §1.2, §1.3).
//!
//! Pure, and forgiving: what is missing or of an unexpected type is `None`, because the version is
//! set in somebody else's developer hub. Whether a notification is genuine is not decided here.

use serde_json::Value;

use super::answer::text_or_number;
use crate::domain::id::{ConversationId, UserId};

/// What a notification tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Recognises a repetition; null on a ping.
    pub id: Option<String>,
    /// What it is about.
    pub topic: Topic,
    /// The conversation, when it is about one.
    pub conversation: Option<ConversationId>,
    /// The product's own identifier of the person who talks.
    pub external_id: Option<UserId>,
    /// That person's address, original case.
    pub email: Option<String>,
    /// Who wrote the newest message. Where nobody is named the topic decides.
    pub author: Author,
}

/// Who wrote a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// Somebody who asks for help.
    Person,
    /// A teammate, by identifier if one is named. The connector's own notes come back under the one it
    /// writes as.
    Admin(Option<String>),
    /// A bot, or nobody.
    Other,
}

/// What a notification is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topic {
    /// A person began a conversation.
    UserCreated,
    /// A person wrote in a conversation.
    UserReplied,
    /// Intercom tries the address.
    Ping,
    /// Anything else, by name.
    Other(String),
}

impl Topic {
    /// The topic's name, or `other`: one of four texts, fit for a metric's label.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::UserCreated => "conversation.user.created",
            Self::UserReplied => "conversation.user.replied",
            Self::Ping => "ping",
            Self::Other(_) => "other",
        }
    }

    fn parse(name: &str) -> Self {
        let known = [Self::UserCreated, Self::UserReplied, Self::Ping];
        known
            .into_iter()
            .find(|topic| topic.as_str() == name)
            .unwrap_or_else(|| Self::Other(name.to_owned()))
    }
}

/// Why a body is no notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The body is not JSON.
    #[error("the body is not JSON")]
    NotJson,
    /// The body is JSON without a topic.
    #[error("the notification has no topic")]
    NoTopic,
}

/// Reads one notification.
pub fn parse(body: &[u8]) -> Result<Notification, Malformed> {
    let body: Value = serde_json::from_slice(body).map_err(|_| Malformed::NotJson)?;
    let name = body.get("topic").and_then(Value::as_str);
    let topic = Topic::parse(name.ok_or(Malformed::NoTopic)?);
    let item = at(&body, &["data", "item"]).unwrap_or(&Value::Null);
    let author = author(item);
    let person = person(item, author);
    Ok(Notification {
        id: text_at(&body, &["id"]),
        conversation: conversation(item),
        external_id: person.external_id.map(UserId::from),
        email: person.email,
        author: match author {
            Some(author) => read_author(author),
            None if matches!(topic, Topic::UserCreated | Topic::UserReplied) => Author::Person,
            None => Author::Other,
        },
        topic,
    })
}

#[derive(Default)]
struct Person {
    external_id: Option<String>,
    email: Option<String>,
}

/// The conversation itself is the item of most topics; parts and deletions name it.
fn conversation(item: &Value) -> Option<ConversationId> {
    let kind = item.get("type").and_then(Value::as_str);
    let own = || text_at(item, &["id"]);
    match kind {
        Some("conversation") | None => own().or_else(|| text_at(item, &["conversation_id"])),
        Some(_) => text_at(item, &["conversation_id"]),
    }
    .map(ConversationId::from)
}

/// Who wrote the newest message: the last part's author, else the first message's. In 1.x the
/// first message is called `conversation_message`.
fn author(item: &Value) -> Option<&Value> {
    let newest = list(item, "conversation_parts")
        .iter()
        .rev()
        .find_map(|part| part.get("author"));
    newest
        .or_else(|| at(item, &["source", "author"]))
        .or_else(|| at(item, &["conversation_message", "author"]))
        .filter(|author| author.is_object())
}

fn read_author(author: &Value) -> Author {
    match author.get("type").and_then(Value::as_str) {
        _ if is_person(author) => Author::Person,
        Some("admin") => Author::Admin(text_at(author, &["id"])),
        _ => Author::Other,
    }
}

fn is_person(author: &Value) -> bool {
    let kind = author.get("type").and_then(Value::as_str);
    matches!(
        kind,
        Some("user" | "lead" | "contact" | "customer" | "visitor")
    )
}

/// The person behind the conversation. A group conversation lists several contacts, so the one who
/// wrote comes first, then whoever is named elsewhere.
fn person(item: &Value, author: Option<&Value>) -> Person {
    let writer = author.filter(|author| is_person(author));
    let opener = at(item, &["source", "author"]).filter(|author| is_person(author));
    let contacts = ["contacts", "customers"]
        .iter()
        .flat_map(|name| list(item, name));
    let writer_id = writer.and_then(|writer| text_at(writer, &["id"]));
    let is_writer =
        |contact: &&Value| writer_id.is_some() && text_at(contact, &["id"]) == writer_id;
    let same = contacts.clone().find(is_writer);
    let own = describe([writer, same].into_iter().flatten());
    if writer.is_some() && contacts.clone().count() > 1 {
        // In a group nobody lends the writer an identity.
        return own;
    }
    let named = [item.get("user"), opener];
    let others = describe(named.into_iter().flatten().chain(contacts));
    Person {
        external_id: own.external_id.or(others.external_id),
        email: own.email.or(others.email),
    }
}

/// The first identifier and the first address that `sources` name.
fn describe<'a>(sources: impl Iterator<Item = &'a Value>) -> Person {
    let mut person = Person::default();
    for source in sources {
        let id = || text_at(source, &["external_id"]).or_else(|| text_at(source, &["user_id"]));
        person.external_id = person.external_id.or_else(id);
        person.email = person.email.or_else(|| text_at(source, &["email"]));
    }
    person
}

/// The items of a list that comes bare or wrapped in an object under its own name.
fn list<'a>(item: &'a Value, name: &str) -> &'a [Value] {
    let value = item.get(name);
    let wrapped = value.and_then(|value| value.get(name));
    wrapped
        .or(value)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn text_at(value: &Value, path: &[&str]) -> Option<String> {
    at(value, path).and_then(text_or_number)
}

fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}

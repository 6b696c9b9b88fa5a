//! Which rows are about a person who is to be erased.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::id::{Kind, ProductId};
use crate::domain::log::Space;
use crate::domain::session::wire_json;
use crate::store::erasure::{Row, Subject};

/// What is known of a person besides the identifier by which they are to be erased.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Known {
    /// Sessions that were theirs at some time.
    pub(super) sessions: BTreeSet<Arc<str>>,
    /// Their addresses, in lower case.
    pub(super) emails: BTreeSet<String>,
}

/// A person, and how stored text names them.
///
/// Stored text is JSON of our own making, so a member such as `"user_id":"u_1"` cannot stand in it
/// by accident: inside a string its quotes would be escaped.
#[derive(Clone, Debug)]
pub(super) struct Person {
    product: ProductId,
    user: Arc<str>,
    known: Known,
    /// Members of an object that name them, and pairs of a waiting link request.
    marks: Vec<String>,
    /// Their identifier between the quotes of JSON, of a programmer's output and of SQL.
    quoted: [String; 3],
}

impl Person {
    pub(super) fn new(product: ProductId, user: Arc<str>, known: Known) -> Self {
        let plain = json(&user);
        let mut marks = Vec::new();
        // The feed's payloads escape more characters than everything else.
        for name in [plain.clone(), wire_json(&&*user)] {
            for member in ["user", "user_id"] {
                marks.push(format!("\"{member}\":{name}"));
            }
        }
        marks.push(format!("[\"user\",{plain}]"));
        let emails = known.emails.iter();
        marks.extend(emails.map(|email| format!("[\"email\",{}]", json(email))));
        let quoted = [
            plain,
            format!("{user:?}"),
            format!("'{}'", user.replace('\'', "''")),
        ];
        Self {
            product,
            user,
            known,
            marks,
            quoted,
        }
    }

    fn is_named_in(&self, text: &str) -> bool {
        self.marks.iter().any(|mark| text.contains(mark.as_str()))
    }

    fn owns(&self, kind: &str, id: &str) -> bool {
        kind == Kind::Session.as_str() && self.known.sessions.contains(id)
    }

    fn is_in_fact(&self, space: &str, id: &str, value: &str) -> bool {
        let is = |one: Space| space == one.as_str();
        if is(Space::Erasure) {
            return false;
        }
        let by_user = is(Space::UserSession) || is(Space::UserLink) || is(Space::PendingUser);
        let by_email = is(Space::EmailSession) || is(Space::PendingEmail);
        (by_user && *id == *self.user)
            || (by_email && self.known.emails.contains(id))
            || (is(Space::PendingSession) && self.known.sessions.contains(id))
            || self.is_named_in(value)
            || session_in(value).is_some_and(|session| self.known.sessions.contains(&*session))
    }

    /// What was set aside is matched loosely: it is in nobody's way, and too much of it may go.
    fn is_aside(&self, address: &str, content: &str) -> bool {
        let below = address
            .strip_prefix(self.product.as_str())
            .and_then(|rest| rest.strip_prefix('/'));
        // A delivery's address is its own identifier and names no tenant.
        let is_foreign = below.is_none() && address.contains('/');
        if is_foreign {
            return false;
        }
        let below = below.unwrap_or_default();
        let is_own_key = below
            .split_once('/')
            .is_some_and(|(kind, id)| self.owns(kind, id) || *id == *self.user);
        let names_session = |session: &Arc<str>| {
            content.contains(&json(session)) || content.contains(&format!("'{session}'"))
        };
        is_own_key
            || self
                .quoted
                .iter()
                .any(|name| content.contains(name.as_str()))
            || self.known.sessions.iter().any(names_session)
    }
}

impl Subject for Person {
    fn product(&self) -> &ProductId {
        &self.product
    }

    fn is_about(&self, row: &Row<'_>) -> bool {
        match *row {
            Row::State { kind, id, state } => {
                let is_session = kind == Kind::Session.as_str();
                self.owns(kind, id) || (is_session && self.is_named_in(state))
            }
            Row::Entry {
                kind,
                id,
                user_id,
                body,
            } => self.owns(kind, id) || *user_id == *self.user || self.is_named_in(body),
            Row::Fact { space, id, value } => self.is_in_fact(space, id, value),
            // A push of a bucket is nobody's session, and a note's text can hold no such member.
            Row::Delivery { kind, id, body } => self.owns(kind, id) || self.is_named_in(body),
            Row::Aside { address, content } => self.is_aside(address, content),
        }
    }
}

/// The session that an index row leads to.
pub(super) fn session_in(value: &str) -> Option<Arc<str>> {
    let row: Value = serde_json::from_str(value).ok()?;
    Some(row.get("session")?.as_str()?.into())
}

fn json(text: &str) -> String {
    Value::from(text).to_string()
}

//! Who a raw event is about (contract 3.6.7).

use super::filter::states_identity;
use super::raw::RawEvent;
use crate::domain::action::Identity;
use crate::domain::id::UserId;

/// The user on the wire: the identified one, else the distinct id.
pub(crate) fn user<'r>(raw: &'r RawEvent<'_>) -> Option<&'r str> {
    raw.identified_user.as_deref().or(raw.user.as_deref())
}

/// The first candidate that is an address: one `@` with text on both sides.
pub(crate) fn email<'r>(raw: &RawEvent<'r>) -> Option<&'r str> {
    raw.emails
        .iter()
        .map(|email| email.trim())
        .find(|email| is_address(email))
}

/// The identity a raw event carries; `None` when it names nobody.
pub(crate) fn identity(raw: &RawEvent<'_>) -> Option<Identity> {
    let user_id = user(raw).map(UserId::from);
    let email = email(raw).map(str::to_owned);
    let stated = raw
        .name
        .as_deref()
        .is_some_and(|name| states_identity(name.trim()));
    (user_id.is_some() || email.is_some()).then_some(Identity {
        user_id,
        email,
        stated,
    })
}

/// Whether `text` is an e-mail address for our purposes.
pub(crate) fn is_address(text: &str) -> bool {
    match text.split_once('@') {
        Some((local, domain)) => {
            !local.is_empty()
                && !domain.is_empty()
                && !domain.contains('@')
                && !text.contains(|c: char| c.is_control() || c.is_whitespace())
        }
        None => false,
    }
}

//! What applications say of their users, such as a plan or a role (contract 3.1 to 3.3): what of it is kept.
//!
//! Only flags, numbers and text are. Left out are names that begin with `$`, for they are the vendor's own, that
//! nobody could read, or that secrets go by; and payment card numbers. Secrets leave URLs as they do elsewhere.

use std::borrow::Cow;

use super::card::holds_card_number;
use super::json::Node;
use super::raw::Said;
use super::redact::redact;
use super::settings::Settings;
use super::text::{STRING_CHARS_MAX, cut_chars};
use crate::domain::action::{Activity, PROPERTIES_MAX, Property};
use crate::domain::proactive::Scalar;

/// The longest name, in characters; longer ones are left out.
const NAME_CHARS_MAX: usize = 128;

/// The longest text, in characters; longer ones are cut.
const TEXT_CHARS_MAX: usize = 256;

/// Numbers from here on may be those of payment cards.
const CARD_NUMBER_MIN: f64 = 1e12;

/// What names of secrets hold, apart from case and punctuation.
const SECRET_WORDS: [&str; 8] = [
    "password",
    "passwd",
    "passphrase",
    "token",
    "secret",
    "authorization",
    "apikey",
    "credential",
];

/// A property that is kept, as far as possible where it was read.
pub(crate) struct Kept<'n> {
    name: &'n str,
    value: Value<'n>,
    once: bool,
}

enum Value<'n> {
    Flag(bool),
    Number(f64),
    Text(Cow<'n, str>),
}

/// What is kept, in the order in which it is said.
pub(crate) fn kept<'n>(said: &[Said<'n>], settings: &Settings) -> impl Iterator<Item = Kept<'n>> {
    said.iter().flat_map(move |said| {
        let once = said.once;
        said.fields.iter().filter_map(move |(name, value)| {
            let is_kept = is_kept(name, settings);
            let value = is_kept.then(|| read(value, settings)).flatten()?;
            Some(Kept { name, value, once })
        })
    })
}

/// Adds what is kept to what a session gets: each name once, with what was said of it last.
pub(crate) fn add(activity: &mut Activity, said: &[Said<'_>], settings: &Settings) {
    for one in kept(said, settings) {
        let properties = &mut activity.properties;
        let mut names = properties.iter().map(|known| &*known.name);
        let known = names.position(|name| name == one.name);
        if let Some(known) = known.and_then(|at| properties.get_mut(at)) {
            if !one.once {
                known.once = false;
                one.value.replace(&mut known.value);
            }
        } else if properties.len() < PROPERTIES_MAX {
            properties.push(Property {
                name: one.name.into(),
                value: one.value.into_scalar(),
                once: one.once,
            });
        } else {
            activity.dropped_properties += 1;
        }
    }
}

impl Value<'_> {
    /// Most events repeat what the ones before them said, and then nothing is copied.
    fn replace(self, known: &mut Scalar) {
        let is_same = match (&self, &*known) {
            (Self::Text(text), Scalar::Text(known)) => **text == **known,
            _ => false,
        };
        if !is_same {
            *known = self.into_scalar();
        }
    }

    fn into_scalar(self) -> Scalar {
        match self {
            Self::Flag(flag) => Scalar::Flag(flag),
            Self::Number(number) => Scalar::Number(number),
            Self::Text(text) => Scalar::Text((&*text).into()),
        }
    }
}

fn is_kept(name: &str, settings: &Settings) -> bool {
    let is_fit = !name.is_empty()
        && !name.starts_with('$')
        && cut_chars(name, NAME_CHARS_MAX).len() == name.len()
        && !name.contains(char::is_control);
    let mut redacted = settings.redact_query_params.iter();
    is_fit
        && !redacted.any(|secret| name.eq_ignore_ascii_case(secret))
        && !SECRET_WORDS.iter().any(|word| holds_word(name, word))
}

/// Whether the letters and digits of `name` hold `word`: `Api-Key` holds `apikey`.
fn holds_word(name: &str, word: &str) -> bool {
    let mut letters = name
        .bytes()
        .filter(u8::is_ascii_alphanumeric)
        .map(|byte| byte.to_ascii_lowercase());
    loop {
        let mut ahead = letters.clone();
        if word.bytes().all(|byte| ahead.next() == Some(byte)) {
            return true;
        }
        if letters.next().is_none() {
            return false;
        }
    }
}

fn read<'n>(value: &'n Node<'n>, settings: &Settings) -> Option<Value<'n>> {
    match value {
        Node::Bool(flag) => Some(Value::Flag(*flag)),
        Node::Number(number) => {
            let value = number.as_f64();
            let is_card = value >= CARD_NUMBER_MIN && holds_card_number(&number.to_string());
            (!is_card).then_some(Value::Number(value))
        }
        Node::Text(text) => read_text(text, settings).map(Value::Text),
        Node::Null | Node::List(_) | Node::Object(_) => None,
    }
}

fn read_text<'n>(text: &'n str, settings: &Settings) -> Option<Cow<'n, str>> {
    let mut text = Cow::Borrowed(cut_chars(text, STRING_CHARS_MAX));
    if text.contains('\0') {
        text = text.replace('\0', "").into();
    }
    let redacted = match redact(&text, &settings.redact_query_params) {
        Cow::Owned(redacted) => Some(redacted),
        Cow::Borrowed(_) => None,
    };
    text = redacted.map_or(text, Cow::Owned);
    if holds_card_number(&text) {
        return None;
    }
    Some(match text {
        Cow::Borrowed(text) => Cow::Borrowed(cut_chars(text, TEXT_CHARS_MAX)),
        Cow::Owned(mut text) => {
            let end = cut_chars(&text, TEXT_CHARS_MAX).len();
            text.truncate(end);
            Cow::Owned(text)
        }
    })
}

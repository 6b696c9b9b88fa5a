//! What of a row is not safe, although it is meant and works.

use std::fmt;

use secrecy::ExposeSecret;

use super::settings::Product;
use crate::platform;

/// A secret shorter than this can be guessed.
pub const SECRET_CHARS_MIN: usize = 16;

/// One thing that is not safe. Displayed: what, and how to mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// `allow_unauthenticated_ingest`.
    OpenIngest,
    /// What its platform says of its chatbot.
    Chatbot(platform::Risk),
    /// A `webhook_secret` of too few characters.
    ShortSecret,
    /// A push secret of too few characters.
    ShortPushSecret,
    /// A push target of scheme `http`.
    PlainPush,
    /// `cors_origins` is `*`.
    AnyOrigin,
}

impl Risk {
    /// What the row of `product` risks, gravest first.
    pub fn of(product: &Product) -> Vec<Self> {
        let secret = product.secret.as_ref().map(ExposeSecret::expose_secret);
        let is_short = |secret: &str| secret.chars().count() < SECRET_CHARS_MIN;
        let chatbot = product.chatbot().and_then(|chatbot| chatbot.risk());
        let push = product.push.as_ref();
        let open = (Self::OpenIngest, product.allow_unauthenticated_ingest);
        let rest = [
            (Self::ShortSecret, secret.is_some_and(is_short)),
            (
                Self::ShortPushSecret,
                push.is_some_and(|push| is_short(push.secret.expose_secret())),
            ),
            (
                Self::PlainPush,
                push.is_some_and(|push| !push.url.is_encrypted()),
            ),
            (
                Self::AnyOrigin,
                product.cors_origins.iter().any(|origin| origin == "*"),
            ),
        ];
        let chatbot = chatbot.map(|risk| (Self::Chatbot(risk), true));
        let all = [open].into_iter().chain(chatbot).chain(rest);
        let taken = all.filter(|(_, is_taken)| *is_taken);
        taken.map(|(risk, _)| risk).collect()
    }

    /// What is not safe.
    pub fn what(self) -> &'static str {
        match self {
            Self::OpenIngest => "activity is taken from anybody",
            Self::Chatbot(risk) => risk.what,
            Self::ShortSecret => "webhook_secret has fewer than 16 characters",
            Self::ShortPushSecret => "the push secret has fewer than 16 characters",
            Self::PlainPush => {
                "pushes leave without TLS, if push.allow_http lets them leave at all"
            }
            Self::AnyOrigin => "any web page may link sessions to conversations",
        }
    }

    /// How to mend it.
    pub fn mend(self) -> &'static str {
        match self {
            Self::OpenIngest => {
                "set webhook_secret and take allow_unauthenticated_ingest out of the row"
            }
            Self::Chatbot(risk) => risk.mend,
            Self::ShortSecret => {
                "choose a random one, e.g. with openssl rand -hex 32, and tell the sender"
            }
            Self::ShortPushSecret => {
                "choose a random one, e.g. with openssl rand -hex 32, and tell the receiver"
            }
            Self::PlainPush => "give the push target an https:// address",
            Self::AnyOrigin => "name the origins of your own pages in cors_origins",
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what(), self.mend())
    }
}

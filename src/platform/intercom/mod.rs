//! Intercom: notes into its conversations, and what its webhooks tell (external-apis §1).
//!
//! The cast: a [`Workspace`] is what a product's row says; an [`Account`] is what posting for it takes; [`Intercom`] is
//! the destination; `answer`
//! turns what Intercom says into a receipt or a refusal; `text` renders a note as HTML and recognises
//! it again; [`webhook`] reads notifications and is pure.
//!
//! Guaranteed: a conversation identifier can only ever address that conversation; a note's text
//! arrives as text, whatever it contains; the access token leaves in one header, marked sensitive,
//! and nowhere else.
//!
//! Deliberately absent: finding conversations, creating them, and visible replies.

mod account;
mod answer;
mod destination;
pub mod text;
pub mod webhook;
mod workspace;

pub use account::{Account, Accounts, Service};
pub use destination::Intercom;
pub(super) use workspace::PLATFORM;
pub use workspace::{Region, Workspace};

/// The platform's name.
const NAME: &str = "intercom";

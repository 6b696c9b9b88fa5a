//! One browsing session: from actions to notes. The heart of the service, and pure.
//!
//! The cast: [`Session`] is the state; [`Input`] is what happens to it; [`Policy`] is what the
//! product wants; [`Link`] says whether a conversation is tied to it. Before the link actions wait
//! in a **window** (contract 4.0) and leave it as one binned note when a conversation appears;
//! afterwards they are **pending** until the user pauses.
//!
//! Guaranteed, and held by the properties in `tests/it/heart`:
//!
//! * An accepted action is on the feed exactly once and, once linked, in exactly one note, unless
//!   the window rule removed it, which is counted.
//! * Notes of one conversation keep the order of their actions' arrival; a pause gives one note.
//! * While anything is pending there is a deadline.
//! * Where the product pushes, every batch of actions on the feed is in the outbox exactly once as well, as
//!   the same text, in the order of the session. How a push ends touches neither link nor notes.
//! * The link survives failed notes; only a conversation that is gone unties it, and then its
//!   undelivered actions are back in the window.
//!
//! Deliberately absent: time, identifiers of its own making, vendors, and the transport.

mod activity;
mod consider;
pub mod index;
mod input;
mod link;
mod notes;
mod offers;
mod page;
mod policy;
mod properties;
mod recent;
mod ring;
mod settling;
mod state;
mod stored;

pub use activity::wire_json;
pub use input::{Errand, Input, Outcome, Polled, Redaction, Reply, Settlement};
pub use notes::{ConversationBody, NoteBody, OpenNote, RedactionBody};
pub use offers::{Decision, Matched, Occasion, OfferPolicy, Offers, OpenOffer, Verdict};
pub use page::Reporter;
pub use policy::{IndexMode, Policy};
pub use recent::Recent;
pub use settling::Settling;
pub use state::{Held, LastError, Link, Session};

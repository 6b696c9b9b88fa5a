//! Notes and pushes to the outside: at least once always, exactly once wherever the platform lets us look.
//!
//! The cast: the [`Outbox`] is the worker that leases deliveries from the store; a [`Destination`] is
//! what takes notes to a platform, [`push`] calls endpoints of the products' own, and [`guard`] keeps such
//! calls away from what is not public; a [`Job`] is one delivery as its destination sees it; a [`Receipt`]
//! says it arrived and a [`Refusal`] says what to do now that it did not; [`admission`] says whether an
//! account may be called at all; a [`Report`] carries the outcome back to whoever
//! finishes the delivery: the session's commit, or one of its own where no session has to know.
//!
//! Guaranteed:
//!
//! * Deliveries of one lane (one conversation, or what is pushed of one session) leave one after the other, in commit order; a lane
//!   that hangs delays no other, and neither does an account. Products take turns.
//! * A vendor's rate window is never overdrawn knowingly, and waiting for it, or for credentials that
//!   work, is no attempt: neither makes a dead letter.
//! * An attempt without a definite answer (timeout, reset, 5xx, a crash of ours) is followed by reading
//!   the conversation, no sooner than the request timeout after it began. What is found there is not
//!   sent again. A push is sent again, under the same id.
//! * One lease makes at most one call, and starts none that might outlast the lease.
//! * Every delivery ends: delivered, gone with its conversation, or a dead letter with a reason. For an account that
//!   is refused, or an endpoint that is disabled, it waits until somebody mends that, or for as long as it may.
//! * Credentials are looked up for each attempt; they are in no row, log line or error.
//! * Every call is in the delivery's history, with no more of its answer than a bounded excerpt of an
//!   error.
//!
//! Deliberately absent: knowledge of sessions beyond their key, decisions about links (the session
//! makes them when it hears that a conversation is gone), and limits shared by several processes.

pub mod admission;
mod attempt;
pub mod client;
pub mod destination;
pub mod excerpt;
pub mod guard;
pub(crate) mod html;
pub mod outbox;
mod outcome;
pub mod push;
mod work;

pub use destination::{Destination, Job, Lookup, Receipt, Refusal, Reply};
pub use outbox::{Nudge, Options, Outbox, Report, Surroundings};

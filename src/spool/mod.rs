//! What is taken in while the store is away: providers repeat a webhook a few times within seconds and then
//! give it up, so whatever they are refused for longer than that is lost.
//!
//! The cast: the **intake** is where activity comes in, and goes to its session or into the spool; the
//! **spool** is a bounded queue in a file of this instance, written by one thread; the **feeder** gives what
//! is in it to its sessions, in order, once the store is back.
//!
//! Guarantees:
//!
//! * What was acknowledged is on this instance's disk, and leaves it only after the store has it. A crash in
//!   between feeds it again, and its session recognises it.
//! * While anything is spooled, everything else that comes in goes behind it. So what one instance was told of
//!   a session stays in order; what another instance is told meanwhile may come first.
//! * A share that cannot be taken in stops its own session at most, and is parked in the store in the end.
//! * Files are readable by their owner only, and what leaves them is overwritten, for they hold personal data.
//!
//! Deliberately absent: links and deliveries. Whoever asks for a link waits for its answer and asks again, and
//! what is to be delivered is in the store.

mod feeder;
mod file;
mod intake;
mod queue;

pub use feeder::{Feeder, Surroundings};
pub use intake::{Intake, Refusal, Taken};
pub use queue::{Depth, Options, Spool, Work};

//! Whoever waits for an input to be durable.

use tokio::sync::oneshot;

use super::registry::Error;
use crate::domain::machine::Machine;

/// The sender of one input.
pub(super) struct Asker<M: Machine> {
    /// Recognises the input when it comes again.
    pub(super) fingerprint: u64,
    reply: oneshot::Sender<Result<M::Reply, Error>>,
}

impl<M: Machine> Asker<M> {
    pub(super) fn new(input: &M::Input, reply: oneshot::Sender<Result<M::Reply, Error>>) -> Self {
        Self {
            fingerprint: M::fingerprint(input),
            reply,
        }
    }
}

/// Tells every asker what its input led to. One that hung up has its input committed all the same.
pub(super) fn answer<M: Machine>(askers: Vec<Asker<M>>, replies: Vec<M::Reply>) {
    for (asker, reply) in askers.into_iter().zip(replies) {
        let _ = asker.reply.send(Ok(reply));
    }
}

/// Tells every asker that nothing happened.
pub(super) fn refuse<M: Machine>(askers: Vec<Asker<M>>, error: &Error) {
    for asker in askers {
        let _ = asker.reply.send(Err(error.clone()));
    }
}

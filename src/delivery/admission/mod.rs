//! Whether a vendor may be called for an account right now.
//!
//! The cast: an **account** is one token on one host, or one secret at one endpoint of a customer, known by its
//! [`Fingerprint`]; a [`Gate`] decides
//! for one account and is pure; a [`Window`] is what the vendor told of its rate limit, a [`Pace`] the one that we keep
//! to; `Gates` holds the gates of a process and hands out a `Pass` for each call.
//!
//! Guaranteed:
//!
//! * No more calls are under way for one account than its share of the workers, and no more are begun
//!   in a rate window than the vendor said are left, those under way included.
//! * An endpoint with a pace gets no more calls within any second than that.
//! * After a 429 an account is not called before the instant that the vendor named.
//! * After several calls in a row without a definite answer an account is not called for a while, then
//!   by exactly one probe. Refused credentials close it as well, until the token is another one, an
//!   operator has something sent again, or the next probe is due.
//! * An endpoint that says it is gone, or has only failed for as long as it may, is disabled: it is not called
//!   until it has another address or secret, or an operator has something sent again.
//! * A call counts for the state in which it was admitted: stragglers open and close nothing.
//!
//! Deliberately absent: any knowledge of notes, and memory across restarts. A restart costs one call per
//! closed account.

mod gate;
mod gates;
mod limits;
mod pace;
mod window;

use sha2::{Digest, Sha256};

pub use gate::{Change, Gate, Sign, Terms, Ticket, Why};
pub(super) use gates::{Gates, Party, Pass};
pub use limits::Limits;
pub use pace::Pace;
pub use window::{Rate, Window};

/// Recognises an account. Nothing about the token can be learnt from it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 8]);

impl Fingerprint {
    /// The account of a token on a host.
    pub fn of(host: &str, token: &str) -> Self {
        let digest = Sha256::new()
            .chain_update("account\0")
            .chain_update(host)
            .chain_update("\0")
            .chain_update(token)
            .finalize();
        let (first, _) = digest.split_first_chunk().expect("a digest has 32 bytes");
        Self(*first)
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an account")
    }
}

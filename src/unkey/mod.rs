//! Keys that Unkey issued and verifies, for products whose readers have such keys already (external-apis §7).
//!
//! The cast: the [`Verifier`] asks Unkey about a key and remembers the answer for a while; a `verdict` is what an
//! answer means, and is pure.
//!
//! Guaranteed:
//!
//! * Only a key that Unkey calls valid, and ties to the product by its identity or its metadata, is accepted. Where
//!   Unkey does not answer nobody is let in: the verification is [`Unclear`], and may be repeated.
//! * A key that is asked about again and again, however many ask at once, costs one call within
//!   [`Limits::accepted`] or [`Limits::refused`]; what Unkey refused for a limit of its own is not remembered.
//! * While Unkey fails it is left alone, but for one try now and then.
//! * Memory is bounded, and holds digests of keys only.
//!
//! Deliberately absent: issuing keys at Unkey, and permissions.

mod verdict;
mod verifier;

pub use verifier::{Limits, Unclear, Verifier};

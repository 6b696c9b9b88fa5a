//! What people wrote as JSON, read one field at a time.
//!
//! The cast: `Fields` takes the fields of one object and writes down everything that is wrong with them, each a
//! [`Fault`] at its place; an [`EndpointUrl`] is an address that a customer chose.
//!
//! Guaranteed: all mistakes of an object are found at once, and no fault repeats a value, which may be a secret.

mod endpoint;
mod object;

pub use endpoint::EndpointUrl;
pub(crate) use endpoint::read_target;
pub use object::Fault;
pub(crate) use object::Fields;

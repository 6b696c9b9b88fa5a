//! Our own client: how it takes a stream apart, and what it says of a service that does not do as asked.

mod answers;
mod follow;
mod frames;
mod texts;

//! Load: requests over keep-alive connections, closed loop or at a rate, and feed subscribers.

pub(crate) mod connection;
pub(crate) mod drive;
pub(crate) mod request;
pub(crate) mod subscribers;

//! x
pub mod chance;
pub mod clock;
pub mod domain;
pub mod feed;
pub mod metrics;
pub mod session;
pub mod store;
pub mod tasks;

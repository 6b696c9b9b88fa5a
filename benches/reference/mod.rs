//! Programs to compare with, each as good as it can be at one thing, and the service without a store.

mod log;
mod noop;
mod null;
mod raw_feed;

use std::future::Future;

use crate::arguments::{Arguments, Role};
use crate::process::say;

/// Runs until it is killed.
pub(crate) fn run(role: Role, arguments: &Arguments) -> anyhow::Result<()> {
    match role {
        Role::Noop => on_runtime(noop::serve(arguments.bind)),
        Role::Log => on_runtime(log::serve(arguments.bind, arguments.directory.clone())),
        Role::Null => on_runtime(null::serve(arguments.bind, arguments.directory.clone())),
        Role::Feed => raw_feed::serve(arguments.bind, arguments.coalesce),
    }
}

/// The same runtime as the service has.
fn on_runtime(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work)
}

/// Tells the parent where to connect.
fn announce(address: std::net::SocketAddr) {
    say(&address.to_string());
}

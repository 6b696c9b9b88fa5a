//! From the outbox into a modelled Intercom over real sockets, with time moved by hand.

mod desk;
mod doubt;
mod refusals;
mod schedule;
mod text;
mod walk;
mod webhook;

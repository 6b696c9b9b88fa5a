//! From the outbox into a modelled Intercom over real sockets, with time moved by hand.

mod accounts;
mod desk;
mod doubt;
mod excerpt;
mod gate;
mod refusals;
mod schedule;
mod text;
mod walk;
mod webhook;

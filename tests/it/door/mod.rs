//! The doors under pressure: hostile peers over raw sockets, more of everything than fits, and a stop
//! in the middle of it all.

mod crowd;
mod overload;
mod queue;
mod raw;
mod shares;
mod slow;
mod stop;
mod streams;

//! The pure heart. Nothing here reads a clock, awaits, draws a random number or logs.
//!
//! The cast: a **product** is a tenant; a **session** is one visit as the analytics provider counts
//! it; an **action** is something the user did, as a sentence; a **link** ties a session to a
//! chatbot **conversation**; a **note** carries actions into it; a **delivery** is a note on its
//! way out. Facts that span sessions are rows of an **index**.

pub mod action;
pub mod agent_state;
pub mod attempt;
pub mod cooldown;
pub mod fsm;
pub mod id;
pub mod lane;
pub mod link;
pub mod log;
pub(crate) mod loose;
pub mod machine;
pub mod note;
pub mod proactive;
pub mod retry;
pub mod session;
pub mod time;

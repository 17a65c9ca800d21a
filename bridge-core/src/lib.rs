//! The syncbridge engine: every rule of every primitive, in one deterministic state machine.
//!
//! [`Engine::handle`] takes an [`Input`](command::Input) and the time, changes the state, and appends
//! [`Effect`](command::Effect)s. There is no I/O in here, no clock, no thread and no randomness; waiting is data
//! (a ticket in a list). The same inputs at the same times give the same effects and the same state, byte for
//! byte: that is what replay, simulation and tests rely on.
#![forbid(unsafe_code)]

mod ascending;
pub mod command;
pub mod cron;
mod digest;
pub mod engine;
pub mod error;
pub mod ids;
mod items;
pub mod limits;
#[doc(hidden)]
pub mod mutant;
mod objects;
pub mod payload;
mod primitive;
pub mod sequence;
mod session;
mod slots;
pub mod time;
mod timer;
pub mod view;
mod wait;
mod waitgraph;
pub mod wire;
mod world;

pub use command::{Command, Effect, Input, Outcome, Query, Reply, Request};
pub use engine::{AtOnce, Engine};
pub use error::{Error, Reason};
pub use limits::Limits;
pub use payload::Payload;
pub use time::{Time, Timeout};

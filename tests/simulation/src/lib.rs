//! Many clients and a server in virtual time, in one thread, with everything that goes wrong.
//!
//! The client's session logic, the node, the engine and the wire are the real ones. Only what lies between is
//! simulated: the [network](network), the clocks, the [programs](workload) that use the clients, and the
//! [faults]. A seed decides everything: the same seed gives the same history, byte for byte.
//!
//! A run goes on until its clients have made so many calls; then nothing goes wrong any more, and everything must
//! drain. What was asked and what came of it is kept in ledgers, one per primitive, which are judged at every step and
//! at the end.

pub mod client;
pub mod faults;
pub mod history;
mod judges;
#[cfg(debug_assertions)]
pub mod mutants;
pub mod network;
pub mod plan;
pub mod random;
pub mod reach;
pub mod replay;
pub mod run;
pub mod server;
pub mod tasks;
pub mod workload;
pub mod world;

pub use run::{Report, run};

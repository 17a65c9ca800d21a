//! The syncbridge server: gRPC in front of a [`bridge_node::Node`].
//!
//! [`Server::start`] runs one in this process, on threads of its own; [`cli::main`] is the command line
//! `syncbridge`, which the wheel and the jar run too. Rules of primitives are not in here: what arrives becomes a
//! request by `bridge_core::wire`, and both the session stream and the unary calls meet in the node.

pub mod cli;
mod errors;
mod layers;
mod linger;
mod listen;
mod options;
mod outbox;
mod server;
mod service;

pub use options::{LimitOptions, ServeOptions};
pub use server::{Server, StartError};

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

//! An engine at work: the mutex around it, the time, who is alive, the journal, and the way out.
//!
//! [`Node`] holds one [`Namespace`] per name; a namespace is the unit of order and owns one
//! [`Engine`](bridge_core::Engine). Whoever has commands locks it, executes all of them, unlocks, and only then
//! delivers what came of it: nothing is encoded, waited for or woken under the lock. There is no runtime in
//! here and, apart from the optional ticker, no thread.
//!
//! Time and randomness come from outside, so that the simulation runs this crate as it is.
#![forbid(unsafe_code)]

mod backlog;
pub mod clock;
mod delivery;
mod gate;
pub mod journal;
mod liveness;
pub mod namespace;
pub mod node;
mod pile;
pub mod process;
mod ticker;
mod turn;

pub use backlog::{Backlog, weight};
pub use clock::{Clock, SystemClock};
pub use delivery::{Answer, Outbox};
pub use namespace::{Attached, Frame, Namespace, UnaryCall};
pub use node::{Config, Node};
pub use pile::{Pile, Reads, Taken};
pub use process::ProcessIdentity;

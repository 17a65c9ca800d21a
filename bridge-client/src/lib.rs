//! The syncbridge client: one façade over an engine in this process (`mem:`) and over a server (`grpc:`, `unix:`).
//!
//! [`Bridge::connect`] gives a [`Bridge`]; it makes typed handles ([`Queue`], [`Event`], [`Semaphore`],
//! [`Lock`], [`RwLock`], [`Condition`], [`Value`], [`List`], [`Dict`]) whose
//! methods start a [`Call`] and never block. A call is waited for in slices, polled, awaited as a future, or
//! dropped, which withdraws it. What it is granted is a [`Granted`] until the caller accepts it as its last step:
//! dropped before that, it goes back to where it came from.
//!
//! ```
//! use std::time::Duration;
//!
//! use bridge_client::queue::{Batch, Mode, NewItem, Options};
//! use bridge_client::{Bridge, ConnectOptions, ContentType, ParticipantId, Payload, Timeout};
//!
//! # fn main() -> Result<(), bridge_client::Error> {
//! let bridge = Bridge::connect("mem:example", ConnectOptions::default())?;
//! let jobs = bridge.queue(Some("jobs"), Options { maxsize: Some(100), ..Options::default() })?;
//! let me = ParticipantId::default();
//!
//! let item = NewItem::new(Payload::new(ContentType::Text, "a.png"));
//! jobs.put(me, item, Timeout::Never).finish()?;
//!
//! let job = jobs.take(me, Mode::Lease, Batch::ONE, Timeout::After(Duration::from_secs(5))).finish()?.remove(0);
//! jobs.ack(me, vec![job.token]).finish()?;
//! # Ok(())
//! # }
//! ```
//!
//! [`session`] is the client's half of the session protocol without any I/O; `link` carries it.

mod acquire_all;
pub mod barrier;
pub mod bridge;
pub mod call;
mod clock;
pub mod condition;
pub mod consumer;
pub mod dict;
pub mod event;
pub mod fork;
mod holds;
pub mod key;
pub mod latch;
mod later;
mod link;
pub mod list;
pub mod lock;
mod losses;
mod mutex;
mod object;
pub mod pipe;
pub mod producer;
pub mod queue;
pub mod rwlock;
pub mod select;
pub mod semaphore;
pub mod session;
pub mod timer;
pub mod topic;
pub mod transaction;
mod unawaited;
mod url;
mod usage;
pub mod value;

pub use barrier::Barrier;
pub use bridge::{Bridge, ConnectOptions};
pub use call::{Call, Granted};
pub use condition::Condition;
pub use dict::Dict;
pub use event::Event;
pub use key::Key;
pub use latch::Latch;
pub use list::List;
pub use lock::Lock;
pub use pipe::Pipe;
pub use producer::Producer;
pub use queue::Queue;
pub use rwlock::RwLock;
pub use select::{Branch, Got, Selected};
pub use semaphore::Semaphore;
pub use timer::Timer;
pub use topic::Topic;
pub use transaction::Transaction;
pub use value::Value;

pub use bridge_core::ids::{ItemId, Name, ParticipantId, Token};
pub use bridge_core::payload::{Body, ContentType};
pub use bridge_core::{Error, Payload, Reason, Timeout};

//! The engine does what the semantics promise: one module per section, written as what is done at which time
//! and what comes out. Invariants are checked after every input.

mod acquire_all;
mod anything;
mod barrier;
mod condition;
mod deadlock;
mod discard;
mod event;
mod ground_rules;
mod latch;
mod list;
mod lock;
mod model;
mod paused;
mod pipe;
mod queue;
mod queue_dedupe;
mod queue_ends;
mod queue_groups;
mod queue_holds;
mod queue_join;
mod queue_prefetch;
mod queue_room;
mod queue_shutdown;
mod queue_times;
mod queue_transfer;
mod rwlock;
mod select;
mod semaphore;
mod sharing;
mod stall;
mod support;
mod timer;
mod topic;
mod transaction;
mod value;

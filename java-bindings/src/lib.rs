//! The native library inside the syncbridge jar: `io.syncbridge.Native`, method by method, over `bridge-client`.
//!
//! Java holds numbers, never pointers: each stands for an entry of a [`table::Table`], and one that is gone is an
//! error, not a crash. No method waits longer than the slice it is given. No native thread is ever attached to
//! the JVM: what ends on one is noted in [`completions`], and a thread of Java's own collects it.

mod bridge;
mod call;
mod completions;
mod errors;
mod event;
mod jvm;
mod local;
mod payload;
mod queue;
mod semaphore;
mod server;
mod table;

//! What the tests that cross crates share.
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

pub mod conformance;
pub mod proxy;

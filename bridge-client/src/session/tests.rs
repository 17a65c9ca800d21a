//! A session against a real node, in virtual time: frames are lost at every point, and nothing else is.

mod acks;
mod faults;
mod handles;
mod permits;
mod pieces;
mod prefetch;
mod room;
mod rules;
mod world;

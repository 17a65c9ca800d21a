//! Tests of the node from outside, in one binary.

#[cfg(test)]
mod common;
mod journal;
mod node;
#[cfg(test)]
mod slow;
#[cfg(test)]
mod watching;

//! Tests of the server from outside: in this process on a free port, through generated clients, and the binary.

#[cfg(test)]
mod admin;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod common;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod slow;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod unary;

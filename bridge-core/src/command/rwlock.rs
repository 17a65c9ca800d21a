//! What can be asked of a read-write lock, and what it answers.

use std::time::Duration;

use crate::command::OnDeadlock;
use crate::command::lock::{Abandoned, Grant, Holder};
use crate::ids::{Handle, Token};
use crate::time::Timeout;

/// Options of a read-write lock; `None` is no opinion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// Deleted with the last session that uses it.
    pub ephemeral: Option<bool>,
    /// RAISE unless declared, REPORT if it is ephemeral.
    pub deadlock: Option<OnDeadlock>,
}

/// What it is held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Together with other readers.
    Read,
    /// Alone.
    Write,
}

/// What changes a read-write lock.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Command {
    Declare(Options),
    Acquire(Acquire),
    /// One level. With a token: of exactly that hold.
    Release {
        mode: Mode,
        token: Option<Token>,
    },
    /// Its holder works on: the lease of that hold, of either mode, counts anew, with another duration if one is given.
    Extend {
        token: Token,
        lease: Option<Duration>,
    },
}

/// How a read-write lock is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acquire {
    /// What for.
    pub mode: Mode,
    /// Past the line, if it can be had.
    pub barge: bool,
    /// As of a lock; reading and writing have a lease each.
    pub lease: Option<Duration>,
    /// How long it may wait.
    pub timeout: Timeout,
}

impl Acquire {
    /// In line, for as long as the session lives.
    pub const fn within(mode: Mode, timeout: Timeout) -> Self {
        Acquire { mode, barge: false, lease: None, timeout }
    }
}

/// What reads the state of a read-write lock.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Query {
    Describe,
}

/// How a read-write lock stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Figures {
    /// Its options.
    pub options: Options,
    /// Who writes.
    pub writer: Option<Holder>,
    /// Who reads, the oldest first, at most a page.
    pub readers: Vec<Holder>,
    /// How many read.
    pub reading: u64,
    /// A writer ended without releasing it, and none has released it since.
    pub abandoned: Option<Box<Abandoned>>,
    /// How many calls wait.
    pub waiting: u64,
}

/// What a read-write lock answers.
#[derive(Clone, Debug, PartialEq, Hash)]
#[allow(missing_docs)]
pub enum Reply {
    Declared {
        handle: Handle,
        options: Options,
    },
    /// A grant.
    Acquired(Grant),
    Released,
    Extended,
    Described(Box<Figures>),
}

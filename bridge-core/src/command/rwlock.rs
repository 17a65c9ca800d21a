//! What can be asked of a read-write lock, and what it answers.

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
    Acquire {
        mode: Mode,
        /// Past the line, if it can be had.
        barge: bool,
        timeout: Timeout,
    },
    /// One level. With a token: of exactly that hold.
    Release {
        mode: Mode,
        token: Option<Token>,
    },
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
    Described(Box<Figures>),
}

//! What can be asked of a latch, and what it answers.

use crate::ids::Handle;
use crate::time::Timeout;

/// Options of a latch; `None` is no opinion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// From where it is counted down.
    pub count: Option<u64>,
    /// Deleted with the last session that uses it.
    pub ephemeral: Option<bool>,
}

/// What changes a latch, or waits for it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Command {
    Declare(Options),
    /// Never below zero.
    CountDown {
        by: u64,
    },
    Wait {
        timeout: Timeout,
    },
}

/// What reads a latch.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Query {
    Describe,
}

/// A latch in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Figures {
    pub options: Options,
    pub count: u64,
    pub waiting: u64,
}

/// What a latch answers.
#[derive(Clone, Debug, PartialEq, Hash)]
#[allow(missing_docs)]
pub enum Reply {
    Declared {
        handle: Handle,
        options: Options,
    },
    /// What is left.
    CountedDown {
        count: u64,
    },
    /// The end of a wait; false where its time was over.
    Waited {
        is_open: bool,
    },
    Described(Box<Figures>),
}

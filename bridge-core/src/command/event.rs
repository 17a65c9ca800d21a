//! What can be asked of an event, and what it answers.

use crate::ids::Handle;
use crate::time::Timeout;

/// Options of an event; `None` is no opinion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// A set wakes one waiter and clears the event.
    pub auto_reset: Option<bool>,
    /// Deleted with the last session that uses it.
    pub ephemeral: Option<bool>,
}

/// The number of a set: 0 before the first, grows by one with every set.
pub type Version = u64;

/// What changes an event, or waits for it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Command {
    Declare(Options),
    Set,
    Clear,
    /// Also ends for a set newer than `after` that has been cleared since.
    Wait {
        timeout: Timeout,
        after: Option<Version>,
    },
}

/// What reads an event.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Query {
    Describe,
}

/// An event in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Figures {
    pub options: Options,
    pub is_set: bool,
    pub version: Version,
    pub waiting: u64,
}

/// What an event answers.
#[derive(Clone, Debug, PartialEq, Hash)]
#[allow(missing_docs)]
pub enum Reply {
    Declared {
        handle: Handle,
        options: Options,
    },
    Set {
        version: Version,
    },
    Cleared {
        version: Version,
    },
    /// The end of a wait; `is_set` is false where its time was over.
    Waited {
        is_set: bool,
        version: Version,
    },
    Described(Figures),
}

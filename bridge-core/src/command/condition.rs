//! What can be asked of a condition, and what it answers.

use crate::command::lock::Grant;
use crate::ids::{Handle, Name};
use crate::time::Timeout;

/// Options of a condition; `None` is no opinion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// Deleted with the last session that uses it.
    pub ephemeral: Option<bool>,
}

/// What changes a condition.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Command {
    /// Says which lock it belongs to, for good.
    Declare { lock: Name, options: Options },
    /// Releases the lock, waits for a notification, and ends with the lock again. The timeout ends the waiting for a
    /// notification only.
    Wait { timeout: Timeout },
    /// Wakes that many, longest waiting first; all, if `None`.
    Notify { count: Option<u32> },
}

/// What reads a condition.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Query {
    Describe,
}

/// What ended the waiting for a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Woken {
    /// A notification, whatever came after it.
    Notified,
    /// Its time was over.
    TimedOut,
    /// Its caller withdrew it.
    Cancelled,
}

/// How a condition stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Figures {
    /// Its options.
    pub options: Options,
    /// The lock that it belongs to; `None` if it does not exist.
    pub lock: Option<Name>,
    /// How many calls wait for a notification.
    pub waiting: u64,
}

/// What a condition answers.
#[derive(Clone, Debug, PartialEq, Hash)]
#[allow(missing_docs)]
pub enum Reply {
    Declared {
        handle: Handle,
        options: Options,
    },
    /// A grant of the lock, with as many levels as before.
    Waited {
        woken: Woken,
        grant: Grant,
    },
    /// How many were woken.
    Notified {
        count: u64,
    },
    Described(Figures),
}

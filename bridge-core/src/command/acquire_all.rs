//! Acquiring several things at once, all or none.

use crate::command::{Command, lock, rwlock, semaphore};
use crate::time::Timeout;

/// What is acquired: all of it in one step, and none of it is held before.
#[derive(Clone, Debug, PartialEq)]
pub struct AcquireAll {
    /// Acquires of different objects. Neither their timeouts nor whether they barge is read.
    pub parts: Vec<Command>,
    /// How long to wait for all of them.
    pub timeout: Timeout,
}

/// Whether a command can be a part of it.
pub fn is_part(command: &Command) -> bool {
    matches!(
        command,
        Command::Semaphore(_, semaphore::Command::Acquire(_))
            | Command::Lock(_, lock::Command::Acquire(_))
            | Command::RwLock(_, rwlock::Command::Acquire(_))
    )
}

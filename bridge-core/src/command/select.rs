//! Waiting for the first of several.

use crate::command::{Command, event, latch, list, lock, pipe, queue, rwlock, semaphore, value};
use crate::time::Timeout;

/// What is waited for: one of it is granted, and the rest is withdrawn in the same step.
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// Tried in this order. Their own timeouts are not read.
    pub branches: Vec<Command>,
    /// How long to wait for any of them.
    pub timeout: Timeout,
}

/// Whether a command can be a branch of a select.
pub fn is_branch(command: &Command) -> bool {
    matches!(
        command,
        Command::Queue(
            _,
            queue::Command::Take { .. }
                | queue::Command::Put { .. }
                | queue::Command::PutMany { .. }
                | queue::Command::Join { .. }
        ) | Command::Event(_, event::Command::Wait { .. })
            | Command::Semaphore(_, semaphore::Command::Acquire(_))
            | Command::Lock(_, lock::Command::Acquire(_))
            | Command::RwLock(_, rwlock::Command::Acquire(_))
            | Command::Latch(_, latch::Command::Wait { .. })
            | Command::Pipe(_, pipe::Command::Receive { .. } | pipe::Command::Poll { .. })
            | Command::Value(_, value::Command::Watch { .. })
            | Command::List(_, list::Command::Watch { .. })
            | Command::Dict(_, value::Command::Watch { .. })
    )
}

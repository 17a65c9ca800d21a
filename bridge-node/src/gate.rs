//! The one function that every command of every path passes before it is executed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bridge_core::command::{
    Command, Request, barrier, condition, latch, lock, pipe, queue, rwlock, semaphore,
};
use bridge_core::error::{Error, Reason};

/// What a namespace asks before it executes a command.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    draining: AtomicBool,
}

/// What a gate has let through in one namespace.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    commands: AtomicU64,
}

impl Passed {
    pub(crate) fn commands(&self) -> u64 {
        self.commands.load(Ordering::Relaxed)
    }

    /// One more.
    #[inline]
    pub(crate) fn note(&self) {
        self.commands.fetch_add(1, Ordering::Relaxed);
    }
}

impl Gate {
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(crate) fn draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Whether `request` may be executed. A node that drains takes no new work, and still takes back what is held.
    pub(crate) fn pass(&self, passed: &Passed, request: &Request) -> Result<(), Error> {
        if self.draining() && !settles(request) {
            return Err(Error::new(
                Reason::Unavailable,
                "the server is stopping and takes no new work; try again once it is back",
            ));
        }
        passed.note();
        Ok(())
    }
}

/// Reads, and gives back; takes nothing and starts nothing.
fn settles(request: &Request) -> bool {
    match request {
        Request::Query(_)
        | Request::Command(
            Command::Cancel(_) | Command::Hasten(_) | Command::Discard(..) | Command::Share(..),
        ) => true,
        Request::Command(Command::Queue(_, command)) => matches!(
            command,
            queue::Command::Ack { .. }
                | queue::Command::Nack { .. }
                | queue::Command::Reject { .. }
                | queue::Command::Extend { .. }
                | queue::Command::TaskDone { .. }
        ),
        Request::Command(Command::Transaction(_) | Command::Select(_) | Command::AcquireAll(_)) => false,
        Request::Command(Command::Semaphore(_, command)) => {
            matches!(command, semaphore::Command::Release { .. })
        }
        Request::Command(Command::Lock(_, command)) => matches!(command, lock::Command::Release { .. }),
        Request::Command(Command::RwLock(_, command)) => matches!(command, rwlock::Command::Release { .. }),
        Request::Command(Command::Condition(_, command)) => {
            matches!(command, condition::Command::Notify { .. })
        }
        Request::Command(Command::Barrier(_, command)) => {
            matches!(command, barrier::Command::ActionDone { .. })
        }
        Request::Command(Command::Pipe(_, command)) => matches!(command, pipe::Command::Close { .. }),
        Request::Command(Command::Latch(_, command)) => matches!(command, latch::Command::CountDown { .. }),
        Request::Command(
            Command::Event(..)
            | Command::Value(..)
            | Command::List(..)
            | Command::Dict(..)
            | Command::Timer(..)
            | Command::Topic(..),
        ) => false,
    }
}

//! One command on one object.

use crate::command::{Command, lock, queue, rwlock, semaphore, value};
use crate::error::Error;
use crate::ids::Handle;
use crate::objects::{Named, State, object_gone};
use crate::primitive::Step;
use crate::primitive::value::check_key;
use crate::wait::Caller;
use crate::world::World;

impl Named {
    #[inline(always)]
    pub(super) fn execute(
        &mut self,
        handle: Handle,
        world: &mut World,
        caller: &Caller,
        command: &mut Command,
    ) -> Step {
        let state = &mut self.state;
        match command {
            Command::Queue(_, queue::Command::Declare(options))
                if options.dead_letters.as_ref() == Some(&self.name) =>
            {
                Err(own_dead_letters())
            }
            Command::Queue(_, command) => match state {
                State::Queue(queue) => queue.command(handle, world, caller, command),
                _ => Err(object_gone()),
            },
            Command::Event(_, command) => match state {
                State::Event(event) => event.command(handle, world, caller, *command),
                _ => Err(object_gone()),
            },
            Command::Semaphore(_, command) => match state {
                State::Semaphore(semaphore) => semaphore.command(handle, world, caller, *command),
                _ => Err(object_gone()),
            },
            Command::Lock(_, command) => match state {
                State::Lock(lock) => lock.command(handle, world, caller, *command),
                _ => Err(object_gone()),
            },
            Command::RwLock(_, command) => match state {
                State::RwLock(rwlock) => rwlock.command(handle, world, caller, *command),
                _ => Err(object_gone()),
            },
            Command::Barrier(_, command) => match state {
                State::Barrier(barrier) => barrier.command(handle, world, caller, command),
                _ => Err(object_gone()),
            },
            Command::Latch(_, command) => match state {
                State::Latch(latch) => latch.command(handle, world, caller, *command),
                _ => Err(object_gone()),
            },
            Command::Value(_, command) => match state {
                State::Value(values) => values.command(handle, world, caller, command),
                _ => Err(object_gone()),
            },
            Command::List(_, command) => match state {
                State::List(list) => list.command(handle, world, caller, command),
                _ => Err(object_gone()),
            },
            Command::Pipe(_, command) => match state {
                State::Pipe(pipe) => pipe.command(handle, world, caller, command),
                _ => Err(object_gone()),
            },
            Command::Dict(_, command) => match state {
                State::Dict(values) => values.command(handle, world, caller, command),
                _ => Err(object_gone()),
            },
            Command::Condition(..)
            | Command::Transaction(_)
            | Command::Timer(..)
            | Command::Topic(..)
            | Command::Select(_)
            | Command::AcquireAll(_)
            | Command::Cancel(_)
            | Command::Hasten(_)
            | Command::Discard(..)
            | Command::Share(..) => Err(object_gone()),
        }
    }
}

impl State {
    /// What is wrong with a wait in any case, whether it can be granted or not.
    pub(super) fn check_wait(&self, world: &World, caller: &Caller, command: &Command) -> Result<(), Error> {
        match (self, command) {
            (State::Queue(queue), Command::Queue(_, command)) => queue.check_wait(world, caller, command),
            (State::Semaphore(semaphore), Command::Semaphore(_, semaphore::Command::Acquire(acquire))) => {
                semaphore.check_acquire(caller, acquire).map(drop)
            }
            (State::Lock(lock), Command::Lock(_, lock::Command::Acquire(acquire))) => {
                lock.check_acquire(caller, acquire.lease).map(drop)
            }
            (State::RwLock(rwlock), Command::RwLock(_, rwlock::Command::Acquire(acquire))) => {
                rwlock.check_acquire(caller, acquire)
            }
            (State::Latch(latch), Command::Latch(..)) => latch.check_declared(),
            (State::Pipe(pipe), Command::Pipe(_, command)) => pipe.check_wait(caller, command),
            (
                State::Value(_) | State::Dict(_),
                Command::Value(_, value::Command::Watch { key, .. })
                | Command::Dict(_, value::Command::Watch { key, .. }),
            ) => check_key(world, key.as_ref()),
            (State::Event(_), Command::Event(..)) | (State::List(_), Command::List(..)) => Ok(()),
            _ => Err(object_gone()),
        }
    }
}

fn own_dead_letters() -> Error {
    let message = "a queue cannot be its own dead-letter queue; name another, or none to keep them here";
    Error::invalid("dead_letters", message)
}

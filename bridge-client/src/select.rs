//! Waiting for the first of several things.
//!
//! Handles make [`Branch`]es, which ask for nothing yet; [`Bridge::select`] waits for the first of them.

use std::sync::Arc;

use bridge_core::command::queue::Taking;
use bridge_core::command::select::Select;
use bridge_core::command::{self, Command, Request};
use bridge_core::ids::{ItemId, Kind, ParticipantId, Token};
use bridge_core::{Error, Payload, Reason, Reply, Timeout};
use bytes::Bytes;

use crate::bridge::Bridge;
use crate::call::{self, Call};
use crate::dict::Dict;
use crate::event::{Event, Version};
use crate::latch::Latch;
use crate::link::Several;
use crate::list::List;
use crate::lock::{self, Grant, Lock};
use crate::pipe::{End, Pipe};
use crate::queue::{Batch, Delivery, Mode, NewItem, Queue};
use crate::rwlock::{self, RwLock};
use crate::semaphore::{Acquire, Semaphore};
use crate::usage::{Usage, Uses};
use crate::value::{Entry, Item};

/// One thing that a select waits for, or one part of what is acquired together.
#[derive(Clone)]
pub struct Branch {
    usage: Arc<Usage>,
    command: Command,
}

/// The branch that was granted.
#[derive(Clone, Debug, PartialEq)]
pub struct Selected {
    /// Which, counted from 0.
    pub branch: usize,
    /// What came of it.
    pub got: Got,
}

/// What a branch gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Got {
    /// Of [`Queue::to_take`].
    Items(Vec<Delivery>),
    /// Of [`Queue::to_put`]: their ids, or that of the item of which it is a duplicate.
    Put(Vec<ItemId>),
    /// Of [`Event::to_wait`]: the version of the latest set.
    Event(Version),
    /// Of [`Semaphore::to_acquire`].
    Permits(Token),
    /// Of [`Lock::to_acquire`] and [`RwLock::to_acquire`].
    Lock(Grant),
    /// Of [`Latch::to_wait`].
    Open,
    /// Of [`Queue::to_join`].
    Joined,
    /// Of [`Pipe::to_receive`].
    Message(Payload),
    /// Of [`Pipe::to_poll`].
    Readable,
    /// Of a watch: what is there now; without data where a whole dict or list is watched.
    Changed(Item),
}

impl Branch {
    pub(crate) fn into_parts(self) -> (Arc<Usage>, Command) {
        (self.usage, self.command)
    }
}

impl Bridge {
    /// Waits for the first of the branches: exactly one is granted, and the others are withdrawn in the same step. They
    /// are tried in the order given; what can be had at once is. Dropped before its end it is withdrawn; its grant is
    /// accepted or goes back as that of a single call. `TIMED_OUT`; the error of a branch, whose detail `branch` says which;
    /// `CROSS_NAMESPACE` where their handles are not of one namespace.
    pub fn select(
        &self,
        who: ParticipantId,
        branches: impl IntoIterator<Item = Branch>,
        timeout: Timeout,
    ) -> Call<Selected> {
        let (usages, branches): (Vec<_>, Vec<_>) = branches.into_iter().map(Branch::into_parts).unzip();
        let request = Request::Command(Command::Select(Box::new(Select { branches, timeout })));
        self.several(who, "branches", usages, request, |reply| match reply {
            Reply::Selected { branch, reply } => {
                Some(Selected { branch: usize::try_from(branch).ok()?, got: got(*reply)? })
            }
            _ => None,
        })
    }

    /// Starts a call about several objects, of which there must be one at least.
    pub(crate) fn several<T>(
        &self,
        who: ParticipantId,
        field: &'static str,
        usages: Vec<Arc<Usage>>,
        request: Request,
        read: fn(Reply) -> Option<T>,
    ) -> Call<T> {
        if let Err(error) = self.check_several(field, &usages) {
            return Call::failed(Uses::several(self, usages), error, read);
        }
        let gives = call::gives(&request);
        let objects = usages.iter().map(|usage| usage.object.clone()).collect();
        let started = self.link().start_several(Several { who, objects, request });
        Call::new(Uses::several(self, usages), started, gives, read)
    }

    fn check_several(&self, field: &'static str, usages: &[Arc<Usage>]) -> Result<(), Error> {
        self.check()?;
        if usages.is_empty() {
            return Err(Error::invalid(field, format!("{field} is empty; give at least one")));
        }
        match usages.iter().find(|usage| !usage.bridge.is(self)) {
            None => Ok(()),
            Some(other) if other.bridge.place() != self.place() => {
                let (mine, others) = (self.place(), other.bridge.place());
                let message = format!(
                    "{} is in {others}, and the call goes to {mine}: everything in one call lives in one namespace; use \
                     objects of one",
                    other.object.name()
                );
                Err(Error::new(Reason::CrossNamespace, message)
                    .with("namespaces", format!("{mine} {others}")))
            }
            Some(other) => Err(Error::invalid(
                field,
                format!(
                    "the {} {} is a handle of another bridge to {}; take all of them from the one that is called",
                    other.object.kind(),
                    other.object.name(),
                    self.place()
                ),
            )),
        }
    }
}

/// What a branch was answered with.
pub(crate) fn got(reply: Reply) -> Option<Got> {
    use command::{event, latch, lock, pipe, queue, rwlock, semaphore, value};
    Some(match reply {
        Reply::Queue(queue::Reply::Taken(taken)) => Got::Items(taken.deliveries.into_vec()),
        Reply::Queue(queue::Reply::Put(id) | queue::Reply::Duplicate(id)) => Got::Put(vec![id]),
        Reply::Queue(queue::Reply::PutMany(ids)) => Got::Put(ids),
        Reply::Event(event::Reply::Waited { is_set: true, version }) => Got::Event(version),
        Reply::Semaphore(semaphore::Reply::Acquired(token)) => Got::Permits(token),
        Reply::Lock(lock::Reply::Acquired(grant)) | Reply::RwLock(rwlock::Reply::Acquired(grant)) => {
            Got::Lock(grant)
        }
        Reply::Latch(latch::Reply::Waited { is_open: true }) => Got::Open,
        Reply::Queue(queue::Reply::Joined) => Got::Joined,
        Reply::Pipe(pipe::Reply::Received { payload, .. }) => Got::Message(*payload),
        Reply::Pipe(pipe::Reply::Polled(true)) => Got::Readable,
        Reply::Value(value::Reply::Watched { changed: true, item }) => Got::Changed(*item),
        _ => return None,
    })
}

impl Queue {
    /// To take items: [`Queue::take`].
    pub fn to_take(&self, mode: Mode, batch: Batch) -> Branch {
        self.branch(command::queue::Command::Take {
            taking: Taking::new(mode, batch),
            timeout: Timeout::Never,
        })
    }

    /// To put an item: [`Queue::put`].
    pub fn to_put(&self, item: NewItem) -> Branch {
        self.branch(command::queue::Command::Put { item, timeout: Timeout::Never })
    }

    /// To wait until all items are done: [`Queue::join`].
    pub fn to_join(&self) -> Branch {
        self.branch(command::queue::Command::Join { timeout: Timeout::Never })
    }

    fn branch(&self, command: command::queue::Command) -> Branch {
        let target = self.usage.object.target();
        Branch { usage: self.usage.clone(), command: Command::Queue(target, command) }
    }
}

impl Pipe {
    /// To receive at that end: [`Pipe::receive`].
    pub fn to_receive(&self, end: End) -> Branch {
        self.branch(command::pipe::Command::Receive { end, timeout: Timeout::Never })
    }

    /// To wait until a receive at that end would not: [`Pipe::poll`].
    pub fn to_poll(&self, end: End) -> Branch {
        self.branch(command::pipe::Command::Poll { end, timeout: Timeout::Never })
    }

    fn branch(&self, command: command::pipe::Command) -> Branch {
        Branch { usage: self.usage.clone(), command: Command::Pipe(self.usage.object.target(), command) }
    }
}

impl Event {
    /// To wait until it is set: [`Event::wait`].
    pub fn to_wait(&self, after: Option<Version>) -> Branch {
        let command = command::event::Command::Wait { timeout: Timeout::Never, after };
        Branch { usage: self.usage.clone(), command: Command::Event(self.usage.object.target(), command) }
    }
}

impl Semaphore {
    /// To acquire permits: [`Semaphore::acquire`]. The timeout in `acquire` is not read.
    pub fn to_acquire(&self, acquire: Acquire) -> Branch {
        let command = command::semaphore::Command::Acquire(acquire);
        Branch { usage: self.usage.clone(), command: Command::Semaphore(self.usage.object.target(), command) }
    }
}

impl Lock {
    /// To acquire it: [`Lock::acquire`].
    pub fn to_acquire(&self) -> Branch {
        let command = command::lock::Command::Acquire(lock::Acquire::within(Timeout::Never));
        Branch { usage: self.usage.clone(), command: Command::Lock(self.usage.object.target(), command) }
    }
}

impl RwLock {
    /// To acquire it: [`RwLock::acquire`].
    pub fn to_acquire(&self, mode: rwlock::Mode) -> Branch {
        let command = command::rwlock::Command::Acquire(rwlock::Acquire::within(mode, Timeout::Never));
        Branch { usage: self.usage.clone(), command: Command::RwLock(self.usage.object.target(), command) }
    }
}

impl Latch {
    /// To wait until it is open: [`Latch::wait`].
    pub fn to_wait(&self) -> Branch {
        let command = command::latch::Command::Wait { timeout: Timeout::Never };
        Branch { usage: self.usage.clone(), command: Command::Latch(self.usage.object.target(), command) }
    }
}

impl Entry {
    /// To wait for a change newer than `after`: [`Entry::watch`].
    pub fn to_watch(&self, after: Version) -> Branch {
        watch(&self.usage, Some(self.key.clone()), after)
    }
}

impl Dict {
    /// To wait for a change of any entry, newer than `after`: [`Dict::watch`].
    pub fn to_watch(&self, after: Version) -> Branch {
        watch(&self.usage, None, after)
    }
}

fn watch(usage: &Arc<Usage>, key: Option<Bytes>, after: Version) -> Branch {
    let command = command::value::Command::Watch { key, after, timeout: Timeout::Never };
    let target = usage.object.target();
    let command = match usage.object.kind() {
        Kind::Dict => Command::Dict(target, command),
        _ => Command::Value(target, command),
    };
    Branch { usage: usage.clone(), command }
}

impl List {
    /// To wait for a change newer than `after`: [`List::watch`].
    pub fn to_watch(&self, after: Version) -> Branch {
        let command = command::list::Command::Watch { after, timeout: Timeout::Never };
        Branch { usage: self.usage.clone(), command: Command::List(self.usage.object.target(), command) }
    }
}

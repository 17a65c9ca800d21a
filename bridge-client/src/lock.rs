//! Locks, reentrant or not.

use std::sync::Arc;
use std::time::Duration;

use bridge_core::command::lock::{Command, Query, Reply};
use bridge_core::command::{self, Request};
use bridge_core::ids::{ParticipantId, Token};
use bridge_core::{Error, Reply as AnyReply, Timeout};

pub use bridge_core::command::Ownership;
pub use bridge_core::command::lock::{Abandoned, Acquire, Cause, Figures, Grant, Holder, Options};

use crate::bridge::Bridge;
use crate::call::Call;
use crate::object::Declaration;
use crate::usage::{Usage, handle};

/// A lock. Cheap to clone; stays usable when the session is replaced, though not what is held of it.
#[derive(Clone)]
pub struct Lock {
    pub(crate) usage: Arc<Usage>,
}

impl Bridge {
    /// The lock of that name, as [`Bridge::queue`]. One of its own that is not reentrant may be released by whatever
    /// process it reaches, unless its options say otherwise.
    pub fn lock(&self, name: Option<&str>, mut options: Options) -> Result<Lock, Error> {
        if name.is_none() && options.reentrant != Some(true) {
            options.foreign_release = options.foreign_release.or(Some(true));
        }
        Ok(Lock { usage: self.make(name, Declaration::Lock(options))? })
    }

    /// The lock that another process has shared, as [`Bridge::attach_queue`].
    pub fn attach_lock(&self, name: &str, anonymous: bool, options: Options) -> Result<Lock, Error> {
        Ok(Lock { usage: self.attach(name, anonymous, Declaration::Lock(options))? })
    }
}

handle!(Lock);

impl Lock {
    /// Takes it; waits in line, unless `barge` finds it free. `TIMED_OUT`.
    pub fn acquire(&self, who: ParticipantId, barge: bool, timeout: Timeout) -> Call<Grant> {
        self.acquire_as(who, Acquire { barge, ..Acquire::within(timeout) })
    }

    /// As [`Lock::acquire`], for as long as `lease` at most: then the lock is taken away, [`Lock::is_lost`], unless it is
    /// [extended](Lock::extend). `TIMED_OUT`.
    pub fn acquire_for(&self, who: ParticipantId, lease: Duration, timeout: Timeout) -> Call<Grant> {
        self.acquire_as(who, Acquire { lease: Some(lease), ..Acquire::within(timeout) })
    }

    /// Takes it, with all that can be asked of that. `TIMED_OUT`.
    pub fn acquire_as(&self, who: ParticipantId, acquire: Acquire) -> Call<Grant> {
        self.command(who, Command::Acquire(acquire), |reply| match reply {
            AnyReply::Lock(Reply::Acquired(grant)) => Some(grant),
            _ => None,
        })
    }

    /// The lease of that hold, or another one if it is given, counts anew from now on. `STALE`, `LOCK_LOST`.
    pub fn extend(&self, who: ParticipantId, token: Token, lease: Option<Duration>) -> Call<()> {
        self.command(who, Command::Extend { token, lease }, |reply| match reply {
            AnyReply::Lock(Reply::Extended) => Some(()),
            _ => None,
        })
    }

    /// Whether the hold of that token is known to be lost: its lease was over, or its session. What is not known to be lost
    /// may be: the release says so.
    pub fn is_lost(&self, token: Token) -> bool {
        self.usage.link().is_lost(token)
    }

    /// Gives back one level: of the hold of that token, or of the one that the caller may release. `NOT_OWNER`, `STALE`;
    /// `LOCK_LOST` where it was lost with a session, or its lease was over.
    pub fn release(&self, who: ParticipantId, token: Option<Token>) -> Call<()> {
        self.command(who, Command::Release { token }, |reply| match reply {
            AnyReply::Lock(Reply::Released) => Some(()),
            _ => None,
        })
    }

    /// As [`Lock::release`], not awaited, as [`Bridge::flush`] says.
    pub fn release_later(&self, who: ParticipantId, token: Option<Token>) -> Result<(), Error> {
        let command = command::Command::Lock(self.usage.object.target(), Command::Release { token });
        self.usage.later(who, Request::Command(command))
    }

    /// Who has it now.
    pub fn describe(&self, who: ParticipantId) -> Call<Figures> {
        let query = command::Query::Lock(self.usage.object.target(), Query::Describe);
        self.usage.call(who, Request::Query(query), |reply| match reply {
            AnyReply::Lock(Reply::Described(figures)) => Some(*figures),
            _ => None,
        })
    }

    fn command<T>(&self, who: ParticipantId, command: Command, read: fn(AnyReply) -> Option<T>) -> Call<T> {
        let request = Request::Command(command::Command::Lock(self.usage.object.target(), command));
        self.usage.call(who, request, read)
    }
}

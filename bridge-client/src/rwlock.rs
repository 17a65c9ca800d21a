//! Read-write locks.

use std::sync::Arc;
use std::time::Duration;

use bridge_core::command::rwlock::{Command, Query, Reply};
use bridge_core::command::{self, Request};
use bridge_core::ids::{ParticipantId, Token};
use bridge_core::{Error, Reply as AnyReply, Timeout};

pub use bridge_core::command::rwlock::{Acquire, Figures, Mode, Options};

use crate::bridge::Bridge;
use crate::call::Call;
use crate::lock::Grant;
use crate::object::Declaration;
use crate::usage::{Usage, handle};

/// A read-write lock. Cheap to clone; stays usable when the session is replaced, though not what is held of it.
#[derive(Clone)]
pub struct RwLock {
    pub(crate) usage: Arc<Usage>,
}

impl Bridge {
    /// The read-write lock of that name, as [`Bridge::queue`].
    pub fn rwlock(&self, name: Option<&str>, options: Options) -> Result<RwLock, Error> {
        Ok(RwLock { usage: self.make(name, Declaration::RwLock(options))? })
    }

    /// The read-write lock that another process has shared, as [`Bridge::attach_queue`].
    pub fn attach_rwlock(&self, name: &str, anonymous: bool, options: Options) -> Result<RwLock, Error> {
        Ok(RwLock { usage: self.attach(name, anonymous, Declaration::RwLock(options))? })
    }
}

handle!(RwLock);

impl RwLock {
    /// Takes it; waits in line, unless `barge` finds that it can be had. `TIMED_OUT`, `DEADLOCK`.
    pub fn acquire(&self, who: ParticipantId, mode: Mode, barge: bool, timeout: Timeout) -> Call<Grant> {
        self.acquire_as(who, Acquire { barge, ..Acquire::within(mode, timeout) })
    }

    /// As [`RwLock::acquire`], for as long as `lease` at most: then it is taken away, [`RwLock::is_lost`], unless it is
    /// [extended](RwLock::extend). `TIMED_OUT`, `DEADLOCK`.
    pub fn acquire_for(
        &self,
        who: ParticipantId,
        mode: Mode,
        lease: Duration,
        timeout: Timeout,
    ) -> Call<Grant> {
        self.acquire_as(who, Acquire { lease: Some(lease), ..Acquire::within(mode, timeout) })
    }

    /// Takes it, with all that can be asked of that. `TIMED_OUT`, `DEADLOCK`.
    pub fn acquire_as(&self, who: ParticipantId, acquire: Acquire) -> Call<Grant> {
        self.command(who, Command::Acquire(acquire), |reply| match reply {
            AnyReply::RwLock(Reply::Acquired(grant)) => Some(grant),
            _ => None,
        })
    }

    /// The lease of that hold, or another one if it is given, counts anew from now on. `STALE`, `LOCK_LOST`.
    pub fn extend(&self, who: ParticipantId, token: Token, lease: Option<Duration>) -> Call<()> {
        self.command(who, Command::Extend { token, lease }, |reply| match reply {
            AnyReply::RwLock(Reply::Extended) => Some(()),
            _ => None,
        })
    }

    /// Whether the hold of that token is known to be lost: its lease was over, or its session.
    pub fn is_lost(&self, token: Token) -> bool {
        self.usage.link().is_lost(token)
    }

    /// Gives back one level of what the caller holds in that mode. `NOT_OWNER`, `STALE`; `LOCK_LOST` where it was lost with
    /// a session, or its lease was over.
    pub fn release(&self, who: ParticipantId, mode: Mode, token: Option<Token>) -> Call<()> {
        self.command(who, Command::Release { mode, token }, |reply| match reply {
            AnyReply::RwLock(Reply::Released) => Some(()),
            _ => None,
        })
    }

    /// Who has it now.
    pub fn describe(&self, who: ParticipantId) -> Call<Figures> {
        let query = command::Query::RwLock(self.usage.object.target(), Query::Describe);
        self.usage.call(who, Request::Query(query), |reply| match reply {
            AnyReply::RwLock(Reply::Described(figures)) => Some(*figures),
            _ => None,
        })
    }

    fn command<T>(&self, who: ParticipantId, command: Command, read: fn(AnyReply) -> Option<T>) -> Call<T> {
        let request = Request::Command(command::Command::RwLock(self.usage.object.target(), command));
        self.usage.call(who, request, read)
    }
}

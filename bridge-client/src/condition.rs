//! Conditions.

use std::sync::Arc;

use bridge_core::command::condition::{Command, Query, Reply};
use bridge_core::command::{self, Request};
use bridge_core::ids::ParticipantId;
use bridge_core::{Error, Reply as AnyReply, Timeout};

pub use bridge_core::command::condition::{Figures, Options, Woken};

use crate::call::Call;
use crate::lock::{Grant, Lock};
use crate::object::Declaration;
use crate::usage::{Usage, handle};

/// A condition and its lock. Cheap to clone; stays usable when the session is replaced.
#[derive(Clone)]
pub struct Condition {
    usage: Arc<Usage>,
    lock: Lock,
}

/// The end of a wait: the lock is held again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waited {
    /// What ended the waiting for a notification.
    pub woken: Woken,
    /// The new hold, as deep as the one before.
    pub grant: Grant,
}

impl Lock {
    /// The condition of that name, which belongs to this lock; as [`Bridge::queue`].
    pub fn condition(&self, name: Option<&str>, options: Options) -> Result<Condition, Error> {
        let declaration = Declaration::Condition(self.usage.object.clone(), options);
        Ok(Condition { usage: self.bridge().make(name, declaration)?, lock: self.clone() })
    }

    /// The condition of this lock that another process has shared, as [`Bridge::attach_queue`].
    pub fn attach_condition(
        &self,
        name: &str,
        anonymous: bool,
        options: Options,
    ) -> Result<Condition, Error> {
        let declaration = Declaration::Condition(self.usage.object.clone(), options);
        Ok(Condition { usage: self.bridge().attach(name, anonymous, declaration)?, lock: self.clone() })
    }
}

handle!(Condition);

impl Condition {
    /// Its lock.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// Releases the lock, waits for a notification, and ends with the lock. The timeout, and
    /// [`Call::ask_to_cancel`], end the waiting for a notification only. `NOT_OWNER`; `LOCK_LOST` where the session ended.
    pub fn wait(&self, who: ParticipantId, timeout: Timeout) -> Call<Waited> {
        self.command(who, Command::Wait { timeout }, |reply| match reply {
            AnyReply::Condition(Reply::Waited { woken, grant }) => Some(Waited { woken, grant }),
            _ => None,
        })
    }

    /// Wakes that many, longest waiting first, or all; says how many. `NOT_OWNER`.
    pub fn notify(&self, who: ParticipantId, count: Option<u32>) -> Call<u64> {
        self.command(who, Command::Notify { count }, |reply| match reply {
            AnyReply::Condition(Reply::Notified { count }) => Some(count),
            _ => None,
        })
    }

    /// How many wait.
    pub fn describe(&self, who: ParticipantId) -> Call<Figures> {
        let query = command::Query::Condition(self.usage.object.target(), Query::Describe);
        self.usage.call(who, Request::Query(query), |reply| match reply {
            AnyReply::Condition(Reply::Described(figures)) => Some(figures),
            _ => None,
        })
    }

    fn command<T>(&self, who: ParticipantId, command: Command, read: fn(AnyReply) -> Option<T>) -> Call<T> {
        let request = Request::Command(command::Command::Condition(self.usage.object.target(), command));
        self.usage.call(who, request, read)
    }
}

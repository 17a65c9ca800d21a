//! Barriers: so many parties wait for each other, then all go on.

use std::sync::Arc;

use bridge_core::command::barrier::{Command, Query, Reply};
use bridge_core::command::{self, Request};
use bridge_core::ids::{ParticipantId, Token};
use bridge_core::{Error, Reply as AnyReply};

pub use bridge_core::command::barrier::{Arrive, Arrived, Cause, Figures, OnCancel, Options};

use crate::bridge::Bridge;
use crate::call::Call;
use crate::object::Declaration;
use crate::usage::{Usage, handle};

/// A barrier. Cheap to clone; stays usable when the session is replaced.
#[derive(Clone)]
pub struct Barrier {
    usage: Arc<Usage>,
}

impl Bridge {
    /// The barrier of that name, as [`Bridge::queue`].
    pub fn barrier(&self, name: Option<&str>, options: Options) -> Result<Barrier, Error> {
        Ok(Barrier { usage: self.make(name, Declaration::Barrier(options))? })
    }

    /// The barrier that another process has shared, as [`Bridge::attach_queue`].
    pub fn attach_barrier(&self, name: &str, anonymous: bool, options: Options) -> Result<Barrier, Error> {
        Ok(Barrier { usage: self.attach(name, anonymous, Declaration::Barrier(options))? })
    }
}

handle!(Barrier);

impl Barrier {
    /// Arrives, and waits until all parties have. Where the answer has an action, the caller runs it now and says with
    /// [`Barrier::action_done`] how it went; the others wait for that, and it is broken if the session ends before.
    /// `BROKEN_BARRIER`; `TIMED_OUT`, which breaks it.
    pub fn wait(&self, who: ParticipantId, arrive: Arrive) -> Call<Arrived> {
        self.command(who, Command::Wait(arrive), |reply| match reply {
            AnyReply::Barrier(Reply::Arrived(arrived)) => Some(arrived),
            _ => None,
        })
    }

    /// The action is done, and the others go; or it failed, and the barrier is broken. Answers whether the parties have
    /// gone on. `BROKEN_BARRIER` where it was broken meanwhile.
    pub fn action_done(&self, who: ParticipantId, action: Token, error: Option<String>) -> Call<bool> {
        self.command(who, Command::ActionDone { action, error }, |reply| match reply {
            AnyReply::Barrier(Reply::ActionDone { passed }) => Some(passed),
            _ => None,
        })
    }

    /// Makes it as new; who waits there ends with `BROKEN_BARRIER`.
    pub fn reset(&self, who: ParticipantId) -> Call<()> {
        self.command(who, Command::Reset, |reply| {
            matches!(reply, AnyReply::Barrier(Reply::Reset)).then_some(())
        })
    }

    /// Breaks it.
    pub fn abort(&self, who: ParticipantId) -> Call<()> {
        self.command(who, Command::Abort, |reply| {
            matches!(reply, AnyReply::Barrier(Reply::Aborted)).then_some(())
        })
    }

    /// Its figures now.
    pub fn describe(&self, who: ParticipantId) -> Call<Figures> {
        let request = Request::Query(command::Query::Barrier(self.usage.object.target(), Query::Describe));
        self.usage.call(who, request, |reply| match reply {
            AnyReply::Barrier(Reply::Described(figures)) => Some(*figures),
            _ => None,
        })
    }

    fn command<T>(&self, who: ParticipantId, command: Command, read: fn(AnyReply) -> Option<T>) -> Call<T> {
        let request = Request::Command(command::Command::Barrier(self.usage.object.target(), command));
        self.usage.call(who, request, read)
    }
}

//! Events: a flag to wait for, with a version per set.

use std::sync::Arc;

use bridge_core::command::event::{Command, Query, Reply};
use bridge_core::command::{self, Request};
use bridge_core::ids::ParticipantId;
use bridge_core::{Error, Reply as AnyReply, Timeout};

pub use bridge_core::command::event::{Figures, Options, Version};

use crate::call::Call;
use crate::usage::{Usage, handle};

/// An event. Cheap to clone; stays usable when the session is replaced.
#[derive(Clone)]
pub struct Event {
    pub(crate) usage: Arc<Usage>,
}

/// The end of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waited {
    /// False where the time was over first.
    pub is_set: bool,
    /// The version of the latest set; 0 if that is not known.
    pub version: Version,
}

handle!(Event);

impl Event {
    /// Sets it and wakes every waiter (one, and clears, where it resets itself).
    pub fn set(&self, who: ParticipantId) -> Call<Version> {
        self.command(who, Command::Set, |reply| match reply {
            AnyReply::Event(Reply::Set { version }) => Some(version),
            _ => None,
        })
    }

    /// As [`Event::set`], not awaited, as [`Bridge::flush`] says.
    pub fn set_later(&self, who: ParticipantId) -> Result<(), Error> {
        let command = command::Command::Event(self.usage.object.target(), Command::Set);
        self.usage.later(who, Request::Command(command))
    }

    /// Clears it.
    pub fn clear(&self, who: ParticipantId) -> Call<Version> {
        self.command(who, Command::Clear, |reply| match reply {
            AnyReply::Event(Reply::Cleared { version }) => Some(version),
            _ => None,
        })
    }

    /// Waits until it is set, or has been set since `after`. Ends with `is_set` false when the time is over.
    pub fn wait(&self, who: ParticipantId, timeout: Timeout, after: Option<Version>) -> Call<Waited> {
        self.command(who, Command::Wait { timeout, after }, |reply| match reply {
            AnyReply::Event(Reply::Waited { is_set, version }) => Some(Waited { is_set, version }),
            _ => None,
        })
    }

    /// Its figures now.
    pub fn describe(&self, who: ParticipantId) -> Call<Figures> {
        let request = Request::Query(command::Query::Event(self.usage.object.target(), Query::Describe));
        self.usage.call(who, request, |reply| match reply {
            AnyReply::Event(Reply::Described(figures)) => Some(figures),
            _ => None,
        })
    }

    fn command<T>(&self, who: ParticipantId, command: Command, read: fn(AnyReply) -> Option<T>) -> Call<T> {
        let request = Request::Command(command::Command::Event(self.usage.object.target(), command));
        self.usage.call(who, request, read)
    }
}

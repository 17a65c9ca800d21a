//! Latches: many wait until it has been counted down to zero, once.

use std::sync::Arc;

use bridge_core::command::latch::{Command, Query, Reply};
use bridge_core::command::{self, Request};
use bridge_core::ids::ParticipantId;
use bridge_core::{Error, Reply as AnyReply, Timeout};

pub use bridge_core::command::latch::{Figures, Options};

use crate::bridge::Bridge;
use crate::call::Call;
use crate::object::Declaration;
use crate::usage::{Usage, handle};

/// A latch. Cheap to clone; stays usable when the session is replaced.
#[derive(Clone)]
pub struct Latch {
    pub(crate) usage: Arc<Usage>,
}

impl Bridge {
    /// The latch of that name, as [`Bridge::queue`].
    pub fn latch(&self, name: Option<&str>, options: Options) -> Result<Latch, Error> {
        Ok(Latch { usage: self.make(name, Declaration::Latch(options))? })
    }

    /// The latch that another process has shared, as [`Bridge::attach_queue`].
    pub fn attach_latch(&self, name: &str, anonymous: bool, options: Options) -> Result<Latch, Error> {
        Ok(Latch { usage: self.attach(name, anonymous, Declaration::Latch(options))? })
    }
}

handle!(Latch);

impl Latch {
    /// Counts down by at least 1, never below zero, and answers with what is left. It counts once, however often it is
    /// sent.
    pub fn count_down(&self, who: ParticipantId, by: u64) -> Call<u64> {
        self.command(who, Command::CountDown { by }, |reply| match reply {
            AnyReply::Latch(Reply::CountedDown { count }) => Some(count),
            _ => None,
        })
    }

    /// Waits for zero; false when the time was over first.
    pub fn wait(&self, who: ParticipantId, timeout: Timeout) -> Call<bool> {
        self.command(who, Command::Wait { timeout }, |reply| match reply {
            AnyReply::Latch(Reply::Waited { is_open }) => Some(is_open),
            _ => None,
        })
    }

    /// Its figures now, what is left among them.
    pub fn describe(&self, who: ParticipantId) -> Call<Figures> {
        let request = Request::Query(command::Query::Latch(self.usage.object.target(), Query::Describe));
        self.usage.call(who, request, |reply| match reply {
            AnyReply::Latch(Reply::Described(figures)) => Some(*figures),
            _ => None,
        })
    }

    fn command<T>(&self, who: ParticipantId, command: Command, read: fn(AnyReply) -> Option<T>) -> Call<T> {
        let request = Request::Command(command::Command::Latch(self.usage.object.target(), command));
        self.usage.call(who, request, read)
    }
}

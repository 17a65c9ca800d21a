//! Pipes: two ends, each of which receives what the other one sends.

use std::sync::Arc;

use bridge_core::command::pipe::{Command, Query, Reply};
use bridge_core::command::{self, Request};
use bridge_core::ids::ParticipantId;
use bridge_core::{Error, Payload, Reply as AnyReply, Timeout};

pub use bridge_core::command::pipe::{End, Figures, Options, Standing};

use crate::bridge::Bridge;
use crate::call::Call;
use crate::object::Declaration;
use crate::usage::{Usage, handle};

/// A pipe. Cheap to clone. An end that is attached is the session's: when that is replaced, the end is closed.
#[derive(Clone)]
pub struct Pipe {
    pub(crate) usage: Arc<Usage>,
}

impl Bridge {
    /// The pipe of that name, as [`Bridge::queue`].
    pub fn pipe(&self, name: Option<&str>, options: Options) -> Result<Pipe, Error> {
        Ok(Pipe { usage: self.make(name, Declaration::Pipe(options))? })
    }

    /// The pipe that another process has shared, as [`Bridge::attach_queue`]. That attaches neither of its ends.
    pub fn attach_pipe(&self, name: &str, anonymous: bool, options: Options) -> Result<Pipe, Error> {
        Ok(Pipe { usage: self.attach(name, anonymous, Declaration::Pipe(options))? })
    }
}

handle!(Pipe);

impl Pipe {
    /// The session has that end from now on, and once more if it had it; `None`: the first one that nobody has had. It has
    /// it until it has closed it as often. `BROKEN_PIPE`.
    pub fn attach(&self, who: ParticipantId, end: Option<End>) -> Call<End> {
        self.command(who, Command::Attach { end }, |reply| match reply {
            AnyReply::Pipe(Reply::Attached(end)) => Some(end),
            _ => None,
        })
    }

    /// Sends from that end; waits while too many messages wait for the other. `FULL`, `BROKEN_PIPE`.
    pub fn send(&self, who: ParticipantId, end: End, payload: Payload, timeout: Timeout) -> Call<()> {
        self.command(who, Command::Send { end, payload, timeout }, |reply| match reply {
            AnyReply::Pipe(Reply::Sent) => Some(()),
            _ => None,
        })
    }

    /// Receives at that end. `EMPTY`, `END_OF_PIPE`.
    pub fn receive(&self, who: ParticipantId, end: End, timeout: Timeout) -> Call<Payload> {
        self.command(who, Command::Receive { end, timeout }, |reply| match reply {
            AnyReply::Pipe(Reply::Received { payload, .. }) => Some(*payload),
            _ => None,
        })
    }

    /// Waits until a receive at that end would not; false when the time was over first.
    pub fn poll(&self, who: ParticipantId, end: End, timeout: Timeout) -> Call<bool> {
        self.command(who, Command::Poll { end, timeout }, |reply| match reply {
            AnyReply::Pipe(Reply::Polled(is_readable)) => Some(is_readable),
            _ => None,
        })
    }

    /// The session has attached that end once less; false if it did not have it.
    pub fn close(&self, who: ParticipantId, end: End) -> Call<bool> {
        self.command(who, Command::Close { end }, |reply| match reply {
            AnyReply::Pipe(Reply::Closed(had_it)) => Some(had_it),
            _ => None,
        })
    }

    /// Its figures now.
    pub fn describe(&self, who: ParticipantId) -> Call<Figures> {
        let request = Request::Query(command::Query::Pipe(self.usage.object.target(), Query::Describe));
        self.usage.call(who, request, |reply| match reply {
            AnyReply::Pipe(Reply::Described(figures)) => Some(*figures),
            _ => None,
        })
    }

    fn command<T>(&self, who: ParticipantId, command: Command, read: fn(AnyReply) -> Option<T>) -> Call<T> {
        let request = Request::Command(command::Command::Pipe(self.usage.object.target(), command));
        self.usage.call(who, request, read)
    }
}

//! Semaphores: available = limit + signals − held.

use std::sync::Arc;

use bridge_core::command::semaphore::{Command, Query, Reply};
use bridge_core::command::{self, Request};
use bridge_core::ids::{ParticipantId, Token};
use bridge_core::{Error, Reply as AnyReply};

pub use bridge_core::command::semaphore::{Acquire, Figures, Holder, Options, Ownership};

use crate::call::Call;
use crate::usage::{Usage, handle};

/// A semaphore. Cheap to clone; stays usable when the session is replaced.
#[derive(Clone)]
pub struct Semaphore {
    pub(crate) usage: Arc<Usage>,
}

/// What a drain took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// How many; negative where that many were missing (they are no longer).
    pub drained: i64,
    /// The token of the grant, if anything was taken.
    pub token: Option<Token>,
}

handle!(Semaphore);

impl Semaphore {
    /// Takes permits, all or none; waits in line. `TIMED_OUT`.
    pub fn acquire(&self, who: ParticipantId, acquire: Acquire) -> Call<Token> {
        self.command(who, Command::Acquire(acquire), |reply| match reply {
            AnyReply::Semaphore(Reply::Acquired(token)) => Some(token),
            _ => None,
        })
    }

    /// Gives back what `token` granted; without one the caller's newest bare permits, else another's, else adds
    /// signals. `STALE` where what was held was lost, `TOO_MANY_RELEASES`.
    pub fn release(&self, who: ParticipantId, permits: u32, token: Option<Token>) -> Call<()> {
        self.command(who, Command::Release { permits, token }, |reply| match reply {
            AnyReply::Semaphore(Reply::Released) => Some(()),
            _ => None,
        })
    }

    /// As [`Semaphore::release`], not awaited, as [`Bridge::flush`] says.
    pub fn release_later(&self, who: ParticipantId, permits: u32, token: Option<Token>) -> Result<(), Error> {
        let command = Command::Release { permits, token };
        let command = command::Command::Semaphore(self.usage.object.target(), command);
        self.usage.later(who, Request::Command(command))
    }

    /// Takes all that is available, without waiting.
    pub fn drain(&self, who: ParticipantId) -> Call<Drained> {
        self.command(who, Command::Drain, |reply| match reply {
            AnyReply::Semaphore(Reply::Drained { drained, token }) => Some(Drained { drained, token }),
            _ => None,
        })
    }

    /// Lowers the signals, below zero if need be.
    pub fn reduce(&self, who: ParticipantId, permits: u32) -> Call<()> {
        self.command(who, Command::Reduce { permits }, |reply| match reply {
            AnyReply::Semaphore(Reply::Reduced) => Some(()),
            _ => None,
        })
    }

    /// Changes the limit; revokes nothing.
    pub fn set_limit(&self, who: ParticipantId, limit: i64) -> Call<()> {
        self.command(who, Command::SetLimit { limit }, |reply| match reply {
            AnyReply::Semaphore(Reply::LimitSet) => Some(()),
            _ => None,
        })
    }

    /// Its figures now.
    pub fn describe(&self, who: ParticipantId) -> Call<Figures> {
        self.query(who, Query::Describe, |reply| match reply {
            AnyReply::Semaphore(Reply::Described(figures)) => Some(*figures),
            _ => None,
        })
    }

    /// Who holds permits, the oldest grants first, at most a page.
    pub fn holders(&self, who: ParticipantId) -> Call<Vec<Holder>> {
        self.query(who, Query::Holders { page_size: u32::MAX, after: None }, |reply| match reply {
            AnyReply::Semaphore(Reply::Holders(page)) => Some(page.holders),
            _ => None,
        })
    }

    /// A page of them, from the grant after `after`; and what to give as `after` for the next page, if there is one.
    pub fn holders_after(
        &self,
        who: ParticipantId,
        page_size: u32,
        after: Option<Token>,
    ) -> Call<(Vec<Holder>, Option<Token>)> {
        self.query(who, Query::Holders { page_size, after }, |reply| match reply {
            AnyReply::Semaphore(Reply::Holders(page)) => Some((page.holders, page.next)),
            _ => None,
        })
    }

    fn query<T>(&self, who: ParticipantId, query: Query, read: fn(AnyReply) -> Option<T>) -> Call<T> {
        let request = Request::Query(command::Query::Semaphore(self.usage.object.target(), query));
        self.usage.call(who, request, read)
    }

    fn command<T>(&self, who: ParticipantId, command: Command, read: fn(AnyReply) -> Option<T>) -> Call<T> {
        let request = Request::Command(command::Command::Semaphore(self.usage.object.target(), command));
        self.usage.call(who, request, read)
    }
}

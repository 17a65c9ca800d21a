//! Timers: an item is put into a queue at its time, by the server's clock.

use std::sync::Arc;

use bridge_core::command::timer::{Command, Query, Reply};
use bridge_core::command::{self, Request};
use bridge_core::ids::{Name, ParticipantId};
use bridge_core::{Error, Reply as AnyReply};

pub use bridge_core::command::timer::{Figures, Listed, Missed, Options, Page, Schedule, Times};
pub use bridge_core::cron::Cron;

use crate::bridge::Bridge;
use crate::call::Call;
use crate::object::{Declaration, Object, Origin};
use crate::usage::{Usage, handle};

/// A timer. Cheap to clone; stays usable when the session is replaced. What has been scheduled is the server's: a named timer
/// goes on without its handle, one without a name ends with its last.
#[derive(Clone)]
pub struct Timer {
    usage: Arc<Usage>,
}

impl Bridge {
    /// The timer of that name, as [`Bridge::queue`]. It has no schedule unless somebody has given it one.
    pub fn timer(&self, name: Option<&str>, options: Options) -> Result<Timer, Error> {
        Ok(Timer { usage: self.make(name, Declaration::Timer(options))? })
    }

    /// The timer of that name with that schedule, as [`Timer::schedule`], which it waits for.
    pub fn schedule(&self, name: Option<&str>, schedule: Schedule) -> Result<Timer, Error> {
        let timer = self.timer(name, Options::default())?;
        timer.schedule(ParticipantId::default(), schedule, false).finish()?;
        Ok(timer)
    }

    /// The timers of the namespace that have a schedule, by name, from the one after `after`.
    pub fn timers(
        &self,
        who: ParticipantId,
        page_size: u32,
        after: Option<Name>,
    ) -> Result<Call<Page>, Error> {
        // No object is asked; one that is attached to creates nothing.
        let name = Name::parse("timer", "timers")?;
        let object = Object::new(name, Declaration::Timer(Options::default()), Origin::Attached);
        let usage = Usage::new(self.clone(), object, false);
        let request = Request::Query(command::Query::Timers { page_size, after });
        Ok(usage.call(who, request, |reply| match reply {
            AnyReply::Timer(Reply::Listed(page)) => Some(page),
            _ => None,
        }))
    }

    /// The timer that another process has shared, as [`Bridge::attach_queue`].
    pub fn attach_timer(&self, name: &str, anonymous: bool, options: Options) -> Result<Timer, Error> {
        Ok(Timer { usage: self.attach(name, anonymous, Declaration::Timer(options))? })
    }
}

handle!(Timer);

impl Timer {
    /// Gives it a schedule, which counts from now on; true if it had this one already, which then goes on as it was. Another one
    /// that it has makes room if `replace` is set. `CONFIG_MISMATCH`.
    pub fn schedule(&self, who: ParticipantId, schedule: Schedule, replace: bool) -> Call<bool> {
        let command = Command::Schedule { schedule: Box::new(schedule), replace };
        self.command(who, command, |reply| match reply {
            AnyReply::Timer(Reply::Scheduled { existed, .. }) => Some(existed),
            _ => None,
        })
    }

    /// Ends its schedule; false if it had none.
    pub fn cancel(&self, who: ParticipantId) -> Call<bool> {
        self.command(who, Command::Cancel, |reply| match reply {
            AnyReply::Timer(Reply::Cancelled(cancelled)) => Some(cancelled),
            _ => None,
        })
    }

    /// Its schedule and its figures now.
    pub fn describe(&self, who: ParticipantId) -> Call<Figures> {
        let request = Request::Query(command::Query::Timer(self.usage.object.target(), Query::Describe));
        self.usage.call(who, request, |reply| match reply {
            AnyReply::Timer(Reply::Described(figures)) => Some(*figures),
            _ => None,
        })
    }

    fn command<T>(&self, who: ParticipantId, command: Command, read: fn(AnyReply) -> Option<T>) -> Call<T> {
        let request = Request::Command(command::Command::Timer(self.usage.object.target(), command));
        self.usage.call(who, request, read)
    }
}

//! Timers: two objects, one step. The timer says when and how often; the queue says whether it takes the item.

use crate::command::timer::{Command, Page, Reply};
use crate::command::{Outcome, Reply as AnyReply};
use crate::engine::Engine;
use crate::error::Error;
use crate::ids::{Handle, Kind, Name, Target};
use crate::objects::{State, object_gone};
use crate::primitive::timer::Firing;
use crate::time::Time;
use crate::wait::Caller;

impl Engine {
    /// Runs a command on a timer. One that has no schedule afterwards goes with its users.
    pub(super) fn run_timer(&mut self, caller: &Caller, target: &Target, command: &Command) {
        let cancels = *command == Command::Cancel;
        let found = if cancels {
            self.objects.find(Kind::Timer, target).map(|found| found.map(|handle| (handle, false)))
        } else {
            self.target(Kind::Timer, target).map(Some)
        };
        let (me, created) = match found {
            Ok(Some(found)) => found,
            Ok(None) => return self.world.answer(caller, Ok(AnyReply::Timer(Reply::Cancelled(false)))),
            Err(error) => return self.world.answer(caller, Err(error)),
        };
        let Some(timer) = self.objects.timer_mut(me) else {
            return self.world.answer(caller, Err(object_gone()));
        };
        let outcome = timer.command(me, &mut self.world, command);
        let failed = outcome.is_err();
        self.world.answer(caller, outcome);
        if failed {
            if created {
                self.objects.remove(me);
            }
            return;
        }
        if let Some(named) = self.objects.get_mut(me) {
            if self.world.note_use(caller, me) {
                named.begin_use(&mut self.world.timers);
            }
            if !named.state.primitive().is_ephemeral() {
                named.stay(&mut self.world.timers);
            }
        }
        if cancels {
            self.drop_unused(me);
        }
        // It may be due at once.
        self.fire_due();
    }

    /// The timer of a schedule has gone off.
    pub(super) fn fire(&mut self, me: Handle) {
        let Some(timer) = self.objects.timer_mut(me) else { return };
        let Some(firing) = timer.fire(self.world.now, &self.world.limits) else { return };
        let (mut put, mut refusal) = (0, None);
        while put < firing.count && refusal.is_none() {
            match self.put_fired(&firing) {
                Ok(()) => put += 1,
                Err(error) => refusal = Some(error),
            }
        }
        let Some(timer) = self.objects.timer_mut(me) else { return };
        timer.fired(me, &mut self.world, &firing, put, refusal.as_ref());
        if !timer.has_schedule() {
            self.drop_unused(me);
        }
    }

    fn put_fired(&mut self, firing: &Firing) -> Result<(), Error> {
        let name = Target::Name(firing.schedule.queue.clone());
        let (object, created) = self.target(Kind::Queue, &name)?;
        let queue = self.objects.queue_mut(object).ok_or_else(object_gone)?;
        let put = queue.put_fired(object, &mut self.world, &firing.schedule.item);
        match put {
            Ok(()) => self.serve(object),
            Err(_) if created => drop(self.objects.remove(object)),
            Err(_) => {}
        }
        put
    }

    /// The timers that have a schedule, by name, from the one after `after`.
    pub(super) fn list_timers(&self, now: Time, page_size: u32, after: Option<&Name>) -> Outcome {
        if page_size == 0 {
            return Err(Error::invalid("page_size", "page_size is 0; give at least 1"));
        }
        let now = self.world.now.max(now);
        let last = after.map(|name| (Kind::Timer, name.clone()));
        let all = self.objects.page(Some(Kind::Timer), last.as_ref());
        let mut listed = all.filter_map(|named| match &named.state {
            State::Timer(timer) => timer.listed(&named.name, now),
            _ => None,
        });
        let timers: Vec<_> = listed.by_ref().take(self.world.page(page_size)).collect();
        let more = listed.next().is_some();
        Ok(AnyReply::Timer(Reply::Listed(Page { timers, more })))
    }
}

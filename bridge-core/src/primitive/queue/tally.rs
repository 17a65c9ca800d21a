//! Who has how many items that are not done: `task_done`, `join`, and what is lost.
//!
//! What is unfinished is never counted: it is what is READY, DELAYED or out, and what was gotten and not done. So an item that
//! leaves in any other way (acknowledged, dead, expired, removed, purged, moved) leaves the sum by itself.

use crate::command::queue::Reply;
use crate::command::{Outcome, Reply as AnyReply};
use crate::error::{Error, Reason};
use crate::ids::Handle;
use crate::primitive::queue::Queue;
use crate::primitive::{Step, conclude, done};
use crate::session::Serial;
use crate::time::Timeout;
use crate::wait::{Caller, Want};
use crate::world::World;

impl Queue {
    /// Items put and not done.
    pub(super) fn unfinished(&self) -> u64 {
        self.put_and_not_gone() - self.done_early
    }

    pub(super) fn put_and_not_gone(&self) -> u64 {
        (self.waiting_items() + self.out.len()) as u64 + self.gotten_total + self.lost
    }

    /// `count` items are gotten by a session, and done with its next calls of task_done.
    #[inline(always)]
    pub(super) fn note_gotten(&mut self, serial: Serial, count: u64) {
        let early = count.min(self.done_early);
        self.done_early -= early;
        if count > early {
            *self.gotten.entry(serial).or_default() += count - early;
            self.gotten_total += count - early;
        }
    }

    pub(super) fn task_done(&mut self, caller: &Caller, count: u64) -> Step {
        if count == 0 {
            return Err(Error::invalid("count", "count is 0; give at least 1"));
        }
        let unfinished = self.unfinished();
        if count > unfinished {
            let message = format!("task_done({count}) was called with {unfinished} items put and not done");
            return Err(Error::new(Reason::TooManyTasksDone, message));
        }
        let mut left = count - self.lower(caller.serial, count);
        while left > 0 {
            let Some(oldest) = self.gotten.keys().next().copied() else { break };
            left -= self.lower(oldest, left);
        }
        let lost = left.min(self.lost);
        self.lost -= lost;
        self.done_early += left - lost;
        done(AnyReply::Queue(Reply::TaskDone))
    }

    /// Lowers a session's count by up to `count` and says by how many.
    fn lower(&mut self, serial: Serial, count: u64) -> u64 {
        let Some(gotten) = self.gotten.get_mut(&serial) else { return 0 };
        let lowered = count.min(*gotten);
        *gotten -= lowered;
        if *gotten == 0 {
            self.gotten.remove(&serial);
        }
        self.gotten_total -= lowered;
        lowered
    }

    /// What a session has gotten and not done is lost with it.
    pub(super) fn lose_gotten(&mut self, serial: Serial) {
        let gotten = self.gotten.remove(&serial).unwrap_or(0);
        self.gotten_total -= gotten;
        self.lost += gotten;
    }

    /// What is lost counts as done.
    pub(super) fn forgive(&mut self) -> Step {
        done(AnyReply::Queue(Reply::Forgiven(std::mem::take(&mut self.lost))))
    }

    pub(super) fn is_robust(&self) -> bool {
        self.declared.robust.unwrap_or(true)
    }

    pub(super) fn join(&mut self, me: Handle, world: &mut World, caller: &Caller, timeout: Timeout) -> Step {
        if let Some(outcome) = self.joined() {
            return outcome.map(Some);
        }
        if timeout == Timeout::NOW {
            return Err(self.not_joined());
        }
        let key = world.park(caller, me, Want::Join, timeout)?;
        self.joiners.enter(key, &world.tickets[key]);
        Ok(None)
    }

    /// How a join ends now: all items are done, or no more of them can be.
    pub(super) fn joined(&self) -> Option<Outcome> {
        match self.unfinished() {
            0 => Some(Ok(AnyReply::Queue(Reply::Joined))),
            left if left == self.lost && self.is_robust() => Some(Err(join_incomplete(left))),
            _ => None,
        }
    }

    pub(super) fn not_joined(&self) -> Error {
        let unfinished = self.unfinished();
        Error::new(Reason::TimedOut, format!("{unfinished} items are not done within the time given"))
    }

    /// Ends the joins for which there is nothing to wait for any more.
    pub(super) fn serve_joiners(&mut self, world: &mut World) {
        // What is gone was not done early.
        self.done_early = self.done_early.min(self.put_and_not_gone());
        if self.joiners.is_empty() {
            return;
        }
        let Some(outcome) = self.joined() else { return };
        for key in self.joiners.clear() {
            conclude(world, key, outcome.clone());
        }
    }
}

fn join_incomplete(lost: u64) -> Error {
    let message = format!(
        "{lost} items were gotten by sessions that are over and are not done; all others are. Put them again if they are \
         known, and write them off with forgive"
    );
    Error::new(Reason::JoinIncomplete, message).with("lost", lost.to_string())
}

//! The rooms of a lock: one for each of its conditions, with those who wait for a notification.
//!
//! Whoever waits has released the lock. A notification, the end of the wait's time and a cancellation move the ticket to
//! the lock's line, where nothing but the lock, or the end of its session, ends it. A notification whose ticket ends
//! without the lock is owed to the next in its room.

use std::collections::BTreeMap;

use crate::command::Mode;
use crate::command::Reply as AnyReply;
use crate::command::condition::{Command, Reply, Woken};
use crate::error::Error;
use crate::ids::Handle;
use crate::primitive::hold::{Hold, has_lost, not_owner};
use crate::primitive::lock::Lock;
use crate::primitive::{Step, done};
use crate::time::Timeout;
use crate::wait::{Caller, Place, Ticket, TicketKey, Want};
use crate::world::{World, session_required};

/// Who waits for a notification, in order. Those who stand aside are notified in their turn too.
pub(super) type Room = BTreeMap<Place, TicketKey>;

impl Lock {
    /// A condition belongs to this lock from now on.
    pub(crate) fn open_room(&mut self, condition: Handle) {
        self.rooms.entry(condition).or_default();
    }

    /// A condition is gone: who waited there.
    pub(crate) fn close_room(&mut self, condition: Handle) -> Vec<TicketKey> {
        self.owed.remove(&condition);
        self.rooms.remove(&condition).unwrap_or_default().into_values().collect()
    }

    /// Who waits for a notification of that condition.
    pub(crate) fn room(&self, condition: Handle) -> impl Iterator<Item = TicketKey> + '_ {
        self.rooms.get(&condition).into_iter().flat_map(|room| room.values().copied())
    }

    /// A command to a condition of this lock. Declaring is the engine's.
    pub(crate) fn on_condition(
        &mut self,
        me: Handle,
        condition: Handle,
        world: &mut World,
        caller: &Caller,
        command: &Command,
    ) -> Step {
        match *command {
            Command::Declare { .. } => Ok(None),
            Command::Wait { timeout } => self.wait(me, condition, world, caller, timeout),
            Command::Notify { count } => {
                self.check_holds(me, world, caller)?;
                let count = count.map_or(usize::MAX, |count| count as usize);
                let count = self.notify(condition, count, world);
                done(AnyReply::Condition(Reply::Notified { count }))
            }
        }
    }

    fn wait(
        &mut self,
        me: Handle,
        condition: Handle,
        world: &mut World,
        caller: &Caller,
        timeout: Timeout,
    ) -> Step {
        if caller.mode == Mode::Sessionless {
            return Err(session_required("wait"));
        }
        let hold = self.check_holds(me, world, caller)?;
        let (levels, lease) = (hold.had(world), hold.lease());
        // Whoever does not want to wait goes to the lock's line at once.
        let (woken, timeout) = match timeout {
            Timeout::NOW => (Some(Woken::TimedOut), Timeout::Never),
            timeout => (None, timeout),
        };
        let key = world.park(caller, me, Want::Condition { condition, levels, woken, lease }, timeout)?;
        if let Some(mut hold) = self.hold.take() {
            hold.let_go(world);
        }
        self.abandoned = None;
        self.place(key, &world.tickets[key]);
        Ok(None)
    }

    /// The hold, if the caller may wait and notify.
    fn check_holds(&self, me: Handle, world: &World, caller: &Caller) -> Result<&Hold, Error> {
        let may = |hold: &&Hold| self.may_use(hold, caller) && hold.holder_has_it(world);
        let hold = self.hold.as_ref().filter(may);
        // Whoever has lost his own does not mean another's.
        let lost = match hold {
            Some(hold) if hold.is_of(caller) => None,
            hold => has_lost(me, world, caller, hold.is_some() || self.is_reentrant()),
        };
        match lost {
            Some(lost) => Err(lost),
            None => hold.ok_or_else(|| not_owner(self.hold.as_ref(), world)),
        }
    }

    /// Wakes up to `count` and says how many.
    fn notify(&mut self, condition: Handle, count: usize, world: &mut World) -> u64 {
        let woken: Vec<TicketKey> = self.room(condition).take(count).collect();
        for key in &woken {
            self.wake(*key, Woken::Notified, world);
        }
        woken.len() as u64
    }

    /// The ticket goes from its room to the end of the line. False if it is in no room.
    pub(super) fn wake(&mut self, key: TicketKey, how: Woken, world: &mut World) -> bool {
        let Some(ticket) = world.tickets.get(key) else { return false };
        let Want::Condition { condition, woken: None, .. } = ticket.want else { return false };
        if let Some(room) = self.rooms.get_mut(&condition) {
            room.remove(&ticket.place);
        }
        world.queue_anew(key);
        if let Some(ticket) = world.tickets.get_mut(key) {
            if let Want::Condition { woken, .. } = &mut ticket.want {
                *woken = Some(how);
            }
            self.line.enter(key, ticket);
        }
        true
    }

    /// A ticket that was woken, or the offer to it, ended without the lock.
    pub(super) fn pass_on(&mut self, condition: Handle, woken: Woken) {
        if woken == Woken::Notified && self.rooms.contains_key(&condition) {
            *self.owed.entry(condition).or_default() += 1;
        }
    }

    /// Gives the notifications that are owed to the next ones.
    pub(super) fn settle_owed(&mut self, world: &mut World) {
        while let Some((condition, count)) = self.owed.pop_first() {
            self.notify(condition, count, world);
        }
    }

    /// Puts a ticket where it waits.
    pub(super) fn place(&mut self, key: TicketKey, ticket: &Ticket) {
        match ticket.want {
            Want::Condition { condition, woken: None, .. } => {
                self.rooms.entry(condition).or_default().insert(ticket.place, key);
            }
            _ => self.line.enter(key, ticket),
        }
    }

    pub(super) fn unplace(&mut self, ticket: &Ticket) {
        match ticket.want {
            Want::Condition { condition, woken: None, .. } => {
                if let Some(room) = self.rooms.get_mut(&condition) {
                    room.remove(&ticket.place);
                }
            }
            _ => self.line.leave(ticket.place),
        }
    }

    pub(super) fn check_rooms(&self, world: &World) {
        for (condition, room) in &self.rooms {
            for key in room.values() {
                let want = &world.tickets[*key].want;
                let waits =
                    matches!(want, Want::Condition { condition: c, woken: None, .. } if c == condition);
                assert!(waits, "a ticket in the wrong room");
            }
        }
        for (_, key) in self.line.tickets() {
            let waits = matches!(world.tickets[key].want, Want::Condition { woken: None, .. });
            assert!(!waits, "a ticket in line that waits for a notification");
        }
        assert!(self.owed.is_empty(), "a notification that nobody got");
    }
}

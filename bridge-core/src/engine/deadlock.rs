//! Deadlocks: looked for where a wait is queued, or is left to fewer owners of whom any would do; raised or reported.
//!
//! Raised is a cycle of at least two participants in which every wait is without a timeout and for an object that raises.
//! Any other is reported, and the wait goes on: a timeout ends it, or somebody else releases what is held. The wait of a
//! condition that has to get its lock back is never the victim, since nothing but the lock ends it.

use std::cell::Cell;

use crate::command::{Effect, OnDeadlock};
use crate::engine::Engine;
use crate::error::{Error, Reason};
use crate::ids::Handle;
use crate::limits::{CYCLE_WAITS_MAX, DEADLOCK_CHECKS_MAX, DEADLOCKS_MAX};
use crate::mutant::Mutant;
use crate::primitive::{Owner, Owning};
use crate::view::Deadlock;
use crate::wait::{Branch, Ticket, TicketKey, Want};
use crate::waitgraph::{self, Graph, Needs};

impl Engine {
    /// Looks at the waits that this step has queued, or left to others.
    #[cold]
    pub(super) fn look_for_deadlocks(&mut self) {
        let mut queued = std::mem::take(&mut self.world.queued);
        for object in std::mem::take(&mut self.world.loosened) {
            queued.extend(self.left_to_waiters(object));
        }
        if Mutant::CyclesUnseen.is_on() {
            return;
        }
        queued.into_iter().take(DEADLOCK_CHECKS_MAX).for_each(|key| self.look_at(key));
    }

    /// Who waits for what only those have who wait themselves; the usual case is told by the first owner.
    fn left_to_waiters(&self, object: Handle) -> Vec<TicketKey> {
        let Some(primitive) = self.primitive(object) else { return Vec::new() };
        let first = primitive.waiters().next().and_then(|key| self.world.tickets.get(key));
        let waits = |owning: Owning| owning.keeps_it && self.waits_of(owning.who).next().is_some();
        match first.is_some_and(|ticket| primitive.owners(ticket, &self.world).all(waits)) {
            true => primitive.waiters().collect(),
            false => Vec::new(),
        }
    }

    fn look_at(&mut self, key: TicketKey) {
        let Some(ticket) = self.world.tickets.get(key).filter(|ticket| self.may_close_a_cycle(ticket)) else {
            return;
        };
        let who = ticket.caller.owner();
        let all = Waits { engine: self, raising: false, all_raise: Cell::new(true) };
        let Some(cycle) = waitgraph::cycle(&all, who, 1) else { return };
        let raised = match &ticket.want {
            Want::Condition { .. } => None,
            _ if all.all_raise.get() && cycle.len() > 1 => Some(cycle.clone()),
            _ => waitgraph::cycle(&Waits { raising: true, ..all }, who, 2),
        };
        let Some(cycle) = raised else { return self.report(self.deadlock(&cycle, false)) };
        let deadlock = self.deadlock(&cycle, true);
        let error = self.deadlock_error(&deadlock);
        self.report(deadlock);
        let freed = self.withdraw_ticket(key, error);
        freed.into_iter().for_each(|object| self.serve(object));
    }

    /// False where a look at the neighbours says that it closes none: the usual case, so it is told without a search.
    fn may_close_a_cycle(&self, ticket: &Ticket) -> bool {
        let session = self.world.sessions.get(ticket.caller.session);
        if session.is_none_or(|session| session.holds.is_empty() && session.stored() == 0) {
            return false;
        }
        let waits = |owner: Owner| self.waits_of(owner).next().is_some();
        // Whoever waits for several things at once is looked at with all of them.
        if ticket.group.is_some() {
            return true;
        }
        match self.needs(ticket) {
            Some(Needs::All(mut owners)) => owners.any(waits),
            Some(Needs::Any(mut owners)) => owners.all(waits),
            None => false,
        }
    }

    pub(crate) fn waits_of(&self, who: Owner) -> impl Iterator<Item = TicketKey> {
        let waits = self.world.blocked.range((who, TicketKey::MIN)..=(who, TicketKey::MAX));
        // What is granted whole is one wait, which its first ticket stands for.
        let is_one = |key: &TicketKey| {
            let ticket = self.world.tickets.get(*key);
            ticket.is_some_and(|ticket| !ticket.whole || ticket.caller.branch == Branch::new(0))
        };
        waits.map(|(_, key)| *key).filter(is_one)
    }

    fn is_timed(&self, wait: TicketKey) -> bool {
        let first = self.world.group_of(wait).and_then(|group| group.tickets.first()).copied();
        let first = self.world.tickets.get(first.unwrap_or(wait));
        first.is_some_and(|ticket| ticket.deadline.is_some()) && !Mutant::TimedWaitsRaise.is_on()
    }

    fn needs<'a>(&'a self, ticket: &'a Ticket) -> Option<Needs<'a>> {
        if ticket.whole {
            return Some(Needs::All(Box::new(self.needs_whole(ticket).into_iter())));
        }
        let primitive = self.primitive(ticket.object)?;
        if primitive.on_deadlock() == OnDeadlock::Off {
            return None;
        }
        let owners = || primitive.owners(ticket, &self.world);
        match ticket.want {
            Want::Acquire { .. } if !Mutant::AnyOwnerStuck.is_on() => {
                let mut all = owners();
                all.all(|owning| owning.keeps_it)
                    .then(|| Needs::Any(Box::new(owners().map(|owning| owning.who))))
            }
            _ => Some(Needs::All(Box::new(who_keep_it(owners())))),
        }
    }

    /// All who must let go for a group that is granted whole. Permits count where one alone has them: of several owners any
    /// might. That a reservation is in the way never closes a cycle: whoever the group waits for passes it.
    fn needs_whole(&self, ticket: &Ticket) -> Vec<Owner> {
        let group = ticket.group.and_then(|group| self.world.groups.get(group.index()));
        let mut owners = Vec::new();
        for part in group.into_iter().flat_map(|group| &group.tickets) {
            let Some(part) = self.world.tickets.get(*part) else { continue };
            let Some(primitive) = self.primitive(part.object) else { continue };
            let of_part: Vec<Owning> = primitive.owners(part, &self.world).collect();
            let counts = !matches!(part.want, Want::Acquire { .. }) || of_part.len() == 1;
            if counts && primitive.on_deadlock() != OnDeadlock::Off {
                owners.extend(who_keep_it(of_part.into_iter()));
            }
        }
        owners
    }

    fn deadlock(&self, cycle: &[TicketKey], raised: bool) -> Deadlock {
        let waits = cycle.iter().filter_map(|key| self.world.tickets.get(*key));
        Deadlock {
            at: self.world.now,
            raised,
            participants: cycle.len() as u64,
            waits: waits.take(CYCLE_WAITS_MAX).filter_map(|ticket| self.wait(ticket)).collect(),
        }
    }

    fn deadlock_error(&self, deadlock: &Deadlock) -> Error {
        let cycle = self.world.cut(deadlock.to_string());
        let message = format!(
            "the wait would never end: {cycle}; release what you hold before you wait for more, or acquire in the same \
             order everywhere"
        );
        let participants = deadlock.participants.to_string();
        Error::new(Reason::Deadlock, message).with("cycle", cycle).with("participants", participants)
    }

    /// The same waits by calls made again and again are reported once in a while.
    fn report(&mut self, deadlock: Deadlock) {
        let deadlocks = &mut self.world.deadlocks;
        if !deadlock.raised && deadlocks.iter().any(|known| known.covers(&deadlock)) {
            return;
        }
        if deadlocks.len() == DEADLOCKS_MAX {
            deadlocks.pop_front();
        }
        deadlocks.push_back(deadlock.clone());
        self.world.effects.push(Effect::Deadlock(Box::new(deadlock)));
    }
}

/// What is only on offer closes no cycle: whoever waits for something else meanwhile has turned away from it, and it goes on.
/// If he takes it after all, that is looked at then. Nor does what is held for a lease.
fn who_keep_it(owners: impl Iterator<Item = Owning>) -> impl Iterator<Item = Owner> {
    owners.filter(|owning| owning.keeps_it || Mutant::OfferedIsOwned.is_on()).map(|owning| owning.who)
}

/// The engine as a graph; `raising`: only waits that a deadlock may be raised for.
struct Waits<'a> {
    engine: &'a Engine,
    raising: bool,
    /// So far no other wait has been asked for.
    all_raise: Cell<bool>,
}

impl Graph for Waits<'_> {
    fn waits_of(&self, who: Owner) -> impl Iterator<Item = TicketKey> {
        self.engine.waits_of(who)
    }

    fn needs(&self, wait: TicketKey) -> Option<Needs<'_>> {
        let ticket = self.engine.world.tickets.get(wait)?;
        let raises = |key: &TicketKey| {
            let object = self.engine.world.tickets.get(*key).map(|ticket| ticket.object);
            let primitive = object.and_then(|object| self.engine.primitive(object));
            primitive.is_some_and(|primitive| primitive.on_deadlock() == OnDeadlock::Raise)
        };
        let parts = self.engine.world.group_of(wait).filter(|_| ticket.whole);
        let all_raise = parts.map_or(std::slice::from_ref(&wait), |group| &group.tickets).iter().all(raises);
        if self.engine.is_timed(wait) || !all_raise {
            self.all_raise.set(false);
            if self.raising {
                return None;
            }
        }
        self.engine.needs(ticket)
    }
}

//! All or none of several locks and permits, without holding some while waiting.
//!
//! Each part has a ticket beside the line of its object, and these are a group, which is granted whole. Others pass its
//! tickets, until it is the oldest in all its lines or has waited for a second. From then on it reserves: whoever stands behind
//! it waits for it, unless it waits for them: participants that own what it waits for, directly or through what they wait for
//! themselves, pass.
//!
//! Groups are alike in age in all lines, so that none waits for a younger one but for what that holds.
//!
//! Invariants: no group that is present could be granted; one that reserves and is present does so in all its lines.

use std::collections::BTreeSet;

use crate::command::acquire_all::{AcquireAll, is_part};
use crate::command::{Command, lock, rwlock, semaphore};
use crate::engine::Engine;
use crate::engine::select::{Several, timed_out};
use crate::error::Error;
use crate::ids::Handle;
use crate::mutant::Mutant;
use crate::primitive::{Could, Owner, Primitive};
use crate::session::Entry;
use crate::time::Timeout;
use crate::wait::{Branch, Caller, GroupKey, Line, Place, Ticket, TicketKey, Want};

const PARTS: Several = Several { field: "parts", each: "part", fits: is_part };

impl Engine {
    pub(super) fn acquire_all(&mut self, caller: &Caller, all: &AcquireAll) {
        let (mut objects, mut created) = (Vec::new(), Vec::new());
        let outcome = self
            .find_objects(caller, &all.parts, &PARTS, &mut objects, &mut created)
            .and_then(|()| check_distinct(&objects))
            .and_then(|()| self.await_all(caller, all, &objects));
        if let Err(error) = outcome {
            return self.fail_several(caller, error, objects, created);
        }
        self.use_all(caller, objects);
    }

    fn await_all(&mut self, caller: &Caller, all: &AcquireAll, objects: &[Handle]) -> Result<(), Error> {
        for (index, (command, object)) in all.parts.iter().zip(objects).enumerate() {
            let Some(want) = want(command) else { continue };
            let part = Caller { branch: Branch::new(index), ..*caller };
            self.world.gather(&part, *object, want, true);
        }
        let may_wait = self.world.check_waits(caller);
        let gathered = self.world.gathered.clone();
        let Some(group) = self.world.park_group(caller, all.timeout) else { return Ok(()) };
        for key in &gathered {
            self.take_place(*key);
        }
        if self.grant_whole(group, false) {
            return Ok(());
        }
        let over = if all.timeout == Timeout::NOW { Err(timed_out()) } else { may_wait };
        match (over, gathered.first()) {
            (Err(error), Some(first)) => Err(self.give_up(*first, error)),
            _ => Ok(()),
        }
    }

    /// Grants and reserves what can be: true if anybody was granted something. Only those groups are looked at for which
    /// anything may have changed.
    pub(super) fn settle_wholes(&mut self) -> bool {
        let mut groups = self.groups_at_touched();
        groups.extend(self.world.entangled.iter().filter(|group| self.world.wholes.contains(group)));
        if groups.iter().any(|(_, group)| self.grant_whole(*group, true)) {
            return true;
        }
        groups.iter().for_each(|(_, group)| self.reserve(*group));
        if groups.iter().any(|(_, group)| self.let_pass(*group)) {
            return true;
        }
        // Whoever reserves now is in the way of others at its objects.
        groups.append(&mut self.groups_at_touched());
        self.world.entangled = groups.into_iter().filter(|(_, group)| self.is_entangled(*group)).collect();
        self.world.touched.clear();
        false
    }

    /// Those that wait for any of the objects that may have changed, by age.
    fn groups_at_touched(&self) -> BTreeSet<(Place, GroupKey)> {
        let lines = self.world.touched.iter().filter_map(|object| self.primitive(*object)?.line());
        let tickets = lines.flat_map(|line| line.wholes_before(Place::MAX));
        let group_of = |(_, key): (Place, TicketKey)| {
            let group = self.world.tickets.get(key)?.group?;
            let first = *self.world.groups.get(group.index())?.tickets.first()?;
            Some((self.world.tickets.get(first)?.place, group))
        };
        tickets.filter_map(group_of).collect()
    }

    /// Whether what becomes of a group, or of those behind it, depends on who waits for whom: somebody reserves in a line
    /// in which others stand.
    fn is_entangled(&self, group: GroupKey) -> bool {
        let Some(group) = self.world.groups.get(group.index()) else { return false };
        let mut lines = group.tickets.iter().filter_map(|key| {
            let object = self.world.tickets.get(*key)?.object;
            self.primitive(object)?.line()
        });
        lines.any(|line| line.is_reserved() && line.len() > 1)
    }

    /// It has been passed for long enough.
    pub(super) fn begin_to_reserve(&mut self, first: TicketKey) {
        let group = self.world.tickets.get(first).and_then(|ticket| ticket.group);
        if let Some(group) = group.and_then(|group| self.world.groups.get_mut(group.index())) {
            group.reserves = true;
        }
    }

    /// Grants all parts of a group, if they can be had; says so.
    fn grant_whole(&mut self, group: GroupKey, parked: bool) -> bool {
        let Some(tickets) = self.world.groups.get(group.index()).map(|group| group.tickets.clone()) else {
            return false;
        };
        if !self.could_grant_whole(&tickets) {
            return false;
        }
        let Some(caller) = self.world.open_group(group) else { return false };
        let mut objects = Vec::with_capacity(tickets.len());
        for key in tickets {
            let Some(object) = self.world.tickets.get(key).map(|ticket| ticket.object) else { continue };
            self.with(object, |primitive, world| {
                let Some(ticket) = world.take_ticket(key) else { return };
                leave_line(primitive, &ticket);
                primitive.hand(object, &ticket, parked, world);
            });
            objects.push(object);
        }
        self.world.answer_whole(&caller);
        objects.into_iter().for_each(|object| self.serve(object));
        true
    }

    pub(super) fn could_grant_whole(&self, tickets: &[TicketKey]) -> bool {
        tickets.iter().skip(usize::from(Mutant::PartTakenAnyway.is_on())).all(|key| {
            let Some(ticket) = self.world.tickets.get(*key).filter(|ticket| !ticket.away) else {
                return false;
            };
            let Some(primitive) = self.primitive(ticket.object) else { return false };
            match primitive.could_grant(ticket) {
                Could::Not => false,
                Could::AtOnce => true,
                Could::InTurn => primitive.line().is_some_and(|line| {
                    line.first().is_none_or(|(place, _)| place > ticket.place)
                        && self.passes_all(&ticket.caller.owner(), line, ticket.place)
                }),
            }
        })
    }

    /// A group that is the oldest in all its lines, or was passed for long enough, reserves in them.
    fn reserve(&mut self, key: GroupKey) {
        let Some(group) = self.world.groups.get(key.index()) else { return };
        let tickets = group.tickets.clone();
        let may = group.reserves || tickets.iter().all(|key| self.is_oldest(*key));
        if !may || Mutant::NeverReserves.is_on() {
            return;
        }
        if let Some(group) = self.world.groups.get_mut(key.index()) {
            group.reserves = true;
        }
        for key in tickets {
            let Some(ticket) = self.world.tickets.get(key).filter(|ticket| !ticket.away) else { return };
            let (object, place) = (ticket.object, ticket.place);
            self.with(object, |primitive, _| {
                if let Some(line) = primitive.line_mut() {
                    line.reserve(place);
                }
            });
        }
    }

    fn is_oldest(&self, key: TicketKey) -> bool {
        let Some(ticket) = self.world.tickets.get(key).filter(|ticket| !ticket.away) else { return false };
        let Some(line) = self.primitive(ticket.object).and_then(|primitive| primitive.line()) else {
            return false;
        };
        let is_away = |key: TicketKey| self.world.tickets.get(key).is_none_or(|ticket| ticket.away);
        line.oldest().is_none_or(|place| place > ticket.place)
            && line.wholes_before(ticket.place).all(|(_, key)| is_away(key))
    }

    /// Serves one that stands behind a group and for whom it waits; says whether there was one.
    fn let_pass(&mut self, key: GroupKey) -> bool {
        let Some(group) = self.world.groups.get(key.index()).filter(|group| group.reserves) else {
            return false;
        };
        let mut behind = Vec::new();
        for owner in self.awaited(&group.tickets) {
            for key in self.tickets_of(owner) {
                let Some(ticket) = self.world.tickets.get(key) else { continue };
                let of_group = |own: &TicketKey| {
                    let own = self.world.tickets.get(*own);
                    own.is_some_and(|own| own.object == ticket.object && own.place < ticket.place)
                };
                if stands_in_line(ticket) && group.tickets.iter().any(of_group) {
                    behind.push((ticket.place, key));
                }
            }
        }
        behind.sort_unstable();
        let mut stuck = BTreeSet::new();
        for (_, key) in behind {
            let Some(ticket) = self.world.tickets.get(key).filter(|ticket| !stuck.contains(&ticket.object))
            else {
                continue;
            };
            let object = ticket.object;
            if self.may_be_served(ticket) {
                self.with(object, |primitive, world| {
                    let Some(ticket) = world.tickets.get(key) else { return };
                    leave_line(primitive, ticket);
                    if let Some(ticket) = world.unpark(key) {
                        primitive.hand(object, &ticket, true, world);
                    }
                });
                self.serve(object);
                return true;
            }
            stuck.insert(object);
        }
        false
    }

    /// Whether a ticket that may pass those who reserve before it could be granted.
    fn may_be_served(&self, ticket: &Ticket) -> bool {
        let Some(primitive) = self.primitive(ticket.object) else { return false };
        let Some(line) = primitive.line() else { return false };
        match primitive.could_grant(ticket) {
            Could::Not => false,
            Could::AtOnce => true,
            Could::InTurn => {
                line.first().is_none() && self.passes_all(&ticket.caller.owner(), line, ticket.place)
            }
        }
    }

    /// Whether the caller, who has not asked yet, passes whoever reserves there.
    pub(super) fn may_pass(&self, caller: &Caller, object: Handle) -> bool {
        let line = self.primitive(object).and_then(|primitive| primitive.line());
        line.is_some_and(|line| line.is_reserved() && self.passes_all(&caller.owner(), line, u64::MAX))
    }

    /// Whether all who reserve before that place wait for the participant.
    fn passes_all(&self, owner: &Owner, line: &Line, place: u64) -> bool {
        line.reserving_before(place).all(|key| {
            let group = self.world.group_of(key);
            group.is_some_and(|group| self.awaited(&group.tickets).contains(owner))
        })
    }

    /// The participants that a group waits for, directly or through what they wait for.
    fn awaited(&self, tickets: &[TicketKey]) -> BTreeSet<Owner> {
        let mut awaited = BTreeSet::new();
        let mut next: Vec<Owner> = tickets.iter().flat_map(|key| self.owners_of(*key)).collect();
        while let Some(owner) = next.pop() {
            if awaited.insert(owner) {
                next.extend(self.tickets_of(owner).into_iter().flat_map(|key| self.owners_of(key)));
            }
        }
        awaited
    }

    /// Who owns what a ticket waits for, or reserves it before it.
    pub(crate) fn owners_of(&self, key: TicketKey) -> Vec<Owner> {
        let Some(ticket) = self.world.tickets.get(key) else { return Vec::new() };
        let Some(primitive) = self.primitive(ticket.object) else { return Vec::new() };
        let owners = primitive.owners(ticket, &self.world);
        let mut owners: Vec<Owner> = owners.map(|owning| owning.who).collect();
        if let Some(line) = primitive.line() {
            let reserving = line.reserving_before(ticket.place);
            owners.extend(reserving.filter_map(|key| Some(self.world.tickets.get(key)?.caller.owner())));
        }
        owners
    }

    /// What a participant waits for.
    fn tickets_of(&self, (session, participant): Owner) -> Vec<TicketKey> {
        let Some(session) = self.world.sessions.get(session).filter(|session| session.waits > 0) else {
            return Vec::new();
        };
        let mut tickets = Vec::new();
        for entry in session.ops.values() {
            let Entry::Waiting(key) = entry else { continue };
            if self.world.tickets.get(*key).is_some_and(|ticket| ticket.caller.participant == participant) {
                match self.world.group_of(*key) {
                    Some(group) => tickets.extend(&group.tickets),
                    None => tickets.push(*key),
                }
            }
        }
        tickets
    }
}

/// Who is handed what it waits for has left its line, and nothing else follows from that.
fn leave_line(primitive: &mut dyn Primitive, ticket: &Ticket) {
    if let Some(line) = primitive.line_mut() {
        line.leave(ticket.place);
    }
}

/// Whether it is an ordinary ticket that can be served: not in a condition's room, nor before the line.
fn stands_in_line(ticket: &Ticket) -> bool {
    let elsewhere =
        matches!(ticket.want, Want::Condition { woken: None, .. } | Want::ReadWrite { upgrades: true, .. });
    !elsewhere && !ticket.whole && !ticket.away && !ticket.over
}

fn want(command: &Command) -> Option<Want> {
    match command {
        Command::Semaphore(_, semaphore::Command::Acquire(acquire)) => {
            Some(Want::Acquire { permits: acquire.permits, by_token: acquire.by_token })
        }
        Command::Lock(_, lock::Command::Acquire(acquire)) => Some(Want::Lock { lease: acquire.lease }),
        Command::RwLock(_, rwlock::Command::Acquire(acquire)) => {
            Some(Want::ReadWrite { mode: acquire.mode, upgrades: false, lease: acquire.lease })
        }
        _ => None,
    }
}

fn check_distinct(objects: &[Handle]) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    match objects.iter().position(|object| !seen.insert(*object)) {
        None => Ok(()),
        Some(part) => {
            let message = "two parts name the same object; ask for it once";
            Err(Error::invalid("parts", message).with("part", part.to_string()))
        }
    }
}

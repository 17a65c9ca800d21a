//! Waiting for the first of several: one is granted, and the others are withdrawn in the same step.
//!
//! What cannot be had at once has a ticket in the line of each branch, and these are a group: the ticket that is unparked
//! first decides for all, and the others leave their lines before the step ends. Until then they are over: a primitive that
//! comes upon one passes it by.

use std::collections::BTreeSet;

use crate::command::rwlock::{self, Mode};
use crate::command::select::{Select, is_branch};
use crate::command::{Command, Reply, queue};
use crate::engine::Engine;
use crate::error::{Error, Reason};
use crate::ids::Handle;
use crate::time::Timeout;
use crate::wait::{Branch, Caller, TicketKey, Want};

/// What is asked for together, as errors call it.
pub(super) struct Several {
    pub(super) field: &'static str,
    pub(super) each: &'static str,
    pub(super) fits: fn(&Command) -> bool,
}

const BRANCHES: Several = Several { field: "branches", each: "branch", fits: is_branch };

/// What came of asking for one branch.
enum Asked {
    /// It has ended, and with it the select.
    Ended,
    /// It has a ticket, which is in no line yet.
    Waits,
}

impl Engine {
    pub(super) fn select(&mut self, caller: &Caller, select: &mut Select) {
        let mut created = Vec::new();
        let mut objects = Vec::with_capacity(select.branches.len());
        let outcome = self
            .find_objects(caller, &select.branches, &BRANCHES, &mut objects, &mut created)
            .and_then(|()| check_upgrades(&select.branches, &objects))
            .and_then(|()| self.ask_branches(caller, select, &objects));
        if let Err(error) = outcome {
            return self.fail_several(caller, error, objects, created);
        }
        self.use_all(caller, objects);
    }

    /// Nothing was changed: what the call created is gone again, and who stood behind it for a moment is served.
    pub(super) fn fail_several(
        &mut self,
        caller: &Caller,
        error: Error,
        objects: Vec<Handle>,
        created: Vec<Handle>,
    ) {
        created.into_iter().rev().for_each(|object| drop(self.objects.remove(object)));
        self.world.answer(caller, Err(error));
        objects.into_iter().for_each(|object| self.serve(object));
    }

    /// The caller uses these objects, and whoever waits there is served.
    pub(super) fn use_all(&mut self, caller: &Caller, objects: Vec<Handle>) {
        let objects: BTreeSet<Handle> = objects.into_iter().collect();
        for object in &objects {
            if let Some(named) = self.objects.get_mut(*object)
                && self.world.note_use(caller, *object)
            {
                named.begin_use(&mut self.world.timers);
            }
        }
        objects.into_iter().for_each(|object| self.serve(object));
    }

    /// Finds the objects of the commands, and notes those that it had to create. What is wrong with any of them is told
    /// before anything is tried.
    pub(super) fn find_objects(
        &mut self,
        caller: &Caller,
        commands: &[Command],
        kind_of: &Several,
        objects: &mut Vec<Handle>,
        created: &mut Vec<Handle>,
    ) -> Result<(), Error> {
        let Several { field, each, fits } = *kind_of;
        let (count, max) = (commands.len(), self.world.limits.branches_max);
        if count == 0 {
            return Err(Error::invalid(field, format!("{field} is empty; give at least one")));
        }
        if count > max as usize {
            let message = format!("{count} {field} were given; at most {max} go in one call");
            return Err(Error::limit("branches_max", max.into()).with_message(message));
        }
        for (index, command) in commands.iter().enumerate() {
            let mut check = || {
                let (kind, target) =
                    command.target().filter(|_| fits(command)).ok_or_else(|| unfit(field))?;
                let (object, is_new) = self.target(kind, target)?;
                objects.push(object);
                if is_new {
                    created.push(object);
                }
                let named = self.objects.get(object).ok_or_else(crate::objects::object_gone)?;
                named.state.check_wait(&self.world, caller, command)
            };
            check().map_err(|error: Error| error.with(each, index.to_string()))?;
        }
        Ok(())
    }

    /// Asks for one after the other until one ends; where none does, all of them wait.
    fn ask_branches(
        &mut self,
        caller: &Caller,
        select: &mut Select,
        objects: &[Handle],
    ) -> Result<(), Error> {
        for (index, (command, object)) in select.branches.iter_mut().zip(objects).enumerate() {
            if let Some(timeout) = command.timeout_mut() {
                *timeout = Timeout::Never;
            }
            let caller = Caller { branch: Branch::new(index), ..*caller };
            match self.ask_branch(&caller, *object, command) {
                Ok(Asked::Waits) => {}
                Ok(Asked::Ended) => {
                    self.drop_gathered();
                    return Ok(());
                }
                Err(error) => {
                    self.drop_gathered();
                    return Err(error.with("branch", index.to_string()));
                }
            }
        }
        if select.timeout != Timeout::NOW
            && let Err(error) = self.world.check_waits(caller)
        {
            self.drop_gathered();
            return Err(error);
        }
        let gathered = self.world.gathered.clone();
        self.world.park_group(caller, select.timeout);
        gathered.iter().for_each(|key| self.take_place(*key));
        if select.timeout == Timeout::NOW {
            objects.iter().for_each(|object| self.serve(*object));
            return gathered.first().map_or(Ok(()), |first| self.expire_at_once(*first));
        }
        Ok(())
    }

    /// A group does not wait.
    fn expire_at_once(&mut self, first: TicketKey) -> Result<(), Error> {
        match self.lingering(first) {
            Some(_) => self.expire_group(first),
            None if self.world.group_of(first).is_some() => return Err(self.give_up(first, timed_out())),
            None => {}
        }
        Ok(())
    }

    /// A group leaves its lines without an answer, which the error is to be.
    pub(super) fn give_up(&mut self, first: TicketKey, error: Error) -> Error {
        if let Some(object) = self.world.tickets.get(first).map(|ticket| ticket.object) {
            self.with(object, |primitive, world| {
                if let Some(ticket) = world.tickets.get(first) {
                    primitive.leave(ticket);
                }
            });
        }
        self.world.drop_put(first);
        self.world.unpark(first);
        self.clear_withdrawn(&mut Vec::new());
        error
    }

    /// The batch of a group that has its minimum and waits for more.
    fn lingering(&self, key: TicketKey) -> Option<TicketKey> {
        let group = self.world.group_of(key)?;
        let lingers = |key: &TicketKey| {
            let want = self.world.tickets.get(*key).map(|ticket| &ticket.want);
            matches!(want, Some(Want::Take { lingers_until: Some(_), .. }))
        };
        group.tickets.iter().copied().find(lingers)
    }

    /// A ticket takes its place in line.
    pub(super) fn take_place(&mut self, key: TicketKey) {
        let Some(object) = self.world.tickets.get(key).map(|ticket| ticket.object) else { return };
        if let Some((primitive, world)) = self.parts(object)
            && let Some(ticket) = world.tickets.get(key)
        {
            primitive.enter(key, ticket);
        }
    }

    fn ask_branch(&mut self, caller: &Caller, object: Handle, command: &mut Command) -> Result<Asked, Error> {
        let waiting = self.world.gathered.len();
        let Some(named) = self.objects.get_mut(object) else { return Err(crate::objects::object_gone()) };
        let world = &mut self.world;
        let gives = command.gives();
        match named.execute(object, world, caller, command)? {
            Some(reply) => {
                if gives {
                    named.giver = Some(caller.owner());
                }
                let is_put = matches!(reply, Reply::Queue(queue::Reply::Put(_) | queue::Reply::PutMany(_)));
                world.answer_put(caller, Ok(reply), is_put.then_some(object));
            }
            None if world.gathered.len() > waiting => {
                // It takes its place when all have been asked: until then none of them stands before another.
                if let Some(ticket) = world.gathered.last().and_then(|key| world.tickets.get(*key)) {
                    named.state.primitive_mut().leave(ticket);
                }
                return Ok(Asked::Waits);
            }
            None => {}
        }
        Ok(Asked::Ended)
    }

    /// The branches that would have waited, which are in no line, are not needed.
    pub(super) fn drop_gathered(&mut self) {
        for key in std::mem::take(&mut self.world.gathered) {
            self.world.drop_put(key);
            self.world.take_ticket(key);
        }
    }

    /// The time of a group is over: a batch that lingers gets what there is, and otherwise nothing was granted.
    pub(super) fn expire_group(&mut self, key: TicketKey) {
        if self.world.group_of(key).is_none() {
            return;
        }
        if let Some(batch) = self.lingering(key)
            && let Some(object) = self.world.tickets.get(batch).map(|ticket| ticket.object)
        {
            self.with(object, |primitive, world| primitive.expire(object, batch, world));
            return self.serve(object);
        }
        let freed = self.withdraw_ticket(key, timed_out());
        freed.into_iter().for_each(|object| self.serve(object));
    }

    /// Tickets that are over leave their lines; adds where that was.
    pub(super) fn clear_withdrawn(&mut self, freed: &mut Vec<Handle>) {
        while let Some(key) = self.world.withdrawn.pop() {
            let Some(object) = self.world.tickets.get(key).map(|ticket| ticket.object) else { continue };
            if let Some((primitive, world)) = self.parts(object)
                && let Some(ticket) = world.tickets.get(key)
            {
                primitive.leave(ticket);
            }
            self.world.drop_put(key);
            self.world.take_ticket(key);
            freed.push(object);
        }
    }

    /// Whoever stood behind a ticket that is over is served.
    pub(super) fn serve_withdrawn(&mut self) {
        while !self.world.withdrawn.is_empty() {
            let mut freed = Vec::new();
            self.clear_withdrawn(&mut freed);
            freed.into_iter().for_each(|object| self.serve(object));
        }
    }
}

fn unfit(field: &'static str) -> Error {
    Error::invalid(
        field,
        format!("a command among {field} is of a kind that cannot be waited for together with others"),
    )
}

/// Only one reader at a time can wait to write.
fn check_upgrades(branches: &[Command], objects: &[Handle]) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    let writes = |command: &Command| matches!(command, Command::RwLock(_, rwlock::Command::Acquire(acquire)) if acquire.mode == Mode::Write);
    let twice =
        branches.iter().zip(objects).position(|(command, object)| writes(command) && !seen.insert(*object));
    match twice {
        None => Ok(()),
        Some(index) => {
            let message = "two branches ask to write to the same lock; one will do";
            Err(Error::invalid("branches", message).with("branch", index.to_string()))
        }
    }
}

pub(super) fn timed_out() -> Error {
    Error::new(Reason::TimedOut, "not granted within the time given")
}

//! Event: a flag that many can wait for, with a version per set so that no pulse is lost.
//!
//! With `auto_reset` a set wakes one waiter and clears: what it hands out is an offer like any other. Refused
//! or orphaned it goes to the next waiter, or sets the event again.
//!
//! Invariant: an event that is set has nobody waiting who is present; without `auto_reset`, nobody at all.

use std::collections::BTreeMap;

use crate::command::Reply as AnyReply;
use crate::command::event::{Command, Figures, Options, Query, Reply, Version};
use crate::ids::{Handle, Token};
use crate::mutant::Mutant;
use crate::primitive::{Loss, Primitive, Standing, Step, check_option, conclude, done};
use crate::session::Offer;
use crate::time::Timeout;
use crate::wait::{Caller, Line, Ticket, TicketKey, Want};
use crate::world::World;

/// The state of an event.
#[derive(Debug, Default, Hash)]
pub(crate) struct Event {
    declared: Options,
    is_set: bool,
    version: Version,
    waiters: Line,
    /// Pulses of an auto-reset event that have not been accepted, and the sets that they stand for.
    pulses: BTreeMap<Token, Version>,
}

impl Event {
    pub(crate) fn command(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        command: Command,
    ) -> Step {
        match command {
            Command::Declare(options) => self.declare(me, options),
            Command::Set => {
                self.is_set = true;
                self.version += u64::from(!Mutant::VersionStands.is_on());
                done(AnyReply::Event(Reply::Set { version: self.version }))
            }
            Command::Clear => {
                self.is_set = false;
                done(AnyReply::Event(Reply::Cleared { version: self.version }))
            }
            Command::Wait { timeout, after } => self.wait(me, world, caller, timeout, after),
        }
    }

    fn declare(&mut self, me: Handle, options: Options) -> Step {
        check_option("auto_reset", &self.declared.auto_reset, &options.auto_reset, bool::to_string)?;
        check_option("ephemeral", &self.declared.ephemeral, &options.ephemeral, bool::to_string)?;
        self.declared.auto_reset = self.declared.auto_reset.or(options.auto_reset);
        self.declared.ephemeral = self.declared.ephemeral.or(options.ephemeral);
        done(AnyReply::Event(Reply::Declared { handle: me, options: self.options() }))
    }

    fn options(&self) -> Options {
        Options { auto_reset: Some(self.resets_itself()), ephemeral: Some(self.is_ephemeral()) }
    }

    fn resets_itself(&self) -> bool {
        self.declared.auto_reset.unwrap_or(false)
    }

    fn wait(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        timeout: Timeout,
        after: Option<Version>,
    ) -> Step {
        if self.is_set && self.resets_itself() && world.is_present(caller) {
            self.pulse(me, world, caller, false);
            return Ok(None);
        }
        // A pulse of an auto-reset event belongs to the one it woke, so a past one is nobody else's.
        let missed = !Mutant::PastSetMissed.is_on()
            && !self.resets_itself()
            && after.is_some_and(|after| self.version > after);
        if (self.is_set && !self.resets_itself()) || missed {
            return done(self.waited(true));
        }
        if timeout == Timeout::NOW {
            return done(self.waited(false));
        }
        let object = me;
        let key = world.park(caller, object, Want::Event, timeout)?;
        self.waiters.enter(key, &world.tickets[key]);
        Ok(None)
    }

    fn waited(&self, is_set: bool) -> AnyReply {
        AnyReply::Event(Reply::Waited { is_set, version: self.version })
    }

    /// Wakes one waiter and clears.
    fn pulse(&mut self, me: Handle, world: &mut World, caller: &Caller, parked: bool) {
        self.is_set = false;
        let reply = self.waited(true);
        if caller.grant_is_final(parked) {
            return world.answer(caller, Ok(reply));
        }
        let token = Token(world.number());
        self.pulses.insert(token, self.version);
        world.offer(caller, me, token, 1, reply);
    }

    pub(crate) fn query(&self, query: &Query) -> AnyReply {
        match query {
            Query::Describe => AnyReply::Event(Reply::Described(self.figures())),
        }
    }

    pub(crate) fn figures(&self) -> Figures {
        Figures {
            options: self.options(),
            is_set: self.is_set,
            version: self.version,
            waiting: self.waiters.len() as u64,
        }
    }

    /// Pulses that have not been accepted, oldest first.
    pub(crate) fn pulses(&self) -> impl Iterator<Item = Token> {
        self.pulses.keys().copied()
    }
}

impl Primitive for Event {
    fn leave(&mut self, ticket: &Ticket) {
        self.waiters.leave(ticket.place);
    }

    fn enter(&mut self, key: TicketKey, ticket: &Ticket) {
        self.waiters.leave(ticket.place);
        self.waiters.enter(key, ticket);
    }

    fn serve(&mut self, me: Handle, world: &mut World) {
        if !self.is_set || self.waiters.is_empty() || Mutant::SetWakesNobody.is_on() {
            return;
        }
        if !self.resets_itself() {
            for key in self.waiters.clear() {
                let reply = self.waited(true);
                conclude(world, key, Ok(reply));
            }
            return;
        }
        while self.is_set
            && let Some((place, key)) = self.waiters.first()
        {
            self.waiters.leave(place);
            if let Some(ticket) = world.unpark(key) {
                self.pulse(me, world, &ticket.caller, true);
            }
        }
    }

    fn expire(&mut self, _me: Handle, key: TicketKey, world: &mut World) {
        if let Some(ticket) = world.tickets.get(key) {
            self.waiters.leave(ticket.place);
        }
        conclude(world, key, Ok(self.waited(false)));
    }

    fn accept(&mut self, _me: Handle, offer: &Offer, _world: &mut World) {
        self.pulses.remove(&offer.first);
    }

    fn refuse(&mut self, _me: Handle, offer: &Offer, _loss: Loss, _world: &mut World) {
        if self.pulses.remove(&offer.first).is_some() {
            self.is_set = true;
        }
    }

    fn offered(&self, offer: &Offer, _world: &World) -> Option<AnyReply> {
        let version = *self.pulses.get(&offer.first)?;
        Some(AnyReply::Event(Reply::Waited { is_set: true, version }))
    }

    fn dissolve(&mut self, _world: &mut World) -> Vec<TicketKey> {
        self.waiters.clear()
    }

    fn is_ephemeral(&self) -> bool {
        self.declared.ephemeral.unwrap_or(false)
    }
    fn waiters(&self) -> Box<dyn Iterator<Item = TicketKey> + '_> {
        Box::new(self.waiters.iter())
    }

    fn standing(&self) -> Standing {
        let state = if self.is_set { "set" } else { "clear" };
        let words = format!("{state} version={}", self.version);
        Standing { grants: 0, waiting: self.waiters.len() as u64, words }
    }

    fn check(&self, _world: &World) {
        if self.is_set {
            assert!(self.waiters.nobody_present(), "a set event has a waiter that could be served");
            assert!(self.resets_itself() || self.waiters.is_empty(), "a set event has waiters");
        }
        assert!(self.pulses.is_empty() || self.resets_itself(), "pulses without auto_reset");
    }
}

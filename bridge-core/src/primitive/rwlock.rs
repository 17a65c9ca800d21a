//! Read-write lock: one writer, or many readers, and a line. Owned by participants and reentrant in both modes.
//!
//! The line is served in phases: neighbouring readers together, a writer alone. Who writes may read as well. Who reads
//! may write once nobody else reads: that wait stands before the line, and only one reader can have it, since two would
//! wait for each other.
//!
//! Invariants: whoever is to be served next and is present cannot be; with a writer, nobody else reads; a hold has a
//! level or an offer.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::command::lock::Cause;
use crate::command::rwlock::{Acquire, Command, Figures, Mode, Options, Query, Reply};
use crate::command::{self, OnDeadlock, Reply as AnyReply, lock::Grant};
use crate::error::{Error, Reason};
use crate::ids::{Handle, Token};
use crate::limits::LEVELS_MAX;
use crate::mutant::Mutant;
use crate::primitive::hold::{
    Ended, Hold, Levels, Meant, Pending, check_lease, gone, not_owner, note_release, told_lost, was_released,
    who,
};
use crate::primitive::{
    Could, Granted, Loss, Owner, Owning, Primitive, Standing, Step, check_option, conclude, done,
};
use crate::session::Offer;
use crate::time::{Time, Timeout};
use crate::wait::{Caller, Line, Place, Ticket, TicketKey, Want};
use crate::world::{World, session_required};

/// The state of a read-write lock.
#[derive(Debug, Default, Hash)]
pub(crate) struct RwLock {
    declared: Options,
    writer: Option<Hold>,
    readers: BTreeMap<Owner, Hold>,
    /// Whose the readers' tokens are.
    tokens: BTreeMap<Token, Owner>,
    line: Line,
    /// The reader that waits to write, if there is one.
    upgrade: Line,
    /// The last writer that had accepted it ended with its session.
    abandoned: Option<Box<Ended>>,
}

impl RwLock {
    pub(crate) fn command(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        command: Command,
    ) -> Step {
        match command {
            Command::Declare(options) => self.declare(me, &options),
            Command::Acquire(acquire) => self.acquire(me, world, caller, acquire),
            Command::Release { mode, token } => self.release(me, world, caller, mode, token),
            Command::Extend { token, lease } => self.extend(me, world, caller, token, lease),
        }
    }

    fn declare(&mut self, me: Handle, asked: &Options) -> Step {
        check_option("ephemeral", &self.declared.ephemeral, &asked.ephemeral, bool::to_string)?;
        check_option("deadlock", &self.declared.deadlock, &asked.deadlock, OnDeadlock::to_string)?;
        self.declared.ephemeral = self.declared.ephemeral.or(asked.ephemeral);
        self.declared.deadlock = self.declared.deadlock.or(asked.deadlock);
        done(AnyReply::RwLock(Reply::Declared { handle: me, options: self.options() }))
    }

    fn options(&self) -> Options {
        Options { ephemeral: Some(self.is_ephemeral()), deadlock: Some(self.on_deadlock()) }
    }

    fn acquire(&mut self, me: Handle, world: &mut World, caller: &Caller, acquire: Acquire) -> Step {
        self.check_acquire(caller, &acquire)?;
        let Acquire { mode, barge, lease, timeout } = acquire;
        let owner = caller.owner();
        if self.hold(owner, mode).is_some() {
            self.grant(me, world, caller, (mode, lease), false);
            return Ok(None);
        }
        // Whoever holds it in the other mode does not wait behind those who wait for that hold to end.
        let holds = self.readers.contains_key(&owner) || self.writes(owner);
        let first = holds || barge || self.line.lets_in(world.passes) && self.upgrade.nobody_present();
        if first && self.can_have(owner, mode) && world.is_present(caller) {
            self.grant(me, world, caller, (mode, lease), false);
            return Ok(None);
        }
        if timeout == Timeout::NOW {
            return Err(self.timed_out(world));
        }
        let upgrades = mode == Mode::Write && self.readers.contains_key(&owner);
        if upgrades && !self.upgrade.is_empty() {
            return Err(upgrading());
        }
        let key = world.park(caller, me, Want::ReadWrite { mode, upgrades, lease }, timeout)?;
        self.enter(key, &world.tickets[key]);
        Ok(None)
    }

    /// What is wrong with an acquire in any case.
    pub(crate) fn check_acquire(&self, caller: &Caller, acquire: &Acquire) -> Result<(), Error> {
        check_lease(acquire.lease)?;
        if caller.mode == command::Mode::Sessionless {
            return Err(session_required("acquire"));
        }
        match self.hold(caller.owner(), acquire.mode) {
            Some(hold) if hold.depth() >= LEVELS_MAX as usize => {
                Err(Error::limit("levels_max", LEVELS_MAX.into()))
            }
            _ => Ok(()),
        }
    }

    fn hold(&self, owner: Owner, mode: Mode) -> Option<&Hold> {
        match mode {
            Mode::Read => self.readers.get(&owner),
            Mode::Write => self.writer.as_ref().filter(|_| self.writes(owner)),
        }
    }

    fn writes(&self, by: Owner) -> bool {
        self.writer.as_ref().is_some_and(|hold| hold.caller.owner() == by)
    }

    /// Whether what is held lets the owner in.
    fn can_have(&self, owner: Owner, mode: Mode) -> bool {
        let no_other_writer = self.writer.is_none() || self.writes(owner) || Mutant::ReadBesideWriter.is_on();
        let no_other_reader = self.readers.len() == usize::from(self.readers.contains_key(&owner))
            || Mutant::WriteBesideReader.is_on();
        no_other_writer && (mode == Mode::Read || no_other_reader)
    }

    fn timed_out(&self, world: &World) -> Error {
        let found = match &self.writer {
            Some(hold) => format!("{} writes", who(hold, world)),
            None => format!("{} read, {} wait", self.readers.len(), self.line.len() + self.upgrade.len()),
        };
        Error::new(Reason::TimedOut, format!("not granted within the time given; {found}"))
    }

    /// Gives one level and answers.
    fn grant(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        (mode, lease): (Mode, Option<Duration>),
        parked: bool,
    ) {
        let (owner, levels) = (caller.owner(), Levels::one(lease));
        let since = world.now;
        let new = |world: &mut World| Hold::new(caller, Token(world.number()), since, true);
        let hold = match mode {
            Mode::Write => self.writer.get_or_insert_with(|| new(world)),
            Mode::Read => self.readers.entry(owner).or_insert_with(|| new(world)),
        };
        let token = hold.token;
        if mode == Mode::Read {
            self.tokens.insert(token, owner);
        }
        let abandoned = self.abandoned.clone();
        let reply = acquired(token, abandoned.as_deref(), since);
        if caller.grant_is_final(parked) {
            hold.add_levels(me, levels, world);
            world.answer(caller, Ok(reply));
        } else {
            hold.offer(Pending { op: caller.op, levels, abandoned });
            world.offer(caller, me, token, 1, reply);
        }
    }

    fn release(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        mode: Mode,
        token: Option<Token>,
    ) -> Step {
        let named = token.and_then(|token| self.by_token(mode, token));
        let held = match token {
            None => self.hold(caller.owner(), mode),
            Some(_) => named,
        };
        let Some(hold) = held else {
            return match token {
                Some(token) if was_released(world, caller, token) => done(AnyReply::RwLock(Reply::Released)),
                Some(token) => Err(gone(me, world, caller, token)),
                None => {
                    let lost = told_lost(me, world, caller, Meant::Own(mode));
                    Err(lost.unwrap_or_else(|| not_owner(self.writer.as_ref(), world)))
                }
            };
        };
        if !hold.is_of(caller) || !(token.is_some() || hold.holder_has_it(world)) {
            return Err(not_owner(Some(hold), world));
        }
        let token = hold.token;
        let over = self.change(token, |hold| {
            hold.show(me, world);
            hold.drop_level(world);
        });
        if over {
            note_release(world, caller, token);
        }
        done(AnyReply::RwLock(Reply::Released))
    }

    fn extend(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        token: Token,
        lease: Option<Duration>,
    ) -> Step {
        check_lease(lease)?;
        let Some(hold) = self.by_any_token(token) else { return Err(gone(me, world, caller, token)) };
        if hold.caller.session != caller.session {
            return Err(not_owner(Some(hold), world));
        }
        self.change(token, |hold| {
            hold.show(me, world);
            hold.extend(me, lease, world);
        });
        done(AnyReply::RwLock(Reply::Extended))
    }

    fn by_any_token(&self, token: Token) -> Option<&Hold> {
        self.by_token(Mode::Read, token).or_else(|| self.by_token(Mode::Write, token))
    }

    fn by_token(&self, mode: Mode, token: Token) -> Option<&Hold> {
        match mode {
            Mode::Read => self.tokens.get(&token).and_then(|owner| self.readers.get(owner)),
            Mode::Write => self.writer.as_ref().filter(|hold| hold.token == token),
        }
    }

    /// Changes the hold of that token; true if it is over with that.
    fn change(&mut self, token: Token, f: impl FnOnce(&mut Hold)) -> bool {
        if let Some(hold) = self.writer.as_mut().filter(|hold| hold.token == token) {
            f(hold);
            let over = self.writer.take_if(|hold| hold.is_over());
            if over.as_ref().is_some_and(|hold| hold.was_accepted) {
                self.abandoned = None;
            }
            return over.is_some();
        }
        let Some(owner) = self.tokens.get(&token) else { return false };
        let Some(hold) = self.readers.get_mut(owner) else { return false };
        f(hold);
        let over = hold.is_over();
        if over {
            self.readers.remove(owner);
            self.tokens.remove(&token);
        }
        over
    }

    /// Who reads, oldest first.
    fn reading(&self) -> impl Iterator<Item = &Hold> {
        self.tokens.values().filter_map(|owner| self.readers.get(owner))
    }

    /// Who is to be served next, if it is present.
    fn next(&self) -> Option<TicketKey> {
        self.upgrade.first().or_else(|| self.line.first()).map(|(_, key)| key)
    }

    pub(crate) fn query(&self, world: &World, now: Time, query: &Query) -> AnyReply {
        let now = world.now.max(now);
        match query {
            Query::Describe => AnyReply::RwLock(Reply::Described(Box::new(Figures {
                options: self.options(),
                writer: self.writer.as_ref().map(|hold| hold.holder(world, now)),
                readers: self
                    .reading()
                    .take(world.limits.page_max as usize)
                    .map(|hold| hold.holder(world, now))
                    .collect(),
                reading: self.readers.len() as u64,
                abandoned: self.abandoned.as_ref().map(|ended| ended.told(now)),
                waiting: (self.line.len() + self.upgrade.len()) as u64,
            }))),
        }
    }
}

impl Primitive for RwLock {
    fn leave(&mut self, ticket: &Ticket) {
        self.line.leave(ticket.place);
        self.upgrade.leave(ticket.place);
    }

    fn enter(&mut self, key: TicketKey, ticket: &Ticket) {
        self.leave(ticket);
        match ticket.want {
            Want::ReadWrite { upgrades: true, .. } => self.upgrade.enter(key, ticket),
            _ => self.line.enter(key, ticket),
        }
    }

    fn serve(&mut self, me: Handle, world: &mut World) {
        while let Some(key) = self.next() {
            let Some(ticket) = world.tickets.get(key) else { return };
            let Want::ReadWrite { mode, .. } = ticket.want else { return };
            if !self.can_have(ticket.caller.owner(), mode) {
                return;
            }
            self.leave(ticket);
            if let Some(ticket) = world.unpark(key) {
                self.hand(me, &ticket, true, world);
            }
        }
    }

    fn expire(&mut self, _me: Handle, key: TicketKey, world: &mut World) {
        if let Some(ticket) = world.tickets.get(key) {
            self.leave(ticket);
        }
        let error = self.timed_out(world);
        conclude(world, key, Err(error));
    }

    fn accept(&mut self, me: Handle, offer: &Offer, world: &mut World) {
        self.change(offer.first, |hold| hold.accept(me, offer.op, world));
    }

    fn refuse(&mut self, _me: Handle, offer: &Offer, _loss: Loss, _world: &mut World) {
        self.change(offer.first, |hold| {
            hold.withdraw(offer.op);
        });
    }

    fn offered(&self, offer: &Offer, world: &World) -> Option<AnyReply> {
        let hold = self.by_any_token(offer.first)?;
        let pending = hold.pending(offer.op)?;
        Some(acquired(hold.token, pending.abandoned.as_deref(), world.now))
    }

    fn lose(&mut self, _me: Handle, token: Token, world: &mut World) {
        if let Some(mut hold) = self.writer.take_if(|hold| hold.token == token) {
            self.abandoned = Some(Ended::of(&hold, Cause::Session, world));
            hold.part(world);
        } else if let Some(mut hold) =
            self.tokens.remove(&token).and_then(|owner| self.readers.remove(&owner))
        {
            hold.part(world);
        }
    }

    fn due(&mut self, me: Handle, place: Place, world: &mut World) {
        let token = Token(place);
        let over = |hold: &mut Hold| hold.token == token && hold.runs_out(me, Mode::Write, world);
        if let Some(hold) = self.writer.take_if(over) {
            self.abandoned = Some(Ended::of(&hold, Cause::Lease, world));
        } else if let Some(owner) = self.tokens.get(&token)
            && self.readers.get_mut(owner).is_some_and(|hold| hold.runs_out(me, Mode::Read, world))
        {
            self.readers.remove(owner);
            self.tokens.remove(&token);
        }
    }

    fn timers(&self) -> Box<dyn Iterator<Item = (Time, Place)> + '_> {
        Box::new(self.writer.iter().chain(self.readers.values()).filter_map(Hold::timer))
    }

    fn dissolve(&mut self, world: &mut World) -> Vec<TicketKey> {
        let holds = self.writer.iter_mut().chain(self.readers.values_mut());
        holds.for_each(|hold| hold.part(world));
        let mut all = self.upgrade.clear();
        all.append(&mut self.line.clear());
        all
    }

    fn is_ephemeral(&self) -> bool {
        self.declared.ephemeral.unwrap_or(false)
    }

    fn waiters(&self) -> Box<dyn Iterator<Item = TicketKey> + '_> {
        Box::new(self.upgrade.iter().chain(self.line.iter()))
    }

    fn grants(&self) -> Box<dyn Iterator<Item = Granted> + '_> {
        let mut all: Vec<_> = self.writer.iter().chain(self.reading()).filter_map(Hold::granted).collect();
        all.sort_by_key(|grant| grant.token);
        Box::new(all.into_iter())
    }

    fn abandoned_by(&self) -> Option<(String, Cause)> {
        self.abandoned.as_ref().map(|ended| ended.who())
    }

    fn on_deadlock(&self) -> OnDeadlock {
        OnDeadlock::effective(self.declared.deadlock, self.is_ephemeral())
    }

    fn owners<'a>(&'a self, ticket: &Ticket, world: &'a World) -> Box<dyn Iterator<Item = Owning> + 'a> {
        let own = ticket.caller.owner();
        let holds = self.writer.iter().chain(self.reading());
        let others = holds.filter(move |hold| hold.caller.owner() != own);
        Box::new(others.map(|hold| hold.owning(world)))
    }

    fn could_grant(&self, ticket: &Ticket) -> Could {
        let Want::ReadWrite { mode, upgrades, .. } = ticket.want else { return Could::Not };
        let owner = ticket.caller.owner();
        match self.hold(owner, mode) {
            Some(hold) if hold.depth() < LEVELS_MAX as usize => Could::AtOnce,
            Some(_) => Could::Not,
            None if !self.can_have(owner, mode) => Could::Not,
            None if upgrades || self.readers.contains_key(&owner) || self.writes(owner) => Could::AtOnce,
            None if self.upgrade.nobody_present() => Could::InTurn,
            None => Could::Not,
        }
    }

    fn hand(&mut self, me: Handle, ticket: &Ticket, parked: bool, world: &mut World) {
        if let Want::ReadWrite { mode, lease, .. } = ticket.want {
            self.grant(me, world, &ticket.caller, (mode, lease), parked);
        }
    }

    fn line(&self) -> Option<&Line> {
        Some(&self.line)
    }

    fn line_mut(&mut self) -> Option<&mut Line> {
        Some(&mut self.line)
    }

    fn standing(&self) -> Standing {
        let writing = self.writer.iter().len();
        let words = format!("reading={} writing={writing}", self.readers.len());
        let grants = (self.readers.len() + writing) as u64;
        Standing { grants, waiting: (self.line.len() + self.upgrade.len()) as u64, words }
    }

    fn check(&self, world: &World) {
        if let Some(ticket) = self.next().map(|key| &world.tickets[key])
            && let Want::ReadWrite { mode, .. } = ticket.want
        {
            assert!(!self.can_have(ticket.caller.owner(), mode), "the next in line could have it");
        }
        let holds = || self.writer.iter().chain(self.readers.values());
        assert!(holds().all(|hold| !hold.is_over()), "a hold without a level or an offer");
        if let Some(writer) = &self.writer {
            let alone = self.readers.keys().all(|reader| *reader == writer.caller.owner());
            assert!(alone, "somebody reads while another writes");
        }
        let tokens = self.readers.iter().map(|(owner, hold)| (hold.token, *owner));
        assert_eq!(tokens.collect::<BTreeMap<_, _>>(), self.tokens, "whose the readers' tokens are");
        assert!(self.upgrade.len() <= 1, "two readers wait to write");
    }
}

fn acquired(token: Token, abandoned: Option<&Ended>, now: Time) -> AnyReply {
    let abandoned = abandoned.map(|ended| ended.told(now));
    AnyReply::RwLock(Reply::Acquired(Grant { token, abandoned }))
}

fn upgrading() -> Error {
    let message = "another reader waits to write already, and each would wait for the other to stop reading; \
                   release the read lock and acquire the write lock";
    Error::new(Reason::Deadlock, message)
}

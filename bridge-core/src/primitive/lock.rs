//! Lock: at most one holder, and a line. Reentrant or not.
//!
//! Not reentrant, it belongs to the session whose participant acquired it: any of them may release it. Reentrant, it
//! belongs to the participant, who may acquire it again; all levels have the token of the first. Where a hold ends with
//! its session, the grants to come say so, until one of them has been released.
//!
//! Conditions belong to a lock; see `lock/conditions.rs`.
//!
//! Invariants: while nobody holds it, nobody waits who is present; a hold has a level or an offer.

mod conditions;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::command::Reply as AnyReply;
use crate::command::condition::{self, Woken};
use crate::command::lock::{Acquire, Cause, Command, Figures, Grant, Options, Query, Reply};
use crate::command::rwlock::Mode;
use crate::command::{self, Carrier, OnDeadlock, Ownership};
use crate::error::{Error, Reason};
use crate::ids::{Handle, Token};
use crate::limits::LEVELS_MAX;
use crate::mutant::Mutant;
use crate::primitive::hold::{
    Ended, Hold, Levels, Meant, Pending, check_lease, gone, not_owner, note_release, told_lost, was_released,
    who,
};
use crate::primitive::{
    Could, Granted, Loss, Owning, Primitive, Standing, Step, check_option, conclude, done,
};
use crate::session::Offer;
use crate::time::{Time, Timeout};
use crate::wait::{Caller, Line, Place, Ticket, TicketKey, Want};
use crate::world::{World, session_required};

use conditions::Room;

/// The state of a lock.
#[derive(Debug, Default, Hash)]
pub(crate) struct Lock {
    declared: Options,
    hold: Option<Hold>,
    line: Line,
    /// By condition.
    rooms: BTreeMap<Handle, Room>,
    /// Notifications whose tickets ended without the lock, until the end of the step.
    owed: BTreeMap<Handle, usize>,
    /// The last accepted hold ended with its session.
    abandoned: Option<Box<Ended>>,
}

impl Lock {
    pub(crate) fn command(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        command: Command,
    ) -> Step {
        match command {
            Command::Declare(options) => self.declare(me, options),
            Command::Acquire(acquire) => self.acquire(me, world, caller, acquire),
            Command::Release { token } => self.release(me, world, caller, token),
            Command::Extend { token, lease } => self.extend(me, world, caller, token, lease),
        }
    }

    fn declare(&mut self, me: Handle, asked: Options) -> Step {
        let declared = &self.declared;
        check_option("reentrant", &declared.reentrant, &asked.reentrant, bool::to_string)?;
        check_option("ownership", &declared.ownership, &asked.ownership, Ownership::to_string)?;
        let (foreign, asked_foreign) = (&declared.foreign_release, &asked.foreign_release);
        check_option("foreign_release", foreign, asked_foreign, bool::to_string)?;
        check_option("ephemeral", &declared.ephemeral, &asked.ephemeral, bool::to_string)?;
        check_option("deadlock", &declared.deadlock, &asked.deadlock, OnDeadlock::to_string)?;
        let now = Options {
            reentrant: declared.reentrant.or(asked.reentrant),
            ownership: declared.ownership.or(asked.ownership),
            foreign_release: declared.foreign_release.or(asked.foreign_release),
            ephemeral: declared.ephemeral.or(asked.ephemeral),
            deadlock: declared.deadlock.or(asked.deadlock),
        };
        if now.reentrant == Some(true) {
            let message =
                "a reentrant lock is its participant's: another cannot release it; leave this option out";
            if now.ownership == Some(Ownership::None) {
                return Err(Error::invalid("ownership", message));
            }
            if now.foreign_release == Some(true) {
                return Err(Error::invalid("foreign_release", message));
            }
        }
        self.declared = now;
        done(AnyReply::Lock(Reply::Declared { handle: me, options: self.options() }))
    }

    fn options(&self) -> Options {
        Options {
            reentrant: Some(self.is_reentrant()),
            ownership: Some(self.declared.ownership.unwrap_or_default()),
            foreign_release: Some(self.declared.foreign_release.unwrap_or(false)),
            ephemeral: Some(self.is_ephemeral()),
            deadlock: Some(self.on_deadlock()),
        }
    }

    fn is_reentrant(&self) -> bool {
        self.declared.reentrant.unwrap_or(false)
    }

    fn acquire(&mut self, me: Handle, world: &mut World, caller: &Caller, acquire: Acquire) -> Step {
        let Acquire { barge, lease, timeout } = acquire;
        let again = self.check_acquire(caller, lease)?;
        let first_in_line = self.line.lets_in(world.passes) || barge;
        if again || self.hold.is_none() && first_in_line && world.is_present(caller) {
            self.grant(me, world, caller, Levels::one(lease), false);
            return Ok(None);
        }
        if timeout == Timeout::NOW {
            return Err(self.timed_out(world));
        }
        let key = world.park(caller, me, Want::Lock { lease }, timeout)?;
        self.line.enter(key, &world.tickets[key]);
        Ok(None)
    }

    /// What is wrong with an acquire in any case; else, whether it is one of the holder's, who may have it again.
    pub(crate) fn check_acquire(&self, caller: &Caller, lease: Option<Duration>) -> Result<bool, Error> {
        check_lease(lease)?;
        if caller.mode == command::Mode::Sessionless {
            return Err(session_required("acquire"));
        }
        let again = self.is_reentrant()
            && self.hold.as_ref().is_some_and(|hold| hold.is_of(caller) || Mutant::AnybodyReenters.is_on());
        if again && self.hold.as_ref().is_some_and(|hold| hold.depth() >= LEVELS_MAX as usize) {
            return Err(Error::limit("levels_max", LEVELS_MAX.into()));
        }
        Ok(again)
    }

    fn timed_out(&self, world: &World) -> Error {
        Error::new(Reason::TimedOut, format!("not granted within the time given; {}", self.said(world)))
    }

    /// Who has it, for people.
    fn said(&self, world: &World) -> String {
        match &self.hold {
            Some(hold) => format!("the lock is held by {}", who(hold, world)),
            None => "the lock is free".to_owned(),
        }
    }

    /// Gives levels and answers an acquire, or the wait of a condition.
    fn grant(&mut self, me: Handle, world: &mut World, caller: &Caller, levels: Levels, parked: bool) {
        let owned = self.declared.ownership.unwrap_or_default() == Ownership::Session;
        let now = world.now;
        let mut hold =
            self.hold.take().unwrap_or_else(|| Hold::new(caller, Token(world.number()), now, owned));
        let (token, abandoned) = (hold.token, self.abandoned.clone());
        let reply = granted(token, levels.woken, abandoned.as_deref(), now);
        if caller.grant_is_final(parked) {
            hold.add_levels(me, levels, world);
            world.answer(caller, Ok(reply));
        } else {
            hold.offer(Pending { op: caller.op, levels, abandoned });
            world.offer(caller, me, token, 1, reply);
        }
        self.hold = Some(hold);
    }

    fn release(&mut self, me: Handle, world: &mut World, caller: &Caller, token: Option<Token>) -> Step {
        let own = self.hold.as_ref().is_some_and(|hold| hold.is_of(caller));
        if token.is_none()
            && !own
            && let Some(lost) = told_lost(me, world, caller, Meant::Own(Mode::Write))
        {
            return Err(lost);
        }
        let meant = |hold: &Hold| token.is_none_or(|token| token == hold.token);
        let Some(mut hold) = self.hold.take_if(|hold| meant(hold)) else {
            return match token {
                Some(token) if was_released(world, caller, token) => done(AnyReply::Lock(Reply::Released)),
                Some(token) => Err(gone(me, world, caller, token)),
                None => Err(self.not_owner(me, world, caller, None)),
            };
        };
        let named = token.is_some() && hold.caller.session == caller.session;
        if !self.may_use(&hold, caller) || !(named || hold.holder_has_it(world)) {
            self.hold = Some(hold);
            return Err(self.not_owner(me, world, caller, token));
        }
        hold.show(me, world);
        hold.drop_level(world);
        if hold.is_over() {
            self.abandoned = None;
            note_release(world, caller, hold.token);
        } else {
            self.hold = Some(hold);
        }
        done(AnyReply::Lock(Reply::Released))
    }

    /// What using a lock ends with that the caller does not hold, or not any more.
    fn not_owner(&self, me: Handle, world: &mut World, caller: &Caller, token: Option<Token>) -> Error {
        let meant = match token {
            Some(token) => Meant::Token(token),
            None if self.is_reentrant() => Meant::Own(Mode::Write),
            None => Meant::Any(Mode::Write),
        };
        told_lost(me, world, caller, meant).unwrap_or_else(|| not_owner(self.hold.as_ref(), world))
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
        let may_use = |hold: &Hold| hold.caller.session == caller.session || self.may_use(hold, caller);
        let Some(hold) = self.hold.as_ref().filter(|hold| hold.token == token) else {
            return Err(gone(me, world, caller, token));
        };
        if !may_use(hold) {
            return Err(not_owner(Some(hold), world));
        }
        if let Some(hold) = &mut self.hold {
            hold.show(me, world);
            hold.extend(me, lease, world);
        }
        done(AnyReply::Lock(Reply::Extended))
    }

    /// Whether the caller may do what the holder may.
    fn may_use(&self, hold: &Hold, caller: &Caller) -> bool {
        if self.is_reentrant() {
            return hold.is_of(caller);
        }
        let foreign = !hold.owned || self.declared.foreign_release == Some(true);
        foreign || hold.caller.session == caller.session
    }

    pub(crate) fn query(&self, world: &World, now: Time, query: &Query) -> AnyReply {
        match query {
            Query::Describe => {
                let now = world.now.max(now);
                AnyReply::Lock(Reply::Described(Box::new(Figures {
                    options: self.options(),
                    holder: self.hold.as_ref().map(|hold| hold.holder(world, now)),
                    abandoned: self.abandoned.as_ref().map(|ended| ended.told(now)),
                    waiting: self.line.len() as u64,
                })))
            }
        }
    }
}

impl Primitive for Lock {
    fn leave(&mut self, ticket: &Ticket) {
        self.unplace(ticket);
        if let Want::Condition { condition, woken: Some(woken), .. } = ticket.want
            && !Mutant::NotificationDies.is_on()
        {
            self.pass_on(condition, woken);
        }
    }

    fn enter(&mut self, key: TicketKey, ticket: &Ticket) {
        self.unplace(ticket);
        self.place(key, ticket);
    }

    fn serve(&mut self, me: Handle, world: &mut World) {
        self.settle_owed(world);
        while self.hold.is_none()
            && let Some((place, key)) = self.line.first()
        {
            self.line.leave(place);
            if let Some(ticket) = world.unpark(key) {
                self.hand(me, &ticket, true, world);
            }
        }
    }

    fn goes_on(&mut self, key: TicketKey, world: &mut World) -> bool {
        let Some(ticket) = world.tickets.get(key) else { return false };
        // Where an open unary call ends, nobody is there to have the lock.
        let by_stream = ticket.caller.carrier == Carrier::Stream;
        let goes_on = by_stream && matches!(ticket.want, Want::Condition { .. });
        if goes_on {
            self.wake(key, Woken::Cancelled, world);
        }
        goes_on
    }

    fn expire(&mut self, _me: Handle, key: TicketKey, world: &mut World) {
        if self.wake(key, Woken::TimedOut, world) {
            return;
        }
        if let Some(ticket) = world.tickets.get(key) {
            self.line.leave(ticket.place);
        }
        let error = self.timed_out(world);
        conclude(world, key, Err(error));
    }

    fn accept(&mut self, me: Handle, offer: &Offer, world: &mut World) {
        if let Some(hold) = self.hold.as_mut().filter(|hold| hold.token == offer.first) {
            hold.accept(me, offer.op, world);
        }
    }

    fn refuse(&mut self, _me: Handle, offer: &Offer, _loss: Loss, _world: &mut World) {
        let hold = self.hold.as_mut().filter(|hold| hold.token == offer.first);
        let withdrawn = hold.and_then(|hold| hold.withdraw(offer.op));
        if let Some((condition, woken)) = withdrawn.and_then(|pending| pending.levels.woken)
            && !Mutant::NotificationRefused.is_on()
        {
            self.pass_on(condition, woken);
        }
        if self.hold.take_if(|hold| hold.is_over()).is_some_and(|hold| hold.was_accepted) {
            self.abandoned = None;
        }
    }

    fn offered(&self, offer: &Offer, world: &World) -> Option<AnyReply> {
        let hold = self.hold.as_ref().filter(|hold| hold.token == offer.first)?;
        let pending = hold.pending(offer.op)?;
        Some(granted(hold.token, pending.levels.woken, pending.abandoned.as_deref(), world.now))
    }

    fn lose(&mut self, _me: Handle, token: Token, world: &mut World) {
        if let Some(mut hold) = self.hold.take_if(|hold| hold.token == token) {
            self.abandoned =
                (!Mutant::AbandonedNotTold.is_on()).then(|| Ended::of(&hold, Cause::Session, world));
            hold.part(world);
        }
    }

    fn due(&mut self, me: Handle, place: Place, world: &mut World) {
        let over = |hold: &mut Hold| hold.token.0 == place && hold.runs_out(me, Mode::Write, world);
        if let Some(hold) = self.hold.take_if(over) {
            self.abandoned = Some(Ended::of(&hold, Cause::Lease, world));
        }
    }

    fn timers(&self) -> Box<dyn Iterator<Item = (Time, Place)> + '_> {
        Box::new(self.hold.iter().filter_map(Hold::timer))
    }

    fn dissolve(&mut self, world: &mut World) -> Vec<TicketKey> {
        self.hold.take().into_iter().for_each(|mut hold| hold.part(world));
        let mut all = self.line.clear();
        all.extend(std::mem::take(&mut self.rooms).into_values().flat_map(Room::into_values));
        all
    }

    fn is_needed(&self) -> bool {
        !self.rooms.is_empty()
    }

    fn is_ephemeral(&self) -> bool {
        self.declared.ephemeral.unwrap_or(false)
    }

    fn waiters(&self) -> Box<dyn Iterator<Item = TicketKey> + '_> {
        Box::new(self.line.iter().chain(self.rooms.values().flat_map(|room| room.values().copied())))
    }

    fn grants(&self) -> Box<dyn Iterator<Item = Granted> + '_> {
        Box::new(self.hold.iter().filter_map(Hold::granted))
    }

    fn abandoned_by(&self) -> Option<(String, Cause)> {
        self.abandoned.as_ref().map(|ended| ended.who())
    }

    fn on_deadlock(&self) -> OnDeadlock {
        OnDeadlock::effective(self.declared.deadlock, self.is_ephemeral())
    }

    fn owners<'a>(&'a self, ticket: &Ticket, world: &'a World) -> Box<dyn Iterator<Item = Owning> + 'a> {
        // Nobody owns a notification.
        let for_lock = !matches!(ticket.want, Want::Condition { woken: None, .. });
        let owned = self.hold.iter().filter(move |hold| for_lock && hold.owned);
        Box::new(owned.map(|hold| hold.owning(world)))
    }

    fn could_grant(&self, ticket: &Ticket) -> Could {
        let waits_for_lock = !matches!(ticket.want, Want::Condition { woken: None, .. });
        match &self.hold {
            None if waits_for_lock => Could::InTurn,
            Some(hold)
                if self.is_reentrant()
                    && hold.is_of(&ticket.caller)
                    && matches!(ticket.want, Want::Lock { .. })
                    && hold.depth() < LEVELS_MAX as usize =>
            {
                Could::AtOnce
            }
            _ => Could::Not,
        }
    }

    fn hand(&mut self, me: Handle, ticket: &Ticket, parked: bool, world: &mut World) {
        let levels = match ticket.want {
            Want::Condition { condition, levels, woken: Some(woken), lease } => {
                let count = if Mutant::DepthLost.is_on() { 1 } else { levels };
                Levels { count, woken: Some((condition, woken)), lease }
            }
            Want::Lock { lease } => Levels::one(lease),
            _ => Levels::one(None),
        };
        self.grant(me, world, &ticket.caller, levels, parked);
    }

    fn line(&self) -> Option<&Line> {
        Some(&self.line)
    }

    fn line_mut(&mut self) -> Option<&mut Line> {
        Some(&mut self.line)
    }

    fn standing(&self) -> Standing {
        let words = match &self.hold {
            None => "free".to_owned(),
            Some(hold) if hold.levels == 0 => "offered".to_owned(),
            Some(hold) => format!("held levels={}", hold.levels),
        };
        let waiting = self.line.len() + self.rooms.values().map(Room::len).sum::<usize>();
        Standing { grants: self.hold.iter().len() as u64, waiting: waiting as u64, words }
    }

    fn check(&self, world: &World) {
        self.check_rooms(world);
        match &self.hold {
            None => assert!(self.line.first().is_none(), "a free lock has a waiter that could have it"),
            Some(hold) => assert!(!hold.is_over(), "a hold without a level or an offer"),
        }
    }
}

/// What an acquire, or the wait of a condition, is answered with.
fn granted(token: Token, woken: Option<(Handle, Woken)>, abandoned: Option<&Ended>, now: Time) -> AnyReply {
    let grant = Grant { token, abandoned: abandoned.map(|ended| ended.told(now)) };
    match woken {
        None => AnyReply::Lock(Reply::Acquired(grant)),
        Some((_, woken)) => AnyReply::Condition(condition::Reply::Waited { woken, grant }),
    }
}

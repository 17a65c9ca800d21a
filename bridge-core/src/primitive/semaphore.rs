//! Semaphore: available = limit + signals − held.
//!
//! Signals are consumed by who acquires them; the rest of a grant is held and derived from the list of grants,
//! so that it comes back whatever happens to its holder. The line is FIFO: its head waits for all it wants.
//!
//! Invariants: `held` is the sum over the grants; whoever is first in line and present wants more than is
//! available; `bare` lists exactly the grants that a bare release may return.

mod bare;

use std::collections::BTreeMap;

use crate::command::Reply as AnyReply;
use crate::command::semaphore::{
    Acquire, Command, Figures, Holder, Holders, Options, Ownership, Query, Reply,
};
use crate::command::{Carrier, Mode, OnDeadlock};
use crate::error::{Error, Reason};
use crate::ids::{Handle, Token};
use crate::limits::PERMITS_MAX;
use crate::mutant::Mutant;
use crate::primitive::{
    Could, Granted, Loss, Owning, Primitive, Standing, Step, check_option, conclude, done,
};
use crate::session::{Offer, Verdict};
use crate::time::{Time, Timeout};
use crate::wait::{Caller, Line, Ticket, TicketKey, Want};
use crate::world::{World, session_required};

use bare::Bare;

/// What one acquire was granted and has not given back.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Grant {
    pub(crate) caller: Caller,
    pub(crate) held: i64,
    /// Signals that it consumed: they go back with a refusal or a release by token.
    pub(crate) signals: i64,
    pub(crate) accepted: bool,
    pub(crate) since: Time,
    by_token: bool,
    /// Made by a drain.
    drain: bool,
}

impl Grant {
    fn size(&self) -> i64 {
        self.held + self.signals
    }

    /// A bare release may return it. An answered unary call counts: its caller has it, though the acceptance
    /// comes with a later call.
    fn is_bare(&self) -> bool {
        let caller_has_it = self.accepted || self.caller.carrier == Carrier::Call;
        caller_has_it && !self.by_token && self.held > 0
    }
}

/// What is to be granted.
#[derive(Clone, Copy)]
struct Asked {
    permits: i64,
    by_token: bool,
    drain: bool,
}

/// The state of a semaphore.
#[derive(Debug, Hash)]
pub(crate) struct Semaphore {
    declared: Options,
    limit: i64,
    signals: i64,
    held: i64,
    grants: BTreeMap<Token, Grant>,
    bare: Bare,
    line: Line,
    /// An owner has parted with some in this step.
    has_parted: bool,
}

impl Default for Semaphore {
    fn default() -> Self {
        Semaphore {
            declared: Options::default(),
            limit: 1,
            signals: 0,
            held: 0,
            grants: BTreeMap::new(),
            bare: Bare::default(),
            line: Line::default(),
            has_parted: false,
        }
    }
}

impl Semaphore {
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
            Command::Release { permits: _, token: Some(token) } => self.release_grant(world, caller, token),
            Command::Release { permits, token: None } => self.release(me, world, caller, permits),
            Command::Drain => self.drain(me, world, caller),
            Command::Reduce { permits } => {
                self.add_signals(-i64::from(at_least_one(permits)?))?;
                done(AnyReply::Semaphore(Reply::Reduced))
            }
            Command::SetLimit { limit } => {
                self.limit = check_limit(limit)?;
                done(AnyReply::Semaphore(Reply::LimitSet))
            }
        }
    }

    fn declare(&mut self, me: Handle, asked: Options) -> Step {
        let declared = &mut self.declared;
        check_option("limit", &declared.limit, &asked.limit, i64::to_string)?;
        check_option("bounded", &declared.bounded, &asked.bounded, bool::to_string)?;
        check_option("ownership", &declared.ownership, &asked.ownership, Ownership::to_string)?;
        check_option("ephemeral", &declared.ephemeral, &asked.ephemeral, bool::to_string)?;
        check_option("deadlock", &declared.deadlock, &asked.deadlock, OnDeadlock::to_string)?;
        if let (None, Some(limit)) = (declared.limit, asked.limit) {
            self.limit = check_limit(limit)?;
            declared.limit = Some(limit);
        }
        declared.bounded = declared.bounded.or(asked.bounded);
        declared.ownership = declared.ownership.or(asked.ownership);
        declared.ephemeral = declared.ephemeral.or(asked.ephemeral);
        declared.deadlock = declared.deadlock.or(asked.deadlock);
        done(AnyReply::Semaphore(Reply::Declared { handle: me, options: self.options() }))
    }

    fn options(&self) -> Options {
        Options {
            limit: Some(self.declared.limit.unwrap_or(1)),
            bounded: Some(self.is_bounded()),
            ownership: Some(self.declared.ownership.unwrap_or_default()),
            ephemeral: Some(self.is_ephemeral()),
            deadlock: self.declared.deadlock,
        }
    }

    fn is_bounded(&self) -> bool {
        self.declared.bounded.unwrap_or(false)
    }

    fn available(&self) -> i64 {
        self.limit + self.signals - self.held + i64::from(Mutant::OnePermitTooMany.is_on())
    }

    fn acquire(&mut self, me: Handle, world: &mut World, caller: &Caller, acquire: Acquire) -> Step {
        let permits = self.check_acquire(caller, &acquire)?;
        let first_in_line = self.line.lets_in(world.passes) || acquire.barge;
        if first_in_line && permits <= self.available() && world.is_present(caller) {
            let asked = Asked { permits, by_token: acquire.by_token, drain: false };
            self.grant(me, world, caller, asked, false);
            return Ok(None);
        }
        if acquire.timeout == Timeout::NOW {
            return Err(self.timed_out());
        }
        let want = Want::Acquire { permits: acquire.permits, by_token: acquire.by_token };
        let object = me;
        let key = world.park(caller, object, want, acquire.timeout)?;
        self.line.enter(key, &world.tickets[key]);
        Ok(None)
    }

    /// What is wrong with an acquire in any case; else, how many permits it asks for.
    pub(crate) fn check_acquire(&self, caller: &Caller, acquire: &Acquire) -> Result<i64, Error> {
        if caller.mode == Mode::Sessionless {
            return Err(session_required("acquire"));
        }
        let permits = i64::from(at_least_one(acquire.permits)?);
        if self.is_bounded() && permits > self.limit {
            let message = format!("{permits} permits are asked of a semaphore bounded by {}", self.limit);
            return Err(Error::invalid("permits", message));
        }
        Ok(permits)
    }

    fn timed_out(&self) -> Error {
        let available = self.available();
        Error::new(
            Reason::TimedOut,
            format!("not granted within the time given; {available} are available now"),
        )
    }

    /// Takes permits, signals first, and answers.
    fn grant(&mut self, me: Handle, world: &mut World, caller: &Caller, asked: Asked, parked: bool) {
        let Asked { permits, by_token, drain } = asked;
        let signals = match self.declared.ownership {
            Some(Ownership::None) => permits,
            _ => permits.min(self.signals.max(0)),
        };
        let held = permits - signals;
        self.signals -= signals;
        self.held += held;
        let token = Token(world.number());
        let is_final = caller.grant_is_final(parked);
        let since = world.now;
        let grant = Grant { caller: *caller, held, signals, accepted: false, since, by_token, drain };
        let reply = reply(&grant, token);
        if grant.is_bare() {
            self.bare.insert(token, &grant);
        }
        self.grants.insert(token, grant);
        let object = me;
        if is_final {
            self.accept_grant(object, token, world);
            world.answer(caller, Ok(reply));
        } else {
            world.offer(caller, object, token, 1, reply);
        }
    }

    fn accept_grant(&mut self, object: Handle, token: Token, world: &mut World) {
        let Some(grant) = self.grants.get_mut(&token) else { return };
        if grant.held == 0 && !grant.by_token {
            self.grants.remove(&token);
            return;
        }
        grant.accepted = true;
        world.look_again_at(grant.caller.owner());
        if let Some(session) = world.sessions.get_mut(grant.caller.session) {
            session.holds.insert(token, object);
        }
        if grant.is_bare() {
            self.bare.insert(token, grant);
        }
    }

    /// Gives what is available to who waits for it, in order.
    fn hand_out(&mut self, me: Handle, world: &mut World) {
        while let Some((place, key)) = self.line.first() {
            let Some(&Want::Acquire { permits, .. }) = world.tickets.get(key).map(|ticket| &ticket.want)
            else {
                self.line.leave(place);
                continue;
            };
            if i64::from(permits) > self.available() {
                return;
            }
            self.line.leave(place);
            if let Some(ticket) = world.unpark(key) {
                self.hand(me, &ticket, true, world);
            }
        }
    }

    /// Takes a grant off the list: what it held is free again.
    fn take_back(&mut self, token: Token) -> Option<Grant> {
        let grant = self.grants.remove(&token)?;
        self.bare.remove(token, &grant);
        self.held -= grant.held;
        self.has_parted = true;
        Some(grant)
    }

    fn release_grant(&mut self, world: &mut World, caller: &Caller, token: Token) -> Step {
        if caller.mode == Mode::Sessionless {
            return Err(session_required("a permit with a token"));
        }
        let own = self
            .grants
            .get(&token)
            .filter(|grant| grant.caller.session == caller.session || Mutant::StaleReleaseAccepted.is_on());
        let session = world.sessions.get_mut(caller.session);
        let Some(grant) = own else {
            if session.is_some_and(|session| session.was_settled(token, Verdict::Released)) {
                return done(AnyReply::Semaphore(Reply::Released));
            }
            return Err(stale(token));
        };
        let (accepted, granted_to) = (grant.accepted, grant.caller.op);
        // Only positive signals were ever consumed, so giving them back exceeds no bound that was kept.
        self.signals += grant.signals;
        if !accepted {
            world.settle_offer(caller.session, granted_to);
        }
        self.take_back(token);
        if let Some(session) = world.sessions.get_mut(caller.session) {
            session.settle(token, Verdict::Released);
        }
        done(AnyReply::Semaphore(Reply::Released))
    }

    fn release(&mut self, me: Handle, world: &mut World, caller: &Caller, permits: u32) -> Step {
        let mut left = i64::from(at_least_one(permits)?);
        let bare = if Mutant::BareReleaseSignals.is_on() { 0 } else { self.bare.permits };
        let signals = (left - bare).max(0);
        if self.is_bounded() && self.signals + signals > 0 {
            let message = format!(
                "{left} were to be released and only {} are out; the semaphore is bounded by {}",
                left - self.signals - signals,
                self.limit
            );
            return Err(Error::new(Reason::TooManyReleases, message));
        }
        self.add_signals(signals)?;
        left -= signals;
        while left > 0 {
            let Some(token) = self.bare.next_for(caller) else { break };
            left -= self.return_bare(me, world, token, left);
        }
        done(AnyReply::Semaphore(Reply::Released))
    }

    /// Gives back up to `permits` of a grant and says how many.
    fn return_bare(&mut self, me: Handle, world: &mut World, token: Token, permits: i64) -> i64 {
        let Some(mut grant) = self.take_back(token) else { return 0 };
        let returned = permits.min(grant.held);
        grant.held -= returned;
        let holder = grant.caller;
        if !grant.accepted {
            grant.accepted = true;
            world.settle_offer(holder.session, holder.op);
        }
        let session = world.sessions.get_mut(holder.session);
        if grant.held > 0 {
            if let Some(session) = session {
                session.holds.insert(token, me);
            }
            self.held += grant.held;
            self.bare.insert(token, &grant);
            self.grants.insert(token, grant);
        } else if let Some(session) = session {
            session.holds.remove(token);
        }
        returned
    }

    /// Never waits, so whoever asks gets what there is.
    fn drain(&mut self, me: Handle, world: &mut World, caller: &Caller) -> Step {
        if caller.mode == Mode::Sessionless {
            return Err(session_required("drain"));
        }
        let available = self.available();
        if available > 0 {
            let asked = Asked { permits: available, by_token: false, drain: true };
            self.grant(me, world, caller, asked, false);
            return Ok(None);
        }
        self.signals -= available;
        done(AnyReply::Semaphore(Reply::Drained { drained: available, token: None }))
    }

    fn add_signals(&mut self, more: i64) -> Result<(), Error> {
        let signals = self.signals + more;
        if signals.abs() > PERMITS_MAX {
            return Err(Error::limit("permits_max", PERMITS_MAX as u64));
        }
        self.signals = signals;
        Ok(())
    }

    pub(crate) fn query(&self, world: &World, now: Time, query: &Query) -> AnyReply {
        AnyReply::Semaphore(match query {
            Query::Describe => Reply::Described(Box::new(self.figures())),
            Query::Holders { page_size, after } => {
                let mut holders = self.holders(world, world.now.max(now), *after);
                let page: Vec<_> = holders.by_ref().take(world.page(*page_size)).collect();
                let next = holders.next().and_then(|_| page.last()).map(|last| last.token);
                Reply::Holders(Box::new(Holders { holders: page, next }))
            }
        })
    }

    fn holders<'a>(
        &'a self,
        world: &'a World,
        now: Time,
        after: Option<Token>,
    ) -> impl Iterator<Item = Holder> + 'a {
        use std::ops::Bound::{Excluded, Unbounded};
        let grants = self.grants.range((after.map_or(Unbounded, Excluded), Unbounded));
        grants.filter(|(_, grant)| grant.held > 0).map(move |(token, grant)| {
            let (participant, session) = world.names(&grant.caller);
            Holder {
                token: *token,
                permits: grant.held.unsigned_abs(),
                by_token: grant.by_token,
                held_for: now.since(grant.since),
                participant,
                session,
            }
        })
    }

    pub(crate) fn figures(&self) -> Figures {
        Figures {
            options: self.options(),
            available: self.available(),
            limit: self.limit,
            signals: self.signals,
            held: self.held,
            waiting: self.line.len() as u64,
        }
    }
}

impl Primitive for Semaphore {
    fn leave(&mut self, ticket: &Ticket) {
        self.line.leave(ticket.place);
    }

    fn enter(&mut self, key: TicketKey, ticket: &Ticket) {
        self.line.leave(ticket.place);
        self.line.enter(key, ticket);
    }

    fn serve(&mut self, me: Handle, world: &mut World) {
        self.hand_out(me, world);
        // Who is left may be left to those who have what is left, and these may wait for it.
        if std::mem::take(&mut self.has_parted) && !self.line.is_empty() {
            world.loosened.push(me);
        }
    }

    fn expire(&mut self, _me: Handle, key: TicketKey, world: &mut World) {
        if let Some(ticket) = world.tickets.get(key) {
            self.line.leave(ticket.place);
        }
        let error = self.timed_out();
        conclude(world, key, Err(error));
    }

    fn accept(&mut self, me: Handle, offer: &Offer, world: &mut World) {
        self.accept_grant(me, offer.first, world);
    }

    fn refuse(&mut self, _me: Handle, offer: &Offer, _loss: Loss, _world: &mut World) {
        if let Some(grant) = self.take_back(offer.first)
            && !Mutant::SignalLostOnRefusal.is_on()
        {
            self.signals += grant.signals;
        }
    }

    fn offered(&self, offer: &Offer, _world: &World) -> Option<AnyReply> {
        self.grants.get(&offer.first).map(|grant| reply(grant, offer.first))
    }

    fn lose(&mut self, _me: Handle, token: Token, _world: &mut World) {
        self.take_back(token);
    }

    fn dissolve(&mut self, _world: &mut World) -> Vec<TicketKey> {
        self.line.clear()
    }

    fn is_ephemeral(&self) -> bool {
        self.declared.ephemeral.unwrap_or(false)
    }

    fn waiters(&self) -> Box<dyn Iterator<Item = TicketKey> + '_> {
        Box::new(self.line.iter())
    }

    fn grants(&self) -> Box<dyn Iterator<Item = Granted> + '_> {
        Box::new(self.grants.iter().map(|(token, grant)| Granted {
            caller: grant.caller,
            token: *token,
            count: grant.held.unsigned_abs(),
            since: grant.since,
            accepted: grant.accepted,
            item: None,
        }))
    }

    /// Whoever holds a bare permit may never release it, and somebody else may: of a bounded buffer producers acquire and
    /// consumers release. So nothing is concluded from those unless that was asked for.
    fn on_deadlock(&self) -> OnDeadlock {
        let all_by_token = || self.grants.values().all(|grant| grant.by_token || grant.held == 0);
        match self.declared.deadlock {
            None if !all_by_token() => OnDeadlock::Off,
            declared => OnDeadlock::effective(declared, self.is_ephemeral()),
        }
    }

    fn owners<'a>(&'a self, _ticket: &Ticket, world: &'a World) -> Box<dyn Iterator<Item = Owning> + 'a> {
        let held = self.grants.values().filter(|grant| grant.held > 0);
        Box::new(held.map(|grant| {
            let keeps_it = grant.accepted || world.is_answered(&grant.caller);
            Owning { who: grant.caller.owner(), keeps_it }
        }))
    }

    fn could_grant(&self, ticket: &Ticket) -> Could {
        match ticket.want {
            Want::Acquire { permits, .. } if i64::from(permits) <= self.available() => Could::InTurn,
            _ => Could::Not,
        }
    }

    fn hand(&mut self, me: Handle, ticket: &Ticket, parked: bool, world: &mut World) {
        if let Want::Acquire { permits, by_token } = ticket.want {
            let asked = Asked { permits: i64::from(permits), by_token, drain: false };
            self.grant(me, world, &ticket.caller, asked, parked);
        }
    }

    fn line(&self) -> Option<&Line> {
        Some(&self.line)
    }

    fn line_mut(&mut self) -> Option<&mut Line> {
        Some(&mut self.line)
    }

    fn standing(&self) -> Standing {
        let Figures { available, limit, signals, held, waiting, .. } = self.figures();
        let words = format!("available={available} limit={limit} signals={signals} held={held}");
        Standing { grants: self.grants.len() as u64, waiting, words }
    }

    fn check(&self, world: &World) {
        let held: i64 = self.grants.values().map(|grant| grant.held).sum();
        assert_eq!(self.held, held, "held is not the sum over the grants");
        let bare: Vec<_> = self.grants.iter().filter(|(_, grant)| grant.is_bare()).collect();
        self.bare.check(&bare);
        if let Some(Want::Acquire { permits, .. }) =
            self.line.first().map(|(_, key)| &world.tickets[key].want)
        {
            assert!(i64::from(*permits) > self.available(), "the first in line could be served");
        }
    }
}

/// The answer that made a grant.
fn reply(grant: &Grant, token: Token) -> AnyReply {
    AnyReply::Semaphore(match grant.drain {
        true => Reply::Drained { drained: grant.size(), token: Some(token) },
        false => Reply::Acquired(token),
    })
}

fn at_least_one(permits: u32) -> Result<u32, Error> {
    match permits {
        0 => Err(Error::invalid("permits", "permits is 0; give at least 1")),
        permits => Ok(permits),
    }
}

fn check_limit(limit: i64) -> Result<i64, Error> {
    match limit.unsigned_abs() > PERMITS_MAX as u64 {
        true => Err(Error::limit("permits_max", PERMITS_MAX as u64)),
        false => Ok(limit),
    }
}

/// What naming a token that is not that of a current grant ends with.
fn stale(token: Token) -> Error {
    Error::new(
        Reason::Stale,
        format!(
            "token {} is not that of a permit held by this session: it was released or lost before",
            token.0
        ),
    )
}

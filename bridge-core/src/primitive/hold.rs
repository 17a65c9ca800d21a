//! One holder's hold on a lock: levels that are its own and levels on offer, all under one token.
//!
//! A hold with a lease is taken from its holder once that is over, which counts from the last acceptance of a level. While one
//! more level is on offer it goes on: whoever is asked to accept or refuse is not given up yet.
//!
//! Invariants: a hold has a level or an offer; the holder's session has it among its holds exactly while it has a
//! level, unless it is nobody's; the timer of a lease is set exactly while there is a level.

use std::time::Duration;

use crate::command::condition::Woken;
use crate::command::lock::{Abandoned, Cause, Holder};
use crate::command::rwlock::Mode;
use crate::error::{Error, Reason};
use crate::ids::{Handle, Op, Token};
use crate::mutant::Mutant;
use crate::primitive::{Granted, Owning};
use crate::session::{LostHold, Verdict};
use crate::time::Time;
use crate::timer::{Due, Subject};
use crate::wait::{Caller, Place};
use crate::world::World;

/// What a call is granted.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Levels {
    pub(super) count: u32,
    /// It ends the wait of that condition.
    pub(super) woken: Option<(Handle, Woken)>,
    /// How long the hold lasts from then on; `None`: as before.
    pub(super) lease: Option<Duration>,
}

impl Levels {
    pub(super) fn one(lease: Option<Duration>) -> Self {
        Levels { count: 1, woken: None, lease }
    }
}

/// Levels on offer to a call.
#[derive(Clone, Debug, Hash)]
pub(super) struct Pending {
    pub(super) op: Op,
    pub(super) levels: Levels,
    /// The owner before, as the grant told: whatever happens until it is told again.
    pub(super) abandoned: Option<Box<Ended>>,
}

/// A hold.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Hold {
    /// Who was granted it first.
    pub(super) caller: Caller,
    pub(super) token: Token,
    pub(super) since: Time,
    /// Accepted and not released.
    pub(super) levels: u32,
    /// Granted and not accepted.
    offers: Vec<Pending>,
    /// It has had a level.
    pub(super) was_accepted: bool,
    /// It goes back with its session.
    pub(super) owned: bool,
    lease: Option<Lease>,
}

/// How long a hold may last.
#[derive(Clone, Copy, Debug, Hash)]
struct Lease {
    max: Duration,
    /// When it is over, once a level is accepted. Its timer has the token as its place.
    over: Option<Time>,
}

impl Hold {
    pub(super) fn new(caller: &Caller, token: Token, since: Time, owned: bool) -> Self {
        let offers = Vec::new();
        Hold { caller: *caller, token, since, levels: 0, offers, was_accepted: false, owned, lease: None }
    }

    /// Whether its participant is the caller.
    pub(super) fn is_of(&self, caller: &Caller) -> bool {
        self.caller.session == caller.session && self.caller.participant == caller.participant
    }

    /// Levels, accepted or not.
    pub(super) fn depth(&self) -> usize {
        self.levels as usize + self.offers.iter().map(|offer| offer.levels.count as usize).sum::<usize>()
    }

    /// More levels, which a call must accept.
    pub(super) fn offer(&mut self, offer: Pending) {
        self.offers.push(offer);
    }

    /// What is on offer to `op`.
    pub(super) fn pending(&self, op: Op) -> Option<&Pending> {
        self.offers.iter().find(|offer| offer.op == op)
    }

    /// The offer to `op` is accepted.
    pub(super) fn accept(&mut self, me: Handle, op: Op, world: &mut World) {
        if let Some(offer) = self.withdraw(op) {
            self.add_levels(me, offer.levels, world);
        }
    }

    /// The offer to `op` is off.
    pub(super) fn withdraw(&mut self, op: Op) -> Option<Pending> {
        let at = self.offers.iter().position(|offer| offer.op == op);
        at.map(|at| self.offers.swap_remove(at))
    }

    pub(super) fn add_levels(&mut self, me: Handle, levels: Levels, world: &mut World) {
        self.levels += levels.count;
        self.was_accepted = true;
        world.look_again_at(self.caller.owner());
        self.extend(me, levels.lease, world);
        if self.owned
            && let Some(session) = world.sessions.get_mut(self.caller.session)
        {
            session.holds.insert(self.token, me);
        }
    }

    /// Its holder has shown to have it. Where he has a level anyhow that says nothing of what else is on offer to him.
    pub(super) fn show(&mut self, me: Handle, world: &mut World) {
        if self.levels > 0 {
            return;
        }
        for offer in std::mem::take(&mut self.offers) {
            world.settle_offer(self.caller.session, offer.op);
            self.add_levels(me, offer.levels, world);
        }
    }

    /// Its holder lets go of all of it. What is still on offer on his stream he has turned away from: that call was withdrawn,
    /// should he ask for it again.
    pub(super) fn let_go(&mut self, world: &mut World) {
        for offer in std::mem::take(&mut self.offers) {
            if self.is_by_call(&offer, world) {
                world.settle_offer(self.caller.session, offer.op);
            } else {
                world.withdraw_offer(self.caller.session, offer.op);
            }
        }
        self.part(world);
    }

    /// Whether the call of that offer has been answered for sure.
    fn is_by_call(&self, offer: &Pending, world: &World) -> bool {
        world.is_answered(&Caller { op: offer.op, ..self.caller })
    }

    /// Its holder, as one who stands in the way of others.
    pub(super) fn owning(&self, world: &World) -> Owning {
        let keeps_it = self.lease.is_none() && self.holder_has_it(world);
        Owning { who: self.caller.owner(), keeps_it }
    }

    /// Whether its holder knows of it.
    pub(super) fn holder_has_it(&self, world: &World) -> bool {
        self.levels > 0 || self.offers.iter().any(|offer| self.is_by_call(offer, world))
    }

    /// Levels that its holder has when he asks for something else: what is still on offer on his stream he has turned away
    /// from, or its acceptance would have come before.
    pub(super) fn had(&self, world: &World) -> u32 {
        let offers = self.offers.iter().filter(|offer| self.is_by_call(offer, world));
        self.levels + offers.map(|offer| offer.levels.count).sum::<u32>()
    }

    /// One level less, if it has one.
    pub(super) fn drop_level(&mut self, world: &mut World) {
        self.levels = self.levels.saturating_sub(1);
        if self.levels == 0 {
            self.part(world);
        }
    }

    /// Its lease counts anew, with another duration if one is given.
    pub(super) fn extend(&mut self, me: Handle, lease: Option<Duration>, world: &mut World) {
        self.stop_lease(world);
        if let Some(max) = lease {
            self.lease = Some(Lease { max, over: None });
        }
        if let Some(lease) = self.lease.as_mut().filter(|_| self.levels > 0) {
            let at = world.now + lease.max;
            lease.over = Some(at);
            world.timers.set(at, self.token.0, Due::Own, Subject::Object(me));
        }
    }

    fn stop_lease(&mut self, world: &mut World) {
        if let Some(at) = self.lease.as_mut().and_then(|lease| lease.over.take()) {
            world.timers.clear(at, self.token.0, Due::Own);
        }
    }

    /// How long it lasts, if not as long as its session.
    pub(super) fn lease(&self) -> Option<Duration> {
        self.lease.map(|lease| lease.max)
    }

    /// The timer of its lease.
    pub(super) fn timer(&self) -> Option<(Time, Place)> {
        self.lease.and_then(|lease| lease.over).map(|at| (at, self.token.0))
    }

    /// The time of its lease is over: false where it goes on all the same.
    pub(super) fn runs_out(&mut self, me: Handle, mode: Mode, world: &mut World) -> bool {
        if !self.offers.is_empty() || Mutant::LeaseForgotten.is_on() {
            self.extend(me, None, world);
            return false;
        }
        let (participant, levels) = (self.caller.participant, self.levels);
        if let Some(session) = world.sessions.get_mut(self.caller.session) {
            session.lose(self.token, LostHold { object: me, participant, mode, levels });
        }
        world.tell_lost(&self.caller, self.token);
        self.part(world);
        true
    }

    /// Its session holds it no more.
    pub(super) fn part(&mut self, world: &mut World) {
        self.stop_lease(world);
        self.levels = 0;
        if let Some(session) = world.sessions.get_mut(self.caller.session) {
            session.holds.remove(self.token);
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.depth() == 0
    }

    /// As the engine sees it; `None` where it is nobody's.
    pub(super) fn granted(&self) -> Option<Granted> {
        let accepted = self.levels > 0;
        (self.owned || !accepted).then_some(Granted {
            caller: self.caller,
            token: self.token,
            count: self.depth() as u64,
            since: self.since,
            accepted,
            item: None,
        })
    }

    /// For people.
    pub(super) fn holder(&self, world: &World, now: Time) -> Holder {
        let (participant, session) = world.names(&self.caller);
        let held_for = now.since(self.since);
        let lease = self.timer().map(|(over, _)| over.since(now));
        Holder { token: self.token, levels: self.levels, held_for, lease, participant, session }
    }
}

/// A hold that ended and was not released.
#[derive(Clone, Debug, Hash)]
pub(super) struct Ended {
    cause: Cause,
    token: Token,
    at: Time,
    participant: String,
    session: String,
}

impl Ended {
    /// Call while the session is still there.
    pub(super) fn of(hold: &Hold, cause: Cause, world: &World) -> Box<Self> {
        let (participant, session) = world.names(&hold.caller);
        Box::new(Ended { cause, token: hold.token, at: world.now, participant, session })
    }

    /// For people.
    pub(super) fn who(&self) -> (String, Cause) {
        let who = match self.participant.as_str() {
            "" => self.session.clone(),
            participant => format!("{participant} of {}", self.session),
        };
        (who, self.cause)
    }

    pub(super) fn told(&self, now: Time) -> Box<Abandoned> {
        Box::new(Abandoned {
            cause: self.cause,
            token: self.token,
            ago: now.since(self.at),
            participant: self.participant.clone(),
            session: self.session.clone(),
        })
    }
}

/// Who holds it, for people.
pub(super) fn who(hold: &Hold, world: &World) -> String {
    let (participant, session) = world.names(&hold.caller);
    match (participant.is_empty(), session.is_empty()) {
        (_, true) => "a session that is over".to_owned(),
        (true, false) => session,
        (false, false) => format!("{participant} of {session}"),
    }
}

/// What releasing a lock ends with that the caller may not release.
pub(super) fn not_owner(hold: Option<&Hold>, world: &World) -> Error {
    let Some(hold) = hold else {
        return Error::new(Reason::NotOwner, "the lock is free: there is nothing to release");
    };
    let holder = who(hold, world);
    let message = format!("the lock is held by {holder}, and not by the caller; only its holder may do this");
    Error::new(Reason::NotOwner, message).with("holder", holder)
}

/// What naming a token that is not that of the current hold ends with.
pub(super) fn stale(token: Token) -> Error {
    let message = format!(
        "token {} is not that of the current hold: it was released or lost before; nothing was released",
        token.0
    );
    Error::new(Reason::Stale, message)
}

/// What naming the token of a hold ends with that is not there.
pub(super) fn gone(me: Handle, world: &mut World, caller: &Caller, token: Token) -> Error {
    told_lost(me, world, caller, Meant::Token(token)).unwrap_or_else(|| stale(token))
}

/// Which hold a call means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meant {
    Token(Token),
    /// Its participant's own.
    Own(Mode),
    /// That of any participant of its session.
    Any(Mode),
}

/// What a caller is told who means a hold that was taken from its session.
pub(super) fn told_lost(me: Handle, world: &mut World, caller: &Caller, meant: Meant) -> Option<Error> {
    let session = world.sessions.get_mut(caller.session)?;
    let is_lost = match meant {
        Meant::Token(token) => session.tell_lost(me, Mode::Write, Some(token), None),
        Meant::Own(mode) => session.tell_lost(me, mode, None, Some(caller.participant)),
        Meant::Any(mode) => session.tell_lost(me, mode, None, None),
    };
    is_lost.then(lease_over)
}

/// As [`told_lost`], where nothing is given back: the release is told all the same.
pub(super) fn has_lost(me: Handle, world: &World, caller: &Caller, own: bool) -> Option<Error> {
    let session = world.sessions.get(caller.session)?;
    session.has_lost(me, Mode::Write, own.then_some(caller.participant)).then(lease_over)
}

fn lease_over() -> Error {
    let message = "the lease of that hold was over, so the lock was taken from it and may be somebody else's now; \
                   acquire it again, for longer, or extend it in time";
    Error::new(Reason::LockLost, message)
}

/// What is wrong with a lease in any case.
pub(super) fn check_lease(lease: Option<Duration>) -> Result<(), Error> {
    match lease {
        Some(lease) if lease.is_zero() => {
            let message = "lease is 0; give more, or none for as long as the session lives";
            Err(Error::invalid("lease", message))
        }
        _ => Ok(()),
    }
}

/// Whether the caller's session has released that hold itself.
pub(super) fn was_released(world: &World, caller: &Caller, token: Token) -> bool {
    let session = world.sessions.get(caller.session);
    session.is_some_and(|session| session.was_settled(token, Verdict::Released))
}

/// The caller's session has released that hold.
pub(super) fn note_release(world: &mut World, caller: &Caller, token: Token) {
    if let Some(session) = world.sessions.get_mut(caller.session) {
        session.settle(token, Verdict::Released);
    }
}

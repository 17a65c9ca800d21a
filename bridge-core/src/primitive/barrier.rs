//! Barrier: so many parties wait for each other, then all go on.
//!
//! A generation is filling, or, where a party brought an action, acting: all have arrived, the latest that brought one
//! holds the action under a token, and the others wait for its word; who arrives meanwhile belongs to the next
//! generation. Whatever ends a party's wait before that breaks the barrier for all who wait.
//!
//! Invariants: fewer wait than it takes, unless one acts; at a broken barrier nobody waits and nobody acts; what is noted
//! for the end of a step is empty between steps.

use std::collections::BTreeMap;

use crate::command::barrier::{Arrive, Arrived, Cause, Command, Figures, OnCancel, Options, Query, Reply};
use crate::command::{Mode, Reply as AnyReply};
use crate::error::{Error, Reason};
use crate::ids::{Handle, Token};
use crate::mutant::Mutant;
use crate::primitive::{Granted, Loss, Primitive, Standing, Step, check_option, conclude, done};
use crate::session::{Offer, Serial, Verdict};
use crate::time::{Time, Timeout};
use crate::wait::{Caller, Place, Ticket, TicketKey, Want};
use crate::world::{World, session_required};

/// A generation whose action is run.
#[derive(Debug, Hash)]
struct Acting {
    action: Token,
    /// The party that runs it.
    caller: Caller,
    arrived: Arrived,
    on_cancel: OnCancel,
    since: Time,
    accepted: bool,
    /// The others, with the order of their arrival.
    others: BTreeMap<Place, (TicketKey, u32)>,
}

/// The party that is to run the action.
struct Party {
    caller: Caller,
    index: u32,
    on_cancel: OnCancel,
    parked: bool,
}

/// An action that is run, or about to be, for nothing.
#[derive(Debug, Hash)]
struct Spoiled {
    cause: Cause,
    arrived: Arrived,
    party: Serial,
}

/// The state of a barrier.
#[derive(Debug, Default, Hash)]
pub(crate) struct Barrier {
    declared: Options,
    /// Who has arrived, in order. Who is away has arrived too.
    line: BTreeMap<Place, TicketKey>,
    acting: Option<Acting>,
    generation: u64,
    broken: Option<(Cause, String)>,
    /// Actions whose generation was broken before their end, until their parties have been told.
    spoiled: BTreeMap<Token, Spoiled>,
    /// Who left in this step, and what that means if nothing worse does.
    left: Vec<(Serial, OnCancel)>,
    /// What breaks it at the end of this step.
    breaks: Option<(Cause, String)>,
    /// Who goes on at the end of this step.
    passed: Vec<(TicketKey, Arrived)>,
}

impl Barrier {
    pub(crate) fn command(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        command: &mut Command,
    ) -> Step {
        match command {
            Command::Declare(options) => self.declare(me, world, *options),
            Command::Wait(arrive) => self.arrive(me, world, caller, *arrive),
            Command::ActionDone { action, error } => self.action_done(world, caller, *action, error.take()),
            Command::Reset => {
                self.broken = None;
                if !self.line.is_empty() || self.acting.is_some() {
                    self.spoil(Cause::Reset);
                }
                done(AnyReply::Barrier(Reply::Reset))
            }
            Command::Abort => {
                self.spoil(Cause::Aborted);
                done(AnyReply::Barrier(Reply::Aborted))
            }
        }
    }

    fn declare(&mut self, me: Handle, world: &World, asked: Options) -> Step {
        check_option("parties", &self.declared.parties, &asked.parties, u32::to_string)?;
        check_option("ephemeral", &self.declared.ephemeral, &asked.ephemeral, bool::to_string)?;
        match asked.parties {
            Some(0) => return Err(Error::invalid("parties", "parties is 0; give at least 1")),
            Some(parties) if parties > world.limits.waits_max => {
                return Err(Error::limit("waits_max", world.limits.waits_max.into())
                    .with_message(format!("{parties} parties could never wait at once")));
            }
            _ => {}
        }
        self.declared.parties = self.declared.parties.or(asked.parties);
        self.declared.ephemeral = self.declared.ephemeral.or(asked.ephemeral);
        done(AnyReply::Barrier(Reply::Declared { handle: me, options: self.options() }))
    }

    fn options(&self) -> Options {
        Options { parties: self.declared.parties, ephemeral: Some(self.is_ephemeral()) }
    }

    fn arrive(&mut self, me: Handle, world: &mut World, caller: &Caller, arrive: Arrive) -> Step {
        let Arrive { timeout, has_action, on_cancel } = arrive;
        let Some(parties) = self.declared.parties else {
            let message = "nobody has said how many parties the barrier has; declare it with parties first";
            return Err(Error::invalid("parties", message));
        };
        if has_action && caller.mode == Mode::Sessionless {
            return Err(session_required("a party with an action"));
        }
        if let Some((cause, why)) = &self.broken {
            return Err(broken(*cause, why));
        }
        let is_last = self.acting.is_none() && self.line.len() + 1 >= parties as usize;
        // Who does not wait cannot wait for another's action either.
        if timeout == Timeout::NOW && !(is_last && (has_action || !self.somebody_acts(world))) {
            self.spoil(Cause::TimedOut);
            world.answer(caller, Err(timed_out()));
            return Ok(None);
        }
        if is_last && has_action {
            let others = std::mem::take(&mut self.line).into_iter().zip(0_u32..);
            let others: BTreeMap<_, _> = others.map(|((place, key), index)| (place, (key, index))).collect();
            let runs = Party { caller: *caller, index: others.len() as u32, on_cancel, parked: false };
            self.begin_action(me, world, runs, others);
            return Ok(None);
        }
        let key = world.park(caller, me, Want::Barrier { has_action, on_cancel }, timeout)?;
        self.line.insert(world.tickets[key].place, key);
        Ok(None)
    }

    /// Whether any who has arrived has an action.
    fn somebody_acts(&self, world: &World) -> bool {
        let mut wants =
            self.line.values().filter_map(|key| world.tickets.get(*key)).map(|ticket| &ticket.want);
        wants.any(|want| matches!(want, Want::Barrier { has_action: true, .. }))
    }

    fn action_done(
        &mut self,
        world: &mut World,
        caller: &Caller,
        action: Token,
        error: Option<String>,
    ) -> Step {
        let own = |acting: &mut Acting| acting.action == action && acting.caller.session == caller.session;
        let Some(acting) = self.acting.take_if(own) else {
            let own = self.spoiled.get(&action).is_some_and(|spoiled| spoiled.party == caller.serial);
            let spoiled = if own { self.spoiled.remove(&action) } else { None };
            return Err(spoiled.map_or_else(|| stale(action), |spoiled| broken(spoiled.cause, "")));
        };
        if !acting.accepted {
            world.settle_offer(acting.caller.session, acting.caller.op);
        }
        if let Some(session) = world.sessions.get_mut(caller.session) {
            session.settle(action, Verdict::Released);
        }
        let passed = error.is_none();
        let generation = acting.arrived.generation;
        match error {
            None => {
                let go = |(key, index)| (key, Arrived { index, generation, action: None });
                self.passed = acting.others.into_values().map(go).collect();
                self.generation += 1;
            }
            Some(why) => {
                self.acting = Some(acting);
                self.breaks = Some((Cause::ActionFailed, world.cut(why)));
            }
        }
        done(AnyReply::Barrier(Reply::ActionDone { passed }))
    }

    /// At the end of this step it breaks, unless something has broken it before.
    fn spoil(&mut self, cause: Cause) {
        self.breaks.get_or_insert_with(|| (cause, String::new()));
    }

    /// Nobody goes on.
    fn break_for_all(&mut self, world: &mut World, cause: Cause, why: String) {
        let mut waiting: Vec<TicketKey> = Vec::new();
        if let Some(acting) = self.acting.take() {
            waiting.extend(acting.others.into_values().map(|(key, _)| key));
            let (arrived, party) = (acting.arrived, acting.caller.serial);
            self.spoiled.insert(acting.action, Spoiled { cause, arrived, party });
            if let Some(session) = world.sessions.get_mut(acting.caller.session) {
                session.holds.remove(acting.action);
            }
        }
        waiting.extend(std::mem::take(&mut self.line).into_values());
        waiting.into_iter().for_each(|key| conclude(world, key, Err(broken(cause, &why))));
        if cause == Cause::Reset {
            self.generation += 1;
        } else {
            self.broken = Some((cause, why));
        }
    }

    /// All parties have arrived: they go on, or the latest that brought an action runs it first.
    fn trip(&mut self, me: Handle, world: &mut World, parties: usize) {
        let generation = self.generation;
        let mut arrived = Vec::new();
        let mut acts = None;
        for index in 0..parties {
            let Some((place, key)) = self.line.pop_first() else { break };
            if let Some(Want::Barrier { has_action: true, on_cancel }) =
                world.tickets.get(key).map(|ticket| &ticket.want)
            {
                acts = Some((index, *on_cancel));
            }
            arrived.push((place, key));
        }
        let Some((runs, on_cancel)) = acts else {
            self.generation += u64::from(!Mutant::GenerationStands.is_on());
            for (index, (_, key)) in (0_u32..).zip(arrived) {
                let arrived = Arrived { index, generation, action: None };
                conclude(world, key, Ok(AnyReply::Barrier(Reply::Arrived(arrived))));
            }
            return;
        };
        let (_, key) = arrived[runs];
        let numbered = (0_u32..).zip(arrived).filter(|(index, _)| *index as usize != runs);
        let others = numbered.map(|(index, (place, key))| (place, (key, index))).collect();
        let Some(ticket) = world.unpark(key) else { return };
        let runs = Party { caller: ticket.caller, index: runs as u32, on_cancel, parked: true };
        self.begin_action(me, world, runs, others);
    }

    fn begin_action(
        &mut self,
        me: Handle,
        world: &mut World,
        runs: Party,
        others: BTreeMap<Place, (TicketKey, u32)>,
    ) {
        let Party { caller, index, on_cancel, parked } = runs;
        let action = Token(world.number());
        let arrived = Arrived { index, generation: self.generation, action: Some(action) };
        let since = world.now;
        self.acting = Some(Acting { action, caller, arrived, on_cancel, since, accepted: false, others });
        let reply = AnyReply::Barrier(Reply::Arrived(arrived));
        if caller.grant_is_final(parked) {
            self.accept_action(me, world, action);
            world.answer(&caller, Ok(reply));
        } else {
            world.offer(&caller, me, action, 1, reply);
        }
    }

    fn accept_action(&mut self, me: Handle, world: &mut World, action: Token) {
        let Some(acting) = self.acting.as_mut().filter(|acting| acting.action == action) else { return };
        acting.accepted = true;
        if let Some(session) = world.sessions.get_mut(acting.caller.session) {
            session.holds.insert(action, me);
        }
    }

    pub(crate) fn query(&self, query: &Query) -> AnyReply {
        match query {
            Query::Describe => AnyReply::Barrier(Reply::Described(Box::new(self.figures()))),
        }
    }

    fn figures(&self) -> Figures {
        Figures {
            options: self.options(),
            waiting: self.waiting() as u64,
            generation: self.generation,
            broken: self.broken.as_ref().map(|(cause, _)| *cause),
            acting: self.acting.is_some(),
        }
    }

    fn waiting(&self) -> usize {
        self.line.len() + self.acting.as_ref().map_or(0, |acting| acting.others.len())
    }

    fn remove(&mut self, place: Place) {
        if self.line.remove(&place).is_none()
            && let Some(acting) = &mut self.acting
        {
            acting.others.remove(&place);
        }
    }
}

impl Primitive for Barrier {
    fn leave(&mut self, ticket: &Ticket) {
        self.remove(ticket.place);
        if let Want::Barrier { on_cancel, .. } = ticket.want {
            self.left.push((ticket.caller.serial, on_cancel));
        }
    }

    /// Being away changes nothing: who has arrived has arrived.
    fn enter(&mut self, _key: TicketKey, _ticket: &Ticket) {}

    fn serve(&mut self, me: Handle, world: &mut World) {
        for (key, arrived) in std::mem::take(&mut self.passed) {
            conclude(world, key, Ok(AnyReply::Barrier(Reply::Arrived(arrived))));
        }
        if std::mem::take(&mut self.left).iter().any(|(_, on_cancel)| *on_cancel == OnCancel::Break) {
            self.spoil(Cause::Cancelled);
        }
        if let Some((cause, why)) = self.breaks.take() {
            self.break_for_all(world, cause, why);
        }
        let Some(parties) = self.declared.parties else { return };
        while self.acting.is_none() && self.line.len() >= parties as usize {
            self.trip(me, world, parties as usize);
        }
    }

    fn expire(&mut self, _me: Handle, key: TicketKey, world: &mut World) {
        if let Some(ticket) = world.tickets.get(key) {
            self.remove(ticket.place);
        }
        self.spoil(Cause::TimedOut);
        conclude(world, key, Err(timed_out()));
    }

    fn accept(&mut self, me: Handle, offer: &Offer, world: &mut World) {
        self.accept_action(me, world, offer.first);
    }

    fn refuse(&mut self, _me: Handle, offer: &Offer, loss: Loss, _world: &mut World) {
        self.spoiled.remove(&offer.first);
        let Some(acting) = self.acting.as_ref().filter(|acting| acting.action == offer.first) else { return };
        match (loss, acting.on_cancel) {
            (Loss::Refused, OnCancel::Leave) => {
                let others = self.acting.take().map_or_else(BTreeMap::new, |acting| acting.others);
                self.line.extend(others.into_iter().map(|(place, (key, _))| (place, key)));
            }
            (Loss::Refused, OnCancel::Break) => self.spoil(Cause::Cancelled),
            (Loss::Closed | Loss::Expired, _) => self.spoil(Cause::PartyLost),
        }
    }

    fn offered(&self, offer: &Offer, _world: &World) -> Option<AnyReply> {
        let acting = self.acting.as_ref().filter(|acting| acting.action == offer.first);
        let arrived = acting.map(|acting| acting.arrived);
        let spoiled = || self.spoiled.get(&offer.first).map(|spoiled| spoiled.arrived);
        arrived.or_else(spoiled).map(|arrived| AnyReply::Barrier(Reply::Arrived(arrived)))
    }

    fn lose(&mut self, _me: Handle, token: Token, _world: &mut World) {
        if self.acting.as_ref().is_some_and(|acting| acting.action == token) {
            self.spoil(Cause::PartyLost);
        }
    }

    fn session_over(&mut self, serial: Serial, _world: &mut World) {
        if self.left.iter().any(|(left, _)| *left == serial) && !Mutant::DeathBreaksNothing.is_on() {
            self.spoil(Cause::PartyLost);
        }
        self.spoiled.retain(|_, spoiled| spoiled.party != serial);
    }

    fn dissolve(&mut self, _world: &mut World) -> Vec<TicketKey> {
        let others = self.acting.take().map_or_else(BTreeMap::new, |acting| acting.others);
        let line = std::mem::take(&mut self.line).into_values();
        others.into_values().map(|(key, _)| key).chain(line).collect()
    }

    fn is_ephemeral(&self) -> bool {
        self.declared.ephemeral.unwrap_or(false)
    }

    fn waiters(&self) -> Box<dyn Iterator<Item = TicketKey> + '_> {
        let others = self.acting.iter().flat_map(|acting| acting.others.values().map(|(key, _)| *key));
        Box::new(others.chain(self.line.values().copied()))
    }

    fn grants(&self) -> Box<dyn Iterator<Item = Granted> + '_> {
        Box::new(self.acting.iter().map(|acting| Granted {
            caller: acting.caller,
            token: acting.action,
            count: 1,
            since: acting.since,
            accepted: acting.accepted,
            item: None,
        }))
    }

    fn standing(&self) -> Standing {
        let acting = self.acting.is_some();
        let mut words = format!("generation={} acting={acting}", self.generation);
        if let Some((cause, _)) = &self.broken {
            words = format!("{words} broken={}", cause.as_str());
        }
        Standing { grants: u64::from(acting), waiting: self.waiting() as u64, words }
    }

    fn check(&self, _world: &World) {
        let parties = self.declared.parties.map_or(1, |parties| parties as usize);
        assert!(self.acting.is_some() || self.line.len() < parties, "all have arrived, and nobody goes");
        if self.broken.is_some() {
            assert!(self.line.is_empty() && self.acting.is_none(), "somebody is at a broken barrier");
        }
        assert!(self.left.is_empty() && self.passed.is_empty() && self.breaks.is_none(), "left undone");
    }
}

fn timed_out() -> Error {
    Error::new(
        Reason::TimedOut,
        "not all parties arrived within the time given; the barrier is broken until it is reset",
    )
}

/// What waiting at a broken barrier ends with.
fn broken(cause: Cause, why: &str) -> Error {
    let what = match cause {
        Cause::TimedOut => "the time of a party was over",
        Cause::Aborted => "somebody aborted it",
        Cause::Reset => "somebody reset it while parties were waiting",
        Cause::PartyLost => "the session of a party ended",
        Cause::Cancelled => "the call of a party was cancelled",
        Cause::ActionFailed => "its action failed",
    };
    let colon = if why.is_empty() { "" } else { ": " };
    let todo = if cause == Cause::Reset { "wait again" } else { "reset it to use it again" };
    let message = format!("the barrier is broken, as {what}{colon}{why}; {todo}");
    Error::new(Reason::BrokenBarrier, message).with("cause", cause.as_str())
}

/// What naming a token that is not that of the current action ends with.
fn stale(action: Token) -> Error {
    let message = format!("token {} is not that of the action that this session is to run", action.0);
    Error::new(Reason::Stale, message)
}

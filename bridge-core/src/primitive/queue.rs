//! Queue: FIFO, LIFO and priority; bounded; with leases and dead letters.
//!
//! An item is DELAYED, READY, out (OFFERED or LEASED, under a token) or DEAD, and in exactly one of these. It leaves by
//! ack, by an accepted get, by its time to live, by remove, purge or an immediate shutdown; whatever else ends a delivery returns
//! it to its position (key, arrival) or, where that is hopeless, makes it a dead letter.
//!
//! Invariants: `leased` and `gotten_total` are what their lists say; nobody present waits for what is READY,
//! or to put where there is room, except behind a batch that has its minimum and lingers, and behind a
//! putter that needs more room.

mod dedupe;
mod group;
mod hold;
mod item;
mod look;
mod prefetch;
mod put;
mod room;
mod schedule;
mod settle;
mod shutdown;
mod take;
mod takers;
mod tally;
mod transaction;
mod transfer;

use std::collections::BTreeMap;
use std::mem::take;

use crate::ascending::Ascending;
use crate::command::Reply as AnyReply;
use crate::command::queue::{Command, Discipline, Figures, Mode, Options, Reply};
use crate::error::Error;
use crate::ids::{Handle, ItemId, Token};
use crate::objects::object_gone;
use crate::primitive::{Granted, Loss, Primitive, Standing, Step, check_option, conclude, done};
use crate::session::{Offer, Serial};
use crate::time::Time;
use crate::wait::{Caller, Line, Place, Ticket, TicketKey, Want};
use crate::world::World;

use dedupe::Known;
use group::Groups;
use hold::Hold;
pub(crate) use item::Item;
use item::{Arrival, Ready};
use prefetch::Prefetched;
pub(crate) use put::check_new_item;
use room::Load;
use schedule::Schedule;
use settle::Failure;
use takers::Takers;
pub(crate) use transaction::Coming;

/// An item that is OFFERED, or LEASED once accepted.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Out {
    pub(crate) item: usize,
    pub(crate) caller: Caller,
    pub(crate) mode: Mode,
    pub(crate) accepted: bool,
    pub(crate) since: Time,
}

/// How a queue was shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Shut {
    Gracefully,
    Immediately,
}

/// The state of a queue.
#[derive(Debug, Default, Hash)]
pub(crate) struct Queue {
    declared: Options,
    ready: Ready,
    /// What of that is READY and must wait.
    groups: Groups,
    /// Bytes, where they are bounded.
    load: Option<Box<Load>>,
    /// What is not READY yet.
    delayed: BTreeMap<ItemId, usize>,
    schedule: Schedule,
    out: Ascending<Token, Out>,
    /// The leases of `out` that may not last for ever.
    holds: BTreeMap<Token, Hold>,
    /// How many of `out` are LEASED.
    leased: usize,
    /// Those of `out` that were given ahead of need.
    prefetched: Prefetched,
    /// In the order in which they died.
    dead: BTreeMap<Arrival, usize>,
    takers: Takers,
    putters: Line,
    joiners: Line,
    /// Items gotten and not done, by session, the oldest first.
    gotten: BTreeMap<Serial, u64>,
    gotten_total: u64,
    /// Gotten and not done by sessions that are over.
    lost: u64,
    /// Items done before they were gotten, as the standard library permits.
    done_early: u64,
    /// How many items have expired so far.
    expired: u64,
    shut: Option<Shut>,
    /// Which items are in the way of others.
    known: Known,
    /// The last arrival given at the front.
    front: Arrival,
}

impl Queue {
    #[inline]
    pub(crate) fn command(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        command: &mut Command,
    ) -> Step {
        match command {
            Command::Declare(options) => self.declare(me, world, take(options)),
            Command::Put { item, timeout } => self.put(me, world, caller, item, *timeout),
            Command::PutMany { items, timeout } => self.put_many(me, world, caller, take(items), *timeout),
            Command::Take { taking, timeout } => self.take(me, world, caller, *taking, *timeout),
            Command::Ack { tokens } => self.ack(me, world, caller, tokens),
            Command::Nack { tokens, reentry, delay, error } => {
                let error = Some(world.cut(take(error))).filter(|error| !error.is_empty());
                self.nack(me, world, caller, tokens, Failure { reentry: *reentry, delay: *delay, error })
            }
            Command::Extend { tokens, max_hold, progress } => {
                self.extend(me, world, caller, tokens, *max_hold, progress.take())
            }
            Command::Reject { tokens, reason } => self.reject(me, world, caller, tokens, take(reason)),
            Command::TaskDone { count } => self.task_done(caller, *count),
            Command::Join { timeout } => self.join(me, world, caller, *timeout),
            Command::Forgive => self.forgive(),
            Command::Remove { ids } => self.remove(world, ids),
            Command::Purge => {
                let purged = self.drop_waiting(world);
                done(AnyReply::Queue(Reply::Purged(purged)))
            }
            Command::Shutdown { immediate } => self.shut_down(world, *immediate),
            // The engine runs them: they are about two queues.
            Command::Redrive(_) | Command::Move(_) => Err(object_gone()),
        }
    }

    /// What is wrong with a take or put in any case.
    pub(crate) fn check_wait(&self, world: &World, caller: &Caller, command: &Command) -> Result<(), Error> {
        match command {
            Command::Take { taking, .. } if taking.prefetch => {
                Err(Error::invalid("prefetch", "whoever selects waits, and so prefetches nothing"))
            }
            Command::Take { taking, .. } => self.check_take(world, caller, *taking),
            Command::Put { item, .. } => {
                let bytes = self.check_item(world, item)?;
                self.check_put(world, 1, bytes)
            }
            Command::PutMany { items, .. } => self.check_many(world, items).map(drop),
            _ => Ok(()),
        }
    }

    /// Whether there is nobody to be served, whatever has been freed.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.takers.is_empty()
            && self.takers.lingering.is_none()
            && self.putters.is_empty()
            && self.joiners.is_empty()
            && self.done_early == 0
            && self.shut.is_none()
    }

    fn declare(&mut self, me: Handle, world: &mut World, asked: Options) -> Step {
        let declared = &mut self.declared;
        let name_of = |discipline: &Discipline| format!("{discipline:?}").to_uppercase();
        check_option("discipline", &declared.discipline, &asked.discipline, name_of)?;
        check_option("maxsize", &declared.maxsize, &asked.maxsize, u64::to_string)?;
        check_option("max_bytes", &declared.max_bytes, &asked.max_bytes, u64::to_string)?;
        check_option("bound", &declared.bound, &asked.bound, |bound| format!("{bound:?}").to_uppercase())?;
        check_option("max_deliveries", &declared.max_deliveries, &asked.max_deliveries, u32::to_string)?;
        check_option("dead_letters", &declared.dead_letters, &asked.dead_letters, ToString::to_string)?;
        check_option("ephemeral", &declared.ephemeral, &asked.ephemeral, bool::to_string)?;
        check_option("robust", &declared.robust, &asked.robust, bool::to_string)?;
        declared.discipline = declared.discipline.or(asked.discipline);
        declared.maxsize = declared.maxsize.or(asked.maxsize);
        declared.max_bytes = declared.max_bytes.or(asked.max_bytes);
        declared.bound = declared.bound.or(asked.bound);
        declared.max_deliveries = declared.max_deliveries.or(asked.max_deliveries);
        declared.dead_letters = declared.dead_letters.take().or(asked.dead_letters);
        declared.ephemeral = declared.ephemeral.or(asked.ephemeral);
        declared.robust = declared.robust.or(asked.robust);
        let discipline = declared.discipline.unwrap_or_default();
        self.reorder(discipline, &world.items);
        self.begin_load(world);
        done(AnyReply::Queue(Reply::Declared { handle: me, options: Box::new(self.options()) }))
    }

    fn options(&self) -> Options {
        Options {
            discipline: Some(self.ready.discipline()),
            maxsize: Some(self.maxsize()),
            max_bytes: Some(self.max_bytes()),
            bound: Some(self.declared.bound.unwrap_or_default()),
            max_deliveries: Some(self.declared.max_deliveries.unwrap_or(0)),
            dead_letters: self.declared.dead_letters.clone(),
            ephemeral: Some(self.is_ephemeral()),
            robust: Some(self.is_robust()),
        }
    }
}

impl Primitive for Queue {
    fn leave(&mut self, ticket: &Ticket) {
        match &ticket.want {
            Want::Take { taking, .. } => self.takers.leave(taking, ticket.place),
            Want::Put { .. } => self.putters.leave(ticket.place),
            _ => self.joiners.leave(ticket.place),
        }
    }

    fn enter(&mut self, key: TicketKey, ticket: &Ticket) {
        self.leave(ticket);
        match &ticket.want {
            Want::Take { taking, .. } => self.takers.line(taking).enter(key, ticket),
            Want::Put { .. } => self.putters.enter(key, ticket),
            _ => self.joiners.enter(key, ticket),
        }
    }

    fn serve(&mut self, me: Handle, world: &mut World) {
        // Before blocked puts come in: they add to what is unfinished.
        if self.done_early > 0 || !self.joiners.is_empty() {
            self.serve_joiners(world);
        }
        loop {
            let mut served = false;
            while self.serve_taker(me, world) {
                served = true;
            }
            while self.serve_putter(me, world) {
                served = true;
            }
            if self.shut.is_some() {
                served |= self.end_takers(me, world);
            }
            if !served {
                break;
            }
        }
        self.recall(world, 0);
    }

    fn expire(&mut self, me: Handle, key: TicketKey, world: &mut World) {
        let Some(ticket) = world.tickets.get(key) else { return };
        let (away, want) = (ticket.away, ticket.want.clone());
        match want {
            Want::Take { taking, .. } => {
                let count = if away { 0 } else { self.takeable(world, key, taking.batch) };
                let place = ticket.place;
                self.takers.leave(&taking, place);
                let Some(ticket) = world.unpark(key) else { return };
                match count {
                    0 => world.answer(&ticket.caller, Err(self.empty())),
                    count => self.grant(me, world, &ticket.caller, taking, count, true),
                }
            }
            Want::Put { .. } => {
                self.putters.leave(ticket.place);
                world.drop_put(key);
                let error = self.full();
                conclude(world, key, Err(error));
            }
            _ => {
                self.joiners.leave(ticket.place);
                let error = self.not_joined();
                conclude(world, key, Err(error));
            }
        }
    }

    fn due(&mut self, me: Handle, _place: Place, world: &mut World) {
        self.pass_moment(me, world);
    }

    fn timers(&self) -> Box<dyn Iterator<Item = (Time, Place)> + '_> {
        Box::new(self.schedule.alarms())
    }

    fn accept(&mut self, me: Handle, offer: &Offer, world: &mut World) {
        self.accept_all(me, offer.tokens(), world);
    }

    fn refuse(&mut self, me: Handle, offer: &Offer, loss: Loss, world: &mut World) {
        offer.tokens().for_each(|token| self.refuse_one(me, token, loss, world));
    }

    fn offered(&self, offer: &Offer, world: &World) -> Option<AnyReply> {
        self.offered_again(offer, world)
    }

    fn recalls(&self, offer: &Offer) -> bool {
        self.prefetched.is_recalled(offer.first)
    }

    fn lose(&mut self, me: Handle, token: Token, world: &mut World) {
        if let Some(out) = self.take_out(world, token) {
            self.delivery_failed(me, world, out.item, out.caller.session, Failure::LOST);
        }
    }

    fn session_over(&mut self, serial: Serial, _world: &mut World) {
        self.lose_gotten(serial);
    }

    fn dissolve(&mut self, world: &mut World) -> Vec<TicketKey> {
        self.drop_waiting(world);
        self.forget_holds(world);
        let rest = self.out.iter().map(|(_, out)| out.item).chain(self.dead.values().copied());
        rest.for_each(|item| world.drop_item(item));
        self.out.clear();
        (self.groups, self.load) = (Groups::default(), None);
        self.prefetched = Prefetched::default();
        self.dead.clear();
        let mut waiting = self.takers.clear();
        waiting.extend(self.putters.clear());
        waiting.extend(self.joiners.clear());
        waiting
    }

    fn is_ephemeral(&self) -> bool {
        self.declared.ephemeral.unwrap_or(false)
    }
    fn waiters(&self) -> Box<dyn Iterator<Item = TicketKey> + '_> {
        Box::new(self.takers.iter().chain(self.putters.iter()).chain(self.joiners.iter()))
    }

    fn grants(&self) -> Box<dyn Iterator<Item = Granted> + '_> {
        Box::new(self.out.iter().map(|(token, out)| Granted {
            caller: out.caller,
            token,
            count: 1,
            since: out.since,
            accepted: out.accepted,
            item: Some(out.item),
        }))
    }

    fn standing(&self) -> Standing {
        let Figures { ready, held_back, delayed, offered, leased, dead, unfinished, lost, shut_down, .. } =
            self.figures();
        let shut_down = if shut_down { " shut down" } else { "" };
        let lost = if lost > 0 { format!(" lost={lost}") } else { String::new() };
        let held_back = if held_back > 0 { format!(" held_back={held_back}") } else { String::new() };
        let words = format!(
            "ready={ready}{held_back} delayed={delayed} offered={offered} leased={leased} dead={dead} \
             unfinished={unfinished}{lost}{shut_down}"
        );
        let waiting = self.takers.len() + self.putters.len() + self.joiners.len();
        Standing { grants: offered + leased, waiting: waiting as u64, words }
    }

    fn check(&self, world: &World) {
        self.check_queue(world);
    }
}

//! Taking: one atomic step, single or in batches; what is granted is out under a token until it is settled.

use std::mem::take;
use std::sync::Arc;
use std::time::Duration;

use crate::command::queue::{Batch, Deliveries, Delivery, End, Mode, Reply, Taken, Taking};
use crate::command::{Carrier, Mode as SessionMode, Reply as AnyReply};
use crate::error::{Error, Reason};
use crate::ids::{Handle, Token};
use crate::items::Items;
use crate::mutant::Mutant;
use crate::payload::Payload;
use crate::primitive::queue::hold::{Hold, check_max_hold};
use crate::primitive::queue::item::Item;
use crate::primitive::queue::{Out, Queue, Shut};
use crate::primitive::{Loss, Step};
use crate::session::{Offer, Serial};
use crate::time::{Time, Timeout};
use crate::timer::{Due, Subject};
use crate::wait::{Caller, Place, TicketKey, Want};
use crate::world::{World, session_required};

impl Queue {
    #[inline(always)]
    pub(super) fn take(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        taking: Taking,
        timeout: Timeout,
    ) -> Step {
        self.check_take(world, caller, taking)?;
        let batch = taking.batch;
        let now_or_never = timeout == Timeout::NOW;
        if taking.prefetch && timeout != Timeout::Never {
            let message =
                "a timeout was given to a take that prefetches, which waits for as long as it is wanted";
            return Err(Error::invalid("timeout", message));
        }
        let may_have = world.is_present(caller) && !(taking.prefetch && self.takers.somebody_waits());
        let count = if may_have { self.takeable_now(world, batch, now_or_never) } else { 0 };
        if count > 0 {
            self.grant(me, world, caller, taking, count, false);
            return Ok(None);
        }
        if now_or_never {
            // Who is paused would not be given it either.
            if world.is_present(caller) {
                self.recall(world, batch.min);
            }
            let ends = self.shut.is_some() && self.ready.len() == 0 && self.nothing_can_come(world, caller);
            return Err(if ends { self.is_shut_down() } else { self.empty() });
        }
        let want = Want::Take { taking, lingers_until: None };
        let key = world.park(caller, me, want, timeout)?;
        self.takers.line(&taking).enter(key, &world.tickets[key]);
        Ok(None)
    }

    /// What is wrong with a take in any case.
    #[inline(always)]
    pub(super) fn check_take(&self, world: &World, caller: &Caller, taking: Taking) -> Result<(), Error> {
        let Taking { mode, batch, max_hold, end, prefetch } = taking;
        check_batch(world, batch)?;
        if max_hold.is_some() {
            check_max_hold(mode, max_hold)?;
        }
        if end == End::Back {
            self.check_end("taken from the back")?;
        }
        if mode == Mode::Lease && caller.mode == SessionMode::Sessionless {
            return Err(session_required("lease"));
        }
        if prefetch {
            check_prefetch(caller, batch)?;
        }
        Ok(())
    }

    pub(super) fn empty(&self) -> Error {
        let (ready, held_back) = (self.ready.len(), self.groups.len());
        let held_back = match held_back {
            0 => String::new(),
            count => format!(", and {count} more wait for others of their groups"),
        };
        let message = format!("not enough items within the time given: {ready} are READY{held_back}");
        Error::new(Reason::Empty, message)
    }

    /// Minima up to this are met.
    #[inline]
    fn enough(&self, world: &World) -> u32 {
        match self.is_at_bound(world) {
            true => u32::MAX,
            false => u32::try_from(self.ready.len()).unwrap_or(u32::MAX),
        }
    }

    /// How many items a batch that has not waited gets.
    #[inline]
    fn takeable_now(&self, world: &World, batch: Batch, now_or_never: bool) -> usize {
        let ready = self.ready.len();
        if ready == 0 || (batch.min as usize > ready && !self.is_at_bound(world)) {
            return 0;
        }
        // Who is content with what is READY and still waits is a batch that lingers: it is served first.
        if !self.takers.is_empty() && self.takers.first(self.enough(world)).is_some() {
            return 0;
        }
        match now_or_never || self.is_complete(world, batch) {
            true => ready.min(batch.max as usize),
            false => 0,
        }
    }

    #[inline]
    fn is_complete(&self, world: &World, batch: Batch) -> bool {
        batch.linger.is_zero() || self.ready.len() >= batch.max as usize || self.is_at_bound(world)
    }

    /// How many items a waiting batch gets when its time is over.
    pub(super) fn takeable(&self, world: &World, key: TicketKey, batch: Batch) -> usize {
        match self.ready.len() > 0
            && self.takers.first(self.enough(world)).is_some_and(|(_, first)| first == key)
        {
            true => self.ready.len().min(batch.max as usize),
            false => 0,
        }
    }

    /// Serves the first taker that can be served.
    pub(super) fn serve_taker(&mut self, me: Handle, world: &mut World) -> bool {
        if self.takers.is_empty() && self.takers.lingering.is_none() {
            return false;
        }
        let first = if self.ready.len() == 0 { None } else { self.takers.first(self.enough(world)) };
        if let Some(former) = self.takers.lingering.filter(|former| first != Some(*former)) {
            self.takers.lingering = None;
            stop_lingering(world, former);
        }
        let Some((place, key)) = first else { return false };
        let Some(ticket) = world.tickets.get(key) else { return false };
        let Want::Take { taking, lingers_until } = ticket.want else { return false };
        let batch = taking.batch;
        if !self.is_complete(world, batch) && lingers_until.is_none_or(|until| until > world.now) {
            if lingers_until.is_none() {
                self.takers.lingering = Some((place, key));
                linger(world, key, world.now + batch.linger);
            }
            return false;
        }
        self.takers.lingering = None;
        self.takers.leave(&taking, ticket.place);
        let Some(ticket) = world.unpark(key) else { return true };
        let count = self.ready.len().min(batch.max as usize);
        self.grant(me, world, &ticket.caller, taking, count, true);
        true
    }

    /// Nothing more will come: the first taker gets what is READY, though it wanted more.
    pub(super) fn serve_last(&mut self, me: Handle, world: &mut World) -> bool {
        let Some((_, key)) = self.takers.first(u32::MAX) else { return false };
        let Some(ticket) = world.tickets.get(key) else { return false };
        let Want::Take { taking, .. } = ticket.want else { return false };
        self.takers.leave(&taking, ticket.place);
        let Some(ticket) = world.unpark(key) else { return true };
        let count = self.ready.len().min(taking.batch.max as usize);
        self.grant(me, world, &ticket.caller, taking, count, true);
        true
    }

    /// Hands out the next `count` items.
    #[inline]
    pub(super) fn grant(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        taking: Taking,
        count: usize,
        parked: bool,
    ) {
        let first = world.numbers(count as u64);
        let tokens = || (first..).map(Token).take(count);
        let Taking { mode, prefetch, .. } = taking;
        if !caller.grant_is_final(parked) || prefetch {
            let deliveries = tokens().map_while(|token| self.lend(world, caller, &taking, token)).collect();
            return world.offer(caller, me, Token(first), count as u32, reply(mode, deliveries));
        }
        if mode == Mode::Lease {
            let deliveries = tokens().map_while(|token| self.lend(world, caller, &taking, token)).collect();
            self.accept_all(me, tokens(), world);
            return world.answer(caller, Ok(reply(mode, deliveries)));
        }
        // No batch has two of a group, not even one that is accepted at once: groups are freed when it is complete.
        let mut freed = Vec::new();
        let deliveries = match count {
            1 => self.give(world, taking.end, Token(first), &mut freed).into_iter().collect(),
            _ => tokens().map_while(|token| self.give(world, taking.end, token, &mut freed)).collect(),
        };
        freed.iter().for_each(|group| self.free_group(&world.items, Some(group)));
        self.note_gotten(caller.serial, count as u64);
        world.answer(caller, Ok(reply(mode, deliveries)));
    }

    /// Takes the next item for good, where one is READY and nobody waits; see `engine/at_once.rs`.
    #[inline(always)]
    pub(crate) fn get_at_once(&mut self, world: &mut World, serial: Serial) -> Option<Delivery> {
        if self.ready.len() == 0 {
            return None;
        }
        let token = Token(world.number());
        let mut freed = Vec::new();
        let delivery = self.give(world, End::Front, token, &mut freed);
        freed.iter().for_each(|group| self.free_group(&world.items, Some(group)));
        self.note_gotten(serial, 1);
        delivery
    }

    /// The next item leaves what is READY.
    #[inline(always)]
    fn next(&mut self, world: &mut World, end: End) -> Option<usize> {
        let item = self.ready.pop(end, &world.items)?;
        if let Some(load) = &mut self.load {
            load.leaves(&world.items[item]);
        }
        if world.items[item].extra.is_some() {
            self.forget_times(world, item);
            self.close_group(&world.items[item]);
        }
        Some(item)
    }

    /// The next item leaves the queue for good.
    #[inline(always)]
    fn give(
        &mut self,
        world: &mut World,
        end: End,
        token: Token,
        freed: &mut Vec<Arc<str>>,
    ) -> Option<Delivery> {
        let item = self.next(world, end)?;
        let now = world.now;
        let given = &mut world.items[item];
        freed.extend(given.group().cloned());
        let payload = take(&mut given.payload);
        let delivery = delivery(given, payload, token, now);
        world.drop_item(item);
        Some(delivery)
    }

    /// The next item is out under a token.
    fn lend(
        &mut self,
        world: &mut World,
        caller: &Caller,
        taking: &Taking,
        token: Token,
    ) -> Option<Delivery> {
        let item = self.next(world, taking.end)?;
        let since = world.now;
        let lent = &mut world.items[item];
        lent.seen = true;
        if let Some(load) = &mut self.load {
            load.goes_out(lent);
        }
        let delivery = delivery(lent, lent.payload.clone(), token, since);
        self.out.push(token, Out { item, caller: *caller, mode: taking.mode, accepted: false, since });
        if taking.prefetch {
            self.prefetched.note(token);
        }
        if let Some(max_hold) = taking.max_hold {
            self.holds.insert(token, Hold::new(max_hold));
        }
        Some(delivery)
    }

    /// The offers of these items have reached their caller.
    pub(super) fn accept_all(&mut self, me: Handle, tokens: impl Iterator<Item = Token>, world: &mut World) {
        let mut gotten: Option<(Serial, u64)> = None;
        for token in tokens {
            let Some(out) = self.out.get_mut(token).filter(|out| !out.accepted) else { continue };
            let Caller { session, serial, .. } = out.caller;
            if !self.prefetched.is_empty() {
                self.prefetched.forget(token);
            }
            match out.mode {
                Mode::Lease if !Mutant::LeaseEarly.is_on() => {
                    out.accepted = true;
                    self.leased += 1;
                    if let Some(session) = world.sessions.get_mut(session) {
                        session.holds.insert(token, me);
                    }
                    if !self.holds.is_empty() {
                        self.begin_hold(me, world, token);
                    }
                }
                Mode::Get | Mode::Lease => {
                    let item = out.item;
                    self.out.remove(token);
                    self.is_out_no_more(&world.items, item);
                    world.drop_item(item);
                    gotten.get_or_insert((serial, 0)).1 += 1;
                }
            }
        }
        if let Some((serial, count)) = gotten {
            self.note_gotten(serial, count);
        }
    }

    /// The offer of one item goes back.
    pub(super) fn refuse_one(&mut self, me: Handle, token: Token, loss: Loss, world: &mut World) {
        if self.out.get(token).is_none_or(|out| out.accepted) {
            return;
        }
        let Some(out) = self.take_out(world, token) else { return };
        world.items[out.item].attempts += u32::from(Mutant::OfferCountsAsAttempt.is_on());
        let crashes_max = world.limits.crashed_offers_max;
        if loss == Loss::Expired {
            world.note_consumer(out.item, out.caller.session);
            let item = &mut world.items[out.item];
            item.crashes += 1;
            if item.crashes >= crashes_max {
                return self.bury(me, world, out.item, "CONSUMER_CRASHED".into());
            }
        }
        self.put_back(me, world, out.item, Duration::ZERO);
    }

    /// Ends the delivery of that token.
    pub(super) fn take_out(&mut self, world: &mut World, token: Token) -> Option<Out> {
        let out = self.out.remove(token)?;
        if !self.prefetched.is_empty() {
            self.prefetched.forget(token);
        }
        if let Some(hold) = self.holds.remove(&token) {
            self.schedule.clear(world, hold.over);
        }
        self.leased -= usize::from(out.accepted);
        self.is_out_no_more(&world.items, out.item);
        Some(out)
    }

    /// An item has left `out`.
    fn is_out_no_more(&mut self, items: &Items, item: usize) {
        let item = &items[item];
        if let Some(load) = &mut self.load {
            load.is_out_no_more(item);
        }
        if item.extra.is_some() {
            self.free_group(items, item.group());
        }
    }

    /// An item re-enters at its position after so long, above the bound if need be.
    pub(super) fn put_back(&mut self, me: Handle, world: &mut World, item: usize, delay: Duration) {
        match self.shut {
            Some(Shut::Immediately) => self.bury(me, world, item, "SHUT_DOWN".into()),
            _ if world.items[item].expires_at().is_some_and(|at| at <= world.now) => {
                self.expire_item(me, world, item);
            }
            _ => {
                self.shelve(me, world, item, delay);
                if !delay.is_zero() && !Mutant::GroupOvertaken.is_on() {
                    self.keep_place(&world.items, item);
                }
            }
        }
    }

    pub(super) fn offered_again(&self, offer: &Offer, world: &World) -> Option<AnyReply> {
        let mode = self.out.from(offer.first).next().map(|(_, out)| out.mode)?;
        let outs = offer.tokens().filter_map(|token| self.out.get(token).map(|out| (token, out)));
        let deliveries: Deliveries = outs
            .map(|(token, out)| {
                let item = &world.items[out.item];
                delivery(item, item.payload.clone(), token, out.since)
            })
            .collect();
        (!deliveries.is_empty()).then_some(reply(mode, deliveries))
    }
}

#[inline(always)]
fn check_batch(world: &World, batch: Batch) -> Result<(), Error> {
    let Batch { max, min, .. } = batch;
    if min == 0 || max < min {
        let message = format!("max is {max} and min is {min}; give max >= min >= 1");
        return Err(Error::invalid("max", message));
    }
    let limit = world.limits.batch_max;
    if max > limit {
        let message = format!("{max} items were asked for; at most {limit} go in one take");
        return Err(Error::limit("batch_max", limit.into()).with_message(message));
    }
    Ok(())
}

/// Only a stream can be told that an item is recalled, and items are recalled one by one.
#[cold]
fn check_prefetch(caller: &Caller, batch: Batch) -> Result<(), Error> {
    if caller.mode == SessionMode::Sessionless || caller.carrier == Carrier::Call {
        return Err(Error::invalid("prefetch", "a unary call cannot prefetch; use a session's stream"));
    }
    match batch == Batch::ONE {
        true => Ok(()),
        false => {
            Err(Error::invalid("prefetch", "a take that prefetches takes one item; ask for several such"))
        }
    }
}

fn linger(world: &mut World, key: TicketKey, until: Time) {
    if let Some(ticket) = world.tickets.get_mut(key)
        && let Want::Take { lingers_until, .. } = &mut ticket.want
    {
        *lingers_until = Some(until);
        world.timers.set(until, ticket.place, Due::Linger, Subject::Ticket(key));
    }
}

fn stop_lingering(world: &mut World, (place, key): (Place, TicketKey)) {
    if let Some(ticket) = world.tickets.get_mut(key).filter(|ticket| ticket.place == place)
        && let Want::Take { lingers_until, .. } = &mut ticket.want
        && let Some(until) = lingers_until.take()
    {
        world.timers.clear(until, ticket.place, Due::Linger);
    }
}

#[inline(always)]
fn reply(mode: Mode, deliveries: Deliveries) -> AnyReply {
    AnyReply::Queue(Reply::Taken(Box::new(Taken { mode, deliveries })))
}

#[inline(always)]
fn delivery(item: &Item, payload: Payload, token: Token, now: Time) -> Delivery {
    Delivery {
        id: item.id,
        payload,
        key: item.key.clone(),
        token,
        attempt: item.attempts + 1,
        age: now.since(item.enqueued_at),
    }
}

//! A queue's part where items go to another one: which they are, how they leave, and how they arrive.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::command::queue::Which;
use crate::error::Error;
use crate::ids::{Handle, ItemId};
use crate::mutant::Mutant;
use crate::primitive::queue::Queue;
use crate::primitive::queue::item::Arrival;
use crate::world::World;

impl Queue {
    /// The dead letters that are meant: DEAD here, or come from another queue and waiting.
    pub(crate) fn letters(&self, world: &World, which: &Which) -> Result<Vec<usize>, Error> {
        let is_letter = |item: &usize| world.items[*item].death().is_some();
        let dead = self.dead.values().copied();
        Ok(match self.bounded(world, which, u64::MAX)? {
            Bounded::First(count) => {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                dead.chain(self.in_order(world).filter(is_letter)).take(count).collect()
            }
            Bounded::Ids(ids) => {
                let wanted: BTreeSet<ItemId> = ids.iter().copied().collect();
                let dead = dead.filter(|item| wanted.contains(&world.items[*item].id));
                let waiting = ids.iter().filter_map(|id| self.find_waiting(*id)).filter(is_letter);
                dead.chain(waiting).collect()
            }
        })
    }

    /// The waiting items that are meant.
    pub(crate) fn movable(&self, world: &World, which: &Which) -> Result<Vec<usize>, Error> {
        let max = world.limits.batch_max;
        Ok(match self.bounded(world, which, max.into())? {
            Bounded::First(count) => self.in_order(world).take(count as usize).collect(),
            Bounded::Ids(ids) => ids.iter().filter_map(|id| self.find_waiting(*id)).collect(),
        })
    }

    fn bounded(&self, world: &World, which: &Which, all: u64) -> Result<Bounded, Error> {
        let max = world.limits.batch_max;
        let too_many = |count: u64| {
            let message = format!("{count} items were asked for; at most {max} go in one call");
            Err(Error::limit("batch_max", max.into()).with_message(message))
        };
        match which {
            Which::All => Ok(Bounded::First(all)),
            Which::First(0) => Err(Error::invalid("max", "max is 0; give at least 1")),
            Which::First(count) if *count > all => too_many(*count),
            Which::First(count) => Ok(Bounded::First(*count)),
            Which::Ids(ids) if ids.len() > max as usize => too_many(ids.len() as u64),
            Which::Ids(ids) => {
                let mut seen = BTreeSet::new();
                Ok(Bounded::Ids(ids.iter().copied().filter(|id| seen.insert(*id)).collect()))
            }
        }
    }

    /// What is READY, in the order in which it would leave, and then what is DELAYED, in the order of its puts.
    fn in_order<'a>(&'a self, world: &'a World) -> impl Iterator<Item = usize> + 'a {
        self.ready_after(&world.items, None).chain(self.delayed.values().copied())
    }

    pub(crate) fn check_open(&self) -> Result<(), Error> {
        if self.shut.is_some() { Err(self.is_shut_down()) } else { Ok(()) }
    }

    /// Whether these items can come from another queue.
    pub(crate) fn check_moved(&self, world: &World, items: &[usize]) -> Result<(), Error> {
        self.check_open()?;
        match items.is_empty()
            || Mutant::MovedBeyondBound.is_on()
            || self.putters.nobody_present() && self.has_room_for(world, items)
        {
            true => Ok(()),
            false => Err(self.full()),
        }
    }

    /// An item that is DEAD, READY or DELAYED leaves for another queue; says how long it is DELAYED still.
    pub(crate) fn part_with(&mut self, world: &mut World, item: usize) -> Duration {
        let arrival = world.items[item].arrival;
        if self.dead.get(&arrival) == Some(&item) {
            self.dead.remove(&arrival);
            return Duration::ZERO;
        }
        let ready = world.items[item].extra.as_ref().and_then(|extra| extra.ready);
        self.unshelve(world, item);
        // It is in nobody's way here any more.
        if let Some(extra) = &mut world.items[item].extra {
            extra.asked.dedupe = None;
        }
        ready.map_or(Duration::ZERO, |(at, _)| at.since(world.now))
    }

    /// A dead letter is put anew, above the bound if need be: nothing counts of its deliveries, and its time to live begins
    /// anew.
    pub(crate) fn revive(&mut self, me: Handle, world: &mut World, item: usize) {
        let now = world.now;
        if !Mutant::RedrivenOld.is_on() {
            world.items[item].attempts = 0;
        }
        let extra = world.items[item].extra_mut();
        extra.expires_at = extra.asked.ttl.map(|ttl| now + ttl);
        (extra.history.death, extra.history.earlier_attempts) = (None, 0);
        self.arrive(me, world, item, Duration::ZERO);
    }

    /// An item of another queue comes in as a new arrival, DELAYED for so long.
    pub(crate) fn take_in(&mut self, me: Handle, world: &mut World, item: usize, delay: Duration) {
        let former = &mut world.items[item].attempts;
        let attempts = if Mutant::MovedOld.is_on() { 0 } else { std::mem::take(former) };
        if attempts > 0 {
            world.items[item].history_mut().earlier_attempts += attempts;
        }
        self.arrive(me, world, item, delay);
    }

    fn arrive(&mut self, me: Handle, world: &mut World, item: usize, delay: Duration) {
        let (arrival, now) = (world.number() as Arrival, world.now);
        let arrived = &mut world.items[item];
        (arrived.arrival, arrived.enqueued_at) = (arrival, now);
        // Its put cannot be withdrawn any more.
        (arrived.crashes, arrived.seen) = (0, true);
        self.shelve(me, world, item, delay);
    }
}

/// Which items, within the limits.
enum Bounded {
    First(u64),
    /// Each once, in the order given.
    Ids(Vec<ItemId>),
}

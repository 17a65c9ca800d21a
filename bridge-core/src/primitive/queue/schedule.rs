//! What happens at its time: a DELAYED item is READY, one with a time to live expires, a lease is over. Nothing of it depends
//! on a living client, and the time during which the node was down counts.
//!
//! Invariants: an item's timers are set exactly while it is READY or DELAYED, that of a lease while it is accepted.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ids::{Handle, Token};
use crate::primitive::queue::Queue;
use crate::time::Time;
use crate::timer::{Due, Subject};
use crate::wait::Place;
use crate::world::World;

/// A timer of a queue.
pub(crate) type Alarm = (Time, Place);

/// What happens when a timer goes off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Moment {
    /// The item is READY.
    Ready(usize),
    /// The item expires.
    Expired(usize),
    /// The lease has lasted for its `max_hold`.
    Over(Token),
}

/// The timers of a queue.
#[derive(Debug, Default, Hash)]
pub(crate) struct Schedule {
    moments: BTreeMap<Alarm, Moment>,
}

impl Schedule {
    pub(super) fn set(&mut self, me: Handle, world: &mut World, at: Time, moment: Moment) -> Alarm {
        let alarm = (at, world.number());
        world.timers.set(alarm.0, alarm.1, Due::Own, Subject::Object(me));
        self.moments.insert(alarm, moment);
        alarm
    }

    pub(super) fn clear(&mut self, world: &mut World, alarm: Option<Alarm>) {
        if let Some(alarm) = alarm
            && self.moments.remove(&alarm).is_some()
        {
            world.timers.clear(alarm.0, alarm.1, Due::Own);
        }
    }

    /// Takes the first one, which has gone off.
    fn pop(&mut self) -> Option<Moment> {
        self.moments.pop_first().map(|(_, moment)| moment)
    }

    pub(super) fn alarms(&self) -> impl Iterator<Item = Alarm> {
        self.moments.keys().copied()
    }

    pub(super) fn moment(&self, alarm: Alarm) -> Option<Moment> {
        self.moments.get(&alarm).copied()
    }
}

impl Queue {
    /// How many items are READY or DELAYED: what `maxsize` bounds.
    pub(super) fn waiting_items(&self) -> usize {
        self.ready.len() + self.delayed.len() + self.groups.len()
    }

    /// An item waits, READY or DELAYED for so long.
    pub(super) fn shelve(&mut self, me: Handle, world: &mut World, item: usize, delay: Duration) {
        if let Some(load) = &mut self.load {
            load.comes(&world.items[item]);
        }
        if !delay.is_zero() {
            let alarm = self.schedule.set(me, world, world.now + delay, Moment::Ready(item));
            world.items[item].extra_mut().ready = Some(alarm);
            self.delayed.insert(world.items[item].id, item);
        } else {
            self.make_ready(&world.items, item);
        }
        if let Some(at) = world.items[item].expires_at() {
            let alarm = self.schedule.set(me, world, at, Moment::Expired(item));
            world.items[item].extra_mut().expires = Some(alarm);
        }
    }

    /// An item that is READY or DELAYED leaves.
    pub(super) fn unshelve(&mut self, world: &mut World, item: usize) {
        if let Some(load) = &mut self.load {
            load.leaves(&world.items[item]);
        }
        let delayed = self.delayed.remove(&world.items[item].id).is_some();
        if !delayed || world.items[item].group().is_some() {
            self.leave_ready(&world.items, item);
        }
        self.forget_times(world, item);
    }

    /// An item has left what is READY or DELAYED: its timers go.
    pub(super) fn forget_times(&mut self, world: &mut World, item: usize) {
        let Some(extra) = &mut world.items[item].extra else { return };
        let (ready, expires) = (extra.ready.take(), extra.expires.take());
        self.schedule.clear(world, ready);
        self.schedule.clear(world, expires);
    }

    /// The first timer of this queue has gone off.
    pub(super) fn pass_moment(&mut self, me: Handle, world: &mut World) {
        match self.schedule.pop() {
            Some(Moment::Ready(item)) => {
                self.delayed.remove(&world.items[item].id);
                world.items[item].extra_mut().ready = None;
                self.make_ready(&world.items, item);
            }
            Some(Moment::Expired(item)) => {
                world.items[item].extra_mut().expires = None;
                self.unshelve(world, item);
                self.expire_item(me, world, item);
            }
            Some(Moment::Over(token)) => self.end_hold(me, world, token),
            None => {}
        }
    }

    /// An item whose time to live is over, and which is nowhere: to the dead letters if named.
    pub(super) fn expire_item(&mut self, me: Handle, world: &mut World, item: usize) {
        self.expired += 1;
        match self.declared.dead_letters {
            Some(_) => self.bury(me, world, item, "EXPIRED".into()),
            None => world.drop_item(item),
        }
    }

    /// See the module's invariant.
    pub(super) fn check_schedule(&self, world: &World) {
        let mut set = 0;
        for (key, item) in self.item_keys().map(|key| (key, &world.items[key])) {
            let Some(extra) = &item.extra else { continue };
            let delayed = self.delayed.get(&item.id) == Some(&key);
            let ready = !delayed && self.find_waiting(item.id) == Some(key);
            let expires = extra.expires.and_then(|alarm| self.schedule.moment(alarm));
            let moment = extra.ready.and_then(|alarm| self.schedule.moment(alarm));
            let mortal = extra.expires_at.is_some() && (delayed || ready);
            assert_eq!(moment, delayed.then_some(Moment::Ready(key)), "the timer of a DELAYED item");
            assert_eq!(expires, mortal.then_some(Moment::Expired(key)), "the timer of a time to live");
            set += usize::from(delayed) + usize::from(mortal);
        }
        for (token, hold) in &self.holds {
            let out = self.out.get(*token).expect("a hold of nothing");
            let moment = hold.over.and_then(|alarm| self.schedule.moment(alarm));
            assert_eq!(moment, out.accepted.then_some(Moment::Over(*token)), "the timer of a lease");
            set += usize::from(out.accepted);
        }
        assert_eq!(self.schedule.moments.len(), set, "timers of nothing");
    }
}

//! An item, and the order in which READY ones leave.

use std::collections::BTreeMap;
use std::mem::take;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use crate::command::queue::{Attributes, Browsed, Cursor, Discipline, End, Key, NewItem, Shelf};
use crate::ids::{ItemId, Name};
use crate::items::Items;
use crate::mutant::Mutant;
use crate::payload::Payload;
use crate::primitive::queue::schedule::Alarm;
use crate::sequence::Sequence;
use crate::time::Time;

/// A place in the order of arrivals. That of a new arrival is its item's id; re-entry at the front of a queue
/// counts down from 0.
pub(crate) type Arrival = i64;

/// An item in the engine's table.
#[derive(Debug, Hash)]
pub(crate) struct Item {
    /// Given on admission.
    pub(crate) id: ItemId,
    pub(crate) payload: Payload,
    pub(crate) key: Key,
    /// What the payload retains.
    pub(crate) bytes: u64,
    pub(crate) arrival: Arrival,
    pub(crate) enqueued_at: Time,
    /// Deliveries in this queue that ended without an ack.
    pub(crate) attempts: u32,
    /// Sessions that died while it was offered to them.
    pub(crate) crashes: u32,
    /// Somebody has seen it: its put cannot be withdrawn any more.
    pub(crate) seen: bool,
    /// What few items have: `None` costs nothing.
    pub(crate) extra: Option<Box<Extra>>,
}

// Most items are plain: what only few have belongs into `Extra`.
const _: () = assert!(size_of::<Item>() <= 144);

/// What few items have.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Extra {
    /// What its put asked for.
    pub(crate) asked: Attributes,
    pub(crate) expires_at: Option<Time>,
    /// When it is READY, while it is DELAYED.
    pub(crate) ready: Option<Alarm>,
    /// When it expires, while it is READY or DELAYED.
    pub(crate) expires: Option<Alarm>,
    pub(crate) history: History,
}

/// What befell an item.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct History {
    /// Deliveries in queues before this one.
    pub(crate) earlier_attempts: u32,
    pub(crate) death: Option<Death>,
    pub(crate) last_error: Option<String>,
    /// How far the work was, as a consumer told last.
    pub(crate) progress: Option<String>,
    /// Who had it without an ack, in this queue and before; distinct, the first ones first.
    pub(crate) consumers: Vec<String>,
}

/// How an item became a dead letter.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Death {
    pub(crate) reason: String,
    pub(crate) at: Time,
    /// In which queue; none if it was never sent to another.
    pub(crate) from: Option<Name>,
}

impl Item {
    #[inline(always)]
    pub(crate) fn new(new: &mut NewItem, bytes: u64, now: Time) -> Self {
        Item {
            id: ItemId(0),
            payload: take(&mut new.payload),
            key: take(&mut new.key),
            bytes,
            arrival: 0,
            enqueued_at: now,
            attempts: 0,
            crashes: 0,
            seen: false,
            extra: new.attributes.take().map(|asked| Box::new(Extra { asked: *asked, ..Extra::default() })),
        }
    }

    pub(crate) fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    pub(crate) fn history_mut(&mut self) -> &mut History {
        &mut self.extra_mut().history
    }

    pub(crate) fn group(&self) -> Option<&Arc<str>> {
        self.extra.as_ref()?.asked.group.as_ref()
    }

    pub(crate) fn expires_at(&self) -> Option<Time> {
        self.extra.as_ref().and_then(|extra| extra.expires_at)
    }

    pub(crate) fn death(&self) -> Option<&Death> {
        self.extra.as_ref().and_then(|extra| extra.history.death.as_ref())
    }

    pub(crate) fn browsed(&self, shelf: Shelf, now: Time) -> Browsed {
        let extra = self.extra.as_deref();
        let history = extra.map(|extra| &extra.history);
        let death = self.death();
        let left = |alarm: Option<Alarm>| alarm.map(|(at, _)| at.since(now));
        Browsed {
            id: self.id,
            payload: self.payload.clone(),
            key: self.key.clone(),
            shelf,
            attempts: self.attempts + history.map_or(0, |history| history.earlier_attempts),
            age: now.since(self.enqueued_at),
            ready_in: left(extra.and_then(|extra| extra.ready)),
            expires_in: left(extra.and_then(|extra| extra.expires)),
            dead_reason: death.map(|death| death.reason.clone()),
            dead_from: death.and_then(|death| death.from.clone()),
            dead_for: death.map(|death| now.since(death.at)),
            progress: history.and_then(|history| history.progress.clone()),
            group: self.group().cloned(),
            last_error: history.and_then(|history| history.last_error.clone()),
            consumers: history.map_or_else(Vec::new, |history| history.consumers.clone()),
        }
    }
}

/// The READY items of a queue in the order in which they leave.
#[derive(Debug, Default, Hash)]
pub(crate) struct Ready {
    order: Order,
    /// Items that are not found in the order by their id: keyed ones, and those that have moved.
    moved: BTreeMap<ItemId, usize>,
}

#[derive(Debug, Hash)]
enum Order {
    Fifo(Sequence<Arrival, usize>),
    Lifo(Sequence<Arrival, usize>),
    Priority(BTreeMap<(Key, Arrival), usize>),
}

impl Default for Order {
    fn default() -> Self {
        Order::Fifo(Sequence::default())
    }
}

impl Ready {
    pub(crate) fn discipline(&self) -> Discipline {
        match self.order {
            Order::Fifo(_) => Discipline::Fifo,
            Order::Lifo(_) => Discipline::Lifo,
            Order::Priority(_) => Discipline::Priority,
        }
    }

    /// Brings what is there into another order.
    pub(crate) fn reorder(&mut self, discipline: Discipline, items: &Items) {
        if discipline == self.discipline() {
            return;
        }
        let all: Vec<usize> = self.iter().collect();
        self.moved.clear();
        self.order = match discipline {
            Discipline::Fifo => Order::Fifo(Sequence::default()),
            Discipline::Lifo => Order::Lifo(Sequence::default()),
            Discipline::Priority => Order::Priority(BTreeMap::new()),
        };
        for key in all {
            self.insert(key, &items[key]);
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        match &self.order {
            Order::Fifo(order) | Order::Lifo(order) => order.len(),
            Order::Priority(order) => order.len(),
        }
    }

    #[inline(always)]
    pub(crate) fn insert(&mut self, key: usize, item: &Item) {
        let found_by_id = match &mut self.order {
            Order::Fifo(order) | Order::Lifo(order) => {
                order.insert(item.arrival, key);
                item.arrival == item.id.0 as Arrival
            }
            Order::Priority(order) => {
                order.insert((item.key.clone(), item.arrival), key);
                false
            }
        };
        if !found_by_id {
            self.moved.insert(item.id, key);
        }
    }

    /// Takes the next one out; the front is the only end of what is not FIFO.
    #[inline]
    pub(crate) fn pop(&mut self, end: End, items: &Items) -> Option<usize> {
        let key = match &mut self.order {
            Order::Fifo(order) if end == End::Front && !Mutant::FifoBroken.is_on() => order.pop_first()?,
            Order::Fifo(order) => order.pop_last()?,
            Order::Lifo(order) => order.pop_last()?,
            Order::Priority(order) if Mutant::PriorityIgnored.is_on() => order.pop_last()?.1,
            Order::Priority(order) => order.pop_first()?.1,
        };
        if !self.moved.is_empty() {
            self.moved.remove(&items[key].id);
        }
        Some(key)
    }

    pub(crate) fn find(&self, id: ItemId) -> Option<usize> {
        if let Some(key) = self.moved.get(&id) {
            return Some(*key);
        }
        match &self.order {
            Order::Fifo(order) | Order::Lifo(order) => order.get(id.0 as Arrival).copied(),
            Order::Priority(_) => None,
        }
    }

    pub(crate) fn remove(&mut self, item: &Item) {
        match &mut self.order {
            Order::Fifo(order) | Order::Lifo(order) => drop(order.remove(item.arrival)),
            Order::Priority(order) => drop(order.remove(&(item.key.clone(), item.arrival))),
        };
        self.moved.remove(&item.id);
    }

    /// Takes all of them out, in order.
    pub(crate) fn clear(&mut self) -> Vec<usize> {
        let all = self.iter().collect();
        let discipline = self.discipline();
        *self = Ready::default();
        self.reorder(discipline, &Items::default());
        all
    }

    /// In the order in which they leave.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        self.after(None)
    }

    /// Those that leave after the cursor's place.
    pub(crate) fn after(&self, cursor: Option<&Cursor>) -> Box<dyn Iterator<Item = usize> + '_> {
        match &self.order {
            Order::Fifo(order) => {
                let from = cursor.map_or(Arrival::MIN, |cursor| cursor.arrival.saturating_add(1));
                Box::new(order.from(from).map(|(_, key)| *key))
            }
            Order::Lifo(order) => {
                let to = cursor.map_or(Arrival::MAX, |cursor| cursor.arrival);
                Box::new(order.before(to).map(|(_, key)| *key))
            }
            Order::Priority(order) => {
                let from = cursor.map_or(Unbounded, |c| Excluded((c.key.clone(), c.arrival)));
                Box::new(order.range((from, Unbounded)).map(|(_, key)| *key))
            }
        }
    }

    /// See the invariants of the order.
    pub(crate) fn check(&self) {
        if let Order::Fifo(order) | Order::Lifo(order) = &self.order {
            order.check();
        }
    }
}

//! What the objects do, as docs/semantics.md says it, with nothing of how the engine does it.
//!
//! A call that was cancelled has no effect in the end, and may have had one meanwhile: what it had been given goes back later. So it is two
//! steps: it tries, and it takes that back.

use std::collections::BTreeMap;

use super::checker::Spec;

fn only<T>(possible: bool, after: impl FnOnce() -> T) -> Vec<T> {
    possible.then(after).into_iter().collect()
}

/// Names a cancelled call.
pub(crate) type Id = u64;

/// A bounded FIFO queue, section 5.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Queue {
    maxsize: usize,
    /// In the order in which they came; what a cancelled get took is not there, and keeps its place.
    items: Vec<(u64, Option<Id>)>,
    /// Cancelled puts that have tried.
    tried: BTreeMap<Id, bool>,
}

#[derive(Clone, Debug)]
pub(crate) enum OfQueue {
    Put(u64),
    Full,
    Got(u64),
    Empty,
    Size(usize),
    /// A put that was cancelled: it may have been in for a while, unseen by any get.
    TryPut(u64, Id),
    Withdraw(u64, Id),
    /// A get that was cancelled: its item goes back to its place.
    TryGet(Id),
    GiveBack(Id),
}

impl Queue {
    pub(crate) fn new(maxsize: usize) -> Self {
        Queue { maxsize, ..Queue::default() }
    }

    fn ready(&self) -> usize {
        self.items.iter().filter(|(_, taken)| taken.is_none()).count()
    }

    fn first(&self) -> Option<usize> {
        self.items.iter().position(|(_, taken)| taken.is_none())
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut after = self.clone();
        change(&mut after);
        after
    }
}

impl Spec for Queue {
    type Step = OfQueue;

    fn after(&self, step: &OfQueue) -> Vec<Self> {
        let has_room = self.ready() < self.maxsize;
        match *step {
            OfQueue::Put(value) => only(has_room, || self.with(|queue| queue.items.push((value, None)))),
            OfQueue::Full => only(!has_room, || self.clone()),
            OfQueue::Got(value) => match self.first() {
                Some(first) if self.items[first].0 == value => {
                    vec![self.with(|queue| _ = queue.items.remove(first))]
                }
                _ => Vec::new(),
            },
            OfQueue::Empty => only(self.ready() == 0, || self.clone()),
            OfQueue::Size(size) => only(self.ready() == size, || self.clone()),
            OfQueue::TryPut(value, id) => {
                let mut all = vec![self.with(|queue| _ = queue.tried.insert(id, false))];
                all.extend(only(has_room, || {
                    self.with(|queue| {
                        queue.items.push((value, None));
                        queue.tried.insert(id, true);
                    })
                }));
                all
            }
            OfQueue::Withdraw(value, id) => match self.tried.get(&id) {
                None => Vec::new(),
                Some(false) => vec![self.with(|queue| _ = queue.tried.remove(&id))],
                Some(true) => {
                    let found = self.items.iter().position(|item| *item == (value, None));
                    let withdrawn = |index| {
                        self.with(|queue| {
                            queue.items.remove(index);
                            queue.tried.remove(&id);
                        })
                    };
                    found.map(withdrawn).into_iter().collect()
                }
            },
            OfQueue::TryGet(id) => {
                let taken = |first: usize| self.with(|queue| queue.items[first].1 = Some(id));
                std::iter::once(self.clone()).chain(self.first().map(taken)).collect()
            }
            OfQueue::GiveBack(id) => {
                let found = self.items.iter().position(|(_, taken)| *taken == Some(id));
                found.map(|index| self.with(|queue| queue.items[index].1 = None)).into_iter().collect()
            }
        }
    }
}

/// Who has a lock or permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Holder {
    Token(u64),
    /// A cancelled call, which gives it back.
    Cancelled(Id),
}

/// Permits, section 7; with one permit a lock, section 8. Tokens only grow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Permits {
    limit: u32,
    held: BTreeMap<Holder, u32>,
    /// The highest token so far.
    last: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum OfPermits {
    Acquired {
        permits: u32,
        token: u64,
    },
    /// At that moment not even so many were free, or somebody before it waited for as many.
    TimedOut {
        most: u32,
    },
    Released {
        token: u64,
    },
    Try(u32, Id),
    GiveBack(Id),
}

impl Permits {
    pub(crate) fn new(limit: u32) -> Self {
        Permits { limit, held: BTreeMap::new(), last: 0 }
    }

    fn free(&self) -> u32 {
        self.limit - self.held.values().sum::<u32>()
    }

    fn with(&self, holder: Holder, permits: u32) -> Self {
        let mut after = self.clone();
        after.held.insert(holder, permits);
        after
    }

    fn without(&self, holder: Holder) -> Vec<Self> {
        let mut after = self.clone();
        only(after.held.remove(&holder).is_some(), || after)
    }
}

impl Spec for Permits {
    type Step = OfPermits;

    fn after(&self, step: &OfPermits) -> Vec<Self> {
        match *step {
            OfPermits::Acquired { permits, token } => {
                only(permits <= self.free() && token > self.last, || Permits {
                    last: token,
                    ..self.with(Holder::Token(token), permits)
                })
            }
            OfPermits::TimedOut { most } => only(self.free() < most, || self.clone()),
            OfPermits::Released { token } => self.without(Holder::Token(token)),
            OfPermits::Try(permits, id) => {
                let got = only(permits <= self.free(), || self.with(Holder::Cancelled(id), permits));
                std::iter::once(self.clone()).chain(got).collect()
            }
            OfPermits::GiveBack(id) => self.without(Holder::Cancelled(id)),
        }
    }
}

/// An event, section 6.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Event {
    is_set: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum OfEvent {
    Set,
    Clear,
    /// What a wait ended with, or a look found.
    Found(bool),
}

impl Spec for Event {
    type Step = OfEvent;

    fn after(&self, step: &OfEvent) -> Vec<Self> {
        match step {
            OfEvent::Set => vec![Event { is_set: true }],
            OfEvent::Clear => vec![Event { is_set: false }],
            OfEvent::Found(is_set) => only(self.is_set == *is_set, || self.clone()),
        }
    }
}

/// A value that is a number, section 11. Versions only grow; 0: it is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Value {
    number: i64,
    version: u64,
    /// A change whose answer is not known has given it a higher one.
    is_higher: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum OfValue {
    Got {
        number: i64,
        version: u64,
    },
    /// To what, and under which version now; not known where the answer is not.
    Set {
        number: i64,
        version: Option<u64>,
    },
    Swapped {
        expected: u64,
        number: i64,
        version: Option<u64>,
    },
    NotSwapped {
        expected: u64,
        found: u64,
    },
    Added {
        by: i64,
        sum: Option<i64>,
        version: Option<u64>,
    },
}

impl Value {
    fn may_be(&self, version: u64) -> bool {
        version == self.version && !self.is_higher || version > self.version && self.is_higher
    }

    fn changed(&self, number: i64, version: Option<u64>) -> Vec<Self> {
        match version {
            Some(version) => only(version > self.version, || Value { number, version, is_higher: false }),
            None => vec![Value { number, version: self.version, is_higher: true }],
        }
    }
}

impl Spec for Value {
    type Step = OfValue;

    fn after(&self, step: &OfValue) -> Vec<Self> {
        match *step {
            OfValue::Got { number, version } => {
                let seen = Value { number, version, is_higher: false };
                only(self.number == number && self.may_be(version), || seen)
            }
            OfValue::Set { number, version } => self.changed(number, version),
            OfValue::Swapped { expected, number, version } if self.may_be(expected) => {
                let known = Value { version: expected, is_higher: false, ..self.clone() };
                known.changed(number, version)
            }
            OfValue::Swapped { .. } => Vec::new(),
            OfValue::NotSwapped { expected, found } => {
                let seen = Value { version: found, is_higher: false, ..self.clone() };
                only(self.may_be(found) && found != expected, || seen)
            }
            OfValue::Added { by, sum, version } => match sum {
                Some(sum) if self.number + by != sum => Vec::new(),
                _ => self.changed(self.number + by, version),
            },
        }
    }
}

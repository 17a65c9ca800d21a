//! Where items are, when that changes by itself, and which is the next one out.

use std::time::Duration;

use bridge_core::Time;
use bridge_core::command::queue::{Discipline, Mode as Take, Scope};
use proptest::sample::Index;

use crate::model::Who;

use super::{Item, Queue, State};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Moment {
    Ready,
    Expired,
    Over,
}

impl Queue {
    /// An item waits, for the first time or again.
    pub(super) fn shelve(&mut self, label: usize, delay: Option<Duration>) {
        self.known += 2;
        let (now, known) = (self.now, self.known);
        let Some(item) = self.item(label) else { return };
        if item.expires_at.is_some_and(|at| at <= now) {
            self.expired += 1;
            return self.gone(label);
        }
        item.state = if delay.is_some() { State::Delayed } else { State::Ready };
        item.ready = delay.map(|delay| (now + delay, known));
        item.expires = item.expires_at.map(|at| (at, known + 1));
    }

    pub(super) fn place(&self, item: &Item) -> (u8, i64) {
        match self.discipline {
            Discipline::Fifo => (0, item.arrival),
            Discipline::Lifo => (0, -item.arrival),
            Discipline::Priority => (item.key, item.arrival),
        }
    }

    /// What can be taken, in order.
    pub(super) fn takeable(&self) -> Vec<usize> {
        let stands_before = |other: &Item, item: &Item| match other.state {
            State::Out { .. } => true,
            State::Dead => false,
            State::Delayed if !other.given_back => false,
            _ => self.place(other) < self.place(item),
        };
        let is_next = |item: &&Item| {
            let mut others = self.items.iter().filter(|other| other.group == item.group);
            item.state == State::Ready
                && (item.group.is_none() || !others.any(|other| stands_before(other, item)))
        };
        let mut takeable: Vec<_> = self.items.iter().filter(is_next).collect();
        takeable.sort_by_key(|item| self.place(item));
        takeable.into_iter().map(|item| item.label).collect()
    }

    /// The time of a lease counts from now on.
    pub(super) fn begin_hold(&mut self, label: usize) {
        self.known += 2;
        let (now, known) = (self.now, self.known);
        let Some(item) = self.item(label) else { return };
        item.over = item.max_hold.map(|max_hold| (now + max_hold, known));
    }

    /// When something happens to which item next, and what.
    pub(super) fn next_moment(&self) -> Option<(Time, u64, usize, Moment)> {
        let waiting = self.items.iter().filter(|i| matches!(i.state, State::Ready | State::Delayed));
        let moments = waiting.flat_map(|item| {
            let ready = item.ready.filter(|_| item.state == State::Delayed);
            let ready = ready.map(|(at, known)| (at, known, item.label, Moment::Ready));
            ready.into_iter().chain(item.expires.map(|(at, known)| (at, known, item.label, Moment::Expired)))
        });
        let leases = |item: &&Item| matches!(item.state, State::Out { accepted: true, .. });
        let leases = self.items.iter().filter(leases);
        let over =
            leases.filter_map(|item| item.over.map(|(at, known)| (at, known, item.label, Moment::Over)));
        moments.chain(over).min()
    }

    pub(super) fn front(&mut self) -> i64 {
        self.front -= 1;
        self.front
    }

    pub(super) fn arrival(&mut self) -> i64 {
        self.arrivals += 1;
        self.arrivals
    }

    pub(super) fn leased(&self, who: Who, index: &Index) -> Option<usize> {
        let own = |item: &&Item| matches!(item.state, State::Out { who: other, mode: Take::Lease, accepted: true, .. } if other == who);
        let own: Vec<_> = self.items.iter().filter(own).collect();
        (!own.is_empty()).then(|| own[index.index(own.len())].label)
    }

    pub(super) fn item(&mut self, label: usize) -> Option<&mut Item> {
        self.items.iter_mut().find(|item| item.label == label)
    }

    pub(super) fn failed(&mut self, label: usize, delay: Option<Duration>) {
        let max = self.max_deliveries;
        let Some(item) = self.item(label) else { return };
        item.attempts += 1;
        match max > 0 && item.attempts >= max {
            true => self.dies(label),
            false => {
                item.given_back = true;
                self.shelve(label, delay);
            }
        }
        self.clamp();
    }

    pub(super) fn dies(&mut self, label: usize) {
        self.deaths += 1;
        let deaths = self.deaths;
        if let Some(item) = self.item(label) {
            (item.state, item.died) = (State::Dead, deaths);
        }
    }

    pub(super) fn revive(&mut self, label: usize) {
        let (now, arrival) = (self.now, self.arrival());
        let Some(item) = self.item(label) else { return };
        (item.attempts, item.arrival, item.seen, item.given_back) = (0, arrival, true, false);
        item.expires_at = item.ttl.map(|ttl| now + ttl);
        self.firsts.retain(|first| first.1 != label || matches!(first.2, Scope::Window(_)));
        self.shelve(label, None);
    }

    pub(super) fn clamp(&mut self) {
        self.early = self.early.min(self.present());
    }

    pub(super) fn gone(&mut self, label: usize) {
        self.items.retain(|item| item.label != label);
        self.clamp();
    }
}

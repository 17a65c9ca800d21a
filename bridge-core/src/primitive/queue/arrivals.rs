//! Items in order of arrival. What returns to an old place costs O(log n).

use std::collections::BTreeMap;

use crate::ascending::Ascending;
use crate::primitive::queue::item::Arrival;

#[derive(Debug, Default, Hash)]
pub(crate) struct Arrivals {
    /// What came in ascending order.
    recent: Ascending<Arrival, usize>,
    /// What came back to a place before the end.
    returned: BTreeMap<Arrival, usize>,
}

impl Arrivals {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.recent.len() + self.returned.len()
    }

    #[inline]
    pub(crate) fn insert(&mut self, arrival: Arrival, key: usize) {
        match self.recent.last_key() {
            Some(last) if last >= arrival => drop(self.returned.insert(arrival, key)),
            _ => self.recent.push(arrival, key),
        }
    }

    #[inline]
    pub(crate) fn pop_first(&mut self) -> Option<usize> {
        let recent = self.recent.first_key();
        let returned = self.returned.first_key_value().map(|(arrival, _)| *arrival);
        match returned.is_some_and(|first| recent.is_none_or(|recent| first < recent)) {
            true => self.returned.pop_first().map(|(_, key)| key),
            false => self.recent.pop_first(),
        }
    }

    pub(crate) fn pop_last(&mut self) -> Option<usize> {
        let recent = self.recent.last_key();
        let returned = self.returned.last_key_value().map(|(arrival, _)| *arrival);
        match returned.is_some_and(|last| recent.is_none_or(|recent| last > recent)) {
            true => self.returned.pop_last().map(|(_, key)| key),
            false => self.recent.pop_last(),
        }
    }

    pub(crate) fn get(&self, arrival: Arrival) -> Option<usize> {
        self.returned.get(&arrival).or_else(|| self.recent.get(arrival)).copied()
    }

    pub(crate) fn remove(&mut self, arrival: Arrival) {
        if self.returned.remove(&arrival).is_none() {
            self.recent.remove(arrival);
        }
    }

    /// Those after `arrival`, ascending.
    pub(crate) fn ascending(&self, after: Option<Arrival>) -> impl Iterator<Item = usize> {
        let from = after.map_or(Arrival::MIN, |after| after.saturating_add(1));
        let recent = self.recent.from(from).map(|(arrival, key)| (arrival, *key));
        let returned = self.returned.range(from..).map(|(arrival, key)| (*arrival, *key));
        merge(recent, returned, |a, b| a < b)
    }

    /// Those before `arrival`, descending.
    pub(crate) fn descending(&self, before: Option<Arrival>) -> impl Iterator<Item = usize> {
        let to = before.unwrap_or(Arrival::MAX);
        let recent = self.recent.before(to).map(|(arrival, key)| (arrival, *key));
        let returned = self.returned.range(..to).rev().map(|(arrival, key)| (*arrival, *key));
        merge(recent, returned, |a, b| a > b)
    }

    pub(crate) fn check(&self) {
        self.recent.check();
    }
}

fn merge(
    one: impl Iterator<Item = (Arrival, usize)>,
    other: impl Iterator<Item = (Arrival, usize)>,
    before: impl Fn(Arrival, Arrival) -> bool,
) -> impl Iterator<Item = usize> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || {
        let from_one = match (one.peek(), other.peek()) {
            (Some((a, _)), Some((b, _))) => before(*a, *b),
            (one, _) => one.is_some(),
        };
        let next = if from_one { one.next() } else { other.next() };
        next.map(|(_, key)| key)
    })
}

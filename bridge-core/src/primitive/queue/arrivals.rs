//! Items in order of arrival, made for what queues do nearly always: append at the one end, take from the
//! other. What returns to an old place, and what leaves from the middle, costs O(log n) amortised.
//!
//! Invariants: `recent` ascends, neither of its ends is a hole, and at most half of it are holes.

use std::collections::{BTreeMap, VecDeque};

use crate::primitive::queue::item::Arrival;

#[derive(Debug, Default, Hash)]
pub(crate) struct Arrivals {
    /// What came in ascending order; `None` is a hole that something left in the middle.
    recent: VecDeque<(Arrival, Option<usize>)>,
    holes: usize,
    /// What came back to a place before the end.
    returned: BTreeMap<Arrival, usize>,
}

impl Arrivals {
    pub(crate) fn len(&self) -> usize {
        self.recent.len() - self.holes + self.returned.len()
    }

    pub(crate) fn insert(&mut self, arrival: Arrival, key: usize) {
        match self.recent.back() {
            Some((last, _)) if *last >= arrival => drop(self.returned.insert(arrival, key)),
            _ => self.recent.push_back((arrival, Some(key))),
        }
    }

    pub(crate) fn pop_first(&mut self) -> Option<usize> {
        let recent = self.recent.front().map(|(arrival, _)| *arrival);
        if self
            .returned
            .first_key_value()
            .is_some_and(|(first, _)| recent.is_none_or(|recent| *first < recent))
        {
            return self.returned.pop_first().map(|(_, key)| key);
        }
        let (_, key) = self.recent.pop_front()?;
        self.trim();
        key
    }

    pub(crate) fn pop_last(&mut self) -> Option<usize> {
        let recent = self.recent.back().map(|(arrival, _)| *arrival);
        if self.returned.last_key_value().is_some_and(|(last, _)| recent.is_none_or(|recent| *last > recent))
        {
            return self.returned.pop_last().map(|(_, key)| key);
        }
        let (_, key) = self.recent.pop_back()?;
        self.trim();
        key
    }

    pub(crate) fn get(&self, arrival: Arrival) -> Option<usize> {
        self.returned.get(&arrival).copied().or_else(|| self.recent[self.find(arrival)?].1)
    }

    pub(crate) fn remove(&mut self, arrival: Arrival) {
        if self.returned.remove(&arrival).is_some() {
            return;
        }
        let Some(index) = self.find(arrival) else { return };
        if self.recent[index].1.take().is_some() {
            self.holes += 1;
            self.trim();
        }
    }

    fn find(&self, arrival: Arrival) -> Option<usize> {
        self.recent.binary_search_by_key(&arrival, |(arrival, _)| *arrival).ok()
    }

    fn trim(&mut self) {
        if self.holes == 0 {
            return;
        }
        while let Some((_, None)) = self.recent.front() {
            self.recent.pop_front();
            self.holes -= 1;
        }
        while let Some((_, None)) = self.recent.back() {
            self.recent.pop_back();
            self.holes -= 1;
        }
        if self.holes > self.recent.len() / 2 {
            self.recent.retain(|(_, key)| key.is_some());
            self.holes = 0;
        }
    }

    /// Those after `arrival`, ascending.
    pub(crate) fn ascending(&self, after: Option<Arrival>) -> impl Iterator<Item = usize> {
        let from = after.map_or(Arrival::MIN, |after| after.saturating_add(1));
        let index = self.recent.partition_point(|(arrival, _)| *arrival < from);
        let recent = self.recent.range(index..).filter_map(|(arrival, key)| Some((*arrival, (*key)?)));
        let returned = self.returned.range(from..).map(|(arrival, key)| (*arrival, *key));
        merge(recent, returned, |a, b| a < b)
    }

    /// Those before `arrival`, descending.
    pub(crate) fn descending(&self, before: Option<Arrival>) -> impl Iterator<Item = usize> {
        let to = before.unwrap_or(Arrival::MAX);
        let index = self.recent.partition_point(|(arrival, _)| *arrival < to);
        let recent = self.recent.range(..index).rev().filter_map(|(arrival, key)| Some((*arrival, (*key)?)));
        let returned = self.returned.range(..to).rev().map(|(arrival, key)| (*arrival, *key));
        merge(recent, returned, |a, b| a > b)
    }

    /// See the module's invariants.
    pub(crate) fn check(&self) {
        assert_eq!(self.holes, self.recent.iter().filter(|(_, key)| key.is_none()).count(), "holes");
        assert!(self.holes <= self.recent.len() / 2, "too many holes");
        assert!(self.recent.iter().is_sorted_by(|a, b| a.0 < b.0), "recent ascends");
        let ends = [self.recent.front(), self.recent.back()];
        assert!(ends.iter().flatten().all(|(_, key)| key.is_some()), "a hole at the end");
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

//! A map whose keys come in ascending order, made for what is nearly always done with it: append at the end, take from
//! the front. What leaves from the middle costs O(log n), amortised.
//!
//! Invariants: the keys ascend, neither end is a hole, and at most half of the entries are holes. Beyond what is kept in any case, at
//! least an eighth of the room is used.

use std::collections::VecDeque;
use std::fmt::Debug;

use crate::sequence::Number;

/// Room for so many entries stays, once there was need for it.
const KEPT: usize = 1_024;

#[derive(Clone, Debug, Hash)]
pub(crate) struct Ascending<K, V> {
    /// `None` is a hole that something left in the middle.
    entries: VecDeque<(K, Option<V>)>,
    holes: usize,
}

impl<K, V> Default for Ascending<K, V> {
    fn default() -> Self {
        Ascending { entries: VecDeque::new(), holes: 0 }
    }
}

impl<K: Number, V> Ascending<K, V> {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.holes
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    #[inline]
    pub(crate) fn first_key(&self) -> Option<K> {
        self.entries.front().map(|(key, _)| *key)
    }

    #[inline]
    pub(crate) fn last_key(&self) -> Option<K> {
        self.entries.back().map(|(key, _)| *key)
    }

    /// Appends under a key that is greater than all before.
    #[inline]
    pub(crate) fn push(&mut self, key: K, value: V) {
        debug_assert!(self.last_key().is_none_or(|last| last < key), "{key:?} does not ascend");
        self.entries.push_back((key, Some(value)));
    }

    #[inline]
    pub(crate) fn get(&self, key: K) -> Option<&V> {
        self.entries[self.find(key)?].1.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let index = self.find(key)?;
        self.entries[index].1.as_mut()
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let index = self.find(key)?;
        if index == 0 {
            return self.pop_first();
        }
        let value = self.entries[index].1.take()?;
        self.holes += 1;
        self.trim();
        Some(value)
    }

    #[inline]
    pub(crate) fn pop_first(&mut self) -> Option<V> {
        let (_, value) = self.entries.pop_front()?;
        self.trim();
        value
    }

    pub(crate) fn pop_last(&mut self) -> Option<V> {
        let (_, value) = self.entries.pop_back()?;
        self.trim();
        value
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.holes = 0;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.entries.iter().filter_map(|(key, value)| Some((*key, value.as_ref()?)))
    }

    pub(crate) fn into_entries(self) -> impl Iterator<Item = (K, V)> {
        self.entries.into_iter().filter_map(|(key, value)| Some((key, value?)))
    }

    /// Those from `key` on.
    pub(crate) fn from(&self, key: K) -> impl Iterator<Item = (K, &V)> {
        let index = self.entries.partition_point(|(other, _)| *other < key);
        self.entries.range(index..).filter_map(|(key, value)| Some((*key, value.as_ref()?)))
    }

    /// Those before `key`, the last one first.
    pub(crate) fn before(&self, key: K) -> impl Iterator<Item = (K, &V)> {
        let index = self.entries.partition_point(|(other, _)| *other < key);
        self.entries.range(..index).rev().filter_map(|(key, value)| Some((*key, value.as_ref()?)))
    }

    /// Keeps what is to be kept.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(K, &mut V) -> bool) {
        self.entries.retain_mut(|(key, value)| value.as_mut().is_some_and(|value| keep(*key, value)));
        self.holes = 0;
        self.shrink();
    }

    /// Where numbers follow on each other without gaps, its place is its distance from the first; it is never behind that.
    #[inline]
    fn find(&self, key: K) -> Option<usize> {
        let first = self.first_key().filter(|first| *first <= key)?;
        let guess = key.behind(first).min(self.entries.len() - 1);
        match self.entries[guess].0 == key {
            true => Some(guess),
            false => self.search(key),
        }
    }

    #[inline(never)]
    fn search(&self, key: K) -> Option<usize> {
        self.entries.binary_search_by_key(&key, |(other, _)| *other).ok()
    }

    /// Something has left.
    #[inline]
    fn trim(&mut self) {
        if self.holes > 0 {
            self.drop_holes();
        }
        self.shrink();
    }

    #[inline]
    fn drop_holes(&mut self) {
        while let Some((_, None)) = self.entries.front() {
            self.entries.pop_front();
            self.holes -= 1;
        }
        while let Some((_, None)) = self.entries.back() {
            self.entries.pop_back();
            self.holes -= 1;
        }
        if self.holes > self.entries.len() / 2 {
            self.entries.retain(|(_, value)| value.is_some());
            self.holes = 0;
        }
    }

    /// Gives room back that is not needed any more.
    #[inline]
    fn shrink(&mut self) {
        if self.entries.capacity() > KEPT && self.entries.len() < self.entries.capacity() / 8 {
            self.shrink_now();
        }
    }

    #[inline(never)]
    fn shrink_now(&mut self) {
        self.entries.shrink_to((self.entries.len() * 2).max(KEPT));
    }

    /// See the module's invariants.
    pub(crate) fn check(&self) {
        let (len, room) = (self.entries.len(), self.entries.capacity());
        assert!(room <= 2 * KEPT || len >= room / 8, "{room} places for {len}");
        assert_eq!(self.holes, self.entries.iter().filter(|(_, value)| value.is_none()).count(), "holes");
        assert!(self.holes <= self.entries.len() / 2, "too many holes");
        assert!(self.entries.iter().is_sorted_by(|a, b| a.0 < b.0), "the keys ascend");
        let ends = [self.entries.front(), self.entries.back()];
        assert!(ends.iter().flatten().all(|(_, value)| value.is_some()), "a hole at the end");
    }
}

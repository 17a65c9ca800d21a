//! A map by numbers that are given out in ascending order and, nearly always, come and leave in that order: then everything
//! costs O(1). What comes late, or returns to an old place, costs O(log n).

use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::ascending::Ascending;
use crate::ids::{Op, Token};

/// A key that is a number.
pub trait Number: Copy + Ord + Debug {
    /// How far it is behind `first`, which is not greater.
    fn behind(self, first: Self) -> usize;
}

impl Number for Op {
    #[inline]
    fn behind(self, first: Self) -> usize {
        (self.0 - first.0) as usize
    }
}

impl Number for Token {
    #[inline]
    fn behind(self, first: Self) -> usize {
        (self.0 - first.0) as usize
    }
}

impl Number for i64 {
    #[inline]
    fn behind(self, first: Self) -> usize {
        self.abs_diff(first) as usize
    }
}

/// See the [module](self).
#[derive(Clone, Debug, Hash)]
pub struct Sequence<K, V> {
    /// What came in ascending order.
    recent: Ascending<K, V>,
    /// What came before the end.
    late: BTreeMap<K, V>,
}

impl<K, V> Default for Sequence<K, V> {
    fn default() -> Self {
        Sequence { recent: Ascending::default(), late: BTreeMap::new() }
    }
}

impl<K: Number, V> Sequence<K, V> {
    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.recent.len() + self.late.len()
    }

    /// Whether there is nothing.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.recent.is_empty() && self.late.is_empty()
    }

    /// Puts it there instead of what was there.
    #[inline]
    pub fn insert(&mut self, key: K, value: V) {
        match self.recent.last_key() {
            Some(last) if last >= key => self.insert_late(key, value),
            _ if self.late.is_empty() => self.recent.push(key, value),
            _ => self.insert_beside_late(key, value),
        }
    }

    fn insert_late(&mut self, key: K, value: V) {
        match self.recent.get_mut(key) {
            Some(place) => *place = value,
            None => drop(self.late.insert(key, value)),
        }
    }

    fn insert_beside_late(&mut self, key: K, value: V) {
        match self.late.get_mut(&key) {
            Some(place) => *place = value,
            None => self.recent.push(key, value),
        }
    }

    /// What is there.
    #[inline]
    pub fn get(&self, key: K) -> Option<&V> {
        self.recent.get(key).or_else(|| self.late.get(&key))
    }

    /// What is there, to be changed.
    #[inline]
    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.recent.get_mut(key).or_else(|| self.late.get_mut(&key))
    }

    /// Takes it out.
    #[inline]
    pub fn remove(&mut self, key: K) -> Option<V> {
        self.recent.remove(key).or_else(|| self.late.remove(&key))
    }

    /// Takes the first out.
    #[inline]
    pub fn pop_first(&mut self) -> Option<V> {
        let recent = self.recent.first_key();
        let late = self.late.first_key_value().map(|(key, _)| *key);
        match late.is_some_and(|first| recent.is_none_or(|recent| first < recent)) {
            true => self.late.pop_first().map(|(_, value)| value),
            false => self.recent.pop_first(),
        }
    }

    /// Takes the last out.
    pub fn pop_last(&mut self) -> Option<V> {
        let recent = self.recent.last_key();
        let late = self.late.last_key_value().map(|(key, _)| *key);
        match late.is_some_and(|last| recent.is_none_or(|recent| last > recent)) {
            true => self.late.pop_last().map(|(_, value)| value),
            false => self.recent.pop_last(),
        }
    }

    /// Keeps what is to be kept.
    pub fn retain(&mut self, mut keep: impl FnMut(K, &mut V) -> bool) {
        self.recent.retain(&mut keep);
        self.late.retain(|key, value| keep(*key, value));
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        merge(self.recent.iter(), self.late.iter().map(|(key, value)| (*key, value)), |a, b| a < b)
    }

    /// All of them, in order.
    pub fn into_ordered(self) -> Vec<(K, V)> {
        let mut all: Vec<_> = self.recent.into_entries().chain(self.late).collect();
        all.sort_by_key(|(key, _)| *key);
        all
    }

    /// In the order of their numbers.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Those from `key` on, in order.
    pub fn from(&self, key: K) -> impl Iterator<Item = (K, &V)> {
        let late = self.late.range(key..).map(|(key, value)| (*key, value));
        merge(self.recent.from(key), late, |a, b| a < b)
    }

    /// Those before `key`, the last one first.
    pub fn before(&self, key: K) -> impl Iterator<Item = (K, &V)> {
        let late = self.late.range(..key).rev().map(|(key, value)| (*key, value));
        merge(self.recent.before(key), late, |a, b| a > b)
    }

    /// See [`Ascending`]; and nothing is in both parts.
    pub(crate) fn check(&self) {
        self.recent.check();
        assert!(self.late.keys().all(|key| self.recent.get(*key).is_none()), "twice");
    }
}

fn merge<'a, K: Number, V: 'a>(
    one: impl Iterator<Item = (K, &'a V)>,
    other: impl Iterator<Item = (K, &'a V)>,
    before: impl Fn(K, K) -> bool,
) -> impl Iterator<Item = (K, &'a V)> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || {
        let from_one = match (one.peek(), other.peek()) {
            (Some((a, _)), Some((b, _))) => before(*a, *b),
            (one, _) => one.is_some(),
        };
        if from_one { one.next() } else { other.next() }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::Sequence;
    use crate::ids::Op;

    /// What is done to both.
    #[derive(Clone, Debug)]
    enum Act {
        /// The next number, after a gap.
        Append(u64),
        Insert(u64),
        Remove(u64),
        PopFirst,
        PopLast,
        KeepMultiples(u64),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            6 => (1..3_u64).prop_map(Act::Append),
            2 => (0..80_u64).prop_map(Act::Insert),
            4 => (0..80_u64).prop_map(Act::Remove),
            2 => Just(Act::PopFirst),
            1 => Just(Act::PopLast),
            1 => (2..5_u64).prop_map(Act::KeepMultiples),
        ]
    }

    proptest! {
        #[test]
        fn it_is_an_ordered_map(acts in prop::collection::vec(act(), 0..200)) {
            let (mut sequence, mut model) = (Sequence::default(), BTreeMap::new());
            let mut end = 0;
            for (value, act) in acts.into_iter().enumerate() {
                match act {
                    Act::Append(gap) => {
                        end += gap;
                        sequence.insert(Op(end), value);
                        model.insert(Op(end), value);
                    }
                    Act::Insert(key) => {
                        sequence.insert(Op(key), value);
                        model.insert(Op(key), value);
                    }
                    Act::Remove(key) => prop_assert_eq!(sequence.remove(Op(key)), model.remove(&Op(key))),
                    Act::PopFirst => {
                        prop_assert_eq!(sequence.pop_first(), model.pop_first().map(|(_, value)| value));
                    }
                    Act::PopLast => {
                        prop_assert_eq!(sequence.pop_last(), model.pop_last().map(|(_, value)| value));
                    }
                    Act::KeepMultiples(of) => {
                        sequence.retain(|_, value| (*value as u64).is_multiple_of(of));
                        model.retain(|_, value| (*value as u64).is_multiple_of(of));
                    }
                }
                sequence.check();
                prop_assert_eq!((sequence.len(), sequence.is_empty()), (model.len(), model.is_empty()));
                let pairs = |(key, value): (&Op, &usize)| (*key, *value);
                let all: Vec<_> = sequence.iter().map(|(key, value)| (key, *value)).collect();
                prop_assert_eq!(&sequence.clone().into_ordered(), &all);
                prop_assert_eq!(all, model.iter().map(pairs).collect::<Vec<_>>());
                let middle = Op(end / 2);
                let from: Vec<_> = sequence.from(middle).map(|(key, value)| (key, *value)).collect();
                prop_assert_eq!(from, model.range(middle..).map(pairs).collect::<Vec<_>>());
                let before: Vec<_> = sequence.before(middle).map(|(key, value)| (key, *value)).collect();
                prop_assert_eq!(before, model.range(..middle).rev().map(pairs).collect::<Vec<_>>());
                for key in (0..end + 2).map(Op) {
                    prop_assert_eq!(sequence.get(key), model.get(&key));
                }
            }
        }
    }
}

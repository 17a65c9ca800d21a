//! What comes in: whether there is room for it, and what is in its way.

use std::ops::Range;

use bridge_core::command::queue::{Bound, Scope};

use super::steps::Times;
use super::{Item, Queue, State, label_text};

/// An item that is put: its label, its key, and what else is said of it.
pub(super) type New = (usize, u8, Times);

impl Queue {
    /// Labels of the items that the bounds count.
    pub(super) fn counted(&self) -> Vec<usize> {
        let counts = |item: &&Item| match item.state {
            State::Ready | State::Delayed => true,
            State::Out { .. } => self.bound == Bound::Unfinished,
            State::Dead => false,
        };
        self.items.iter().filter(counts).map(|item| item.label).collect()
    }

    pub(super) fn has_room(&self, new: &[New]) -> bool {
        let counted = self.counted();
        let labels = new.iter().map(|(label, ..)| *label);
        (self.maxsize == 0 || counted.len() + new.len() <= self.maxsize)
            && (self.max_bytes == 0 || bytes(counted.iter().copied().chain(labels)) <= self.max_bytes)
    }

    pub(super) fn never_fits(&self, labels: Range<usize>) -> bool {
        self.max_bytes > 0 && bytes(labels) > self.max_bytes
    }

    /// How a put ends that brings a duplicate.
    pub(super) fn duplicate(&self, new: &[New]) -> Option<String> {
        let (key, _, refuse) = new[0].2.dedupe?;
        let (_, label, scope, since) = *self.firsts.iter().find(|first| first.0 == key)?;
        let state = self.items.iter().find(|item| item.label == label).map(|item| &item.state);
        let in_the_way = match scope {
            Scope::Queued => matches!(state, Some(State::Ready | State::Delayed)),
            Scope::Unfinished => state.is_some_and(|state| *state != State::Dead),
            Scope::Window(window) => self.now < since + window,
        };
        in_the_way.then(|| if refuse { "DUPLICATE".into() } else { "duplicate".into() })
    }

    /// All of them come in; what the put is answered with.
    pub(super) fn admit(&mut self, new: &[New]) -> String {
        for (label, key, times) in new {
            if let Some((key, scope, _)) = times.dedupe {
                self.firsts.retain(|first| first.0 != key);
                self.firsts.push((key, *label, scope, self.now));
            }
            let arrival = match times.at_front && self.two_ends() {
                true => self.front(),
                false => self.arrival(),
            };
            let item = Item {
                label: *label,
                key: *key,
                group: times.group,
                arrival,
                state: State::Ready,
                given_back: false,
                attempts: 0,
                seen: false,
                died: 0,
                ttl: times.ttl,
                expires_at: times.ttl.map(|ttl| self.now + ttl),
                ready: None,
                max_hold: None,
                over: None,
                expires: None,
            };
            self.items.push(item);
            self.shelve(*label, times.delay);
        }
        match new {
            [(label, ..)] => format!("put {}", label_text(*label)),
            many => format!("put {} from {}", many.len(), label_text(many[0].0)),
        }
    }
}

fn bytes(labels: impl Iterator<Item = usize>) -> usize {
    labels.map(|label| label_text(label).len()).sum()
}

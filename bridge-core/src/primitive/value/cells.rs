//! The entries of a value or dict, and which of them end when.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::command::value::{Datum, Version};
use crate::ids::Handle;
use crate::session::Serial;
use crate::time::Time;
use crate::timer::{Due, Subject};
use crate::wait::Place;
use crate::world::World;

/// An entry.
#[derive(Clone, Debug, Hash)]
pub(super) struct Cell {
    pub(super) datum: Datum,
    pub(super) version: Version,
    pub(super) end: End,
}

/// How an entry ends, if it does by itself.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub(super) struct End {
    /// When its time is over, and the place of that timer.
    pub(super) dies: Option<(Time, Place)>,
    /// With which session it goes.
    pub(super) owner: Option<Serial>,
}

impl Cell {
    pub(super) fn bytes(&self, key: &Bytes) -> u64 {
        key.len() as u64 + self.datum.bytes_retained()
    }
}

/// All entries, by key.
#[derive(Debug, Default, Hash)]
pub(super) struct Cells {
    cells: BTreeMap<Bytes, Cell>,
    timed: BTreeMap<Place, Bytes>,
    bound: BTreeMap<Serial, BTreeSet<Bytes>>,
    bytes: u64,
}

impl Cells {
    pub(super) fn get(&self, key: &Bytes) -> Option<&Cell> {
        self.cells.get(key)
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Bytes> {
        self.cells.keys()
    }

    /// From the one after `key` on.
    pub(super) fn after(&self, key: Option<&Bytes>) -> impl Iterator<Item = (&Bytes, &Cell)> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.cells.range::<Bytes, _>((key.map_or(Unbounded, Excluded), Unbounded))
    }

    /// The entry whose time is over by that timer, which has gone off.
    pub(super) fn timed(&self, place: Place) -> Option<Bytes> {
        self.timed.get(&place).cloned()
    }

    /// The entries that go with a session.
    pub(super) fn of_session(&self, serial: Serial) -> Vec<Bytes> {
        self.bound.get(&serial).map_or_else(Vec::new, |keys| keys.iter().cloned().collect())
    }

    pub(super) fn timers(&self) -> impl Iterator<Item = (Time, Place)> {
        self.timed.values().filter_map(|key| self.cells.get(key).and_then(|cell| cell.end.dies))
    }

    /// Puts it in the place of what is there.
    pub(super) fn insert(&mut self, me: Handle, world: &mut World, key: Bytes, cell: Cell) {
        self.remove(world, &key);
        let bytes = cell.bytes(&key);
        self.bytes += bytes;
        world.store(1, bytes as i64);
        if let Some((at, place)) = cell.end.dies {
            world.timers.set(at, place, Due::Own, Subject::Object(me));
            self.timed.insert(place, key.clone());
        }
        if let Some(owner) = cell.end.owner {
            self.bound.entry(owner).or_default().insert(key.clone());
        }
        self.cells.insert(key, cell);
    }

    pub(super) fn remove(&mut self, world: &mut World, key: &Bytes) -> Option<Cell> {
        let cell = self.cells.remove(key)?;
        let bytes = cell.bytes(key);
        self.bytes -= bytes;
        world.store(-1, -(bytes as i64));
        if let Some((at, place)) = cell.end.dies {
            world.timers.clear(at, place, Due::Own);
            self.timed.remove(&place);
        }
        if let Some(owner) = cell.end.owner
            && let Some(keys) = self.bound.get_mut(&owner)
        {
            keys.remove(key);
            if keys.is_empty() {
                self.bound.remove(&owner);
            }
        }
        Some(cell)
    }

    pub(super) fn check(&self) {
        let bytes: u64 = self.cells.iter().map(|(key, cell)| cell.bytes(key)).sum();
        assert_eq!(self.bytes, bytes, "bytes of a dict");
        for (key, cell) in &self.cells {
            if let Some((_, place)) = cell.end.dies {
                assert_eq!(self.timed.get(&place), Some(key), "an entry without its timer");
            }
            if let Some(owner) = cell.end.owner {
                assert!(self.bound.get(&owner).is_some_and(|keys| keys.contains(key)), "bound to nobody");
            }
        }
        let timed = self.cells.values().filter(|cell| cell.end.dies.is_some()).count();
        let bound = self.cells.values().filter(|cell| cell.end.owner.is_some()).count();
        assert_eq!(self.timed.len(), timed, "timers of entries");
        assert_eq!(self.bound.values().map(BTreeSet::len).sum::<usize>(), bound, "bound entries");
    }
}

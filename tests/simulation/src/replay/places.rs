//! In which queue each item is: where it was put, or moved, or where it may have died or have been redriven since.

use std::collections::{BTreeMap, BTreeSet};

use bridge_core::ids::{Handle, ItemId, Name};

/// Where items may be. What is known for certain is one place.
#[derive(Default)]
pub(super) struct Places {
    at: BTreeMap<ItemId, BTreeSet<Handle>>,
    /// The queues that get the dead letters of others.
    letters: BTreeMap<Handle, Name>,
}

impl Places {
    /// Dead letters of a queue go there.
    pub(super) fn buries(&mut self, queue: Handle, letters: Name) {
        self.letters.insert(queue, letters);
    }

    /// It is in that queue.
    pub(super) fn put(&mut self, id: ItemId, queue: Handle) {
        self.at.insert(id, BTreeSet::from([queue]));
    }

    /// It is found in that queue.
    pub(super) fn found(&mut self, id: ItemId, queue: Handle, name: Option<&Name>) {
        // Of what timers put nobody is told.
        let Some(places) = self.at.get_mut(&id) else { return };
        let may_be = may_be(places, &self.letters, queue, name);
        assert!(may_be, "item {} is in {queue:?} and not where it was put or went: {places:?}", id.0);
        *places = BTreeSet::from([queue]);
    }

    /// It went to a queue that nobody has declared so far.
    pub(super) fn forget(&mut self, id: ItemId) {
        self.at.remove(&id);
    }

    /// Some of that queue went to one that nobody has declared so far.
    pub(super) fn forget_those_of(&mut self, from: Handle, name: Option<&Name>) {
        let letters = &self.letters;
        self.at.retain(|_, places| !may_be(places, letters, from, name));
    }

    /// Some dead letters of a queue are put anew: to another, or to where they died.
    pub(super) fn redriven(&mut self, from: Handle, name: Option<&Name>, to: Option<Handle>) {
        let homes: Vec<Handle> = to.map_or_else(|| self.letters.keys().copied().collect(), |to| vec![to]);
        for places in self.at.values_mut() {
            if may_be(places, &self.letters, from, name) {
                places.extend(&homes);
            }
        }
    }
}

fn may_be(
    places: &BTreeSet<Handle>,
    letters: &BTreeMap<Handle, Name>,
    queue: Handle,
    name: Option<&Name>,
) -> bool {
    let falls_there = |place: &Handle| name.is_some() && letters.get(place) == name;
    places.contains(&queue) || places.iter().any(falls_there)
}

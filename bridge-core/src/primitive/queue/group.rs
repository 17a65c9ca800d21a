//! Groups: of the items of a group at most one is OFFERED or LEASED, and they leave in the order of the queue.
//!
//! A group has at most one item in the order of what is READY: its next one, while none of it is out. The others are held
//! back here, so that no take walks past them. One that was given back with a delay keeps its place, and so holds back those
//! behind it.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use crate::command::queue::{Cursor, Discipline, Key};
use crate::error::Error;
use crate::ids::ItemId;
use crate::items::Items;
use crate::mutant::Mutant;
use crate::primitive::queue::Queue;
use crate::primitive::queue::item::{Arrival, Item};
use crate::world::World;

/// What leaves first is smallest.
type Place = (Key, Arrival);

/// The groups of a queue that have items.
#[derive(Debug, Default, Hash)]
pub(crate) struct Groups {
    by_name: BTreeMap<Arc<str>, Group>,
    /// READY items that their group holds back.
    held_back: BTreeMap<Place, usize>,
    by_id: BTreeMap<ItemId, usize>,
}

#[derive(Debug, Default, Hash)]
struct Group {
    /// One of it is OFFERED or LEASED.
    out: bool,
    /// The one that can be taken.
    open: Option<usize>,
    /// READY ones, and those that were given back with a delay.
    waiting: BTreeMap<Place, usize>,
}

impl Groups {
    /// How many READY items are held back.
    pub(super) fn len(&self) -> usize {
        self.held_back.len()
    }

    pub(super) fn find(&self, id: ItemId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn held_back(&self) -> impl Iterator<Item = usize> {
        self.held_back.values().copied()
    }

    /// Nothing waits any more: takes out what was held back.
    pub(super) fn clear_waiting(&mut self) -> Vec<usize> {
        self.by_name.retain(|_, group| {
            group.waiting.clear();
            group.open = None;
            group.out
        });
        self.by_id.clear();
        std::mem::take(&mut self.held_back).into_values().collect()
    }

    fn hold_back(&mut self, place: Place, id: ItemId, item: usize) {
        self.held_back.insert(place, item);
        self.by_id.insert(id, item);
    }

    fn let_go(&mut self, place: &Place, id: ItemId) {
        self.held_back.remove(place);
        self.by_id.remove(&id);
    }
}

fn place(discipline: Discipline, item: &Item) -> Place {
    at(discipline, &item.key, item.arrival)
}

fn at(discipline: Discipline, key: &Key, arrival: Arrival) -> Place {
    match discipline {
        Discipline::Fifo => (Key::default(), arrival),
        Discipline::Lifo => (Key::default(), -arrival),
        Discipline::Priority => (key.clone(), arrival),
    }
}

impl Queue {
    /// An item is READY: it can be taken, unless its group holds it back.
    pub(super) fn make_ready(&mut self, items: &Items, key: usize) {
        let item = &items[key];
        let Some(name) = item.group() else { return self.ready.insert(key, item) };
        let place = place(self.ready.discipline(), item);
        self.groups.hold_back(place.clone(), item.id, key);
        self.wait_in_group(items, name, place, key);
    }

    /// An item that was given back is DELAYED: those of its group that are behind it wait for it.
    pub(super) fn keep_place(&mut self, items: &Items, key: usize) {
        if let Some(name) = items[key].group() {
            self.wait_in_group(items, name, place(self.ready.discipline(), &items[key]), key);
        }
    }

    fn wait_in_group(&mut self, items: &Items, name: &Arc<str>, place: Place, key: usize) {
        match self.groups.by_name.get_mut(name) {
            Some(group) => drop(group.waiting.insert(place, key)),
            None => {
                let waiting = BTreeMap::from([(place, key)]);
                self.groups.by_name.insert(name.clone(), Group { waiting, ..Group::default() });
            }
        }
        self.open_next(items, name);
    }

    /// An item that waits leaves, and is not taken.
    pub(super) fn leave_ready(&mut self, items: &Items, key: usize) {
        let item = &items[key];
        let Some(name) = item.group() else { return self.ready.remove(item) };
        let Some(group) = self.groups.by_name.get_mut(name) else { return };
        let place = place(self.ready.discipline(), item);
        group.waiting.remove(&place);
        match group.open == Some(key) {
            true => {
                group.open = None;
                self.ready.remove(item);
            }
            false => self.groups.let_go(&place, item.id),
        }
        self.open_next(items, name);
    }

    /// The next one of a group has been taken: nothing of it can be before that has ended.
    pub(super) fn close_group(&mut self, item: &Item) {
        let discipline = self.ready.discipline();
        if let Some(group) = item.group().and_then(|name| self.groups.by_name.get_mut(name)) {
            group.waiting.remove(&place(discipline, item));
            (group.open, group.out) = (None, !Mutant::GroupLeftOpen.is_on());
        }
    }

    /// What was out of a group is not any more.
    pub(super) fn free_group(&mut self, items: &Items, name: Option<&Arc<str>>) {
        let Some(name) = name else { return };
        if let Some(group) = self.groups.by_name.get_mut(name) {
            group.out = Mutant::GroupLeftClosed.is_on();
            self.open_next(items, name);
        }
    }

    /// The next item of a group, and no other of it, can be taken.
    fn open_next(&mut self, items: &Items, name: &Arc<str>) {
        let discipline = self.ready.discipline();
        let Some(group) = self.groups.by_name.get_mut(name) else { return };
        let first = group.waiting.values().next().copied().filter(|_| !group.out);
        let next = first.filter(|key| !self.delayed.contains_key(&items[*key].id));
        let is_over = group.waiting.is_empty() && !group.out;
        if next != group.open {
            let former = std::mem::replace(&mut group.open, next);
            if let Some(key) = former {
                let item = &items[key];
                self.ready.remove(item);
                self.groups.hold_back(place(discipline, item), item.id, key);
            }
            if let Some(key) = next {
                let item = &items[key];
                self.groups.let_go(&place(discipline, item), item.id);
                self.ready.insert(key, item);
            }
        }
        if is_over {
            self.groups.by_name.remove(name);
        }
    }

    /// Brings what is READY into another order.
    pub(super) fn reorder(&mut self, discipline: Discipline, items: &Items) {
        if discipline == self.ready.discipline() {
            return;
        }
        self.ready.reorder(discipline, items);
        let anew = |keys: BTreeMap<Place, usize>| {
            keys.into_values().map(|key| (place(discipline, &items[key]), key)).collect()
        };
        self.groups.held_back = anew(std::mem::take(&mut self.groups.held_back));
        for group in self.groups.by_name.values_mut() {
            group.waiting = anew(std::mem::take(&mut group.waiting));
        }
        let names: Vec<_> = self.groups.by_name.keys().cloned().collect();
        names.iter().for_each(|name| self.open_next(items, name));
    }

    /// READY items in the order in which they would leave if no group held any back, those after the cursor's place.
    pub(super) fn ready_after<'a>(
        &'a self,
        items: &'a Items,
        cursor: Option<&Cursor>,
    ) -> Box<dyn Iterator<Item = usize> + 'a> {
        let open = self.ready.after(cursor);
        if self.groups.held_back.is_empty() {
            return open;
        }
        let discipline = self.ready.discipline();
        let from = cursor.map_or(Unbounded, |cursor| Excluded(at(discipline, &cursor.key, cursor.arrival)));
        let mut held_back = self.groups.held_back.range((from, Unbounded)).peekable();
        let mut open = open.peekable();
        Box::new(std::iter::from_fn(move || match (open.peek(), held_back.peek()) {
            (Some(key), Some((held, _))) if place(discipline, &items[*key]) > **held => {
                held_back.next().map(|(_, key)| *key)
            }
            (Some(_), _) => open.next(),
            (None, _) => held_back.next().map(|(_, key)| *key),
        }))
    }

    /// See the module's description.
    pub(super) fn check_groups(&self, world: &World) {
        let items = &world.items;
        let discipline = self.ready.discipline();
        let mut held_back = 0;
        for (name, group) in &self.groups.by_name {
            assert!(group.out || !group.waiting.is_empty(), "an empty group is kept");
            let out = self.out.iter().filter(|(_, out)| items[out.item].group() == Some(name)).count();
            assert_eq!(out, usize::from(group.out), "more than one of a group is out");
            let is_delayed = |key: usize| self.delayed.get(&items[key].id) == Some(&key);
            for (at, key) in &group.waiting {
                assert_eq!((at, Some(name)), (&place(discipline, &items[*key]), items[*key].group()));
                let held = self.groups.held_back.get(at) == Some(key);
                assert_eq!(held, group.open != Some(*key) && !is_delayed(*key), "held back or not");
                held_back += usize::from(held);
            }
            let first = group.waiting.values().next().copied();
            let next = first.filter(|key| !group.out && !is_delayed(*key));
            assert_eq!(group.open, next, "the next one of a group can be taken");
        }
        assert_eq!((held_back, held_back), (self.groups.held_back.len(), self.groups.by_id.len()));
        let in_order = |key: usize| self.ready.find(items[key].id) == Some(key);
        for key in self.ready.iter() {
            let group = items[key].group().map(|name| &self.groups.by_name[name]);
            assert!(in_order(key) && group.is_none_or(|group| group.open == Some(key)));
        }
    }
}

pub(super) fn check_group(world: &World, group: &str) -> Result<(), Error> {
    if group.is_empty() {
        return Err(Error::invalid("group", "group is empty; give at least one byte, or none for no group"));
    }
    let (bytes, max) = (group.len(), world.limits.key_bytes_max);
    if bytes > max as usize {
        let message = format!("the group has {bytes} bytes; at most {max} are allowed here");
        return Err(Error::limit("key_bytes_max", max.into()).with_message(message));
    }
    Ok(())
}

//! All items of a namespace, each at a place that queues and pipes know it by. Places are used again, the latest freed
//! first. An item is dropped where it is: most leave as they came, and moving one out would cost more than all else.

use std::ops::{Index, IndexMut};

use crate::primitive::queue::Item;

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Items {
    places: Vec<Option<Item>>,
    free: Vec<usize>,
}

impl Items {
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// The item is made where it stays.
    #[inline(always)]
    pub(crate) fn insert(&mut self, make: impl FnOnce() -> Item) -> usize {
        let place = match self.free.pop() {
            Some(place) => place,
            None => self.add_place(),
        };
        self.places[place] = Some(make());
        place
    }

    #[inline(never)]
    fn add_place(&mut self) -> usize {
        self.places.push(None);
        self.places.len() - 1
    }

    #[inline]
    pub(crate) fn get(&self, place: usize) -> Option<&Item> {
        self.places.get(place)?.as_ref()
    }

    /// Drops it; `false` where there is none.
    #[inline]
    pub(crate) fn remove(&mut self, place: usize) -> bool {
        match self.places.get_mut(place) {
            Some(found) if found.is_some() => {
                *found = None;
                self.free.push(place);
                true
            }
            _ => false,
        }
    }

    /// All of them, by place.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Item)> {
        self.places.iter().enumerate().filter_map(|(place, item)| Some((place, item.as_ref()?)))
    }
}

impl Index<usize> for Items {
    type Output = Item;

    #[inline]
    fn index(&self, place: usize) -> &Item {
        self.places[place].as_ref().expect("invariant: what is known by its place is there")
    }
}

impl IndexMut<usize> for Items {
    #[inline]
    fn index_mut(&mut self, place: usize) -> &mut Item {
        self.places[place].as_mut().expect("invariant: what is known by its place is there")
    }
}

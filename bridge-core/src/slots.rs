//! A table addressed by slot and generation, so that a key of something removed finds nothing.

use crate::ids::{Handle, SessionKey};

/// The table. Slots are reused, the latest freed first; generations start at 1.
#[derive(Debug, Hash)]
pub(crate) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    used: usize,
}

#[derive(Debug, Hash)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots { slots: Vec::new(), free: Vec::new(), used: 0 }
    }
}

impl<T> Slots<T> {
    /// How many are in use.
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    /// Puts a value where there is room.
    pub(crate) fn insert(&mut self, value: T) -> Handle {
        self.used += 1;
        if let Some(slot) = self.free.pop() {
            let place = &mut self.slots[slot as usize];
            place.generation += 1;
            place.value = Some(value);
            return Handle { slot, generation: place.generation };
        }
        self.slots.push(Slot { generation: 1, value: Some(value) });
        Handle { slot: (self.slots.len() - 1) as u32, generation: 1 }
    }

    /// What `key` stands for.
    #[inline]
    pub(crate) fn get(&self, key: Handle) -> Option<&T> {
        let slot = self.slots.get(key.slot as usize)?;
        if slot.generation == key.generation { slot.value.as_ref() } else { None }
    }

    /// What `key` stands for.
    #[inline]
    pub(crate) fn get_mut(&mut self, key: Handle) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        if slot.generation == key.generation { slot.value.as_mut() } else { None }
    }

    /// Takes it out.
    pub(crate) fn remove(&mut self, key: Handle) -> Option<T> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        let value = slot.value.take()?;
        self.used -= 1;
        if slot.generation < u32::MAX {
            self.free.push(key.slot);
        }
        Some(value)
    }
}

impl From<Handle> for SessionKey {
    fn from(handle: Handle) -> Self {
        SessionKey { slot: handle.slot, generation: handle.generation }
    }
}

impl From<SessionKey> for Handle {
    fn from(key: SessionKey) -> Self {
        Handle { slot: key.slot, generation: key.generation }
    }
}

//! The objects of one kind, by name and by handle.

use std::collections::BTreeMap;

use crate::error::{Error, Reason};
use crate::ids::{Handle, Name, Target};
use crate::slots::Slots;

/// An object in its table.
#[derive(Debug, Hash)]
pub(crate) struct Named<T> {
    pub(crate) name: Name,
    /// How many sessions use it.
    pub(crate) users: u32,
    pub(crate) state: T,
}

/// The table.
#[derive(Debug, Hash)]
pub(crate) struct Table<T> {
    slots: Slots<Named<T>>,
    names: BTreeMap<Name, Handle>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { slots: Slots::default(), names: BTreeMap::new() }
    }
}

impl<T: Default> Table<T> {
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// What `target` means, if it exists; `OBJECT_GONE` for a handle of something deleted.
    pub(crate) fn find(&self, target: &Target) -> Result<Option<Handle>, Error> {
        match target {
            Target::Name(name) => Ok(self.names.get(name).copied()),
            Target::Handle(handle) if self.slots.get(*handle).is_some() => Ok(Some(*handle)),
            Target::Handle(_) => Err(object_gone()),
        }
    }

    pub(crate) fn create(&mut self, name: &Name) -> Handle {
        let handle = self.slots.insert(Named { name: name.clone(), users: 0, state: T::default() });
        self.names.insert(name.clone(), handle);
        handle
    }

    pub(crate) fn get(&self, handle: Handle) -> Option<&Named<T>> {
        self.slots.get(handle)
    }

    pub(crate) fn get_mut(&mut self, handle: Handle) -> Option<&mut Named<T>> {
        self.slots.get_mut(handle)
    }

    pub(crate) fn remove(&mut self, handle: Handle) -> Option<Named<T>> {
        let named = self.slots.remove(handle)?;
        self.names.remove(&named.name);
        Some(named)
    }

    /// By name, from the one after `name`.
    pub(crate) fn after(&self, name: Option<&Name>) -> impl Iterator<Item = (Handle, &Named<T>)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = name.map_or(Unbounded, Excluded);
        let handles = self.names.range((from, Unbounded)).map(|(_, handle)| *handle);
        handles.filter_map(|handle| self.slots.get(handle).map(|named| (handle, named)))
    }
}

/// What naming a deleted object ends with.
pub(crate) fn object_gone() -> Error {
    Error::new(Reason::ObjectGone, "the object behind this handle is gone; declare it again, by name")
}

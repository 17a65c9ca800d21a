//! Duplicates: an item whose key says that another one, put before it, is the same.
//!
//! What is known of a key is read when it is asked for: an item that has left is in nobody's way any more, and is forgotten
//! when its key comes again or when room is needed. So what leaves a queue need not be looked up here.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::command::queue::{Dedupe, Reply, Scope};
use crate::command::{Outcome, Reply as AnyReply};
use crate::error::{Error, Reason};
use crate::ids::ItemId;
use crate::items::Items;
use crate::primitive::queue::Queue;
use crate::primitive::queue::item::Item;
use crate::time::Time;
use crate::world::World;

/// The latest item of each key.
#[derive(Debug, Default, Hash)]
pub(crate) struct Known {
    firsts: BTreeMap<Bytes, First>,
    /// At so many keys those that are in nobody's way are forgotten.
    sweep_at: usize,
}

#[derive(Debug, Hash)]
struct First {
    item: usize,
    id: ItemId,
    scope: Scope,
    since: Time,
}

/// Fewer keys than this are not worth a look.
const SWEEP_MIN: usize = 64;

impl Known {
    pub(super) fn note(&mut self, dedupe: Dedupe, item: usize, id: ItemId, now: Time) {
        self.firsts.insert(dedupe.key, First { item, id, scope: dedupe.scope, since: now });
    }

    /// An item was withdrawn, as if it had never been put.
    pub(super) fn forget(&mut self, item: &Item) {
        let dedupe = item.extra.as_ref().and_then(|extra| extra.asked.dedupe.as_ref());
        if let Some(dedupe) = dedupe
            && self.firsts.get(&dedupe.key).is_some_and(|first| first.id == item.id)
        {
            self.firsts.remove(&dedupe.key);
        }
    }
}

impl First {
    /// Whether it is still in the way of others. What died has lost its key.
    fn is_in_the_way(&self, items: &Items, now: Time, is_waiting: impl Fn(ItemId) -> bool) -> bool {
        match self.scope {
            Scope::Queued => is_waiting(self.id),
            Scope::Unfinished => {
                let item = items.get(self.item).filter(|item| item.id == self.id);
                item.and_then(|item| item.extra.as_ref()).is_some_and(|extra| extra.asked.dedupe.is_some())
            }
            Scope::Window(window) => now < self.since + window,
        }
    }
}

impl Queue {
    /// The item of which one with that key is a duplicate now.
    pub(super) fn duplicate_of(&self, world: &World, dedupe: &Dedupe) -> Option<ItemId> {
        let first = self.known.firsts.get(&dedupe.key)?;
        let is_waiting = |id| self.waits_under_its_key(world, id);
        first.is_in_the_way(&world.items, world.now, is_waiting).then_some(first.id)
    }

    fn waits_under_its_key(&self, world: &World, id: ItemId) -> bool {
        let item = self.find_waiting(id).map(|item| &world.items[item]);
        item.and_then(|item| item.extra.as_ref()).is_some_and(|extra| extra.asked.dedupe.is_some())
    }

    /// How a put ends that waited and is a duplicate by now, or whose key cannot be remembered any more.
    pub(super) fn ends_otherwise(&mut self, world: &World, item: usize) -> Option<Outcome> {
        let dedupe = world.items[item].extra.as_ref()?.asked.dedupe.as_ref()?;
        match self.duplicate_of(world, dedupe) {
            Some(id) => Some(duplicate(dedupe, id)),
            None => self.make_room_to_know(world).err().map(Err),
        }
    }

    /// One more key can be remembered.
    pub(super) fn make_room_to_know(&mut self, world: &World) -> Result<(), Error> {
        let max = world.limits.dedupe_keys_max;
        let known = self.known.firsts.len();
        if known < max as usize && known < self.known.sweep_at.max(SWEEP_MIN) {
            return Ok(());
        }
        let mut firsts = std::mem::take(&mut self.known.firsts);
        let is_waiting = |id| self.waits_under_its_key(world, id);
        firsts.retain(|_, first| first.is_in_the_way(&world.items, world.now, is_waiting));
        self.known = Known { sweep_at: 2 * firsts.len(), firsts };
        match self.known.firsts.len() < max as usize {
            true => Ok(()),
            false => Err(Error::limit("dedupe_keys_max", max.into())),
        }
    }
}

pub(super) fn duplicate(dedupe: &Dedupe, id: ItemId) -> Outcome {
    if !dedupe.refuse {
        return Ok(AnyReply::Queue(Reply::Duplicate(id)));
    }
    let message = format!("item {} of the same dedupe key is there already; nothing was put", id.0);
    Err(Error::new(Reason::Duplicate, message).with("id", id.0.to_string()))
}

pub(super) fn check_dedupe(world: &World, dedupe: &Dedupe) -> Result<(), Error> {
    if dedupe.key.is_empty() {
        return Err(Error::invalid("dedupe", "the dedupe key is empty; give at least one byte"));
    }
    let (bytes, max) = (dedupe.key.len(), world.limits.key_bytes_max);
    if bytes > max as usize {
        let message = format!("the dedupe key has {bytes} bytes; at most {max} are allowed here");
        return Err(Error::limit("key_bytes_max", max.into()).with_message(message));
    }
    if dedupe.scope == Scope::Window(std::time::Duration::ZERO) {
        return Err(Error::invalid("window", "window is 0; give more"));
    }
    Ok(())
}

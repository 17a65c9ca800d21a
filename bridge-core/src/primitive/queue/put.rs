//! Putting: an item comes in where there is room for it. Blocked puts stand in line.

use crate::command::Reply as AnyReply;
use crate::command::queue::{Attributes, Discipline, End, NewItem, Reply};
use crate::error::{Error, Reason};
use crate::ids::{Handle, ItemId};
use crate::mutant::Mutant;
use crate::primitive::queue::Queue;
use crate::primitive::queue::dedupe::{check_dedupe, duplicate};
use crate::primitive::queue::group::check_group;
use crate::primitive::queue::item::Arrival;
use crate::primitive::{Step, done};
use crate::time::Timeout;
use crate::wait::{Caller, Want};
use crate::world::World;

impl Queue {
    #[inline(always)]
    pub(super) fn put(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        item: &mut NewItem,
        timeout: Timeout,
    ) -> Step {
        let bytes = self.check_item(world, item)?;
        self.check_put(world, 1, bytes)?;
        if let Some(dedupe) = item.attributes.as_ref().and_then(|attributes| attributes.dedupe.as_ref()) {
            if let Some(id) = self.duplicate_of(world, dedupe) {
                return duplicate(dedupe, id).map(Some);
            }
            self.make_room_to_know(world)?;
        }
        if self.putters.nobody_present() && self.has_room(1, bytes) {
            let item = world.keep_item(item);
            return done(AnyReply::Queue(Reply::Put(self.admit(me, world, item))));
        }
        self.park_put(me, world, caller, [std::mem::take(item)], false, timeout)
    }

    /// Puts an item without attributes, where nobody waits and there is room; see `engine/at_once.rs`.
    #[inline(always)]
    pub(crate) fn put_at_once(
        &mut self,
        me: Handle,
        world: &mut World,
        item: &mut NewItem,
    ) -> Option<ItemId> {
        let bytes = self.check_item(world, item).ok()?;
        self.check_put(world, 1, bytes).ok()?;
        if !self.has_room(1, bytes) {
            return None;
        }
        let item = world.keep_item(item);
        Some(self.admit(me, world, item))
    }

    pub(super) fn put_many(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        items: Vec<NewItem>,
        timeout: Timeout,
    ) -> Step {
        let bytes = self.check_many(world, &items)?;
        if self.putters.nobody_present() && self.has_room(items.len(), bytes) {
            let admit = |mut item| {
                let item = world.keep_item(&mut item);
                self.admit(me, world, item)
            };
            return done(AnyReply::Queue(Reply::PutMany(items.into_iter().map(admit).collect())));
        }
        self.park_put(me, world, caller, items, true, timeout)
    }

    /// Checks what is wrong with a put of many in any case, and says how many bytes they retain.
    pub(super) fn check_many(&self, world: &World, items: &[NewItem]) -> Result<u64, Error> {
        let (count, max) = (items.len(), world.limits.batch_max);
        if count == 0 {
            return Err(Error::invalid("items", "items is empty; give at least one item"));
        }
        if count > max as usize {
            return Err(Error::limit("batch_max", max.into())
                .with_message(format!("{count} items were given; at most {max} go in one put")));
        }
        let dedupes = |item: &NewItem| item.attributes.as_ref().is_some_and(|with| with.dedupe.is_some());
        if items.iter().any(dedupes) {
            let message = "an item of a batch has a dedupe key; put such items one by one";
            return Err(Error::invalid("dedupe", message));
        }
        let bytes = items.iter().map(|item| self.check_item(world, item)).sum::<Result<u64, Error>>()?;
        self.check_put(world, count, bytes)?;
        Ok(bytes)
    }

    /// A timer puts an item: without waiting, and not before those who do. A duplicate is as good as put.
    pub(crate) fn put_fired(&mut self, me: Handle, world: &mut World, item: &NewItem) -> Result<(), Error> {
        let bytes = self.check_item(world, item)?;
        self.check_put(world, 1, bytes)?;
        if let Some(dedupe) = item.attributes.as_ref().and_then(|attributes| attributes.dedupe.as_ref()) {
            if self.duplicate_of(world, dedupe).is_some() {
                return Ok(());
            }
            self.make_room_to_know(world)?;
        }
        if !self.putters.nobody_present() || !self.has_room(1, bytes) {
            return Err(self.full());
        }
        let item = world.keep_item(&mut item.clone());
        self.admit(me, world, item);
        Ok(())
    }

    #[inline(never)]
    fn park_put(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        items: impl IntoIterator<Item = NewItem>,
        many: bool,
        timeout: Timeout,
    ) -> Step {
        if timeout == Timeout::NOW {
            return Err(self.full());
        }
        if caller.branch.is_none() {
            world.check_waits(caller)?;
        }
        let items = items.into_iter().map(|mut item| world.keep_item(&mut item)).collect();
        let key = world.park(caller, me, Want::Put { items, many }, timeout)?;
        self.putters.enter(key, &world.tickets[key]);
        Ok(None)
    }

    /// Checks an item by itself and says how many bytes it retains.
    #[inline(always)]
    pub(super) fn check_item(&self, world: &World, item: &NewItem) -> Result<u64, Error> {
        let bytes = check_new_item(world, item)?;
        if item.attributes.as_ref().is_some_and(|with| with.end == Some(End::Front)) {
            self.check_end("put at the front")?;
        }
        if !item.key.is_empty() && self.ready.discipline() != Discipline::Priority {
            let message = "a priority key was given, and the queue is not declared as a priority queue";
            return Err(Error::invalid("key", message));
        }
        Ok(bytes)
    }

    /// Only a FIFO queue has two ends to choose from.
    pub(super) fn check_end(&self, what: &str) -> Result<(), Error> {
        match self.ready.discipline() {
            Discipline::Fifo => Ok(()),
            other => {
                let other = format!("{other:?}").to_uppercase();
                let message =
                    format!("items are {what} in FIFO queues only, and this one is {other}; give no end");
                Err(Error::invalid("end", message))
            }
        }
    }

    /// Checks whether `count` items of `bytes` may come at all.
    #[inline(always)]
    pub(super) fn check_put(&self, world: &World, count: usize, bytes: u64) -> Result<(), Error> {
        if self.shut.is_some() {
            return Err(self.is_shut_down());
        }
        self.check_fits(count, bytes)?;
        world.check_items(count, bytes)
    }

    /// An item comes in as a new arrival.
    #[inline(always)]
    pub(super) fn admit(&mut self, me: Handle, world: &mut World, item: usize) -> ItemId {
        let number = world.number();
        let admitted = &mut world.items[item];
        admitted.id = ItemId(number);
        admitted.arrival = number as Arrival;
        admitted.enqueued_at = world.now;
        if admitted.extra.is_none() {
            if let Some(load) = &mut self.load {
                load.comes(admitted);
            }
            self.ready.insert(item, admitted);
            return ItemId(number);
        }
        let extra = admitted.extra_mut();
        extra.expires_at = extra.asked.ttl.map(|ttl| world.now + ttl);
        let (delay, end) = (extra.asked.delay, extra.asked.end);
        if let Some(dedupe) = extra.asked.dedupe.clone() {
            self.known.note(dedupe, item, ItemId(number), world.now);
        }
        if end == Some(End::Front) {
            world.items[item].arrival = self.front_arrival(world);
        }
        self.shelve(me, world, item, delay);
        ItemId(number)
    }

    /// Admits the first blocked put that is present, if there is room for it.
    pub(super) fn serve_putter(&mut self, me: Handle, world: &mut World) -> bool {
        let Some((place, key)) = self.putters.first() else { return false };
        let Some(Want::Put { items, .. }) = world.tickets.get(key).map(|ticket| &ticket.want) else {
            return false;
        };
        if !self.has_room_for(world, items) {
            return false;
        }
        self.putters.leave(place);
        let Some(ticket) = world.unpark(key) else { return true };
        let Want::Put { items, many } = ticket.want else { return false };
        if let [item] = items[..]
            && let Some(outcome) = self.ends_otherwise(world, item)
        {
            world.drop_item(item);
            world.answer(&ticket.caller, outcome);
            return true;
        }
        let mut ids = items.into_iter().map(|item| self.admit(me, world, item));
        let reply = match many {
            true => Reply::PutMany(ids.collect()),
            false => Reply::Put(ids.next().unwrap_or(ItemId(0))),
        };
        world.answer_put(&ticket.caller, Ok(AnyReply::Queue(reply)), Some(me));
        true
    }

    /// Takes back what a put brought, if nobody has seen any of it.
    pub(crate) fn withdraw(&mut self, world: &mut World, ids: &[ItemId]) -> bool {
        let unseen = |item: &usize| !world.items[*item].seen || Mutant::SeenItemWithdrawn.is_on();
        let found = |id: &ItemId| self.find_waiting(*id).filter(unseen);
        let Some(items) = ids.iter().map(found).collect::<Option<Vec<_>>>() else { return false };
        for item in items.into_iter().filter(|_| !Mutant::PutNotWithdrawn.is_on()) {
            self.unshelve(world, item);
            self.known.forget(&world.items[item]);
            world.drop_item(item);
        }
        true
    }

    /// The READY or DELAYED item of that id.
    pub(super) fn find_waiting(&self, id: ItemId) -> Option<usize> {
        let delayed = || self.delayed.get(&id).copied();
        self.ready.find(id).or_else(delayed).or_else(|| self.groups.find(id))
    }

    pub(super) fn is_shut_down(&self) -> Error {
        Error::new(Reason::ShutDown, "the queue has been shut down")
    }
}

/// Checks an item whatever its queue, and says how many bytes it retains.
#[inline(always)]
pub(crate) fn check_new_item(world: &World, item: &NewItem) -> Result<u64, Error> {
    let bytes = item.payload.bytes_retained();
    world.check_payload(&item.payload, bytes)?;
    if let Some(attributes) = &item.attributes {
        check_attributes(world, attributes)?;
    }
    let max = world.limits.key_bytes_max;
    if item.key.len() > max as usize {
        return Err(Error::limit("key_bytes_max", max.into())
            .with_message(format!("the key has {} bytes; at most {max} are allowed here", item.key.len())));
    }
    Ok(bytes)
}

#[inline(never)]
fn check_attributes(world: &World, attributes: &Attributes) -> Result<(), Error> {
    if attributes.ttl.is_some_and(|ttl| ttl.is_zero()) {
        return Err(Error::invalid("ttl", "ttl is 0; give more, or none for an item that does not expire"));
    }
    if let Some(group) = &attributes.group {
        check_group(world, group)?;
    }
    attributes.dedupe.as_ref().map_or(Ok(()), |dedupe| check_dedupe(world, dedupe))
}

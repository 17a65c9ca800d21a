//! Room: what `maxsize` and `max_bytes` leave beside the items that count, which are those that wait or, under
//! `bound="unfinished"`, those that are OFFERED or LEASED too.
//!
//! Invariant: where `max_bytes` is declared, the load is the sum over the items that are there.

use crate::command::queue::Bound;
use crate::error::{Error, Reason};
use crate::mutant::Mutant;
use crate::primitive::queue::Queue;
use crate::primitive::queue::item::Item;
use crate::wait::Want;
use crate::world::World;

/// Bytes of the items of a queue that has a `max_bytes`.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Load {
    waiting: u64,
    out: u64,
}

impl Load {
    pub(super) fn comes(&mut self, item: &Item) {
        self.waiting += item.bytes;
    }

    pub(super) fn leaves(&mut self, item: &Item) {
        self.waiting -= item.bytes;
    }

    pub(super) fn goes_out(&mut self, item: &Item) {
        self.out += item.bytes;
    }

    pub(super) fn is_out_no_more(&mut self, item: &Item) {
        self.out -= item.bytes;
    }

    pub(super) fn nothing_waits(&mut self) {
        self.waiting = 0;
    }
}

impl Queue {
    /// 0 is unbounded.
    #[inline]
    pub(super) fn maxsize(&self) -> u64 {
        self.declared.maxsize.unwrap_or(0)
    }

    /// 0 is unbounded.
    #[inline]
    pub(super) fn max_bytes(&self) -> u64 {
        self.declared.max_bytes.unwrap_or(0)
    }

    #[inline]
    fn counts_what_is_out(&self) -> bool {
        self.declared.bound == Some(Bound::Unfinished)
    }

    /// How many items the bound counts.
    #[inline]
    fn counted(&self) -> usize {
        self.waiting_items() + if self.counts_what_is_out() { self.out.len() } else { 0 }
    }

    fn counted_bytes(&self) -> u64 {
        let Some(load) = &self.load else { return 0 };
        load.waiting + if self.counts_what_is_out() { load.out } else { 0 }
    }

    /// From now on the bytes are counted, if there is a bound of them.
    pub(super) fn begin_load(&mut self, world: &World) {
        if self.load.is_none() && self.max_bytes() > 0 {
            self.load = Some(Box::new(self.weigh(world)));
        }
    }

    fn weigh(&self, world: &World) -> Load {
        let sum = |items: &mut dyn Iterator<Item = usize>| items.map(|item| world.items[item].bytes).sum();
        Load {
            waiting: sum(&mut self.waiting_keys()),
            out: sum(&mut self.out.iter().map(|(_, out)| out.item)),
        }
    }

    /// Whether `count` items that retain so many bytes can come in now.
    #[inline]
    pub(super) fn has_room(&self, count: usize, bytes: u64) -> bool {
        let maxsize = self.maxsize();
        let fits =
            maxsize == 0 || (self.counted() + count) as u64 <= maxsize || Mutant::MaxsizeIgnored.is_on();
        if self.load.is_none() {
            return fits;
        }
        // What stood in line before max_bytes was declared, and is larger, must not stand there for ever.
        fits && (self.counted() == 0 || self.counted_bytes() + bytes <= self.max_bytes())
    }

    /// Whether the items that a blocked put brought can come in now.
    pub(super) fn has_room_for(&self, world: &World, items: &[usize]) -> bool {
        let bytes = match self.load {
            None => 0,
            Some(_) => items.iter().map(|item| world.items[*item].bytes).sum(),
        };
        self.has_room(items.len(), bytes)
    }

    /// Refuses at once what can never come in.
    #[inline(always)]
    pub(super) fn check_fits(&self, count: usize, bytes: u64) -> Result<(), Error> {
        let (maxsize, max_bytes) = (self.maxsize(), self.max_bytes());
        if maxsize > 0 && count as u64 > maxsize {
            let message = format!("{count} items at once never fit into a queue of maxsize {maxsize}");
            return Err(Error::invalid("items", message));
        }
        if max_bytes > 0 && bytes > max_bytes {
            let message = format!(
                "{bytes} bytes at once never fit into a queue of max_bytes {max_bytes}; put less, or less at once"
            );
            return Err(Error::invalid("items", message));
        }
        Ok(())
    }

    /// No more can come before something is taken or done.
    #[inline(always)]
    pub(super) fn is_at_bound(&self, world: &World) -> bool {
        let maxsize = self.maxsize();
        if maxsize > 0 && self.delayed.is_empty() && self.counted() as u64 >= maxsize {
            return true;
        }
        // Bytes are seldom met exactly, and many items do not fit where one would: it is full when somebody finds it so.
        self.is_bounded() && self.delayed.is_empty() && self.blocks_a_putter(world)
    }

    fn blocks_a_putter(&self, world: &World) -> bool {
        let first = self.putters.first().and_then(|(_, key)| world.tickets.get(key));
        first.is_some_and(|ticket| match &ticket.want {
            Want::Put { items, .. } => !self.has_room_for(world, items),
            _ => false,
        })
    }

    pub(super) fn full(&self) -> Error {
        let (ready, delayed) = (self.ready.len() + self.groups.len(), self.delayed.len());
        let mut message = format!("no room within the time given: {ready} items are READY");
        if delayed > 0 {
            message += &format!(", {delayed} are DELAYED");
        }
        if self.counts_what_is_out() {
            message += &format!(", {} are OFFERED or LEASED", self.out.len());
        }
        message += &format!(" and maxsize is {}", self.maxsize());
        if self.load.is_some() {
            message +=
                &format!("; they have {} bytes and max_bytes is {}", self.counted_bytes(), self.max_bytes());
        }
        Error::new(Reason::Full, message)
    }

    /// See the module's invariant, and the queue's about putters.
    pub(super) fn check_room(&self, world: &World) {
        assert_eq!(self.load.is_some(), self.max_bytes() > 0, "a load is counted where it is bounded");
        if let Some(load) = &self.load {
            assert_eq!(**load, self.weigh(world), "the load");
        }
        assert!(
            !self.putters.nobody_present() <= self.is_bounded(),
            "a putter waits at a queue without bounds"
        );
        if let Some((_, first)) = self.putters.first() {
            let Want::Put { items, .. } = &world.tickets[first].want else { panic!("a putter puts") };
            assert!(!self.has_room_for(world, items), "the first putter could be served");
        }
    }

    fn is_bounded(&self) -> bool {
        self.maxsize() > 0 || self.max_bytes() > 0
    }
}

//! List: items by index, with one version for the whole of it.
//!
//! Invariant: `bytes` is what the items sum up to; nobody waits for a change that has happened. Taking and adding at
//! the ends costs by what is taken and added; in the middle it moves what stands behind.

use std::collections::VecDeque;

use crate::command::Reply as AnyReply;
use crate::command::list::{Command, Page, Query, Splice, Spliced};
use crate::command::value::{Datum, Figures, Item, Options, Reply};
use crate::error::Error;
use crate::ids::{Handle, Token};
use crate::primitive::value::{Changes, check_datum, check_fence, number};
use crate::primitive::{Primitive, Standing, Step, check_option, conclude, done};
use crate::time::Timeout;
use crate::wait::{Caller, Line, Ticket, TicketKey, Want};
use crate::world::World;

/// The state of a list.
#[derive(Debug, Default, Hash)]
pub(crate) struct List {
    declared: Options,
    items: VecDeque<Datum>,
    bytes: u64,
    changes: Changes,
    fence: Option<Token>,
    watchers: Line,
    /// In this step.
    changed: bool,
}

impl List {
    pub(crate) fn command(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        command: &mut Command,
    ) -> Step {
        self.changes.begin(world);
        match command {
            Command::Declare(options) => self.declare(me, *options),
            Command::Splice(splice) => self.splice(world, splice),
            Command::Increment { index, by, fence } => self.increment(world, *index, by, *fence),
            Command::Clear { fence } => {
                check_fence(self.fence, *fence)?;
                self.fence = self.fence.max(*fence);
                let cleared = self.items.len() as u64;
                if cleared > 0 {
                    self.replace(world, 0, self.items.len(), Vec::new());
                }
                done(AnyReply::Value(Reply::Cleared(cleared)))
            }
            Command::Watch { after, timeout } => {
                let changed = self.changes.newer_than(*after);
                if changed || *timeout == Timeout::NOW {
                    return done(self.watched(changed));
                }
                let ticket = world.park(caller, me, Want::Watch { key: None }, *timeout)?;
                self.watchers.enter(ticket, &world.tickets[ticket]);
                Ok(None)
            }
        }
    }

    fn declare(&mut self, me: Handle, options: Options) -> Step {
        check_option("ephemeral", &self.declared.ephemeral, &options.ephemeral, bool::to_string)?;
        self.declared.ephemeral = self.declared.ephemeral.or(options.ephemeral);
        done(AnyReply::Value(Reply::Declared { handle: me, options: self.options() }))
    }

    fn options(&self) -> Options {
        Options { ephemeral: Some(self.is_ephemeral()) }
    }

    fn watched(&self, changed: bool) -> AnyReply {
        let version = self.changes.latest;
        let item = Box::new(Item { datum: None, version, as_of: version });
        AnyReply::Value(Reply::Watched { changed, item })
    }

    fn splice(&mut self, world: &mut World, splice: &mut Splice) -> Step {
        let Splice { start, remove, exact, guard, returning, .. } = *splice;
        let items = std::mem::take(&mut splice.items);
        check_fence(self.fence, guard.fence)?;
        let max = world.limits.batch_max;
        if items.len() > max as usize || (returning && remove > u64::from(max)) {
            let (came, go) = (items.len(), remove);
            let message = format!("{came} items come and {go} go; at most {max} in one call");
            return Err(Error::limit("batch_max", max.into()).with_message(message));
        }
        items.iter().try_for_each(|item| check_datum(world, item))?;
        let spliced = |list: &Self, done, removed| {
            let (length, version) = (list.items.len() as u64, list.changes.latest);
            AnyReply::Value(Reply::Spliced(Box::new(Spliced { done, removed, length, version })))
        };
        let (from, to) = self.range(start, remove);
        let all_there = self.index(start.unwrap_or(self.items.len() as i64)) == Some(from)
            && (to - from) as u64 == remove;
        let other_version = guard.if_version.is_some_and(|expected| expected != self.changes.latest);
        if other_version || (exact && !all_there) {
            return done(spliced(self, false, Vec::new()));
        }
        let removed = if returning { self.items.range(from..to).cloned().collect() } else { Vec::new() };
        self.check_splice(world, from, to, &items, &removed)?;
        self.fence = self.fence.max(guard.fence);
        if from < to || !items.is_empty() {
            self.replace(world, from, to, items);
        }
        done(spliced(self, true, removed))
    }

    /// The index that `start` means, the end included, if it is one.
    fn index(&self, start: i64) -> Option<usize> {
        let length = self.items.len() as i64;
        let index = if start < 0 { start.checked_add(length)? } else { start };
        usize::try_from(index).ok().filter(|index| *index <= self.items.len())
    }

    /// What a slice means, cut to what is there.
    fn range(&self, start: Option<i64>, count: u64) -> (usize, usize) {
        let length = self.items.len();
        let from = match start {
            None => length,
            Some(start) => self.index(start).unwrap_or(if start < 0 { 0 } else { length }),
        };
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        (from, from.saturating_add(count).min(length))
    }

    fn check_splice(
        &self,
        world: &World,
        from: usize,
        to: usize,
        items: &[Datum],
        removed: &[Datum],
    ) -> Result<(), Error> {
        let limits = &world.limits;
        if self.items.len() - (to - from) + items.len() > limits.list_items_max as usize {
            return Err(Error::limit("list_items_max", limits.list_items_max.into()));
        }
        let answered: u64 = removed.iter().map(Datum::bytes_retained).sum();
        if answered > limits.payload_bytes_max.max(removed.first().map_or(0, Datum::bytes_retained)) {
            let message =
                format!("what goes has {answered} bytes, too many for one answer; take fewer at once");
            return Err(Error::limit("payload_bytes_max", limits.payload_bytes_max).with_message(message));
        }
        let bytes: u64 = items.iter().map(Datum::bytes_retained).sum();
        let freed = || self.items.range(from..to).map(Datum::bytes_retained).sum::<u64>();
        let more = items.len().saturating_sub(to - from) as u64;
        world.check_store(more, bytes).or_else(|_| world.check_store(more, bytes.saturating_sub(freed())))
    }

    fn replace(&mut self, world: &mut World, from: usize, to: usize, items: Vec<Datum>) {
        let freed: u64 = self.items.range(from..to).map(Datum::bytes_retained).sum();
        let bytes: u64 = items.iter().map(Datum::bytes_retained).sum();
        world.store(items.len() as i64 - (to - from) as i64, bytes as i64 - freed as i64);
        self.bytes = self.bytes - freed + bytes;
        if to - from == items.len() {
            self.items.range_mut(from..to).zip(items).for_each(|(old, new)| *old = new);
        } else if from == 0 {
            self.items.drain(..to);
            items.into_iter().rev().for_each(|item| self.items.push_front(item));
        } else {
            self.items.drain(from..to);
            let mut behind = self.items.split_off(from);
            self.items.extend(items);
            self.items.append(&mut behind);
        }
        self.changes.note(world);
        self.changed = true;
    }

    fn increment(&mut self, world: &mut World, index: i64, by: &Datum, fence: Option<Token>) -> Step {
        check_fence(self.fence, fence)?;
        let found = self.index(index).filter(|index| *index < self.items.len());
        let Some(found) = found else {
            let message = format!("index is {index}, and the list has {} items", self.items.len());
            return Err(Error::invalid("index", message));
        };
        let datum = number::sum(self.items.get(found), by)?;
        self.fence = self.fence.max(fence);
        self.items[found] = datum.clone();
        let version = self.changes.note(world);
        self.changed = true;
        let item = Item { datum: Some(datum), version, as_of: version };
        done(AnyReply::Value(Reply::Incremented(Box::new(item))))
    }

    pub(crate) fn query(&self, world: &World, query: &Query) -> Result<AnyReply, Error> {
        Ok(AnyReply::Value(match query {
            Query::Read { page_size: 0, .. } => {
                return Err(Error::invalid("page_size", "page_size is 0; give at least 1"));
            }
            Query::Read { start, page_size, exact } => {
                let page_size = if *exact && self.index(*start).is_none() { 0 } else { *page_size };
                Reply::Read(Box::new(self.page(world, *start, page_size)))
            }
            Query::Describe => Reply::Described(Box::new(self.figures())),
        }))
    }

    /// It ends early where the items would be more than what one payload may have.
    fn page(&self, world: &World, start: i64, size: u32) -> Page {
        let (from, to) = self.range(Some(start), size.min(world.limits.page_max).into());
        let mut bytes = 0;
        let max = world.limits.payload_bytes_max;
        let fits = self.items.range(from..to).take_while(|item| {
            let first = bytes == 0;
            bytes += item.bytes_retained();
            first || bytes <= max
        });
        Page {
            items: fits.cloned().collect(),
            start: from as u64,
            length: self.items.len() as u64,
            version: self.changes.latest,
        }
    }

    pub(crate) fn figures(&self) -> Figures {
        Figures {
            options: self.options(),
            length: self.items.len() as u64,
            version: self.changes.latest,
            bytes: self.bytes,
            waiting: self.watchers.len() as u64,
        }
    }
}

impl Primitive for List {
    fn leave(&mut self, ticket: &Ticket) {
        self.watchers.leave(ticket.place);
    }

    fn enter(&mut self, key: TicketKey, ticket: &Ticket) {
        self.watchers.leave(ticket.place);
        self.watchers.enter(key, ticket);
    }

    fn serve(&mut self, _me: Handle, world: &mut World) {
        if std::mem::take(&mut self.changed) {
            for ticket in self.watchers.clear() {
                let reply = self.watched(true);
                conclude(world, ticket, Ok(reply));
            }
        }
    }

    fn expire(&mut self, _me: Handle, key: TicketKey, world: &mut World) {
        if let Some(ticket) = world.tickets.get(key) {
            self.watchers.leave(ticket.place);
        }
        conclude(world, key, Ok(self.watched(false)));
    }

    fn dissolve(&mut self, world: &mut World) -> Vec<TicketKey> {
        world.store(-(self.items.len() as i64), -(self.bytes as i64));
        self.items.clear();
        self.watchers.clear()
    }

    fn is_ephemeral(&self) -> bool {
        self.declared.ephemeral.unwrap_or(false)
    }

    fn waiters(&self) -> Box<dyn Iterator<Item = TicketKey> + '_> {
        Box::new(self.watchers.iter())
    }

    fn stored(&self) -> (u64, u64) {
        (self.items.len() as u64, self.bytes)
    }

    fn standing(&self) -> Standing {
        let Figures { length, version, bytes, waiting, .. } = self.figures();
        Standing { grants: 0, waiting, words: format!("length={length} bytes={bytes} version={version}") }
    }

    fn check(&self, _world: &World) {
        let bytes: u64 = self.items.iter().map(Datum::bytes_retained).sum();
        assert_eq!(self.bytes, bytes, "bytes of a list");
        assert!(!self.changed, "a change that nobody was told of");
    }
}

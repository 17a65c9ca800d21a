//! Value and dict: entries with versions, fences, and an end where they are bound to a session or to a time. A value is
//! a dict with one entry, under the empty key.
//!
//! Every change takes a number of the namespace as its version, so that versions only grow, also after an entry was
//! deleted and set anew. Of deleted entries only the fence is remembered, and that something was deleted: a watch that
//! begins on an absent entry may end because another one was deleted since.
//!
//! Invariants: `timed` and `bound` list exactly the entries that end; `bytes` is what data and keys sum up to; nobody
//! waits for a change that has happened.

mod cells;
pub(crate) mod number;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::command::value::{
    Command, Datum, Entry, Figures, Item, Lifetime, Options, Page, Query, Reply, Version, Write,
};
use crate::command::{Mode, Reply as AnyReply};
use crate::error::{Error, Reason};
use crate::ids::{Handle, Token};
use crate::mutant::Mutant;
use crate::primitive::{Primitive, Standing, Step, check_option, conclude, done};
use crate::session::Serial;
use crate::time::{Time, Timeout};
use crate::wait::{Caller, Line, Place, Ticket, TicketKey, Want};
use crate::world::{World, session_required};

use cells::{Cell, Cells, End};

/// The versions of an object as a whole.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub(crate) struct Changes {
    /// When it came to be: what was known of its name before is of no worth.
    pub(crate) born: Version,
    pub(crate) latest: Version,
}

impl Changes {
    pub(crate) fn begin(&mut self, world: &mut World) {
        if self.born == 0 {
            self.born = world.number();
        }
    }

    /// Something was changed.
    pub(crate) fn note(&mut self, world: &mut World) -> Version {
        self.latest = world.number();
        self.latest
    }

    pub(crate) fn newer_than(&self, after: Version) -> bool {
        self.latest > after || (after > 0 && after < self.born)
    }
}

/// The state of a value or dict.
#[derive(Debug, Default, Hash)]
pub(crate) struct Values {
    declared: Options,
    cells: Cells,
    changes: Changes,
    /// The latest deletion of an entry.
    deleted: Version,
    /// Of every entry that has seen one, deleted ones too.
    fences: BTreeMap<Bytes, Token>,
    /// What a `Clear` came with: no entry has seen a lower one.
    floor: Option<Token>,
    /// Who waits for any change, and who for that of an entry.
    watchers: Line,
    watchers_of: BTreeMap<Bytes, Line>,
    /// Entries with watchers that have changed in this step, and whether any has.
    changed: BTreeSet<Bytes>,
    any_changed: bool,
}

impl Values {
    pub(crate) fn command(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        command: &Command,
    ) -> Step {
        self.changes.begin(world);
        match command {
            Command::Declare(options) => self.declare(me, options),
            Command::Set { key, write } => self.set(me, world, caller, key, write),
            Command::Delete { key, guard, returning } => {
                self.check_fence(key, guard.fence)?;
                let Some(version) = self.cells.get(key).map(|cell| cell.version) else {
                    return done(self.deleted(false, self.item(key)));
                };
                if guard.if_version.is_some_and(|expected| expected != version) {
                    return done(self.deleted(false, self.item(key)));
                }
                self.note_fence(world, key, guard.fence)?;
                let datum = self.delete(world, key).filter(|_| *returning);
                done(self.deleted(true, Item { datum, ..self.item(key) }))
            }
            Command::Increment { key, by, fence } => self.increment(me, world, key, by, *fence),
            Command::Clear { fence } => self.clear(world, *fence),
            Command::Watch { key, after, timeout } => {
                self.watch(me, world, caller, key.clone(), *after, *timeout)
            }
        }
    }

    fn declare(&mut self, me: Handle, options: &Options) -> Step {
        check_option("ephemeral", &self.declared.ephemeral, &options.ephemeral, bool::to_string)?;
        self.declared.ephemeral = self.declared.ephemeral.or(options.ephemeral);
        done(AnyReply::Value(Reply::Declared { handle: me, options: self.options() }))
    }

    fn options(&self) -> Options {
        Options { ephemeral: Some(self.is_ephemeral()) }
    }

    fn deleted(&self, done: bool, item: Item) -> AnyReply {
        AnyReply::Value(Reply::Deleted { done, item: Box::new(item) })
    }

    fn set(&mut self, me: Handle, world: &mut World, caller: &Caller, key: &Bytes, write: &Write) -> Step {
        let Write { datum, guard, lifetime } = write;
        self.check_fence(key, guard.fence)?;
        check_datum(world, datum)?;
        let set = |done, item| AnyReply::Value(Reply::Set { done, item: Box::new(item) });
        let version = self.cells.get(key).map_or(0, |cell| cell.version);
        if guard.if_version.is_some_and(|expected| expected != version) && !Mutant::VersionNotCompared.is_on()
        {
            return done(set(false, self.item(key)));
        }
        let end = self.ends(world, caller, key, *lifetime)?;
        self.check_store(world, key, datum, guard.fence)?;
        self.note_fence(world, key, guard.fence)?;
        self.write(me, world, key.clone(), Cell { datum: datum.clone(), version: 0, end });
        done(set(true, Item { datum: None, ..self.item(key) }))
    }

    /// When what is set ends, and with which session.
    fn ends(
        &self,
        world: &mut World,
        caller: &Caller,
        key: &Bytes,
        lifetime: Lifetime,
    ) -> Result<End, Error> {
        match lifetime {
            Lifetime::Lasting => Ok(End::default()),
            Lifetime::Kept => Ok(self.cells.get(key).map(|cell| cell.end).unwrap_or_default()),
            Lifetime::Limited { bound: true, .. } if caller.mode == Mode::Sessionless => {
                Err(session_required("an entry that is bound to its session"))
            }
            Lifetime::Limited { ttl: Some(ttl), .. } if ttl.is_zero() => {
                Err(Error::invalid("ttl", "ttl is 0; give a longer one, or delete the entry"))
            }
            Lifetime::Limited { ttl, bound } => {
                let dies = ttl.map(|ttl| (world.now + ttl, world.number()));
                Ok(End { dies, owner: bound.then_some(caller.serial) })
            }
        }
    }

    fn increment(
        &mut self,
        me: Handle,
        world: &mut World,
        key: &Bytes,
        by: &Datum,
        fence: Option<Token>,
    ) -> Step {
        self.check_fence(key, fence)?;
        let stored = self.cells.get(key);
        let datum = number::sum(stored.map(|cell| &cell.datum), by)?;
        let end = stored.map(|cell| cell.end).unwrap_or_default();
        self.check_store(world, key, &datum, fence)?;
        self.note_fence(world, key, fence)?;
        self.write(me, world, key.clone(), Cell { datum, version: 0, end });
        done(AnyReply::Value(Reply::Incremented(Box::new(self.item(key)))))
    }

    fn clear(&mut self, world: &mut World, fence: Option<Token>) -> Step {
        let highest = self.fences.values().copied().chain(self.floor).max();
        check_fence(highest, fence)?;
        if fence.is_some() {
            self.floor = fence;
            let bytes: usize = self.fences.keys().map(Bytes::len).sum();
            world.store(-(self.fences.len() as i64), -(bytes as i64));
            self.fences.clear();
        }
        let keys: Vec<Bytes> = self.cells.keys().cloned().collect();
        for key in &keys {
            self.delete(world, key);
        }
        done(AnyReply::Value(Reply::Cleared(keys.len() as u64)))
    }

    fn watch(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        key: Option<Bytes>,
        after: Version,
        timeout: Timeout,
    ) -> Step {
        let changed = match &key {
            None => self.changes.newer_than(after),
            Some(key) => match self.cells.get(key) {
                Some(cell) => cell.version > after,
                None => after > 0 && after < self.deleted.max(self.changes.born),
            },
        };
        if changed || timeout == Timeout::NOW {
            return done(self.watched(changed, key.as_ref()));
        }
        check_key(world, key.as_ref())?;
        let ticket = world.park(caller, me, Want::Watch { key }, timeout)?;
        self.enter(ticket, &world.tickets[ticket]);
        Ok(None)
    }

    fn watched(&self, changed: bool, key: Option<&Bytes>) -> AnyReply {
        let latest = self.changes.latest;
        let whole = || Item { datum: None, version: latest, as_of: latest };
        let item = Box::new(key.map_or_else(whole, |key| self.item(key)));
        AnyReply::Value(Reply::Watched { changed, item })
    }

    fn item(&self, key: &Bytes) -> Item {
        let cell = self.cells.get(key);
        Item {
            datum: cell.map(|cell| cell.datum.clone()),
            version: cell.map_or(0, |cell| cell.version),
            as_of: self.changes.latest,
        }
    }

    fn check_fence(&self, key: &Bytes, fence: Option<Token>) -> Result<(), Error> {
        check_fence(self.fences.get(key).copied().max(self.floor), fence)
    }

    /// Whether there is room for the entry and for its fence.
    fn check_store(
        &self,
        world: &World,
        key: &Bytes,
        datum: &Datum,
        fence: Option<Token>,
    ) -> Result<(), Error> {
        check_key(world, Some(key))?;
        let replaced = self.cells.get(key).map_or(0, |cell| cell.bytes(key));
        let new_entry = u64::from(self.cells.get(key).is_none());
        let new_fence = u64::from(fence.is_some() && !self.fences.contains_key(key));
        let bytes = key.len() as u64 * (1 + new_fence) + datum.bytes_retained();
        world.check_store(new_entry + new_fence, bytes.saturating_sub(replaced))
    }

    /// The entry has seen the fence.
    fn note_fence(&mut self, world: &mut World, key: &Bytes, fence: Option<Token>) -> Result<(), Error> {
        let Some(fence) = fence else { return Ok(()) };
        if let Some(seen) = self.fences.get_mut(key) {
            *seen = fence;
            return Ok(());
        }
        world.check_store(1, key.len() as u64)?;
        world.store(1, key.len() as i64);
        self.fences.insert(key.clone(), fence);
        Ok(())
    }

    fn write(&mut self, me: Handle, world: &mut World, key: Bytes, cell: Cell) {
        let version = self.changes.note(world);
        self.note_change(&key);
        self.cells.insert(me, world, key, Cell { version, ..cell });
    }

    fn delete(&mut self, world: &mut World, key: &Bytes) -> Option<Datum> {
        let cell = self.cells.remove(world, key)?;
        self.deleted = self.changes.note(world);
        self.note_change(key);
        Some(cell.datum)
    }

    fn note_change(&mut self, key: &Bytes) {
        self.any_changed = true;
        if self.watchers_of.contains_key(key) {
            self.changed.insert(key.clone());
        }
    }

    pub(crate) fn query(&self, world: &World, now: Time, query: &Query) -> Result<AnyReply, Error> {
        Ok(AnyReply::Value(match query {
            Query::Get { key, version_only } => {
                let item = self.item(key);
                let datum = item.datum.filter(|_| !version_only);
                Reply::Got(Box::new(Item { datum, ..item }))
            }
            Query::Items { page_size: 0, .. } => {
                return Err(Error::invalid("page_size", "page_size is 0; give at least 1"));
            }
            Query::Items { page_size, after, keys_only } => {
                Reply::Items(Box::new(self.page(world, now, *page_size, after.as_ref(), *keys_only)))
            }
            Query::Describe => Reply::Described(Box::new(self.figures())),
        }))
    }

    /// It ends early where the data would be more than what one payload may have.
    fn page(&self, world: &World, now: Time, size: u32, after: Option<&Bytes>, keys_only: bool) -> Page {
        let size = size.min(world.limits.page_max) as usize;
        let mut page = Page { as_of: self.changes.latest, ..Page::default() };
        let mut bytes = 0;
        for (key, cell) in self.cells.after(after) {
            bytes += key.len() as u64 + if keys_only { 0 } else { cell.datum.bytes_retained() };
            let full = page.entries.len() == size || bytes > world.limits.payload_bytes_max;
            if full && !page.entries.is_empty() {
                page.more = true;
                break;
            }
            page.entries.push(Entry {
                key: key.clone(),
                datum: (!keys_only).then(|| cell.datum.clone()),
                version: cell.version,
                remaining: cell.end.dies.map(|(at, _)| at.since(world.now.max(now))),
                bound: cell.end.owner.is_some(),
            });
        }
        page
    }

    pub(crate) fn figures(&self) -> Figures {
        let of_entries: usize = self.watchers_of.values().map(Line::len).sum();
        Figures {
            options: self.options(),
            length: self.cells.len() as u64,
            version: self.changes.latest,
            bytes: self.cells.bytes(),
            waiting: (self.watchers.len() + of_entries) as u64,
        }
    }
}

/// Whether a fence may pass that comes after `seen`.
pub(crate) fn check_fence(seen: Option<Token>, fence: Option<Token>) -> Result<(), Error> {
    match (seen, fence) {
        (Some(Token(seen)), Some(Token(fence))) if fence < seen && !Mutant::FenceNotChecked.is_on() => {
            let message = format!(
                "the fencing token {fence} is lower than {seen}, which was seen here before: what it guards has gone to \
                 another holder; stop, and acquire anew"
            );
            let error = Error::new(Reason::Fenced, message);
            Err(error.with("fence", fence.to_string()).with("seen", seen.to_string()))
        }
        _ => Ok(()),
    }
}

/// Whether a datum is within the limits by itself.
pub(crate) fn check_datum(world: &World, datum: &Datum) -> Result<(), Error> {
    match datum {
        Datum::Payload(payload) => world.check_payload(payload, payload.bytes_retained()),
        Datum::Integer(_) | Datum::Real(_) => Ok(()),
    }
}

/// Whether a key is within the limits.
pub(crate) fn check_key(world: &World, key: Option<&Bytes>) -> Result<(), Error> {
    let (bytes, max) = (key.map_or(0, Bytes::len), world.limits.key_bytes_max);
    if bytes > max as usize {
        return Err(Error::limit("key_bytes_max", max.into())
            .with_message(format!("the key has {bytes} bytes; at most {max} are allowed here")));
    }
    Ok(())
}

impl Primitive for Values {
    fn leave(&mut self, ticket: &Ticket) {
        let Want::Watch { key: Some(key) } = &ticket.want else { return self.watchers.leave(ticket.place) };
        if let Some(line) = self.watchers_of.get_mut(key) {
            line.leave(ticket.place);
            if line.is_empty() {
                self.watchers_of.remove(key);
            }
        }
    }

    fn enter(&mut self, key: TicketKey, ticket: &Ticket) {
        let line = match &ticket.want {
            Want::Watch { key: Some(of) } => self.watchers_of.entry(of.clone()).or_default(),
            _ => &mut self.watchers,
        };
        line.leave(ticket.place);
        line.enter(key, ticket);
    }

    fn serve(&mut self, _me: Handle, world: &mut World) {
        if std::mem::take(&mut self.any_changed) {
            for ticket in self.watchers.clear() {
                let reply = self.watched(true, None);
                conclude(world, ticket, Ok(reply));
            }
        }
        for key in std::mem::take(&mut self.changed) {
            for ticket in self.watchers_of.remove(&key).map_or_else(Vec::new, |mut line| line.clear()) {
                let reply = self.watched(true, Some(&key));
                conclude(world, ticket, Ok(reply));
            }
        }
    }

    fn expire(&mut self, _me: Handle, key: TicketKey, world: &mut World) {
        let Some(ticket) = world.tickets.get(key) else { return };
        self.leave(ticket);
        let of = if let Want::Watch { key } = &ticket.want { key.clone() } else { None };
        conclude(world, key, Ok(self.watched(false, of.as_ref())));
    }

    fn due(&mut self, _me: Handle, place: Place, world: &mut World) {
        if let Some(key) = self.cells.timed(place) {
            self.delete(world, &key);
        }
    }

    fn session_over(&mut self, serial: Serial, world: &mut World) {
        for key in self.cells.of_session(serial).into_iter().filter(|_| !Mutant::BoundEntryStays.is_on()) {
            self.delete(world, &key);
        }
    }

    fn dissolve(&mut self, world: &mut World) -> Vec<TicketKey> {
        for key in self.cells.keys().cloned().collect::<Vec<_>>() {
            self.cells.remove(world, &key);
        }
        let bytes: usize = self.fences.keys().map(Bytes::len).sum();
        world.store(-(self.fences.len() as i64), -(bytes as i64));
        let mut all = self.watchers.clear();
        std::mem::take(&mut self.watchers_of).values_mut().for_each(|line| all.extend(line.clear()));
        all
    }

    fn is_ephemeral(&self) -> bool {
        self.declared.ephemeral.unwrap_or(false)
    }

    fn waiters(&self) -> Box<dyn Iterator<Item = TicketKey> + '_> {
        Box::new(self.watchers.iter().chain(self.watchers_of.values().flat_map(Line::iter)))
    }

    fn timers(&self) -> Box<dyn Iterator<Item = (Time, Place)> + '_> {
        Box::new(self.cells.timers())
    }

    fn stored(&self) -> (u64, u64) {
        let (entries, bytes) = (self.cells.len() + self.fences.len(), self.fences.keys().map(Bytes::len));
        (entries as u64, self.cells.bytes() + bytes.sum::<usize>() as u64)
    }

    fn standing(&self) -> Standing {
        let Figures { length, version, bytes, waiting, .. } = self.figures();
        Standing { grants: 0, waiting, words: format!("length={length} bytes={bytes} version={version}") }
    }

    fn check(&self, _world: &World) {
        self.cells.check();
        assert!(!self.any_changed && self.changed.is_empty(), "a change that nobody was told of");
        assert!(self.deleted <= self.changes.latest, "the latest change is a deletion at most");
        assert!(self.watchers_of.values().all(|line| !line.is_empty()), "an empty line");
        let highest = self.fences.values().max().copied();
        assert!(highest.is_none() || highest >= self.floor, "a fence below the floor");
    }
}

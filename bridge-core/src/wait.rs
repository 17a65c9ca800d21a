//! Waiting as data: a ticket in a line.
//!
//! A ticket is made when a call cannot be answered at once, and ends exactly once. Lines are FIFO by ticket.
//! The waiters of a detached or paused session step aside: they keep their place, but what can be given to another
//! passes them. Entering, leaving and stepping aside cost O(log n).

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use bytes::Bytes;
use slab::Slab;

use crate::command::barrier::OnCancel;
use crate::command::condition::Woken;
use crate::command::pipe::End;
use crate::command::queue::Taking;
use crate::command::rwlock::Mode as LockMode;
use crate::command::{Carrier, Mode};
use crate::ids::{Handle, Op, ParticipantId, SessionKey};
use crate::primitive::Owner;
use crate::session::Serial;
use crate::time::Time;

/// A place in a line: tickets are served in this order.
pub(crate) type Place = u64;

/// Where a ticket is kept.
pub(crate) type TicketKey = usize;

/// Who asks, and how the answer must be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Caller {
    pub(crate) session: SessionKey,
    pub(crate) serial: Serial,
    pub(crate) mode: Mode,
    pub(crate) op: Op,
    pub(crate) participant: ParticipantId,
    pub(crate) carrier: Carrier,
    /// Of a select, which branch it is that asks.
    pub(crate) branch: Option<Branch>,
}

/// A branch of a select: its index plus one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Branch(NonZeroU16);

impl Branch {
    /// `None` for an index beyond what a select can have.
    pub(crate) fn new(index: usize) -> Option<Self> {
        u16::try_from(index + 1).ok().and_then(NonZeroU16::new).map(Branch)
    }

    pub(crate) fn index(self) -> u32 {
        u32::from(self.0.get()) - 1
    }
}

impl Caller {
    /// The participant, as a vertex of the wait-for graph.
    pub(crate) fn owner(&self) -> Owner {
        (self.session, self.participant)
    }

    /// Whether a grant made within the caller's own call, or to its parked ticket, needs no acceptance.
    #[inline]
    pub(crate) fn grant_is_final(&self, parked: bool) -> bool {
        match self.mode {
            Mode::Sessionless => true,
            Mode::Direct => !parked,
            Mode::Resumable => false,
        }
    }

    /// Whether its answers are kept until the client has acknowledged them.
    #[inline]
    pub(crate) fn stores_answers(&self) -> bool {
        self.mode == Mode::Resumable && self.op < Op::FIRST_OF_NODE
    }
}

/// What a ticket waits for.
#[derive(Clone, Debug, PartialEq, Hash)]
pub(crate) enum Want {
    /// Items of a queue; `lingers_until` while it has its minimum and waits for more.
    Take { taking: Taking, lingers_until: Option<Time> },
    /// Room for items, which are kept in the item table meanwhile.
    Put { items: Vec<usize>, many: bool },
    /// That all items of a queue are done.
    Join,
    /// That an event is set.
    Event,
    /// Permits of a semaphore.
    Acquire { permits: u32, by_token: bool },
    /// A lock, for so long.
    Lock { lease: Option<Duration> },
    /// A read-write lock; `upgrades`: its owner reads already.
    ReadWrite { mode: LockMode, upgrades: bool, lease: Option<Duration> },
    /// A notification of a condition, and then its lock with that many levels; `woken` once it waits for the lock only.
    Condition { condition: Handle, levels: u32, woken: Option<Woken>, lease: Option<Duration> },
    /// That all parties of a barrier have arrived.
    Barrier { has_action: bool, on_cancel: OnCancel },
    /// That a latch is open.
    Latch,
    /// Room at an end of a pipe for a message, which is kept in the item table meanwhile.
    Send { to: End, item: Option<usize> },
    /// A message at an end of a pipe.
    Receive { end: End },
    /// That a receive there would not wait.
    Poll { end: End },
    /// A change of an entry, or of anything in a value, list or dict.
    Watch { key: Option<Bytes> },
}

impl Want {
    /// Whether what it waits for is owned by participants, now or later.
    fn has_owners(&self) -> bool {
        matches!(
            self,
            Want::Acquire { .. } | Want::Lock { .. } | Want::ReadWrite { .. } | Want::Condition { .. }
        )
    }
}

/// A call that has not been answered yet.
#[derive(Clone, Debug, PartialEq, Hash)]
pub(crate) struct Ticket {
    pub(crate) caller: Caller,
    pub(crate) object: Handle,
    pub(crate) want: Want,
    pub(crate) place: Place,
    pub(crate) since: Time,
    pub(crate) deadline: Option<Time>,
    /// Stands aside: its session is detached or paused, and it came by the stream.
    pub(crate) away: bool,
    /// Another of its group was granted; it leaves its line before the step ends.
    pub(crate) over: bool,
    /// It is a part of what is granted whole: it stands beside the line, and nobody serves it by itself.
    pub(crate) whole: bool,
    pub(crate) group: Option<GroupKey>,
}

/// Names a group in the table of groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct GroupKey(NonZeroU32);

impl GroupKey {
    /// `None` for a place beyond what the table can have.
    pub(crate) fn new(index: usize) -> Option<Self> {
        u32::try_from(index + 1).ok().and_then(NonZeroU32::new).map(GroupKey)
    }

    pub(crate) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// The tickets of one call, in the order of its branches: of a select one is granted, and the others leave with it; of an
/// acquire of all, all are. The first has the deadline of all.
#[derive(Debug, Hash)]
pub(crate) struct Group {
    pub(crate) tickets: Vec<TicketKey>,
    /// Its lines wait for it, where it is granted whole.
    pub(crate) reserves: bool,
}

impl Ticket {
    /// Whether a search for deadlocks must know of it: as one of a group it may end a wait for what has owners.
    pub(crate) fn may_have_owners(&self) -> bool {
        self.want.has_owners() || self.group.is_some()
    }

    /// Whether it was asked of that object, or waits at it.
    pub(crate) fn is_about(&self, object: Handle) -> bool {
        let asked = matches!(self.want, Want::Condition { condition, .. } if condition == object);
        asked || self.object == object
    }
}

/// All tickets of a namespace.
pub(crate) type Tickets = Slab<Ticket>;

/// A line of tickets.
#[derive(Debug, Default, Hash)]
pub(crate) struct Line {
    present: BTreeMap<Place, TicketKey>,
    away: BTreeMap<Place, TicketKey>,
    /// Few lines have any.
    wholes: Option<Box<Wholes>>,
}

/// Tickets of groups that are granted whole. They stand beside the line, and others pass them unless they reserve.
#[derive(Debug, Default, Hash)]
struct Wholes {
    tickets: BTreeMap<Place, TicketKey>,
    reserving: BTreeSet<Place>,
}

impl Line {
    pub(crate) fn enter(&mut self, key: TicketKey, ticket: &Ticket) {
        let side = match (ticket.whole, ticket.away) {
            (true, _) => &mut self.wholes.get_or_insert_default().tickets,
            (false, true) => &mut self.away,
            (false, false) => &mut self.present,
        };
        side.insert(ticket.place, key);
    }

    pub(crate) fn leave(&mut self, place: Place) {
        if self.present.remove(&place).is_none()
            && self.away.remove(&place).is_none()
            && let Some(wholes) = &mut self.wholes
        {
            wholes.tickets.remove(&place);
            wholes.reserving.remove(&place);
            if wholes.tickets.is_empty() {
                self.wholes = None;
            }
        }
    }

    /// The first that can be served.
    pub(crate) fn first(&self) -> Option<(Place, TicketKey)> {
        let first = self.present.first_key_value().map(|(place, key)| (*place, *key));
        match self.reserved_from() {
            None => first,
            Some(reserved) => first.filter(|(place, _)| *place < reserved),
        }
    }

    /// The place of the first who is present, whoever reserves before.
    pub(crate) fn oldest(&self) -> Option<Place> {
        self.present.keys().next().copied()
    }

    /// Who stands behind this place waits for somebody.
    fn reserved_from(&self) -> Option<Place> {
        self.wholes.as_ref().and_then(|wholes| wholes.reserving.first().copied())
    }

    pub(crate) fn is_reserved(&self) -> bool {
        self.reserved_from().is_some()
    }

    /// Who stands beside it at that place is waited for.
    pub(crate) fn reserve(&mut self, place: Place) {
        if let Some(wholes) = &mut self.wholes
            && wholes.tickets.contains_key(&place)
        {
            wholes.reserving.insert(place);
        }
    }

    /// Those beside it, before that place.
    pub(crate) fn wholes_before(&self, place: Place) -> impl Iterator<Item = (Place, TicketKey)> {
        let wholes = self.wholes.iter().flat_map(move |wholes| wholes.tickets.range(..place));
        wholes.map(|(place, key)| (*place, *key))
    }

    /// Those of them who reserve.
    pub(crate) fn reserving_before(&self, place: Place) -> impl Iterator<Item = TicketKey> {
        let reserves =
            |place: &Place| self.wholes.as_ref().is_some_and(|wholes| wholes.reserving.contains(place));
        self.wholes_before(place).filter(move |(place, _)| reserves(place)).map(|(_, key)| key)
    }

    /// Everybody leaves, in order, those who stand aside included.
    pub(crate) fn clear(&mut self) -> Vec<TicketKey> {
        std::mem::take(self).into_tickets().into_values().collect()
    }

    /// Everybody by place, those who stand aside included.
    pub(crate) fn into_tickets(mut self) -> BTreeMap<Place, TicketKey> {
        self.present.append(&mut self.away);
        if let Some(mut wholes) = self.wholes {
            self.present.append(&mut wholes.tickets);
        }
        self.present
    }

    /// Everybody by place, first those who are present.
    pub(crate) fn tickets(&self) -> impl Iterator<Item = (Place, TicketKey)> {
        let wholes = self.wholes.iter().flat_map(|wholes| &wholes.tickets);
        self.present.iter().chain(&self.away).chain(wholes).map(|(place, key)| (*place, *key))
    }

    /// Everybody, in order, those who stand aside included.
    pub(crate) fn iter(&self) -> impl Iterator<Item = TicketKey> {
        let mut all: Vec<_> = self.tickets().collect();
        all.sort_unstable();
        all.into_iter().map(|(_, key)| key)
    }

    pub(crate) fn len(&self) -> usize {
        self.present.len() + self.away.len() + self.wholes.as_ref().map_or(0, |wholes| wholes.tickets.len())
    }

    pub(crate) fn count_present(&self) -> usize {
        self.present.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.present.is_empty() && self.away.is_empty() && self.wholes.is_none()
    }

    /// Whether nobody in it can be served.
    #[inline]
    pub(crate) fn nobody_present(&self) -> bool {
        self.present.is_empty()
    }

    /// Whether who comes now, and `passes` those who reserve or not, stands behind nobody.
    pub(crate) fn lets_in(&self, passes: bool) -> bool {
        match self.reserved_from() {
            None => self.present.is_empty(),
            Some(_) => passes && self.first().is_none(),
        }
    }
}

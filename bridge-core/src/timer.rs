//! Deadlines in order. What is due at the same time happens in the order of the waits.

use std::collections::BTreeMap;

use crate::time::Time;
use crate::wait::{Place, TicketKey};

/// What a deadline ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Due {
    /// A batch that has its minimum has waited long enough for more.
    Linger,
    /// A wait's time is over.
    Deadline,
}

/// All deadlines.
#[derive(Debug, Default, Hash)]
pub(crate) struct Timers {
    due: BTreeMap<(Time, Place, Due), TicketKey>,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Time, place: Place, due: Due, ticket: TicketKey) {
        self.due.insert((at, place, due), ticket);
    }

    pub(crate) fn clear(&mut self, at: Time, place: Place, due: Due) {
        self.due.remove(&(at, place, due));
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Time> {
        self.due.keys().next().map(|(at, ..)| *at)
    }

    /// Takes the first one that is due at `now`.
    pub(crate) fn pop(&mut self, now: Time) -> Option<(Due, TicketKey)> {
        let first = self.due.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let ((_, _, due), ticket) = first.remove_entry();
        Some((due, ticket))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Time, Place, Due, TicketKey)> {
        self.due.iter().map(|((at, place, due), ticket)| (*at, *place, *due, *ticket))
    }
}

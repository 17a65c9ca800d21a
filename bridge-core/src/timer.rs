//! Deadlines in order. What is due at the same time happens in the order in which it was begun.

use std::collections::BTreeMap;

use crate::ids::Handle;
use crate::mutant::Mutant;
use crate::time::Time;
use crate::wait::{Place, TicketKey};

/// What a deadline ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Due {
    /// A batch that has its minimum has waited long enough for more.
    Linger,
    /// A wait's time is over.
    Deadline,
    /// Who waits for all of several has been passed by for long enough.
    Reserve,
    /// A shared object that nobody has used for long enough goes.
    Unused,
    /// Something of an object's own, which knows it by its place: a time to live.
    Own,
}

/// What a deadline is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    Ticket(TicketKey),
    Object(Handle),
}

/// All deadlines.
#[derive(Debug, Default, Hash)]
pub(crate) struct Timers {
    due: BTreeMap<(Time, Place, Due), Subject>,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Time, place: Place, due: Due, subject: Subject) {
        self.due.insert((at, place, due), subject);
    }

    pub(crate) fn clear(&mut self, at: Time, place: Place, due: Due) {
        self.due.remove(&(at, place, due));
    }

    /// When the next one is due.
    #[inline]
    pub(crate) fn next(&self) -> Option<Time> {
        self.due.keys().next().map(|(at, ..)| *at)
    }

    /// Takes the first one that is due at `now`.
    pub(crate) fn pop(&mut self, now: Time) -> Option<(Due, Place, Subject)> {
        let first = self.due.first_entry()?;
        if first.key().0 > now || (first.key().0 == now && Mutant::DeadlineOffByOne.is_on()) {
            return None;
        }
        let ((_, place, due), subject) = first.remove_entry();
        Some((due, place, subject))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Time, Place, Due, Subject)> {
        self.due.iter().map(|((at, place, due), subject)| (*at, *place, *due, *subject))
    }
}

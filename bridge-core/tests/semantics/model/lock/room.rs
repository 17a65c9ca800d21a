//! Who waits for a notification, in order; and what woke the others, who are in the lock's line.

use std::collections::BTreeMap;

use bridge_core::command::condition::Woken;

use crate::model::{After, Leaving};

/// Somebody who has released the lock.
#[derive(Clone, Debug)]
pub(super) struct Waiter {
    number: usize,
    /// How many levels it had.
    pub(super) levels: usize,
    in_line: bool,
}

#[derive(Debug, Default)]
pub(super) struct Room {
    entered: usize,
    waiting: Vec<usize>,
    woken: BTreeMap<usize, Woken>,
}

impl Room {
    /// Somebody waits, who had so many levels; one who does not want to goes to the line at once.
    pub(super) fn enter(&mut self, levels: usize, at_once: bool) -> Waiter {
        self.entered += 1;
        match at_once {
            true => drop(self.woken.insert(self.entered, Woken::TimedOut)),
            false => self.waiting.push(self.entered),
        }
        Waiter { number: self.entered, levels, in_line: at_once }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn woken(&self, waiter: &Waiter) -> Option<Woken> {
        self.woken.get(&waiter.number).copied()
    }

    /// How many were woken.
    pub(super) fn notify(&mut self, count: usize) -> usize {
        let count = count.min(self.waiting.len());
        self.woken.extend(self.waiting.drain(..count).map(|number| (number, Woken::Notified)));
        count
    }

    /// Its time is over, it is cancelled, or its session is over.
    pub(super) fn leaves(&mut self, waiter: &Waiter, how: Leaving) -> After {
        let was_waiting = self.waiting.contains(&waiter.number);
        self.waiting.retain(|number| *number != waiter.number);
        let woken = match how {
            Leaving::SessionOver => {
                if self.woken(waiter) == Some(Woken::Notified) {
                    self.notify(1);
                }
                return After::Ends;
            }
            _ if !was_waiting => return After::Stays,
            Leaving::Cancelled => Woken::Cancelled,
            Leaving::TimedOut => Woken::TimedOut,
        };
        self.woken.insert(waiter.number, woken);
        After::WaitsAnew
    }

    /// Whether it was woken just now.
    pub(super) fn goes_to_the_line(&self, waiter: &mut Waiter) -> bool {
        let goes = self.woken(waiter).is_some() && !waiter.in_line;
        waiter.in_line |= goes;
        goes
    }
}

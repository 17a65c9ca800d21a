//! A consumer that has its next items brought while it works on one.
//!
//! What it has not taken yet is OFFERED to it: nobody else has it, but somebody who waits gets it back, though this consumer
//! is busy, and no attempt counts. Each item is asked for by a call of its own; half a window of them leaves together.

use std::collections::VecDeque;
use std::time::Duration;

use bridge_core::command::queue::{Batch, Deliveries, Delivery, Mode, Taking};
use bridge_core::ids::ParticipantId;
use bridge_core::{Error, Reason, Timeout};

use crate::call::{Call, Granted};
use crate::clock;
use crate::fork;
use crate::queue::Queue;

/// How long a wait drives before it looks around.
const SLICE: Duration = Duration::from_secs(3600);

/// Takes items of a queue one after the other. Dropped, it gives back what it has not taken.
pub struct Consumer {
    queue: Queue,
    who: ParticipantId,
    taking: Taking,
    window: usize,
    /// `fork::generation()` of the process that made it.
    generation: u64,
    /// The takes under way, in the order in which they are granted.
    takes: VecDeque<Call<Deliveries>>,
    /// The first of them stands in line with those who wait.
    in_line: bool,
}

/// How the take of the next item ended: with an item that is on offer until it is accepted, or `SHUT_DOWN` and the like.
pub type Next = Result<Granted<Deliveries>, Error>;

impl Queue {
    /// A consumer that takes items for good, or leases them.
    pub fn consumer(&self, who: ParticipantId, mode: Mode) -> Consumer {
        let taking = Taking { prefetch: true, ..Taking::new(mode, Batch::ONE) };
        let (queue, generation) = (self.clone(), fork::generation());
        Consumer { queue, who, taking, window: 1, generation, takes: VecDeque::new(), in_line: false }
    }
}

impl Consumer {
    /// So many items are brought ahead of need, at least 1, from the next [`Consumer::next`] on.
    pub fn prefetch(mut self, window: usize) -> Self {
        self.window = window.max(1);
        self
    }

    /// How long each lease may last, from the moment at which it is taken.
    pub fn max_hold(mut self, max_hold: Duration) -> Self {
        self.taking.max_hold = Some(max_hold);
        self
    }

    /// The next item; waits for it. With no time to wait, only what has been brought already. `EMPTY`, `SHUT_DOWN`.
    pub fn next(&mut self, timeout: Timeout) -> Result<Delivery, Error> {
        if let Some(next) = self.poll_next() {
            return next.and_then(accepted);
        }
        let deadline = timeout.deadline(clock::now());
        loop {
            let left = deadline.map_or(SLICE, |deadline| deadline.since(clock::now()));
            if left.is_zero() {
                self.give_up();
                return Err(self.nothing());
            }
            if let Some(next) = self.wait_next(left) {
                return next.and_then(accepted);
            }
        }
    }

    /// As [`Consumer::next`] without a timeout, for a task. Dropped before its end it has taken nothing.
    pub async fn next_async(&mut self) -> Result<Delivery, Error> {
        loop {
            self.check()?;
            self.stand_in_line();
            let result = self.first().await;
            if let Some(next) = self.ended(result) {
                return next.and_then(accepted);
            }
        }
    }

    /// The next item, if it has been brought already.
    pub fn poll_next(&mut self) -> Option<Next> {
        if let Err(error) = self.check() {
            return Some(Err(error));
        }
        loop {
            let result = self.first().poll_take()?;
            if let Some(next) = self.ended(result) {
                return Some(next);
            }
        }
    }

    /// As [`Consumer::poll_next`]; waits for it, at most for `slice`, or until a signal arrives. From then on the consumer
    /// stands in line with everybody else who waits, until it has an item or [gives up](Consumer::give_up).
    pub fn wait_next(&mut self, slice: Duration) -> Option<Next> {
        let end = clock::now() + slice;
        loop {
            if let Err(error) = self.check() {
                return Some(Err(error));
            }
            self.stand_in_line();
            let result = self.first().wait(end.since(clock::now()))?;
            if let Some(next) = self.ended(result) {
                return Some(next);
            }
        }
    }

    /// It waits no longer: its place in line is another's, and items are brought ahead of need again.
    pub fn give_up(&mut self) {
        if std::mem::take(&mut self.in_line) {
            self.first().request_cancel();
        }
    }

    /// How a wait ends whose time is over.
    pub fn nothing(&self) -> Error {
        Error::new(Reason::Empty, "no item came within the time given")
    }

    fn stand_in_line(&mut self) {
        if !std::mem::replace(&mut self.in_line, true) {
            self.first().hasten();
        }
    }

    /// The take that is granted next, with all the others under way.
    fn first(&mut self) -> &mut Call<Deliveries> {
        if self.takes.len() <= self.window / 2 {
            let missing = self.window - self.takes.len();
            self.takes.extend(self.queue.take_ahead(self.who, self.taking, missing));
        }
        &mut self.takes[0]
    }

    /// The first take has ended. `None` where its item was recalled, or the wait for it was given up.
    fn ended(&mut self, result: Next) -> Option<Next> {
        self.takes.pop_front();
        self.in_line = false;
        if result.as_ref().is_err_and(|error| error.reason == Reason::Cancelled) {
            return None;
        }
        if result.is_ok() {
            // The next ones come while this one is worked on.
            self.first();
        }
        Some(result)
    }

    fn check(&self) -> Result<(), Error> {
        if self.generation != fork::generation() {
            return Err(Error::new(
                Reason::Unavailable,
                "the consumer belongs to the process that was forked, which has what was brought; make another one here",
            ));
        }
        Ok(())
    }
}

fn accepted(granted: Granted<Deliveries>) -> Result<Delivery, Error> {
    granted
        .accept()?
        .pop()
        .ok_or_else(|| Error::new(Reason::Internal, "the server's answer has no item in it"))
}

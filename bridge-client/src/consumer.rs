//! A consumer that has its next items brought while it works on one.
//!
//! What it has not taken yet is OFFERED to it: nobody else has it, but somebody who waits gets it back, though this consumer
//! is busy, and no attempt counts.

use std::collections::VecDeque;
use std::time::Duration;

use bridge_core::command::queue::{Batch, Deliveries, Delivery, Mode, Taking};
use bridge_core::ids::ParticipantId;
use bridge_core::{Error, Reason, Timeout};

use crate::call::{Call, Granted};
use crate::clock;
use crate::queue::Queue;

/// How long a wait drives before it looks around.
const SLICE: Duration = Duration::from_secs(3600);

/// Takes items of a queue one after the other. Dropped, it gives back what it has not taken.
pub struct Consumer {
    queue: Queue,
    who: ParticipantId,
    taking: Taking,
    window: usize,
    /// The takes under way, in the order in which they are granted.
    takes: VecDeque<Call<Deliveries>>,
}

impl Queue {
    /// A consumer that takes items for good, or leases them.
    pub fn consumer(&self, who: ParticipantId, mode: Mode) -> Consumer {
        let taking = Taking { prefetch: true, ..Taking::new(mode, Batch::ONE) };
        Consumer { queue: self.clone(), who, taking, window: 1, takes: VecDeque::new() }
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
        let deadline = timeout.deadline(clock::now());
        loop {
            let first = self.first();
            let mut result = first.poll_take();
            if result.is_none() {
                let left = deadline.map_or(SLICE, |deadline| deadline.since(clock::now()));
                if left.is_zero() {
                    if timeout != Timeout::NOW {
                        // It does not stand in line for nobody.
                        first.request_cancel();
                    }
                    return Err(Error::new(Reason::Empty, "no item came within the time given"));
                }
                first.hasten();
                result = first.wait(left);
            }
            if let Some(delivery) = result.and_then(|result| self.took(result)) {
                return delivery;
            }
        }
    }

    /// As [`Consumer::next`] without a timeout, for a task. Dropped before its end it has taken nothing.
    pub async fn next_async(&mut self) -> Result<Delivery, Error> {
        loop {
            let first = self.first();
            first.hasten();
            let result = first.await;
            if let Some(delivery) = self.took(result) {
                return delivery;
            }
        }
    }

    /// The take that is granted next, with all the others under way.
    fn first(&mut self) -> &mut Call<Deliveries> {
        while self.takes.len() < self.window.max(1) {
            self.takes.push_back(self.queue.take_as(self.who, self.taking, Timeout::Never));
        }
        &mut self.takes[0]
    }

    /// The first take has ended. `None` where its item was recalled.
    fn took(&mut self, result: Result<Granted<Deliveries>, Error>) -> Option<Result<Delivery, Error>> {
        self.takes.pop_front();
        match result.and_then(Granted::accept) {
            Ok(mut deliveries) => {
                // The next ones come while this one is worked on.
                self.first();
                deliveries.pop().map(Ok)
            }
            Err(error) if error.reason == Reason::Cancelled => None,
            Err(error) => Some(Err(error)),
        }
    }
}

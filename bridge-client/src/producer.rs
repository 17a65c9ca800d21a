//! A producer that does not wait for each item: puts in a bounded window.
//!
//! There is no timer. The first item leaves at once. While a batch is under way the next items gather, and leave
//! together when its answer arrives, or as soon as there is a whole batch of them. So an item waits for at most one round
//! trip, and where items come quickly they travel in columns.
//!
//! Order is kept: one thread starts batches at a time, the session sends calls in the order in which they were started,
//! and puts that wait stand in line at the server. A batch goes in whole or fails whole; what was put behind it may be in
//! the queue by then, so nothing is tried again. Any number of threads may share a producer; the items of each stay in
//! order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bridge_core::command::queue::NewItem;
use bridge_core::ids::ParticipantId;
use bridge_core::{Error, Reason, Timeout};

use crate::clock;
use crate::fork;
use crate::link::Link;
use crate::mutex::lock;
use crate::queue::Queue;
use crate::unawaited::{self, Calls, Failures, Owner, Waiters};

/// A batch has at most so many items, and takes no further one once it has so many bytes.
const BATCH_ITEMS: usize = 256;
const BATCH_BYTES: usize = 256 << 10;

/// Several batches fit into the window, and several into the queue, so that one fills while others are taken.
const BATCHES: u64 = 4;

/// No further item is taken while so many bytes are un-acknowledged.
const WINDOW_BYTES: usize = 16 << 20;

/// What an item needs beside its payload, roughly.
const ITEM_BYTES: usize = 64;

/// How long a wait drives before it looks around.
const SLICE: Duration = Duration::from_secs(3600);

/// Puts items and learns later how that went. Each item has a number, from 0 on.
///
/// What failed is told once, by the next [`Producer::put`], [`Producer::flush`] or [`Producer::close`]: with the reason of
/// the first failure, and details `failed` (how many), `numbers` (which) and `unknown` (of how many it cannot be known).
/// Dropped before it is flushed it withdraws what is not acknowledged and logs how much that was.
pub struct Producer(Arc<Shared>);

struct Shared {
    queue: Queue,
    who: ParticipantId,
    window: u64,
    /// `fork::generation()` of the process that made it.
    generation: u64,
    calls: Calls,
    waiters: Waiters,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The number of the next item.
    next: u64,
    /// Items that have not left, the latest ones.
    gathered: VecDeque<NewItem>,
    gathered_bytes: usize,
    /// How many of them cannot be in a batch.
    gathered_single: usize,
    /// How many items, and bytes, each batch has that is under way, by the number of its first.
    batches: BTreeMap<u64, (u64, usize)>,
    /// Items and bytes that are not acknowledged.
    open: u64,
    open_bytes: usize,
    /// A thread starts a batch.
    starting: bool,
    closed: bool,
    failures: Failures,
}

/// What became of an item that was offered.
#[derive(Debug)]
#[must_use = "what is full was not taken, and what leaves must be sent"]
pub enum Offered {
    /// It has that number, and leaves by itself.
    Gathered(u64),
    /// It has that number, and something leaves with [`Producer::send`].
    Leaves(u64),
    /// There is no room in the window; it was not taken.
    Full(NewItem),
}

impl Queue {
    /// A producer with at most `window` items un-acknowledged, at least 1.
    pub fn producer(&self, who: ParticipantId, window: u32) -> Producer {
        Producer(Arc::new(Shared {
            queue: self.clone(),
            who,
            window: u64::from(window.max(1)),
            generation: fork::generation(),
            calls: Calls::default(),
            waiters: Waiters::default(),
            state: Mutex::default(),
        }))
    }
}

impl Producer {
    /// Puts an item and returns its number. Waits for room in the window, not for the server: `FULL` when the time is over,
    /// and the item was not taken; nor is it where this tells what failed before.
    pub fn put(&self, item: NewItem, timeout: Timeout) -> Result<u64, Error> {
        self.ready()?;
        let deadline = timeout.deadline(clock::now());
        let mut offered = self.offer(item);
        loop {
            match offered {
                Offered::Gathered(number) => return Ok(number),
                Offered::Leaves(number) => {
                    self.send();
                    return Ok(number);
                }
                Offered::Full(item) => {
                    let left = deadline.map_or(SLICE, |deadline| deadline.since(clock::now()));
                    if left.is_zero() {
                        return Err(self.full());
                    }
                    self.wait_for_room(left);
                    offered = self.offer(item);
                }
            }
        }
    }

    /// Puts items one after the other, as [`Producer::put`] without a timeout. What fails meanwhile is told later.
    pub fn put_many(&self, items: impl IntoIterator<Item = NewItem>) -> Result<(), Error> {
        self.ready()?;
        for item in items {
            let mut offered = self.offer(item);
            while let Offered::Full(item) = offered {
                self.wait_for_room(SLICE);
                offered = self.offer(item);
            }
            if let Offered::Leaves(_) = offered {
                self.send();
            }
        }
        Ok(())
    }

    /// Waits until everything that was put before is acknowledged, and tells what failed. `TIMED_OUT`: it is still under
    /// way.
    pub fn flush(&self, timeout: Timeout) -> Result<(), Error> {
        let (mark, deadline) = (self.mark()?, timeout.deadline(clock::now()));
        loop {
            let left = deadline.map_or(SLICE, |deadline| deadline.since(clock::now()));
            let done = self.wait_for(mark, left);
            if done || left.is_zero() {
                self.told()?;
                return if done { Ok(()) } else { Err(self.unacknowledged()) };
            }
        }
    }

    /// Takes no more, and flushes.
    pub fn close(&self, timeout: Timeout) -> Result<(), Error> {
        self.shut();
        self.flush(timeout)
    }

    /// Takes an item if there is room in the window, and never waits.
    pub fn offer(&self, item: NewItem) -> Offered {
        let bytes = bytes(&item);
        let most = self.0.batch_most();
        let mut state = lock(&self.0.state);
        if !state.has_room(self.0.window) {
            return Offered::Full(item);
        }
        let number = state.next;
        state.next += 1;
        state.open += 1;
        state.open_bytes += bytes;
        state.gathered_bytes += bytes;
        state.gathered_single += usize::from(is_single(&item));
        state.gathered.push_back(item);
        if state.is_ripe(most) { Offered::Leaves(number) } else { Offered::Gathered(number) }
    }

    /// Sends what is to leave. Does not wait.
    pub fn send(&self) {
        self.0.leave();
    }

    /// Waits at most for `slice`, or until a signal arrives. True: there is room in the window.
    pub fn wait_for_room(&self, slice: Duration) -> bool {
        let shared = &self.0;
        shared.leave();
        shared.waiters.wait(shared.link(), slice, || lock(&shared.state).has_room(shared.window))
    }

    /// What [`Producer::wait_for`] waits for: everything that was put so far. Fails if the producer is a parent's of this
    /// process.
    pub fn mark(&self) -> Result<u64, Error> {
        self.check()?;
        Ok(lock(&self.0.state).next)
    }

    /// Waits at most for `slice`, or until a signal arrives. True: everything before `mark` is acknowledged, or failed.
    pub fn wait_for(&self, mark: u64, slice: Duration) -> bool {
        let shared = &self.0;
        shared.leave();
        shared.waiters.wait(shared.link(), slice, || lock(&shared.state).oldest() >= mark)
    }

    /// Fails if anything did, and has not been told; or if the producer cannot be used here any more.
    pub fn told(&self) -> Result<(), Error> {
        self.check()?;
        let name = self.0.queue.name();
        let mut state = lock(&self.0.state);
        if state.failures.count() == 0 {
            return Ok(());
        }
        let failures = state.failures.take(|count, which| {
            format!("{count} items of this producer are not in the queue {name}: number {which}")
        });
        failures.map_or(Ok(()), Err)
    }

    /// As [`Producer::told`]; fails too if it takes no more.
    pub fn ready(&self) -> Result<(), Error> {
        self.told()?;
        if lock(&self.0.state).closed {
            return Err(Error::invalid("producer", "the producer is closed; make another one"));
        }
        Ok(())
    }

    /// Takes no more: [`Producer::ready`] says so from now on.
    pub fn shut(&self) {
        if !self.0.forked() {
            lock(&self.0.state).closed = true;
        }
    }

    /// How many items are not acknowledged, or failed and that was not told.
    pub fn undelivered(&self) -> u64 {
        if self.0.forked() {
            return 0;
        }
        let state = lock(&self.0.state);
        state.open + state.failures.count()
    }

    /// How a put ends that found no room in time.
    pub fn full(&self) -> Error {
        let open = lock(&self.0.state).open;
        Error::new(
            Reason::Full,
            format!(
                "no room in the window within the time given: {open} items that were put into {} are not acknowledged; \
                 this one was not taken",
                self.0.queue.name()
            ),
        )
    }

    /// How a flush ends whose time is over.
    pub fn unacknowledged(&self) -> Error {
        let open = lock(&self.0.state).open;
        Error::new(
            Reason::TimedOut,
            format!(
                "{open} items that were put into {} are not acknowledged within the time given; they are under way still",
                self.0.queue.name()
            ),
        )
    }

    fn check(&self) -> Result<(), Error> {
        if self.0.forked() {
            return Err(Error::new(
                Reason::Unavailable,
                "the producer belongs to the process that was forked, which sends what was put; make another one here",
            ));
        }
        Ok(())
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        let undelivered = self.undelivered();
        if undelivered > 0 {
            tracing::warn!(
                queue = self.0.queue.name(),
                undelivered,
                "a producer was dropped and not flushed: so many of its items are withdrawn, or failed"
            );
        }
    }
}

impl Shared {
    fn forked(&self) -> bool {
        self.generation != fork::generation()
    }

    fn link(&self) -> &dyn Link {
        &**self.queue.usage.link()
    }

    /// How many items, and about how many bytes, a batch may have, so that it fits into the queue.
    fn batch_most(&self) -> (usize, usize) {
        // Until the server has said how large the queue is, each item by itself.
        let Some(bounds) = self.queue.usage.object.bounds() else { return (1, BATCH_BYTES) };
        let part_of = |bound: u64| if bound == 0 { u64::MAX } else { (bound / BATCHES).max(1) };
        let items = part_of(bounds.maxsize).min(part_of(self.window)).min(BATCH_ITEMS as u64);
        let bytes = part_of(bounds.max_bytes).min(BATCH_BYTES as u64);
        (items as usize, bytes as usize)
    }

    /// Starts the batches that are to leave. If another thread is at it, that one looks again.
    fn leave(self: &Arc<Self>) {
        loop {
            let most = self.batch_most();
            let (first, items) = {
                let mut state = lock(&self.state);
                if state.starting || !state.is_ripe(most) {
                    return;
                }
                state.starting = true;
                state.take_batch(most)
            };
            unawaited::run(self, first, self.queue.put_any(self.who, items));
            self.link().send();
            lock(&self.state).starting = false;
        }
    }
}

impl Owner for Shared {
    fn calls(&self) -> &Calls {
        &self.calls
    }

    fn ended(self: &Arc<Self>, first: u64, result: Result<(), Error>) {
        {
            let mut state = lock(&self.state);
            let (count, bytes) = state.batches.remove(&first).unwrap_or_default();
            state.open -= count;
            state.open_bytes -= bytes;
            if let Err(error) = result {
                state.failures.note(first, count, error);
            }
        }
        self.leave();
        self.waiters.wake(self.link());
    }
}

impl State {
    fn has_room(&self, window: u64) -> bool {
        self.open == 0 || (self.open < window && self.open_bytes < WINDOW_BYTES)
    }

    /// Whether something is to leave now: nothing is under way, or there is a whole batch.
    fn is_ripe(&self, (items, bytes): (usize, usize)) -> bool {
        !self.gathered.is_empty()
            && (self.batches.is_empty()
                || self.gathered_single > 0
                || self.gathered.len() >= items
                || self.gathered_bytes >= bytes)
    }

    /// The next batch, and the number of its first item.
    fn take_batch(&mut self, (items, bytes_max): (usize, usize)) -> (u64, Vec<NewItem>) {
        let first = self.next - self.gathered.len() as u64;
        let (mut batch, mut total) = (Vec::new(), 0);
        while let Some(item) = self.gathered.front() {
            let (single, bytes) = (is_single(item), bytes(item));
            if !batch.is_empty() && (single || total + bytes > bytes_max) {
                break;
            }
            total += bytes;
            self.gathered_single -= usize::from(single);
            batch.extend(self.gathered.pop_front());
            if single || batch.len() >= items {
                break;
            }
        }
        self.gathered_bytes -= total;
        self.batches.insert(first, (batch.len() as u64, total));
        (first, batch)
    }

    /// The number of the first item that is not acknowledged.
    fn oldest(&self) -> u64 {
        let gathered = self.next - self.gathered.len() as u64;
        self.batches.keys().next().map_or(gathered, |first| gathered.min(*first))
    }
}

/// Whether it must be put by itself.
fn is_single(item: &NewItem) -> bool {
    item.attributes.as_ref().is_some_and(|attributes| attributes.dedupe.is_some())
}

fn bytes(item: &NewItem) -> usize {
    item.payload.bytes_retained() as usize + item.key.len() + ITEM_BYTES
}

#[cfg(test)]
mod tests {
    use bridge_core::Payload;
    use bridge_core::command::queue::{Attributes, Dedupe};
    use bridge_core::payload::ContentType;

    use super::*;

    fn item(bytes: usize, single: bool) -> NewItem {
        let item = NewItem::new(Payload::new(ContentType::Bytes, vec![0; bytes]));
        let dedupe = Dedupe { key: "k".into(), scope: Default::default(), refuse: false };
        let attributes = Attributes { dedupe: single.then_some(dedupe), ..Attributes::default() };
        if single { item.with(attributes) } else { item }
    }

    fn gather(state: &mut State, item: NewItem) {
        state.next += 1;
        state.gathered_bytes += bytes(&item);
        state.gathered_single += usize::from(is_single(&item));
        state.gathered.push_back(item);
    }

    #[test]
    fn the_first_leaves_at_once_and_the_next_gather() {
        let most = (4, 1_000);
        let mut state = State::default();
        assert!(!state.is_ripe(most), "nothing is there");
        gather(&mut state, item(0, false));
        assert!(state.is_ripe(most));
        assert_eq!(state.take_batch(most).1.len(), 1);
        (0..3).for_each(|_| gather(&mut state, item(0, false)));
        assert!(!state.is_ripe(most), "one is under way");
        state.batches.clear();
        assert!(state.is_ripe(most), "it was answered");
        let (first, batch) = state.take_batch(most);
        assert_eq!((first, batch.len()), (1, 3));
        (0..4).for_each(|_| gather(&mut state, item(0, false)));
        assert!(state.is_ripe(most), "a whole batch need not wait");
    }

    #[test]
    fn batches_keep_order_and_bounds() {
        let most = (7, 5_000);
        // Any sequence with runs of each kind.
        let kind = |number: usize| (number * number * 31 + number / 5) % 11;
        let items = |number| match kind(number) {
            0 => item(6_000, false),
            1 => item(number, true),
            2..=4 => item(2_000, false),
            _ => item(10, false),
        };
        let mut state = State::default();
        let mut taken = Vec::new();
        for number in 0..2_000 {
            gather(&mut state, items(number));
            if number % 3 != 0 {
                continue;
            }
            while state.is_ripe(most) {
                let (first, batch) = state.take_batch(most);
                assert_eq!(first as usize, taken.len());
                let total: usize = batch.iter().map(bytes).sum();
                assert!(batch.len() == 1 || (batch.len() <= most.0 && total <= most.1), "{}", batch.len());
                assert!(batch.len() == 1 || !batch.iter().any(is_single));
                taken.extend(batch);
            }
            if number % 4 == 0 {
                state.batches.pop_first();
            }
        }
        state.batches.clear();
        while state.is_ripe(most) {
            taken.extend(state.take_batch(most).1);
            state.batches.clear();
        }
        assert!(taken.iter().enumerate().all(|(number, taken)| *taken == items(number)));
        assert_eq!((taken.len(), state.gathered_bytes, state.gathered_single), (2_000, 0, 0));
        assert_eq!(state.oldest(), 2_000);
    }
}

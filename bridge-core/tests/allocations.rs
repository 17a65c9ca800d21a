//! How often the engine asks for memory in a put and a get, once it is warm: what it keeps for good does not count.
//!
//! An allocation costs as much as a good part of a whole pair, and one more in a path that every call takes is easily
//! added and hardly seen. Whoever needs fewer lowers the bounds; whoever needs more says why.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bridge_core::command::Mode;
use bridge_core::ids::{SessionKey, Target};
use bridge_core::{Payload, Timeout};

#[path = "../benches/support/mod.rs"]
mod support;

use support::{Bench, get, payload, put};

/// At most so many in a put and a get that finds its item.
const DIRECT_MAX: u64 = 1;
const RESUMABLE_MAX: u64 = 2;

/// At most so many in a get that waits and the put that wakes it.
const DIRECT_PARKED_MAX: u64 = 3;
const RESUMABLE_PARKED_MAX: u64 = 3;

const PAIRS: u64 = 1_000;

/// The system's allocator, which counts what a thread asks of it.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: everything is done by the system's allocator; counting neither allocates nor fails.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller says.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller says.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { System.dealloc(block, layout) }
    }
}

/// One engine with one session and one queue.
struct One {
    bench: Bench,
    who: SessionKey,
    queue: Target,
    payload: Payload,
}

impl One {
    fn new(mode: Mode) -> Self {
        let mut bench = Bench::new();
        let who = bench.open(1, mode);
        let queue = bench.queue(who, "queue");
        One { bench, who, queue, payload: payload() }
    }

    /// A put, then a get.
    fn pair(&mut self) {
        self.bench.pair(self.who, &self.queue, &self.payload);
    }

    /// A get that waits, then a put.
    fn parked_pair(&mut self) {
        let first = self.bench.call(self.who, get(&self.queue, Timeout::Never));
        let last = self.bench.call(self.who, put(&self.queue, &self.payload));
        assert_eq!(self.bench.effects.len(), 2, "both are answered: {:?}", self.bench.effects);
        self.bench.done(self.who, first, last);
        self.bench.effects.clear();
    }

    /// How often memory is asked for on average, rounded up.
    fn allocations(&mut self, pair: fn(&mut One)) -> u64 {
        (0..PAIRS).for_each(|_| pair(self));
        let before = ALLOCATIONS.get();
        (0..PAIRS).for_each(|_| pair(self));
        (ALLOCATIONS.get() - before).div_ceil(PAIRS)
    }
}

#[test]
fn a_put_and_a_get() {
    for (mode, most) in [(Mode::Direct, DIRECT_MAX), (Mode::Resumable, RESUMABLE_MAX)] {
        let found = One::new(mode).allocations(One::pair);
        assert!(found <= most, "{mode:?}: {found} allocations in a put and a get, at most {most} may be");
    }
}

#[test]
fn a_get_that_waits_and_its_put() {
    for (mode, most) in [(Mode::Direct, DIRECT_PARKED_MAX), (Mode::Resumable, RESUMABLE_PARKED_MAX)] {
        let found = One::new(mode).allocations(One::parked_pair);
        assert!(found <= most, "{mode:?}: {found} allocations in a get and its put, at most {most} may be");
    }
}

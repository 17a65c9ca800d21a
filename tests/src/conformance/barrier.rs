//! Barriers.

use std::time::Duration;

use bridge_client::barrier::{Arrive, Cause, OnCancel, Options};
use bridge_client::{Barrier, Reason, Timeout};

use super::{LONG, ME, SHORT, connect, end, good, reason, until};

const PLAIN: Arrive = Arrive { timeout: Timeout::After(LONG), has_action: false, on_cancel: OnCancel::Break };
const ACTING: Arrive = Arrive { has_action: true, ..PLAIN };

fn barrier(url: &str, parties: u32) -> Barrier {
    connect(url).barrier(Some("b"), Options { parties: Some(parties), ephemeral: None }).unwrap()
}

fn until_waiting(barrier: &Barrier, count: u64) {
    until(|| good(barrier.describe(ME)).waiting == count, "the waits do not show");
}

/// All go when all have arrived, and each has a number of its own; again and again.
pub fn rounds(url: &str) {
    let barriers = [barrier(url, 3), barrier(url, 3), barrier(url, 3)];
    std::thread::scope(|scope| {
        let threads = barriers.each_ref().map(|barrier| {
            scope.spawn(|| {
                let arrive = |_| good(barrier.wait(ME, PLAIN));
                (0..10).map(arrive).map(|arrived| (arrived.generation, arrived.index)).collect::<Vec<_>>()
            })
        });
        let mut all: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        all.sort_unstable();
        let expected: Vec<_> = (0..10).flat_map(|round| (0..3).map(move |index| (round, index))).collect();
        assert_eq!(all, expected);
    });
}

/// One runs the action before the others go.
pub fn action(url: &str) {
    let (here, there) = (barrier(url, 2), barrier(url, 2));
    let mut first = here.wait(ME, ACTING);
    until_waiting(&here, 1);
    let acts = good(there.wait(ME, ACTING));
    assert_eq!(acts.index, 1);
    let token = acts.action.expect("the latest acts");
    assert!(first.wait(Duration::ZERO).is_none(), "the others wait for it");
    assert!(good(there.action_done(ME, token, None)));
    let first = end(first).unwrap();
    assert_eq!((first.index, first.action, first.generation), (0, None, acts.generation));
    let first = here.wait(ME, PLAIN);
    let token = good(there.wait(ME, ACTING)).action.expect("it acts");
    assert!(!good(there.action_done(ME, token, Some("it failed".into()))));
    let error = end(first).expect_err("it is broken");
    assert_eq!((error.reason, error.detail("cause")), (Reason::BrokenBarrier, Some("ACTION_FAILED")));
    assert!(error.message.contains("it failed"), "{error}");
}

/// Whoever runs the action and dies breaks it.
pub fn lost(url: &str) {
    let (here, there) = (barrier(url, 2), barrier(url, 2));
    let first = here.wait(ME, PLAIN);
    until_waiting(&here, 1);
    assert!(good(there.wait(ME, ACTING)).action.is_some());
    there.bridge().close(LONG).unwrap();
    assert_eq!(reason(first), Reason::BrokenBarrier);
    assert_eq!(good(here.describe(ME)).broken, Some(Cause::PartyLost));
    good(here.reset(ME));
    let there = barrier(url, 2);
    let first = here.wait(ME, PLAIN);
    until_waiting(&here, 1);
    good(there.wait(ME, PLAIN));
    good(first);
}

/// A party whose time is over breaks it; so does an abort; a reset makes it as new.
pub fn broken(url: &str) {
    let (here, there) = (barrier(url, 3), barrier(url, 3));
    let waits = here.wait(ME, PLAIN);
    until_waiting(&here, 1);
    let timeout = Timeout::After(SHORT);
    assert_eq!(reason(there.wait(ME, Arrive { timeout, ..PLAIN })), Reason::TimedOut);
    assert_eq!(reason(waits), Reason::BrokenBarrier);
    assert_eq!(reason(here.wait(ME, PLAIN)), Reason::BrokenBarrier);
    for end_it in [Barrier::abort, Barrier::reset] {
        good(there.reset(ME));
        let waits = here.wait(ME, PLAIN);
        until_waiting(&here, 1);
        good(end_it(&there, ME));
        assert_eq!(reason(waits), Reason::BrokenBarrier);
    }
    assert_eq!(good(here.describe(ME)).broken, None);
}

/// A cancelled call breaks it, or leaves.
pub fn cancelled(url: &str) {
    let (here, there) = (barrier(url, 2), barrier(url, 2));
    let leaves = here.wait(ME, Arrive { on_cancel: OnCancel::Leave, ..PLAIN });
    until_waiting(&here, 1);
    assert!(leaves.cancel(LONG).is_none());
    assert_eq!(good(there.describe(ME)).waiting, 0);
    let breaks = here.wait(ME, PLAIN);
    until_waiting(&here, 1);
    assert!(breaks.cancel(LONG).is_none());
    assert_eq!(good(there.describe(ME)).broken, Some(Cause::Cancelled));
}

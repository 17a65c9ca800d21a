//! Locks, read-write locks, conditions.

use std::time::Duration;

use bridge_client::condition::{self, Woken};
use bridge_client::lock::{Cause, Grant, Options};
use bridge_client::rwlock::{self, Mode};
use bridge_client::{Lock, Reason, Timeout};

use super::{LONG, ME, SHORT, connect, good, reason, until};

const LONGEST: Timeout = Timeout::After(LONG);

fn lock(url: &str, reentrant: bool) -> Lock {
    let options = Options { reentrant: Some(reentrant), ..Options::default() };
    connect(url).lock(Some("l"), options).unwrap()
}

#[track_caller]
fn acquire(lock: &Lock) -> Grant {
    good(lock.acquire(ME, false, LONGEST))
}

/// It goes to who waits longest; a wait's time ends.
pub fn in_line(url: &str) {
    let (one, two) = (lock(url, false), lock(url, false));
    let held = acquire(&one);
    assert_eq!(reason(two.acquire(ME, false, Timeout::NOW)), Reason::TimedOut);
    assert_eq!(reason(two.acquire(ME, true, Timeout::After(SHORT))), Reason::TimedOut);
    let mut first = two.acquire(ME, false, LONGEST);
    until(|| good(one.describe(ME)).waiting == 1, "the wait does not show");
    let mut second = one.acquire(ME, false, LONGEST);
    good(one.release(ME, Some(held.token)));
    let next = first.wait(LONG).expect("the first is granted").unwrap().accept().unwrap();
    assert!(next.token > held.token);
    assert!(second.wait(Duration::ZERO).is_none());
    good(two.release(ME, None));
    good(second);
}

/// Another session cannot release it; nobody releases what is free.
pub fn not_owner(url: &str) {
    let (one, two) = (lock(url, false), lock(url, false));
    assert_eq!(reason(one.release(ME, None)), Reason::NotOwner);
    let held = acquire(&one);
    assert_eq!(reason(two.release(ME, None)), Reason::NotOwner);
    good(one.release(one.bridge().participant("another thread"), None));
    let again = acquire(&two);
    assert_ne!(held.token, again.token);
    assert_eq!(reason(two.release(ME, Some(held.token))), Reason::Stale);
}

/// Its holder may have it again, and alone releases it.
pub fn reentrant(url: &str) {
    let (one, two) = (lock(url, true), lock(url, true));
    assert_eq!(acquire(&one).token, acquire(&one).token);
    assert_eq!(reason(one.release(one.bridge().participant("another thread"), None)), Reason::NotOwner);
    good(one.release(ME, None));
    assert_eq!(reason(two.acquire(ME, false, Timeout::NOW)), Reason::TimedOut);
    good(one.release(ME, None));
    acquire(&two);
}

/// The next owner is told that the one before ended holding it.
pub fn abandoned(url: &str) {
    let (one, two) = (lock(url, false), lock(url, false));
    let held = acquire(&one);
    assert_eq!(held.abandoned, None);
    let wait = two.acquire(ME, false, LONGEST);
    until(|| good(one.describe(ME)).waiting == 1, "the wait does not show");
    one.bridge().close(LONG).unwrap();
    let next = good(wait);
    assert_eq!(next.abandoned.map(|abandoned| abandoned.token), Some(held.token));
    good(two.release(ME, Some(next.token)));
    assert_eq!(acquire(&two).abandoned, None);
}

/// A lock of its own.
pub fn own(url: &str) {
    let bridge = connect(url);
    let lock = bridge.lock(None, Options::default()).unwrap();
    let held = good(lock.acquire(ME, false, Timeout::NOW));
    assert_eq!(reason(lock.acquire(ME, false, Timeout::NOW)), Reason::TimedOut);
    good(lock.release(ME, Some(held.token)));
    assert_eq!(good(lock.describe(ME)).options.foreign_release, Some(true));
}

/// Held for longer than its lease it goes to the next, and its holder is told.
pub fn lease(url: &str) {
    let (one, two) = (lock(url, false), lock(url, false));
    for by_token in [true, false] {
        let held = good(one.acquire_for(ME, SHORT, LONGEST));
        let next = good(two.acquire(ME, false, LONGEST));
        let abandoned = next.abandoned.expect("it was not released");
        assert_eq!((abandoned.token, abandoned.cause), (held.token, Cause::Lease));
        until(|| one.is_lost(held.token), "the loss is not told");
        assert!(!two.is_lost(next.token));
        assert_eq!(reason(one.release(ME, by_token.then_some(held.token))), Reason::LockLost);
        good(two.release(ME, Some(next.token)));
        assert_eq!(reason(one.release(ME, None)), Reason::NotOwner, "it was told");
    }
    one.bridge().close(LONG).unwrap();
    let [one, two] = [(), ()].map(|()| connect(url).rwlock(Some("rw"), rwlock::Options::default()).unwrap());
    let held = good(one.acquire_for(ME, Mode::Write, SHORT, LONGEST));
    let next = good(two.acquire(ME, Mode::Read, false, LONGEST));
    assert_eq!(next.abandoned.map(|abandoned| abandoned.cause), Some(Cause::Lease));
    until(|| one.is_lost(held.token), "the loss is not told");
    assert_eq!(reason(one.release(ME, Mode::Write, None)), Reason::LockLost);
}

/// A lease that is extended counts anew.
pub fn extend(url: &str) {
    let (one, two) = (lock(url, true), lock(url, true));
    let held = good(one.acquire_for(ME, LONG * 10, LONGEST));
    good(one.extend(ME, held.token, None));
    let left = good(two.describe(ME)).holder.and_then(|holder| holder.lease).expect("it has a lease");
    assert!(left > LONG * 9, "{left:?}");
    assert_eq!(reason(two.extend(ME, held.token, None)), Reason::NotOwner);
    good(one.extend(ME, held.token, Some(SHORT)));
    acquire(&two);
    until(|| one.is_lost(held.token), "the loss is not told");
    assert_eq!(reason(one.extend(ME, held.token, None)), Reason::LockLost);
    let rwlock = one.bridge().rwlock(Some("rw"), rwlock::Options::default()).unwrap();
    let held = good(rwlock.acquire_for(ME, Mode::Read, LONG * 10, LONGEST));
    good(rwlock.extend(ME, held.token, Some(LONG)));
    good(rwlock.release(ME, Mode::Read, Some(held.token)));
    assert_eq!(reason(rwlock.extend(ME, held.token, None)), Reason::Stale);
}

/// Many read or one writes.
pub fn read_write(url: &str) {
    let [one, two] = [(), ()].map(|()| connect(url).rwlock(Some("rw"), rwlock::Options::default()).unwrap());
    let read = |lock: &bridge_client::RwLock| good(lock.acquire(ME, Mode::Read, false, Timeout::NOW)).token;
    let (first, second) = (read(&one), read(&two));
    assert!(first < second);
    assert_eq!(reason(one.acquire(ME, Mode::Write, false, Timeout::NOW)), Reason::TimedOut);
    let upgrade = one.acquire(ME, Mode::Write, false, LONGEST);
    until(|| good(one.describe(ME)).waiting == 1, "the wait does not show");
    assert_eq!(reason(two.acquire(ME, Mode::Write, false, LONGEST)), Reason::Deadlock);
    good(two.release(ME, Mode::Read, Some(second)));
    let writing = good(upgrade).token;
    assert_eq!(reason(two.release(ME, Mode::Write, Some(writing))), Reason::NotOwner);
    good(one.release(ME, Mode::Write, None));
    read(&two);
    assert_eq!(good(two.describe(ME)).reading, 2);
}

/// A wait gives the lock away and ends with it.
pub fn condition(url: &str) {
    let [one, two] =
        [(), ()].map(|()| lock(url, true).condition(Some("c"), condition::Options::default()).unwrap());
    assert_eq!(reason(one.wait(ME, LONGEST)), Reason::NotOwner);
    let held = [acquire(one.lock()), acquire(one.lock())];
    let wait = one.wait(ME, Timeout::Never);
    acquire(two.lock());
    assert_eq!(good(two.describe(ME)).waiting, 1);
    assert_eq!(good(two.notify(ME, None)), 1);
    good(two.lock().release(ME, None));
    let waited = good(wait);
    assert_eq!(waited.woken, Woken::Notified);
    assert!(waited.grant.token > held[1].token);
    assert_eq!(good(one.wait(ME, Timeout::After(SHORT))).woken, Woken::TimedOut);
    assert_eq!(good(one.lock().describe(ME)).holder.unwrap().levels, 2);
    good(one.lock().release(ME, None));
    good(one.lock().release(ME, None));
    assert_eq!(reason(one.lock().release(ME, None)), Reason::NotOwner);
}

/// A withdrawn wait ends with the lock all the same.
pub fn condition_is_cancelled(url: &str) {
    let [one, two] =
        [(), ()].map(|()| lock(url, false).condition(Some("c"), condition::Options::default()).unwrap());
    acquire(one.lock());
    let mut wait = one.wait(ME, Timeout::Never);
    let held = acquire(two.lock());
    wait.ask_to_cancel();
    until(|| good(two.describe(ME)).waiting == 0, "the withdrawal does not show");
    assert!(wait.wait(Duration::ZERO).is_none());
    good(two.lock().release(ME, Some(held.token)));
    assert_eq!(good(wait).woken, Woken::Cancelled);
    good(one.lock().release(ME, None));
}

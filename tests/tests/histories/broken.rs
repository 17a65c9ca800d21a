//! Histories that no object of ours may have: each must be rejected, and the right one beside it accepted.

use super::checker::{Interval, NEVER, Spec, check};
use super::specs::{Event, OfEvent, OfPermits, OfQueue, OfValue, Permits, Queue, Value};

fn holds<T: Spec>(start: T, history: &[(T::Step, u64, u64)]) -> bool {
    let intervals = history.iter().cloned().map(|(step, began, ended)| Interval { step, began, ended });
    check(start, &intervals.collect::<Vec<_>>()).is_ok()
}

#[test]
fn queues() {
    use OfQueue::*;
    let fifo = |history: &[(OfQueue, u64, u64)]| holds(Queue::new(2), history);
    assert!(fifo(&[(Put(1), 1, 2), (Put(2), 3, 4), (Got(1), 5, 6), (Got(2), 7, 8), (Empty, 9, 10)]));
    assert!(!fifo(&[(Put(1), 1, 2), (Put(2), 3, 4), (Got(2), 5, 6), (Got(1), 7, 8)]), "out of order");
    assert!(fifo(&[(Put(1), 1, 4), (Put(2), 2, 3), (Got(2), 5, 6), (Got(1), 7, 8)]), "put at the same time");
    assert!(!fifo(&[(Put(1), 1, 2), (Got(1), 3, 4), (Got(1), 5, 6)]), "delivered twice");
    assert!(!fifo(&[(Put(1), 1, 2), (Empty, 3, 4)]), "lost");
    assert!(!fifo(&[(Got(1), 1, 2), (Put(1), 3, 4)]), "from the future");
    assert!(!fifo(&[(Put(1), 1, 2), (Put(2), 3, 4), (Put(3), 5, 6)]), "beyond its bound");
    assert!(!fifo(&[(Put(1), 1, 2), (Full, 3, 4)]), "there was room");
    assert!(!fifo(&[(Put(1), 1, 2), (Size(2), 3, 4)]), "a size of its own");
    // A cancelled get may have had the item for a while, and not for ever.
    let cancelled = [(Put(1), 1, 2), (TryGet(7), 3, 6), (GiveBack(7), 3, NEVER), (Empty, 4, 5)];
    assert!(fifo(&cancelled));
    assert!(fifo(&[&cancelled[..], &[(Got(1), 7, 8)]].concat()));
    assert!(!fifo(&[&cancelled[..], &[(Got(1), 7, 8), (Got(1), 9, 10)]].concat()), "given back, and kept");
    assert!(!fifo(&[(Put(1), 1, 2), (TryGet(7), 5, 6), (GiveBack(7), 5, NEVER), (Empty, 3, 4)]));
    // A cancelled put is nowhere in the end.
    let withdrawn = [(TryPut(1, 7), 1, 4), (Withdraw(1, 7), 1, 4)];
    assert!(fifo(&[&withdrawn[..], &[(Size(1), 2, 3), (Empty, 5, 6)]].concat()));
    assert!(!fifo(&[&withdrawn[..], &[(Got(1), 2, 3)]].concat()), "withdrawn, and delivered");
    assert!(!fifo(&[&withdrawn[..], &[(Size(1), 5, 6)]].concat()), "withdrawn, and there");
    assert!(fifo(&[(Put(1), 1, NEVER), (Got(1), 2, 3), (Empty, 4, 5)]), "nobody knows whether it was put");
    assert!(!fifo(&[(Put(1), 1, NEVER), (Got(1), 2, 3), (Got(1), 4, 5)]));
}

#[test]
fn locks_and_semaphores() {
    use OfPermits::*;
    let got = |token| Acquired { permits: 1, token };
    let lock = |history: &[(OfPermits, u64, u64)]| holds(Permits::new(1), history);
    let released = |token| Released { token };
    assert!(lock(&[(got(1), 1, 2), (TimedOut { most: 1 }, 3, 4), (released(1), 5, 6), (got(2), 7, 8)]));
    assert!(!lock(&[(got(1), 1, 2), (got(2), 3, 4)]), "two holders");
    assert!(!lock(&[(got(2), 1, 2), (released(2), 3, 4), (got(1), 5, 6)]), "a token that does not grow");
    assert!(!lock(&[(TimedOut { most: 1 }, 1, 2)]), "it was free");
    assert!(!lock(&[(got(1), 1, 2), (released(1), 3, 4), (released(1), 5, 6)]), "released twice");
    let cancelled = [(Try(1, 7), 1, 4), (GiveBack(7), 1, NEVER)];
    assert!(lock(&[&cancelled[..], &[(TimedOut { most: 1 }, 2, 3), (got(1), 5, 6)]].concat()));
    assert!(!lock(
        &[&cancelled[..], &[(got(1), 5, 6), (TimedOut { most: 1 }, 7, 8), (got(2), 9, 10)]].concat()
    ));

    let semaphore = |history: &[(OfPermits, u64, u64)]| holds(Permits::new(3), history);
    let two = |token| Acquired { permits: 2, token };
    assert!(semaphore(&[(two(1), 1, 2), (got(2), 3, 4), (TimedOut { most: 2 }, 5, 6)]));
    assert!(!semaphore(&[(two(1), 1, 2), (two(2), 3, 4)]), "more permits than there are");
    assert!(semaphore(&[(two(1), 1, 2), (TimedOut { most: 2 }, 3, 4)]), "behind one who waits for two");
    assert!(!semaphore(&[(got(1), 1, 2), (TimedOut { most: 2 }, 3, 4)]), "enough were free");
}

#[test]
fn events() {
    use OfEvent::*;
    let event = |history: &[(OfEvent, u64, u64)]| holds(Event::default(), history);
    assert!(event(&[(Found(true), 1, 6), (Set, 2, 3), (Clear, 4, 5), (Found(false), 7, 8)]), "a pulse wakes");
    assert!(!event(&[(Found(true), 1, 2), (Set, 3, 4)]), "before it was set");
    assert!(!event(&[(Set, 1, 2), (Found(false), 3, 4)]), "a wake-up that is lost");
    assert!(!event(&[(Set, 1, 2), (Clear, 3, 4), (Found(true), 5, 6)]), "it was cleared");
    assert!(event(&[(Set, 1, NEVER), (Found(true), 2, 3)]));
}

#[test]
fn values() {
    use OfValue::*;
    let value = |history: &[(OfValue, u64, u64)]| holds(Value::default(), history);
    let set = |number, version| Set { number, version: Some(version) };
    let got = |number, version| Got { number, version };
    let swapped = |expected, number, version| Swapped { expected, number, version: Some(version) };
    let added = |sum, version| Added { by: 1, sum: Some(sum), version: Some(version) };
    assert!(value(&[
        (got(0, 0), 1, 2),
        (set(5, 10), 3, 4),
        (swapped(10, 6, 11), 5, 6),
        (added(7, 12), 7, 8)
    ]));
    assert!(!value(&[(set(5, 10), 1, 2), (got(0, 0), 3, 4)]), "a stale read");
    assert!(!value(&[(set(5, 10), 1, 2), (set(6, 9), 3, 4)]), "a version that does not grow");
    assert!(
        !value(&[(set(5, 10), 1, 2), (set(6, 11), 3, 4), (swapped(10, 7, 12), 5, 6)]),
        "not what was expected"
    );
    let both = [(set(5, 10), 1, 2), (swapped(10, 6, 11), 3, 8), (swapped(10, 7, 12), 3, 8)];
    assert!(!value(&both), "both have swapped the same");
    assert!(!value(&[(set(5, 10), 1, 2), (NotSwapped { expected: 10, found: 10 }, 3, 4)]));
    assert!(!value(&[(added(1, 10), 1, 4), (added(1, 11), 1, 4)]), "one increment is lost");
    let unknown = (Added { by: 1, sum: None, version: None }, 1, NEVER);
    assert!(value(&[unknown.clone(), (got(1, 9), 2, 3)]) && value(&[unknown.clone(), (got(0, 0), 2, 3)]));
    assert!(!value(&[unknown, (got(1, 9), 2, 3), (got(2, 10), 4, 5)]), "it has counted once");
}

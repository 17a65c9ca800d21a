//! Queues.

use std::collections::BTreeSet;
use std::time::Duration;

use bridge_client::queue::{
    Attributes, Batch, Bound, Dedupe, Discipline, End, Mode, NewItem, Options, Redriven, Reentry, Scope,
    Shelf, Taking, Which,
};
use bridge_client::{Reason, Timeout};
use bytes::Bytes;

use super::{
    LONG, ME, SHORT, connect, end, get, good, item, parked, put, reason, text, try_get, until, until_waiting,
};

fn bounded(maxsize: u64) -> Options {
    Options { maxsize: Some(maxsize), ..Options::default() }
}

/// Items leave in the order of their arrival.
pub fn fifo(url: &str) {
    let queue = connect(url).queue(Some("q"), Options::default()).unwrap();
    for text in ["a", "b", "c"] {
        put(&queue, text);
    }
    assert_eq!([get(&queue), get(&queue), get(&queue)], ["a", "b", "c"]);
    assert_eq!(try_get(&queue), Err(Reason::Empty));
}

/// The latest leaves first.
pub fn lifo(url: &str) {
    let options = Options { discipline: Some(Discipline::Lifo), ..Options::default() };
    let queue = connect(url).queue(Some("q"), options).unwrap();
    for text in ["a", "b", "c"] {
        put(&queue, text);
    }
    assert_eq!([get(&queue), get(&queue), get(&queue)], ["c", "b", "a"]);
}

/// The smallest key leaves first, equal keys in order of arrival.
pub fn priority(url: &str) {
    let options = Options { discipline: Some(Discipline::Priority), ..Options::default() };
    let queue = connect(url).queue(Some("q"), options).unwrap();
    for (text, key) in [("b1", 2u8), ("a", 1), ("b2", 2), ("c", 3)] {
        let item = NewItem { key: [key].into(), ..item(text) };
        good(queue.put(ME, item, Timeout::NOW));
    }
    assert_eq!([get(&queue), get(&queue), get(&queue), get(&queue)], ["a", "b1", "b2", "c"]);
}

/// A full queue refuses, at once or after the time given.
pub fn full(url: &str) {
    let queue = connect(url).queue(Some("q"), bounded(1)).unwrap();
    put(&queue, "a");
    assert_eq!(reason(queue.put(ME, item("b"), Timeout::NOW)), Reason::Full);
    assert_eq!(reason(queue.put(ME, item("b"), Timeout::After(SHORT))), Reason::Full);
    assert_eq!(get(&queue), "a");
    assert_eq!(try_get(&queue), Err(Reason::Empty));
}

/// A put that waits is admitted, in its turn, when there is room.
pub fn admitted(url: &str) {
    let queue = connect(url).queue(Some("q"), bounded(1)).unwrap();
    put(&queue, "a");
    let b = queue.put(ME, item("b"), Timeout::Never);
    let c = queue.put(ME, item("c"), Timeout::Never);
    assert_eq!(get(&queue), "a");
    good(b);
    assert_eq!(get(&queue), "b");
    good(c);
    assert_eq!(get(&queue), "c");
}

/// A wait ends when its time is over, not before, and an item put in time reaches it.
pub fn empty(url: &str) {
    let queue = connect(url).queue(Some("q"), Options::default()).unwrap();
    let started = std::time::Instant::now();
    assert_eq!(reason(queue.take(ME, Mode::Get, Batch::ONE, Timeout::After(SHORT))), Reason::Empty);
    assert!(started.elapsed() >= SHORT);
    let wait = queue.take(ME, Mode::Get, Batch::ONE, Timeout::After(LONG));
    put(&queue, "a");
    assert_eq!(text(&good(wait)[0]), "a");
}

/// `join` waits for `task_done`, once per item.
pub fn join(url: &str) {
    let queue = connect(url).queue(Some("q"), Options::default()).unwrap();
    good(queue.join(ME, Timeout::NOW));
    put(&queue, "a");
    put(&queue, "b");
    get(&queue);
    get(&queue);
    good(queue.task_done(ME, 1));
    assert_eq!(reason(queue.join(ME, Timeout::After(SHORT))), Reason::TimedOut);
    let join = queue.join(ME, Timeout::Never);
    good(queue.task_done(ME, 1));
    good(join);
    assert_eq!(reason(queue.task_done(ME, 1)), Reason::TooManyTasksDone);
}

/// What a session had gotten and not done when it ended is lost, until it is written off.
pub fn join_incomplete(url: &str) {
    let (bridge, other) = (connect(url), connect(url));
    let queue = bridge.queue(Some("q"), Options::default()).unwrap();
    put(&queue, "a");
    put(&queue, "b");
    get(&other.queue(Some("q"), Options::default()).unwrap());
    get(&queue);
    let join = queue.join(ME, Timeout::After(LONG));
    other.close(LONG).unwrap();
    good(queue.task_done(ME, 1));
    let error = end(join).unwrap_err();
    assert_eq!((error.reason, error.detail("lost")), (Reason::JoinIncomplete, Some("1")));
    assert_eq!(good(queue.forgive(ME)), 1);
    good(queue.join(ME, Timeout::NOW));
}

/// A leased item is held until ack, and comes back to its place on nack.
pub fn lease(url: &str) {
    let queue = connect(url).queue(Some("q"), Options::default()).unwrap();
    put(&queue, "a");
    put(&queue, "b");
    let lease = || good(queue.take(ME, Mode::Lease, Batch::ONE, Timeout::NOW)).remove(0);
    let first = lease();
    assert_eq!((text(&first).as_str(), first.attempt), ("a", 1));
    good(queue.nack(ME, vec![first.token], Reentry::Place, "not today".into()));
    let again = lease();
    assert_eq!((text(&again).as_str(), again.attempt), ("a", 2));
    assert_eq!(reason(queue.ack(ME, vec![first.token])), Reason::Stale);
    good(queue.ack(ME, vec![again.token]));
    good(queue.ack(ME, vec![again.token]));
    let last = lease();
    assert_eq!(text(&last), "b");
    good(queue.ack(ME, vec![last.token]));
    good(queue.join(ME, Timeout::NOW));
}

/// A delayed item is ready at its time; one with a time to live is not there for longer.
pub fn times(url: &str) {
    let queue = connect(url).queue(Some("q"), bounded(2)).unwrap();
    let timed = |text, delay, ttl| {
        let attributes = Some(Box::new(Attributes { delay, ttl, ..Attributes::default() }));
        good(queue.put(ME, NewItem { attributes, ..item(text) }, Timeout::NOW));
    };
    timed("late", SHORT, None);
    timed("gone", Duration::ZERO, Some(Duration::from_micros(1)));
    assert_eq!(text(&good(queue.take(ME, Mode::Get, Batch::ONE, Timeout::After(LONG)))[0]), "late");
    let figures = good(queue.describe(ME));
    assert_eq!((figures.ready, figures.delayed, figures.expired), (0, 0, 1));
    timed("later", LONG, None);
    let delayed = good(queue.browse(ME, Shelf::Delayed, 10, None)).items;
    assert!(delayed[0].ready_in.is_some_and(|left| left <= LONG && !left.is_zero()));
    assert_eq!(try_get(&queue), Err(Reason::Empty));
}

/// A lease that lasts too long is over, unless it is extended; a nack may be delayed.
pub fn max_hold(url: &str) {
    let queue = connect(url).queue(Some("q"), Options::default()).unwrap();
    put(&queue, "a");
    let lease = |hold, timeout| good(queue.lease_for(ME, hold, Batch::ONE, timeout)).remove(0);
    let over = lease(SHORT, Timeout::NOW);
    let again = lease(SHORT, Timeout::After(LONG));
    assert_eq!((over.attempt, again.attempt), (1, 2));
    assert_eq!(reason(queue.ack(ME, vec![over.token])), Reason::Stale);
    let last = lease(LONG, Timeout::After(LONG));
    good(queue.progress(ME, vec![last.token], "half".into()));
    good(queue.extend(ME, vec![last.token], Some(2 * LONG)));
    good(queue.nack_later(ME, vec![last.token], Reentry::Place, LONG, "later".into()));
    let delayed = good(queue.browse(ME, Shelf::Delayed, 10, None)).items.remove(0);
    assert_eq!((delayed.progress.as_deref(), delayed.last_error.as_deref()), (Some("half"), Some("later")));
    assert_eq!(try_get(&queue), Err(Reason::Empty));
}

/// What is there already is not put again, and the answer says so.
pub fn dedupe(url: &str) {
    let queue = connect(url).queue(Some("q"), Options::default()).unwrap();
    let keyed = |text, refuse| {
        let dedupe = Dedupe { key: Bytes::from_static(b"k"), scope: Scope::Unfinished, refuse };
        let attributes = Attributes { dedupe: Some(dedupe), ..Attributes::default() };
        NewItem { attributes: Some(Box::new(attributes)), ..item(text) }
    };
    let (first, duplicate) = good(queue.put_deduped(ME, keyed("a", false), Timeout::NOW));
    assert!(!duplicate);
    assert_eq!(good(queue.put_deduped(ME, keyed("b", false), Timeout::NOW)), (first, true));
    assert_eq!(reason(queue.put(ME, keyed("c", true), Timeout::NOW)), Reason::Duplicate);
    assert_eq!(get(&queue), "a");
    assert!(!good(queue.put_deduped(ME, keyed("d", true), Timeout::NOW)).1);
    assert_eq!(get(&queue), "d");
}

/// At most one item of a group is taken at a time, in order.
pub fn groups(url: &str) {
    let queue = connect(url).queue(Some("q"), Options::default()).unwrap();
    let grouped =
        |text| item(text).with(Attributes { group: Some("customer".into()), ..Attributes::default() });
    good(queue.put_many(ME, vec![grouped("a"), grouped("b"), item("c")], Timeout::NOW));
    let lease = || good(queue.take(ME, Mode::Lease, Batch::ONE, Timeout::NOW)).remove(0);
    let a = lease();
    assert_eq!([text(&a), text(&lease())], ["a", "c"]);
    let figures = good(queue.describe(ME));
    assert_eq!((figures.ready, figures.held_back), (1, 1));
    let browsed = good(queue.browse(ME, Shelf::Ready, 10, None)).items;
    assert_eq!(browsed[0].group.as_deref(), Some("customer"));
    let b = queue.take(ME, Mode::Get, Batch::ONE, Timeout::Never);
    good(queue.ack(ME, vec![a.token]));
    assert_eq!(text(&good(b)[0]), "b");
}

/// A FIFO queue works at both ends.
pub fn ends(url: &str) {
    let queue = connect(url).queue(Some("q"), Options::default()).unwrap();
    let back = |mode, max| Taking { end: End::Back, ..Taking::new(mode, Batch { max, ..Batch::ONE }) };
    good(queue.put_many(ME, vec![item("b"), item("c"), item("d")], Timeout::NOW));
    let front = Attributes { end: Some(End::Front), ..Attributes::default() };
    good(queue.put(ME, item("a").with(front), Timeout::NOW));
    assert_eq!(text(&good(queue.take_as(ME, back(Mode::Get, 1), Timeout::NOW))[0]), "d");
    let leased = good(queue.take_as(ME, back(Mode::Lease, 2), Timeout::NOW));
    assert_eq!([text(&leased[0]), text(&leased[1])], ["c", "b"]);
    assert_eq!(get(&queue), "a");
    let lifo = Options { discipline: Some(Discipline::Lifo), ..Options::default() };
    let lifo = connect(url).queue(Some("lifo"), lifo).unwrap();
    assert_eq!(reason(lifo.take_as(ME, back(Mode::Get, 1), Timeout::Never)), Reason::InvalidArgument);
}

/// A bound may count bytes, and what is leased.
pub fn room(url: &str) {
    let bound = Some(Bound::Unfinished);
    let options = Options { maxsize: Some(2), max_bytes: Some(4), bound, ..Options::default() };
    let queue = connect(url).queue(Some("q"), options).unwrap();
    assert_eq!(reason(queue.put(ME, item("12345"), Timeout::Never)), Reason::InvalidArgument);
    put(&queue, "abc");
    assert_eq!(reason(queue.put(ME, item("de"), Timeout::NOW)), Reason::Full);
    let leased = good(queue.take(ME, Mode::Lease, Batch::ONE, Timeout::NOW));
    let waits = queue.put(ME, item("de"), Timeout::Never);
    assert_eq!(reason(queue.put(ME, item("f"), Timeout::NOW)), Reason::Full);
    good(queue.ack(ME, vec![leased[0].token]));
    good(waits);
    let shown = good(queue.describe(ME)).options;
    assert_eq!((shown.max_bytes, shown.bound), (Some(4), Some(Bound::Unfinished)));
}

/// A consumer's next items are brought ahead of need, in order, and count for nothing before it takes them.
pub fn prefetch(url: &str) {
    let queue = connect(url).queue(Some("q"), Options::default()).unwrap();
    let mut consumer = queue.consumer(ME, Mode::Lease).prefetch(2);
    assert_eq!(consumer.next(Timeout::NOW).unwrap_err().reason, Reason::Empty);
    assert_eq!(consumer.next(Timeout::After(SHORT)).unwrap_err().reason, Reason::Empty);
    good(queue.put_many(ME, ["a", "b", "c", "d"].map(item).into(), Timeout::NOW));
    let first = consumer.next(Timeout::After(LONG)).unwrap();
    assert_eq!((text(&first).as_str(), first.attempt), ("a", 1));
    let offered = || good(queue.describe(ME)).offered == 2;
    until(offered, "two are brought ahead");
    assert_eq!(text(&consumer.next(Timeout::NOW).unwrap()), "b");
    assert_eq!(text(&consumer.next(Timeout::Never).unwrap()), "c");
    good(queue.ack(ME, vec![first.token]));
    drop(consumer);
    until(|| good(queue.describe(ME)).ready == 1, "what was not taken goes back");
    let last = good(queue.take(ME, Mode::Lease, Batch::ONE, Timeout::NOW)).remove(0);
    assert_eq!((text(&last).as_str(), last.attempt), ("d", 1));
}

/// Somebody who waits gets what a busy consumer has not taken.
pub fn prefetch_busy(url: &str) {
    let queue = connect(url).queue(Some("q"), Options::default()).unwrap();
    good(queue.put_many(ME, ["a", "b", "c"].map(item).into(), Timeout::NOW));
    let mut busy = queue.consumer(ME, Mode::Get).prefetch(10);
    assert_eq!(text(&busy.next(Timeout::Never).unwrap()), "a");
    until(|| good(queue.describe(ME)).offered == 2, "the others are brought ahead");
    let other = connect(url).queue(Some("q"), Options::default()).unwrap();
    let get = || text(&good(other.take(ME, Mode::Get, Batch::ONE, Timeout::After(LONG)))[0]);
    assert_eq!([get(), get()], ["c", "b"], "the newest first, though the consumer does nothing");
    put(&other, "d");
    assert_eq!(text(&busy.next(Timeout::After(LONG)).unwrap()), "d");
}

/// What is rejected, or was delivered too often, goes to the dead letters.
pub fn dead_letters(url: &str) {
    let bridge = connect(url);
    let dead = bridge.queue(Some("dead"), Options::default()).unwrap();
    let options = Options {
        max_deliveries: Some(2),
        dead_letters: Some(bridge_client::Name::parse("queue", "dead").unwrap()),
        ..Options::default()
    };
    let queue = bridge.queue(Some("q"), options).unwrap();
    put(&queue, "rejected");
    put(&queue, "worn out");
    let lease = || good(queue.take(ME, Mode::Lease, Batch::ONE, Timeout::NOW)).remove(0);
    let rejected = lease();
    good(queue.reject(ME, vec![rejected.token], "no good".into()));
    for _ in 0..2 {
        let token = lease().token;
        good(queue.nack(ME, vec![token], Reentry::Place, "again".into()));
    }
    assert_eq!(try_get(&queue), Err(Reason::Empty));
    let letters = good(dead.browse(ME, Shelf::Ready, 10, None)).items;
    let pid = format!(":{}", std::process::id());
    for (letter, attempts) in letters.iter().zip([1, 2]) {
        assert_eq!(letter.attempts, attempts);
        let [consumer] = &letter.consumers[..] else { panic!("one consumer: {:?}", letter.consumers) };
        assert!(consumer.contains('@') && consumer.ends_with(&pid), "{consumer}");
    }
    assert_eq!([get(&dead), get(&dead)], ["rejected", "worn out"]);
}

/// Dead letters go back to where they died, in one step, and say where that was.
pub fn redrive(url: &str) {
    let bridge = connect(url);
    let dead = bridge.queue(Some("dead"), Options::default()).unwrap();
    let dead_letters = Some(bridge_client::Name::parse("queue", "dead").unwrap());
    let queue = bridge.queue(Some("q"), Options { dead_letters, ..Options::default() }).unwrap();
    for text in ["a", "b", "c"] {
        put(&queue, text);
        let leased = good(queue.take(ME, Mode::Lease, Batch::ONE, Timeout::NOW)).remove(0);
        good(queue.reject(ME, vec![leased.token], "no".into()));
    }
    let letters = good(dead.browse(ME, Shelf::Ready, 10, None)).items;
    assert_eq!(letters[0].dead_from.as_ref().map(ToString::to_string).as_deref(), Some("q"));
    assert!(letters[0].dead_for.is_some());
    let last = Which::Ids(vec![letters[2].id]);
    assert_eq!(good(dead.redrive(ME, last, None)), Redriven { count: 1, stayed: 0 });
    assert_eq!(good(dead.redrive(ME, Which::First(1), Some(&queue))).count, 1);
    assert_eq!([get(&queue), get(&queue)], ["c", "a"]);
    good(queue.shutdown(ME, false));
    assert_eq!(good(dead.redrive(ME, Which::All, None)), Redriven { count: 0, stayed: 1 });
    assert_eq!(reason(dead.redrive(ME, Which::All, Some(&queue))), Reason::ShutDown);
}

/// Waiting items go to another queue of the same namespace.
pub fn move_to(url: &str) {
    let bridge = connect(url);
    let queue = bridge.queue(Some("q"), Options::default()).unwrap();
    let [to, own] = [Some("to"), None].map(|name| bridge.queue(name, bounded(2)).unwrap());
    let ids: Vec<_> = ["a", "b", "c"].map(|text| good(queue.put(ME, item(text), Timeout::NOW))).into();
    assert_eq!(reason(queue.move_to(ME, Which::All, &to)), Reason::Full);
    assert_eq!(good(queue.move_to(ME, Which::Ids(vec![ids[1]]), &to)), [ids[1]]);
    assert_eq!(good(queue.move_to(ME, Which::All, &own)), [ids[0], ids[2]]);
    assert_eq!([get(&to), get(&own), get(&own)], ["b", "a", "c"]);
    let elsewhere = connect("mem:elsewhere").queue(Some("to"), Options::default()).unwrap();
    assert_eq!(reason(queue.move_to(ME, Which::All, &elsewhere)), Reason::CrossNamespace);
    assert_eq!(reason(queue.redrive(ME, Which::All, Some(&elsewhere))), Reason::CrossNamespace);
}

/// A batch takes what is there, up to `max`, and waits for `min`.
pub fn batch(url: &str) {
    let queue = connect(url).queue(Some("q"), Options::default()).unwrap();
    let batch = |max, min, linger| Batch { max, min, linger };
    for n in 0..5 {
        put(&queue, n);
    }
    let take = |batch, timeout| {
        let deliveries = end(queue.take(ME, Mode::Get, batch, timeout));
        deliveries.map(|deliveries| deliveries.iter().map(text).collect::<Vec<_>>())
    };
    assert_eq!(take(batch(3, 1, Duration::ZERO), Timeout::NOW).unwrap(), ["0", "1", "2"]);
    let few = take(batch(10, 3, Duration::ZERO), Timeout::After(SHORT));
    assert_eq!(few.unwrap_err().reason, Reason::Empty);
    assert_eq!(take(batch(10, 2, SHORT), Timeout::After(LONG)).unwrap(), ["3", "4"]);
}

/// All items or none.
pub fn put_many(url: &str) {
    let queue = connect(url).queue(Some("q"), bounded(3)).unwrap();
    let items = |texts: &[&str]| texts.iter().map(item).collect::<Vec<_>>();
    assert_eq!(good(queue.put_many(ME, items(&["a", "b"]), Timeout::NOW)).len(), 2);
    assert_eq!(reason(queue.put_many(ME, items(&["c", "d"]), Timeout::NOW)), Reason::Full);
    assert_eq!(get(&queue), "a");
    good(queue.put_many(ME, items(&["c", "d"]), Timeout::NOW));
    assert_eq!([get(&queue), get(&queue), get(&queue)], ["b", "c", "d"]);
}

/// Pages show every item and take none.
pub fn browse(url: &str) {
    let queue = connect(url).queue(Some("q"), Options::default()).unwrap();
    for n in 0..5 {
        put(&queue, n);
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = good(queue.browse(ME, Shelf::Ready, 2, after));
        assert!(page.items.len() <= 2);
        seen.extend(page.items.iter().map(|item| item.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 5);
    assert_eq!(good(queue.describe(ME)).ready, 5);
}

/// Removes by id and says which went.
pub fn remove(url: &str) {
    let queue = connect(url).queue(Some("q"), Options::default()).unwrap();
    let id = good(queue.put(ME, item("a"), Timeout::NOW));
    put(&queue, "b");
    assert_eq!(good(queue.remove(ME, vec![id])), [id]);
    assert_eq!(good(queue.remove(ME, vec![id])), []);
    assert_eq!(get(&queue), "b");
}

/// Removes all that waits.
pub fn purge(url: &str) {
    let queue = connect(url).queue(Some("q"), Options::default()).unwrap();
    put(&queue, "a");
    put(&queue, "b");
    assert_eq!(good(queue.purge(ME)), 2);
    assert_eq!(try_get(&queue), Err(Reason::Empty));
}

/// Shut down, a queue gives what it has and takes nothing.
pub fn shutdown(url: &str) {
    let queue = connect(url).queue(Some("q"), Options::default()).unwrap();
    put(&queue, "a");
    good(queue.shutdown(ME, false));
    assert_eq!(reason(queue.put(ME, item("b"), Timeout::Never)), Reason::ShutDown);
    assert_eq!(get(&queue), "a");
    assert_eq!(reason(parked(&queue)), Reason::ShutDown);
}

/// What was declared holds for everybody.
pub fn options(url: &str) {
    let (one, other) = (connect(url), connect(url));
    one.queue(Some("q"), bounded(3)).unwrap();
    let error = other.queue(Some("q"), bounded(4)).err().expect("another maxsize is refused");
    assert_eq!(error.reason, Reason::ConfigMismatch);
    let same = other.queue(Some("q"), Options::default()).unwrap();
    assert_eq!(good(same.describe(ME)).options.maxsize, Some(3));
    let error = other.queue(Some("a/b"), Options::default()).err().expect("a bad name is refused");
    assert_eq!(error.reason, Reason::InvalidArgument);
}

/// Objects without a name are each their own.
pub fn anonymous(url: &str) {
    let bridge = connect(url);
    let one = bridge.queue(None, Options::default()).unwrap();
    let other = bridge.queue(None, Options::default()).unwrap();
    assert_ne!(one.name(), other.name());
    put(&one, "a");
    assert_eq!(try_get(&other), Err(Reason::Empty));
    assert_eq!(get(&one), "a");
}

/// Many threads on two sessions: each item arrives once.
pub fn many_threads(url: &str) {
    const EACH: u32 = 500;
    let bridges = [connect(url), connect(url)];
    let received = std::thread::scope(|scope| {
        let mut consumers = Vec::new();
        for thread in 0..4u32 {
            let queue = bridges[thread as usize % 2].queue(Some("q"), bounded(8)).unwrap();
            let who = queue.bridge().participant(&format!("consumer {thread}"));
            consumers.push(scope.spawn(move || {
                let mut seen = Vec::new();
                loop {
                    let deliveries = good(queue.take(who, Mode::Get, Batch::ONE, Timeout::Never));
                    match text(&deliveries[0]).parse::<u32>() {
                        Ok(n) => seen.push(n),
                        Err(_) => return seen,
                    }
                }
            }));
        }
        let producers: Vec<_> = (0..4u32)
            .map(|thread| {
                let queue = bridges[thread as usize % 2].queue(Some("q"), bounded(8)).unwrap();
                scope.spawn(move || (0..EACH).for_each(|n| put(&queue, thread * EACH + n)))
            })
            .collect();
        for producer in producers {
            producer.join().unwrap();
        }
        let queue = bridges[0].queue(Some("q"), bounded(8)).unwrap();
        (0..4).for_each(|_| put(&queue, "end"));
        consumers.into_iter().flat_map(|consumer| consumer.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(received.len(), 4 * EACH as usize);
    assert_eq!(received.iter().collect::<BTreeSet<_>>().len(), 4 * EACH as usize);
    until_waiting(&bridges[0].queue(Some("q"), Options::default()).unwrap(), 0);
}

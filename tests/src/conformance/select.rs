//! Waiting for the first of several.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bridge_client::pipe::{self, End};
use bridge_client::queue::{self, Batch, Mode};
use bridge_client::semaphore::{self, Acquire};
use bridge_client::{
    Bridge, Call, ConnectOptions, ContentType, Error, Event, Got, Latch, Lock, Payload, Queue, Reason,
    RwLock, Selected, Semaphore, Timeout, event, latch, lock, rwlock, value,
};

use super::{
    LONG, ME, SHORT, connect, end, get, good, item, put, reason, text, try_get, until, until_waiting,
};

const LONGEST: Timeout = Timeout::After(LONG);
const ONE: Acquire = Acquire { permits: 1, by_token: true, barge: false, timeout: Timeout::NOW };

struct Things {
    jobs: Queue,
    full: Queue,
    ready: Event,
    gpu: Semaphore,
    held: Lock,
    book: RwLock,
    door: Latch,
}

/// A queue that is empty, one that is full, an event that is not set, and what another session has.
fn things(bridge: &Bridge) -> Things {
    let bounded = queue::Options { maxsize: Some(1), ..Default::default() };
    let limit = semaphore::Options { limit: Some(1), ..Default::default() };
    let count = latch::Options { count: Some(1), ..Default::default() };
    Things {
        jobs: bridge.queue(Some("jobs"), queue::Options::default()).unwrap(),
        full: bridge.queue(Some("full"), bounded).unwrap(),
        ready: bridge.event(Some("ready"), event::Options::default()).unwrap(),
        gpu: bridge.semaphore(Some("gpu"), limit).unwrap(),
        held: bridge.lock(Some("held"), lock::Options::default()).unwrap(),
        book: bridge.rwlock(Some("book"), rwlock::Options::default()).unwrap(),
        door: bridge.latch(Some("door"), latch::Options { ..count }).unwrap(),
    }
}

fn taken(bridge: &Bridge) -> Things {
    let things = things(bridge);
    put(&things.full, "x");
    good(things.gpu.acquire(ME, ONE));
    good(things.held.acquire(ME, false, Timeout::NOW));
    good(things.book.acquire(ME, rwlock::Mode::Write, false, Timeout::NOW));
    things
}

fn all(bridge: &Bridge, mine: &Things, timeout: Timeout) -> Call<Selected> {
    let branches = [
        mine.jobs.to_take(Mode::Lease, Batch::ONE),
        mine.full.to_put(item("y")),
        mine.ready.to_wait(None),
        mine.gpu.to_acquire(ONE),
        mine.held.to_acquire(),
        mine.book.to_acquire(rwlock::Mode::Read),
        mine.door.to_wait(),
    ];
    bridge.select(ME, branches, timeout)
}

/// Receives and polls of pipes, and joins of queues.
pub fn pipes_and_joins(url: &str) {
    let (one, two) = (connect(url), connect(url));
    let [mine, theirs] = [&one, &two].map(|bridge| bridge.pipe(Some("p"), pipe::Options::default()).unwrap());
    good(mine.attach(ME, Some(End::A)));
    good(theirs.attach(ME, Some(End::B)));
    let [done, jobs] =
        [&one, &two].map(|bridge| bridge.queue(Some("jobs"), queue::Options::default()).unwrap());
    put(&jobs, "x");
    let branches = || [mine.to_receive(End::A), done.to_join()];
    let message = |text: &'static str| Payload::new(ContentType::Text, text);
    assert_eq!(reason(one.select(ME, branches(), Timeout::NOW)), Reason::TimedOut);
    let wait = one.select(ME, branches(), LONGEST);
    good(theirs.send(ME, End::B, message("a"), LONGEST));
    assert_eq!(good(wait), Selected { branch: 0, got: Got::Message(message("a")) });
    let wait = one.select(ME, branches(), LONGEST);
    get(&jobs);
    good(jobs.task_done(ME, 1));
    assert_eq!(good(wait), Selected { branch: 1, got: Got::Joined });
    put(&jobs, "y");
    let poll = || one.select(ME, [done.to_join(), mine.to_poll(End::A)], LONGEST);
    let wait = poll();
    good(theirs.send(ME, End::B, message("b"), LONGEST));
    assert_eq!(good(wait), Selected { branch: 1, got: Got::Readable });
    assert_eq!(good(poll()), Selected { branch: 1, got: Got::Readable }, "it is there still");
    assert_eq!(good(mine.receive(ME, End::A, Timeout::NOW)), message("b"));
    assert_eq!(reason(one.select(ME, [mine.to_receive(End::B)], LONGEST)), Reason::NotOwner);
    let wait = one.select(ME, branches(), LONGEST);
    good(theirs.close(ME, End::B));
    assert_eq!(reason(wait), Reason::EndOfPipe);
}

/// Each kind of branch, granted at once and after a wait.
pub fn every_kind(url: &str) {
    let (one, two) = (connect(url), connect(url));
    let theirs = taken(&two);
    let mine = things(&one);
    let dict = one.dict(Some("settings"), value::Options::default()).unwrap();
    assert_eq!(reason(all(&one, &mine, Timeout::NOW)), Reason::TimedOut);
    assert_eq!(reason(all(&one, &mine, Timeout::After(SHORT))), Reason::TimedOut);

    let wait = all(&one, &mine, LONGEST);
    until_waiting(&theirs.jobs, 1);
    put(&theirs.jobs, "a");
    let Selected { branch: 0, got: Got::Items(items) } = good(wait) else { panic!("not the first") };
    assert_eq!(text(&items[0]), "a");
    good(mine.jobs.ack(ME, vec![items[0].token]));
    until_waiting(&theirs.jobs, 0);

    let wait = all(&one, &mine, LONGEST);
    until_waiting(&theirs.jobs, 1);
    assert_eq!(try_get(&theirs.full).unwrap(), "x");
    let Selected { branch: 1, got: Got::Put(ids) } = good(wait) else { panic!("not the second") };
    assert_eq!(ids.len(), 1);

    good(theirs.ready.set(ME));
    assert!(matches!(good(all(&one, &mine, LONGEST)), Selected { branch: 2, got: Got::Event(1) }));
    good(theirs.ready.clear(ME));

    let wait = all(&one, &mine, LONGEST);
    until_waiting(&theirs.jobs, 1);
    good(theirs.held.release(ME, None));
    let Selected { branch: 4, got: Got::Lock(grant) } = good(wait) else { panic!("not the lock") };
    good(mine.held.release(ME, Some(grant.token)));
    good(theirs.held.acquire(ME, false, LONGEST));

    let wait = one.select(ME, [mine.jobs.to_take(Mode::Get, Batch::ONE), dict.to_watch(0)], LONGEST);
    until_waiting(&theirs.jobs, 1);
    let settings = two.dict(Some("settings"), value::Options::default()).unwrap();
    good(settings.entry("k").set(ME, 1_i64));
    assert!(matches!(good(wait), Selected { branch: 1, got: Got::Changed(_) }));

    good(theirs.door.count_down(ME, 1));
    assert_eq!(good(all(&one, &mine, LONGEST)), Selected { branch: 6, got: Got::Open });
}

/// Only one is granted; dropped or withdrawn, none is.
pub fn one_only(url: &str) {
    let (one, two) = (connect(url), connect(url));
    let (mine, theirs) = (things(&one), things(&two));
    let take = |queue: &Queue| queue.to_take(Mode::Get, Batch::ONE);
    let wait = one.select(ME, [take(&mine.jobs), take(&mine.full)], LONGEST);
    until_waiting(&theirs.full, 1);
    put(&theirs.full, "a");
    assert!(matches!(good(wait), Selected { branch: 1, .. }));
    put(&theirs.jobs, "b");
    assert_eq!(try_get(&theirs.jobs).unwrap(), "b");

    let wait = one.select(ME, [take(&mine.jobs), take(&mine.full)], LONGEST);
    until_waiting(&theirs.full, 1);
    drop(wait);
    until_waiting(&theirs.full, 0);
    put(&theirs.full, "c");

    let mut granted = one.select(ME, [mine.ready.to_wait(None), take(&mine.full)], LONGEST);
    let grant = granted.wait(LONG).expect("there is one").unwrap();
    assert!(!grant.is_final() || one.is_local());
    if !grant.is_final() {
        drop(grant);
        until(|| good(theirs.full.describe(ME)).ready == 1, "it does not come back");
    }

    let wait = one.select(ME, [mine.ready.to_wait(None), take(&mine.jobs)], Timeout::Never);
    assert!(wait.cancel(LONG).is_none(), "it was withdrawn");
    until_waiting(&theirs.jobs, 0);
}

/// A put that is a branch is withdrawn with its call, unless it was.
pub fn puts(url: &str) {
    let (one, two) = (connect(url), connect(url));
    let (mine, theirs) = (things(&one), taken(&two));
    let both = || one.select(ME, [mine.full.to_put(item("y")), mine.ready.to_wait(None)], LONGEST);
    let wait = both();
    until(|| good(theirs.full.describe(ME)).waiting_to_put == 1, "the wait does not show");
    good(theirs.ready.set(ME));
    assert!(matches!(good(wait), Selected { branch: 1, .. }));
    assert_eq!(try_get(&theirs.full).unwrap(), "x");
    assert_eq!(try_get(&theirs.full), Err(Reason::Empty));
    let Selected { branch: 0, got: Got::Put(ids) } = good(both()) else { panic!("there is room") };
    assert_eq!(good(theirs.full.remove(ME, ids.clone())), ids);
}

/// What is wrong fails the whole.
pub fn wrong(url: &str) {
    let bridge = connect(url);
    let mine = things(&bridge);
    put(&mine.jobs, "a");
    let fails = |branches: Vec<bridge_client::Branch>| end(bridge.select(ME, branches, LONGEST)).unwrap_err();
    let undeclared = bridge.latch(Some("undeclared"), latch::Options::default()).unwrap();
    let error = fails(vec![mine.jobs.to_take(Mode::Get, Batch::ONE), undeclared.to_wait()]);
    assert_eq!((error.reason, error.detail("branch")), (Reason::InvalidArgument, Some("1")));
    assert_eq!(good(mine.jobs.describe(ME)).ready, 1);
    assert_eq!(fails(Vec::new()).reason, Reason::InvalidArgument);
    good(mine.full.shutdown(ME, false));
    let error = fails(vec![mine.ready.to_wait(None), mine.full.to_take(Mode::Get, Batch::ONE)]);
    assert_eq!((error.reason, error.detail("branch")), (Reason::ShutDown, Some("1")));
    let again = connect(url);
    let error = fails(vec![things(&again).ready.to_wait(None)]);
    assert_eq!(error.reason, Reason::InvalidArgument);
    let other = Bridge::connect("mem:another-namespace", ConnectOptions::default()).unwrap();
    let error: Error = fails(vec![mine.ready.to_wait(None), things(&other).ready.to_wait(None)]);
    assert_eq!(error.reason, Reason::CrossNamespace);
}

/// Consumers of two queues and a producer: every item comes out once, whichever branch brings it.
pub fn many(url: &str) {
    const ITEMS: usize = 100;
    let seen = AtomicUsize::new(0);
    // Connected for as long as any of them is: what is in this process goes with its last user, and a consumer that comes late would
    // wait at an event that nobody sets.
    let bridge = connect(url);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let bridge = connect(url);
                let [a, b] =
                    ["a", "b"].map(|name| bridge.queue(Some(name), queue::Options::default()).unwrap());
                let stop = bridge.event(Some("stop"), event::Options::default()).unwrap();
                let me = bridge.participant("consumer");
                loop {
                    let take = |queue: &Queue| queue.to_take(Mode::Get, Batch::ONE);
                    let call = bridge.select(me, [take(&a), stop.to_wait(None), take(&b)], LONGEST);
                    match good(call) {
                        Selected { branch: 1, .. } => return,
                        Selected { got: Got::Items(items), .. } => {
                            seen.fetch_add(items.len(), Ordering::Relaxed);
                        }
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
        let [a, b] = ["a", "b"].map(|name| bridge.queue(Some(name), queue::Options::default()).unwrap());
        for number in 0..ITEMS {
            put(if number % 3 == 0 { &a } else { &b }, number);
        }
        until(|| seen.load(Ordering::Relaxed) == ITEMS, "not all items came out");
        good(bridge.event(Some("stop"), event::Options::default()).unwrap().set(ME));
    });
    assert_eq!(seen.load(Ordering::Relaxed), ITEMS);
}

/// All or none of several, and nothing held while it waits.
pub fn acquire_all(url: &str) {
    let (one, two) = (connect(url), connect(url));
    let (mine, theirs) = (things(&one), things(&two));
    let all = |timeout| {
        let parts =
            [mine.held.to_acquire(), mine.gpu.to_acquire(ONE), mine.book.to_acquire(rwlock::Mode::Write)];
        one.acquire_all(ME, parts, timeout)
    };
    let held = good(theirs.held.acquire(ME, false, Timeout::NOW));
    assert_eq!(reason(all(Timeout::NOW)), Reason::TimedOut);
    let wait = all(LONGEST);
    until(|| good(theirs.gpu.describe(ME)).waiting == 1, "the wait does not show");
    assert_eq!(good(theirs.gpu.describe(ME)).available, 1);
    // Who holds what it waits for passes.
    let passed = good(theirs.gpu.acquire(ME, ONE));
    good(theirs.gpu.release(ME, 1, Some(passed)));
    good(theirs.held.release(ME, Some(held.token)));
    let granted = good(wait);
    let [Got::Lock(lock), Got::Permits(permit), Got::Lock(write)] = &granted[..] else {
        panic!("{granted:?}")
    };
    assert_eq!(reason(theirs.gpu.acquire(ME, ONE)), Reason::TimedOut);
    good(mine.gpu.release(ME, 1, Some(*permit)));
    good(mine.book.release(ME, rwlock::Mode::Write, Some(write.token)));
    good(mine.held.release(ME, Some(lock.token)));
    drop(all(LONGEST));
    until(|| good(theirs.held.describe(ME)).holder.is_none() || one.is_local(), "it does not come back");
    let error =
        end(one.acquire_all(ME, [mine.held.to_acquire(), mine.ready.to_wait(None)], LONGEST)).unwrap_err();
    assert_eq!((error.reason, error.detail("part")), (Reason::InvalidArgument, Some("1")));
}

/// Many who want two of three locks each, in any order.
pub fn philosophers(url: &str) {
    const MEALS: usize = 20;
    let eating = [(); 3].map(|()| AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for seat in 0..3 {
            let eating = &eating;
            scope.spawn(move || {
                let bridge = connect(url);
                let me = bridge.participant("philosopher");
                let forks =
                    ["f0", "f1", "f2"].map(|name| bridge.lock(Some(name), lock::Options::default()).unwrap());
                let mine = [seat, (seat + 1) % 3];
                for _ in 0..MEALS {
                    let parts = mine.map(|fork| forks[fork].to_acquire());
                    let granted = good(bridge.acquire_all(me, parts, LONGEST));
                    for fork in mine {
                        assert_eq!(eating[fork].fetch_add(1, Ordering::SeqCst), 0, "a fork in two hands");
                    }
                    for (fork, got) in mine.into_iter().zip(granted) {
                        let Got::Lock(grant) = got else { panic!("{got:?}") };
                        eating[fork].fetch_sub(1, Ordering::SeqCst);
                        good(forks[fork].release(me, Some(grant.token)));
                    }
                }
            });
        }
    });
}

/// The handles of a call are used until it has ended: an object of its own stays for it.
pub fn own(url: &str) {
    let bridge = connect(url);
    let [a, b] = [(), ()].map(|()| bridge.queue(None, queue::Options::default()).unwrap());
    put(&b, "x");
    let mut call = bridge.select(ME, [a, b].map(|queue| queue.to_take(Mode::Get, Batch::ONE)), LONGEST);
    let granted = call.wait(Duration::from_secs(20)).expect("it ends").unwrap();
    drop(call);
    assert!(matches!(granted.accept().unwrap(), Selected { branch: 1, .. }));
}

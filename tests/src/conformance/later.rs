//! Releases, acks and sets that are not awaited.

use bridge_client::queue::{Batch, Mode, Options};
use bridge_client::semaphore::{self, Acquire};
use bridge_client::{Error, Queue, Reason, Timeout, Token, event, lock};

use super::{LONG, ME, connect, good, item, put};

const IN_TIME: Timeout = Timeout::After(LONG);

/// Of how many a call tells that their tokens were stale. An engine in this process answers at once.
fn failed(told: Result<(), Error>) -> u64 {
    let Err(error) = told else { return 0 };
    assert_eq!(error.reason, Reason::Stale, "{error}");
    error.detail("failed").unwrap().parse().unwrap()
}

fn lease(queue: &Queue) -> Token {
    good(queue.take(ME, Mode::Lease, Batch::ONE, IN_TIME))[0].token
}

/// They arrive although nothing else is said.
pub fn reaches_others(url: &str) {
    let (bridge, other) = (connect(url), connect(url));
    let one = semaphore::Options { limit: Some(1), ..Default::default() };
    let acquire = Acquire { permits: 1, by_token: false, barge: false, timeout: IN_TIME };
    let (door, others_door) =
        (bridge.semaphore(Some("s"), one).unwrap(), other.semaphore(Some("s"), one).unwrap());
    good(door.acquire(ME, acquire));
    let waiting = others_door.acquire(ME, acquire);
    door.release_later(ME, 1, None).unwrap();
    good(waiting);

    let (flag, others_flag) = (
        bridge.event(Some("e"), event::Options::default()).unwrap(),
        other.event(Some("e"), event::Options::default()).unwrap(),
    );
    let waiting = others_flag.wait(ME, IN_TIME, None);
    flag.set_later(ME).unwrap();
    assert!(good(waiting).is_set);

    let (mutex, others_mutex) = (
        bridge.lock(Some("l"), lock::Options::default()).unwrap(),
        other.lock(Some("l"), lock::Options::default()).unwrap(),
    );
    let grant = good(mutex.acquire(ME, false, IN_TIME));
    let waiting = others_mutex.acquire(ME, false, IN_TIME);
    mutex.release_later(ME, Some(grant.token)).unwrap();
    good(waiting);

    let queue = bridge.queue(Some("q"), Options::default()).unwrap();
    for number in 0..3_000 {
        put(&queue, number);
        queue.ack_later(ME, vec![lease(&queue)]).unwrap();
    }
    bridge.flush(LONG).unwrap();
    let figures = good(queue.describe(ME));
    assert_eq!((figures.ready, figures.leased, figures.unfinished), (0, 0, 0));
}

/// What failed is told by the next one on the same object, which is made all the same, or by a flush; once.
pub fn failures(url: &str) {
    let bridge = connect(url);
    let queue = bridge.queue(Some("q"), Options::default()).unwrap();
    let elsewhere = bridge.queue(Some("elsewhere"), Options::default()).unwrap();
    let told: u64 = (0..3).map(|_| failed(queue.ack_later(ME, vec![Token(1)]))).sum();
    bridge.reach(LONG).unwrap();
    put(&elsewhere, "b");
    elsewhere.ack_later(ME, vec![lease(&elsewhere)]).unwrap();
    put(&queue, "a");
    assert_eq!(told + failed(queue.ack_later(ME, vec![lease(&queue)])), 3);
    bridge.flush(LONG).unwrap();
    assert_eq!(good(queue.describe(ME)).leased, 0);
    let told = failed(queue.ack_later(ME, vec![Token(1)]));
    assert_eq!(told + failed(bridge.flush(LONG)), 1);
    bridge.flush(LONG).unwrap();
}

/// A close brings them in before it ends the session, and tells what failed.
pub fn closed(url: &str) {
    let (bridge, other) = (connect(url), connect(url));
    let queue = bridge.queue(Some("q"), Options::default()).unwrap();
    good(queue.put_many(ME, (0..2).map(item).collect(), IN_TIME));
    let (first, second) = (lease(&queue), lease(&queue));
    queue.ack_later(ME, vec![first]).unwrap();
    queue.ack_later(ME, vec![second]).unwrap();
    bridge.close(LONG).unwrap();
    let figures = good(other.queue(Some("q"), Options::default()).unwrap().describe(ME));
    assert_eq!((figures.ready, figures.leased), (0, 0));

    let bridge = connect(url);
    let queue = bridge.queue(Some("q"), Options::default()).unwrap();
    let told = failed(queue.ack_later(ME, vec![Token(1)]));
    assert_eq!(told + failed(bridge.close(LONG)), 1);
    let error = queue.ack_later(ME, vec![Token(1)]).unwrap_err();
    assert_eq!(error.reason, Reason::SessionExpired, "{error}");
}

//! Anonymous objects: gone with the last handle.

use bridge_client::queue::{Batch, Mode, Options};
use bridge_client::{Bridge, Queue, Reason, Timeout, event, semaphore};

use super::{LONG, ME, connect, get, good, item, parked, put, text, try_get, until};

/// Returns once there is no queue of that name. Another declaration fits only then.
fn until_gone(bridge: &Bridge, name: &str) {
    let lasting = || Options { ephemeral: Some(false), ..Options::default() };
    until(|| bridge.queue(Some(name), lasting()).is_ok(), "the queue is still there");
}

fn anonymous(bridge: &Bridge) -> (Queue, String) {
    let queue = bridge.queue(None, Options::default()).unwrap();
    let name = queue.name().to_owned();
    (queue, name)
}

/// A clone keeps it, and what is in it.
pub fn last_handle(url: &str) {
    let (bridge, other) = (connect(url), connect(url));
    let (queue, name) = anonymous(&bridge);
    put(&queue, "a");
    let clone = queue.clone();
    drop(queue);
    bridge.flush(LONG).unwrap();
    assert_eq!(get(&clone), "a");
    drop(clone);
    until_gone(&other, &name);
    assert_eq!(try_get(&bridge.queue(Some(&name), Options::default()).unwrap()), Err(Reason::Empty));
}

/// Events and semaphores too, with whatever is held of them.
pub fn every_kind(url: &str) {
    let (bridge, other) = (connect(url), connect(url));
    let event = bridge.event(None, event::Options::default()).unwrap();
    let name = event.name().to_owned();
    good(event.set(ME));
    drop(event);
    let lasting = || event::Options { ephemeral: Some(false), ..event::Options::default() };
    until(|| other.event(Some(&name), lasting()).is_ok(), "the event is still there");
    let semaphore = bridge.semaphore(None, semaphore::Options::default()).unwrap();
    let name = semaphore.name().to_owned();
    let one = semaphore::Acquire { permits: 1, by_token: false, barge: false, timeout: Timeout::NOW };
    good(semaphore.acquire(ME, one));
    drop(semaphore);
    let lasting = || semaphore::Options { ephemeral: Some(false), ..semaphore::Options::default() };
    until(|| other.semaphore(Some(&name), lasting()).is_ok(), "the semaphore is still there");
}

/// A call keeps it, and so does a grant that has not been accepted.
pub fn call_under_way(url: &str) {
    let (bridge, other) = (connect(url), connect(url));
    let (queue, name) = anonymous(&bridge);
    let mut take = parked(&queue);
    drop(queue);
    let there = other.queue(Some(&name), Options::default()).unwrap();
    put(&there, "a");
    drop(there);
    let granted = take.wait(LONG).expect("it is granted").unwrap();
    drop(take);
    bridge.flush(LONG).unwrap();
    assert_eq!(text(&granted.accept().unwrap()[0]), "a");
    let (queue, name) = anonymous(&bridge);
    drop((parked(&queue), queue));
    until_gone(&connect(url), &name);
}

/// Another session that uses it keeps it; named there, it goes with that session.
pub fn other_session(url: &str) {
    let (bridge, other) = (connect(url), connect(url));
    let (queue, name) = anonymous(&bridge);
    let there = other.queue(Some(&name), Options::default()).unwrap();
    put(&queue, "a");
    drop(queue);
    bridge.flush(LONG).unwrap();
    assert_eq!(get(&there), "a");
    other.close(LONG).unwrap();
    until_gone(&bridge, &name);
}

/// A handle that outlives its session.
pub fn closed(url: &str) {
    let (bridge, other) = (connect(url), connect(url));
    let (queue, name) = anonymous(&bridge);
    bridge.close(LONG).unwrap();
    drop(queue);
    until_gone(&other, &name);
}

/// One after the other, with something in each and something taken.
pub fn many(url: &str) {
    let (bridge, other) = (connect(url), connect(url));
    let mut names = Vec::new();
    for n in 0..10_000 {
        let (queue, name) = anonymous(&bridge);
        if n % 100 == 0 {
            good(queue.put_many(ME, vec![item("a"), item("b")], Timeout::NOW));
            let batch = Batch { max: 1, ..Batch::ONE };
            good(queue.take(ME, Mode::Lease, batch, Timeout::NOW));
            names.push(name);
        }
    }
    names.iter().for_each(|name| until_gone(&other, name));
}

//! Objects that other processes are told of, and handles that attach to them.

use std::time::Duration;

use bridge_client::queue::Options;
use bridge_client::{Bridge, ConnectOptions, Error, Queue, Reason, event, semaphore};

use super::{LONG, ME, connect, end, get, good, put, until};

/// A session whose shared objects do not stay for long.
fn brief(url: &str) -> Bridge {
    let options = ConnectOptions { session_ttl: Duration::from_secs(1), ..ConnectOptions::default() };
    Bridge::connect(url, options).unwrap()
}

fn gone<T>(result: Result<T, Error>) {
    assert_eq!(result.map(drop).unwrap_err().reason, Reason::ObjectGone);
}

/// Looks whether there is such a queue, without using it.
fn exists(bridge: &Bridge, name: &str) -> bool {
    let other = Options { ephemeral: Some(false), ..Options::default() };
    bridge.attach_queue(name, false, other).is_err_and(|error| error.reason == Reason::ConfigMismatch)
}

/// An anonymous queue that holds "a" and has been shared.
fn shared(bridge: &Bridge) -> (Queue, String) {
    let queue = bridge.queue(None, Options::default()).unwrap();
    put(&queue, "a");
    good(queue.share(ME));
    let name = queue.name().to_owned();
    (queue, name)
}

/// Whoever is told of it attaches, also when its maker uses it no more; then it goes.
pub fn attached(url: &str) {
    let (bridge, other) = (brief(url), brief(url));
    let (queue, name) = shared(&bridge);
    drop(queue);
    bridge.flush(LONG).unwrap();
    assert!(exists(&other, &name), "there is time to attach");
    let there = other.attach_queue(&name, true, Options::default()).unwrap();
    bridge.close(LONG).unwrap();
    assert_eq!(get(&there), "a");
    drop(there);
    until(|| !exists(&other, &name), "the queue is still there");
    gone(other.attach_queue(&name, true, Options::default()));
}

/// Attaching creates nothing, of whatever kind.
pub fn absent(url: &str) {
    let bridge = connect(url);
    gone(bridge.attach_queue("q", true, Options::default()));
    gone(bridge.attach_queue("q", false, Options::default()));
    gone(bridge.attach_event("e", false, event::Options::default()));
    gone(bridge.attach_semaphore("s", false, semaphore::Options::default()));
    gone(bridge.attach_queue("q", false, Options::default()));
    bridge.queue(Some("q"), Options::default()).unwrap();
    bridge.attach_queue("q", false, Options::default()).unwrap();
}

/// One session uses it once, however often it attaches.
pub fn twice(url: &str) {
    let (bridge, other) = (brief(url), connect(url));
    let (queue, name) = shared(&bridge);
    let [first, second] = [(); 2].map(|()| other.attach_queue(&name, true, Options::default()).unwrap());
    let own = bridge.attach_queue(&name, true, Options::default()).unwrap();
    drop((queue, first));
    bridge.flush(LONG).unwrap();
    other.flush(LONG).unwrap();
    let waiting = super::parked(&own);
    assert_eq!(super::text(&end(waiting).unwrap()[0]), "a");
    put(&own, "b");
    assert_eq!(get(&second), "b");
}

/// What is wrong with an anonymous object its first call says at the latest, and nothing comes to be.
pub fn refused(url: &str) {
    let bridge = connect(url);
    let wrong = semaphore::Options { limit: Some(i64::MAX), ..semaphore::Options::default() };
    let error = match bridge.semaphore(None, wrong) {
        Ok(semaphore) => end(semaphore.release(ME, 1, None)).unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.reason, Reason::LimitExceeded, "{error}");
}

/// A named object needs no sharing, and is not harmed by it.
pub fn named(url: &str) {
    let (bridge, other) = (connect(url), connect(url));
    let queue = bridge.queue(Some("q"), Options::default()).unwrap();
    good(queue.share(ME));
    put(&queue, "a");
    drop(queue);
    bridge.close(LONG).unwrap();
    assert_eq!(get(&other.attach_queue("q", false, Options::default()).unwrap()), "a");
}

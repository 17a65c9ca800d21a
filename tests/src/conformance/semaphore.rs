//! Semaphores.

use std::time::Duration;

use bridge_client::semaphore::{Acquire, Options};
use bridge_client::{Reason, Semaphore, Timeout};

use super::{LONG, ME, SHORT, connect, good, reason};

fn semaphore(url: &str, limit: i64) -> Semaphore {
    connect(url).semaphore(Some("s"), Options { limit: Some(limit), ..Options::default() }).unwrap()
}

fn want(permits: u32, timeout: Timeout) -> Acquire {
    Acquire { permits, by_token: false, barge: false, timeout }
}

const LONGEST: Timeout = Timeout::After(LONG);

/// Permits go to who waits longest; a wait's time ends.
pub fn in_line(url: &str) {
    let semaphore = semaphore(url, 1);
    let token = good(semaphore.acquire(ME, want(1, Timeout::NOW)));
    assert_eq!(reason(semaphore.acquire(ME, want(1, Timeout::NOW))), Reason::TimedOut);
    assert_eq!(reason(semaphore.acquire(ME, want(1, Timeout::After(SHORT)))), Reason::TimedOut);
    let mut first = semaphore.acquire(ME, want(1, LONGEST));
    let mut second = semaphore.acquire(ME, want(1, LONGEST));
    good(semaphore.release(ME, 1, Some(token)));
    let token = first.wait(LONG).expect("the first is granted").unwrap().accept().unwrap();
    assert!(second.wait(Duration::ZERO).is_none());
    good(semaphore.release(ME, 1, Some(token)));
    good(second);
}

/// Many permits are taken all or none, and the line waits for who is first in it.
pub fn many_permits(url: &str) {
    let semaphore = semaphore(url, 3);
    let one = good(semaphore.acquire(ME, want(1, Timeout::NOW)));
    let mut all = semaphore.acquire(ME, want(3, LONGEST));
    assert_eq!(reason(semaphore.acquire(ME, want(1, Timeout::NOW))), Reason::TimedOut);
    assert!(all.wait(Duration::ZERO).is_none());
    good(semaphore.release(ME, 1, Some(one)));
    good(all);
    assert_eq!(good(semaphore.describe(ME)).held, 3);
}

/// A token is good once.
pub fn stale(url: &str) {
    let semaphore = semaphore(url, 1);
    let by_token = Acquire { by_token: true, ..want(1, Timeout::NOW) };
    let token = good(semaphore.acquire(ME, by_token));
    good(semaphore.release(ME, 1, Some(token)));
    let held = good(semaphore.acquire(ME, by_token));
    assert_ne!(token, held);
    assert_eq!(good(semaphore.describe(ME)).available, 0);
    good(semaphore.release(ME, 1, Some(held)));
    assert_eq!(good(semaphore.describe(ME)).available, 1);
}

/// Where it is bounded, more cannot be released than was acquired.
pub fn bounded(url: &str) {
    let options = Options { limit: Some(1), bounded: Some(true), ..Options::default() };
    let semaphore = connect(url).semaphore(Some("s"), options).unwrap();
    assert_eq!(reason(semaphore.release(ME, 1, None)), Reason::TooManyReleases);
    good(semaphore.acquire(ME, want(1, Timeout::NOW)));
    good(semaphore.release(ME, 1, None));
    assert_eq!(good(semaphore.describe(ME)).available, 1);
}

/// What is released beyond what was held is a signal, and is consumed.
pub fn signals(url: &str) {
    let semaphore = semaphore(url, 0);
    let wait = semaphore.acquire(ME, want(1, LONGEST));
    good(semaphore.release(ME, 2, None));
    good(wait);
    good(semaphore.acquire(ME, want(1, Timeout::NOW)));
    let figures = good(semaphore.describe(ME));
    assert_eq!((figures.available, figures.held, figures.signals), (0, 0, 0));
}

/// Takes all that is available.
pub fn drains(url: &str) {
    let semaphore = semaphore(url, 3);
    good(semaphore.acquire(ME, want(1, Timeout::NOW)));
    let drained = good(semaphore.drain(ME));
    assert_eq!(drained.drained, 2);
    assert_eq!(good(semaphore.describe(ME)).available, 0);
    good(semaphore.release(ME, 2, drained.token));
    assert_eq!(good(semaphore.describe(ME)).available, 2);
    assert_eq!(good(semaphore.drain(ME)).drained, 2);
    assert_eq!(good(semaphore.drain(ME)).drained, 0);
}

/// The limit can be changed; a higher one is served at once.
pub fn limit(url: &str) {
    let semaphore = semaphore(url, 1);
    good(semaphore.acquire(ME, want(1, Timeout::NOW)));
    let wait = semaphore.acquire(ME, want(1, LONGEST));
    good(semaphore.set_limit(ME, 2));
    good(wait);
    good(semaphore.reduce(ME, 1));
    assert_eq!(good(semaphore.describe(ME)).available, -1);
}

/// Who holds how many permits.
pub fn holders(url: &str) {
    let semaphore = semaphore(url, 3);
    assert_eq!(good(semaphore.holders(ME)), []);
    let token = good(semaphore.acquire(ME, Acquire { by_token: true, ..want(2, Timeout::NOW) }));
    let [holder] = &good(semaphore.holders(ME))[..] else { panic!("one holder") };
    assert_eq!((holder.token, holder.permits, holder.by_token), (token, 2, true));
    assert!(holder.session.ends_with(&format!(":{}", std::process::id())), "{}", holder.session);
    good(semaphore.release(ME, 2, Some(token)));
    assert_eq!(good(semaphore.holders(ME)), []);
}

//! Events.

use bridge_client::Timeout;
use bridge_client::event::Options;

use super::{LONG, ME, SHORT, connect, good, until};

/// A set ends every wait, in this session and in others, and later ones at once.
pub fn wakes_all(url: &str) {
    let (one, other) = (connect(url), connect(url));
    let here = one.event(Some("e"), Options::default()).unwrap();
    let there = other.event(Some("e"), Options::default()).unwrap();
    let waits: Vec<_> =
        (0..10).map(|n| if n % 2 == 0 { &here } else { &there }.wait(ME, Timeout::Never, None)).collect();
    until(|| good(here.describe(ME)).waiting == 10, "the waits do not show");
    good(there.set(ME));
    assert!(waits.into_iter().all(|wait| good(wait).is_set));
    assert!(good(here.wait(ME, Timeout::NOW, None)).is_set);
    good(here.clear(ME));
    assert!(!good(here.wait(ME, Timeout::NOW, None)).is_set);
}

/// A wait ends without a set when its time is over.
pub fn times_out(url: &str) {
    let event = connect(url).event(Some("e"), Options::default()).unwrap();
    let started = std::time::Instant::now();
    assert!(!good(event.wait(ME, Timeout::After(SHORT), None)).is_set);
    assert!(started.elapsed() >= SHORT);
}

/// A set that was cleared again is seen by who waits for sets after a version.
pub fn pulse(url: &str) {
    let event = connect(url).event(Some("e"), Options::default()).unwrap();
    let before = good(event.describe(ME)).version;
    good(event.set(ME));
    good(event.clear(ME));
    let waited = good(event.wait(ME, Timeout::After(LONG), Some(before)));
    assert!(waited.is_set && waited.version > before);
    assert!(!good(event.wait(ME, Timeout::NOW, Some(waited.version))).is_set);
}

/// A set wakes one waiter and clears.
pub fn auto_reset(url: &str) {
    let options = Options { auto_reset: Some(true), ..Options::default() };
    let event = connect(url).event(Some("e"), options).unwrap();
    let first = event.wait(ME, Timeout::Never, None);
    let second = event.wait(ME, Timeout::After(SHORT), None);
    good(event.set(ME));
    assert!(good(first).is_set);
    assert!(!good(second).is_set);
}

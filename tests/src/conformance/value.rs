//! Values.

use bridge_client::value::{Datum, Guard, Lifetime, Options, Write};
use bridge_client::{ContentType, Payload, Reason, Timeout, Token, Value};

use super::calls::block_on;
use super::{LONG, ME, SHORT, connect, good, reason, until};

fn value(url: &str) -> Value {
    connect(url).value(Some("v"), Options::default()).unwrap()
}

/// What is set is there, for others too, as it was set.
pub fn set_and_get(url: &str) {
    let (value, other) = (value(url), value(url));
    assert_eq!(good(value.get(ME)).datum, None);
    let payload = Payload::new(ContentType::Cbor, vec![7; 100_000]);
    for datum in [Datum::from(payload), i64::MIN.into(), 0.1.into(), f64::NAN.into()] {
        let set = good(value.set(ME, datum.clone()));
        assert!(set.done);
        let item = good(other.get(ME));
        assert_eq!((item.datum, item.version), (Some(datum), set.item.version));
        assert_eq!(good(other.version(ME)), set.item.version);
    }
    let deleted = good(other.delete(ME, Guard::default(), true));
    assert!(deleted.done && deleted.item.datum.is_some());
    assert_eq!(good(value.get(ME)).version, 0);
}

/// Of many who set what they found to be there, each comes to it once.
pub fn compare_and_set(url: &str) {
    let value = value(url);
    let first = good(value.compare_and_set(ME, 0, 1));
    let second = good(value.compare_and_set(ME, 0, 2));
    assert!(first.done && !second.done);
    assert_eq!(second.item.datum, Some(1.into()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    value.update_blocking(ME, one_more).unwrap();
                }
            });
        }
    });
    assert_eq!(good(value.get(ME)).datum, Some(101.into()));
}

/// Adds one.
fn one_more(datum: Option<&Datum>) -> Option<Datum> {
    match datum {
        Some(Datum::Integer(number)) => Some((number + 1).into()),
        _ => None,
    }
}

/// An update is a future too; it can make and delete.
pub fn update(url: &str) {
    let value = value(url);
    assert_eq!(block_on(value.update(ME, |datum| datum.cloned())).unwrap(), None);
    assert_eq!(block_on(value.update(ME, |_| Some(5.into()))).unwrap(), Some(5.into()));
    assert_eq!(block_on(value.update(ME, |_| None)).unwrap(), None);
    assert_eq!(good(value.version(ME)), 0);
}

/// Many count in one step each.
pub fn increment(url: &str) {
    let value = value(url);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..25).for_each(|_| drop(good(value.increment(ME, 2, None)))));
        }
    });
    assert_eq!(good(value.increment(ME, 0.5, None)).datum, Some(200.5.into()));
    good(value.set(ME, i64::MAX));
    assert_eq!(reason(value.increment(ME, 1, None)), Reason::InvalidArgument);
}

/// A watch ends with a newer version, or when its time is over.
pub fn watch(url: &str) {
    let (value, other) = (value(url), value(url));
    let wait = value.watch(ME, 0, Timeout::After(LONG));
    until(|| good(other.describe(ME)).waiting == 1, "the watch does not show");
    good(other.set(ME, 1));
    let seen = good(wait);
    assert_eq!((seen.changed, seen.item.datum), (true, Some(1.into())));
    assert!(!good(value.watch(ME, seen.item.version, Timeout::After(SHORT))).changed);
    good(other.delete(ME, Guard::default(), false));
    let gone = good(value.watch(ME, seen.item.version, Timeout::NOW));
    assert_eq!((gone.changed, gone.item.datum), (true, None));
}

/// Whoever comes with a lower fencing token than the last is refused.
pub fn fenced(url: &str) {
    let value = value(url);
    let write = |fence| {
        let guard = Guard { if_version: None, fence: Some(Token(fence)) };
        value.write(ME, Write { datum: 1.into(), guard, lifetime: Lifetime::Lasting })
    };
    good(write(7));
    assert_eq!(reason(write(6)), Reason::Fenced);
    good(write(8));
}

/// What is bound to a session goes with it, and what has a time to live with that.
pub fn ends(url: &str) {
    let other = value(url);
    let write = |value: &Value, ttl, bound| {
        let lifetime = Lifetime::Limited { ttl, bound };
        good(value.write(ME, Write { datum: 1.into(), guard: Guard::default(), lifetime })).item.version
    };
    {
        let value = value(url);
        let version = write(&value, None, true);
        let wait = other.watch(ME, version, Timeout::After(LONG));
        value.bridge().close(LONG).unwrap();
        assert_eq!(good(wait).item.datum, None);
    }
    let version = write(&other, Some(SHORT), false);
    assert_eq!(good(other.watch(ME, version, Timeout::After(LONG))).item.datum, None);
}

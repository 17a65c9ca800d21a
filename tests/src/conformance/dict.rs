//! Dicts.

use bridge_client::value::{Datum, Guard, Options};
use bridge_client::{Dict, Key, Timeout};

use super::{LONG, ME, SHORT, connect, good, until};

fn dict(url: &str) -> Dict {
    connect(url).dict(Some("d"), Options::default()).unwrap()
}

/// Keys differ as Python's do, and have one order for all.
pub fn keys(url: &str) {
    let dict = dict(url);
    let one = Key::real(1.0).unwrap();
    let quarter = Key::real(0.25).unwrap();
    for (number, key) in [Key::from(1), "1".into(), quarter.clone()].into_iter().enumerate() {
        good(dict.entry(key).set(ME, number as i64));
    }
    assert_eq!(good(dict.entry(one).get(ME)).datum, Some(0.into()), "1 and 1.0 are one key");
    let page = good(dict.items(ME, 2, None, false));
    let found: Vec<_> = page.entries.iter().map(|entry| Key::from_encoded(entry.key.clone())).collect();
    assert_eq!((&found[..], page.more), (&[quarter, 1.into()][..], true));
    let rest = good(dict.items(ME, 2, Some(&found[1]), true));
    assert_eq!((rest.entries.len(), rest.more, &rest.entries[0].datum), (1, false, &None));
    assert_eq!(rest.as_of, page.as_of);
}

/// What a dict does with an entry.
pub fn entries(url: &str) {
    let dict = dict(url);
    let entry = dict.entry("a");
    assert_eq!(good(entry.version(ME)), 0, "reading finds nothing");
    let first = good(entry.compare_and_set(ME, 0, 1));
    let default = good(entry.compare_and_set(ME, 0, 2));
    assert_eq!((first.done, default.done, default.item.datum), (true, false, Some(1.into())), "setdefault");
    assert_eq!(good(entry.increment(ME, 4, None)).datum, Some(5.into()));
    assert_eq!(good(dict.describe(ME)).length, 1);
    let popped = good(entry.delete(ME, Guard::default(), true));
    assert_eq!((popped.done, popped.item.datum), (true, Some(5.into())));
    assert!(!good(entry.delete(ME, Guard::default(), true)).done);
    entry.update_blocking(ME, |_| Some(Datum::from(3))).unwrap();
    good(dict.entry("b").set(ME, 1));
    assert_eq!(good(dict.clear(ME, None)), 2);
    assert_eq!(good(dict.describe(ME)).length, 0);
}

/// A watch of one entry, and of all.
pub fn watch(url: &str) {
    let (dict, other) = (dict(url), dict(url));
    let entry = dict.entry("a").watch(ME, 0, Timeout::After(LONG));
    let any = dict.watch(ME, 0, Timeout::After(LONG));
    until(|| good(other.describe(ME)).waiting == 2, "the watches do not show");
    good(other.entry("b").set(ME, 1));
    let seen = good(any);
    assert!(seen.changed && seen.item.as_of > 0);
    good(other.entry("a").set(ME, 2));
    assert_eq!(good(entry).item.datum, Some(2.into()));
    let again = good(dict.watch(ME, seen.item.as_of, Timeout::After(LONG)));
    assert!(!good(dict.watch(ME, again.item.as_of, Timeout::After(SHORT))).changed);
}

/// One that is shared can be attached to; one of its own goes with its handle.
pub fn anonymous(url: &str) {
    let bridge = connect(url);
    let own = bridge.dict(None, Options::default()).unwrap();
    good(own.entry(1).set(ME, 1));
    good(own.share(ME));
    let attached = bridge.attach_dict(own.name(), true, Options::default()).unwrap();
    assert_eq!(good(attached.entry(1).get(ME)).datum, Some(1.into()));
    assert!(bridge.attach_dict("absent", true, Options::default()).is_err());
}

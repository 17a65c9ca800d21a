//! Lists.

use bridge_client::list::Splice;
use bridge_client::value::{Datum, Guard, Options};
use bridge_client::{List, Reason, Timeout};

use super::{LONG, ME, connect, good, reason, until};

fn list(url: &str) -> List {
    connect(url).list(Some("l"), Options::default()).unwrap()
}

fn all(list: &List) -> Vec<i64> {
    let items = good(list.read(ME, 0, 1000)).items;
    let number = |item| if let Datum::Integer(number) = item { number } else { panic!("not a number") };
    items.into_iter().map(number).collect()
}

/// What lists do.
pub fn items(url: &str) {
    let list = list(url);
    assert_eq!(good(list.pop(ME, -1)), None);
    good(list.append(ME, 1));
    good(list.extend(ME, vec![2.into(), 3.into(), 4.into()]));
    good(list.insert(ME, 0, 0));
    assert_eq!(all(&list), [0, 1, 2, 3, 4]);
    assert_eq!(good(list.get(ME, -1)), Some(4.into()));
    assert_eq!((good(list.get(ME, 5)), good(list.get(ME, -6))), (None, None));
    assert_eq!(good(list.pop(ME, -1)), Some(4.into()));
    assert_eq!(good(list.pop(ME, 0)), Some(0.into()));
    assert!(good(list.set(ME, 1, 20)).done);
    assert!(!good(list.set(ME, 3, 40)).done);
    let slice = Splice { start: Some(0), remove: 2, items: vec![7.into()], ..Splice::default() };
    assert_eq!(good(list.splice(ME, Splice { returning: true, ..slice })).removed, [1.into(), 20.into()]);
    assert_eq!(good(list.increment(ME, 0, 1, None)).datum, Some(8.into()));
    assert_eq!(reason(list.increment(ME, 9, 1, None)), Reason::InvalidArgument);
    assert_eq!(all(&list), [8, 3]);
    let page = good(list.read(ME, -1, 5));
    assert_eq!((page.start, page.length, page.items), (1, 2, vec![3.into()]));
    assert_eq!(good(list.clear(ME, None)), 2);
    assert_eq!(good(list.describe(ME)).length, 0);
}

/// One version for the whole of it.
pub fn versions(url: &str) {
    let (list, other) = (list(url), list(url));
    let wait = list.watch(ME, 0, Timeout::After(LONG));
    until(|| good(other.describe(ME)).waiting == 1, "the watch does not show");
    let version = good(other.append(ME, 1)).version;
    assert_eq!(good(wait).item.version, version);
    let guarded = |if_version| {
        let guard = Guard { if_version: Some(if_version), fence: None };
        good(list.splice(ME, Splice { items: vec![2.into()], guard, ..Splice::default() }))
    };
    assert!(guarded(version).done);
    assert!(!guarded(version).done);
    assert!(!good(list.watch(ME, good(list.describe(ME)).version, Timeout::NOW)).changed);
}

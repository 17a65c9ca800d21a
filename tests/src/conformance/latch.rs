//! Latches.

use bridge_client::latch::Options;
use bridge_client::{Latch, Reason, Timeout};

use super::{LONG, ME, SHORT, connect, good, reason, until};

fn latch(url: &str, count: u64) -> Latch {
    connect(url).latch(Some("l"), Options { count: Some(count), ephemeral: None }).unwrap()
}

/// Zero ends every wait, for good.
pub fn opens(url: &str) {
    let (here, there) = (latch(url, 3), latch(url, 3));
    let waits = [here.wait(ME, Timeout::After(LONG)), there.wait(ME, Timeout::After(LONG))];
    until(|| good(here.describe(ME)).waiting == 2, "the waits do not show");
    assert!(!good(here.wait(ME, Timeout::After(SHORT))));
    assert_eq!(good(there.count_down(ME, 1)), 2);
    assert_eq!(good(there.count_down(ME, 5)), 0);
    assert!(waits.into_iter().all(good));
    assert!(good(here.wait(ME, Timeout::NOW)));
}

/// Each of many counts once.
pub fn counts(url: &str) {
    let latch = latch(url, 100);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..20).map(|_| good(latch.count_down(ME, 1))).min());
        }
    });
    assert_eq!(good(latch.describe(ME)).count, 20);
    let other = connect(url).latch(Some("l"), Options { count: Some(1), ephemeral: None });
    assert_eq!(other.err().map(|error| error.reason), Some(Reason::ConfigMismatch));
    let nameless = connect(url).latch(None, Options::default()).unwrap();
    assert_eq!(reason(nameless.count_down(ME, 1)), Reason::InvalidArgument);
}

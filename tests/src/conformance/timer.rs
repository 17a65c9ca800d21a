//! Timers.

use std::time::Duration;

use bridge_client::queue;
use bridge_client::timer::{Cron, Missed, Options, Schedule, Times};
use bridge_client::{Bridge, Name, Reason};

use super::{ME, connect, get, good, item, reason, try_get, until};

fn schedule(times: Times) -> Schedule {
    let queue = Name::parse("queue", "q").unwrap();
    Schedule { queue, item: item("tick"), times, missed: Missed::Once }
}

fn every(millis: u64) -> Times {
    Times::Every(Duration::from_millis(millis))
}

fn ticks(bridge: &Bridge) -> bridge_client::Queue {
    bridge.queue(Some("q"), queue::Options::default()).unwrap()
}

/// Once after a while, and again and again, whether or not its client is there.
pub fn fires(url: &str) {
    let other = connect(url);
    let here = connect(url);
    here.schedule(Some("once"), schedule(Times::After(Duration::from_millis(20)))).unwrap();
    assert_eq!(get(&ticks(&other)), "tick");
    let timer = here.schedule(Some("often"), schedule(every(20))).unwrap();
    assert!(good(timer.schedule(ME, schedule(every(20)), false)), "it has this one");
    here.close(Duration::from_secs(5)).unwrap();
    for _ in 0..3 {
        assert_eq!(get(&ticks(&other)), "tick");
    }
    let timer = other.timer(Some("often"), Options::default()).unwrap();
    assert!(good(timer.describe(ME)).fired >= 3);
    assert!(good(timer.cancel(ME)) && !good(timer.cancel(ME)));
    while try_get(&ticks(&other)).is_ok() {}
    assert_eq!(good(timer.describe(ME)).schedule, None);
}

/// Another schedule under the same name, and schedules that cannot be.
pub fn mismatch(url: &str) {
    let bridge = connect(url);
    let hourly = || schedule(Times::Cron(Cron::parse("@hourly").unwrap()));
    let timer = bridge.schedule(Some("t"), hourly()).unwrap();
    assert_eq!(reason(timer.schedule(ME, schedule(every(20)), false)), Reason::ConfigMismatch);
    let left = good(timer.describe(ME)).next_in.expect("it goes off");
    assert!(left <= Duration::from_secs(3600));
    assert!(!good(timer.schedule(ME, schedule(every(60_000)), true)));
    assert_eq!(good(timer.describe(ME)).schedule, Some(schedule(every(60_000))));
    assert_eq!(reason(timer.schedule(ME, schedule(every(0)), true)), Reason::InvalidArgument);
    assert_eq!(reason(timer.schedule(ME, schedule(every(1)), true)), Reason::LimitExceeded);
}

/// What a full queue refused is made up for once there is room.
pub fn full(url: &str) {
    let bridge = connect(url);
    let options = queue::Options { maxsize: Some(1), ..Default::default() };
    let queue = bridge.queue(Some("q"), options).unwrap();
    super::put(&queue, "first");
    let timer = bridge.schedule(Some("t"), schedule(Times::After(Duration::from_millis(10)))).unwrap();
    until(|| good(timer.describe(ME)).owed == 1, "nothing was missed");
    assert_eq!(get(&queue), "first");
    assert_eq!(get(&queue), "tick");
    assert_eq!(good(timer.describe(ME)).schedule, None);
}

/// A timer without a name ends with its handle; the others are listed by name.
pub fn listed(url: &str) {
    let bridge = connect(url);
    for name in ["b", "a", "c"] {
        bridge.schedule(Some(name), schedule(every(60_000))).unwrap();
    }
    let own = bridge.schedule(None, schedule(every(60_000))).unwrap();
    let names = |size, after: Option<&str>| {
        let after = after.map(|after| Name::parse("after", after).unwrap());
        let page = good(bridge.timers(ME, size, after).unwrap());
        let names: Vec<_> = page.timers.iter().map(|timer| timer.name.to_string()).collect();
        (names.join(" "), page.more)
    };
    assert_eq!(names(10, None), (format!("a {} b c", own.name()), false));
    drop(own);
    until(|| names(10, None).0 == "a b c", "it is still there");
    assert_eq!(names(2, None), ("a b".into(), true));
    assert_eq!(names(2, Some("b")), ("c".into(), false));
}

//! A connection that is cut at any frame: nothing is lost, doubled or left hanging.

use bridge_client::semaphore::{self, Acquire};
use bridge_client::{Reason, event};
use syncbridge_tests::proxy::{Cut, Proxy};

use super::served::Served;
use super::*;

/// Cut in its handshake a first connection is made again.
fn connect_through(proxy: &Proxy) -> Bridge {
    let options = ConnectOptions { connect_timeout: Duration::from_secs(2), ..ConnectOptions::default() };
    Bridge::connect(&proxy.url, options).unwrap()
}

/// Puts, gets, acquires and waits; `direct` has a connection that is not cut, and counts.
fn everything(bridge: &Bridge, direct: &Bridge, run: &str) {
    let name = |what: &str| format!("{what} {run}");
    let queue = unbounded(bridge, &name("queue"));
    let counted = unbounded(direct, &name("queue"));
    (0..4).for_each(|number| put(&queue, number).unwrap());
    assert_eq!(number(&get(&queue, Timeout::NOW).finish().unwrap()[0]), 0);

    let permits = semaphore::Options::default();
    let semaphore = bridge.semaphore(Some(&name("semaphore")), permits).unwrap();
    let watched = direct.semaphore(Some(&name("semaphore")), permits).unwrap();
    let acquire = Acquire { permits: 1, by_token: true, barge: false, timeout: seconds(10) };
    let token = semaphore.acquire(ME, acquire).finish().unwrap();
    assert_eq!(watched.describe(ME).finish().unwrap().held, 1);
    let second = Acquire { timeout: Timeout::NOW, ..acquire };
    assert_eq!(watched.acquire(ME, second).finish().unwrap_err().reason, Reason::TimedOut);
    let waiting = watched.acquire(ME, acquire);
    semaphore.release(ME, 1, Some(token)).finish().unwrap();
    let token = waiting.finish().unwrap();
    watched.release(ME, 1, Some(token)).finish().unwrap();

    let flag = bridge.event(Some(&name("event")), event::Options::default()).unwrap();
    let wait = flag.wait(ME, seconds(10), None);
    let parked = unbounded(bridge, &name("parked"));
    let get_parked = get(&parked, seconds(10));
    let setter = direct.event(Some(&name("event")), event::Options::default()).unwrap();
    setter.set(ME).finish().unwrap();
    assert!(wait.finish().unwrap().is_set);
    put(&unbounded(direct, &name("parked")), 9).unwrap();
    assert_eq!(number(&get_parked.finish().unwrap()[0]), 9);

    put(&queue, 4).unwrap();
    bridge.flush(Duration::from_secs(10)).unwrap();
    assert_eq!(rest(&counted), [1, 2, 3, 4]);
    assert!(rest(&unbounded(direct, &name("parked"))).is_empty());
    let figures = watched.describe(ME).finish().unwrap();
    assert_eq!((figures.held, figures.available), (0, 1));
}

#[test]
fn cut_once_at_every_frame() {
    let served = Served::start();
    let direct = connect(&served.unix);
    for cut in [Cut::Before as fn(usize) -> Cut, Cut::After] {
        for at in 1.. {
            let proxy = Proxy::start(&served.tcp, cut(at));
            let bridge = connect_through(&proxy);
            everything(&bridge, &direct, &format!("{:?}", cut(at)));
            let whole = proxy.cuts() == 0;
            bridge.close(Duration::from_secs(5)).unwrap();
            if whole {
                assert!(at > 30, "the run had only {at} frames");
                break;
            }
        }
    }
}

#[test]
fn cut_again_and_again() {
    let served = Served::start();
    let direct = connect(&served.unix);
    for every in [31, 47] {
        let proxy = Proxy::start(&served.tcp, Cut::Every(every));
        let bridge = connect_through(&proxy);
        for run in 0..8 {
            everything(&bridge, &direct, &format!("{every} {run}"));
        }
        assert!(proxy.cuts() > 3, "{} cuts", proxy.cuts());
    }
}

/// Many threads put and take while the connection breaks again and again.
#[test]
fn cut_under_load() {
    const EACH: u64 = 150;
    let served = Served::start();
    let proxy = Proxy::start(&served.tcp, Cut::Every(61));
    let bridge = connect_through(&proxy);
    let queue = unbounded(&bridge, "load");
    let mut seen = Vec::new();
    std::thread::scope(|scope| {
        let takers: Vec<_> = (0..4)
            .map(|thread| {
                let queue = &queue;
                let first = thread * EACH;
                scope.spawn(move || (first..first + EACH).for_each(|number| put(queue, number).unwrap()));
                scope.spawn(move || {
                    let take = || number(&get(queue, seconds(20)).finish().unwrap()[0]);
                    (0..EACH).map(|_| take()).collect::<Vec<_>>()
                })
            })
            .collect();
        takers.into_iter().for_each(|taker| seen.extend(taker.join().unwrap()));
    });
    seen.sort_unstable();
    assert_eq!(seen, (0..4 * EACH).collect::<Vec<_>>());
    assert!(proxy.cuts() > 3, "{} cuts", proxy.cuts());
}

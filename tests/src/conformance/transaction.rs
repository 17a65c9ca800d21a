//! Several steps on queues, all of them or none.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bridge_client::queue::{Batch, Mode, Options, Reentry};
use bridge_client::transaction::Done;
use bridge_client::{Bridge, ConnectOptions, Queue, Reason, Timeout, Token};

use super::{LONG, ME, connect, end, get, good, item, parked, put, reason, text, try_get, until_waiting};

fn queue(bridge: &Bridge, name: &str, maxsize: Option<u64>) -> Queue {
    bridge.queue(Some(name), Options { maxsize, ..Options::default() }).unwrap()
}

fn lease(queue: &Queue) -> Token {
    good(queue.take(ME, Mode::Lease, Batch::ONE, Timeout::After(LONG)))[0].token
}

/// An ack and puts are one step, which others see at once.
pub fn commits(url: &str) {
    let (one, two) = (connect(url), connect(url));
    let [jobs, out, log] = ["in", "out", "log"].map(|name| queue(&one, name, None));
    put(&jobs, "a");
    let token = lease(&jobs);
    let wait = parked(&queue(&two, "out", None));
    until_waiting(&out, 1);
    let steps = one.transaction().ack(&jobs, vec![token]).put(&out, item("b"));
    let done = good(steps.put_many(&log, vec![item("c"), item("d")]).commit(ME));
    assert!(
        matches!(&done[..], [Done::Settled, Done::Put(_), Done::PutMany(ids)] if ids.len() == 2),
        "{done:?}"
    );
    assert_eq!(text(&good(wait)[0]), "b");
    assert_eq!([get(&log), get(&log)], ["c", "d"]);
    assert_eq!(good(jobs.describe(ME)).leased, 0);
}

/// Deliveries go back and to the dead letters in one, too.
pub fn settles(url: &str) {
    let bridge = connect(url);
    let jobs = queue(&bridge, "in", None);
    put(&jobs, "a");
    put(&jobs, "b");
    let (first, second) = (lease(&jobs), lease(&jobs));
    let steps = bridge.transaction().nack(&jobs, vec![first], Reentry::Place, Duration::ZERO, "again".into());
    good(steps.reject(&jobs, vec![second], "no".into()).commit(ME));
    let figures = good(jobs.describe(ME));
    assert_eq!((figures.ready, figures.dead, figures.leased), (1, 1, 0));
}

/// One step that cannot be executed fails the whole.
pub fn fails(url: &str) {
    let bridge = connect(url);
    let [jobs, out] = ["in", "out"].map(|name| queue(&bridge, name, None));
    let full = queue(&bridge, "full", Some(1));
    put(&jobs, "a");
    put(&full, "x");
    let token = lease(&jobs);
    let steps = || bridge.transaction().ack(&jobs, vec![token]).put(&out, item("b"));
    let error = end(steps().put(&full, item("c")).commit(ME)).unwrap_err();
    assert_eq!((error.reason, error.detail("step")), (Reason::Full, Some("2")));
    assert_eq!(try_get(&out), Err(Reason::Empty));
    good(steps().commit(ME));
    let error = end(steps().commit(ME)).unwrap_err();
    assert_eq!((error.reason, error.detail("step")), (Reason::Stale, Some("0")));
    assert_eq!(good(out.describe(ME)).ready, 1);
    assert_eq!(reason(bridge.transaction().commit(ME)), Reason::InvalidArgument);
    let other = Bridge::connect("mem:yet-another-namespace", ConnectOptions::default()).unwrap();
    assert_eq!(
        reason(steps().put(&queue(&other, "out", None), item("d")).commit(ME)),
        Reason::CrossNamespace
    );
}

/// Workers that move items on: every item comes out once, whatever fails on the way.
pub fn moves_on(url: &str) {
    const ITEMS: usize = 60;
    let moved = AtomicUsize::new(0);
    let bridge = connect(url);
    let (jobs, out) = (queue(&bridge, "in", None), queue(&bridge, "out", None));
    for number in 0..ITEMS {
        put(&jobs, number);
    }
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let bridge = connect(url);
                let (jobs, out) = (queue(&bridge, "in", None), queue(&bridge, "out", None));
                let mut tries = 0;
                while moved.load(Ordering::Relaxed) < ITEMS {
                    let Ok(leased) = end(jobs.take(ME, Mode::Lease, Batch::ONE, Timeout::NOW)) else {
                        std::thread::yield_now();
                        continue;
                    };
                    let token = leased[0].token;
                    tries += 1;
                    if tries % 5 == 0 {
                        good(jobs.nack(ME, vec![token], Reentry::Place, "later".into()));
                        continue;
                    }
                    good(
                        bridge
                            .transaction()
                            .ack(&jobs, vec![token])
                            .put(&out, item(text(&leased[0])))
                            .commit(ME),
                    );
                    moved.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let mut all: Vec<usize> = (0..ITEMS).map(|_| get(&out).parse().unwrap()).collect();
    all.sort_unstable();
    assert_eq!(all, (0..ITEMS).collect::<Vec<_>>());
    assert_eq!(try_get(&out), Err(Reason::Empty));
}

//! The ordinary case: calls of one thread and of many, on both kinds of sockets.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bridge_client::semaphore::{self, Acquire};
use bridge_client::{Payload, Reason, Timeout, event, queue};

use super::served::Served;
use super::*;

#[test]
fn put_and_get_on_both_kinds_of_sockets() {
    let served = Served::start();
    for url in [&served.unix, &served.tcp] {
        let bridge = connect(url);
        let queue = unbounded(&bridge, "ordinary");
        (0..100).for_each(|number| put(&queue, number).unwrap());
        assert_eq!(rest(&queue), (0..100).collect::<Vec<_>>());
        let error = get(&queue, Timeout::NOW).finish().unwrap_err();
        assert_eq!(error.reason, Reason::Empty);
        bridge.close(Duration::from_secs(5)).unwrap();
        let error = put(&queue, 1).unwrap_err();
        assert_eq!(error.reason, Reason::SessionExpired, "{error}");
    }
}

#[test]
fn a_wait_is_answered_from_another_client() {
    let served = Served::start();
    let (waiting, putting) = (connect(&served.unix), connect(&served.tcp));
    let queue = unbounded(&waiting, "handed over");
    let other = unbounded(&putting, "handed over");
    for number in 0..200 {
        let call = get(&queue, seconds(10));
        put(&other, number).unwrap();
        assert_eq!(super::number(&call.finish().unwrap()[0]), number);
    }
}

#[test]
fn what_nobody_waits_for_is_delivered_by_the_helper() {
    let served = Served::start();
    let (idle, putting) = (connect(&served.unix), connect(&served.unix));
    let queue = unbounded(&idle, "idle");
    let other = unbounded(&putting, "idle");
    for number in 0..20 {
        let mut call = get(&queue, Timeout::Never);
        let (tell, told) = std::sync::mpsc::channel();
        call.on_ready(move || tell.send(()).unwrap());
        put(&other, number).unwrap();
        told.recv_timeout(Duration::from_secs(5)).unwrap();
        let taken = call.poll_take().unwrap().unwrap().accept().unwrap();
        assert_eq!(super::number(&taken[0]), number);
    }
}

/// The accept of the last grant leaves although nothing else does: the item is gone, not offered.
#[test]
fn calls_that_follow_each_other_leave_though_nobody_waits_for_any() {
    let served = Served::start();
    let (putting, getting) = (connect(&served.unix), connect(&served.unix));
    let queue = unbounded(&putting, "gathered");
    let other = unbounded(&getting, "gathered");
    // One, few, and more than leave together.
    for count in [1, 3, 500] {
        let calls: Vec<_> = (0..count).map(|number| queue.put(ME, item(number), Timeout::Never)).collect();
        for number in 0..count {
            let taken = get(&other, seconds(10)).finish().unwrap();
            assert_eq!(super::number(&taken[0]), number, "in the order in which they were started");
        }
        for call in calls {
            call.finish().unwrap();
        }
    }
}

#[test]
fn an_accept_leaves_by_itself() {
    let served = Served::start();
    let (taking, looking) = (connect(&served.unix), connect(&served.unix));
    let queue = unbounded(&taking, "accepted");
    put(&queue, 1).unwrap();
    get(&queue, Timeout::NOW).finish().unwrap();
    let queue = unbounded(&looking, "accepted");
    eventually("the item is gone", || queue.describe(ME).finish().unwrap().offered == 0);
}

#[test]
fn a_dropped_grant_goes_back() {
    let served = Served::start();
    let bridge = connect(&served.unix);
    let queue = unbounded(&bridge, "refused");
    put(&queue, 7).unwrap();
    let mut call = get(&queue, seconds(5));
    let granted = call.wait(Duration::from_secs(5)).unwrap().unwrap();
    assert_eq!(number(&granted[0]), 7);
    drop(granted);
    assert_eq!(number(&get(&queue, seconds(5)).finish().unwrap()[0]), 7);
    drop(get(&queue, Timeout::Never));
    put(&queue, 8).unwrap();
    assert_eq!(number(&get(&queue, seconds(5)).finish().unwrap()[0]), 8, "an abandoned wait takes nothing");
}

#[test]
fn many_threads_share_one_client() {
    const THREADS: u64 = 64;
    const EACH: u64 = 100;
    let served = Served::start();
    for url in [&served.unix, &served.tcp] {
        let bridge = connect(url);
        let queue = bridge
            .queue(Some("crowded"), queue::Options { maxsize: Some(16), ..Default::default() })
            .unwrap();
        let mut seen = BTreeSet::new();
        thread::scope(|scope| {
            let mut takers = Vec::new();
            for thread in 0..THREADS {
                let queue = &queue;
                if thread % 2 == 0 {
                    let first = thread / 2 * EACH;
                    scope.spawn(move || (first..first + EACH).for_each(|number| put(queue, number).unwrap()));
                } else {
                    takers.push(scope.spawn(move || {
                        let take = || number(&get(queue, Timeout::Never).finish().unwrap()[0]);
                        (0..EACH).map(|_| take()).collect::<Vec<_>>()
                    }));
                }
            }
            for taker in takers {
                for number in taker.join().unwrap() {
                    assert!(seen.insert(number), "{number} came twice");
                }
            }
        });
        assert_eq!(seen.len() as u64, THREADS / 2 * EACH);
        assert!(rest(&queue).is_empty());
        bridge.close(Duration::from_secs(5)).unwrap();
    }
}

#[test]
fn parked_waits_leave_room_for_a_release() {
    const WAITS: u64 = 10_000;
    let served = Served::start();
    let bridge = connect(&served.unix);
    let queue = unbounded(&bridge, "parked");
    let permits = bridge.semaphore(Some("permits"), semaphore::Options::default()).unwrap();
    let acquire = Acquire { permits: 1, by_token: true, barge: false, timeout: Timeout::Never };
    let token = permits.acquire(ME, acquire).finish().unwrap();

    let ready = Arc::new(AtomicUsize::new(0));
    let mut calls: Vec<_> = (0..WAITS).map(|_| get(&queue, Timeout::Never)).collect();
    for call in &calls {
        let ready = ready.clone();
        call.on_ready(move || {
            ready.fetch_add(1, Ordering::Relaxed);
        });
    }
    eventually("all are parked", || queue.describe(ME).finish().unwrap().waiting_to_get == WAITS);

    let start = Instant::now();
    permits.release(ME, 1, Some(token)).finish().unwrap();
    let took = start.elapsed();
    assert!(took < Duration::from_millis(500), "the release took {took:?}");
    assert_eq!(ready.load(Ordering::Relaxed), 0);

    let items = (0..WAITS).map(item).collect();
    queue.put_many(ME, items, Timeout::Never).finish().unwrap();
    eventually("all are served", || ready.load(Ordering::Relaxed) == WAITS as usize);
    let mut seen = BTreeSet::new();
    for call in &mut calls {
        seen.insert(number(&call.poll_take().unwrap().unwrap().accept().unwrap()[0]));
    }
    assert_eq!(seen.len() as u64, WAITS);
    bridge.close(Duration::from_secs(5)).unwrap();
}

#[test]
fn large_payloads_in_both_directions_at_once() {
    const BYTES: usize = 20 << 20;
    let served = Served::start();
    for url in [&served.unix, &served.tcp] {
        let bridge = connect(url);
        let queue = unbounded(&bridge, "large");
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for fill in 0..3u8 {
                        let payload = Payload::new(ContentType::Bytes, vec![fill; BYTES]);
                        let item = NewItem::new(payload);
                        queue.put(ME, item, Timeout::Never).finish().unwrap();
                    }
                });
                scope.spawn(|| {
                    for _ in 0..3 {
                        let taken = get(&queue, seconds(30)).finish().unwrap();
                        let Body::Bytes(bytes) = &taken[0].payload.body else { panic!("not bytes") };
                        assert_eq!(bytes.len(), BYTES);
                        assert!(bytes.iter().all(|byte| *byte == bytes[0]));
                    }
                });
            }
        });
        bridge.close(Duration::from_secs(5)).unwrap();
    }
}

#[test]
fn a_foreign_thread_drives() {
    let served = Served::start();
    let (bridge, other) = (connect(&served.unix), connect(&served.unix));
    let event = bridge.event(Some("driven"), event::Options::default()).unwrap();
    let mut call = event.wait(ME, Timeout::Never, None);
    let setter = other.event(Some("driven"), event::Options::default()).unwrap();
    let setting = thread::spawn(move || setter.set(ME).finish().unwrap());
    let waited = loop {
        bridge.drive(Duration::from_secs(5));
        if let Some(waited) = call.poll_take() {
            break waited.unwrap().accept().unwrap();
        }
    };
    assert!(waited.is_set);
    setting.join().unwrap();
}

#[test]
fn a_callback_that_panics_stops_no_other() {
    let served = Served::start();
    let bridge = connect(&served.unix);
    let event = bridge.event(Some("panics"), event::Options::default()).unwrap();
    let calls: Vec<_> = (0..3).map(|_| event.wait(ME, Timeout::Never, None)).collect();
    let (tell, told) = std::sync::mpsc::channel();
    calls[0].on_ready(|| panic!("on purpose"));
    for call in &calls[1..] {
        let tell = tell.clone();
        call.on_ready(move || tell.send(()).unwrap());
    }
    event.set(ME).finish().unwrap();
    for _ in 1..3 {
        told.recv_timeout(Duration::from_secs(5)).unwrap();
    }
    event.set(ME).finish().unwrap();
}

//! Servers that stop answering, die, or come back with an empty memory: every wait ends.

use std::thread;

use bridge_client::semaphore::{self, Acquire};
use bridge_client::{Reason, event};

use super::served::Served;
use super::*;

/// Waits and puts of many threads while the server is killed: each ends, or moves to the new session, in time.
#[test]
fn a_restarted_server_leaves_nothing_hanging() {
    let mut served = Served::start();
    let bridge = connect(&served.tcp);
    let queue = unbounded(&bridge, "empty");
    let flag = bridge.event(Some("flag"), event::Options::default()).unwrap();
    let none = semaphore::Options { limit: Some(0), ..Default::default() };
    let semaphore = bridge.semaphore(Some("none"), none).unwrap();
    let target = unbounded(&bridge, "target");

    thread::scope(|scope| {
        let gets: Vec<_> = (0..40)
            .map(|_| scope.spawn(|| number(&get(&queue, Timeout::Never).finish().unwrap()[0])))
            .collect();
        let waits: Vec<_> =
            (0..30).map(|_| scope.spawn(|| flag.wait(ME, Timeout::Never, None).finish().unwrap())).collect();
        let acquires: Vec<_> = (0..30)
            .map(|_| {
                let acquire = Acquire { permits: 1, by_token: true, barge: false, timeout: Timeout::Never };
                let semaphore = &semaphore;
                scope.spawn(move || semaphore.acquire(ME, acquire).finish().map(drop))
            })
            .collect();
        let putters: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut ends = Vec::new();
                    for number in 0.. {
                        let start = Instant::now();
                        let end = put(&target, number);
                        ends.push((end, start.elapsed()));
                        if ends.iter().any(|(end, _)| end.is_err()) || number == 100_000 {
                            break;
                        }
                    }
                    ends
                })
            })
            .collect();
        eventually("all wait", || {
            queue.describe(ME).finish().unwrap().waiting_to_get == 40
                && flag.describe(ME).finish().unwrap().waiting == 30
                && semaphore.describe(ME).finish().unwrap().waiting == 30
        });

        let killed = Instant::now();
        served = served.restart();
        let other = connect(&served.unix);
        let queue = unbounded(&other, "empty");
        let flag = other.event(Some("flag"), event::Options::default()).unwrap();
        let semaphore = other.semaphore(Some("none"), none).unwrap();
        eventually("all wait again", || {
            queue.describe(ME).finish().unwrap().waiting_to_get == 40
                && flag.describe(ME).finish().unwrap().waiting == 30
                && semaphore.describe(ME).finish().unwrap().waiting == 30
        });
        assert!(killed.elapsed() < Duration::from_secs(5), "{:?}", killed.elapsed());

        for putter in putters {
            let ends = putter.join().unwrap();
            for (end, took) in &ends {
                assert!(*took < Duration::from_secs(5), "{took:?}");
                if let Err(error) = end {
                    assert_eq!(error.reason, Reason::OutcomeUnknown, "{error}");
                }
            }
        }
        queue.put_many(ME, (0..40).map(item).collect(), Timeout::Never).finish().unwrap();
        flag.set(ME).finish().unwrap();
        semaphore.release(ME, 30, None).finish().unwrap();
        let mut seen: Vec<_> = gets.into_iter().map(|get| get.join().unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..40).collect::<Vec<_>>());
        assert!(waits.into_iter().all(|wait| wait.join().unwrap().is_set));
        acquires.into_iter().for_each(|acquire| acquire.join().unwrap().unwrap());
    });
}

/// A stopped server answers nothing: waits end by the client's own clock.
#[test]
fn waits_end_although_the_server_is_silent() {
    let served = Served::start();
    let bridge = connect(&served.unix);
    let queue = unbounded(&bridge, "silent");
    put(&queue, 1).unwrap();
    served.stop();
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let error = get(&queue, Timeout::After(Duration::from_millis(500))).finish().unwrap_err();
                assert_eq!(error.reason, Reason::Empty, "{error}");
            });
            scope.spawn(|| {
                let put = queue.put(ME, item(2), Timeout::After(Duration::from_millis(500)));
                assert_eq!(put.finish().unwrap_err().reason, Reason::OutcomeUnknown);
            });
        }
        // One that nobody waits for in here.
        let call = get(&queue, Timeout::After(Duration::from_millis(500)));
        let (tell, told) = std::sync::mpsc::channel();
        call.on_ready(move || tell.send(()).unwrap());
        told.recv_timeout(Duration::from_secs(3)).unwrap();
    });
    let took = start.elapsed();
    assert!(took > Duration::from_millis(1400) && took < Duration::from_millis(2500), "{took:?}");
    served.go_on();
    assert_eq!(number(&get(&queue, seconds(5)).finish().unwrap()[0]), 1, "late grants were refused");
}

#[test]
fn close_is_bounded_when_the_server_is_silent() {
    let served = Served::start();
    let bridge = connect(&served.unix);
    let queue = unbounded(&bridge, "closing");
    served.stop();
    let call = queue.put(ME, item(1), Timeout::Never);
    let start = Instant::now();
    let error = bridge.close(Duration::from_millis(300)).unwrap_err();
    let took = start.elapsed();
    assert_eq!(error.reason, Reason::Unavailable);
    assert!(took >= Duration::from_millis(300) && took < Duration::from_millis(900), "{took:?}");
    assert!(call.finish().is_err());
}

#[test]
fn close_ends_the_waits_of_others() {
    let served = Served::start();
    let bridge = connect(&served.unix);
    let queue = unbounded(&bridge, "closed");
    thread::scope(|scope| {
        let waits: Vec<_> = (0..8).map(|_| scope.spawn(|| get(&queue, Timeout::Never).finish())).collect();
        eventually("all wait", || queue.describe(ME).finish().unwrap().waiting_to_get == 8);
        bridge.close(Duration::from_secs(5)).unwrap();
        for wait in waits {
            assert_eq!(wait.join().unwrap().unwrap_err().reason, Reason::SessionExpired);
        }
    });
}

#[test]
fn a_closed_session_gives_back_what_it_held() {
    let served = Served::start();
    let (holding, waiting) = (connect(&served.unix), connect(&served.unix));
    let one = semaphore::Options::default();
    let acquire = Acquire { permits: 1, by_token: true, barge: false, timeout: seconds(10) };
    let held = holding.semaphore(Some("held"), one).unwrap();
    held.acquire(ME, acquire).finish().unwrap();
    let wanted = waiting.semaphore(Some("held"), one).unwrap().acquire(ME, acquire);
    // The last handle: the session ends in the background.
    drop((held, holding));
    wanted.finish().unwrap();
}

/// More than the socket's buffers hold, to a server that reads nothing: it arrives once the server reads again,
/// though nobody waits here.
#[test]
fn what_does_not_fit_into_the_buffers_leaves_later() {
    const ITEMS: u64 = 64;
    let served = Served::start();
    for url in [&served.unix, &served.tcp] {
        let (bridge, other) = (connect(url), connect(&served.unix));
        let queue = unbounded(&bridge, "stuck");
        let counting = unbounded(&other, "stuck");
        served.stop();
        let calls: Vec<_> = (0..ITEMS)
            .map(|_| {
                let payload = Payload::new(ContentType::Bytes, vec![0; 256 << 10]);
                queue.put(ME, NewItem::new(payload), Timeout::Never)
            })
            .collect();
        served.go_on();
        eventually("all arrive", || counting.describe(ME).finish().unwrap().ready == ITEMS);
        for call in calls {
            call.finish().unwrap();
        }
        counting.purge(ME).finish().unwrap();
    }
}

/// Heartbeats keep a session alive, whether its threads are away or wait in here.
#[test]
fn a_quiet_session_lives() {
    let served = Served::start();
    let options = ConnectOptions { session_ttl: Duration::from_secs(1), ..ConnectOptions::default() };
    let holding = Bridge::connect(&served.unix, options).unwrap();
    let other = connect(&served.unix);
    let one = semaphore::Options::default();
    let acquire = Acquire { permits: 1, by_token: true, barge: false, timeout: seconds(10) };
    let held = holding.semaphore(Some("quiet"), one).unwrap();
    let token = held.acquire(ME, acquire).finish().unwrap();
    let wanted = other.semaphore(Some("quiet"), one).unwrap();
    let three_seconds = || wanted.acquire(ME, Acquire { timeout: seconds(3), ..acquire }).finish();
    assert_eq!(three_seconds().unwrap_err().reason, Reason::TimedOut);
    let queue = unbounded(&holding, "quiet");
    thread::scope(|scope| {
        scope.spawn(|| get(&queue, seconds(4)).finish().unwrap_err());
        assert_eq!(three_seconds().unwrap_err().reason, Reason::TimedOut);
    });
    held.release(ME, 1, Some(token)).finish().unwrap();
}

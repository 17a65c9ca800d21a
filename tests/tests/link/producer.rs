//! Producers over connections that are cut, and with servers that die: each item is in the queue or reported.

use std::collections::BTreeSet;

use bridge_client::Reason;
use syncbridge_tests::proxy::{Cut, Proxy};

use super::served::Served;
use super::*;

/// The numbers that an error names: `2, 5-8`.
fn numbers(error: &Error) -> BTreeSet<u64> {
    let named = error.detail("numbers").unwrap().split(", ");
    let run = |run: &str| {
        let (first, last) = run.split_once('-').unwrap_or((run, run));
        first.parse::<u64>().unwrap()..=last.parse().unwrap()
    };
    named.flat_map(run).collect()
}

/// The session is resumed: nothing is lost, doubled or out of order.
#[test]
fn a_cut_connection_loses_nothing() {
    const COUNT: u64 = 5_000;
    let served = Served::start();
    let proxy = Proxy::start(&served.tcp, Cut::Every(23));
    let bridge = connect(&proxy.url);
    let queue = unbounded(&bridge, "cut");
    let producer = queue.producer(ME, 100);
    for number in 0..COUNT {
        assert_eq!(producer.put(item(number), seconds(20)).unwrap(), number);
    }
    producer.close(seconds(20)).unwrap();
    assert!(proxy.cuts() > 2, "{} cuts", proxy.cuts());
    let direct = connect(&served.unix);
    assert_eq!(rest(&unbounded(&direct, "cut")), (0..COUNT).collect::<Vec<_>>());
}

/// `kill -9`: what was not acknowledged has arrived at the new server, or is reported by its number.
#[test]
fn a_killed_server_leaves_no_item_unaccounted() {
    const COUNT: u64 = 700;
    let served = Served::start();
    let bridge = connect(&served.tcp);
    let queue = unbounded(&bridge, "killed");
    let producer = queue.producer(ME, 1_024);
    producer.put_many((0..100).map(item)).unwrap();
    producer.flush(seconds(20)).unwrap();
    assert_eq!(rest(&queue).len(), 100);

    served.stop();
    // Whole batches leave for a server that does not answer, and the rest gathers.
    producer.put_many((100..COUNT).map(item)).unwrap();
    assert_eq!(producer.undelivered(), COUNT - 100);
    let served = served.restart();
    let error = producer.flush(seconds(20)).unwrap_err();
    assert_eq!(error.reason, Reason::OutcomeUnknown, "{error}");
    let reported = numbers(&error);
    assert_eq!(error.detail("failed"), Some(reported.len().to_string().as_str()));
    let arrived = rest(&unbounded(&connect(&served.unix), "killed"));
    assert!(arrived.is_sorted() && !arrived.is_empty() && !reported.is_empty());
    let arrived: BTreeSet<_> = arrived.into_iter().collect();
    assert_eq!(&arrived | &reported, (100..COUNT).collect());
    assert_eq!(producer.undelivered(), 0);
}

/// A bridge that is closed under a producer: the items are reported too.
#[test]
fn a_server_that_is_silent_when_the_bridge_is_closed() {
    let served = Served::start();
    let bridge = connect(&served.unix);
    let queue = unbounded(&bridge, "silent");
    let producer = queue.producer(ME, 1_024);
    let flag = bridge.event(Some("flag"), bridge_client::event::Options::default()).unwrap();
    served.stop();
    producer.put_many((0..300).map(item)).unwrap();
    flag.set_later(ME).unwrap();
    let start = Instant::now();
    let error = bridge.close(Duration::from_millis(300)).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(error.detail("failed"), Some("1"), "{error}");
    let error = producer.flush(seconds(20)).unwrap_err();
    assert_eq!(error.detail("failed"), Some("300"), "{error}");
    assert_eq!(numbers(&error), (0..300).collect());
    served.go_on();
}

/// The thread that drives the connection is another one, and waits for something else.
#[test]
fn a_thread_that_waits_elsewhere_leads_meanwhile() {
    let served = Served::start();
    let bridge = connect(&served.unix);
    let (queue, empty) = (unbounded(&bridge, "busy"), unbounded(&bridge, "empty"));
    let producers: Vec<_> = (0..4).map(|_| queue.producer(ME, 8)).collect();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| number(&get(&empty, seconds(20)).finish().unwrap()[0]));
        eventually("it waits", || empty.describe(ME).finish().unwrap().waiting_to_get == 1);
        for producer in &producers {
            scope.spawn(move || {
                for number in 0..500 {
                    producer.put(item(number), seconds(20)).unwrap();
                }
                producer.flush(seconds(20)).unwrap();
            });
        }
        eventually("all arrive", || queue.describe(ME).finish().unwrap().ready == 2_000);
        put(&empty, 7).unwrap();
        assert_eq!(waiting.join().unwrap(), 7);
    });
}

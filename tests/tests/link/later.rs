//! Calls that nobody awaits.

use super::served::Served;
use super::*;

/// How many calls failed, as it is told here.
fn failed(result: Result<(), Error>) -> u64 {
    result.map_or_else(|error| error.detail("failed").unwrap().parse().unwrap(), |()| 0)
}

/// They leave many in one command, and where some of their leases are lost only these fail.
#[test]
fn each_ack_fails_or_succeeds_by_itself() {
    const COUNT: u64 = 3_000;
    let served = Served::start();
    let bridge = connect(&served.unix);
    let queue = unbounded(&bridge, "acks");
    let producer = queue.producer(ME, 1_024);
    producer.put_many((0..COUNT).map(item)).unwrap();
    producer.close(seconds(20)).unwrap();
    let mut consumer = queue.consumer(ME, Mode::Lease).prefetch(256);
    let (mut lost, mut told) = (0, 0);
    for expected in 0..COUNT {
        let delivery = consumer.next(seconds(20)).unwrap();
        assert_eq!(number(&delivery), expected);
        if expected % 97 == 0 {
            queue.reject(ME, vec![delivery.token], String::new()).finish().unwrap();
            lost += 1;
        }
        told += failed(queue.ack_later(ME, vec![delivery.token]));
    }
    told += failed(bridge.flush(Duration::from_secs(20)));
    let figures = queue.describe(ME).finish().unwrap();
    assert_eq!((figures.ready, figures.leased, figures.dead), (0, 0, lost));
    assert_eq!(told, lost);
}

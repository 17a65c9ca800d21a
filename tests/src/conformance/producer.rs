//! Producers: puts in a window.

use bridge_client::queue::{Attributes, Batch, Dedupe, Mode, Options, Scope};
use bridge_client::{Producer, Queue, Reason, Timeout};
use bytes::Bytes;

use super::{LONG, ME, SHORT, connect, get, good, item, text, try_get, until};

const IN_TIME: Timeout = Timeout::After(LONG);

fn queue(url: &str, options: Options) -> Queue {
    connect(url).queue(Some("q"), options).unwrap()
}

fn of_size(maxsize: u64) -> Options {
    Options { maxsize: Some(maxsize), ..Options::default() }
}

#[track_caller]
fn put(producer: &Producer, text: impl ToString) -> u64 {
    producer.put(item(text), IN_TIME).unwrap()
}

fn put_all(producer: &Producer, numbers: std::ops::Range<usize>) {
    for number in numbers {
        put(producer, number);
    }
}

/// The next `count` items.
fn take(queue: &Queue, count: usize) -> Vec<String> {
    (0..count).map(|_| get(queue)).collect()
}

fn texts(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// Items arrive in the order of their puts, whatever batches they travel in.
pub fn in_order(url: &str) {
    let queue = queue(url, Options::default());
    let producer = queue.producer(ME, 64);
    assert_eq!((put(&producer, 0), put(&producer, 1)), (0, 1));
    producer.put_many((2..1_000).map(item)).unwrap();
    producer.flush(IN_TIME).unwrap();
    assert_eq!(producer.undelivered(), 0);
    assert_eq!(good(queue.describe(ME)).ready, 1_000);
    let taken = good(queue.take(ME, Mode::Get, Batch { max: 1_000, ..Batch::ONE }, IN_TIME));
    assert_eq!(taken.iter().map(text).collect::<Vec<_>>(), texts(0..1_000));
    put(&producer, "one more");
    producer.close(IN_TIME).unwrap();
    assert_eq!(get(&queue), "one more");
}

/// Beyond the window a put waits, and no longer than it is told; a flush too.
pub fn in_window(url: &str) {
    let queue = queue(url, of_size(4));
    let producer = queue.producer(ME, 6);
    put_all(&producer, 0..10);
    let error = producer.put(item("too many"), Timeout::After(SHORT)).unwrap_err();
    assert_eq!(error.reason, Reason::Full, "{error}");
    let error = producer.flush(Timeout::After(SHORT)).unwrap_err();
    assert_eq!(error.reason, Reason::TimedOut, "{error}");
    assert_eq!(producer.undelivered(), 6);
    assert_eq!(take(&queue, 2), ["0", "1"]);
    put(&producer, 10);
    std::thread::scope(|scope| {
        // Nobody else drives: the put waits for room that the takes of another session make.
        let puts = scope.spawn(|| put_all(&producer, 11..30));
        assert_eq!(take(&connect(url).queue(Some("q"), Options::default()).unwrap(), 28), texts(2..30));
        puts.join().unwrap();
    });
    producer.flush(IN_TIME).unwrap();
    assert_eq!(try_get(&queue), Err(Reason::Empty));
}

/// What failed is told to the last, once, and the producer goes on.
pub fn failures(url: &str) {
    let queue = queue(url, Options::default());
    let producer = queue.producer(ME, 1_024);
    put(&producer, "first");
    producer.flush(IN_TIME).unwrap();
    good(queue.shutdown(ME, false));
    let (mut taken, mut failed) = (0, 0);
    let mut told = |error: bridge_client::Error| {
        assert_eq!(error.reason, Reason::ShutDown, "{error}");
        assert_eq!(error.detail("unknown"), Some("0"));
        failed += error.detail("failed").unwrap().parse::<u64>().unwrap();
    };
    for number in 0..500 {
        match producer.put(item(number), IN_TIME) {
            Ok(_) => taken += 1,
            Err(error) => told(error),
        }
    }
    if let Err(error) = producer.flush(IN_TIME) {
        told(error);
    }
    assert!(taken > 0);
    assert_eq!(failed, taken);
    producer.flush(IN_TIME).unwrap();
    assert_eq!(take(&queue, 1), ["first"]);
}

/// An item with a dedupe key keeps its place among the others.
pub fn duplicates(url: &str) {
    let queue = queue(url, Options::default());
    let producer = queue.producer(ME, 1_024);
    for (number, key) in [(0, ""), (1, "k"), (2, ""), (3, ""), (4, "k"), (5, "other"), (6, "")] {
        let dedupe = Dedupe { key: Bytes::from(key), scope: Scope::Queued, refuse: false };
        let attributes = Attributes { dedupe: (!key.is_empty()).then_some(dedupe), ..Attributes::default() };
        producer.put(item(number).with(attributes), IN_TIME).unwrap();
    }
    producer.close(IN_TIME).unwrap();
    assert_eq!(take(&queue, 6), ["0", "1", "2", "3", "5", "6"]);
    assert_eq!(try_get(&queue), Err(Reason::Empty));
}

/// Threads share a producer; the items of each stay in order.
pub fn shared(url: &str) {
    const EACH: usize = 400;
    let queue = queue(url, of_size(64));
    let producer = queue.producer(ME, 100);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let producer = &producer;
            scope.spawn(move || {
                for number in 0..EACH {
                    put(producer, format!("{thread} {number}"));
                }
                producer.flush(IN_TIME).unwrap();
            });
        }
        let mut next = [0; 4];
        for text in take(&queue, 4 * EACH) {
            let (thread, number) = text.split_once(' ').unwrap();
            let next = &mut next[thread.parse::<usize>().unwrap()];
            assert_eq!(number, next.to_string());
            *next += 1;
        }
    });
    assert_eq!(producer.undelivered(), 0);
}

/// A producer that is dropped withdraws what was not admitted.
pub fn dropped(url: &str) {
    let queue = queue(url, of_size(1));
    let producer = queue.producer(ME, 8);
    put_all(&producer, 0..3);
    assert!(producer.flush(Timeout::After(SHORT)).is_err());
    until(|| good(queue.describe(ME)).waiting_to_put > 0, "the second put waits");
    assert_eq!(producer.undelivered(), 2);
    drop(producer);
    until(|| good(queue.describe(ME)).waiting_to_put == 0, "the puts are withdrawn");
    assert_eq!(take(&queue, 1), ["0"]);
    assert_eq!(try_get(&queue), Err(Reason::Empty));
}

/// Batches fit into the queue, however small it is: in items, in bytes, known from the server or not.
pub fn small_queues(url: &str) {
    let bridge = connect(url);
    let of_bytes = Options { max_bytes: Some(400), ..Options::default() };
    for (name, options) in [(Some("items"), of_size(5)), (Some("bytes"), of_bytes), (None, of_size(3))] {
        let (queue, declared) = bridge.declare_queue(name, options).unwrap();
        let producer = queue.producer(ME, 64);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                producer.put_many((0..200).map(item)).unwrap();
                producer.close(IN_TIME).unwrap();
            });
            assert_eq!(take(&queue, 200), texts(0..200));
        });
        good(declared);
    }
}

/// A closed producer takes nothing more, and neither does one whose bridge is closed.
pub fn closed(url: &str) {
    let queue = queue(url, Options::default());
    let producer = queue.producer(ME, 8);
    put(&producer, "kept");
    producer.close(IN_TIME).unwrap();
    assert_eq!(producer.put(item("late"), IN_TIME).unwrap_err().reason, Reason::InvalidArgument);
    producer.close(IN_TIME).unwrap();
    let other = queue.producer(ME, 8);
    queue.bridge().close(LONG).unwrap();
    put(&other, "into nothing");
    let error = other.flush(IN_TIME).unwrap_err();
    assert_eq!((error.reason, error.detail("failed")), (Reason::SessionExpired, Some("1")));
    assert_eq!(get(&connect(url).queue(Some("q"), Options::default()).unwrap()), "kept");
}

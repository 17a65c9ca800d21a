//! Calls: waiting, withdrawing, accepting.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bridge_client::queue::{Batch, Mode, Options};
use bridge_client::semaphore::{self, Acquire};
use bridge_client::{Reason, Timeout};

use super::{
    LONG, ME, connect, end, get, good, item, parked, put, reason, text, try_get, until, until_waiting,
};

/// A wait whose call is dropped is gone, and takes nothing with it.
pub fn dropped_wait(url: &str) {
    let queue = connect(url).queue(Some("q"), Options::default()).unwrap();
    let first = parked(&queue);
    let second = parked(&queue);
    until_waiting(&queue, 2);
    drop(first);
    put(&queue, "a");
    assert_eq!(text(&good(second)[0]), "a");
    until_waiting(&queue, 0);
}

/// What was granted and not accepted goes back to its place.
pub fn dropped_grant(url: &str) {
    let queue = connect(url).queue(Some("q"), Options::default()).unwrap();
    let mut wait = parked(&queue);
    put(&queue, "a");
    let granted = wait.wait(LONG).expect("the item arrives").unwrap();
    assert_eq!(text(&granted[0]), "a");
    drop(granted);
    let again = good(queue.take(ME, Mode::Lease, Batch::ONE, Timeout::After(LONG))).remove(0);
    assert_eq!((text(&again).as_str(), again.attempt), ("a", 1));
    let unclaimed = parked(&queue);
    put(&queue, "b");
    until(|| good(queue.describe(ME)).offered == 1, "the item is offered");
    drop(unclaimed);
    assert_eq!(get(&queue), "b");
}

/// A cancelled wait is gone when the answer is there.
pub fn cancelled(url: &str) {
    let queue = connect(url).queue(Some("q"), Options::default()).unwrap();
    assert!(parked(&queue).cancel(LONG).is_none());
    assert_eq!(good(queue.describe(ME)).waiting_to_get, 0);
    let full =
        queue.bridge().queue(Some("full"), Options { maxsize: Some(1), ..Options::default() }).unwrap();
    put(&full, "a");
    assert!(full.put(ME, item("b"), Timeout::Never).cancel(LONG).is_none());
    assert_eq!(get(&full), "a");
    assert_eq!(try_get(&full), Err(Reason::Empty));
}

/// A call that has ended is not cancelled any more.
pub fn cancel_says_how_it_ended(url: &str) {
    let queue = connect(url).queue(Some("q"), Options::default()).unwrap();
    let wait = parked(&queue);
    put(&queue, "a");
    until(|| good(queue.describe(ME)).ready == 0, "the item is taken");
    let granted = wait.cancel(LONG).expect("it was granted").unwrap();
    assert_eq!(text(&granted.accept().unwrap()[0]), "a");
}

/// The callback comes once, when the answer is there, or at once.
pub fn on_ready(url: &str) {
    let queue = connect(url).queue(Some("q"), Options::default()).unwrap();
    let (ready, told) = channel();
    let mut wait = parked(&queue);
    let tell = ready.clone();
    wait.on_ready(move || tell.send("waited").unwrap());
    assert!(wait.poll_take().is_none());
    put(&queue, "a");
    assert_eq!(told.recv_timeout(LONG).unwrap(), "waited");
    assert_eq!(text(&wait.poll_take().expect("it is there").unwrap().accept().unwrap()[0]), "a");
    let put = queue.put(ME, item("b"), Timeout::NOW);
    until(|| good(queue.describe(ME)).ready == 1, "the item is there");
    put.on_ready(move || ready.send("at once").unwrap());
    assert_eq!(told.recv_timeout(LONG).unwrap(), "at once");
}

struct Thread(std::thread::Thread);

impl Wake for Thread {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A call is a future.
pub fn future(url: &str) {
    let queue = connect(url).queue(Some("q"), Options::default()).unwrap();
    let mut wait = pin!(parked(&queue));
    let waker = Waker::from(Arc::new(Thread(std::thread::current())));
    assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    put(&queue, "a");
    assert_eq!(text(&block_on(wait).unwrap().accept().unwrap()[0]), "a");
}

/// What a future comes to.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Thread(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park_timeout(LONG),
        }
    }
}

/// A closed bridge gives back what it held, in one step.
pub fn close_gives_back(url: &str) {
    let (one, other) = (connect(url), connect(url));
    let queue = one.queue(Some("q"), Options::default()).unwrap();
    put(&queue, "a");
    good(queue.take(ME, Mode::Lease, Batch::ONE, Timeout::NOW));
    let limit = semaphore::Options { limit: Some(1), ..Default::default() };
    let acquire = Acquire { permits: 1, by_token: false, barge: false, timeout: Timeout::After(LONG) };
    good(one.semaphore(Some("s"), limit).unwrap().acquire(ME, acquire));
    let permit = other.semaphore(Some("s"), limit).unwrap().acquire(ME, acquire);
    let wait = parked(&other.queue(Some("q"), Options::default()).unwrap());
    one.close(LONG).unwrap();
    assert_eq!(text(&good(wait)[0]), "a");
    good(permit);
    assert_eq!(reason(queue.describe(ME)), Reason::SessionExpired);
}

/// Waits of a closed bridge end.
pub fn close_ends_waits(url: &str) {
    let bridge = connect(url);
    let wait = parked(&bridge.queue(Some("q"), Options::default()).unwrap());
    bridge.close(LONG).unwrap();
    assert_eq!(reason(wait), Reason::SessionExpired);
}

/// Takes that are cancelled or dropped at any moment: each item arrives exactly once.
pub fn races(url: &str) {
    const ITEMS: usize = 400;
    let bridge = connect(url);
    let queue = bridge.queue(Some("q"), Options::default()).unwrap();
    let mut received = std::thread::scope(|scope| {
        let takers: Vec<_> = (0..3)
            .map(|thread| {
                let queue = queue.clone();
                scope.spawn(move || {
                    let mut mine = Vec::new();
                    for turn in thread.. {
                        let mut call = parked(&queue);
                        let granted = match turn % 4 {
                            0 => call.cancel(LONG),
                            1 => {
                                let slice = Duration::from_micros(turn % 7 * 50);
                                match call.wait(slice) {
                                    Some(granted) => Some(granted),
                                    None => call.cancel(LONG),
                                }
                            }
                            2 => call.wait(Duration::from_micros(turn % 5 * 100)),
                            _ => match call.wait(Duration::ZERO) {
                                Some(Ok(granted)) if !granted.is_final() => None,
                                granted => granted,
                            },
                        };
                        let Some(Ok(granted)) = granted else { continue };
                        let text = text(&granted.accept().unwrap()[0]);
                        if text == "end" {
                            return mine;
                        }
                        mine.push(text.parse::<usize>().unwrap());
                    }
                    mine
                })
            })
            .collect();
        for n in 0..ITEMS {
            put(&queue, n);
        }
        until(|| good(queue.describe(ME)).ready == 0, "the items are taken");
        (0..3).for_each(|_| put(&queue, "end"));
        takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect::<Vec<_>>()
    });
    until(
        || {
            received.extend(try_get(&queue).iter().map(|text| text.parse::<usize>().unwrap()));
            let figures = good(queue.describe(ME));
            figures.ready + figures.offered + figures.waiting_to_get == 0
        },
        "nothing is left behind",
    );
    received.sort_unstable();
    assert_eq!(received, (0..ITEMS).collect::<Vec<_>>());
}

/// Puts that are cancelled at any moment: an item is there exactly if its put was not cancelled.
pub fn put_races(url: &str) {
    let bridge = connect(url);
    let queue = bridge.queue(Some("q"), Options { maxsize: Some(1), ..Options::default() }).unwrap();
    let (put, got) = std::thread::scope(|scope| {
        let producer = scope.spawn({
            let queue = queue.clone();
            move || {
                let mut put = Vec::new();
                for n in 0..300u64 {
                    let mut call = queue.put(ME, item(n), Timeout::Never);
                    let done = match call.wait(Duration::from_micros(n % 10 * 30)) {
                        Some(done) => Some(done),
                        None => call.cancel(LONG),
                    };
                    if let Some(done) = done {
                        done.unwrap().accept().unwrap();
                        put.push(n);
                    }
                }
                super::put(&queue, "end");
                put
            }
        });
        let mut got = Vec::new();
        while let Ok(n) = get(&queue).parse::<u64>() {
            got.push(n);
        }
        (producer.join().unwrap(), got)
    });
    assert_eq!(put, got);
}

/// Many waits at once, and everything else still goes through.
pub fn crowd(url: &str) {
    const WAITS: u64 = 2_000;
    let bridge = connect(url);
    let queue = bridge.queue(Some("q"), Options::default()).unwrap();
    let waits: Vec<_> = (0..WAITS).map(|_| parked(&queue)).collect();
    until_waiting(&queue, WAITS);
    let items = (0..WAITS).map(item).collect();
    assert_eq!(good(queue.put_many(ME, items, Timeout::NOW)).len() as u64, WAITS);
    for (n, wait) in waits.into_iter().enumerate() {
        assert_eq!(text(&end(wait).unwrap()[0]), n.to_string());
    }
}

//! The conformance suite: what the client promises, on every placement.
//!
//! Each case is a function of a URL, whose namespace nobody else uses. [`conformance!`](crate::conformance!) makes a
//! test of each of them.

pub mod anonymous;
pub mod barrier;
pub mod calls;
pub mod dict;
pub mod event;
pub mod latch;
pub mod later;
pub mod list;
pub mod lock;
pub mod pipe;
pub mod producer;
pub mod queue;
pub mod select;
pub mod semaphore;
pub mod sharing;
pub mod timer;
pub mod topic;
pub mod transaction;
pub mod value;

use std::time::Duration;

use bridge_client::queue::{Batch, Deliveries, Delivery, Mode, NewItem};
use bridge_client::{
    Bridge, Call, ConnectOptions, ContentType, Error, ParticipantId, Payload, Queue, Reason, Timeout,
};
use bytes::Bytes;

/// Long enough for anything that happens; a test that waits this long has failed.
pub const LONG: Duration = Duration::from_secs(20);

/// Short enough to be waited for.
pub const SHORT: Duration = Duration::from_millis(30);

/// The participant of cases that need but one.
pub const ME: ParticipantId = ParticipantId(0);

/// Makes a test of every case; `$url`, a path as seen from a module in the caller, gives the URL for the case's name.
#[macro_export]
macro_rules! conformance {
    ($url:path) => {
        $crate::conformance!(@ $url, queue: fifo lifo priority full admitted empty join join_incomplete lease max_hold times dedupe groups ends prefetch prefetch_busy room dead_letters redrive move_to batch
            put_many browse remove purge shutdown options anonymous many_threads);
        $crate::conformance!(@ $url, producer: in_order in_window failures duplicates shared dropped small_queues closed);
        $crate::conformance!(@ $url, later: reaches_others failures closed);
        $crate::conformance!(@ $url, event: wakes_all times_out pulse auto_reset);
        $crate::conformance!(@ $url, semaphore: in_line many_permits stale bounded signals drains limit holders);
        $crate::conformance!(@ $url, lock: in_line not_owner reentrant abandoned own lease extend read_write
            condition condition_is_cancelled);
        $crate::conformance!(@ $url, barrier: rounds action lost broken cancelled);
        $crate::conformance!(@ $url, latch: opens counts);
        $crate::conformance!(@ $url, timer: fires mismatch full listed);
        $crate::conformance!(@ $url, pipe: both_ways ends);
        $crate::conformance!(@ $url, topic: publish all_or_none);
        $crate::conformance!(@ $url, value: set_and_get compare_and_set update increment watch fenced ends);
        $crate::conformance!(@ $url, list: items versions);
        $crate::conformance!(@ $url, dict: keys entries watch anonymous);
        $crate::conformance!(@ $url, select: every_kind pipes_and_joins one_only puts wrong many own acquire_all philosophers);
        $crate::conformance!(@ $url, transaction: commits settles fails moves_on);
        $crate::conformance!(@ $url, anonymous: last_handle every_kind call_under_way other_session closed many);
        $crate::conformance!(@ $url, sharing: attached absent twice refused named);
        $crate::conformance!(@ $url, calls: dropped_wait dropped_grant cancelled cancel_says_how_it_ended on_ready
            future close_gives_back close_ends_waits races put_races crowd);
    };
    (@ $url:path, $module:ident: $($case:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $case() {
                    $crate::conformance::$module::$case(&$url(concat!(stringify!($module), "-", stringify!($case))));
                }
            )*
        }
    };
}

/// Connects.
pub fn connect(url: &str) -> Bridge {
    Bridge::connect(url, ConnectOptions::default()).unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// An item that says `text`.
pub fn item(text: impl ToString) -> NewItem {
    NewItem::new(Payload::new(ContentType::Text, Bytes::from(text.to_string().into_bytes())))
}

/// What an item says.
pub fn text(delivery: &Delivery) -> String {
    match &delivery.payload.body {
        bridge_client::Body::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        bridge_client::Body::Local(_) => panic!("a text was put, an object came out"),
    }
}

/// Waits to the end of a call, which must not take long.
pub fn end<T>(mut call: Call<T>) -> Result<T, Error> {
    let started = std::time::Instant::now();
    loop {
        if let Some(result) = call.wait(Duration::from_secs(1)) {
            return result.and_then(|granted| granted.accept());
        }
        assert!(started.elapsed() < LONG, "the call does not end");
    }
}

/// The value of a call that ends well.
#[track_caller]
pub fn good<T>(call: Call<T>) -> T {
    end(call).unwrap_or_else(|error| panic!("{}: {error}", error.reason))
}

/// Why a call failed.
#[track_caller]
pub fn reason<T: std::fmt::Debug>(call: Call<T>) -> Reason {
    end(call).expect_err("the call went well").reason
}

/// Puts what says `text`, which must go well.
#[track_caller]
pub fn put(queue: &Queue, text: impl ToString) {
    good(queue.put(ME, item(text), Timeout::After(LONG)));
}

/// Gets an item's text.
#[track_caller]
pub fn get(queue: &Queue) -> String {
    text(&good(queue.take(ME, Mode::Get, Batch::ONE, Timeout::After(LONG)))[0])
}

/// Takes one item if there is one now.
pub fn try_get(queue: &Queue) -> Result<String, Reason> {
    match end(queue.take(ME, Mode::Get, Batch::ONE, Timeout::NOW)) {
        Ok(deliveries) => Ok(text(&deliveries[0])),
        Err(error) => Err(error.reason),
    }
}

/// A wait for an item, for ever.
pub fn parked(queue: &Queue) -> Call<Deliveries> {
    queue.take(ME, Mode::Get, Batch::ONE, Timeout::Never)
}

/// Returns once `count` calls wait to get.
pub fn until_waiting(queue: &Queue, count: u64) {
    until(|| good(queue.describe(ME)).waiting_to_get == count, "the waits do not show");
}

/// Returns once `condition` holds.
pub fn until(mut condition: impl FnMut() -> bool, otherwise: &str) {
    let started = std::time::Instant::now();
    while !condition() {
        assert!(started.elapsed() < LONG, "{otherwise}");
        std::thread::yield_now();
    }
}

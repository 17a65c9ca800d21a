//! Values that are too large for one message.

use std::sync::atomic::{AtomicBool, Ordering};

use bridge_client::semaphore::{self, Acquire};
use bridge_client::value::{self, Datum};

use super::served::Served;
use super::*;

/// As large as an item may be, less what else is in it.
const BYTES: usize = (64 << 20) - 1024;
const OTHER: ParticipantId = ParticipantId(1);

fn large(first: u8) -> Payload {
    let bytes: Vec<u8> = (0..BYTES).map(|at| (at % 251) as u8 ^ first).collect();
    Payload::new(ContentType::Bytes, bytes)
}

/// Items and values of 64 MiB arrive as they were sent while another thread of the same client takes and gives back permits.
#[test]
fn what_is_large_passes_and_others_go_on() {
    let served = Served::start();
    let bridge = connect(&served.unix);
    let queue = unbounded(&bridge, "large");
    let options = semaphore::Options { limit: Some(1), ..Default::default() };
    let door = bridge.semaphore(Some("door"), options).unwrap();
    let acquire = Acquire { permits: 1, by_token: false, barge: false, timeout: seconds(20) };
    let passed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !passed.load(Ordering::Acquire) {
                door.acquire(OTHER, acquire).finish().unwrap();
                door.release(OTHER, 1, None).finish().unwrap();
            }
        });
        for number in 0..3 {
            queue.put(ME, NewItem::new(large(number)), seconds(20)).finish().unwrap();
        }
        for number in 0..3 {
            let mut taken = queue.take(ME, Mode::Get, Batch::ONE, seconds(20)).finish().unwrap();
            assert!(taken.pop().unwrap().payload == large(number), "item {number} is another");
        }
        let value = bridge.value(Some("large"), value::Options::default()).unwrap();
        value.set(ME, Datum::Payload(large(9))).finish().unwrap();
        assert!(value.get(ME).finish().unwrap().datum == Some(Datum::Payload(large(9))));
        passed.store(true, Ordering::Release);
    });
    assert_eq!(door.describe(ME).finish().unwrap().held, 0);
}

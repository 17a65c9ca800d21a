//! What the threads of the clients do with each kind of object, and how each end is recorded.

use bridge_client::queue::{Batch, Mode, NewItem};
use bridge_client::semaphore::{self, Acquire};
use bridge_client::value::{self, Datum};
use bridge_client::{
    Body, Bridge, ContentType, Error, Event, Lock, Payload, Queue, Reason, Semaphore, Token, Value, event,
    lock, queue,
};

use super::record::{End, Task};
use super::specs::{self, OfEvent, OfPermits, OfQueue, OfValue};

/// How many items fit into the queue.
const MAXSIZE: u64 = 3;

/// Permits of the semaphore, and how many one call asks for at most.
pub(crate) const PERMITS: u32 = 3;
const PERMITS_AT_ONCE: u32 = 2;

/// A failure that says that nothing is known.
fn check_unknown(error: &Error) {
    let unknown = [Reason::OutcomeUnknown, Reason::SessionExpired, Reason::Unavailable];
    assert!(unknown.contains(&error.reason), "{}: {error}", error.reason);
}

pub(crate) fn queue_start() -> specs::Queue {
    specs::Queue::new(MAXSIZE as usize)
}

pub(crate) fn open_queue(bridge: &Bridge, name: &str) -> Queue {
    let options = queue::Options { maxsize: Some(MAXSIZE), ..queue::Options::default() };
    bridge.queue(Some(name), options).unwrap()
}

pub(crate) fn queue(task: &mut Task<'_, OfQueue>, queue: &Queue) {
    let (who, timeout, number) = (task.who, task.timeout(), task.number());
    match task.below(9) {
        0..4 => {
            let payload = Payload::new(ContentType::Bytes, number.to_be_bytes().to_vec());
            match task.end(|| queue.put(who, NewItem::new(payload), timeout)) {
                End::Good(_) => task.did(OfQueue::Put(number)),
                End::Failed(error) if error.reason == Reason::Full => task.did(OfQueue::Full),
                End::Failed(error) => {
                    check_unknown(&error);
                    task.may_do(OfQueue::Put(number));
                }
                End::Cancelled => {
                    task.did(OfQueue::TryPut(number, number));
                    task.did(OfQueue::Withdraw(number, number));
                }
            }
        }
        4..8 => match task.end(|| queue.take(who, Mode::Get, Batch::ONE, timeout)) {
            End::Good(deliveries) => {
                let Body::Bytes(bytes) = &deliveries[0].payload.body else { panic!("not bytes") };
                task.did(OfQueue::Got(u64::from_be_bytes(bytes[..].try_into().unwrap())));
            }
            End::Failed(error) if error.reason == Reason::Empty => task.did(OfQueue::Empty),
            End::Failed(error) => {
                check_unknown(&error);
                task.may_do(OfQueue::TryGet(number));
                task.may_do(OfQueue::GiveBack(number));
            }
            End::Cancelled => {
                task.did(OfQueue::TryGet(number));
                task.may_do(OfQueue::GiveBack(number));
            }
        },
        _ => {
            if let End::Good(figures) = task.end(|| queue.describe(who)) {
                task.did(OfQueue::Size(figures.ready as usize));
            }
        }
    }
}

/// How an acquisition ended; the token if it went well.
fn acquired(task: &mut Task<'_, OfPermits>, permits: u32, most: u32, end: End<u64>) {
    match end {
        End::Good(token) => {
            task.did(OfPermits::Acquired { permits, token });
            task.tokens.push(token);
        }
        End::Failed(error) if error.reason == Reason::TimedOut => task.did(OfPermits::TimedOut { most }),
        End::Failed(error) => {
            check_unknown(&error);
            let id = task.number();
            task.may_do(OfPermits::Try(permits, id));
            task.may_do(OfPermits::GiveBack(id));
        }
        End::Cancelled => {
            let id = task.number();
            task.did(OfPermits::Try(permits, id));
            task.may_do(OfPermits::GiveBack(id));
        }
    }
}

/// How a release ended. One that was withdrawn has not happened.
fn released(task: &mut Task<'_, OfPermits>, token: u64, end: &End<()>) {
    match end {
        End::Good(()) => task.did(OfPermits::Released { token }),
        End::Failed(error) => {
            check_unknown(error);
            task.may_do(OfPermits::Released { token });
        }
        End::Cancelled => task.tokens.push(token),
    }
}

pub(crate) fn open_lock(bridge: &Bridge, name: &str) -> Lock {
    bridge.lock(Some(name), lock::Options::default()).unwrap()
}

pub(crate) fn lock(task: &mut Task<'_, OfPermits>, lock: &Lock) {
    let (who, timeout) = (task.who, task.timeout());
    match task.tokens.pop() {
        Some(token) => {
            let end = task.end(|| lock.release(who, Some(Token(token))));
            released(task, token, &end);
        }
        None => {
            let end = task.end(|| lock.acquire(who, false, timeout)).map(|grant| grant.token.0);
            acquired(task, 1, 1, end);
        }
    }
}

pub(crate) fn open_semaphore(bridge: &Bridge, name: &str) -> Semaphore {
    let options = semaphore::Options { limit: Some(PERMITS.into()), ..semaphore::Options::default() };
    bridge.semaphore(Some(name), options).unwrap()
}

pub(crate) fn semaphore(task: &mut Task<'_, OfPermits>, semaphore: &Semaphore) {
    let (who, timeout) = (task.who, task.timeout());
    let permits = 1 + task.below(PERMITS_AT_ONCE.into()) as u32;
    match task.tokens.pop() {
        Some(token) => {
            let end = task.end(|| semaphore.release(who, 1, Some(Token(token))));
            released(task, token, &end);
        }
        None => {
            let acquire = Acquire { permits, by_token: true, barge: false, timeout };
            let end = task.end(|| semaphore.acquire(who, acquire)).map(|token| token.0);
            acquired(task, permits, PERMITS_AT_ONCE, end);
        }
    }
}

pub(crate) fn open_event(bridge: &Bridge, name: &str) -> Event {
    bridge.event(Some(name), event::Options::default()).unwrap()
}

pub(crate) fn event(task: &mut Task<'_, OfEvent>, event: &Event) {
    let (who, timeout) = (task.who, task.timeout());
    let (step, end) = match task.below(6) {
        0 => (OfEvent::Set, task.end(|| event.set(who)).map(drop)),
        1 | 2 => (OfEvent::Clear, task.end(|| event.clear(who)).map(drop)),
        _ => {
            let found = match task.below(3) {
                0 => task.end(|| event.describe(who)).map(|figures| figures.is_set),
                _ => task.end(|| event.wait(who, timeout, None)).map(|waited| waited.is_set),
            };
            // One that was cancelled, or failed, found nothing.
            if let End::Good(is_set) = found {
                task.did(OfEvent::Found(is_set));
            }
            return;
        }
    };
    match end {
        End::Good(()) => task.did(step),
        End::Failed(error) => {
            check_unknown(&error);
            task.may_do(step);
        }
        End::Cancelled => {}
    }
}

pub(crate) fn open_value(bridge: &Bridge, name: &str) -> Value {
    bridge.value(Some(name), value::Options::default()).unwrap()
}

fn integer(datum: Option<&Datum>) -> i64 {
    match datum {
        None => 0,
        Some(Datum::Integer(number)) => *number,
        other => panic!("not an integer: {other:?}"),
    }
}

pub(crate) fn value(task: &mut Task<'_, OfValue>, value: &Value) {
    let who = task.who;
    let (number, expected) = (task.number() as i64, task.version);
    // What was withdrawn has not happened.
    let may_do = |task: &Task<'_, OfValue>, step, error: &Error| {
        check_unknown(error);
        task.may_do(step);
    };
    match task.below(8) {
        0..3 => {
            if let End::Good(item) = task.end(|| value.get(who)) {
                let number = integer(item.datum.as_ref());
                task.version = item.version;
                task.did(OfValue::Got { number, version: item.version });
            }
        }
        3 => match task.end(|| value.set(who, number)) {
            End::Good(written) => {
                task.version = written.item.version;
                task.did(OfValue::Set { number, version: Some(task.version) });
            }
            End::Failed(error) => may_do(task, OfValue::Set { number, version: None }, &error),
            End::Cancelled => {}
        },
        4 | 5 => match task.end(|| value.compare_and_set(who, expected, number)) {
            End::Good(written) => {
                task.version = written.item.version;
                task.did(match written.done {
                    true => OfValue::Swapped { expected, number, version: Some(task.version) },
                    false => OfValue::NotSwapped { expected, found: task.version },
                });
            }
            End::Failed(error) => {
                may_do(task, OfValue::Swapped { expected, number, version: None }, &error);
            }
            End::Cancelled => {}
        },
        _ => {
            let by = 1 + task.below(5) as i64;
            match task.end(|| value.increment(who, by, None)) {
                End::Good(item) => {
                    task.version = item.version;
                    let sum = Some(integer(item.datum.as_ref()));
                    task.did(OfValue::Added { by, sum, version: Some(item.version) });
                }
                End::Failed(error) => may_do(task, OfValue::Added { by, sum: None, version: None }, &error),
                End::Cancelled => {}
            }
        }
    }
}

//! What was called and answered, and when: real time as one counter that every call reads before it leaves and after it has ended.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bridge_client::{Call, Error, ParticipantId, Timeout};

use super::checker::{Interval, NEVER};

/// A call that takes longer hangs.
const AT_MOST: Duration = Duration::from_secs(30);

pub(crate) struct Recorder<S> {
    clock: AtomicU64,
    history: Mutex<Vec<Interval<S>>>,
}

impl<S> Default for Recorder<S> {
    fn default() -> Self {
        Recorder { clock: AtomicU64::new(1), history: Mutex::default() }
    }
}

impl<S> Recorder<S> {
    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn history(self) -> Vec<Interval<S>> {
        self.history.into_inner().unwrap()
    }
}

/// How a call ended.
#[derive(Debug)]
pub(crate) enum End<T> {
    Good(T),
    Failed(Error),
    /// It was withdrawn; what it may have been given meanwhile goes back.
    Cancelled,
}

impl<T> End<T> {
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> End<U> {
        match self {
            End::Good(value) => End::Good(f(value)),
            End::Failed(error) => End::Failed(error),
            End::Cancelled => End::Cancelled,
        }
    }
}

/// One thread of a client.
pub(crate) struct Task<'a, S> {
    recorder: &'a Recorder<S>,
    pub(crate) who: ParticipantId,
    random: u64,
    number: u64,
    began: u64,
    ended: u64,
    /// Tokens that it holds.
    pub(crate) tokens: Vec<u64>,
    /// The last version that it saw.
    pub(crate) version: u64,
}

impl<'a, S> Task<'a, S> {
    pub(crate) fn new(recorder: &'a Recorder<S>, seed: u64, index: u64) -> Self {
        let random = (seed << 8 | index).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let who = ParticipantId(index as u32);
        Task {
            recorder,
            who,
            random,
            number: index << 32,
            began: 0,
            ended: 0,
            tokens: Vec::new(),
            version: 0,
        }
    }

    /// A number below `below`.
    pub(crate) fn below(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % below
    }

    /// A number that no other task uses.
    pub(crate) fn number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// Not at all, or for a moment.
    pub(crate) fn timeout(&mut self) -> Timeout {
        match self.below(3) {
            0 => Timeout::NOW,
            _ => Timeout::After(Duration::from_micros(100 + self.below(3_000))),
        }
    }

    /// Carries a call to its end, and withdraws some on the way.
    pub(crate) fn end<T>(&mut self, call: impl FnOnce() -> Call<T>) -> End<T> {
        let patience = (self.below(4) == 0).then(|| Duration::from_micros(self.below(1_500)));
        self.began = self.recorder.now();
        let mut call = call();
        let first = call.wait(patience.unwrap_or(AT_MOST));
        let end = match first {
            Some(result) => Some(result),
            None if patience.is_none() => panic!("a call hangs"),
            None => {
                let started = Instant::now();
                let end = call.cancel(AT_MOST);
                assert!(started.elapsed() < AT_MOST, "a withdrawal hangs");
                end
            }
        };
        let end = end.map(|result| result.and_then(|granted| granted.accept()));
        self.ended = self.recorder.now();
        match end {
            None => End::Cancelled,
            Some(Ok(value)) => End::Good(value),
            Some(Err(error)) => End::Failed(error),
        }
    }

    /// The call just ended was this.
    pub(crate) fn did(&self, step: S) {
        self.note(step, self.ended);
    }

    /// The call just ended may be this, at any time after its beginning, or nothing.
    pub(crate) fn may_do(&self, step: S) {
        self.note(step, NEVER);
    }

    fn note(&self, step: S, ended: u64) {
        self.recorder.history.lock().unwrap().push(Interval { step, began: self.began, ended });
    }
}

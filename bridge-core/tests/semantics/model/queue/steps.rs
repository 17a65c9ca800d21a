//! What is asked of a queue at random.

use std::time::Duration;

use bridge_core::Timeout;
use bridge_core::command::queue::{End, Mode as Take, Reentry, Scope};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::model::timeouts;

/// Delay, time to live, what it may be a duplicate of, and its group. They end between whole seconds: no wait does at the same time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) delay: Option<Duration>,
    pub(super) ttl: Option<Duration>,
    pub(super) dedupe: Option<(u8, Scope, bool)>,
    pub(super) group: Option<u8>,
    pub(super) at_front: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Put(u8, Times, Timeout),
    PutMany(Vec<(u8, Option<u8>)>, Timeout),
    Take {
        mode: Take,
        max: u32,
        min: u32,
        max_hold: Option<Duration>,
        end: End,
        timeout: Timeout,
    },
    /// One item, ahead of need.
    TakeAhead(Take, Option<Duration>),
    Ack(Index),
    Nack(Index, Reentry, Option<Duration>),
    Extend(Index, Option<Duration>),
    Reject(Index),
    TaskDone(u64),
    Join(Timeout),
    Purge,
    Forgive,
    Redrive(Option<u64>),
    Move(u64),
}

fn hold() -> impl Strategy<Value = Option<Duration>> {
    prop::option::weighted(0.3, (0_u64..6).prop_map(|n| Duration::from_millis(1_000 * n + 500)))
}

fn times() -> impl Strategy<Value = Times> {
    let scope = prop_oneof![
        Just(Scope::Queued),
        Just(Scope::Unfinished),
        (1_u64..6).prop_map(|seconds| Scope::Window(Duration::from_secs(seconds))),
    ];
    let dedupe = prop::option::weighted(0.3, (0_u8..2, scope, any::<bool>()));
    let front = prop::bool::weighted(0.3);
    (hold(), hold(), dedupe, group(), front).prop_map(|(delay, ttl, dedupe, group, at_front)| Times {
        delay,
        ttl,
        dedupe,
        group,
        at_front,
    })
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![3 => Just(End::Front), 1 => Just(End::Back)]
}

fn group() -> impl Strategy<Value = Option<u8>> {
    prop::option::weighted(0.4, 0_u8..2)
}

pub(super) fn steps() -> impl Strategy<Value = Step> {
    let mode = || prop_oneof![Just(Take::Get), Just(Take::Lease)];
    let reentry = prop_oneof![Just(Reentry::Place), Just(Reentry::Front), Just(Reentry::Back)];
    prop_oneof![
        6 => (0_u8..3, times(), timeouts()).prop_map(|(key, times, timeout)| Step::Put(key, times, timeout)),
        2 => (prop::collection::vec((0_u8..3, group()), 2..4), timeouts()).prop_map(|(keys, t)| Step::PutMany(keys, t)),
        6 => (mode(), end(), timeouts())
            .prop_map(|(mode, end, timeout)| Step::Take { mode, max: 1, min: 1, max_hold: None, end, timeout }),
        3 => (mode(), 1_u32..5, 1_u32..4, hold(), end(), timeouts()).prop_map(
            |(mode, max, min, max_hold, end, timeout)| {
                Step::Take { mode, max, min, max_hold: max_hold.filter(|_| mode == Take::Lease), end, timeout }
            }
        ),
        4 => (mode(), hold())
            .prop_map(|(mode, max_hold)| Step::TakeAhead(mode, max_hold.filter(|_| mode == Take::Lease))),
        3 => any::<Index>().prop_map(Step::Ack),
        3 => (any::<Index>(), reentry, hold())
            .prop_map(|(index, reentry, delay)| Step::Nack(index, reentry, delay)),
        1 => (any::<Index>(), hold()).prop_map(|(index, max_hold)| Step::Extend(index, max_hold)),
        1 => any::<Index>().prop_map(Step::Reject),
        2 => (1_u64..3).prop_map(Step::TaskDone),
        1 => timeouts().prop_map(Step::Join),
        1 => Just(Step::Purge),
        1 => Just(Step::Forgive),
        1 => prop::option::of(1_u64..3).prop_map(Step::Redrive),
        1 => (1_u64..3).prop_map(Step::Move),
    ]
}

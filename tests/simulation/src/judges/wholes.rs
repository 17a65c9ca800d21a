//! Whether those who acquire all of several are passed for ever.

use bridge_core::command::{Command, Reply, lock, rwlock, semaphore};
use bridge_core::limits::PASSED_BY_MAX;

use super::holds::Holds;
use super::{Answer, Calls, Object, Open};

/// After a second nobody who came later and holds nothing passes. True: somebody who waited that long is granted all, and
/// others wait behind it.
pub(super) fn check_not_passed(calls: &Calls, holds: &Holds, answer: &Answer<'_>) -> bool {
    let Answer { call, open, outcome, .. } = answer;
    if outcome.is_err() {
        return false;
    }
    if let Ok(Reply::AcquiredAll(_)) = outcome {
        let waited = open.since + PASSED_BY_MAX <= calls.now;
        let mut behind = calls.open.values().filter(|other| other.order > open.order);
        return waited
            && behind.any(|other| plain(calls, other).is_some_and(|object| is_part(calls, open, object)));
    }
    let Some(object) = plain(calls, open) else { return false };
    let busy = calls.open.values().any(|other| other.who == open.who);
    if busy || holds.has_any(open.who) {
        return false;
    }
    for (whole, other) in calls.open.iter().filter(|(_, other)| is_part(calls, other, object)) {
        let reserves = other.order < open.order
            && other.since + PASSED_BY_MAX <= calls.before
            && calls.is_present(whole.0)
            && calls.came != Some(whole.0);
        assert!(!reserves, "{call:?} passes {whole:?}, who waits since {:?}, at {object:?}", other.since);
    }
    false
}

/// What an acquire in the line is for.
fn plain(calls: &Calls, open: &Open) -> Option<Object> {
    match &open.command {
        Command::Lock(_, lock::Command::Acquire(acquire)) if !acquire.barge => calls.object(&open.command),
        Command::RwLock(_, rwlock::Command::Acquire(acquire)) if !acquire.barge => {
            calls.object(&open.command)
        }
        Command::Semaphore(_, semaphore::Command::Acquire(acquire)) if !acquire.barge => {
            calls.object(&open.command)
        }
        _ => None,
    }
}

pub(super) fn is_part(calls: &Calls, open: &Open, object: Object) -> bool {
    let Command::AcquireAll(all) = &open.command else { return false };
    all.parts.iter().any(|part| calls.object(part) == Some(object))
}

//! Calls that nobody waits for one by one: they run, and whoever owns them hears how each ended.
//!
//! Ends are heard on whichever thread delivers, with no lock held. An owner that is dropped withdraws what it has
//! under way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bridge_core::ids::Op;
use bridge_core::{Error, Reason};

use crate::call::Call;
use crate::fork;
use crate::link::{Link, Slot};
use crate::mutex::lock;

/// How many runs of failed numbers are remembered one by one.
const RUNS_MAX: usize = 64;

/// The calls under way, by the numbers that their owner gave them.
pub(crate) struct Calls {
    by_number: Mutex<BTreeMap<u64, Call<()>>>,
    /// `fork::generation()` of the process that made them.
    generation: u64,
}

impl Default for Calls {
    fn default() -> Self {
        Calls { by_number: Mutex::default(), generation: fork::generation() }
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        if self.generation != fork::generation() {
            // They are its parent's.
            let calls = self.by_number.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(std::mem::take(calls));
        }
    }
}

/// Who hears how calls ended.
pub(crate) trait Owner: Send + Sync + 'static {
    /// Its calls.
    fn calls(&self) -> &Calls;

    /// One has ended.
    fn ended(self: &Arc<Self>, number: u64, result: Result<(), Error>);
}

/// Lets a call run to its end. `number` is none that is under way.
pub(crate) fn run<O: Owner>(owner: &Arc<O>, number: u64, mut call: Call<()>) {
    if let Some(result) = call.poll_end() {
        return owner.ended(number, result);
    }
    let slot = call.slot();
    lock(&owner.calls().by_number).insert(number, call);
    let Some(slot) = slot else { return };
    let weak = Arc::downgrade(owner);
    slot.on_ready(Box::new(move || {
        let Some(owner) = weak.upgrade() else { return };
        let call = lock(&owner.calls().by_number).remove(&number);
        if let Some(call) = call {
            run(&owner, number, call);
        }
    }));
}

/// Threads that wait for what follows from the ends of calls.
#[derive(Default)]
pub(crate) struct Waiters(Mutex<Vec<Arc<Slot>>>);

impl Waiters {
    /// Waits until it is `done`, at most for `slice`, or until a signal arrives; drives the connection if nobody does.
    /// True: it is done.
    pub(crate) fn wait(&self, link: &dyn Link, slice: Duration, done: impl Fn() -> bool) -> bool {
        if done() {
            return true;
        }
        if slice.is_zero() {
            return false;
        }
        let signal = Slot::new(Op(0));
        lock(&self.0).push(signal.clone());
        // Once more: what happens from now on fills the signal.
        if !done() {
            link.wait_for(&signal, slice);
        }
        lock(&self.0).retain(|other| !Arc::ptr_eq(other, &signal));
        done()
    }

    /// All of them look again. Call it without holding any lock.
    pub(crate) fn wake(&self, link: &dyn Link) {
        let waiters = std::mem::take(&mut *lock(&self.0));
        if waiters.is_empty() {
            return;
        }
        waiters.iter().for_each(|signal| signal.signal());
        // One of them may sleep in the connection instead of at its signal.
        link.ring();
    }
}

/// What failed and has not been told.
#[derive(Default)]
pub(crate) struct Failures {
    count: u64,
    unknown: u64,
    runs: Vec<(u64, u64)>,
    first: Option<Error>,
}

impl Failures {
    /// `count` of them failed, from number `first` on.
    pub(crate) fn note(&mut self, first: u64, count: u64, error: Error) {
        self.count += count;
        if error.reason == Reason::OutcomeUnknown {
            self.unknown += count;
        }
        let until = first + count - 1;
        if let Some((_, last)) = self.runs.last_mut()
            && *last + 1 == first
        {
            *last = until;
        } else if self.runs.len() < RUNS_MAX {
            self.runs.push((first, until));
        }
        self.first.get_or_insert(error);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The error that tells of them, with the reason of the first: `tell` words it from their number and which they
    /// were. Details `failed` and `unknown`, of which it is not known whether they failed. From now on they are told.
    pub(crate) fn take(&mut self, tell: impl FnOnce(u64, &str) -> String) -> Option<Error> {
        let Failures { count, unknown, mut runs, first } = std::mem::take(self);
        let first = first?;
        runs.sort_unstable();
        let named: u64 = runs.iter().map(|(first, last)| last - first + 1).sum();
        let mut which: Vec<_> = runs
            .iter()
            .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
            .collect();
        if named < count {
            which.push(format!("{} more", count - named));
        }
        let which = which.join(", ");
        let mut message = tell(count, &which);
        if unknown > 0 {
            message += &format!(" ({unknown} of them may have taken effect: that cannot be known)");
        }
        message += &format!("; the first: {}", first.message);
        let error = first.with_message(message);
        Some(
            error
                .with("failed", count.to_string())
                .with("unknown", unknown.to_string())
                .with("numbers", which),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tell(count: u64, which: &str) -> String {
        format!("{count} failed: {which}")
    }

    #[test]
    fn failures_are_told_once_with_the_reason_of_the_first() {
        let mut failures = Failures::default();
        assert_eq!(failures.take(tell), None);
        failures.note(5, 3, Error::new(Reason::ShutDown, "it is shut down"));
        failures.note(8, 1, Error::new(Reason::OutcomeUnknown, "who knows"));
        failures.note(2, 1, Error::new(Reason::Internal, "a defect"));
        let error = failures.take(tell).unwrap();
        assert_eq!(error.reason, Reason::ShutDown);
        assert_eq!(
            error.message,
            "5 failed: 2, 5-8 (1 of them may have taken effect: that cannot be known); \
             the first: it is shut down"
        );
        assert_eq!(error.detail("failed"), Some("5"));
        assert_eq!(error.detail("numbers"), Some("2, 5-8"));
        assert_eq!(failures.take(tell), None);
    }

    #[test]
    fn many_runs_are_counted_though_not_named() {
        let mut failures = Failures::default();
        for run in 0..100 {
            failures.note(run * 10, 2, Error::new(Reason::ShutDown, "it is shut down"));
        }
        let error = failures.take(tell).unwrap();
        assert_eq!(error.detail("failed"), Some("200"));
        assert!(error.message.contains("630-631, 72 more"), "{}", error.message);
    }
}

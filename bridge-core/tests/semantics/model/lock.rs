//! Lock, naively: a list of levels, and free when it is empty.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use bridge_core::command;
use bridge_core::command::Ownership;
use bridge_core::command::lock::{Acquire, Command as Do, Options};
use bridge_core::ids::SessionKey;
use bridge_core::{Time, Timeout};
use proptest::prelude::*;

use crate::model::{Naive, Who, events, leases, modes, run, timeouts};
use crate::support::*;

#[derive(Clone, Debug)]
struct Level {
    number: usize,
    who: Who,
    lease: Option<Duration>,
    accepted: bool,
}

/// The session of a level that outlived it.
const GONE: Who = usize::MAX;

#[derive(Debug, Default)]
struct Lock {
    reentrant: bool,
    foreign: bool,
    unowned: bool,
    levels: Vec<Level>,
    granted: usize,
    /// Somebody has accepted a level since it was free.
    used: bool,
    /// The owner before ended with its session.
    abandoned: bool,
    /// How long it is held, and until when.
    lease: Option<Duration>,
    over: Option<Time>,
    now: Time,
    /// Levels that were taken from whom, and he was not told yet.
    lost: BTreeMap<Who, usize>,
    /// Whose step it is.
    asks: Cell<Who>,
}

/// What is asked for: one level, or one more by who holds it already.
#[derive(Clone, Debug)]
struct Want {
    again: bool,
    lease: Option<Duration>,
}

#[derive(Clone, Debug)]
enum Step {
    Acquire(Acquire),
    Release,
}

impl Lock {
    fn note_free(&mut self) {
        if !self.levels.iter().any(|level| level.accepted) {
            self.over = None;
        }
        if self.levels.is_empty() {
            self.lease = None;
        }
        if self.levels.is_empty() && std::mem::take(&mut self.used) {
            self.abandoned = false;
        }
    }

    fn is_told_lost(&mut self, who: Who) -> bool {
        let lost = self.lost.entry(who).or_default();
        let told = *lost > 0;
        *lost -= usize::from(told);
        told
    }

    fn release(&mut self, who: Who) -> String {
        if !self.levels.iter().any(|level| level.who == who) && self.is_told_lost(who) {
            return "LOCK_LOST".into();
        }
        let foreign = self.foreign || self.unowned;
        let accepted = self.levels.iter().rposition(|level| level.accepted && (foreign || level.who == who));
        let Some(accepted) = accepted else {
            return if self.is_told_lost(who) { "LOCK_LOST" } else { "NOT_OWNER" }.into();
        };
        self.levels.remove(accepted);
        self.note_free();
        "released".into()
    }
}

impl Naive for Lock {
    type Want = Want;
    type Grant = usize;
    type Step = Step;

    fn command(&self, who: Who, step: &Step) -> Option<command::Command> {
        self.asks.set(who);
        Some(match *step {
            Step::Acquire(acquire) => on_lock("l", Do::Acquire(acquire)),
            Step::Release => unlock("l", None),
        })
    }

    fn want(&mut self, step: &Step) -> Option<(Want, Timeout, bool)> {
        match *step {
            Step::Acquire(Acquire { barge, lease, timeout }) => {
                let own = self.levels.first().is_some_and(|level| level.who == self.asks.get());
                Some((Want { again: self.reentrant && own, lease }, timeout, barge))
            }
            Step::Release => None,
        }
    }

    fn act(&mut self, who: Who, _step: &Step) -> (String, Option<usize>) {
        (self.release(who), None)
    }

    fn serve(&mut self, who: Who, want: &Want, ahead: &[Want]) -> Option<(String, Option<usize>)> {
        let free = self.levels.is_empty() && ahead.is_empty();
        if !want.again && !free {
            return None;
        }
        self.granted += 1;
        self.levels.push(Level { number: self.granted, who, lease: want.lease, accepted: false });
        let text = if self.abandoned { "locked abandoned" } else { "locked" };
        Some((text.into(), Some(self.granted)))
    }

    fn settles_everyone(&self, _want: &Want) -> bool {
        false
    }

    fn gives(&self, want: &Want) -> bool {
        !want.again
    }

    fn timed_out(&self, _want: &Want) -> &'static str {
        "TIMED_OUT"
    }

    fn accept(&mut self, _who: Who, number: &usize) {
        let level = self.levels.iter_mut().find(|level| level.number == *number);
        let level = level.expect("what is accepted was granted");
        level.accepted = true;
        self.lease = level.lease.or(self.lease);
        self.over = self.lease.map(|lease| self.now + lease);
        self.used = true;
    }

    fn tick(&mut self, now: Time) {
        self.now = now;
    }

    fn due(&self) -> Option<Time> {
        self.over
    }

    fn happen(&mut self) {
        if self.levels.iter().any(|level| !level.accepted) {
            self.over = self.lease.map(|lease| self.now + lease);
            return;
        }
        for level in std::mem::take(&mut self.levels) {
            *self.lost.entry(level.who).or_default() += 1;
        }
        (self.used, self.abandoned) = (false, true);
        (self.lease, self.over) = (None, None);
    }

    fn refuse(&mut self, number: &usize) {
        self.levels.retain(|level| level.number != *number);
        self.note_free();
    }

    fn session_over(&mut self, who: Who) {
        let own = |level: &Level| level.who == who && level.accepted;
        if !self.unowned && self.levels.iter().any(own) {
            self.levels.clear();
            (self.used, self.abandoned) = (false, true);
            (self.lease, self.over) = (None, None);
        }
        self.levels.iter_mut().filter(|level| level.who == who).for_each(|level| level.who = GONE);
        self.lost.remove(&who);
    }

    fn compare(&self, space: &Space, who: SessionKey) {
        let figures = space.lock(who, "l");
        let accepted = self.levels.iter().filter(|level| level.accepted).count();
        let levels = figures.holder.map(|holder| holder.levels as usize);
        assert_eq!(levels, (!self.levels.is_empty()).then_some(accepted));
        assert_eq!(figures.abandoned.is_some(), self.abandoned);
    }
}

proptest! {
    #[test]
    fn lock(
        mode in modes(),
        kind in 0..4,
        events in events(prop_oneof![
            4 => (prop::bool::weighted(0.2), leases(), timeouts())
                .prop_map(|(barge, lease, timeout)| Step::Acquire(Acquire { barge, lease, timeout })),
            3 => Just(Step::Release),
        ]),
    ) {
        let naive = Lock { reentrant: kind == 1, foreign: kind == 2, unowned: kind == 3, ..Default::default() };
        let options = Options {
            reentrant: Some(naive.reentrant),
            ownership: naive.unowned.then_some(Ownership::None),
            foreign_release: naive.foreign.then_some(true),
            ..Default::default()
        };
        run(mode, naive, on_lock("l", Do::Declare(options)), events);
    }
}

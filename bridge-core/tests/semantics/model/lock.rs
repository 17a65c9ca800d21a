//! Lock, naively: a list of levels, and free when it is empty. Its condition is a list of those who wait for a notification.

mod room;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use bridge_core::command;
use bridge_core::command::Ownership;
use bridge_core::command::condition::{Command as OnCondition, Woken};
use bridge_core::command::lock::{Acquire, Command as Do, Options};
use bridge_core::ids::SessionKey;
use bridge_core::{Time, Timeout};
use proptest::prelude::*;

use crate::model::{After, Leaving, Naive, Who, events, leases, modes, run, timeouts};
use crate::support::*;

use room::{Room, Waiter};

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
    room: Room,
}

/// What is asked for: one level, one more by who holds it already, or, after a notification, as many as there were.
#[derive(Clone, Debug)]
struct Want {
    again: bool,
    lease: Option<Duration>,
    waits: Option<Waiter>,
}

/// Levels that were granted together, and what woke whom they were granted to.
#[derive(Clone, Debug, PartialEq)]
struct Grant {
    number: usize,
    woken: Option<Woken>,
}

#[derive(Clone, Debug)]
enum Step {
    Acquire(Acquire),
    Release,
    Wait(Timeout),
    Notify(Option<u32>),
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

    /// The last level that who may release, wait and notify.
    fn usable(&self, who: Who) -> Option<usize> {
        let foreign = self.foreign || self.unowned;
        self.levels.iter().rposition(|level| level.accepted && (foreign || level.who == who))
    }

    fn has_lost(&self, who: Who) -> bool {
        self.lost.get(&who).is_some_and(|levels| *levels > 0)
    }

    /// Whether who may wait and notify: not with another's level where its own was lost.
    fn may_use(&self, who: Who) -> bool {
        let own = self.levels.iter().any(|level| level.who == who);
        self.usable(who).is_some() && (own || !self.has_lost(who))
    }

    fn release(&mut self, who: Who) -> String {
        if !self.levels.iter().any(|level| level.who == who) && self.is_told_lost(who) {
            return "LOCK_LOST".into();
        }
        let Some(accepted) = self.usable(who) else {
            return if self.is_told_lost(who) { "LOCK_LOST" } else { "NOT_OWNER" }.into();
        };
        self.levels.remove(accepted);
        self.note_free();
        "released".into()
    }
}

impl Naive for Lock {
    type Want = Want;
    type Grant = Grant;
    type Step = Step;

    fn command(&self, who: Who, step: &Step) -> Option<command::Command> {
        self.asks.set(who);
        Some(match *step {
            Step::Acquire(acquire) => on_lock("l", Do::Acquire(acquire)),
            Step::Release => unlock("l", None),
            // What a level on offer comes to then, tables test.
            Step::Wait(_)
                if self.usable(who).is_some() && self.levels.iter().any(|level| !level.accepted) =>
            {
                return None;
            }
            Step::Wait(timeout) => wait_for("c", timeout),
            Step::Notify(count) => on_condition("c", OnCondition::Notify { count }),
        })
    }

    fn want(&mut self, step: &Step) -> Option<(Want, Timeout, bool)> {
        match *step {
            Step::Acquire(Acquire { barge, lease, timeout }) => {
                let own = self.levels.first().is_some_and(|level| level.who == self.asks.get());
                Some((Want { again: self.reentrant && own, lease, waits: None }, timeout, barge))
            }
            Step::Wait(timeout) if self.may_use(self.asks.get()) => {
                let (waiter, lease) = (self.room.enter(self.levels.len(), timeout == NOW), self.lease);
                self.levels.clear();
                self.note_free();
                // Its time is that of the notification only.
                let timeout = if timeout == NOW { FOREVER } else { timeout };
                Some((Want { again: false, lease, waits: Some(waiter) }, timeout, false))
            }
            Step::Wait(_) | Step::Release | Step::Notify(_) => None,
        }
    }

    fn act(&mut self, who: Who, step: &Step) -> (String, Option<Grant>) {
        let text = match step {
            Step::Release => self.release(who),
            Step::Notify(count) if self.may_use(who) => {
                format!("notified {}", self.room.notify(count.map_or(usize::MAX, |count| count as usize)))
            }
            _ if self.has_lost(who) => "LOCK_LOST".into(),
            _ => "NOT_OWNER".into(),
        };
        (text, None)
    }

    fn serve(&mut self, who: Who, want: &Want, ahead: &[Want]) -> Option<(String, Option<Grant>)> {
        let in_line =
            |want: &Want| want.waits.as_ref().is_none_or(|waiter| self.room.woken(waiter).is_some());
        let in_turn = self.levels.is_empty() && !ahead.iter().any(in_line) && in_line(want);
        if !(want.again || in_turn) {
            return None;
        }
        self.granted += 1;
        let level = Level { number: self.granted, who, lease: want.lease, accepted: false };
        let woken = want.waits.as_ref().and_then(|waiter| self.room.woken(waiter));
        let levels = want.waits.as_ref().map_or(1, |waiter| waiter.levels);
        self.levels.extend(std::iter::repeat_n(level, levels));
        let text = match woken {
            Some(woken) => format!("{woken:?}"),
            None if self.abandoned => "locked abandoned".into(),
            None => "locked".into(),
        };
        Some((text, Some(Grant { number: self.granted, woken })))
    }

    fn leaves(&mut self, want: &mut Want, how: Leaving) -> After {
        match &want.waits {
            Some(waiter) => self.room.leaves(waiter, how),
            None => After::Ends,
        }
    }

    fn waits_anew(&mut self, want: &mut Want) -> bool {
        want.waits.as_mut().is_some_and(|waiter| self.room.goes_to_the_line(waiter))
    }

    fn is_offered(&self, want: &Want) -> bool {
        want.waits.is_some()
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

    fn accept(&mut self, _who: Who, grant: &Grant) {
        let mut lease = None;
        for level in self.levels.iter_mut().filter(|level| level.number == grant.number) {
            level.accepted = true;
            lease = level.lease;
        }
        self.lease = lease.or(self.lease);
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

    fn refuse(&mut self, grant: &Grant) {
        self.levels.retain(|level| level.number != grant.number);
        self.note_free();
        if grant.woken == Some(Woken::Notified) {
            self.room.notify(1);
        }
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
        assert_eq!(space.condition(who, "c").waiting, self.room.len() as u64);
    }
}

fn lock_steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (prop::bool::weighted(0.2), leases(), timeouts())
            .prop_map(|(barge, lease, timeout)| Step::Acquire(Acquire { barge, lease, timeout })),
        3 => Just(Step::Release),
    ]
}

proptest! {
    #[test]
    fn lock(
        mode in modes(),
        kind in 0..4,
        events in prop_oneof![
            events(lock_steps()).boxed(),
            // Conditions: section 9.
            events(prop_oneof![
                3 => lock_steps(),
                2 => timeouts().prop_map(Step::Wait),
                1 => prop::option::of(0_u32..3).prop_map(Step::Notify),
            ]).boxed(),
        ],
    ) {
        let naive = Lock { reentrant: kind == 1, foreign: kind == 2, unowned: kind == 3, ..Default::default() };
        let options = Options {
            reentrant: Some(naive.reentrant),
            ownership: naive.unowned.then_some(Ownership::None),
            foreign_release: naive.foreign.then_some(true),
            ..Default::default()
        };
        run(mode, naive, [on_lock("l", Do::Declare(options)), condition_of("c", "l", None)], events);
    }
}

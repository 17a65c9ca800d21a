//! Read-write lock, naively: a list of levels with their modes.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use bridge_core::command;
use bridge_core::command::rwlock::{Acquire, Command as Do, Mode, Options};
use bridge_core::ids::SessionKey;
use bridge_core::{Time, Timeout};
use proptest::prelude::*;

use crate::model::{Naive, Who, events, leases, modes, run, timeouts};
use crate::support::*;

#[derive(Clone, Debug)]
struct Level {
    number: usize,
    who: Who,
    mode: Mode,
    lease: Option<Duration>,
    accepted: bool,
}

/// How long a hold lasts, and until when.
#[derive(Clone, Copy, Debug)]
struct Lease {
    max: Duration,
    over: Option<Time>,
}

#[derive(Debug, Default)]
struct RwLock {
    levels: Vec<Level>,
    granted: usize,
    /// Somebody has accepted a level of the present writer.
    written: bool,
    abandoned: bool,
    leases: BTreeMap<(Who, Mode), Lease>,
    now: Time,
    /// Levels that were taken from whom, and he was not told yet.
    lost: BTreeMap<(Who, Mode), usize>,
    asks: Cell<Who>,
}

#[derive(Clone, Debug)]
struct Want {
    mode: Mode,
    /// One more level of what its owner holds in that mode.
    again: bool,
    lease: Option<Duration>,
}

#[derive(Clone, Debug)]
enum Step {
    Read { barge: bool, lease: Option<Duration>, timeout: Timeout },
    Write { barge: bool, lease: Option<Duration> },
    Release(Mode),
}

impl RwLock {
    fn holds(&self, who: Who, mode: Mode) -> bool {
        self.levels.iter().any(|level| level.who == who && level.mode == mode)
    }

    /// Only a writer that has written makes good what one before left.
    fn note_written(&mut self) {
        let levels = &self.levels;
        let of = |hold: (Who, Mode)| levels.iter().filter(move |level| (level.who, level.mode) == hold);
        self.leases.retain(|hold, _| of(*hold).next().is_some());
        for (hold, lease) in &mut self.leases {
            lease.over = lease.over.filter(|_| of(*hold).any(|level| level.accepted));
        }
        if !self.levels.iter().any(|level| level.mode == Mode::Write) && std::mem::take(&mut self.written) {
            self.abandoned = false;
        }
    }
}

impl Naive for RwLock {
    type Want = Want;
    type Grant = usize;
    type Step = Step;

    fn command(&self, who: Who, step: &Step) -> Option<command::Command> {
        self.asks.set(who);
        let acquire = |mode, barge, lease, timeout| {
            on_rwlock("l", Do::Acquire(Acquire { mode, barge, lease, timeout }))
        };
        Some(match *step {
            Step::Read { barge, lease, timeout } => acquire(Mode::Read, barge, lease, timeout),
            // Waiting readers that want to write have a place before the line, which tables test.
            Step::Write { .. } if self.holds(who, Mode::Read) => return None,
            Step::Write { barge, lease } => acquire(Mode::Write, barge, lease, FOREVER),
            Step::Release(mode) => stop("l", mode, None),
        })
    }

    fn want(&mut self, step: &Step) -> Option<(Want, Timeout, bool)> {
        let who = self.asks.get();
        let (mode, barge, lease, timeout) = match *step {
            Step::Read { barge, lease, timeout } => (Mode::Read, barge, lease, timeout),
            Step::Write { barge, lease } => (Mode::Write, barge, lease, FOREVER),
            Step::Release(_) => return None,
        };
        let downgrades = mode == Mode::Read && self.holds(who, Mode::Write);
        Some((Want { mode, again: self.holds(who, mode), lease }, timeout, barge || downgrades))
    }

    fn act(&mut self, who: Who, step: &Step) -> (String, Option<usize>) {
        let Step::Release(mode) = *step else { unreachable!("it is a want") };
        let own = |level: &Level| level.who == who && level.mode == mode && level.accepted;
        let Some(index) = self.levels.iter().rposition(own) else {
            let lost = self.lost.get_mut(&(who, mode)).filter(|lost| **lost > 0);
            return match lost.filter(|_| !self.levels.iter().any(|l| l.who == who && l.mode == mode)) {
                Some(lost) => {
                    *lost -= 1;
                    ("LOCK_LOST".into(), None)
                }
                None => ("NOT_OWNER".into(), None),
            };
        };
        self.levels.remove(index);
        self.note_written();
        ("released".into(), None)
    }

    fn serve(&mut self, who: Who, want: &Want, ahead: &[Want]) -> Option<(String, Option<usize>)> {
        let in_the_way =
            |level: &Level| level.who != who && (level.mode == Mode::Write || want.mode == Mode::Write);
        let free = ahead.is_empty() && !self.levels.iter().any(in_the_way);
        if !want.again && !free {
            return None;
        }
        self.granted += 1;
        self.levels.push(Level {
            number: self.granted,
            who,
            mode: want.mode,
            lease: want.lease,
            accepted: false,
        });
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
        self.written |= level.mode == Mode::Write;
        let hold = (level.who, level.mode);
        let max = level.lease.or(self.leases.get(&hold).map(|lease| lease.max));
        if let Some(max) = max {
            self.leases.insert(hold, Lease { max, over: Some(self.now + max) });
        }
    }

    fn tick(&mut self, now: Time) {
        self.now = now;
    }

    fn due(&self) -> Option<Time> {
        self.leases.values().filter_map(|lease| lease.over).min()
    }

    fn happen(&mut self) {
        let due = self.due();
        let first = self.leases.iter_mut().find(|(_, lease)| lease.over == due);
        let (hold, lease) = first.expect("a lease is over");
        let hold = *hold;
        let of_hold = |level: &Level| (level.who, level.mode) == hold;
        if self.levels.iter().any(|level| of_hold(level) && !level.accepted) {
            lease.over = Some(self.now + lease.max);
            return;
        }
        *self.lost.entry(hold).or_default() += self.levels.iter().filter(|level| of_hold(level)).count();
        self.levels.retain(|level| !of_hold(level));
        self.leases.remove(&hold);
        if hold.1 == Mode::Write {
            (self.written, self.abandoned) = (false, true);
        }
    }

    fn refuse(&mut self, number: &usize) {
        self.levels.retain(|level| level.number != *number);
        self.note_written();
    }

    fn session_over(&mut self, who: Who) {
        let wrote = |level: &Level| level.who == who && level.mode == Mode::Write;
        if self.levels.iter().any(wrote) {
            (self.written, self.abandoned) = (false, true);
        }
        self.levels.retain(|level| level.who != who);
        self.leases.retain(|hold, _| hold.0 != who);
        self.lost.retain(|hold, _| hold.0 != who);
    }

    fn compare(&self, space: &Space, who: SessionKey) {
        let figures = space.rwlock(who, "l");
        let accepted = |mode| self.levels.iter().filter(|l| l.mode == mode && l.accepted).count() as u32;
        assert_eq!(figures.writer.map_or(0, |writer| writer.levels), accepted(Mode::Write));
        let reading: u32 = figures.readers.iter().map(|reader| reader.levels).sum();
        assert_eq!(reading, accepted(Mode::Read));
        assert_eq!(figures.abandoned.is_some(), self.abandoned);
    }
}

proptest! {
    #[test]
    fn rwlock(
        mode in modes(),
        events in events(prop_oneof![
            4 => (prop::bool::weighted(0.2), leases(), timeouts())
                .prop_map(|(barge, lease, timeout)| Step::Read { barge, lease, timeout }),
            2 => (prop::bool::weighted(0.2), leases()).prop_map(|(barge, lease)| Step::Write { barge, lease }),
            4 => prop::sample::select(vec![Mode::Read, Mode::Write]).prop_map(Step::Release),
        ]),
    ) {
        run(mode, RwLock::default(), [on_rwlock("l", Do::Declare(Options::default()))], events);
    }
}

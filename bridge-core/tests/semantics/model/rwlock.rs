//! Read-write lock, naively: a list of levels with their modes.

use std::cell::Cell;

use bridge_core::Timeout;
use bridge_core::command;
use bridge_core::command::rwlock::{Command as Do, Mode, Options};
use bridge_core::ids::SessionKey;
use proptest::prelude::*;

use crate::model::{Naive, Who, events, modes, run, timeouts};
use crate::support::*;

#[derive(Clone, Debug)]
struct Level {
    number: usize,
    who: Who,
    mode: Mode,
    accepted: bool,
}

#[derive(Debug, Default)]
struct RwLock {
    levels: Vec<Level>,
    granted: usize,
    /// Somebody has accepted a level of the present writer.
    written: bool,
    abandoned: bool,
    asks: Cell<Who>,
}

#[derive(Clone, Debug)]
struct Want {
    mode: Mode,
    /// One more level of what its owner holds in that mode.
    again: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Read { barge: bool, timeout: Timeout },
    Write { barge: bool },
    Release(Mode),
}

impl RwLock {
    fn holds(&self, who: Who, mode: Mode) -> bool {
        self.levels.iter().any(|level| level.who == who && level.mode == mode)
    }

    /// Only a writer that has written makes good what one before left.
    fn note_written(&mut self) {
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
        let acquire = |mode, barge, timeout| on_rwlock("l", Do::Acquire { mode, barge, timeout });
        Some(match *step {
            Step::Read { barge, timeout } => acquire(Mode::Read, barge, timeout),
            // Waiting readers that want to write have a place before the line, which tables test.
            Step::Write { .. } if self.holds(who, Mode::Read) => return None,
            Step::Write { barge } => acquire(Mode::Write, barge, FOREVER),
            Step::Release(mode) => stop("l", mode, None),
        })
    }

    fn want(&mut self, step: &Step) -> Option<(Want, Timeout, bool)> {
        let who = self.asks.get();
        let (mode, barge, timeout) = match *step {
            Step::Read { barge, timeout } => (Mode::Read, barge, timeout),
            Step::Write { barge } => (Mode::Write, barge, FOREVER),
            Step::Release(_) => return None,
        };
        let downgrades = mode == Mode::Read && self.holds(who, Mode::Write);
        Some((Want { mode, again: self.holds(who, mode) }, timeout, barge || downgrades))
    }

    fn act(&mut self, who: Who, step: &Step) -> (String, Option<usize>) {
        let Step::Release(mode) = *step else { unreachable!("it is a want") };
        let own = |level: &Level| level.who == who && level.mode == mode && level.accepted;
        let Some(index) = self.levels.iter().rposition(own) else { return ("NOT_OWNER".into(), None) };
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
        self.levels.push(Level { number: self.granted, who, mode: want.mode, accepted: false });
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
            4 => (prop::bool::weighted(0.2), timeouts())
                .prop_map(|(barge, timeout)| Step::Read { barge, timeout }),
            2 => prop::bool::weighted(0.2).prop_map(|barge| Step::Write { barge }),
            4 => prop::sample::select(vec![Mode::Read, Mode::Write]).prop_map(Step::Release),
        ]),
    ) {
        run(mode, RwLock::default(), on_rwlock("l", Do::Declare(Options::default())), events);
    }
}

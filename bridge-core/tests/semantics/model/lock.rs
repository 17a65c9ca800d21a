//! Lock, naively: a list of levels, and free when it is empty.

use std::cell::Cell;

use bridge_core::Timeout;
use bridge_core::command;
use bridge_core::command::Ownership;
use bridge_core::command::lock::{Command as Do, Options};
use bridge_core::ids::SessionKey;
use proptest::prelude::*;

use crate::model::{Naive, Who, events, modes, run, timeouts};
use crate::support::*;

#[derive(Clone, Debug)]
struct Level {
    number: usize,
    who: Who,
    accepted: bool,
}

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
    /// Whose step it is.
    asks: Cell<Who>,
}

/// What is asked for: one level, or one more by who holds it already.
#[derive(Clone, Debug)]
struct Want {
    again: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Acquire { barge: bool, timeout: Timeout },
    Release,
}

impl Lock {
    fn note_free(&mut self) {
        if self.levels.is_empty() && std::mem::take(&mut self.used) {
            self.abandoned = false;
        }
    }

    fn release(&mut self, who: Who) -> String {
        let foreign = self.foreign || self.unowned;
        let accepted = self.levels.iter().rposition(|level| level.accepted && (foreign || level.who == who));
        let Some(accepted) = accepted else { return "NOT_OWNER".into() };
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
            Step::Acquire { barge, timeout } => on_lock("l", Do::Acquire { barge, timeout }),
            Step::Release => unlock("l", None),
        })
    }

    fn want(&mut self, step: &Step) -> Option<(Want, Timeout, bool)> {
        match *step {
            Step::Acquire { barge, timeout } => {
                let own = self.levels.first().is_some_and(|level| level.who == self.asks.get());
                Some((Want { again: self.reentrant && own }, timeout, barge))
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
        self.levels.push(Level { number: self.granted, who, accepted: false });
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
        level.expect("what is accepted was granted").accepted = true;
        self.used = true;
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
        }
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
            4 => (prop::bool::weighted(0.2), timeouts())
                .prop_map(|(barge, timeout)| Step::Acquire { barge, timeout }),
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

//! The hand-over of the lead under every order of steps: nobody is left asleep.
//!
//! Each thread runs the loop of `Connection::stay` step by step on real slots and a real [`Lead`]; a schedule says
//! whose step is next. There are no time-outs and no signals here, so a lost poke shows as a thread that can never
//! move again.

use std::sync::Arc;

use bridge_core::ids::Op;
use bridge_core::{Error, Reason};

use super::*;
use crate::link::Answered;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Enter,
    Look,
    Join { seen: u32 },
    Lead,
    Park { seen: u32, number: u64 },
    Unlist { number: u64 },
    Leave,
    Done,
}

struct World {
    lead: Lead,
    slots: Vec<Arc<Slot>>,
    steps: Vec<Step>,
    /// Answers that the server has not sent yet, and those on the socket.
    unsent: Vec<usize>,
    socket: Vec<usize>,
}

impl World {
    fn new(threads: usize) -> Self {
        World {
            lead: Lead::new(Arc::new(Poller::new().unwrap())),
            slots: (0..threads).map(|thread| Slot::new(Op(thread as u64))).collect(),
            steps: vec![Step::Enter; threads],
            unsent: (0..threads).collect(),
            socket: Vec::new(),
        }
    }

    /// What can happen now: a step of a thread, or (above those) the sending of an answer.
    fn enabled(&self) -> Vec<usize> {
        let threads = (0..self.steps.len()).filter(|&thread| match self.steps[thread] {
            Step::Lead => self.slots[thread].is_ready() || !self.socket.is_empty(),
            Step::Park { seen, .. } => self.slots[thread].seen() != seen,
            Step::Done => false,
            _ => true,
        });
        threads.chain((0..self.unsent.len()).map(|answer| self.steps.len() + answer)).collect()
    }

    fn run(&mut self, choice: usize) {
        if choice >= self.steps.len() {
            self.socket.push(self.unsent.remove(choice - self.steps.len()));
            return;
        }
        let slot = &self.slots[choice];
        self.steps[choice] = match self.steps[choice] {
            Step::Enter => {
                self.lead.enter();
                Step::Look
            }
            Step::Look => {
                let seen = slot.seen();
                if slot.is_ready() { Step::Leave } else { Step::Join { seen } }
            }
            Step::Join { seen } => match self.lead.join(slot) {
                Role::Leader => Step::Lead,
                Role::Follower(number) => Step::Park { seen, number },
            },
            Step::Lead if slot.is_ready() => {
                self.lead.resign();
                Step::Leave
            }
            Step::Lead => {
                for answered in self.socket.drain(..) {
                    let outcome = Err(Error::new(Reason::Empty, ""));
                    self.slots[answered].put(Answered { op: Op(0), outcome, offered: false });
                    self.slots[answered].wake();
                }
                Step::Lead
            }
            Step::Park { number, .. } => Step::Unlist { number },
            // Not poked: it has been answered.
            Step::Unlist { number } => {
                if self.lead.unlist(number) {
                    Step::Look
                } else {
                    assert!(slot.is_ready());
                    Step::Leave
                }
            }
            Step::Leave => {
                self.lead.leave();
                Step::Done
            }
            Step::Done => unreachable!("not enabled"),
        };
    }

    /// Runs one schedule to its end; `choose` picks one of so many. Panics if anybody is left.
    fn play(threads: usize, mut choose: impl FnMut(usize) -> usize) {
        let mut world = World::new(threads);
        let mut trace = Vec::new();
        loop {
            let enabled = world.enabled();
            if enabled.is_empty() {
                break;
            }
            let choice = enabled[choose(enabled.len())];
            trace.push(choice);
            world.run(choice);
        }
        assert!(world.steps.iter().all(|step| *step == Step::Done), "{:?} after {trace:?}", world.steps);
        let state = lock(&world.lead.state);
        assert!(state.callers == 0 && !state.leading && state.waiting.is_empty(), "{state:?}");
    }
}

#[test]
fn every_schedule_of_two_threads_ends() {
    // The choices of the schedule being played, each with the number of its alternatives.
    let mut path: Vec<(usize, usize)> = Vec::new();
    let mut schedules = 0;
    loop {
        let mut depth = 0;
        World::play(2, |choices| {
            if depth == path.len() {
                path.push((0, choices));
            }
            depth += 1;
            path[depth - 1].0
        });
        schedules += 1;
        while path.last().is_some_and(|(choice, choices)| choice + 1 == *choices) {
            path.pop();
        }
        match path.last_mut() {
            Some((choice, _)) => *choice += 1,
            None => break,
        }
    }
    assert!(schedules > 1_000, "only {schedules} schedules");
}

#[test]
fn many_schedules_of_many_threads_end() {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    for schedule in 0..5_000 {
        World::play(3 + schedule % 4, |choices| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % choices as u64) as usize
        });
    }
}

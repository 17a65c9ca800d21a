//! Select, naively: everything that can be waited for is a list of what is there, and who waits is looked through from the front.
//!
//! What a select does with sessions and with one kind of object is modelled by the others, as each of their waits is one. Here are
//! several objects, any of which may end it.

use std::collections::BTreeMap;
use std::time::Duration;

use bridge_core::command::semaphore::{self, Options, Ownership};
use bridge_core::command::{Command, Input, Mode, Outcome, Reply};
use bridge_core::ids::{Op, OpRange, SessionKey};
use bridge_core::{Time, Timeout};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::model::timeouts;
use crate::support::*;

/// Two queues, and two semaphores that are counters.
const OBJECTS: [&str; 4] = ["q0", "q1", "s0", "s1"];

#[derive(Clone, Debug)]
enum Event {
    /// One more item, or permit.
    Give(usize),
    Select(Vec<usize>, Timeout),
    Done(Index),
    Refuse(Index),
    Cancel(Index),
    Pass(u64),
}

#[derive(Debug)]
struct Waiting {
    op: Op,
    branches: Vec<usize>,
    deadline: Option<Time>,
}

/// What is there, who waits, and what is on offer: of which object, which one.
#[derive(Default)]
struct Model {
    given: usize,
    there: [Vec<usize>; OBJECTS.len()],
    waiting: Vec<Waiting>,
    offered: BTreeMap<Op, (usize, usize)>,
    told: Vec<(Op, String)>,
}

fn is_queue(object: usize) -> bool {
    object < 2
}

impl Model {
    fn grant(&mut self, op: Op, branches: &[usize], object: usize) {
        let first = self.there[object].remove(0);
        self.offered.insert(op, (object, first));
        let branch = branches.iter().position(|branch| *branch == object).expect("it is one of them");
        let what = if is_queue(object) { format!("i{first}") } else { "acquired".into() };
        self.told.push((op, format!("{branch} {what}")));
    }

    /// It is there, in its place: the first who waits for it has it.
    fn comes(&mut self, object: usize, which: usize) {
        self.there[object].push(which);
        self.there[object].sort_unstable();
        let first = self.waiting.iter().position(|waiting| waiting.branches.contains(&object));
        if let Some(first) = first {
            let Waiting { op, branches, .. } = self.waiting.remove(first);
            self.grant(op, &branches, object);
        }
    }

    fn select(&mut self, op: Op, branches: Vec<usize>, timeout: Timeout, now: Time) {
        match branches.iter().copied().find(|object| !self.there[*object].is_empty()) {
            Some(object) => self.grant(op, &branches, object),
            None if timeout == NOW => self.told.push((op, "TIMED_OUT".into())),
            None => self.waiting.push(Waiting { op, branches, deadline: timeout.deadline(now) }),
        }
    }

    fn pass(&mut self, now: Time) {
        let mut over: Vec<_> =
            self.waiting.extract_if(.., |waiting| waiting.deadline.is_some_and(|at| at <= now)).collect();
        over.sort_by_key(|waiting| waiting.deadline);
        self.told.extend(over.into_iter().map(|waiting| (waiting.op, "TIMED_OUT".to_owned())));
    }
}

fn branch(object: usize) -> Command {
    match is_queue(object) {
        true => get(OBJECTS[object], NOW),
        false => acquire(OBJECTS[object], 1, NOW),
    }
}

fn told(outcome: &Outcome) -> String {
    match outcome {
        Ok(Reply::Selected { branch, reply }) => format!("{branch} {}", in_short(&Ok((**reply).clone()))),
        other => in_short(other),
    }
}

struct Test {
    space: Space,
    who: SessionKey,
    model: Model,
}

impl Test {
    fn new() -> Self {
        let mut space = Space::default();
        let who = space.open(Mode::Resumable);
        for counter in &OBJECTS[2..] {
            let options = Options { limit: Some(0), ownership: Some(Ownership::None), ..Options::default() };
            space.ask(who, on_semaphore(counter, semaphore::Command::Declare(options))).expect("it is new");
        }
        space.input(Input::Done(who, OpRange { first: Op(0), last: Op(99) }));
        Test { space, who, model: Model::default() }
    }

    fn event(&mut self, event: &Event) {
        let (who, now) = (self.who, self.space.now);
        let offers: Vec<Op> = self.model.offered.keys().copied().collect();
        let one_of = |ops: &[Op], index: &Index| (!ops.is_empty()).then(|| ops[index.index(ops.len())]);
        let answers = match event {
            Event::Give(object) => {
                let number = self.model.given;
                self.model.given += 1;
                self.model.comes(*object, number);
                let give = match is_queue(*object) {
                    true => put(OBJECTS[*object], &format!("i{number}"), NOW),
                    false => release(OBJECTS[*object], 1),
                };
                let (op, mut answers) = self.space.call(who, give);
                self.space.done(who, op);
                answers.retain(|answer| answer.op != op);
                answers
            }
            Event::Select(branches, timeout) => {
                let command = select(branches.iter().map(|object| branch(*object)), *timeout);
                let (op, answers) = self.space.call(who, command);
                self.model.select(op, branches.clone(), *timeout, now);
                answers
            }
            Event::Done(index) => {
                let Some(op) = one_of(&offers, index) else { return };
                self.model.offered.remove(&op);
                self.space.done(who, op)
            }
            Event::Refuse(index) => {
                let Some(op) = one_of(&offers, index) else { return };
                let (object, which) = self.model.offered.remove(&op).expect("it is on offer");
                self.model.comes(object, which);
                self.space.refuse(who, op)
            }
            Event::Cancel(index) => {
                let waiting: Vec<Op> = self.model.waiting.iter().map(|waiting| waiting.op).collect();
                let Some(op) = one_of(&waiting, index) else { return };
                self.model.waiting.retain(|waiting| waiting.op != op);
                self.model.told.push((op, "CANCELLED".into()));
                let mut answers = self.space.cancel(who, op);
                answers.retain(|answer| answer.op == op);
                answers
            }
            Event::Pass(seconds) => {
                let answers = self.space.pass(Duration::from_secs(*seconds));
                self.model.pass(self.space.now);
                answers
            }
        };
        let answers: Vec<_> = answers.iter().map(|answer| (answer.op, told(&answer.outcome))).collect();
        assert_eq!(answers, std::mem::take(&mut self.model.told), "after {event:?}");
        self.compare();
    }

    /// Nobody else ever waits for what was not taken, and nobody waits who has ended.
    fn compare(&self) {
        for (object, name) in OBJECTS.iter().enumerate() {
            let branches = self.model.waiting.iter().flat_map(|waiting| &waiting.branches);
            let waiting = branches.filter(|branch| **branch == object).count() as u64;
            let there = self.model.there[object].len() as u64;
            let found = match is_queue(object) {
                true => {
                    let figures = self.space.queue(self.who, name);
                    (figures.waiting_to_get, figures.ready)
                }
                false => {
                    let figures = self.space.semaphore(self.who, name);
                    (figures.waiting, figures.available as u64)
                }
            };
            assert_eq!(found, (waiting, there), "{name}");
        }
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let objects = 0..OBJECTS.len();
    let event = prop_oneof![
        4 => objects.clone().prop_map(Event::Give),
        5 => (prop::collection::vec(objects, 1..5), timeouts())
            .prop_map(|(branches, timeout)| Event::Select(branches, timeout)),
        2 => any::<Index>().prop_map(Event::Done),
        2 => any::<Index>().prop_map(Event::Refuse),
        1 => any::<Index>().prop_map(Event::Cancel),
        1 => (1_u64..4).prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 1..80)
}

proptest! {
    #[test]
    fn selects(events in events()) {
        let mut test = Test::new();
        events.iter().for_each(|event| test.event(event));
    }
}

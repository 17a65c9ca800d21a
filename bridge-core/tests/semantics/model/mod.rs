//! The engine against a naive model: lists that are walked from the front, nothing remembered twice.
//!
//! What sessions, waits, offers and stored answers do is the same for all primitives and modelled here; each
//! primitive adds what it gives to whom. Every other wait is made as a branch of a select beside one that never ends, which
//! changes nothing but what it is told when its time is over.

mod barrier;
mod deadlock;
mod event;
mod latch;
mod lifetime;
mod list;
mod lock;
mod queue;
mod rwlock;
mod semaphore;
mod timer;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bridge_core::command::select::is_branch;
use bridge_core::command::{Call, Carrier, Command, Effect, EndReason, Input, Mode, Outcome, Reply};
use bridge_core::ids::{Op, OpRange, ParticipantId, SessionKey};
use bridge_core::{Time, Timeout};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::support::*;

/// Sessions take part by number.
pub(super) type Who = usize;

const SESSIONS: usize = 3;

/// What a primitive gives, naively.
pub(super) trait Naive {
    /// What a wait waits for.
    type Want: Clone + std::fmt::Debug;
    /// What an offer would take back.
    type Grant: Clone + std::fmt::Debug;
    /// What is done to it.
    type Step: Clone + std::fmt::Debug;

    /// The engine's command of a step by `who`; `None` if there is nothing to do it to.
    fn command(&self, who: Who, step: &Self::Step) -> Option<Command>;

    /// The wait of a step, its timeout, and whether it may pass the line; `None` for one that never waits.
    fn want(&mut self, step: &Self::Step) -> Option<(Self::Want, Timeout, bool)>;

    /// Does a step that never waits.
    fn act(&mut self, who: Who, step: &Self::Step) -> (String, Option<Self::Grant>);

    /// Serves a wait if it can be, with `ahead` waiting before it.
    fn serve(
        &mut self,
        who: Who,
        want: &Self::Want,
        ahead: &[Self::Want],
    ) -> Option<(String, Option<Self::Grant>)>;

    /// A wait ends without being served.
    fn leaves(&mut self, _want: &Self::Want, _how: Leaving) {}

    /// It ends for those who are away too.
    fn settles_everyone(&self, want: &Self::Want) -> bool;

    /// Its answer gives something, which a paused session is not given.
    fn gives(&self, want: &Self::Want) -> bool;

    fn timed_out(&self, want: &Self::Want) -> &'static str;

    fn accept(&mut self, who: Who, grant: &Self::Grant);

    fn refuse(&mut self, grant: &Self::Grant);

    /// Takes back what a put brought.
    fn withdraw(&mut self, _text: &str) -> bool {
        false
    }

    /// The engine gave that answer.
    fn note(&mut self, _answer: &Answer) {}

    fn session_over(&mut self, who: Who);

    /// It is `now`.
    fn tick(&mut self, _now: Time) {}

    /// When something of its own happens next.
    fn due(&self) -> Option<Time> {
        None
    }

    /// That happens.
    fn happen(&mut self) {}

    /// Compares the figures.
    fn compare(&self, space: &Space, who: SessionKey);
}

/// How a wait ends that is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    Cancelled,
    TimedOut,
    SessionOver,
}

/// What happens in a test.
#[derive(Clone, Debug)]
pub(super) enum Event<S> {
    Step(Who, S),
    Cancel(Who, Index),
    Done(Who, Index),
    Refuse(Who, Index),
    Detach(Who),
    Attach(Who),
    Pause(Who),
    Unpause(Who),
    End(Who),
    Pass(u64),
}

pub(super) fn events<S: Clone + std::fmt::Debug + 'static>(
    step: impl Strategy<Value = S> + 'static,
) -> impl Strategy<Value = Vec<Event<S>>> {
    let who = || 0..SESSIONS;
    let event = prop_oneof![
        10 => (who(), step).prop_map(|(who, step)| Event::Step(who, step)),
        1 => (who(), any::<Index>()).prop_map(|(who, index)| Event::Cancel(who, index)),
        4 => (who(), any::<Index>()).prop_map(|(who, index)| Event::Done(who, index)),
        2 => (who(), any::<Index>()).prop_map(|(who, index)| Event::Refuse(who, index)),
        1 => who().prop_map(Event::Detach),
        1 => who().prop_map(Event::Attach),
        1 => who().prop_map(Event::Pause),
        1 => who().prop_map(Event::Unpause),
        1 => who().prop_map(Event::End),
        1 => (1_u64..8).prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 1..80)
}

#[derive(Clone, Debug)]
struct Waiting<W> {
    who: Who,
    op: Op,
    want: W,
    deadline: Option<Time>,
}

#[derive(Clone, Debug)]
struct Unsettled<G> {
    text: String,
    grant: Option<G>,
}

/// An answer: to whom, to which op, what, and whether it is an offer.
type Told = (Who, Op, String, bool);

struct Test<N: Naive> {
    space: Space,
    keys: [SessionKey; SESSIONS],
    mode: Mode,
    naive: N,
    attached: [bool; SESSIONS],
    paused: [bool; SESSIONS],
    waiting: Vec<Waiting<N::Want>>,
    unsettled: [BTreeMap<Op, Unsettled<N::Grant>>; SESSIONS],
    told: Vec<Told>,
    /// Calls that are branches of a select.
    selects: BTreeSet<Op>,
    next_op: u64,
}

/// Runs the events on both and compares what is told after every one of them.
pub(super) fn run<N: Naive>(mode: Mode, naive: N, declare: Command, events: Vec<Event<N::Step>>) {
    let mut space = Space::default();
    let keys = std::array::from_fn(|_| space.open(mode));
    let (op, _) = space.call(keys[0], declare);
    space.done(keys[0], op);
    let mut test = Test {
        space,
        keys,
        mode,
        naive,
        attached: [true; SESSIONS],
        paused: [false; SESSIONS],
        waiting: Vec::new(),
        unsettled: std::array::from_fn(|_| BTreeMap::new()),
        told: Vec::new(),
        selects: BTreeSet::new(),
        next_op: 1000,
    };
    test.naive.tick(test.space.now);
    for event in events {
        test.event(&event);
        test.naive.compare(&test.space, test.keys[0]);
    }
}

impl<N: Naive> Test<N> {
    fn event(&mut self, event: &Event<N::Step>) {
        match event {
            Event::Step(who, step) => self.step(*who, step),
            Event::Cancel(who, index) => self.cancel(*who, *index),
            Event::Done(who, index) => self.settle_op(*who, *index, true),
            Event::Refuse(who, index) => self.settle_op(*who, *index, false),
            Event::Detach(who) if self.mode == Mode::Resumable => {
                self.attached[*who] = false;
                self.settle();
                self.check(Input::Detach(self.keys[*who]));
            }
            Event::Attach(who) if self.mode == Mode::Resumable => {
                (self.attached[*who], self.paused[*who]) = (true, false);
                let again = self.unsettled[*who].iter();
                let again = again.map(|(op, u)| (*who, *op, u.text.clone(), u.grant.is_some()));
                self.told.extend(again.collect::<Vec<_>>());
                self.settle();
                self.check(Input::Attach(self.keys[*who]));
            }
            Event::Detach(_) | Event::Attach(_) => {}
            Event::Pause(who) => {
                self.paused[*who] |= self.mode == Mode::Resumable && self.attached[*who];
                self.settle();
                self.check(Input::Pause(self.keys[*who]));
            }
            Event::Unpause(who) => {
                self.paused[*who] = false;
                self.settle();
                self.check(Input::Unpause(self.keys[*who]));
            }
            Event::End(who) => self.end(*who),
            Event::Pass(seconds) => {
                self.space.now = self.space.now + Duration::from_secs(*seconds);
                self.time_out();
                self.check(Input::Tick);
            }
        }
    }

    fn is_present(&self, who: Who) -> bool {
        self.attached[who] && !self.paused[who]
    }

    fn op(&mut self) -> Op {
        self.next_op += 1;
        Op(self.next_op)
    }

    fn call(&self, who: Who, op: Op, command: Command) -> Input {
        let call = Call { op, participant: ParticipantId(0), carrier: Carrier::Stream, command };
        Input::Call(self.keys[who], call)
    }

    fn step(&mut self, who: Who, step: &N::Step) {
        // A detached session calls nothing: it has no stream.
        let Some(command) = self.naive.command(who, step).filter(|_| self.attached[who]) else { return };
        let op = self.op();
        let command = self.as_branch(op, command);
        match self.naive.want(step) {
            None => {
                let (text, grant) = self.naive.act(who, step);
                self.tell(who, op, text, grant, false);
                self.settle();
            }
            Some((want, timeout, passes)) => {
                let ahead = if passes { Vec::new() } else { self.ahead(self.waiting.len()) };
                let may_be_served = !self.paused[who] || !self.naive.gives(&want);
                let served = may_be_served.then(|| self.naive.serve(who, &want, &ahead)).flatten();
                if let Some((text, grant)) = served {
                    self.tell(who, op, text, grant, false);
                } else if timeout == NOW {
                    self.tell(who, op, self.timed_out(op, &want), None, false);
                } else {
                    let deadline = timeout.deadline(self.space.now);
                    self.waiting.push(Waiting { who, op, want, deadline });
                }
                self.settle();
            }
        }
        let input = self.call(who, op, command);
        self.check(input);
    }

    fn as_branch(&mut self, op: Op, mut command: Command) -> Command {
        if op.0.is_multiple_of(2) || !is_branch(&command) {
            return command;
        }
        self.selects.insert(op);
        let timeout = *command.timeout_mut().expect("it waits");
        match op.0 % 4 {
            1 => select([command, wait("never", NOW)], timeout),
            _ => select([wait("never", NOW), command], timeout),
        }
    }

    fn timed_out(&self, op: Op, want: &N::Want) -> String {
        let of_select = self.selects.contains(&op);
        if of_select { "TIMED_OUT".into() } else { self.naive.timed_out(want).into() }
    }

    /// Present wants before the one at `index`.
    fn ahead(&self, index: usize) -> Vec<N::Want> {
        let before = self.waiting[..index].iter().filter(|waiting| self.is_present(waiting.who));
        before.map(|waiting| waiting.want.clone()).collect()
    }

    /// Serves whoever can be served, from the front, until nobody can.
    fn settle(&mut self) {
        self.settle_those(|naive, want| naive.settles_everyone(want));
        loop {
            self.settle_those(|naive, want| !naive.settles_everyone(want) && naive.gives(want));
            if !self.settle_those(|naive, want| !naive.settles_everyone(want) && !naive.gives(want)) {
                break;
            }
        }
    }

    /// First what ends for everyone, then what is given to one after the other, then what comes in; whether there was
    /// any.
    fn settle_those(&mut self, is_one: impl Fn(&N, &N::Want) -> bool) -> bool {
        let (mut index, mut any) = (0, false);
        while index < self.waiting.len() {
            if !is_one(&self.naive, &self.waiting[index].want) {
                index += 1;
                continue;
            }
            let Waiting { who, op, want, .. } = self.waiting[index].clone();
            let ahead = self.ahead(index);
            let reachable = self.is_present(who) || self.naive.settles_everyone(&want);
            match reachable.then(|| self.naive.serve(who, &want, &ahead)).flatten() {
                Some((text, grant)) => {
                    self.waiting.remove(index);
                    self.tell(who, op, text, grant, true);
                    (index, any) = (0, true);
                }
                None => index += 1,
            }
        }
        any
    }

    fn tell(&mut self, who: Who, op: Op, text: String, grant: Option<N::Grant>, parked: bool) {
        let is_final = self.mode == Mode::Direct && !parked;
        let grant = match grant {
            Some(grant) if is_final => {
                self.naive.accept(who, &grant);
                None
            }
            grant => grant,
        };
        let offered = grant.is_some();
        if self.mode == Mode::Resumable || offered {
            self.unsettled[who].insert(op, Unsettled { text: text.clone(), grant });
        }
        self.told.push((who, op, text, offered));
    }

    fn cancel(&mut self, who: Who, index: Index) {
        let waiting = self.waiting.iter().filter(|waiting| waiting.who == who).map(|waiting| waiting.op);
        let ops: Vec<Op> = waiting.chain(self.unsettled[who].keys().copied()).collect();
        if ops.is_empty() || !self.attached[who] {
            return;
        }
        let target = ops[index.index(ops.len())];
        let op = self.op();
        let mut cancelled = false;
        if let Some(index) = self.waiting.iter().position(|waiting| waiting.op == target) {
            let Waiting { want, .. } = self.waiting.remove(index);
            self.naive.leaves(&want, Leaving::Cancelled);
            cancelled = true;
        } else if let Some(unsettled) = self.unsettled[who].get(&target) {
            cancelled = self.naive.withdraw(&unsettled.text);
        }
        if cancelled {
            self.tell(who, target, "CANCELLED".into(), None, true);
        }
        self.tell(who, op, format!("cancelled {cancelled}"), None, true);
        self.settle();
        let input = self.call(who, op, Command::Cancel(target));
        self.check(input);
    }

    fn settle_op(&mut self, who: Who, index: Index, done: bool) {
        let ops: Vec<Op> = self.unsettled[who].keys().copied().collect();
        if ops.is_empty() {
            return;
        }
        let op = ops[index.index(ops.len())];
        let key = self.keys[who];
        match self.unsettled[who].remove(&op).and_then(|unsettled| unsettled.grant) {
            Some(grant) if done => self.naive.accept(who, &grant),
            Some(grant) => self.naive.refuse(&grant),
            None => {}
        }
        self.settle();
        match done {
            true => self.check(Input::Done(key, OpRange { first: op, last: op })),
            false => self.check(Input::Refuse(key, op)),
        }
    }

    fn end(&mut self, who: Who) {
        let own: Vec<Op> = self.waiting.iter().filter(|w| w.who == who).map(|w| w.op).collect();
        let (own_waits, others) = std::mem::take(&mut self.waiting).into_iter().partition(|w| w.who == who);
        self.waiting = others;
        let own_waits: Vec<Waiting<N::Want>> = own_waits;
        own_waits.iter().for_each(|waiting| self.naive.leaves(&waiting.want, Leaving::SessionOver));
        self.told.extend(own.into_iter().map(|op| (who, op, "SESSION_EXPIRED".to_owned(), false)));
        for (_, unsettled) in std::mem::take(&mut self.unsettled[who]) {
            unsettled.grant.iter().for_each(|grant| self.naive.refuse(grant));
        }
        self.naive.session_over(who);
        (self.attached[who], self.paused[who]) = (true, false);
        self.settle();
        self.check(Input::End(self.keys[who], EndReason::Closed));
        self.keys[who] = self.space.open(self.mode);
    }

    fn time_out(&mut self) {
        let now = self.space.now;
        self.naive.tick(now);
        loop {
            let due = self.waiting.iter().enumerate().filter_map(|(index, w)| Some((w.deadline?, index)));
            let due = due.filter(|(deadline, _)| *deadline <= now).min();
            let own = self.naive.due().filter(|own| *own <= now);
            if own.is_some_and(|own| due.is_none_or(|(deadline, _)| own < deadline)) {
                self.naive.happen();
                self.settle();
                continue;
            }
            let Some((_, index)) = due else { return };
            let Waiting { who, op, want, .. } = self.waiting.remove(index);
            self.tell(who, op, self.timed_out(op, &want), None, true);
            self.naive.leaves(&want, Leaving::TimedOut);
            self.settle();
        }
    }

    /// The engine does the same and tells the same.
    fn check(&mut self, input: Input) {
        let effects = self.space.input(input.clone());
        let answers: Vec<Answer> = effects
            .into_iter()
            .filter_map(|effect| match effect {
                // What a client is told beside; its releases are answered accordingly.
                Effect::Answer { outcome: Ok(Reply::Lost(_)), .. } => None,
                Effect::Answer { to, op, outcome, offered } => {
                    Some(Answer { to, op, outcome: of_branch(outcome), offered })
                }
                _ => None,
            })
            .collect();
        let mut told = Vec::new();
        for answer in &answers {
            let who = self.keys.iter().position(|key| *key == answer.to).expect("a known session");
            self.naive.note(answer);
            told.push((who, answer.op, in_short(&answer.outcome), answer.offered));
        }
        let mut expected = std::mem::take(&mut self.told);
        expected.iter_mut().for_each(|told| told.2 = without_labels(&told.2));
        expected.sort();
        told.sort();
        assert_eq!(told, expected, "after {input:?}");
    }
}

/// How a branch ended, as if it had been asked for alone.
fn of_branch(outcome: Outcome) -> Outcome {
    match outcome {
        Ok(Reply::Selected { reply, .. }) => Ok(*reply),
        outcome => outcome,
    }
}

/// What a put brought is the model's own knowledge.
fn without_labels(text: &str) -> String {
    let text = text.split(" from ").next().unwrap_or(text);
    if text.starts_with("put i") { "put".into() } else { text.into() }
}

/// Never over together with anything else.
pub(super) fn leases() -> impl Strategy<Value = Option<Duration>> {
    prop::option::weighted(0.3, Just(Duration::from_millis(2_500)))
}

pub(super) fn timeouts() -> impl Strategy<Value = Timeout> {
    prop_oneof![2 => Just(NOW), 1 => Just(seconds(3)), 2 => Just(FOREVER)]
}

pub(super) fn modes() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Direct), Just(Mode::Resumable)]
}

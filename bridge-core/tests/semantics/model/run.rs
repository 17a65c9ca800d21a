//! The events on both, the engine and the model; what is told after every one of them is compared.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bridge_core::Time;
use bridge_core::command::select::is_branch;
use bridge_core::command::{self, Call, Carrier, Command, Effect, EndReason, Input, Mode, Outcome, Reply};
use bridge_core::ids::{Op, OpRange, ParticipantId, SessionKey};
use proptest::sample::Index;

use crate::model::{After, Event, Leaving, Naive, SESSIONS, Who};
use crate::support::*;

/// What is told of what was given ahead of need and is wanted by others.
const RECALLED: &str = "recalled";

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
pub(super) fn run<N: Naive>(
    mode: Mode,
    naive: N,
    declare: impl IntoIterator<Item = Command>,
    events: Vec<Event<N::Step>>,
) {
    let mut space = Space::default();
    let keys = std::array::from_fn(|_| space.open(mode));
    for declare in declare {
        let (op, _) = space.call(keys[0], declare);
        space.done(keys[0], op);
    }
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
            Event::Hasten(who, index) => self.hasten(*who, *index),
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
                let recalled =
                    self.unsettled[*who].iter().filter_map(|(op, u)| Some((*op, u.grant.as_ref()?)));
                let recalled = recalled.filter(|(_, grant)| self.naive.is_recalled(grant));
                let recalled = recalled.map(|(op, _)| (*who, op, RECALLED.to_owned(), false));
                self.told.extend(again.chain(recalled).collect::<Vec<_>>());
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
                let ahead = if passes { Vec::new() } else { self.ahead(&want, self.waiting.len()) };
                let may_be_served = !self.paused[who] || !self.naive.gives(&want);
                let served = may_be_served.then(|| self.naive.serve(who, &want, &ahead)).flatten();
                if let Some((text, grant)) = served {
                    self.tell(who, op, text, grant, self.naive.is_offered(&want));
                } else if timeout == NOW {
                    self.tell(who, op, self.timed_out(op, &want), None, false);
                    self.recall(Some((who, want)));
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
        if op.0.is_multiple_of(2) || !is_branch(&command) || prefetches(&command) {
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

    /// Present wants that come before one at `index`: those before it, and all if it stands back.
    fn ahead(&self, want: &N::Want, index: usize) -> Vec<N::Want> {
        let index = if self.naive.stands_back(want) { self.waiting.len() } else { index };
        let before = self.waiting[..index].iter().filter(|waiting| self.is_present(waiting.who));
        let before = before.map(|waiting| &waiting.want).filter(|other| !self.naive.stands_back(other));
        before.cloned().collect()
    }

    /// What those who are present wait for, or one asks who does not wait, is recalled where it was given ahead of need.
    fn recall(&mut self, asked: Option<(Who, N::Want)>) {
        let present: [bool; SESSIONS] = std::array::from_fn(|who| self.is_present(who));
        let waiting = self.waiting.iter().map(|waiting| (waiting.who, waiting.want.clone())).chain(asked);
        let asking = waiting.filter(|(who, _)| present[*who]).map(|(_, want)| want);
        let asking: Vec<_> = asking.collect();
        for grant in self.naive.recalls(&asking, &present) {
            let is_it = |unsettled: &Unsettled<N::Grant>| unsettled.grant.as_ref() == Some(&grant);
            let all =
                self.unsettled.iter().enumerate().flat_map(|(who, own)| own.iter().map(move |of| (who, of)));
            let (who, (op, _)) =
                all.into_iter().find(|(_, (_, unsettled))| is_it(unsettled)).expect("it is on offer");
            self.told.push((who, *op, RECALLED.to_owned(), false));
        }
    }

    /// Serves whoever can be served, from the front, until nobody can.
    fn settle(&mut self) {
        let mut anew = Vec::new();
        for mut waiting in std::mem::take(&mut self.waiting) {
            match self.naive.waits_anew(&mut waiting.want) {
                true => anew.push(Waiting { deadline: None, ..waiting }),
                false => self.waiting.push(waiting),
            }
        }
        self.waiting.extend(anew);
        self.settle_those(|naive, want| naive.settles_everyone(want));
        loop {
            self.settle_those(|naive, want| !naive.settles_everyone(want) && naive.gives(want));
            if !self.settle_those(|naive, want| !naive.settles_everyone(want) && !naive.gives(want)) {
                break;
            }
        }
        self.recall(None);
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
            let ahead = self.ahead(&want, index);
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
            cancelled = self.leaves(index, Leaving::Cancelled);
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

    /// Whether the wait at `index` has ended.
    fn leaves(&mut self, index: usize, how: Leaving) -> bool {
        let mut waiting = self.waiting.remove(index);
        let after = self.naive.leaves(&mut waiting.want, how);
        match after {
            After::Ends => {}
            After::Stays => self.waiting.insert(index, waiting),
            After::WaitsAnew => self.waiting.push(Waiting { deadline: None, ..waiting }),
        }
        after == After::Ends
    }

    /// A call that takes ahead of need waits in earnest from now on; no other changes.
    fn hasten(&mut self, who: Who, index: Index) {
        let waiting = self.waiting.iter().filter(|waiting| waiting.who == who).map(|waiting| waiting.op);
        let ops: Vec<Op> = waiting.chain(self.unsettled[who].keys().copied()).collect();
        if ops.is_empty() || !self.attached[who] {
            return;
        }
        let target = ops[index.index(ops.len())];
        let stands_back = |waiting: &Waiting<N::Want>| self.naive.stands_back(&waiting.want);
        let found = self.waiting.iter().position(|waiting| waiting.op == target && stands_back(waiting));
        if let Some(index) = found {
            let mut waiting = self.waiting.remove(index);
            self.naive.hasten(&mut waiting.want);
            self.waiting.push(waiting);
        }
        let op = self.op();
        self.tell(who, op, "Hastened".into(), None, true);
        self.settle();
        let input = self.call(who, op, Command::Hasten(target));
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
        for mut waiting in own_waits {
            self.naive.leaves(&mut waiting.want, Leaving::SessionOver);
        }
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
            let Waiting { who, op, want, .. } = self.waiting[index].clone();
            if self.leaves(index, Leaving::TimedOut) {
                self.tell(who, op, self.timed_out(op, &want), None, true);
            }
            self.settle();
        }
    }

    /// The engine does the same and tells the same.
    fn check(&mut self, input: Input) {
        let mut told = Vec::new();
        let keys = self.keys;
        let who = |to| keys.iter().position(|key| *key == to).expect("a known session");
        for effect in self.space.input(input.clone()) {
            match effect {
                // What a client is told beside; its releases are answered accordingly.
                Effect::Answer { outcome: Ok(Reply::Lost(_)), .. } => {}
                Effect::Answer { to, op, outcome, offered } => {
                    let answer = Answer { to, op, outcome: of_branch(outcome), offered };
                    self.naive.note(&answer);
                    told.push((who(to), op, in_short(&answer.outcome), offered));
                }
                Effect::Recall { to, op } => told.push((who(to), op, RECALLED.to_owned(), false)),
                _ => {}
            }
        }
        let mut expected = std::mem::take(&mut self.told);
        expected.iter_mut().for_each(|told| told.2 = without_labels(&told.2));
        expected.sort();
        told.sort();
        assert_eq!(told, expected, "after {input:?}");
    }
}

fn prefetches(command: &Command) -> bool {
    matches!(command, Command::Queue(_, command::queue::Command::Take { taking, .. }) if taking.prefetch)
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

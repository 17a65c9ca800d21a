//! Shared values: a counter, a dict whose entries are compared and set, fenced, and bound to sessions, and a list.
//! Semantics 8.
//!
//! Judged: no increment is lost, and none counts twice; versions grow; of two who compare with the same version one
//! sets; a fence keeps lower ones out; what was appended is popped once; what is bound to a session goes with it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bridge_client::session::{Declaration, Object};
use bridge_core::command::list::{self, Splice};
use bridge_core::command::value::{
    Command, Datum, Entry, Guard, Lifetime, Options, Query, Reply, Version, Write,
};
use bridge_core::command::{Command as AnyCommand, Query as AnyQuery, Reply as AnyReply};
use bridge_core::ids::Token;
use bridge_core::{Reason, Request, Timeout};
use bytes::Bytes;

use super::{Activity, End, Moment, Next, Workload, ask, expect_reason, handle};
use crate::plan::Plan;
use crate::server::{Incarnation, Server};

/// A client's handles.
struct Handles {
    counter: Arc<Object>,
    dict: Arc<Object>,
    list: Arc<Object>,
}

impl Handles {
    fn new() -> Self {
        Handles {
            counter: handle("counter", Declaration::Value(Options::default())),
            dict: handle("dict", Declaration::Dict(Options::default())),
            list: handle("list", Declaration::List(Options::default())),
        }
    }
}

#[derive(Default)]
struct Ledger {
    /// By client.
    handles: Vec<Handles>,
    /// What increments were answered with: the number, and its version.
    numbers: BTreeMap<i64, Version>,
    increments: u64,
    /// The newest version of the entry that is compared and set, and those that somebody has replaced.
    version: Version,
    replaced: BTreeSet<Version>,
    fence_passed: u64,
    fence_asked: u64,
    appended: BTreeSet<i64>,
    next_append: i64,
    popped: BTreeSet<i64>,
    watching: u64,
    /// The sessions that entries were bound to.
    bound: BTreeMap<i64, Incarnation>,
    next_bound: i64,
    /// The server has lost it all meanwhile.
    doubtful: bool,
    total: Option<i64>,
    rest: Option<Vec<Datum>>,
    entries: Option<Vec<Entry>>,
}

/// The shared values of a run.
pub struct Values(Rc<RefCell<Ledger>>);

impl Values {
    /// One of each.
    pub fn new(plan: &Plan) -> Self {
        let handles = (0..=plan.clients).map(|_| Handles::new()).collect();
        Values(Rc::new(RefCell::new(Ledger { handles, ..Ledger::default() })))
    }

    fn task(&self, doing: Doing) -> Box<dyn Activity> {
        Box::new(Task { ledger: self.0.clone(), doing, life: 0, fence_passed: 0, session: None })
    }
}

const COMPARED: &[u8] = b"compared";
const FENCED: &[u8] = b"fenced";

#[derive(Clone, Debug)]
enum Doing {
    Increment,
    Read,
    CompareAndSet(Version),
    Delete(Version),
    SetFenced(u64),
    Bind,
    Binding(i64),
    Watch {
        after: Version,
        timeout: Timeout,
    },
    Append,
    Appending(i64),
    Pop,
    /// At the end.
    Total,
    Rest,
    Entries,
    Done,
}

struct Task {
    ledger: Rc<RefCell<Ledger>>,
    doing: Doing,
    life: u32,
    /// The highest fence that was known to have passed when this was asked for.
    fence_passed: u64,
    session: Option<Incarnation>,
}

fn set(key: Bytes, datum: i64, guard: Guard, lifetime: Lifetime) -> Command {
    Command::Set { key, write: Box::new(Write { datum: Datum::Integer(datum), guard, lifetime }) }
}

fn integer(datum: &Datum) -> i64 {
    match datum {
        Datum::Integer(number) => *number,
        other => panic!("{other:?} was never stored"),
    }
}

impl Task {
    fn answered(&mut self, moment: &mut Moment<'_>, ledger: &mut Ledger, doing: &Doing, reply: Reply) {
        match (doing, reply) {
            (Doing::Increment, Reply::Incremented(item)) => {
                moment.reach.note("value: incremented");
                let number = item.datum.as_ref().map_or(0, integer);
                let before = ledger.numbers.insert(number, item.version);
                assert_eq!(before, None, "two increments were answered with {number}");
                let below = ledger.numbers.range(..number).next_back().is_none_or(|(_, v)| *v < item.version);
                let above = ledger.numbers.range(number + 1..).next().is_none_or(|(_, v)| *v > item.version);
                assert!(below && above, "the version of {number} is {}", item.version);
            }
            (Doing::Read, Reply::Got(item)) => {
                let version = item.version;
                self.doing = match moment.random.chance(800) {
                    true => Doing::CompareAndSet(version),
                    false => Doing::Delete(version),
                };
            }
            (Doing::CompareAndSet(expected), Reply::Set { done, item }) => {
                moment.reach.note(if done {
                    "value: compared and set"
                } else {
                    "value: compared, and not set"
                });
                if done {
                    assert!(item.version > *expected, "version {} after {expected}", item.version);
                    let first = *expected == 0 || ledger.replaced.insert(*expected);
                    assert!(first, "two have replaced version {expected}");
                    ledger.version = ledger.version.max(item.version);
                } else {
                    assert_ne!(item.version, *expected, "it was not set, though nobody had changed it");
                }
            }
            (Doing::Delete(expected), Reply::Deleted { done, .. }) => {
                moment.reach.note(if done {
                    "value: compared and deleted"
                } else {
                    "value: compared, and not deleted"
                });
                if done && *expected != 0 {
                    assert!(ledger.replaced.insert(*expected), "two have replaced version {expected}");
                }
            }
            (Doing::SetFenced(fence), Reply::Set { .. }) => {
                moment.reach.note("value: a fence is passed");
                assert!(*fence >= self.fence_passed, "fence {fence} was passed after {}", self.fence_passed);
                ledger.fence_passed = ledger.fence_passed.max(*fence);
            }
            (Doing::Binding(_), Reply::Set { .. }) => {
                moment.reach.note("value: an entry is bound to its session")
            }
            (Doing::Watch { after, .. }, Reply::Watched { changed, item }) => {
                moment.reach.note(match changed {
                    true => "value: a watch ends with a change",
                    false => "value: a watch's time is over",
                });
                let truly = item.version > *after || item.as_of > *after;
                assert!(!changed || truly, "a watch after {after} ends with {item:?}");
            }
            (Doing::Appending(number), Reply::Spliced(_)) => {
                moment.reach.note("value: appended to a list");
                ledger.appended.insert(*number);
            }
            (Doing::Pop, Reply::Spliced(spliced)) => {
                for number in spliced.removed.iter().map(integer) {
                    moment.reach.note("value: popped from a list");
                    assert!(number < ledger.next_append, "{number} is invented");
                    assert!(ledger.popped.insert(number), "{number} was popped twice");
                }
            }
            (Doing::Total, Reply::Got(item)) => ledger.total = Some(item.datum.as_ref().map_or(0, integer)),
            (Doing::Rest, Reply::Read(page)) => ledger.rest = Some(page.items),
            (Doing::Entries, Reply::Items(page)) => ledger.entries = Some(page.entries),
            (doing, reply) => panic!("{doing:?} was answered with {reply:?}"),
        }
    }
}

impl Activity for Task {
    fn next(&mut self, moment: &mut Moment<'_>) -> Next {
        self.life = moment.server.life();
        self.session = moment.own().incarnation;
        let ledger = &mut *self.ledger.borrow_mut();
        self.fence_passed = ledger.fence_passed;
        let handles = &ledger.handles[moment.client];
        let (counter, dict, list) = (handles.counter.clone(), handles.dict.clone(), handles.list.clone());
        let of_dict = |command| {
            let target = dict.target();
            Next::Call(dict.clone(), Request::Command(AnyCommand::Dict(target, command)))
        };
        let of_list = |splice| {
            let command = AnyCommand::List(list.target(), list::Command::Splice(Box::new(splice)));
            Next::Call(list.clone(), Request::Command(command))
        };
        let compared = Bytes::from_static(COMPARED);
        let guard = |version| Guard { if_version: Some(version), fence: None };
        match self.doing {
            Doing::Increment => {
                ledger.increments += 1;
                let command = Command::Increment { key: Bytes::new(), by: Datum::Integer(1), fence: None };
                let command = AnyCommand::Value(counter.target(), command);
                Next::Call(counter, Request::Command(command))
            }
            Doing::Read => {
                ask(&dict, |target| AnyQuery::Dict(target, Query::Get { key: compared, version_only: false }))
            }
            Doing::CompareAndSet(version) => of_dict(set(compared, 1, guard(version), Lifetime::Lasting)),
            Doing::Delete(version) => {
                of_dict(Command::Delete { key: compared, guard: guard(version), returning: false })
            }
            Doing::SetFenced(fence) => {
                ledger.fence_asked = ledger.fence_asked.max(fence);
                let guard = Guard { if_version: None, fence: Some(Token(fence)) };
                of_dict(set(Bytes::from_static(FENCED), fence as i64, guard, Lifetime::Lasting))
            }
            Doing::Bind => {
                let key = Bytes::from(format!("of client {}", moment.client));
                let number = ledger.next_bound;
                ledger.next_bound += 1;
                self.doing = Doing::Binding(number);
                of_dict(set(key, number, Guard::default(), Lifetime::Limited { ttl: None, bound: true }))
            }
            Doing::Watch { after, timeout } => {
                ledger.watching += 1;
                of_dict(Command::Watch { key: Some(compared), after, timeout })
            }
            Doing::Append => {
                let number = ledger.next_append;
                ledger.next_append += 1;
                self.doing = Doing::Appending(number);
                of_list(Splice { items: vec![Datum::Integer(number)], ..Splice::default() })
            }
            Doing::Pop => of_list(Splice {
                start: Some(0),
                remove: 1,
                exact: true,
                returning: true,
                ..Splice::default()
            }),
            Doing::Total => ask(&counter, |target| {
                AnyQuery::Value(target, Query::Get { key: Bytes::new(), version_only: false })
            }),
            Doing::Rest => ask(&list, |target| {
                AnyQuery::List(target, list::Query::Read { start: 0, page_size: 1_000, exact: false })
            }),
            Doing::Entries => ask(&dict, |target| {
                AnyQuery::Dict(target, Query::Items { page_size: 1_000, after: None, keys_only: false })
            }),
            Doing::Binding(_) | Doing::Appending(_) | Doing::Done => Next::Done,
        }
    }

    fn ended(&mut self, moment: &mut Moment<'_>, end: End) {
        let shared = self.ledger.clone();
        let ledger = &mut *shared.borrow_mut();
        let doing = std::mem::replace(&mut self.doing, Doing::Done);
        if let Doing::Watch { .. } = doing {
            ledger.watching -= 1;
        }
        if self.life != moment.server.life() {
            return;
        }
        match (&doing, end) {
            (_, End::Outcome(Ok(AnyReply::Value(reply)))) => {
                // Whoever has another session by now cannot say in which one it was.
                if let (Doing::Binding(number), Some(session)) = (&doing, self.session)
                    && self.session == moment.own().incarnation
                {
                    ledger.bound.insert(*number, session);
                }
                self.answered(moment, ledger, &doing, reply);
            }
            (Doing::SetFenced(fence), End::Outcome(Err(error))) if error.reason == Reason::Fenced => {
                moment.reach.note("value: a lower fence is kept out");
                assert!(ledger.fence_asked > *fence, "nobody has asked with a higher fence than {fence}");
            }
            (_, End::Outcome(Err(error))) => expect_reason("value", &error, &[Reason::OutcomeUnknown]),
            _ => {}
        }
    }

    fn died(&mut self, _moment: &mut Moment<'_>) {}

    fn describe(&self) -> String {
        format!("value {:?}", self.doing)
    }
}

impl Workload for Values {
    fn name(&self) -> &'static str {
        "value"
    }

    fn begin(&mut self, moment: &mut Moment<'_>) -> Box<dyn Activity> {
        let (version, fence) = (self.0.borrow().version, self.0.borrow().fence_asked);
        let doing = match moment.random.below(20) {
            0..=4 => Doing::Increment,
            5..=8 => Doing::Read,
            9..=11 => Doing::SetFenced((fence + moment.random.below(3)).saturating_sub(1)),
            12 => Doing::Bind,
            13..=14 => Doing::Watch { after: version, timeout: moment.timeout(Duration::from_secs(2)) },
            15..=17 => Doing::Append,
            _ => Doing::Pop,
        };
        self.task(doing)
    }

    fn branch(&mut self, _moment: &mut Moment<'_>, owned: bool) -> Option<Box<dyn Activity>> {
        let after = self.0.borrow().version;
        (!owned).then(|| self.task(Doing::Watch { after, timeout: Timeout::Never }))
    }

    fn reset(&mut self, client: usize) {
        self.0.borrow_mut().handles[client] = Handles::new();
    }

    fn help(&mut self, _moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
        (self.0.borrow().watching > 0).then(|| self.task(Doing::Read))
    }

    fn sweep(&mut self, _moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
        let ledger = self.0.borrow();
        let doing = match (&ledger.total, &ledger.rest, &ledger.entries) {
            (None, ..) => Doing::Total,
            (_, None, _) => Doing::Rest,
            (.., None) => Doing::Entries,
            _ => return None,
        };
        Some(self.task(doing))
    }

    fn balance(&self, server: &Server) {
        let ledger = self.0.borrow();
        for entry in ledger.entries.iter().flatten().filter(|entry| entry.bound) {
            let number = entry.datum.as_ref().map_or(0, integer);
            if let Some(session) = ledger.bound.get(&number) {
                assert!(server.lives(*session), "{entry:?} has outlived {session:?}");
            }
        }
        if ledger.doubtful {
            return;
        }
        let known = ledger.numbers.len() as i64;
        let total = ledger.total.expect("invariant: it was looked at");
        assert!(
            (known..=ledger.increments as i64).contains(&total),
            "the counter is at {total} after {known} to {} increments",
            ledger.increments
        );
        let rest: Vec<i64> = ledger.rest.iter().flatten().map(integer).collect();
        let twice = rest.iter().find(|number| ledger.popped.contains(number));
        assert_eq!(twice, None, "what was popped is still there");
        assert!(rest.iter().collect::<BTreeSet<_>>().len() == rest.len(), "something was appended twice");
    }

    fn life_over(&mut self) {
        let mut ledger = self.0.borrow_mut();
        let handles = std::mem::take(&mut ledger.handles);
        // What is under way may reach the next life.
        let Ledger { next_append, next_bound, fence_asked, watching, .. } = *ledger;
        let doubtful = true;
        *ledger =
            Ledger { handles, next_append, next_bound, fence_asked, watching, doubtful, ..Ledger::default() };
    }
}

//! Events: flags that wake everybody, and pulses that wake one. Semantics 2.
//!
//! Judged: no wait ends by its time although a newer set than it asked for is known, versions of sets are all different,
//! as many pulses are taken as there were sets at most, and a set at the end wakes whoever waits.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use bridge_client::session::{Declaration, Object, Origin};
use bridge_core::command::{Command, event};
use bridge_core::ids::{Name, Op};
use bridge_core::{Reason, Reply, Request, Timeout};

use super::{Activity, End, Moment, Next, Workload, expect_reason};
use crate::plan::Plan;
use crate::server::{Incarnation, Server};

/// One event and what is known of it.
struct Ledger {
    name: &'static str,
    auto_reset: bool,
    /// By client.
    handles: Vec<Arc<Object>>,
    waiting: u64,
    versions: BTreeSet<u64>,
    /// The newest set that anybody has seen.
    newest: u64,
    /// Sets of which nobody knows whether they were executed.
    perhaps_set: u64,
    taken: Vec<(Incarnation, Op)>,
}

impl Ledger {
    fn new(name: &'static str, auto_reset: bool, clients: usize) -> Rc<RefCell<Self>> {
        let mut ledger = Ledger {
            name,
            auto_reset,
            handles: Vec::new(),
            waiting: 0,
            versions: BTreeSet::new(),
            newest: 0,
            perhaps_set: 0,
            taken: Vec::new(),
        };
        // One more for who closes.
        ledger.handles = (0..=clients).map(|_| ledger.handle()).collect();
        Rc::new(RefCell::new(ledger))
    }

    fn handle(&self) -> Arc<Object> {
        let options = event::Options { auto_reset: Some(self.auto_reset), ..Default::default() };
        let name = Name::parse("name", self.name).expect("invariant: a valid name");
        Arc::new(Object::new(name, Declaration::Event(options), Origin::Named))
    }
}

/// The events of a run.
pub struct Events(Vec<Rc<RefCell<Ledger>>>);

impl Events {
    /// As the seed wants them.
    pub fn new(_seed: u64, plan: &Plan) -> Self {
        Events(vec![Ledger::new("flag", false, plan.clients), Ledger::new("pulse", true, plan.clients)])
    }
}

#[derive(Clone, Copy, Debug)]
enum Doing {
    Declare,
    Set,
    Clear,
    Wait { timeout: Timeout, after: Option<u64> },
}

struct Task {
    ledger: Rc<RefCell<Ledger>>,
    todo: Vec<Doing>,
    now: Option<Doing>,
    /// Which life of the server it was when the call was made.
    life: u32,
}

impl Activity for Task {
    fn next(&mut self, moment: &mut Moment<'_>) -> Next {
        self.now = self.todo.pop();
        self.life = moment.server.life();
        let Some(doing) = self.now else { return Next::Done };
        let mut ledger = self.ledger.borrow_mut();
        let object = ledger.handles[moment.client].clone();
        let command = match doing {
            Doing::Declare => return Next::Call(object.clone(), object.declare()),
            Doing::Set => event::Command::Set,
            Doing::Clear => event::Command::Clear,
            Doing::Wait { timeout, after } => {
                ledger.waiting += 1;
                event::Command::Wait { timeout, after }
            }
        };
        let target = object.target();
        Next::Call(object, Request::Command(Command::Event(target, command)))
    }

    fn ended(&mut self, moment: &mut Moment<'_>, end: End) {
        let Some(doing) = self.now.take() else { return };
        let ledger = &mut *self.ledger.borrow_mut();
        let same_life = self.life == moment.server.life();
        if let Doing::Wait { .. } = doing {
            ledger.waiting -= 1;
        }
        match (doing, end) {
            (Doing::Set, End::Outcome(Ok(Reply::Event(event::Reply::Set { version })))) => {
                moment.reach.note("event: set");
                if same_life {
                    assert!(
                        ledger.versions.insert(version),
                        "{}: two sets have version {version}",
                        ledger.name
                    );
                    ledger.newest = ledger.newest.max(version);
                }
            }
            (Doing::Set, End::Outcome(Err(error))) => {
                expect_reason("set", &error, &[Reason::OutcomeUnknown]);
                ledger.perhaps_set += u64::from(error.reason == Reason::OutcomeUnknown);
            }
            (Doing::Set, _) => ledger.perhaps_set += 1,
            (
                Doing::Wait { after, .. },
                End::Outcome(Ok(Reply::Event(event::Reply::Waited { is_set, version }))),
            ) => {
                moment.reach.note(match (is_set, ledger.auto_reset) {
                    (true, false) => "event: a wait ends with a set",
                    (true, true) => "event: a pulse is taken",
                    (false, _) => "event: a wait's time is over",
                });
                if !is_set && same_life && !ledger.auto_reset {
                    let missed = after.is_some_and(|after| version > after);
                    assert!(
                        !missed,
                        "{}: a wait after {after:?} timed out at version {version}",
                        ledger.name
                    );
                }
                if is_set && let Some(incarnation) = moment.own().incarnation {
                    ledger.taken.push((incarnation, moment.op));
                }
            }
            (Doing::Wait { .. }, End::Refused(_)) if ledger.auto_reset => {
                moment.reach.note("event: a pulse is refused");
            }
            (Doing::Wait { .. } | Doing::Clear | Doing::Declare, End::Outcome(Err(error))) => {
                expect_reason("event", &error, &[Reason::OutcomeUnknown]);
            }
            _ => {}
        }
    }

    fn died(&mut self, _moment: &mut Moment<'_>) {}

    fn describe(&self) -> String {
        format!("event {} {:?}", self.ledger.borrow().name, self.now)
    }
}

impl Workload for Events {
    fn name(&self) -> &'static str {
        "event"
    }

    fn begin(&mut self, moment: &mut Moment<'_>) -> Box<dyn Activity> {
        let ledger = self.0[moment.random.index(self.0.len())].clone();
        let newest = ledger.borrow().newest;
        let todo = match moment.random.below(10) {
            0 => vec![Doing::Clear],
            1 => vec![Doing::Declare],
            2..=5 => vec![Doing::Set],
            6 => vec![Doing::Clear, Doing::Set],
            _ => {
                let timeout = moment.timeout(std::time::Duration::from_secs(3));
                let after = moment.random.chance(400).then_some(newest);
                vec![Doing::Wait { timeout, after }]
            }
        };
        Box::new(Task { ledger, todo, now: None, life: 0 })
    }

    fn branch(&mut self, moment: &mut Moment<'_>, owned: bool) -> Option<Box<dyn Activity>> {
        let ledger = self.0[moment.random.index(self.0.len())].clone();
        let after = moment.random.chance(400).then_some(ledger.borrow().newest);
        let todo = vec![Doing::Wait { timeout: Timeout::Never, after }];
        (!owned).then(|| Box::new(Task { ledger, todo, now: None, life: 0 }) as Box<dyn Activity>)
    }

    fn reset(&mut self, client: usize) {
        for ledger in &self.0 {
            let handle = ledger.borrow().handle();
            ledger.borrow_mut().handles[client] = handle;
        }
    }

    fn help(&mut self, _moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
        let waited_for = self.0.iter().find(|ledger| ledger.borrow().waiting > 0)?;
        // One set is enough for a flag; a pulse wakes one each.
        let sets = if waited_for.borrow().auto_reset { waited_for.borrow().waiting } else { 1 };
        let todo = vec![Doing::Set; sets as usize];
        Some(Box::new(Task { ledger: waited_for.clone(), todo, now: None, life: 0 }))
    }

    fn sweep(&mut self, _moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
        None
    }

    fn balance(&self, server: &Server) {
        for ledger in self.0.iter().map(|ledger| ledger.borrow()).filter(|ledger| ledger.auto_reset) {
            let taken = ledger.taken.iter().filter(|(session, op)| server.has_accept(*session, *op)).count();
            let sets = ledger.versions.len() as u64 + ledger.perhaps_set;
            assert!(taken as u64 <= sets, "{}: {taken} pulses were taken of {sets} sets", ledger.name);
        }
    }

    fn life_over(&mut self) {
        for ledger in &self.0 {
            let mut ledger = ledger.borrow_mut();
            ledger.versions.clear();
            ledger.newest = 0;
            // Sets whose answers are still on their way count for the next life, perhaps.
            ledger.perhaps_set = 1_000;
            ledger.taken.clear();
        }
    }
}

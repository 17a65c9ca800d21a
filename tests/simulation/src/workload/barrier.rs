//! Barriers, with actions and without. Semantics 6.
//!
//! Judged: a generation's places are given once each, and there are as many as parties; a wait ends by the rules only.
//! That a party's end breaks it for all is judged from the journal, in `replay.rs`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bridge_client::session::{Declaration, Object};
use bridge_core::command::barrier::{Arrive, Arrived, Command, Figures, OnCancel, Options, Query, Reply};
use bridge_core::command::{Command as AnyCommand, Query as AnyQuery, Reply as AnyReply};
use bridge_core::{Reason, Request};

use super::{Activity, End, Moment, Next, Workload, ask, expect_reason, handle};
use crate::plan::Plan;
use crate::server::Server;

struct Ledger {
    parties: u32,
    /// By client.
    handles: Vec<Arc<Object>>,
    waiting: u64,
    /// Generations that have gone on, and the places in them, of this life.
    passed: BTreeSet<(u64, u32)>,
    figures: Option<Figures>,
}

impl Ledger {
    fn handle(&self) -> Arc<Object> {
        let options = Options { parties: Some(self.parties), ..Default::default() };
        handle("barrier", Declaration::Barrier(options))
    }

    fn go_on(&mut self, arrived: Arrived) {
        assert!(arrived.index < self.parties, "{arrived:?} of {} parties", self.parties);
        let first = self.passed.insert((arrived.generation, arrived.index));
        assert!(first, "{arrived:?} is given to two parties");
    }
}

/// The barrier of a run.
pub struct Barriers(Rc<RefCell<Ledger>>);

impl Barriers {
    /// For about half of the tasks of one client.
    pub fn new(plan: &Plan) -> Self {
        let parties = plan.tasks as u32 / 2 + 1;
        let mut ledger =
            Ledger { parties, handles: Vec::new(), waiting: 0, passed: BTreeSet::new(), figures: None };
        ledger.handles = (0..=plan.clients).map(|_| ledger.handle()).collect();
        Barriers(Rc::new(RefCell::new(ledger)))
    }

    fn task(&self, doing: Doing) -> Box<dyn Activity> {
        Box::new(Task { ledger: self.0.clone(), doing, life: 0 })
    }
}

#[derive(Clone, Copy, Debug)]
enum Doing {
    Wait(Arrive),
    /// Runs the action, and says how it went.
    Act(Arrived, u32),
    Tell(Arrived, bool),
    Reset,
    Abort,
    Look,
    Done,
}

struct Task {
    ledger: Rc<RefCell<Ledger>>,
    doing: Doing,
    life: u32,
}

impl Activity for Task {
    fn next(&mut self, moment: &mut Moment<'_>) -> Next {
        match self.doing {
            Doing::Act(arrived, left) if left > 0 && !moment.closing => {
                self.doing = Doing::Act(arrived, left - 1);
                return Next::Think;
            }
            Doing::Act(arrived, _) => self.doing = Doing::Tell(arrived, moment.random.chance(800)),
            Doing::Wait(_) => self.life = moment.server.life(),
            _ => {}
        }
        let mut ledger = self.ledger.borrow_mut();
        let object = ledger.handles[moment.client].clone();
        let command = match self.doing {
            Doing::Wait(arrive) => {
                ledger.waiting += 1;
                Command::Wait(arrive)
            }
            Doing::Tell(Arrived { action: Some(action), .. }, well) => {
                Command::ActionDone { action, error: (!well).then(|| "it went wrong".into()) }
            }
            Doing::Reset => Command::Reset,
            Doing::Abort => Command::Abort,
            Doing::Look => return ask(&object, |target| AnyQuery::Barrier(target, Query::Describe)),
            _ => return Next::Done,
        };
        let target = object.target();
        Next::Call(object, Request::Command(AnyCommand::Barrier(target, command)))
    }

    fn ended(&mut self, moment: &mut Moment<'_>, end: End) {
        let ledger = &mut *self.ledger.borrow_mut();
        let doing = std::mem::replace(&mut self.doing, Doing::Done);
        if let Doing::Wait(_) = doing {
            ledger.waiting -= 1;
        }
        let same_life = self.life == moment.server.life();
        match (doing, end) {
            (Doing::Wait(_), End::Outcome(Ok(AnyReply::Barrier(Reply::Arrived(arrived))))) => {
                if arrived.action.is_some() {
                    moment.reach.note("barrier: a party runs the action");
                    self.doing = Doing::Act(arrived, moment.random.below(3) as u32);
                } else {
                    moment.reach.note("barrier: a party goes on");
                    if same_life {
                        ledger.go_on(arrived);
                    }
                }
            }
            (Doing::Wait(_), End::Outcome(Err(error))) => {
                let allowed = [Reason::BrokenBarrier, Reason::TimedOut, Reason::OutcomeUnknown];
                expect_reason("a barrier's wait", &error, &allowed);
                moment.reach.note(match error.reason {
                    Reason::BrokenBarrier => "barrier: a party is told that it is broken",
                    Reason::TimedOut => "barrier: a party's time is over",
                    _ => "barrier: a wait ends otherwise",
                });
            }
            (Doing::Wait(_), End::Refused(_)) => moment.reach.note("barrier: the action is refused"),
            (Doing::Tell(arrived, _), End::Outcome(Ok(AnyReply::Barrier(Reply::ActionDone { passed })))) => {
                moment.reach.note(match passed {
                    true => "barrier: the action is done",
                    false => "barrier: the action has failed",
                });
                if passed && same_life {
                    ledger.go_on(arrived);
                }
            }
            (told @ Doing::Tell(..), End::Outcome(Err(error))) => {
                let allowed = [Reason::BrokenBarrier, Reason::Stale, Reason::OutcomeUnknown];
                expect_reason("the end of an action", &error, &allowed);
                match error.reason {
                    Reason::Unavailable => self.doing = told,
                    Reason::OutcomeUnknown => {}
                    _ => moment.reach.note("barrier: it was broken while the action ran"),
                }
            }
            (Doing::Look, End::Outcome(Ok(AnyReply::Barrier(Reply::Described(figures))))) => {
                ledger.figures = Some(*figures);
            }
            _ => {}
        }
    }

    fn may_withdraw(&self) -> bool {
        !matches!(self.doing, Doing::Tell(..))
    }

    fn died(&mut self, _moment: &mut Moment<'_>) {}

    fn describe(&self) -> String {
        format!("barrier {:?}", self.doing)
    }
}

impl Workload for Barriers {
    fn name(&self) -> &'static str {
        "barrier"
    }

    fn begin(&mut self, moment: &mut Moment<'_>) -> Box<dyn Activity> {
        let timeout = moment.timeout(Duration::from_secs(4));
        let arrive = Arrive {
            timeout,
            has_action: moment.random.chance(300),
            on_cancel: moment.random.pick(&[OnCancel::Break, OnCancel::Leave]),
        };
        self.task(match moment.random.below(100) {
            0 => Doing::Abort,
            1..=15 => Doing::Reset,
            _ => Doing::Wait(arrive),
        })
    }

    fn reset(&mut self, client: usize) {
        let handle = self.0.borrow().handle();
        self.0.borrow_mut().handles[client] = handle;
    }

    fn help(&mut self, _moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
        (self.0.borrow().waiting > 0).then(|| self.task(Doing::Reset))
    }

    fn sweep(&mut self, _moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
        self.0.borrow().figures.is_none().then(|| self.task(Doing::Look))
    }

    fn balance(&self, _server: &Server) {
        let ledger = self.0.borrow();
        let figures = ledger.figures.as_ref().expect("invariant: it was looked at");
        assert!(figures.waiting == 0 && !figures.acting, "somebody waits at the end: {figures:?}");
    }

    fn life_over(&mut self) {
        self.0.borrow_mut().passed.clear();
    }
}

//! Latches, one after the other. Semantics 6.
//!
//! Judged: each count_down counts once, however often it was sent; nobody goes on before zero.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bridge_client::session::{Declaration, Object};
use bridge_core::command::latch::{Command, Figures, Options, Query, Reply};
use bridge_core::command::{Command as AnyCommand, Query as AnyQuery, Reply as AnyReply};
use bridge_core::{Reason, Request, Timeout};

use super::{Activity, End, Moment, Next, Workload, ask, expect_reason, handle};
use crate::plan::Plan;
use crate::server::Server;

struct Ledger {
    name: String,
    initial: u64,
    /// By client.
    handles: Vec<Arc<Object>>,
    waiting: u64,
    /// Counted for certain; and asked for, whatever came of it.
    counted: u64,
    asked: u64,
    /// The server has lost it meanwhile.
    doubtful: bool,
    figures: Option<Figures>,
}

impl Ledger {
    fn new(number: usize, initial: u64, clients: usize) -> Rc<RefCell<Self>> {
        let mut ledger = Ledger {
            name: format!("latch {number}"),
            initial,
            handles: Vec::new(),
            waiting: 0,
            counted: 0,
            asked: 0,
            doubtful: false,
            figures: None,
        };
        ledger.handles = (0..=clients).map(|_| ledger.handle()).collect();
        Rc::new(RefCell::new(ledger))
    }

    fn handle(&self) -> Arc<Object> {
        handle(&self.name, Declaration::Latch(Options { count: Some(self.initial), ..Default::default() }))
    }
}

/// The latches of a run; the last is in use.
pub struct Latches {
    latches: Vec<Rc<RefCell<Ledger>>>,
    clients: usize,
}

impl Latches {
    /// The first.
    pub fn new(plan: &Plan) -> Self {
        Latches { latches: vec![Ledger::new(0, 10, plan.clients)], clients: plan.clients }
    }
}

#[derive(Clone, Copy, Debug)]
enum Doing {
    CountDown(u64),
    Wait(Timeout),
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
        self.life = moment.server.life();
        let mut ledger = self.ledger.borrow_mut();
        let object = ledger.handles[moment.client].clone();
        let command = match self.doing {
            Doing::CountDown(by) => {
                ledger.asked += by;
                Command::CountDown { by }
            }
            Doing::Wait(timeout) => {
                ledger.waiting += 1;
                Command::Wait { timeout }
            }
            Doing::Look => return ask(&object, |target| AnyQuery::Latch(target, Query::Describe)),
            Doing::Done => return Next::Done,
        };
        let target = object.target();
        Next::Call(object, Request::Command(AnyCommand::Latch(target, command)))
    }

    fn ended(&mut self, moment: &mut Moment<'_>, end: End) {
        let ledger = &mut *self.ledger.borrow_mut();
        let doing = std::mem::replace(&mut self.doing, Doing::Done);
        ledger.doubtful |= self.life != moment.server.life();
        if let Doing::Wait(_) = doing {
            ledger.waiting -= 1;
        }
        match (doing, end) {
            (Doing::CountDown(by), End::Outcome(Ok(AnyReply::Latch(Reply::CountedDown { count })))) => {
                moment.reach.note("latch: counted down");
                ledger.counted += by;
                let least = ledger.initial.saturating_sub(ledger.asked);
                assert!(ledger.doubtful || count >= least, "{}: {count} after {}", ledger.name, ledger.asked);
            }
            (Doing::Wait(_), End::Outcome(Ok(AnyReply::Latch(Reply::Waited { is_open })))) => {
                moment.reach.note(match is_open {
                    true => "latch: a wait ends as it is open",
                    false => "latch: a wait's time is over",
                });
                let too_early = is_open && ledger.asked < ledger.initial && !ledger.doubtful;
                assert!(!too_early, "{} is open after {} of {}", ledger.name, ledger.asked, ledger.initial);
            }
            (Doing::CountDown(_) | Doing::Wait(_), End::Outcome(Err(error))) => {
                expect_reason("latch", &error, &[Reason::OutcomeUnknown]);
            }
            (Doing::Look, End::Outcome(Ok(AnyReply::Latch(Reply::Described(figures))))) => {
                ledger.figures = Some(*figures);
            }
            _ => {}
        }
    }

    fn died(&mut self, _moment: &mut Moment<'_>) {}

    fn describe(&self) -> String {
        format!("{} {:?}", self.ledger.borrow().name, self.doing)
    }
}

impl Workload for Latches {
    fn name(&self) -> &'static str {
        "latch"
    }

    fn begin(&mut self, moment: &mut Moment<'_>) -> Box<dyn Activity> {
        let number = self.latches.len();
        if self.latches[number - 1].borrow().counted > self.latches[number - 1].borrow().initial + 3 {
            let initial = moment.random.between(3, 20);
            self.latches.push(Ledger::new(number, initial, self.clients));
        }
        let ledger = self.latches[self.latches.len() - 1].clone();
        let doing = match moment.random.below(10) {
            0..=4 => Doing::CountDown(moment.random.between(1, 2)),
            _ => Doing::Wait(moment.timeout(Duration::from_secs(4))),
        };
        Box::new(Task { ledger, doing, life: 0 })
    }

    fn branch(&mut self, _moment: &mut Moment<'_>, owned: bool) -> Option<Box<dyn Activity>> {
        let ledger = self.latches[self.latches.len() - 1].clone();
        let task = Task { ledger, doing: Doing::Wait(Timeout::Never), life: 0 };
        (!owned).then(|| Box::new(task) as Box<dyn Activity>)
    }

    fn reset(&mut self, client: usize) {
        for ledger in &self.latches {
            let handle = ledger.borrow().handle();
            ledger.borrow_mut().handles[client] = handle;
        }
    }

    fn help(&mut self, _moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
        let ledger = self.latches.iter().find(|ledger| ledger.borrow().waiting > 0)?.clone();
        Some(Box::new(Task { ledger, doing: Doing::CountDown(1), life: 0 }))
    }

    fn sweep(&mut self, _moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
        let ledger = self.latches.iter().find(|ledger| ledger.borrow().figures.is_none())?.clone();
        Some(Box::new(Task { ledger, doing: Doing::Look, life: 0 }))
    }

    fn balance(&self, _server: &Server) {
        for ledger in self.latches.iter().map(|ledger| ledger.borrow()) {
            let found = ledger.figures.as_ref().expect("invariant: it was looked at");
            assert_eq!(found.waiting, 0, "{}: {found:?}", ledger.name);
            let left = |counted| ledger.initial.saturating_sub(counted);
            let possible = left(ledger.asked)..=left(ledger.counted);
            assert!(
                ledger.doubtful || possible.contains(&found.count),
                "{}: {found:?} after {} to {} of {}",
                ledger.name,
                ledger.counted,
                ledger.asked,
                ledger.initial
            );
        }
    }

    fn life_over(&mut self) {
        self.latches.iter().for_each(|ledger| ledger.borrow_mut().doubtful = true);
    }
}

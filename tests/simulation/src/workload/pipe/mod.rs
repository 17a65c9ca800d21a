//! Pipes, some at a time: each end is attached by some client, whose tasks send and receive there. Semantics 5, "pipes".
//!
//! Judged: messages come in the order in which they were sent, once, and none that was not sent; the end of a pipe is told
//! only where the other end is closed, after everything that was sent, and always then; so is a broken pipe.

mod ledger;
mod task;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bridge_core::Time;
use bridge_core::command::pipe::{End, Options};

use super::{Activity, Moment, Workload};
use crate::plan::Plan;
use crate::server::Server;
use ledger::{Ledger, Pipe};
use task::{Doing, Task};

/// So many are in use at a time.
const PIPES_MAX: usize = 4;

/// The pipes of a run.
pub struct Pipes {
    ledger: Rc<RefCell<Ledger>>,
    ttl: Duration,
    helped_at: Time,
}

impl Pipes {
    /// None yet.
    pub fn new(plan: &Plan) -> Self {
        let ledger = Rc::new(RefCell::new(Ledger::new(plan.clients)));
        Pipes { ledger, ttl: plan.ttl, helped_at: Time::default() }
    }

    fn task(&self, pipe: usize, end: End, doing: Doing) -> Box<dyn Activity> {
        Box::new(Task::new(self.ledger.clone(), pipe, end, doing))
    }

    /// Ends that the caller may use: those that it has, and those that nobody has had.
    fn usable(&self, moment: &Moment<'_>) -> Vec<(usize, End, bool)> {
        let ledger = self.ledger.borrow();
        let mut usable = Vec::new();
        let from = ledger.pipes.len().saturating_sub(20);
        for (number, pipe) in ledger.pipes.iter().enumerate().skip(from) {
            if pipe.life != moment.server.life() {
                continue;
            }
            for end in [End::A, End::B] {
                let side = pipe.side(end);
                let is_own = !side.busy && !side.over && side.owner.is_some_and(|owner| owner.is(moment));
                if is_own || side.is_fresh() {
                    usable.push((number, end, is_own));
                }
            }
        }
        usable
    }
}

impl Workload for Pipes {
    fn name(&self) -> &'static str {
        "pipe"
    }

    fn begin(&mut self, moment: &mut Moment<'_>) -> Box<dyn Activity> {
        let mut usable = self.usable(moment);
        if usable.is_empty() || usable.len() < PIPES_MAX && moment.random.chance(200) {
            let options = Options {
                duplex: moment.random.pick(&[None, Some(true), Some(false)]),
                maxsize: Some(moment.random.pick(&[0, 0, 1, 3])),
                ..Options::default()
            };
            let pipe = self.ledger.borrow_mut().add(options, moment.server.life());
            usable = vec![(pipe, End::A, false), (pipe, End::B, false)];
        }
        let (pipe, end, is_own) = usable[moment.random.index(usable.len())];
        self.ledger.borrow_mut().pipes[pipe].side_mut(end).busy = true;
        let doing = if is_own { Doing::Think } else { Doing::Attach { named: moment.random.chance(700) } };
        self.task(pipe, end, doing)
    }

    fn reset(&mut self, client: usize) {
        self.ledger.borrow_mut().reset(client);
    }

    fn help(&mut self, moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
        let mut helped = None;
        let (life, at_most) = (moment.server.life(), self.ttl * 4);
        for (number, pipe) in self.ledger.borrow_mut().pipes.iter_mut().enumerate() {
            for end in [End::A, End::B] {
                let (side, other) = (pipe.side(end), pipe.side(end.other()));
                if !side.receiving && !side.sending || pipe.life != life {
                    continue;
                }
                // It is told by itself, and soon.
                if other.must_be_closed(moment.server) {
                    let since = *pipe.side_mut(end).forgotten.get_or_insert(moment.now);
                    let waited = moment.now.since(since);
                    assert!(waited < at_most, "nobody tells {} {end} that the other is gone", pipe.name);
                    continue;
                }
                let receives = pipe.side(end).sending;
                helped = Some((number, end.other(), Doing::Help { receives, attached: false }));
            }
        }
        if moment.now < self.helped_at + Duration::from_millis(200) {
            return None;
        }
        self.helped_at = moment.now;
        helped.map(|(pipe, end, doing)| self.task(pipe, end, doing))
    }

    fn sweep(&mut self, moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
        let (life, server) = (moment.server.life(), moment.server);
        let mut ledger = self.ledger.borrow_mut();
        let is_left = |pipe: &Pipe, end: End| {
            pipe.life == life && !pipe.side(end).swept && !pipe.side(end).may_be_closed(server)
        };
        let mut ends = ledger.pipes.iter().enumerate().flat_map(|(number, pipe)| {
            [End::A, End::B].map(|end| (number, end, is_left(pipe, end) && pipe.receives(end)))
        });
        let (pipe, end, _) = ends.find(|(.., is_left)| *is_left)?;
        ledger.pipes[pipe].side_mut(end).swept = true;
        drop(ledger);
        Some(self.task(pipe, end, Doing::Sweep { attached: false }))
    }

    fn balance(&self, _server: &Server) {}

    fn life_over(&mut self) {}
}

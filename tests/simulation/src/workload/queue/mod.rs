//! Queues: what tasks do with them, in four workloads that share a ledger's rules. Semantics 5.
//!
//! Judged: every admitted item is consumed once, or found at the end; nothing comes out that was not put; nobody has
//! what another has; what was acked or accepted never comes again; a lease ends by its holder's word only; no attempt counts
//! that was none; and at the end nobody waits for what is there.

mod ahead;
mod groups;
mod ledger;
mod letters;
mod plain;
mod task;
mod topics;
mod transaction;
mod transfer;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bridge_core::command::queue::{Batch, Mode};
use bridge_core::{Time, Timeout};

use super::{Activity, Moment, Workload};
use crate::server::Server;
use ledger::Ledger;
pub(crate) use ledger::number;
use task::{Doing, Task};

/// The queues of a workload.
pub struct Queues {
    name: &'static str,
    ledger: Rc<RefCell<Ledger>>,
    /// What a task does next.
    begin: Begin,
    /// What it waits for as one of several.
    branch: Option<Begin>,
    /// Which one may be shut down now; another takes its place.
    closing: usize,
    helped_at: Time,
}

type Begin = fn(&mut Queues, &mut Moment<'_>) -> Box<dyn Activity>;

impl Queues {
    fn with(name: &'static str, ledger: Ledger, begin: Begin) -> Self {
        let ledger = Rc::new(RefCell::new(ledger));
        Queues { name, ledger, begin, branch: None, closing: 0, helped_at: Time::default() }
    }

    fn task(&self, doing: Doing) -> Box<dyn Activity> {
        Box::new(Task::new(self.ledger.clone(), doing))
    }
}

fn some_timeout(moment: &mut Moment<'_>) -> Timeout {
    moment.timeout(Duration::from_secs(4))
}

fn batch(moment: &mut Moment<'_>) -> Batch {
    if moment.random.chance(700) {
        return Batch::ONE;
    }
    let max = moment.random.between(1, 5) as u32;
    let min = moment.random.between(1, u64::from(max)) as u32;
    let linger = match moment.random.chance(500) {
        true => moment.random.short(Duration::from_secs(1)),
        false => Duration::ZERO,
    };
    Batch { max, min, linger }
}

impl Workload for Queues {
    fn name(&self) -> &'static str {
        self.name
    }

    fn begin(&mut self, moment: &mut Moment<'_>) -> Box<dyn Activity> {
        (self.begin)(self, moment)
    }

    fn branch(&mut self, moment: &mut Moment<'_>, owned: bool) -> Option<Box<dyn Activity>> {
        self.branch.filter(|_| !owned).map(|branch| branch(self, moment))
    }

    fn reset(&mut self, client: usize) {
        self.ledger.borrow_mut().reset(client);
    }

    fn help(&mut self, moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
        // Nothing goes wrong any more, and what somebody has in hand he settles within a while.
        let (now, at_most) = (moment.now, self.ledger.borrow().ttl * 4);
        self.ledger.borrow_mut().check_starving(moment.server, now, at_most);
        // What is given one time is used before more is given.
        if moment.now < self.helped_at + Duration::from_millis(100) {
            return None;
        }
        self.helped_at = moment.now;
        let ledger = self.ledger.borrow();
        let mut doing = None;
        for (index, queue) in ledger.queues.iter().enumerate() {
            if queue.putters > 0 {
                let batch = Batch { max: 8, min: 1, linger: Duration::ZERO };
                doing = Some(Doing::take(index, Mode::Get, batch, Timeout::NOW));
            } else if queue.starving.is_some() {
                // What he waits for is there.
            } else if queue.takers > 0 && !queue.shut {
                let unbounded = queue.options.maxsize.unwrap_or(0) == 0;
                let count = if unbounded { 5 * queue.takers as usize } else { 1 };
                doing = Some(Doing::Put { queue: index, count, timeout: Timeout::NOW });
            } else if queue.takers > 0 {
                // Whoever was to shut it down may have been killed before.
                doing = Some(Doing::Shutdown { queue: index, immediate: false });
            } else if queue.joiners > 0 {
                doing = Some(Doing::Finish { queue: index });
            }
            if doing.is_some() {
                break;
            }
        }
        drop(ledger);
        doing.map(|doing| self.task(doing))
    }

    fn sweep(&mut self, _moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
        let ledger = self.ledger.borrow();
        let unswept = ledger.queues.iter().position(|queue| !queue.swept);
        let unbrowsed = ledger.queues.iter().position(|queue| !queue.browsed);
        let unfinished = ledger.queues.iter().position(|queue| queue.joined && queue.figures.is_none());
        drop(ledger);
        let doing = match (unswept, unbrowsed, unfinished) {
            (Some(queue), ..) => Doing::Sweep { queue },
            (_, Some(queue), _) => Doing::BrowseDead { queue, after: None },
            (_, _, Some(queue)) => Doing::Finish { queue },
            _ => return None,
        };
        Some(self.task(doing))
    }

    fn balance(&self, server: &Server) {
        self.ledger.borrow().balance(server);
    }

    fn life_over(&mut self) {
        self.ledger.borrow_mut().life_over();
    }
}

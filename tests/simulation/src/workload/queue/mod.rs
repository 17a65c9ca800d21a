//! Queues of every discipline: puts and gets, batches, leases and how they end, dead letters, join, shutdown. Semantics 1.
//!
//! Judged: every admitted item is consumed once, or found at the end; nothing comes out that was not put; nobody has
//! what another has; what was acked or accepted never comes again; a lease ends by its holder's word only.

mod ledger;
mod task;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bridge_core::command::queue::{Batch, Discipline, Mode, Options};
use bridge_core::ids::Name;
use bridge_core::{Time, Timeout};

use super::{Activity, Moment, Workload};
use crate::plan::Plan;
use crate::random::Random;
use crate::server::Server;
use ledger::Ledger;
pub(crate) use ledger::number;
use task::{Doing, Task};

/// The queues of a run.
pub struct Queues {
    ledger: Rc<RefCell<Ledger>>,
    /// Which one may be shut down now; another takes its place.
    closing: usize,
    helped_at: Time,
}

impl Queues {
    /// As the seed wants them.
    pub fn new(seed: u64, plan: &Plan) -> Self {
        let mut random = Random::new(seed, "queues");
        let mut ledger = Ledger::new(plan.clients);
        let dead = Name::parse("name", "dead").expect("invariant: a valid name");
        for (name, discipline) in
            [("fifo", Discipline::Fifo), ("lifo", Discipline::Lifo), ("priority", Discipline::Priority)]
        {
            let options = Options {
                discipline: Some(discipline),
                maxsize: Some(random.pick(&[0, 0, 1, 3, 8])),
                max_deliveries: Some(random.pick(&[0, 2, 5])),
                dead_letters: random.chance(500).then(|| dead.clone()),
                ..Options::default()
            };
            ledger.add(name.into(), options, false, false);
        }
        ledger.add("dead".into(), Options::default(), false, false);
        ledger.add("joined".into(), Options::default(), true, false);
        let closing = ledger.add("closing 0".into(), Self::closing(), false, true);
        Queues { ledger: Rc::new(RefCell::new(ledger)), closing, helped_at: Time::default() }
    }

    fn closing() -> Options {
        Options { maxsize: Some(3), ..Options::default() }
    }

    /// A queue that was shut down is followed by another.
    fn renew(&mut self) {
        let mut ledger = self.ledger.borrow_mut();
        if ledger.queues[self.closing].shut {
            let name = format!("closing {}", ledger.queues.len());
            self.closing = ledger.add(name, Self::closing(), false, true);
        }
    }

    fn task(&self, doing: Doing) -> Box<dyn Activity> {
        Box::new(Task::new(self.ledger.clone(), doing))
    }
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
        "queue"
    }

    fn begin(&mut self, moment: &mut Moment<'_>) -> Box<dyn Activity> {
        self.renew();
        let queue = moment.random.pick(&[0, 0, 1, 2, 2, 3, 4, 4, self.closing]);
        let timeout = moment.timeout(Duration::from_secs(4));
        let (joined, closing) = {
            let ledger = self.ledger.borrow();
            (ledger.queues[queue].joined, ledger.queues[queue].closing)
        };
        let dice = moment.random.below(100);
        let doing = match dice {
            0..=39 => Doing::Put { queue, count: 1, timeout },
            40..=46 => Doing::Put { queue, count: moment.random.between(1, 4) as usize, timeout },
            47..=64 => Doing::Take { queue, mode: Mode::Get, batch: batch(moment), timeout },
            65..=88 => {
                let mode = if joined { Mode::Get } else { Mode::Lease };
                Doing::Take { queue, mode, batch: batch(moment), timeout }
            }
            89..=91 if joined => Doing::Join { queue, timeout },
            89..=90 if closing => Doing::Shutdown { queue, immediate: moment.random.chance(500) },
            91 if closing => Doing::Purge { queue },
            92..=93 => Doing::Remove { queue },
            94..=95 => Doing::Intrude { queue },
            96 => Doing::Browse { queue },
            _ => Doing::Declare { queue },
        };
        self.task(doing)
    }

    fn reset(&mut self, client: usize) {
        self.ledger.borrow_mut().reset(client);
    }

    fn help(&mut self, moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
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
                doing = Some(Doing::Take { queue: index, mode: Mode::Get, batch, timeout: Timeout::NOW });
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

//! Queues of every discipline: puts and gets, batches, leases and how they end, dead letters, join, shutdown.

use bridge_core::Timeout;
use bridge_core::command::queue::{Discipline, Mode, Options};
use bridge_core::ids::Name;

use super::ledger::Ledger;
use super::task::Doing;
use super::transaction::Transaction;
use super::{Queues, batch, some_timeout};
use crate::plan::Plan;
use crate::random::Random;
use crate::workload::{Activity, Moment};

impl Queues {
    /// As the seed wants them.
    pub fn new(seed: u64, plan: &Plan) -> Self {
        let mut random = Random::new(seed, "queues");
        let mut ledger = Ledger::new(plan);
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
            ledger.add(name, options);
        }
        ledger.add("dead", Options::default());
        let joined = ledger.add("joined", Options::default());
        ledger.queues[joined].joined = true;
        let closing = add_closing(&mut ledger);
        Queues { closing, branch: Some(branch), ..Queues::with("queue", ledger, begin) }
    }

    /// From a queue to one or two others, which may be full.
    fn transaction(&self, moment: &mut Moment<'_>, timeout: Timeout) -> Box<dyn Activity> {
        let from = moment.random.pick(&[0, 1, 2]);
        let mut to: Vec<usize> = (0..3).filter(|queue| *queue != from).collect();
        to.truncate(moment.random.between(1, 2) as usize);
        let take = Transaction::taking(from, timeout);
        Box::new(Transaction::new(moment, self.ledger.clone(), from, to, take))
    }

    /// A queue that was shut down is followed by another.
    fn renew(&mut self) {
        let mut ledger = self.ledger.borrow_mut();
        if ledger.queues[self.closing].shut {
            self.closing = add_closing(&mut ledger);
        }
    }
}

/// One that may be shut down and purged.
fn add_closing(ledger: &mut Ledger) -> usize {
    let name = format!("closing {}", ledger.queues.len());
    let closing = ledger.add(&name, Options { maxsize: Some(3), ..Options::default() });
    ledger.queues[closing].closing = true;
    closing
}

fn begin(queues: &mut Queues, moment: &mut Moment<'_>) -> Box<dyn Activity> {
    queues.renew();
    let queue = moment.random.pick(&[0, 0, 1, 2, 2, 3, 4, 4, queues.closing]);
    let timeout = some_timeout(moment);
    let (joined, closing) = {
        let ledger = queues.ledger.borrow();
        (ledger.queues[queue].joined, ledger.queues[queue].closing)
    };
    let doing = match moment.random.below(100) {
        0..=39 => Doing::Put { queue, count: 1, timeout },
        40..=46 => Doing::Put { queue, count: moment.random.between(1, 4) as usize, timeout },
        47..=64 => Doing::take(queue, Mode::Get, batch(moment), timeout),
        65..=84 => {
            let mode = if joined { Mode::Get } else { Mode::Lease };
            Doing::take(queue, mode, batch(moment), timeout)
        }
        85..=88 => return queues.transaction(moment, timeout),
        89..=91 if joined => Doing::Join { queue, timeout },
        89..=90 if closing => Doing::Shutdown { queue, immediate: moment.random.chance(500) },
        91 if closing => Doing::Purge { queue },
        92..=93 => Doing::Remove { queue },
        94..=95 => Doing::Intrude { queue },
        96 => Doing::Browse { queue },
        _ => Doing::Declare { queue },
    };
    queues.task(doing)
}

fn branch(queues: &mut Queues, moment: &mut Moment<'_>) -> Box<dyn Activity> {
    let queue = moment.random.pick(&[0, 1, 2, queues.closing]);
    let mode = moment.random.pick(&[Mode::Get, Mode::Lease]);
    let doing = match moment.random.below(3) {
        0 => {
            let count = moment.random.between(1, 2) as usize;
            Doing::Put { queue, count, timeout: Timeout::Never }
        }
        _ => Doing::take(queue, mode, batch(moment), Timeout::Never),
    };
    queues.task(doing)
}

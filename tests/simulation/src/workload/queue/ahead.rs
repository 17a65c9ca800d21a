//! Consumers that have their next item brought while they are busy, beside others who wait for the same items. Semantics 5,
//! "prefetch". Those who hang do not look for so long that only a recall helps those who wait.

use std::time::Duration;

use bridge_core::Timeout;
use bridge_core::command::queue::{Batch, Mode, Options};

use super::ledger::Ledger;
use super::task::Doing;
use super::{Queues, batch, some_timeout};
use crate::plan::Plan;
use crate::workload::{Activity, Moment};

impl Queues {
    /// Queues that some prefetch from.
    pub fn ahead(plan: &Plan) -> Self {
        let mut ledger = Ledger::new(plan);
        for name in ["work", "jobs"] {
            ledger.add(name, Options::default());
        }
        Queues::with("prefetch", ledger, begin)
    }
}

fn begin(queues: &mut Queues, moment: &mut Moment<'_>) -> Box<dyn Activity> {
    let queue = moment.random.pick(&[0, 0, 0, 1]);
    let mode = moment.random.pick(&[Mode::Get, Mode::Lease]);
    let doing = match moment.random.below(100) {
        0..=34 => Doing::Put { queue, count: moment.random.between(1, 2) as usize, timeout: Timeout::NOW },
        // Who prefetches waits for ever; one task of each client keeps going.
        35..=69 if moment.task > 0 => {
            Doing::Take { queue, mode, batch: Batch::ONE, timeout: Timeout::Never, ahead: true }
        }
        70..=71 => Doing::Browse { queue },
        _ => Doing::take(queue, mode, batch(moment), some_timeout(moment)),
    };
    queues.task(doing)
}

/// How long a consumer does something else before it looks for its next item.
pub(super) fn busy_for(moment: &mut Moment<'_>, ttl: Duration) -> Duration {
    match moment.random.below(20) {
        0 => ttl * 2,
        1..=8 => moment.random.short(ttl),
        _ => moment.random.short(Duration::from_millis(200)),
    }
}

//! Items that go from one queue to another: moved, dead and redriven. Semantics 5, "dead letters" and "move". Where each is, and
//! that it is nowhere else, is judged from the journal; here, that none is lost, and that attempts and the count of what is
//! unfinished are those of the queue where it is.

use bridge_core::command::Reply as AnyReply;
use bridge_core::command::queue::{Mode, Options, Reply, Which};
use bridge_core::ids::Name;
use bridge_core::{Outcome, Reason};

use super::ledger::Ledger;
use super::task::Doing;
use super::{Queues, batch, some_timeout};
use crate::plan::Plan;
use crate::workload::{Activity, Moment, expect_reason};

const LETTERS: usize = 2;
const KEPT: usize = 3;
const JOINED: usize = 4;

impl Queues {
    /// Queues between which items go.
    pub fn transfers(plan: &Plan) -> Self {
        let mut ledger = Ledger::new(plan);
        let letters = Name::parse("name", "letters").expect("invariant: a valid name");
        let tried = |max| Options { max_deliveries: Some(max), ..Options::default() };
        ledger.add("inbox", Options { maxsize: Some(6), ..Options::default() });
        ledger.add("tried", Options { dead_letters: Some(letters), ..tried(3) });
        ledger.add("letters", Options::default());
        ledger.add("kept", tried(2));
        let joined = ledger.add("counted", Options::default());
        ledger.queues[joined].joined = true;
        ledger.roams = true;
        Queues::with("transfer", ledger, begin)
    }
}

fn begin(queues: &mut Queues, moment: &mut Moment<'_>) -> Box<dyn Activity> {
    let queue = moment.random.index(5);
    let timeout = some_timeout(moment);
    let doing = match moment.random.below(100) {
        0..=34 => Doing::Put { queue: moment.random.pick(&[0, 1, 1, 3, 3, 4]), count: 1, timeout },
        35..=38 => Doing::Put { queue, count: moment.random.between(2, 3) as usize, timeout },
        39..=69 => {
            let mode = if queue == JOINED { Mode::Get } else { Mode::Lease };
            Doing::take(queue, mode, batch(moment), timeout)
        }
        70..=74 => Doing::Join { queue: JOINED, timeout },
        75..=76 => Doing::Browse { queue },
        77..=88 => {
            let to = (queue + moment.random.between(1, 4) as usize) % 5;
            Doing::Move { from: queue, to, which: which(moment) }
        }
        _ => {
            let to = moment.random.pick(&[None, None, Some(0), Some(4)]);
            Doing::Redrive { from: moment.random.pick(&[LETTERS, LETTERS, KEPT]), to, which: which(moment) }
        }
    };
    queues.task(doing)
}

fn which(moment: &mut Moment<'_>) -> Which {
    match moment.random.chance(300) {
        true => Which::All,
        false => Which::First(moment.random.between(1, 3)),
    }
}

pub(super) fn moved(moment: &mut Moment<'_>, outcome: Outcome) {
    moment.reach.note(match outcome {
        Ok(AnyReply::Queue(Reply::Moved(ids))) if ids.is_empty() => "transfer: there is nothing to move",
        Ok(_) => "transfer: moved",
        Err(error) => {
            let never_fits = Reason::InvalidArgument;
            expect_reason("move", &error, &[Reason::Full, Reason::OutcomeUnknown, never_fits]);
            match error.reason {
                Reason::Full => "transfer: nothing is moved, as there is no room for all of it",
                _ => "transfer: a move fails otherwise",
            }
        }
    });
}

pub(super) fn redriven(moment: &mut Moment<'_>, outcome: Outcome) {
    moment.reach.note(match outcome {
        Ok(AnyReply::Queue(Reply::Redriven { count: 0, .. })) => "transfer: there is nothing to redrive",
        Ok(_) => "transfer: redriven",
        Err(error) => {
            expect_reason("redrive", &error, &[Reason::OutcomeUnknown]);
            "transfer: a redrive fails"
        }
    });
}

//! What a task calls for what it is doing.

use std::time::Duration;

use bridge_core::Timeout;
use bridge_core::command::Query as AnyQuery;
use bridge_core::command::queue::{
    Batch, Command, Mode, Move, NewItem, Query, Redrive, Reentry, Shelf, Taking,
};

use super::super::ledger::{Fate, Ledger};
use super::{Doing, Leased, Task};
use crate::workload::{Moment, Next, ask};

impl Task {
    pub(super) fn put(
        &mut self,
        moment: &mut Moment<'_>,
        queue: usize,
        count: usize,
        timeout: Timeout,
    ) -> (usize, Command) {
        let ledger = &mut *self.ledger.borrow_mut();
        let (mut new, mut numbers) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (number, payload) = ledger.item(queue, self.life);
            let key = vec![moment.random.below(4) as u8];
            let priority = ledger.queues[queue].options.discipline
                == Some(bridge_core::command::queue::Discipline::Priority);
            let key = if priority { key.into() } else { Default::default() };
            new.push(ledger.in_group(moment, number, NewItem { payload, key, attributes: None }));
            numbers.push(number);
        }
        ledger.queues[queue].putters += 1;
        self.doing = Doing::Putting { queue, items: numbers };
        let command = match (count, new.pop()) {
            (1, Some(item)) => Command::Put { item, timeout },
            (_, last) => {
                new.extend(last);
                Command::PutMany { items: new, timeout }
            }
        };
        (queue, command)
    }

    /// What a holder does with what he leased.
    pub(super) fn settle(
        moment: &mut Moment<'_>,
        ledger: &mut Ledger,
        queue: usize,
        mut leased: Vec<Leased>,
    ) -> Doing {
        let some = moment.random.between(1, leased.len() as u64) as usize;
        let rest = leased.split_off(some);
        // Whoever leased several may settle some and keep the rest until his session ends.
        let grouped = ledger.queues[queue].groups > 0;
        let closing = ledger.queues[queue].closing || moment.closing || grouped;
        let kept = rest.is_empty() || moment.random.chance(300) && !closing;
        let leased = if kept { leased } else { [leased, rest].concat() };
        let doing = match moment.random.below(10) {
            0..=5 => Doing::Ack { queue, leased: leased.clone(), again: moment.random.chance(60) },
            6..=8 => {
                let reentry = moment.random.pick(&[Reentry::Place, Reentry::Front, Reentry::Back]);
                let late = grouped && moment.random.chance(500);
                let delay = if late { moment.random.short(Duration::from_secs(1)) } else { Duration::ZERO };
                Doing::Nack { queue, leased: leased.clone(), reentry, delay }
            }
            _ => Doing::Reject { queue, leased: leased.clone() },
        };
        let late = matches!(doing, Doing::Nack { delay, .. } if !delay.is_zero());
        leased.iter().for_each(|(number, _)| ledger.items[*number].delayed = late);
        if let Doing::Reject { .. } | Doing::Nack { reentry: Reentry::Back, .. } = doing {
            leased.iter().for_each(|(number, _)| ledger.items[*number].displaced = true);
        }
        let fate = if let Doing::Ack { .. } = doing { Fate::AckAsked } else { Fate::GivenBack };
        leased.iter().for_each(|(number, token)| ledger.fate(*number, *token, fate));
        doing
    }

    pub(super) fn command(&mut self, moment: &mut Moment<'_>) -> Option<(usize, Command)> {
        if let Doing::Put { queue, count, timeout } = self.doing {
            return Some(self.put(moment, queue, count, timeout));
        }
        let ledger = &mut *self.ledger.borrow_mut();
        let tokens = |leased: &[Leased]| leased.iter().map(|(_, token)| *token).collect();
        let command = match &self.doing {
            Doing::Take { queue, mode, batch, timeout, ahead } => {
                ledger.queues[*queue].takers += 1;
                ledger.queues[*queue].content += u64::from(!ahead && batch.min == 1);
                let taking = Taking { prefetch: *ahead, ..Taking::new(*mode, *batch) };
                (*queue, Command::Take { taking, timeout: *timeout })
            }
            Doing::Ack { queue, leased, .. } => (*queue, Command::Ack { tokens: tokens(leased) }),
            Doing::Nack { queue, leased, reentry, delay } => {
                let (tokens, reentry, delay) = (tokens(leased), *reentry, *delay);
                (*queue, Command::Nack { tokens, reentry, delay, error: "not now".into() })
            }
            Doing::Reject { queue, leased } => {
                (*queue, Command::Reject { tokens: tokens(leased), reason: "no good".into() })
            }
            Doing::Intrude { queue } => {
                let queue = *queue;
                let (token, of) = ledger.lease_of_another(queue, moment.client)?;
                self.doing = Doing::Intruding { token, of };
                (queue, Command::Ack { tokens: vec![token] })
            }
            Doing::TaskDone { queue, count } | Doing::DoneForOthers { queue, count } => {
                (*queue, Command::TaskDone { count: *count })
            }
            Doing::Join { queue, timeout } => {
                ledger.queues[*queue].joiners += 1;
                (*queue, Command::Join { timeout: *timeout })
            }
            Doing::Move { from, to, which } => {
                let to = ledger.target(*to);
                (*from, Command::Move(Box::new(Move { which: which.clone(), to })))
            }
            Doing::Redrive { from, to, which } => {
                let to = to.map(|to| ledger.target(to));
                (*from, Command::Redrive(Box::new(Redrive { which: which.clone(), to })))
            }
            Doing::Remove { queue } => {
                let queue = *queue;
                let (number, id) = ledger.some_admitted(queue, moment)?;
                ledger.queues[queue].doubtful = true;
                ledger.items[number].displaced = true;
                self.doing = Doing::Removing { number, id };
                (queue, Command::Remove { ids: vec![id] })
            }
            Doing::Purge { queue } => {
                ledger.queues[*queue].drops = true;
                (*queue, Command::Purge)
            }
            Doing::Shutdown { queue, immediate } => {
                ledger.queues[*queue].shut = true;
                ledger.queues[*queue].drops |= *immediate;
                (*queue, Command::Shutdown { immediate: *immediate })
            }
            Doing::Sweep { queue } => {
                ledger.queues[*queue].takers += 1;
                let batch = Batch { max: 100, min: 1, ..Batch::ONE };
                (*queue, Command::Take { taking: Taking::new(Mode::Get, batch), timeout: Timeout::NOW })
            }
            _ => return None,
        };
        Some(command)
    }

    pub(super) fn query(&self, moment: &Moment<'_>) -> Option<Next> {
        let ledger = self.ledger.borrow();
        let (queue, query) = match &self.doing {
            Doing::Declare { queue } => {
                let object = ledger.handle(*queue, moment.client);
                return Some(Next::Call(object.clone(), object.declare()));
            }
            Doing::Browse { queue } => {
                (*queue, Query::Browse { shelf: Shelf::Ready, page_size: 10, after: None })
            }
            Doing::BrowseDead { queue, after } => {
                (*queue, Query::Browse { shelf: Shelf::Dead, page_size: 100, after: after.clone() })
            }
            Doing::Finish { queue } => (*queue, Query::Describe),
            _ => return None,
        };
        Some(ask(&ledger.handle(queue, moment.client), |target| AnyQuery::Queue(target, query)))
    }
}

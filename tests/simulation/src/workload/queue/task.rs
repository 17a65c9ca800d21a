//! What a task does with a queue: how it goes on when something has ended. What it calls stands in `calls`.

mod calls;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bridge_core::command::queue::{Batch, Cursor, Mode, Reentry, Reply, Which};
use bridge_core::command::{Command as AnyCommand, Reply as AnyReply};
use bridge_core::ids::{ItemId, Token};
use bridge_core::{Error, Reason, Request, Timeout};

use super::ledger::{Fate, Ledger, Put, check_batch};
use super::{ahead, transfer};
use crate::server::Incarnation;
use crate::workload::{Activity, End, Moment, Next, expect_reason};

/// An item of a lease.
pub(super) type Leased = (usize, Token);

#[derive(Clone, Debug)]
pub(super) enum Doing {
    Declare {
        queue: usize,
    },
    Put {
        queue: usize,
        count: usize,
        timeout: Timeout,
    },
    Putting {
        queue: usize,
        items: Vec<usize>,
    },
    Take {
        queue: usize,
        mode: Mode,
        batch: Batch,
        timeout: Timeout,
        /// Its consumer is busy, and takes it later.
        ahead: bool,
    },
    Hold {
        queue: usize,
        leased: Vec<Leased>,
    },
    Ack {
        queue: usize,
        leased: Vec<Leased>,
        again: bool,
    },
    Nack {
        queue: usize,
        leased: Vec<Leased>,
        reentry: Reentry,
        delay: Duration,
    },
    Reject {
        queue: usize,
        leased: Vec<Leased>,
    },
    /// An ack by somebody else's token.
    Intrude {
        queue: usize,
    },
    Intruding {
        token: Token,
        of: Incarnation,
    },
    TaskDone {
        queue: usize,
        count: u64,
    },
    /// At the end: what living sessions have gotten is done.
    DoneForOthers {
        queue: usize,
        count: u64,
    },
    Join {
        queue: usize,
        timeout: Timeout,
    },
    Move {
        from: usize,
        to: usize,
        which: Which,
    },
    Redrive {
        from: usize,
        to: Option<usize>,
        which: Which,
    },
    Remove {
        queue: usize,
    },
    Removing {
        number: usize,
        id: ItemId,
    },
    Purge {
        queue: usize,
    },
    Shutdown {
        queue: usize,
        immediate: bool,
    },
    Browse {
        queue: usize,
    },
    /// At the end: takes all there is.
    Sweep {
        queue: usize,
    },
    BrowseDead {
        queue: usize,
        after: Option<Cursor>,
    },
    /// At the end: what nobody will do any more is done.
    Finish {
        queue: usize,
    },
    Done,
}

impl Doing {
    /// Gives back what was leased, to its old place.
    pub(super) fn give_back(queue: usize, leased: Vec<Leased>) -> Self {
        Doing::Nack { queue, leased, reentry: Reentry::Place, delay: Duration::ZERO }
    }

    /// A take whose consumer waits for it.
    pub(super) fn take(queue: usize, mode: Mode, batch: Batch, timeout: Timeout) -> Self {
        Doing::Take { queue, mode, batch, timeout, ahead: false }
    }
}

pub(super) struct Task {
    ledger: Rc<RefCell<Ledger>>,
    doing: Doing,
    life: u32,
}

impl Task {
    pub(super) fn new(ledger: Rc<RefCell<Ledger>>, doing: Doing) -> Self {
        Task { ledger, doing, life: 0 }
    }

    /// What it has leased is another's to settle.
    pub(super) fn take_held(&mut self) -> Option<Vec<Leased>> {
        match std::mem::replace(&mut self.doing, Doing::Done) {
            Doing::Hold { leased, .. } => Some(leased),
            doing => {
                self.doing = doing;
                None
            }
        }
    }

    /// It settles what was leased.
    pub(super) fn hold(&mut self, queue: usize, leased: Vec<Leased>) {
        self.doing = Doing::Hold { queue, leased };
    }

    fn taken(&mut self, moment: &mut Moment<'_>, queue: usize, mode: Mode, reply: Reply) {
        let Reply::Taken(taken) = reply else { panic!("a take was answered with {reply:?}") };
        let ledger = &mut *self.ledger.borrow_mut();
        assert_eq!(taken.mode, mode, "what was gotten was not leased");
        moment.reach.note(match (mode, taken.deliveries.len()) {
            (Mode::Get, 1) => "queue: gotten",
            (Mode::Get, _) => "queue: gotten, several at once",
            (Mode::Lease, 1) => "queue: leased",
            (Mode::Lease, _) => "queue: leased, several at once",
        });
        check_batch(ledger.queues[queue].options.discipline.unwrap_or_default(), &taken.deliveries);
        let leased: Vec<Leased> = taken
            .deliveries
            .iter()
            .map(|delivery| {
                if delivery.attempt > 1 {
                    moment.reach.note("queue: a later attempt");
                }
                (ledger.accept(moment, queue, mode, delivery), delivery.token)
            })
            .collect();
        self.doing = match mode {
            Mode::Lease => Doing::Hold { queue, leased },
            // Some never say so, and some of those die.
            Mode::Get if ledger.queues[queue].joined && !moment.closing && moment.random.chance(30) => {
                ledger.queues[queue].doubtful = true;
                Doing::Done
            }
            Mode::Get if ledger.queues[queue].joined => Doing::TaskDone { queue, count: leased.len() as u64 },
            Mode::Get => Doing::Done,
        };
    }

    fn settled(
        &mut self,
        moment: &mut Moment<'_>,
        asked: Doing,
        leased: &[Leased],
        outcome: Result<AnyReply, Error>,
    ) {
        let ledger = &mut *self.ledger.borrow_mut();
        let Err(error) = outcome else { return };
        if matches!(error.reason, Reason::Unavailable | Reason::OutcomeUnknown) {
            // Repeating the right one is fine; but if it is told that it comes too late, the first may have come in time.
            if let Doing::Ack { .. } = asked {
                leased.iter().for_each(|(number, _)| ledger.items[*number].perhaps_gone = true);
            }
            self.doing = asked;
            return;
        }
        if error.reason != Reason::Stale {
            return expect_reason("ack, nack or reject", &error, &[]);
        }
        moment.reach.note("queue: a lease was lost, and its holder is told");
        for (number, token) in leased {
            let session = ledger.session(*number, *token);
            assert!(
                !moment.server.lives(session),
                "item {number} under {token:?}: stale, though its session lives"
            );
            ledger.fate(*number, *token, Fate::Lost);
        }
    }

    fn put_ended(&mut self, moment: &mut Moment<'_>, queue: usize, items: &[usize], end: End) {
        let ledger = &mut *self.ledger.borrow_mut();
        ledger.queues[queue].putters -= 1;
        let same_life = self.life == moment.server.life();
        let ids = match end {
            End::Outcome(Ok(AnyReply::Queue(Reply::Put(id)))) => vec![id],
            End::Outcome(Ok(AnyReply::Queue(Reply::PutMany(ids)))) => ids,
            End::Outcome(Err(error)) => {
                let unknown = error.reason == Reason::OutcomeUnknown;
                expect_reason(
                    "put",
                    &error,
                    &[Reason::OutcomeUnknown, Reason::Full, Reason::ShutDown, Reason::InvalidArgument],
                );
                moment.reach.note(match error.reason {
                    Reason::OutcomeUnknown => "queue: the outcome of a put is unknown",
                    Reason::Full => "queue: a put ends as the queue is full",
                    Reason::ShutDown => "queue: a put ends as the queue is shut down",
                    Reason::Cancelled => "queue: a put is withdrawn",
                    _ => "queue: a put fails otherwise",
                });
                let put = if unknown { Put::Perhaps } else { Put::Never };
                if unknown {
                    ledger.queues[queue].doubtful = true;
                }
                items.iter().for_each(|number| ledger.put_ended(*number, put));
                return;
            }
            _ => {
                ledger.queues[queue].doubtful = true;
                items.iter().for_each(|number| ledger.put_ended(*number, Put::Perhaps));
                return;
            }
        };
        moment.reach.note(if items.len() == 1 { "queue: put" } else { "queue: put, several at once" });
        assert_eq!(ids.len(), items.len(), "as many ids as items");
        for (number, id) in items.iter().zip(ids) {
            ledger.put_ended(*number, if same_life { Put::Admitted(id) } else { Put::Perhaps });
        }
    }
}

/// Whoever joins where only lost ones are left is told at once.
fn last_join(queue: usize) -> Doing {
    Doing::Join { queue, timeout: Timeout::After(Duration::from_secs(5)) }
}

impl Activity for Task {
    fn next(&mut self, moment: &mut Moment<'_>) -> Next {
        self.life = moment.server.life();
        if let Doing::Hold { queue, leased } = &self.doing {
            if !moment.closing && moment.random.chance(500) {
                return Next::Think;
            }
            let (queue, leased) = (*queue, leased.clone());
            self.doing = Task::settle(moment, &mut self.ledger.borrow_mut(), queue, leased);
        }
        if matches!(self.doing, Doing::TaskDone { .. }) && !moment.closing && moment.random.chance(400) {
            return Next::Think;
        }
        if let Some(next) = self.query(moment) {
            return next;
        }
        let Some((queue, command)) = self.command(moment) else { return Next::Done };
        let object = self.ledger.borrow().handle(queue, moment.client);
        let target = object.target();
        Next::Call(object, Request::Command(AnyCommand::Queue(target, command)))
    }

    fn ended(&mut self, moment: &mut Moment<'_>, end: End) {
        let doing = std::mem::replace(&mut self.doing, Doing::Done);
        match (&doing, &end) {
            (Doing::Take { queue, batch, ahead, .. }, _) => {
                let shared = &mut self.ledger.borrow_mut().queues[*queue];
                shared.takers -= 1;
                shared.content -= u64::from(!ahead && batch.min == 1);
            }
            (Doing::Sweep { queue }, _) => self.ledger.borrow_mut().queues[*queue].takers -= 1,
            (Doing::Join { queue, .. }, _) => self.ledger.borrow_mut().queues[*queue].joiners -= 1,
            _ => {}
        }
        match (doing, end) {
            (Doing::Putting { queue, items }, end) => self.put_ended(moment, queue, &items, end),
            (Doing::Take { queue, mode, ahead, .. }, End::Outcome(Ok(AnyReply::Queue(reply)))) => {
                if ahead {
                    moment.reach.note("prefetch: an item is taken");
                }
                self.taken(moment, queue, mode, reply);
            }
            (Doing::Sweep { queue }, End::Outcome(Ok(AnyReply::Queue(reply)))) => {
                self.taken(moment, queue, Mode::Get, reply);
                if let Doing::TaskDone { count, .. } = self.doing {
                    self.ledger.borrow_mut().queues[queue].left_over += count;
                }
                self.doing = Doing::Sweep { queue };
            }
            (Doing::Sweep { queue }, End::Outcome(Err(error))) => {
                expect_reason("the last get", &error, &[Reason::Empty, Reason::ShutDown]);
                self.ledger.borrow_mut().queues[queue].swept = true;
            }
            (Doing::Take { ahead, .. }, End::Outcome(Err(error))) => {
                moment.reach.note(match error.reason {
                    Reason::Cancelled if ahead => "prefetch: a take ends, recalled or withdrawn",
                    Reason::Empty => "queue: a take ends as there is too little",
                    Reason::ShutDown => "queue: a take ends as the queue is shut down",
                    _ => "queue: a take ends otherwise",
                });
                expect_reason("take", &error, &[Reason::Empty, Reason::ShutDown]);
            }
            (Doing::Take { queue, .. }, End::Refused(AnyReply::Queue(Reply::Taken(taken)))) => {
                moment.reach.note("queue: a delivery is refused");
                let ledger = &mut *self.ledger.borrow_mut();
                taken.deliveries.iter().for_each(|delivery| ledger.refuse(queue, delivery));
            }
            (Doing::Move { .. }, End::Outcome(outcome)) => transfer::moved(moment, outcome),
            (Doing::Redrive { .. }, End::Outcome(outcome)) => transfer::redriven(moment, outcome),
            (Doing::Ack { queue, leased, again }, End::Outcome(outcome)) => {
                if outcome.is_ok() {
                    moment.reach.note("queue: acked");
                    let ledger = &mut *self.ledger.borrow_mut();
                    leased.iter().for_each(|(number, token)| ledger.fate(*number, *token, Fate::Acked));
                    if again {
                        moment.reach.note("queue: acked again");
                        self.doing = Doing::Ack { queue, leased, again: false };
                    }
                } else {
                    // The ack before this one, if there was one, had been answered.
                    let ledger = self.ledger.borrow();
                    let acked = |(number, token): &Leased| {
                        ledger.items[*number].holds.iter().any(|h| h.token == *token && h.fate == Fate::Acked)
                    };
                    let fresh: Vec<Leased> = leased.iter().filter(|one| !acked(one)).copied().collect();
                    drop(ledger);
                    let asked = Doing::Ack { queue, leased: leased.clone(), again };
                    self.settled(moment, asked, &fresh, outcome);
                }
            }
            (asked @ Doing::Nack { .. }, End::Outcome(outcome)) => {
                let Doing::Nack { leased, .. } = asked.clone() else { return };
                moment.reach.note("queue: nacked");
                self.settled(moment, asked, &leased, outcome);
            }
            (asked @ Doing::Reject { .. }, End::Outcome(outcome)) => {
                let Doing::Reject { leased, .. } = asked.clone() else { return };
                moment.reach.note("queue: rejected");
                self.settled(moment, asked, &leased, outcome);
            }
            (Doing::Intruding { token, of }, End::Outcome(outcome)) => {
                let mine = moment.own().incarnation == Some(of);
                assert!(outcome.is_err() || mine, "another's lease {token:?} was acked");
                moment.reach.note("queue: an ack by another's token is refused");
            }
            (Doing::TaskDone { .. }, End::Outcome(Ok(_))) => {}
            (Doing::DoneForOthers { queue, .. }, End::Outcome(Ok(_))) => self.doing = last_join(queue),
            (Doing::TaskDone { queue, .. }, End::Outcome(Err(error))) => {
                self.ledger.borrow_mut().queues[queue].doubtful = true;
                expect_reason("task_done", &error, &[Reason::OutcomeUnknown, Reason::TooManyTasksDone]);
            }
            (Doing::TaskDone { queue, .. }, _) => self.ledger.borrow_mut().queues[queue].doubtful = true,
            (Doing::Join { .. }, End::Outcome(outcome)) => {
                moment.reach.note(match &outcome {
                    Ok(_) => "queue: joined",
                    Err(error) if error.reason == Reason::JoinIncomplete => {
                        "queue: joined but for what is lost"
                    }
                    Err(_) => "queue: not joined in time",
                });
                if let Err(error) = outcome {
                    expect_reason("join", &error, &[Reason::TimedOut, Reason::JoinIncomplete]);
                }
            }
            (Doing::Removing { number, id, .. }, End::Outcome(Ok(AnyReply::Queue(Reply::Removed(ids))))) => {
                let item = &mut self.ledger.borrow_mut().items[number];
                if ids.contains(&id) {
                    moment.reach.note("queue: removed");
                    item.gone = true;
                }
            }
            (Doing::Removing { number, .. }, _) => {
                self.ledger.borrow_mut().items[number].perhaps_gone = true;
            }
            (Doing::Browse { queue }, End::Outcome(Ok(AnyReply::Queue(Reply::Browsed { items, .. })))) => {
                self.ledger.borrow_mut().browse(moment, queue, &items);
            }
            (
                Doing::BrowseDead { queue, .. },
                End::Outcome(Ok(AnyReply::Queue(Reply::Browsed { items, next }))),
            ) => {
                let ledger = &mut *self.ledger.borrow_mut();
                ledger.browse(moment, queue, &items);
                items.iter().for_each(|shown| ledger.found_dead(queue, shown));
                match next {
                    Some(next) => self.doing = Doing::BrowseDead { queue, after: Some(*next) },
                    None => ledger.queues[queue].browsed = true,
                }
            }
            (Doing::Finish { queue }, End::Outcome(Ok(AnyReply::Queue(Reply::Described(figures))))) => {
                let busy = figures.ready + figures.offered + figures.leased > 0;
                let shared = &mut self.ledger.borrow_mut().queues[queue];
                if shared.swept && figures.lost > 0 && figures.unfinished > figures.lost {
                    let count = figures.unfinished - figures.lost;
                    self.doing = Doing::DoneForOthers { queue, count };
                } else if shared.swept && figures.lost > 0 {
                    self.doing = last_join(queue);
                } else if figures.unfinished > 0 && !busy && shared.doubtful {
                    self.doing = Doing::TaskDone { queue, count: figures.unfinished };
                } else if shared.joiners > 0 && busy {
                    let batch = Batch { max: 20, ..Batch::ONE };
                    self.doing = Doing::take(queue, Mode::Get, batch, Timeout::NOW);
                }
                if shared.swept {
                    shared.figures = Some(*figures);
                }
            }
            _ => {}
        }
    }

    fn may_withdraw(&self) -> bool {
        !matches!(
            self.doing,
            Doing::Ack { .. } | Doing::Nack { .. } | Doing::Reject { .. } | Doing::TaskDone { .. }
        )
    }

    fn is_busy_for(&self, moment: &mut Moment<'_>) -> Option<Duration> {
        let Doing::Take { ahead: true, .. } = self.doing else { return None };
        Some(ahead::busy_for(moment, self.ledger.borrow().ttl))
    }

    fn died(&mut self, _moment: &mut Moment<'_>) {
        if let Doing::Hold { queue, .. } | Doing::TaskDone { queue, .. } = self.doing {
            self.ledger.borrow_mut().queues[queue].doubtful = true;
        }
    }

    fn describe(&self) -> String {
        let text = format!("queue {:?}", self.doing);
        let ledger = self.ledger.borrow();
        match &self.doing {
            Doing::Take { queue, .. } | Doing::Putting { queue, .. } | Doing::Join { queue, .. } => {
                format!("{text} of {}", ledger.queues[*queue].name)
            }
            _ => text,
        }
    }
}

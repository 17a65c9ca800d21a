//! Consume, compute, produce: what was leased is settled, and what came of it is put, in one step. Semantics 12.
//!
//! Judged: where that step fails nothing of it has happened, and where nobody knows whether it was executed, all of it was or
//! nothing: what it consumed never comes again if what it produced is found, and never both are lost.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bridge_core::command::queue::{Batch, Command, Mode, NewItem, Reentry, Reply};
use bridge_core::command::transaction::Step;
use bridge_core::command::{Command as AnyCommand, Reply as AnyReply};
use bridge_core::ids::Token;
use bridge_core::{Error, Reason, Request, Timeout};

use super::ledger::{Fate, Item, Ledger, Put};
use super::task::{Doing, Leased, Task};
use crate::server::{Incarnation, Server};
use crate::workload::{Activity, End, Moment, Next, expect_reason};

/// A transaction of which nobody knows whether it was executed.
pub(super) struct InDoubt {
    life: u32,
    consumed: Vec<Leased>,
    produced: Vec<usize>,
}

impl InDoubt {
    /// It was executed, or it was not.
    pub(super) fn check(&self, items: &[Item], server: &Server) {
        if self.life != server.life() {
            return;
        }
        let found = |number: &usize| items[*number].is_found();
        let again = |(number, token): &Leased| items[*number].came_after(*token);
        let (done, undone) = (self.produced.iter().any(found), self.consumed.iter().any(again));
        let Self { consumed, produced, .. } = self;
        assert!(!(done && undone), "{produced:?} came of {consumed:?}, some of which came again");
    }
}

/// What is wrong with a transaction, so that nothing of it may happen.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    Nothing,
    /// It names the lease of somebody else.
    AnothersToken(Token, Incarnation),
    /// It is committed once more.
    Again,
}

#[derive(Debug)]
enum Phase {
    Commit,
    Committing,
    /// What is left to do with what it has.
    Over,
}

pub(super) struct Transaction {
    ledger: Rc<RefCell<Ledger>>,
    from: usize,
    /// In which queues something is put.
    to: Vec<usize>,
    /// Takes what is consumed, and goes on with it if the transaction fails.
    task: Task,
    leased: Vec<Leased>,
    settles: Fate,
    /// How likely it goes on computing; some so long that what they consume may be lost by then.
    computes: u64,
    produced: Vec<usize>,
    wrong: Wrong,
    phase: Phase,
    life: u32,
}

impl Transaction {
    /// Takes from one queue, puts into others.
    pub(super) fn new(
        moment: &mut Moment<'_>,
        ledger: Rc<RefCell<Ledger>>,
        from: usize,
        to: Vec<usize>,
        take: Doing,
    ) -> Self {
        let task = Task::new(ledger.clone(), take);
        let settles = moment.random.pick(&[Fate::Acked, Fate::Acked, Fate::Acked, Fate::GivenBack]);
        Transaction {
            ledger,
            from,
            to,
            task,
            leased: Vec::new(),
            settles,
            computes: moment.random.pick(&[300, 850, 990]),
            produced: Vec::new(),
            wrong: Wrong::Nothing,
            phase: Phase::Over,
            life: 0,
        }
    }

    /// A take that a transaction follows upon.
    pub(super) fn taking(queue: usize, timeout: Timeout) -> Doing {
        Doing::take(queue, Mode::Lease, Batch::ONE, timeout)
    }

    fn commit(&mut self, moment: &mut Moment<'_>) -> Next {
        self.life = moment.server.life();
        self.phase = Phase::Committing;
        let ledger = &mut *self.ledger.borrow_mut();
        if let Wrong::Nothing = self.wrong
            && moment.random.chance(60)
            && let Some((token, of)) = ledger.lease_of_another(self.from, moment.client)
        {
            self.wrong = Wrong::AnothersToken(token, of);
        }
        let mut tokens: Vec<Token> = self.leased.iter().map(|(_, token)| *token).collect();
        let (mut objects, mut steps) = (Vec::new(), Vec::new());
        let mut step = |ledger: &Ledger, queue: usize, command| {
            let object = ledger.handle(queue, moment.client);
            steps.push(Step { queue: object.target(), command });
            objects.push(object);
        };
        self.produced.clear();
        for queue in self.to.clone() {
            let (number, payload) = ledger.item(queue, self.life);
            let item = NewItem::new(payload);
            self.produced.push(number);
            step(ledger, queue, Command::Put { item, timeout: Timeout::NOW });
        }
        if let Wrong::AnothersToken(token, _) = self.wrong {
            tokens.push(token);
        } else {
            let fate = if self.settles == Fate::Acked { Fate::AckAsked } else { Fate::GivenBack };
            self.leased.iter().for_each(|(number, token)| ledger.fate(*number, *token, fate));
        }
        let settle = match self.settles {
            Fate::Acked => Command::Ack { tokens },
            _ => {
                let error = "not now".into();
                Command::Nack { tokens, reentry: Reentry::Place, delay: Duration::ZERO, error }
            }
        };
        step(ledger, self.from, settle);
        Next::Several(objects.into(), Request::Command(AnyCommand::Transaction(steps)))
    }

    fn committed(&mut self, moment: &mut Moment<'_>, end: End) {
        self.phase = Phase::Over;
        match end {
            End::Outcome(Ok(AnyReply::Committed(replies))) => self.done(moment, replies),
            End::Outcome(Err(error)) if error.reason != Reason::OutcomeUnknown => self.failed(moment, &error),
            _ => {
                moment.reach.note("transaction: nobody knows whether it was executed");
                let ledger = &mut *self.ledger.borrow_mut();
                self.produced.iter().for_each(|number| ledger.items[*number].put = Put::Perhaps);
                for queue in &self.to {
                    ledger.queues[*queue].doubtful = true;
                }
                let (consumed, produced) = (std::mem::take(&mut self.leased), self.produced.clone());
                if self.settles == Fate::Acked {
                    ledger.in_doubt.push(InDoubt { life: self.life, consumed, produced });
                } else {
                    // As whoever gives back does: it does so again, in case that its session holds them still.
                    self.task = Task::new(self.ledger.clone(), Doing::give_back(self.from, consumed));
                }
            }
        }
    }

    fn done(&mut self, moment: &mut Moment<'_>, replies: Vec<Reply>) {
        let ledger = &mut *self.ledger.borrow_mut();
        let allowed = match self.wrong {
            Wrong::Nothing => true,
            Wrong::Again => false,
            Wrong::AnothersToken(_, of) => moment.own().incarnation == Some(of),
        };
        assert!(allowed, "{:?}: it was executed all the same", self.wrong);
        moment.reach.note("transaction: executed");
        assert_eq!(replies.len(), self.to.len() + 1, "an answer to each step: {replies:?}");
        let same_life = self.life == moment.server.life();
        for (number, reply) in self.produced.iter().zip(&replies) {
            let Reply::Put(id) = reply else { panic!("a put is answered with {reply:?}") };
            ledger.items[*number].put = if same_life { Put::Admitted(*id) } else { Put::Perhaps };
        }
        self.leased.iter().for_each(|(number, token)| ledger.fate(*number, *token, self.settles));
        if self.settles == Fate::Acked && moment.random.chance(150) {
            self.wrong = Wrong::Again;
            self.phase = Phase::Commit;
        }
    }

    fn failed(&mut self, moment: &mut Moment<'_>, error: &Error) {
        let ledger = &mut *self.ledger.borrow_mut();
        self.produced.iter().for_each(|number| ledger.items[*number].put = Put::Never);
        moment.reach.note(match (error.reason, self.wrong) {
            (Reason::Stale, Wrong::AnothersToken(..)) => "transaction: another's token fails the whole",
            (Reason::Stale, Wrong::Again) => "transaction: it cannot be executed twice",
            (Reason::Stale, Wrong::Nothing) => "transaction: what it would consume was lost",
            (Reason::Full, _) => "transaction: one full queue fails the whole",
            _ => "transaction: fails otherwise",
        });
        expect_reason("transaction", error, &[Reason::Stale, Reason::Full]);
        if let Wrong::Again = self.wrong {
            return;
        }
        let stale = error.reason == Reason::Stale && matches!(self.wrong, Wrong::Nothing);
        for (number, token) in &self.leased {
            let lives = moment.server.lives(ledger.session(*number, *token));
            assert!(!(stale && lives), "item {number} under {token:?}: {error}, though its session lives");
            ledger.fate(*number, *token, if stale { Fate::Lost } else { Fate::Held });
        }
        if !stale {
            // As if it had never been tried.
            self.task.hold(self.from, std::mem::take(&mut self.leased));
        }
    }
}

impl Activity for Transaction {
    fn next(&mut self, moment: &mut Moment<'_>) -> Next {
        if let Phase::Commit = self.phase {
            if !moment.closing && moment.random.chance(self.computes) {
                return Next::Think;
            }
            return self.commit(moment);
        }
        self.task.next(moment)
    }

    fn ended(&mut self, moment: &mut Moment<'_>, end: End) {
        if let Phase::Committing = self.phase {
            return self.committed(moment, end);
        }
        self.task.ended(moment, end);
        if self.leased.is_empty()
            && self.produced.is_empty()
            && let Some(leased) = self.task.take_held()
        {
            self.leased = leased;
            self.phase = Phase::Commit;
        }
    }

    fn may_withdraw(&self) -> bool {
        matches!(self.phase, Phase::Over) && self.task.may_withdraw()
    }

    fn died(&mut self, moment: &mut Moment<'_>) {
        self.task.died(moment);
    }

    fn describe(&self) -> String {
        match self.phase {
            Phase::Over => self.task.describe(),
            _ => format!("transaction of {:?} to {:?}, {:?}", self.leased, self.to, self.wrong),
        }
    }
}

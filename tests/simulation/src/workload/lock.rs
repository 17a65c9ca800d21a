//! Locks, reentrant ones, read-write locks, and conditions of the first two. Semantics 4 and 5.
//!
//! Judged: nobody is inside beside a writer, as the clients see it; tokens grow; a holder whose session lives can
//! release; whoever follows on one that was lost is told so, and nobody else; a condition's wait ends with its lock.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bridge_client::session::{Declaration, Object};
use bridge_core::command::condition::{self, Woken};
use bridge_core::command::lock::{self, Abandoned, Grant};
use bridge_core::command::rwlock::{self, Mode};
use bridge_core::command::{Command, Query, Reply};
use bridge_core::ids::{Op, Token};
use bridge_core::{Error, Reason, Request, Timeout};

use super::{Activity, End, Moment, Next, Workload, ask, expect_reason, handle};
use crate::plan::Plan;
use crate::server::{Incarnation, Server};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Plain,
    Reentrant,
    ReadWrite,
}

/// A level that somebody takes himself to have.
#[derive(Clone, Copy, Debug)]
struct Inside {
    client: usize,
    task: usize,
    process: u32,
    session: Incarnation,
    mode: Mode,
    token: Token,
}

/// What is known of a hold, for who follows on it.
#[derive(Clone, Copy, Debug)]
struct Hold {
    session: Incarnation,
    op: Op,
    /// Its holder has asked for a release, or has said that he waits.
    given_back: bool,
    /// That was answered.
    released: bool,
}

struct Ledger {
    name: &'static str,
    how: How,
    /// By client: the lock, and its condition.
    handles: Vec<(Arc<Object>, Arc<Object>)>,
    inside: Vec<Inside>,
    holds: BTreeMap<Token, Hold>,
    last_write: Token,
    last: Token,
    /// Calls that wait for a notification, perhaps.
    asleep: u64,
    /// At the end: nobody has it and nobody waits.
    is_free: Option<bool>,
}

impl Ledger {
    fn new(name: &'static str, how: How, clients: usize) -> Rc<RefCell<Self>> {
        let mut ledger = Ledger {
            name,
            how,
            handles: Vec::new(),
            inside: Vec::new(),
            holds: BTreeMap::new(),
            last_write: Token(0),
            last: Token(0),
            asleep: 0,
            is_free: None,
        };
        ledger.handles = (0..=clients).map(|_| ledger.handles_of_one()).collect();
        Rc::new(RefCell::new(ledger))
    }

    fn handles_of_one(&self) -> (Arc<Object>, Arc<Object>) {
        let declaration = match self.how {
            How::ReadWrite => Declaration::RwLock(rwlock::Options::default()),
            how => {
                let reentrant = Some(how == How::Reentrant);
                Declaration::Lock(lock::Options { reentrant, ..Default::default() })
            }
        };
        let lock = handle(self.name, declaration);
        let declaration = Declaration::Condition(lock.clone(), condition::Options::default());
        let condition = handle(self.name, declaration);
        (lock, condition)
    }

    /// Somebody enters, for the first time or once more.
    fn enter(&mut self, moment: &mut Moment<'_>, mode: Mode, grant: &Grant, again: bool) {
        let me = moment.own();
        let session = me.incarnation.expect("invariant: who is granted something has a session");
        if session.life != moment.server.life() {
            return;
        }
        let (name, token) = (self.name, grant.token);
        let before = self.inside.len();
        self.inside.retain(|inside| moment.believes(inside.client, inside.session, inside.process));
        let lost = self.inside.len() < before;
        let is_me = |inside: &&Inside| inside.client == moment.client && inside.task == moment.task;
        let others = || self.inside.iter().filter(|inside| !is_me(inside));
        let against = others().find(|other| mode == Mode::Write || other.mode == Mode::Write);
        assert!(against.is_none(), "{name}: somebody enters for {mode:?} under {token:?} beside {against:?}");
        moment.reach.note(match (again, lost, others().next().is_some()) {
            (true, ..) => "lock: entered once more",
            (_, true, _) => "lock: entered after a holder was lost",
            (_, _, true) => "lock: entered beside other readers",
            _ => "lock: entered",
        });
        if !again {
            let after = if mode == Mode::Write { self.last } else { self.last_write };
            assert!(token > after, "{name}: token {token:?} after {after:?}");
            self.check_abandoned(moment, token, grant.abandoned.as_deref());
            self.last = self.last.max(token);
            if mode == Mode::Write {
                self.last_write = token;
            }
            let op = moment.op;
            self.holds.insert(token, Hold { session, op, given_back: false, released: false });
        }
        let (client, task, process) = (moment.client, moment.task, me.process);
        self.inside.push(Inside { client, task, process, session, mode, token });
    }

    /// Who follows on a holder that was lost is told of him, and of nobody else.
    fn check_abandoned(&self, moment: &mut Moment<'_>, token: Token, told: Option<&Abandoned>) {
        let name = self.name;
        if let Some(told) = told {
            moment.reach.note("lock: its owner before was lost, and that is told");
            assert!(told.token < token, "{name}: {token:?} follows on {told:?}");
            if let Some(hold) = self.holds.get(&told.token) {
                let truly = !hold.released && !moment.server.lives(hold.session);
                assert!(truly, "{name}: {told:?} was released, or its session lives: {hold:?}");
            }
        } else if self.how != How::ReadWrite
            && let Some((before, hold)) = self.holds.last_key_value()
        {
            let held = !hold.given_back && moment.server.has_accept(hold.session, hold.op);
            assert!(!held, "{name}: nobody tells {token:?} that {before:?} was lost: {hold:?}");
        }
    }

    fn leave(&mut self, moment: &Moment<'_>, mode: Option<Mode>) {
        let mine = |inside: &Inside| inside.client == moment.client && inside.task == moment.task;
        match mode {
            None => self.inside.retain(|inside| !mine(inside)),
            Some(mode) => {
                if let Some(at) = self.inside.iter().rposition(|one| mine(one) && one.mode == mode) {
                    self.inside.remove(at);
                }
            }
        }
    }
}

/// The locks of a run.
pub struct Locks(Vec<Rc<RefCell<Ledger>>>);

impl Locks {
    /// One of each kind.
    pub fn new(plan: &Plan) -> Self {
        Locks(vec![
            Ledger::new("plain", How::Plain, plan.clients),
            Ledger::new("reentrant", How::Reentrant, plan.clients),
            Ledger::new("read-write", How::ReadWrite, plan.clients),
        ])
    }
}

#[derive(Clone, Copy, Debug)]
enum Doing {
    Acquire {
        mode: Mode,
        barge: bool,
        timeout: Timeout,
    },
    Hold,
    Release {
        mode: Mode,
        token: Token,
        named: bool,
    },
    Wait(Timeout),
    Notify(Option<u32>),
    /// A release by the token of another session.
    Intrude {
        mode: Mode,
        token: Token,
        of: Incarnation,
    },
    Look,
}

struct Task {
    ledger: Rc<RefCell<Ledger>>,
    doing: Doing,
    /// What it has, the newest last.
    levels: Vec<(Mode, Token)>,
    session: Option<Incarnation>,
    /// Nobody knows whether it has it still.
    unsure: bool,
    /// It is there to wake everybody.
    wakes: bool,
}

impl Task {
    fn new(ledger: Rc<RefCell<Ledger>>, doing: Doing) -> Box<Self> {
        Box::new(Task { ledger, doing, levels: Vec::new(), session: None, unsure: false, wakes: false })
    }

    /// What a holder does next.
    fn go_on(&mut self, moment: &mut Moment<'_>) -> Doing {
        let how = self.ledger.borrow().how;
        let dice = if moment.closing || self.unsure { 100 } else { moment.random.below(100) };
        let timeout = moment.timeout(Duration::from_secs(2));
        let again = Doing::Acquire { mode: Mode::Write, barge: false, timeout };
        match (how, dice) {
            _ if std::mem::take(&mut self.wakes) => Doing::Notify(None),
            (_, 0..=19) => Doing::Hold,
            (How::Reentrant, 20..=39) if self.levels.len() < 5 => again,
            (How::ReadWrite, 20..=29) if self.levels.len() < 5 => again,
            (How::ReadWrite, 30..=44) if self.levels.len() < 5 => {
                Doing::Acquire { mode: Mode::Read, barge: false, timeout }
            }
            (How::Plain | How::Reentrant, 40..=49) => Doing::Wait(timeout),
            (How::Plain | How::Reentrant, 50..=69) => {
                Doing::Notify(moment.random.pick(&[Some(1), Some(1), Some(2), None]))
            }
            _ => {
                let at = if how == How::ReadWrite { moment.random.index(self.levels.len()) } else { 0 };
                let (mode, token) = self.levels.remove(at);
                let ledger = &mut *self.ledger.borrow_mut();
                ledger.leave(moment, Some(mode));
                if let Some(hold) = ledger.holds.get_mut(&token).filter(|_| self.levels.is_empty()) {
                    hold.given_back = true;
                }
                let named = self.unsure || moment.random.chance(500);
                Doing::Release { mode, token, named }
            }
        }
    }

    fn entered(&mut self, moment: &mut Moment<'_>, mode: Mode, grant: &Grant, levels: usize) {
        let own = moment.own().incarnation;
        let ledger = &mut *self.ledger.borrow_mut();
        if self.session != own
            || ledger.how != How::ReadWrite && self.levels.first() != Some(&(mode, grant.token))
        {
            self.levels.clear();
        }
        self.session = own;
        for _ in 0..levels {
            ledger.enter(moment, mode, grant, !self.levels.is_empty());
            self.levels.push((mode, grant.token));
        }
    }

    /// Why a holder is not one any more.
    fn check_lost(&self, moment: &mut Moment<'_>, error: &Error) {
        let lost = [Reason::Stale, Reason::LockLost, Reason::NotOwner];
        expect_reason("a holder's call", error, &lost);
        if !lost.contains(&error.reason) {
            return;
        }
        moment.reach.note("lock: its holder is told that it was lost");
        let lives = self.session.is_some_and(|session| moment.server.lives(session));
        assert!(!lives || self.unsure, "{}: {error} though its session lives", self.ledger.borrow().name);
    }
}

impl Activity for Task {
    fn next(&mut self, moment: &mut Moment<'_>) -> Next {
        if let Doing::Hold = self.doing {
            if self.levels.is_empty() {
                return Next::Done;
            }
            self.doing = self.go_on(moment);
        }
        let ledger = &mut *self.ledger.borrow_mut();
        let (lock, condition) = ledger.handles[moment.client].clone();
        let release = |mode, token| match ledger.how {
            How::ReadWrite => Command::RwLock(lock.target(), rwlock::Command::Release { mode, token }),
            _ => Command::Lock(lock.target(), lock::Command::Release { token }),
        };
        let command = match self.doing {
            Doing::Acquire { mode, barge, timeout } => match ledger.how {
                How::ReadWrite => Command::RwLock(
                    lock.target(),
                    rwlock::Command::Acquire(rwlock::Acquire {
                        barge,
                        ..rwlock::Acquire::within(mode, timeout)
                    }),
                ),
                _ => Command::Lock(
                    lock.target(),
                    lock::Command::Acquire(lock::Acquire { barge, ..lock::Acquire::within(timeout) }),
                ),
            },
            Doing::Release { mode, token, named } => release(mode, named.then_some(token)),
            Doing::Intrude { mode, token, .. } => release(mode, Some(token)),
            Doing::Wait(timeout) => {
                ledger.leave(moment, None);
                if let Some(hold) = self.levels.last().and_then(|(_, token)| ledger.holds.get_mut(token)) {
                    hold.given_back = true;
                }
                ledger.asleep += 1;
                let command = Command::Condition(condition.target(), condition::Command::Wait { timeout });
                return Next::Call(condition, Request::Command(command));
            }
            Doing::Notify(count) => {
                let command = Command::Condition(condition.target(), condition::Command::Notify { count });
                return Next::Call(condition, Request::Command(command));
            }
            Doing::Look => {
                return ask(&lock, |target| match ledger.how {
                    How::ReadWrite => Query::RwLock(target, rwlock::Query::Describe),
                    _ => Query::Lock(target, lock::Query::Describe),
                });
            }
            Doing::Hold => return Next::Think,
        };
        Next::Call(lock, Request::Command(command))
    }

    fn ended(&mut self, moment: &mut Moment<'_>, end: End) {
        // Whoever has levels goes on with them, whatever came of this.
        let doing = std::mem::replace(&mut self.doing, Doing::Hold);
        if let Doing::Wait(_) = doing {
            self.ledger.borrow_mut().asleep -= 1;
        }
        match (doing, end) {
            (Doing::Acquire { mode, .. }, End::Outcome(Ok(Reply::Lock(lock::Reply::Acquired(grant))))) => {
                self.entered(moment, mode, &grant, 1);
            }
            (
                Doing::Acquire { mode, .. },
                End::Outcome(Ok(Reply::RwLock(rwlock::Reply::Acquired(grant)))),
            ) => {
                self.entered(moment, mode, &grant, 1);
            }
            (Doing::Acquire { .. }, End::Outcome(Err(error))) => {
                expect_reason("acquire", &error, &[Reason::TimedOut, Reason::Deadlock]);
                moment.reach.note(match error.reason {
                    Reason::Deadlock => "lock: of two who upgrade the second is refused",
                    _ => "lock: not acquired in time",
                });
            }
            (
                Doing::Wait(_),
                End::Outcome(Ok(Reply::Condition(condition::Reply::Waited { woken, grant }))),
            ) => {
                moment.reach.note(match woken {
                    Woken::Notified => "condition: a wait ends with a notification",
                    Woken::TimedOut => "condition: a wait's time is over",
                    Woken::Cancelled => "condition: a wait is cancelled, and has its lock again",
                });
                let levels = std::mem::take(&mut self.levels).len();
                self.entered(moment, Mode::Write, &grant, levels);
            }
            // It was not sent.
            (Doing::Wait(_), End::Outcome(Err(error)))
                if matches!(error.reason, Reason::Cancelled | Reason::Unavailable) => {}
            (Doing::Wait(_), End::Outcome(Err(error))) => {
                self.check_lost(moment, &error);
                self.levels.clear();
            }
            (Doing::Wait(_), End::Refused(_)) => {
                moment.reach.note("condition: the grant that ends a wait is refused");
                self.levels.clear();
            }
            (Doing::Wait(_), End::Abandoned) => self.unsure = true,
            (Doing::Notify(_), End::Outcome(Ok(Reply::Condition(condition::Reply::Notified { count })))) => {
                moment.reach.note(if count > 0 {
                    "condition: somebody is notified"
                } else {
                    "condition: nobody is notified"
                });
            }
            (Doing::Notify(_), End::Outcome(Err(error))) if error.reason != Reason::OutcomeUnknown => {
                self.check_lost(moment, &error);
            }
            (Doing::Release { token, .. }, End::Outcome(Ok(_))) => {
                moment.reach.note("lock: released");
                let ledger = &mut *self.ledger.borrow_mut();
                if let Some(hold) = ledger.holds.get_mut(&token).filter(|_| self.levels.is_empty()) {
                    hold.released = true;
                }
            }
            (Doing::Release { mode, token, named }, End::Outcome(Err(error))) => match error.reason {
                Reason::Unavailable => self.doing = Doing::Release { mode, token, named },
                Reason::OutcomeUnknown => {
                    // If it was executed, the next one releases a level more.
                    self.unsure = true;
                    let ledger = &mut *self.ledger.borrow_mut();
                    ledger.leave(moment, None);
                    if let Some(hold) = ledger.holds.get_mut(&token) {
                        hold.given_back = true;
                    }
                    if named {
                        self.doing = Doing::Release { mode, token, named };
                    }
                }
                _ => self.check_lost(moment, &error),
            },
            (Doing::Intrude { token, of, .. }, End::Outcome(outcome)) => {
                let mine = moment.own().incarnation == Some(of);
                moment.reach.note("lock: a release by another's token is refused");
                assert!(
                    outcome.is_err() || mine,
                    "{}: another's {token:?} was released",
                    self.ledger.borrow().name
                );
            }
            (Doing::Look, End::Outcome(Ok(reply))) => {
                let free = match &reply {
                    Reply::Lock(lock::Reply::Described(figures)) => {
                        figures.holder.is_none() && figures.waiting == 0
                    }
                    Reply::RwLock(rwlock::Reply::Described(figures)) => {
                        figures.writer.is_none() && figures.reading + figures.waiting == 0
                    }
                    other => panic!("a lock was described by {other:?}"),
                };
                self.ledger.borrow_mut().is_free = Some(free);
            }
            _ => {}
        }
    }

    fn may_withdraw(&self) -> bool {
        !matches!(self.doing, Doing::Release { .. })
    }

    fn died(&mut self, _moment: &mut Moment<'_>) {}

    fn describe(&self) -> String {
        format!("lock {} {:?} with {:?}", self.ledger.borrow().name, self.doing, self.levels)
    }
}

impl Workload for Locks {
    fn name(&self) -> &'static str {
        "lock"
    }

    fn begin(&mut self, moment: &mut Moment<'_>) -> Box<dyn Activity> {
        let shared = self.0[moment.random.index(self.0.len())].clone();
        let ledger = shared.borrow();
        let timeout = moment.timeout(Duration::from_secs(2));
        let another = ledger.inside.iter().find(|inside| inside.client != moment.client);
        let mode = match ledger.how {
            How::ReadWrite => moment.random.pick(&[Mode::Read, Mode::Read, Mode::Write]),
            _ => Mode::Write,
        };
        let doing = match (moment.random.below(20), another) {
            (0, Some(Inside { mode, token, session, .. })) => {
                Doing::Intrude { mode: *mode, token: *token, of: *session }
            }
            (dice, _) => Doing::Acquire { mode, barge: dice == 1, timeout },
        };
        drop(ledger);
        Task::new(shared, doing)
    }

    fn branch(&mut self, moment: &mut Moment<'_>, _owned: bool) -> Option<Box<dyn Activity>> {
        let ledger = self.0[moment.random.index(self.0.len())].clone();
        let mode = match ledger.borrow().how {
            How::ReadWrite => moment.random.pick(&[Mode::Read, Mode::Write]),
            _ => Mode::Write,
        };
        Some(Task::new(ledger, Doing::Acquire { mode, barge: false, timeout: Timeout::Never }))
    }

    fn reset(&mut self, client: usize) {
        for ledger in &self.0 {
            let handles = ledger.borrow().handles_of_one();
            ledger.borrow_mut().handles[client] = handles;
        }
    }

    fn help(&mut self, _moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
        let shared = self.0.iter().find(|ledger| ledger.borrow().asleep > 0)?;
        let timeout = Timeout::After(Duration::from_secs(1));
        let mut task = Task::new(shared.clone(), Doing::Acquire { mode: Mode::Write, barge: false, timeout });
        task.wakes = true;
        Some(task)
    }

    fn sweep(&mut self, _moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
        let shared = self.0.iter().find(|ledger| ledger.borrow().is_free.is_none())?;
        Some(Task::new(shared.clone(), Doing::Look))
    }

    fn balance(&self, _server: &Server) {
        for ledger in self.0.iter().map(|ledger| ledger.borrow()) {
            assert_eq!(ledger.is_free, Some(true), "{} is not free at the end", ledger.name);
        }
    }

    fn life_over(&mut self) {
        for ledger in &self.0 {
            let mut ledger = ledger.borrow_mut();
            ledger.inside.clear();
            ledger.holds.clear();
            // The node begins at the clock, so tokens grow across lives; what comes late of this one does not count.
        }
    }
}

//! Semaphores: a mutex by token, a pool, and one for signals. Semantics 3.
//!
//! Judged: never are more inside than there are permits, as the clients see it; the mutex's tokens grow; nobody releases
//! what is another's by its token; no permit is lost or made; every signal is consumed once.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use bridge_client::session::{Declaration, Object, Origin};
use bridge_core::command::semaphore::{Acquire, Command, Figures, Options, Query, Reply};
use bridge_core::command::{Command as AnyCommand, Query as AnyQuery, Reply as AnyReply};
use bridge_core::ids::{Name, Op, Token};
use bridge_core::{Error, Reason, Request, Timeout};

use super::{Activity, End, Moment, Next, Workload, ask, expect_reason};
use crate::plan::Plan;
use crate::server::{Incarnation, Server};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// One permit, by token.
    Mutex,
    /// Several, bare and by token, singly and more at once.
    Pool,
    /// None from the start: who releases signals.
    Signals,
}

/// Somebody inside.
#[derive(Clone, Copy, Debug)]
struct Inside {
    client: usize,
    process: u32,
    session: Incarnation,
    permits: i64,
    token: Token,
    by_token: bool,
}

/// One semaphore and what is known of it.
struct Ledger {
    name: &'static str,
    how: Use,
    limit: i64,
    /// By client.
    handles: Vec<Arc<Object>>,
    waiting: u64,
    inside: Vec<Inside>,
    last_token: Token,
    /// Signals given; and those of which nobody knows.
    given: i64,
    perhaps_given: i64,
    taken: Vec<(Incarnation, Op)>,
    /// Nobody knows whether some bare release was executed.
    leaks: bool,
    found: Option<Figures>,
}

impl Ledger {
    fn new(name: &'static str, how: Use, limit: i64, clients: usize) -> Rc<RefCell<Self>> {
        let mut ledger = Ledger {
            name,
            how,
            limit,
            handles: Vec::new(),
            waiting: 0,
            inside: Vec::new(),
            last_token: Token(0),
            given: 0,
            perhaps_given: 0,
            taken: Vec::new(),
            leaks: false,
            found: None,
        };
        ledger.handles = (0..=clients).map(|_| ledger.handle()).collect();
        Rc::new(RefCell::new(ledger))
    }

    fn handle(&self) -> Arc<Object> {
        let options = Options { limit: Some(self.limit), ..Default::default() };
        let name = Name::parse("name", self.name).expect("invariant: a valid name");
        Arc::new(Object::new(name, Declaration::Semaphore(options), Origin::Named))
    }

    /// Somebody enters: there must be room for him among those who take themselves for inside.
    fn enter(&mut self, moment: &mut Moment<'_>, permits: i64, token: Token, by_token: bool) {
        let me = moment.own();
        let session = me.incarnation.expect("invariant: who is granted something has a session");
        if session.life != moment.server.life() {
            // Nothing but its token tells a holder of an earlier life that it is not alone.
            return;
        }
        if self.how == Use::Signals {
            self.taken.push((session, moment.op));
            return;
        }
        let others: Vec<Inside> = self
            .inside
            .iter()
            .filter(|inside| moment.believes(inside.client, inside.session, inside.process))
            .copied()
            .collect();
        let sum: i64 = others.iter().map(|inside| inside.permits).sum();
        assert!(sum + permits <= self.limit, "{}: {permits} more enter beside {others:?}", self.name);
        if self.how == Use::Mutex {
            assert!(token > self.last_token, "{}: token {token:?} after {:?}", self.name, self.last_token);
            self.last_token = token;
        }
        moment.reach.note(match (others.is_empty(), self.inside.len() > others.len()) {
            (_, true) => "semaphore: somebody enters after a holder was lost",
            (true, _) => "semaphore: somebody enters alone",
            (false, _) => "semaphore: somebody enters beside others",
        });
        self.inside.retain(|inside| moment.believes(inside.client, inside.session, inside.process));
        let client = moment.client;
        self.inside.push(Inside { client, process: me.process, session, permits, token, by_token });
    }
}

/// The semaphores of a run.
pub struct Semaphores(Vec<Rc<RefCell<Ledger>>>);

impl Semaphores {
    /// As the seed wants them.
    pub fn new(_seed: u64, plan: &Plan) -> Self {
        Semaphores(vec![
            Ledger::new("mutex", Use::Mutex, 1, plan.clients),
            Ledger::new("pool", Use::Pool, 3, plan.clients),
            Ledger::new("signals", Use::Signals, 0, plan.clients),
        ])
    }
}

#[derive(Clone, Copy, Debug)]
enum Doing {
    Acquire(Acquire),
    Drain,
    /// What was granted: how many, in which session.
    Hold {
        permits: i64,
        session: Incarnation,
        token: Token,
        by_token: bool,
    },
    Release {
        permits: i64,
        session: Incarnation,
        token: Option<Token>,
        again: bool,
    },
    /// A release by the token of somebody else.
    Intrude {
        token: Token,
        of: Incarnation,
    },
    Signal(u32),
    Look,
    Done,
}

struct Task {
    ledger: Rc<RefCell<Ledger>>,
    doing: Doing,
    life: u32,
}

impl Task {
    fn release(
        &self,
        moment: &mut Moment<'_>,
        permits: i64,
        session: Incarnation,
        token: Token,
        by_token: bool,
    ) -> Doing {
        let ledger = &mut *self.ledger.borrow_mut();
        ledger.inside.retain(|inside| inside.token != token);
        if ledger.how == Use::Signals {
            return Doing::Done;
        }
        let again = by_token && moment.random.chance(50);
        Doing::Release { permits, session, token: by_token.then_some(token), again }
    }

    fn refused(ledger: &Ledger, moment: &mut Moment<'_>, error: &Error, session: Incarnation) {
        match error.reason {
            Reason::Stale => {
                moment.reach.note("semaphore: a release after the loss is told");
                assert!(!moment.server.lives(session), "{}: a release by its holder is stale", ledger.name);
            }
            _ => expect_reason("release", error, &[Reason::OutcomeUnknown]),
        }
    }
}

impl Activity for Task {
    fn next(&mut self, moment: &mut Moment<'_>) -> Next {
        if let Doing::Hold { permits, session, token, by_token } = self.doing {
            if !moment.closing && moment.random.chance(600) {
                return Next::Think;
            }
            self.doing = self.release(moment, permits, session, token, by_token);
        }
        self.life = moment.server.life();
        let mut ledger = self.ledger.borrow_mut();
        let object = ledger.handles[moment.client].clone();
        let command = match self.doing {
            Doing::Acquire(acquire) => {
                ledger.waiting += 1;
                Command::Acquire(acquire)
            }
            Doing::Drain => Command::Drain,
            Doing::Release { permits, token, .. } => Command::Release { permits: permits as u32, token },
            Doing::Intrude { token, .. } => Command::Release { permits: 1, token: Some(token) },
            Doing::Signal(permits) => Command::Release { permits, token: None },
            Doing::Look => return ask(&object, |target| AnyQuery::Semaphore(target, Query::Describe)),
            Doing::Hold { .. } | Doing::Done => return Next::Done,
        };
        let target = object.target();
        Next::Call(object, Request::Command(AnyCommand::Semaphore(target, command)))
    }

    fn ended(&mut self, moment: &mut Moment<'_>, end: End) {
        let ledger = &mut *self.ledger.borrow_mut();
        let doing = std::mem::replace(&mut self.doing, Doing::Done);
        if let Doing::Acquire(_) = doing {
            ledger.waiting -= 1;
        }
        match (doing, end) {
            (Doing::Acquire(acquire), End::Outcome(Ok(AnyReply::Semaphore(Reply::Acquired(token))))) => {
                let (permits, by_token) = (i64::from(acquire.permits), acquire.by_token);
                ledger.enter(moment, permits, token, by_token);
                let session = moment.own().incarnation.expect("invariant: it has a session");
                self.doing = Doing::Hold { permits, session, token, by_token };
            }
            (Doing::Acquire(_), End::Outcome(Err(error))) => {
                expect_reason("acquire", &error, &[Reason::TimedOut])
            }
            (
                Doing::Drain,
                End::Outcome(Ok(AnyReply::Semaphore(Reply::Drained { drained, token: Some(token) }))),
            ) => {
                moment.reach.note("semaphore: drained");
                ledger.enter(moment, drained, token, false);
                let session = moment.own().incarnation.expect("invariant: it has a session");
                self.doing = Doing::Hold { permits: drained, session, token, by_token: false };
            }
            (Doing::Release { permits, session, token, again }, End::Outcome(Ok(_))) => {
                moment.reach.note(if token.is_some() {
                    "semaphore: released by token"
                } else {
                    "semaphore: released"
                });
                if again {
                    moment.reach.note("semaphore: released by the same token again");
                    self.doing = Doing::Release { permits, session, token, again: false };
                }
            }
            (Doing::Release { permits, session, token, again }, End::Outcome(Err(error))) => {
                match (error.reason, token) {
                    // It was not sent.
                    (Reason::Unavailable, _) | (Reason::OutcomeUnknown, Some(_)) => {
                        self.doing = Doing::Release { permits, session, token, again };
                    }
                    (Reason::OutcomeUnknown, None) => ledger.leaks = true,
                    _ => Task::refused(ledger, moment, &error, session),
                }
            }
            (Doing::Intrude { token, of }, End::Outcome(outcome)) => {
                let mine = moment.own().incarnation == Some(of);
                moment.reach.note("semaphore: a release by another's token is refused");
                assert!(outcome.is_err() || mine, "{}: another's {token:?} was released", ledger.name);
            }
            (Doing::Signal(permits), End::Outcome(Ok(_))) if self.life == moment.server.life() => {
                moment.reach.note("semaphore: signalled");
                ledger.given += i64::from(permits);
            }
            (Doing::Signal(_), End::Outcome(Err(error))) if error.reason != Reason::OutcomeUnknown => {
                expect_reason("signal", &error, &[]);
            }
            (Doing::Signal(permits), _) => ledger.perhaps_given += i64::from(permits),
            (Doing::Look, End::Outcome(Ok(AnyReply::Semaphore(Reply::Described(figures))))) => {
                ledger.found = Some(*figures);
            }
            _ => {}
        }
    }

    fn may_withdraw(&self) -> bool {
        !matches!(self.doing, Doing::Release { .. })
    }

    fn died(&mut self, _moment: &mut Moment<'_>) {}

    fn describe(&self) -> String {
        format!("semaphore {} {:?}", self.ledger.borrow().name, self.doing)
    }
}

impl Workload for Semaphores {
    fn name(&self) -> &'static str {
        "semaphore"
    }

    fn begin(&mut self, moment: &mut Moment<'_>) -> Box<dyn Activity> {
        let shared = self.0[moment.random.index(self.0.len())].clone();
        let ledger = shared.borrow();
        let timeout = moment.timeout(std::time::Duration::from_secs(2));
        let acquire =
            |permits, by_token, barge| Doing::Acquire(Acquire { permits, by_token, barge, timeout });
        let another = ledger.inside.iter().find(|inside| inside.by_token && inside.client != moment.client);
        let doing = match (ledger.how, moment.random.below(10), another) {
            (Use::Mutex | Use::Pool, 0, Some(other)) => {
                Doing::Intrude { token: other.token, of: other.session }
            }
            (Use::Mutex, ..) => acquire(1, true, false),
            (Use::Pool, 1, _) => Doing::Drain,
            (Use::Pool, 2, _) => acquire(1, false, true),
            (Use::Pool, dice, _) => acquire(1 + dice as u32 % 3, dice > 5, false),
            (Use::Signals, 0..=5, _) => Doing::Signal(1),
            (Use::Signals, ..) => acquire(1, false, false),
        };
        drop(ledger);
        Box::new(Task { ledger: shared, doing, life: 0 })
    }

    fn branch(&mut self, moment: &mut Moment<'_>, owned: bool) -> Option<Box<dyn Activity>> {
        let ledger = self.0[moment.random.index(if owned { 2 } else { 3 })].clone();
        let (permits, by_token) = match ledger.borrow().how {
            Use::Mutex => (1, true),
            Use::Pool => (moment.random.between(1, 3) as u32, owned || moment.random.chance(500)),
            Use::Signals => (1, false),
        };
        let acquire = Acquire { permits, by_token, barge: false, timeout: Timeout::Never };
        Some(Box::new(Task { ledger, doing: Doing::Acquire(acquire), life: 0 }))
    }

    fn reset(&mut self, client: usize) {
        for ledger in &self.0 {
            let handle = ledger.borrow().handle();
            ledger.borrow_mut().handles[client] = handle;
        }
    }

    fn help(&mut self, _moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
        let wanted = |ledger: &&Rc<RefCell<Ledger>>| {
            let ledger = ledger.borrow();
            (ledger.how == Use::Signals || ledger.leaks) && ledger.waiting > 0
        };
        let shared = self.0.iter().find(wanted)?;
        let waiting = shared.borrow().waiting as u32;
        Some(Box::new(Task { ledger: shared.clone(), doing: Doing::Signal(waiting), life: 0 }))
    }

    fn sweep(&mut self, _moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
        let shared = self.0.iter().find(|ledger| ledger.borrow().found.is_none())?;
        Some(Box::new(Task { ledger: shared.clone(), doing: Doing::Look, life: 0 }))
    }

    fn balance(&self, server: &Server) {
        for ledger in self.0.iter().map(|ledger| ledger.borrow()) {
            let found = ledger.found.as_ref().expect("invariant: it was looked at");
            let name = ledger.name;
            assert_eq!(found.waiting, 0, "{name}: {found:?}");
            assert_eq!(found.available, found.limit + found.signals - found.held, "{name}: {found:?}");
            if ledger.leaks {
                continue;
            }
            assert_eq!(found.held, 0, "{name}: {found:?}");
            if ledger.how != Use::Signals {
                assert_eq!(
                    (found.limit, found.signals),
                    (ledger.limit, 0),
                    "{name}: permits were made or lost"
                );
                continue;
            }
            let accepted = |(session, op): &&(Incarnation, Op)| server.has_accept(*session, *op);
            let taken = ledger.taken.iter().filter(accepted).count() as i64;
            let left = ledger.given - taken;
            let possible = left..=left + ledger.perhaps_given;
            assert!(
                possible.contains(&found.signals),
                "{name}: {} signals are left of {} given and {taken} taken, {} in doubt",
                found.signals,
                ledger.given,
                ledger.perhaps_given
            );
        }
    }

    fn life_over(&mut self) {
        for ledger in &self.0 {
            let mut ledger = ledger.borrow_mut();
            ledger.inside.clear();
            ledger.given = 0;
            ledger.taken.clear();
            // What is answered later was executed in this life, or in the next.
            ledger.perhaps_given = 0;
        }
    }
}

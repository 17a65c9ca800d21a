//! A lock that is held for a lease. Semantics 4.
//!
//! Judged: nobody enters before the lease of the holder before is over, counted from when that one took it or asked for more; a
//! holder is told that it lost it only then; whoever follows on one that lost it is told so, and why; tokens grow; one that
//! hangs holds nobody up.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bridge_client::session::{Declaration, Object};
use bridge_core::command::Command as AnyCommand;
use bridge_core::command::Reply as AnyReply;
use bridge_core::command::lock::{Abandoned, Acquire, Cause, Command, Grant, Options, Reply};
use bridge_core::ids::{Op, Token};
use bridge_core::{Error, Reason, Request, Time, Timeout};

use super::{Activity, End, Moment, Next, Workload, expect_reason, handle};
use crate::plan::Plan;
use crate::server::{Incarnation, Server};

/// A hold, as its client knows of it.
#[derive(Clone, Copy, Debug)]
struct Hold {
    client: usize,
    process: u32,
    session: Incarnation,
    op: Op,
    lease: Duration,
    /// It is not over before.
    until: Time,
    /// Its holder has asked for a release.
    given_back: bool,
    /// That was answered.
    released: bool,
}

struct Ledger {
    handles: Vec<Arc<Object>>,
    holds: BTreeMap<Token, Hold>,
    /// At the end somebody could have it.
    swept: bool,
}

fn lock() -> Arc<Object> {
    handle("leased", Declaration::Lock(Options::default()))
}

impl Ledger {
    fn enter(&mut self, moment: &mut Moment<'_>, grant: &Grant, lease: Duration) {
        let me = moment.own();
        let session = me.incarnation.expect("invariant: who is granted something has a session");
        if session.life != moment.server.life() {
            return;
        }
        let token = grant.token;
        if let Some((before, hold)) = self.holds.last_key_value() {
            assert!(*before < token, "token {token:?} after {before:?}");
            let inside = !hold.given_back && moment.believes(hold.client, hold.session, hold.process);
            assert!(!inside || hold.until <= moment.now, "{token:?} is granted beside {before:?}: {hold:?}");
        }
        self.check_abandoned(moment, token, grant.abandoned.as_deref());
        let hold = Hold {
            client: moment.client,
            process: me.process,
            session,
            op: moment.op,
            lease,
            until: moment.now + lease,
            given_back: false,
            released: false,
        };
        self.holds.insert(token, hold);
        moment.reach.note("lease: a lock is held for a while");
    }

    /// Who follows on a holder that lost it is told of him, and of nobody else.
    fn check_abandoned(&self, moment: &mut Moment<'_>, token: Token, told: Option<&Abandoned>) {
        let Some(told) = told else {
            if let Some((before, hold)) = self.holds.last_key_value() {
                let held = !hold.given_back && moment.server.has_accept(hold.session, hold.op);
                assert!(!held, "nobody tells {token:?} that {before:?} was lost: {hold:?}");
            }
            return;
        };
        let Some(hold) = self.holds.get(&told.token) else { return };
        assert!(told.token < token && !hold.released, "{token:?} follows on {told:?}: {hold:?}");
        match told.cause {
            Cause::Lease => {
                moment.reach.note("lease: it was over, and who follows is told");
                assert!(hold.until <= moment.now, "the lease was not over: {told:?}, {hold:?}");
            }
            Cause::Session => assert!(!moment.server.lives(hold.session), "{told:?}: {hold:?}"),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Doing {
    Acquire {
        lease: Duration,
        timeout: Timeout,
    },
    Hold(Token),
    /// Asked for at that time.
    Extend(Token, Time),
    Release(Token),
    Done,
}

struct Task {
    ledger: Rc<RefCell<Ledger>>,
    doing: Doing,
    /// It is there to see that the lock can be had.
    sweeps: bool,
}

impl Task {
    /// What a holder does next.
    fn go_on(&self, moment: &mut Moment<'_>, token: Token) -> Doing {
        let dice = if moment.closing || self.sweeps { 100 } else { moment.random.below(100) };
        match dice {
            0..=29 => Doing::Hold(token),
            30..=44 => Doing::Extend(token, moment.now),
            45..=69 => {
                moment.reach.note("lease: a holder hangs");
                Doing::Done
            }
            _ => {
                if let Some(hold) = self.ledger.borrow_mut().holds.get_mut(&token) {
                    hold.given_back = true;
                }
                Doing::Release(token)
            }
        }
    }

    /// Why a holder is not one any more.
    fn check_lost(&self, moment: &mut Moment<'_>, token: Token, error: &Error) {
        let lost = [Reason::Stale, Reason::LockLost, Reason::NotOwner];
        expect_reason("a holder's call", error, &[&lost[..], &[Reason::OutcomeUnknown]].concat());
        let ledger = self.ledger.borrow();
        let Some(hold) = ledger.holds.get(&token).filter(|_| lost.contains(&error.reason)) else { return };
        moment.reach.note("lease: a holder is told that it lost it");
        let may = hold.until <= moment.now || !moment.server.lives(hold.session);
        assert!(may, "{error} though the lease is not over: {hold:?}");
    }
}

impl Activity for Task {
    fn next(&mut self, moment: &mut Moment<'_>) -> Next {
        if let Doing::Hold(token) = self.doing {
            self.doing = self.go_on(moment, token);
        }
        let object = self.ledger.borrow().handles[moment.client].clone();
        let command = match self.doing {
            Doing::Acquire { lease, timeout } => {
                Command::Acquire(Acquire { lease: Some(lease), ..Acquire::within(timeout) })
            }
            Doing::Extend(token, _) => Command::Extend { token, lease: None },
            Doing::Release(token) => Command::Release { token: Some(token) },
            Doing::Hold(_) => return Next::Think,
            Doing::Done => return Next::Done,
        };
        let target = object.target();
        Next::Call(object, Request::Command(AnyCommand::Lock(target, command)))
    }

    fn ended(&mut self, moment: &mut Moment<'_>, end: End) {
        let doing = std::mem::replace(&mut self.doing, Doing::Done);
        match (doing, end) {
            (Doing::Acquire { lease, .. }, End::Outcome(Ok(AnyReply::Lock(Reply::Acquired(grant))))) => {
                let ledger = &mut *self.ledger.borrow_mut();
                ledger.enter(moment, &grant, lease);
                ledger.swept |= self.sweeps;
                self.doing = Doing::Hold(grant.token);
            }
            (Doing::Acquire { .. }, End::Outcome(Err(error))) => {
                expect_reason("acquire", &error, &[Reason::TimedOut]);
            }
            (Doing::Extend(token, asked), End::Outcome(Ok(_))) => {
                moment.reach.note("lease: it counts anew");
                if let Some(hold) = self.ledger.borrow_mut().holds.get_mut(&token) {
                    hold.until = asked + hold.lease;
                }
                self.doing = Doing::Hold(token);
            }
            (Doing::Release(token), End::Outcome(Ok(_))) => {
                if let Some(hold) = self.ledger.borrow_mut().holds.get_mut(&token) {
                    hold.released = true;
                }
            }
            (Doing::Extend(token, _) | Doing::Release(token), End::Outcome(Err(error))) => {
                if error.reason == Reason::Unavailable {
                    self.doing = doing;
                } else {
                    self.check_lost(moment, token, &error);
                }
            }
            (Doing::Hold(_), _) => self.doing = doing,
            _ => {}
        }
    }

    fn may_withdraw(&self) -> bool {
        matches!(self.doing, Doing::Acquire { .. })
    }

    fn died(&mut self, _moment: &mut Moment<'_>) {}

    fn describe(&self) -> String {
        format!("leased lock, {:?}", self.doing)
    }
}

/// The one of a run.
pub struct Leases(Rc<RefCell<Ledger>>);

impl Leases {
    /// Nobody has it yet.
    pub fn new(plan: &Plan) -> Self {
        let handles = (0..=plan.clients).map(|_| lock()).collect();
        Leases(Rc::new(RefCell::new(Ledger { handles, holds: BTreeMap::new(), swept: false })))
    }

    fn acquire(&self, lease: Duration, timeout: Timeout, sweeps: bool) -> Box<dyn Activity> {
        Box::new(Task { ledger: self.0.clone(), doing: Doing::Acquire { lease, timeout }, sweeps })
    }
}

impl Workload for Leases {
    fn name(&self) -> &'static str {
        "lease"
    }

    fn begin(&mut self, moment: &mut Moment<'_>) -> Box<dyn Activity> {
        let lease = Duration::from_millis(moment.random.between(20, 1_500));
        let timeout = moment.timeout(Duration::from_secs(2));
        self.acquire(lease, timeout, false)
    }

    fn reset(&mut self, client: usize) {
        self.0.borrow_mut().handles[client] = lock();
    }

    fn help(&mut self, _moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
        None
    }

    fn sweep(&mut self, _moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
        let swept = self.0.borrow().swept;
        (!swept).then(|| self.acquire(Duration::from_secs(1), Timeout::Never, true))
    }

    fn balance(&self, _server: &Server) {
        assert!(self.0.borrow().swept, "nobody could have the leased lock at the end");
    }

    fn life_over(&mut self) {
        self.0.borrow_mut().holds.clear();
    }
}

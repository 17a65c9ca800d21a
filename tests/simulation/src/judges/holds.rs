//! Who holds which locks and permits, as grants, acceptances, refusals and releases tell.

use std::collections::BTreeMap;

use bridge_core::command::rwlock::Mode;
use bridge_core::command::{Command, Reply, condition, lock, rwlock, semaphore};
use bridge_core::ids::{Op, OpRange, SessionKey, Token};

use super::wholes::is_part;
use super::{Answer, CallId, Calls, Object, Open, Owner};

/// A hold, accepted or on offer.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    pub(super) who: Owner,
    pub(super) mode: Mode,
    token: Token,
    levels: u32,
    offers: Vec<(Op, u32)>,
    permits: u64,
    /// Of permits: others may give them back too.
    pub(super) bare: bool,
    /// Of a lock: it is over by itself.
    leased: bool,
}

#[derive(Default)]
pub(super) struct Holds {
    by_object: BTreeMap<Object, Vec<Hold>>,
    /// Levels that a condition's wait restores. A participant may have several such: some that it turned away from.
    slept: BTreeMap<CallId, u32>,
}

impl Holds {
    pub(super) fn of(&self, object: Object) -> &[Hold] {
        self.by_object.get(&object).map_or(&[], Vec::as_slice)
    }

    /// Whether the participant holds anything.
    pub(super) fn has_any(&self, who: Owner) -> bool {
        self.by_object.values().flatten().any(|hold| hold.who == who)
    }

    /// Something was granted, released or drained.
    pub(super) fn answer(&mut self, calls: &Calls, answer: &Answer<'_>) {
        let Ok(reply) = answer.outcome else { return };
        self.apply(calls, answer, &answer.open.command, reply);
    }

    fn apply(&mut self, calls: &Calls, answer: &Answer<'_>, command: &Command, reply: &Reply) {
        let Open { who, .. } = *answer.open;
        match (command, reply) {
            (Command::Select(select), Reply::Selected { branch, reply }) => {
                if let Some(command) = select.branches.get(*branch as usize) {
                    self.apply(calls, answer, command, reply);
                }
                return;
            }
            (Command::AcquireAll(all), Reply::AcquiredAll(replies)) => {
                for (command, reply) in all.parts.iter().zip(replies) {
                    self.apply(calls, answer, command, reply);
                }
                return;
            }
            _ => {}
        }
        let Some(object) = calls.object(command) else { return };
        let new = |mode, token, permits, bare| Hold {
            who,
            mode,
            token,
            levels: 0,
            offers: Vec::new(),
            permits,
            bare,
            leased: false,
        };
        match (command, reply) {
            (
                Command::Lock(_, lock::Command::Acquire(acquire)),
                Reply::Lock(lock::Reply::Acquired(grant)),
            ) => {
                let leased = acquire.lease.is_some();
                let hold = Hold { leased, ..new(Mode::Write, grant.token, 1, false) };
                self.grant(object, answer, hold, 1);
            }
            (
                Command::RwLock(_, rwlock::Command::Acquire(acquire)),
                Reply::RwLock(rwlock::Reply::Acquired(grant)),
            ) => self.grant(object, answer, new(acquire.mode, grant.token, 1, false), 1),
            (_, Reply::Condition(condition::Reply::Waited { grant, .. })) => {
                let levels = self.slept.remove(&answer.call).unwrap_or(1);
                if let Some(lock) = calls.lock_of(object) {
                    self.grant(lock, answer, new(Mode::Write, grant.token, 1, false), levels);
                }
            }
            (
                Command::Semaphore(_, semaphore::Command::Acquire(acquire)),
                Reply::Semaphore(semaphore::Reply::Acquired(token)),
            ) => {
                let permits = u64::from(acquire.permits);
                self.grant(object, answer, new(Mode::Read, *token, permits, !acquire.by_token), 1);
            }
            (_, Reply::Semaphore(semaphore::Reply::Drained { drained, token: Some(token) })) => {
                self.grant(object, answer, new(Mode::Read, *token, drained.unsigned_abs(), true), 1);
            }
            (Command::Lock(_, lock::Command::Release { token }), Reply::Lock(lock::Reply::Released)) => {
                self.release(object, |hold| token.is_none_or(|token| hold.token == token));
            }
            (
                Command::RwLock(_, rwlock::Command::Release { mode, token }),
                Reply::RwLock(rwlock::Reply::Released),
            ) => {
                let own = |hold: &Hold| hold.who == who && hold.mode == *mode;
                self.release(object, |hold| token.map_or_else(|| own(hold), |token| hold.token == token));
            }
            (
                Command::Semaphore(_, semaphore::Command::Release { permits, token }),
                Reply::Semaphore(semaphore::Reply::Released),
            ) => match token {
                Some(token) => self.release(object, |hold| hold.token == *token),
                None => self.release_bare(object, who, u64::from(*permits)),
            },
            _ => {}
        }
    }

    fn grant(&mut self, object: Object, answer: &Answer<'_>, hold: Hold, levels: u32) {
        let holds = self.by_object.entry(object).or_default();
        holds.retain(|known| known.token == hold.token || !known.leased);
        let at = holds.iter().position(|known| known.token == hold.token).unwrap_or_else(|| {
            holds.push(hold);
            holds.len() - 1
        });
        match answer.offered {
            true => holds[at].offers.push((answer.call.1, levels)),
            false => holds[at].levels += levels,
        }
    }

    fn release(&mut self, object: Object, which: impl Fn(&Hold) -> bool) {
        let Some(holds) = self.by_object.get_mut(&object) else { return };
        let Some(hold) = holds.iter_mut().find(|hold| which(hold)) else { return };
        if hold.levels == 0 {
            hold.levels = hold.offers.drain(..).map(|(_, levels)| levels).sum();
        }
        hold.levels = hold.levels.saturating_sub(1);
        holds.retain(Hold::is_any);
    }

    /// The newest of its own, else of its session's, else the oldest.
    fn release_bare(&mut self, object: Object, who: Owner, mut permits: u64) {
        let Some(holds) = self.by_object.get_mut(&object) else { return };
        while permits > 0 {
            let bare = || holds.iter().enumerate().filter(|(_, hold)| hold.bare && hold.levels > 0);
            let own = bare().rfind(|(_, hold)| hold.who == who);
            let near = bare().rfind(|(_, hold)| hold.who.0 == who.0);
            let Some(at) = own.or(near).or(bare().next()).map(|(at, _)| at) else { return };
            let some = permits.min(holds[at].permits);
            holds[at].permits -= some;
            permits -= some;
            if holds[at].permits == 0 {
                holds.remove(at);
            }
        }
    }

    /// Who waits for a notification has released all levels.
    pub(super) fn let_go(&mut self, lock: Option<Object>, who: Owner, wait: CallId) {
        let Some(holds) = lock.and_then(|lock| self.by_object.get_mut(&lock)) else { return };
        // A plain lock is its session's.
        if let Some(at) = holds.iter().position(|hold| hold.who.0 == who.0) {
            self.slept.insert(wait, holds.remove(at).levels.max(1));
        }
    }

    pub(super) fn done(&mut self, session: SessionKey, range: OpRange) {
        for hold in self.by_object.values_mut().flatten().filter(|hold| hold.who.0 == session) {
            let (done, left) = std::mem::take(&mut hold.offers)
                .into_iter()
                .partition::<Vec<_>, _>(|(op, _)| (range.first..=range.last).contains(op));
            hold.offers = left;
            hold.levels += done.iter().map(|(_, levels)| levels).sum::<u32>();
        }
    }

    pub(super) fn refuse(&mut self, (session, op): CallId) {
        for holds in self.by_object.values_mut() {
            for hold in holds.iter_mut().filter(|hold| hold.who.0 == session) {
                hold.offers.retain(|(offered, _)| *offered != op);
            }
            holds.retain(Hold::is_any);
        }
    }

    pub(super) fn end(&mut self, session: SessionKey) {
        self.by_object.values_mut().for_each(|holds| holds.retain(|hold| hold.who.0 != session));
        self.slept.retain(|(of, _), _| *of != session);
    }

    /// A lock that nobody has is not waited for: whoever waits together for several holds none of it.
    pub(super) fn check_handed_on(&self, calls: &Calls) {
        for (id, open) in &calls.open {
            let Command::Lock(_, lock::Command::Acquire { .. }) = open.command else { continue };
            if let Some(object) = calls.object(&open.command)
                && self.of(object).is_empty()
            {
                // From some time on those who acquire all are waited for.
                let may_reserve = |other: &Open| other.order < open.order && is_part(calls, other, object);
                let behind = calls.open.values().any(may_reserve) || !calls.is_present(id.0);
                assert!(behind, "{id:?} waits for {object:?}, which nobody has");
            }
        }
    }
}

impl Hold {
    /// Its holder has it until he gives it back.
    pub(super) fn is_kept(&self) -> bool {
        self.levels > 0 && !self.leased
    }

    fn is_any(&self) -> bool {
        self.levels > 0 || !self.offers.is_empty()
    }
}

//! What is judged from the journal about who holds and who waits: models that know nothing of the engine but what goes in and
//! what comes out.
//!
//! [`Calls`] is what all of them need: which calls are open, who is there, and which object a command means.

mod graph;
mod holds;
mod notifications;
mod wholes;

use std::collections::{BTreeMap, BTreeSet};

use bridge_core::command::{
    Call, Command, Effect, Input, Reply, barrier, condition, lock, rwlock, semaphore,
};
use bridge_core::ids::{Handle, Kind, Name, Op, OpRange, ParticipantId, SessionKey, Target};
use bridge_core::{Outcome, Time};

use crate::reach::Reach;
use holds::Holds;
use notifications::Notifications;

/// Who holds or waits.
type Owner = (SessionKey, ParticipantId);

/// A call by its session and number.
type CallId = (SessionKey, Op);

type Object = (Kind, Handle);

/// A call that has not been answered.
#[derive(Clone, Debug)]
struct Open {
    who: Owner,
    command: Command,
    since: Time,
    /// Calls in the order in which they were made.
    order: u64,
}

/// How a call ended for the first time.
struct Answer<'a> {
    call: CallId,
    open: &'a Open,
    outcome: &'a Outcome,
    offered: bool,
}

#[derive(Default)]
struct Calls {
    now: Time,
    /// When the step before was: what was due since then happens in its order, and all of it at `now`.
    before: Time,
    open: BTreeMap<CallId, Open>,
    /// Those that may arrive again.
    known: BTreeSet<CallId>,
    /// Whose streams are up, and which came up in this step.
    present: BTreeSet<SessionKey>,
    came: Option<SessionKey>,
    names: BTreeMap<(Kind, Name), Handle>,
    /// The lock of each condition.
    locks: BTreeMap<Object, Name>,
    made: u64,
}

impl Calls {
    fn object(&self, command: &Command) -> Option<Object> {
        let (kind, target) = command.target()?;
        let handle = match target {
            Target::Handle(handle) => Some(*handle),
            Target::Name(name) | Target::Existing(name) => self.names.get(&(kind, name.clone())).copied(),
        };
        Some((kind, handle?))
    }

    fn lock_of(&self, condition: Object) -> Option<Object> {
        let name = self.locks.get(&condition)?.clone();
        self.names.get(&(Kind::Lock, name)).map(|handle| (Kind::Lock, *handle))
    }

    fn is_present(&self, session: SessionKey) -> bool {
        self.present.contains(&session)
    }

    /// The call is new: not one that arrives again.
    fn begin(&mut self, session: SessionKey, call: &Call) -> bool {
        let id = (session, call.op);
        if !self.known.insert(id) {
            return false;
        }
        self.made += 1;
        let who = (session, call.participant);
        self.open.insert(id, Open { who, command: of_interest(call), since: self.now, order: self.made });
        true
    }

    /// Answers that have reached their callers: these calls do not arrive again.
    fn done(&mut self, session: SessionKey, range: OpRange) {
        for op in range.first.0..=range.last.0 {
            self.known.remove(&(session, Op(op)));
        }
    }

    fn forget(&mut self, session: SessionKey) {
        self.open.retain(|(of, _), _| *of != session);
        self.known.retain(|(of, _)| *of != session);
        self.present.remove(&session);
    }

    fn learn(&mut self, command: &Command, outcome: &Outcome) {
        let handle = match outcome {
            Ok(Reply::Lock(lock::Reply::Declared { handle, .. })) => *handle,
            Ok(Reply::RwLock(rwlock::Reply::Declared { handle, .. })) => *handle,
            Ok(Reply::Semaphore(semaphore::Reply::Declared { handle, .. })) => *handle,
            Ok(Reply::Condition(condition::Reply::Declared { handle, .. })) => *handle,
            _ => return,
        };
        if let Some((kind, Target::Name(name))) = command.target() {
            self.names.insert((kind, name.clone()), handle);
        }
        if let Command::Condition(_, condition::Command::Declare { lock, .. }) = command {
            self.locks.insert((Kind::Condition, handle), lock.clone());
        }
    }
}

/// What nobody here judges is not kept.
fn of_interest(call: &Call) -> Command {
    match &call.command {
        Command::Lock(..)
        | Command::RwLock(..)
        | Command::Semaphore(..)
        | Command::Condition(..)
        | Command::Barrier(..)
        | Command::Select(_)
        | Command::AcquireAll(_) => call.command.clone(),
        _ => Command::Hasten(call.op),
    }
}

/// All of it.
#[derive(Default)]
pub(crate) struct Judges {
    calls: Calls,
    holds: Holds,
    notifications: Notifications,
    seen: BTreeMap<&'static str, u64>,
}

impl Judges {
    /// What went in at that time, and what came out.
    pub(crate) fn see(&mut self, at: Time, input: &Input, effects: &[Effect]) {
        let calls = &mut self.calls;
        calls.before = calls.now;
        calls.now = calls.now.max(at);
        calls.came = None;
        // What is due happens first.
        self.notifications.pass_time(calls.now);
        let mut waits = None;
        match input {
            Input::Attach(session) | Input::Unpause(session) => {
                calls.came = calls.present.insert(*session).then_some(*session);
            }
            Input::Detach(session) | Input::Pause(session) => drop(calls.present.remove(session)),
            Input::Restart => calls.present.clear(),
            Input::Done(session, range) => {
                calls.done(*session, *range);
                self.holds.done(*session, *range);
                self.notifications.done(*session, *range);
            }
            Input::Refuse(session, op) => {
                let passes = self.notifications.refuse((*session, *op));
                self.note_if(passes, "condition: the notification of who refuses the lock passes on");
                self.holds.refuse((*session, *op));
            }
            Input::Call(session, call) if calls.begin(*session, call) => {
                waits = Some((*session, call.op));
                if let Command::Cancel(op) = call.command {
                    self.notifications.cancel((*session, op));
                }
            }
            _ => {}
        }
        if let Some(id) = waits {
            self.asleep(id, effects);
        }
        effects.iter().for_each(|effect| self.follow(effect, waits));
        let closes = waits.filter(|id| self.calls.open.contains_key(id));
        graph::check_none_missed(&self.calls, &self.holds, closes);
        self.holds.check_handed_on(&self.calls);
    }

    /// A condition's wait lets its lock go when it is asked for, unless it fails at once.
    fn asleep(&mut self, id: CallId, effects: &[Effect]) {
        let fails = effects.iter().any(
            |effect| matches!(effect, Effect::Answer { to, op, outcome: Err(_), .. } if (*to, *op) == id),
        );
        if !fails
            && let Some(open) = self.calls.open.get(&id)
            && let Command::Condition(_, condition::Command::Wait { timeout }) = open.command
            && let Some(condition) = self.calls.object(&open.command)
        {
            let now = self.calls.now;
            self.notifications.wait(condition, id, timeout.deadline(now), now);
            self.holds.let_go(self.calls.lock_of(condition), open.who, id);
        }
    }

    fn follow(&mut self, effect: &Effect, asked: Option<CallId>) {
        match effect {
            Effect::Answer { to, op, outcome, offered } => {
                let id = (*to, *op);
                let Some(open) = self.calls.open.remove(&id) else { return };
                let answer = Answer { call: id, open: &open, outcome, offered: *offered };
                self.judge(&answer, asked);
            }
            Effect::Ended { session, .. } => {
                self.calls.forget(*session);
                let passed = self.notifications.end(*session);
                self.note_if(passed, "condition: the notification of a session that ended passes on");
                self.holds.end(*session);
            }
            Effect::Opened(_) | Effect::Deadlock(_) | Effect::Recall { .. } => {}
        }
    }

    fn judge(&mut self, answer: &Answer<'_>, asked: Option<CallId>) {
        self.calls.learn(&answer.open.command, answer.outcome);
        self.notifications.answer(&self.calls, answer);
        if asked != Some(answer.call) && answer.offered {
            self.check_present(answer);
        }
        if answer.outcome.as_ref().is_err_and(|error| error.detail("cycle").is_some()) {
            graph::check_is_one(&self.calls, &self.holds, answer);
            self.note_if(true, "deadlock: it is one, as the journal has it");
        }
        if wholes::check_not_passed(&self.calls, &self.holds, answer) {
            self.note_if(true, "acquire all: others wait for who waited for a second");
        }
        self.holds.answer(&self.calls, answer);
    }

    /// Who waits and is not there is passed over for what can be given to another.
    fn check_present(&mut self, answer: &Answer<'_>) {
        let Answer { call: (session, _), open, outcome, .. } = answer;
        // Whoever has arrived at a barrier has arrived.
        let settles_all = matches!(open.command, Command::Barrier(_, barrier::Command::Wait(_)));
        let there = self.calls.is_present(*session);
        assert!(
            there || settles_all,
            "{:?} of {session:?}, who is not there, is granted {outcome:?}",
            open.command
        );
        self.note_if(!settles_all, "journal: who waited and is there is granted something");
    }

    fn note_if(&mut self, happened: bool, what: &'static str) {
        *self.seen.entry(what).or_default() += u64::from(happened);
    }

    /// How often what was judged was reached.
    pub(crate) fn tell(self, reach: &mut Reach) {
        self.seen
            .into_iter()
            .filter(|(_, times)| *times > 0)
            .for_each(|(what, times)| reach.add(what, times));
    }
}

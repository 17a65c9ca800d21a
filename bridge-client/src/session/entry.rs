//! One call as the session remembers it until it is settled.

use std::sync::Arc;
use std::time::Duration;

use bridge_core::command::{
    Command, barrier, condition, event, latch, list, lock, pipe, queue, rwlock, semaphore, timer, topic,
    value,
};
use bridge_core::ids::{ParticipantId, Target, Token};
use bridge_core::mutant::Mutant;
use bridge_core::{Error, Outcome, Reason, Reply, Request, Time, Timeout};

use super::GRACE;
use super::acks::Joined;
use super::room::brings;
use crate::link::Slot;
use crate::mutex::lock as mutex;
use crate::object::Object;

/// Where a call stands.
#[derive(Debug)]
pub(super) enum State {
    /// Waits for room in the outbox; nothing of it leaves.
    Outside,
    /// In the outbox.
    Queued,
    /// Left in the frame of that number, and not answered.
    Sent(u64),
    /// Granted, and not handed out. `None`: it is in its slot; else it is held back.
    Offered(Option<Outcome>),
    /// Handed out, and not settled: what is its caller's if he accepts.
    Claimed(Gain),
}

/// What a process holds once it has accepted a grant, as far as it keeps count.
#[derive(Debug)]
pub(super) enum Gain {
    Nothing,
    /// Bare permits.
    Permits(i64),
    /// A level of a lock.
    Level(Token),
    /// All levels of a lock, after the wait of a condition.
    Levels(Token),
    /// Of each of several.
    All(Vec<Gain>),
}

impl Gain {
    fn of(reply: &Reply, command: &Command) -> Self {
        match (reply, command) {
            (
                Reply::Semaphore(semaphore::Reply::Acquired(_)),
                Command::Semaphore(_, semaphore::Command::Acquire(acquire)),
            ) if !acquire.by_token => Gain::Permits(i64::from(acquire.permits)),
            (Reply::Semaphore(semaphore::Reply::Drained { drained, .. }), _) => Gain::Permits(*drained),
            (
                Reply::Lock(lock::Reply::Acquired(grant)) | Reply::RwLock(rwlock::Reply::Acquired(grant)),
                _,
            ) => Gain::Level(grant.token),
            (Reply::Condition(condition::Reply::Waited { grant, .. }), _) => Gain::Levels(grant.token),
            _ => Gain::Nothing,
        }
    }
}

impl Gain {
    fn count(&self, who: ParticipantId, object: &Object) {
        match *self {
            Gain::Permits(permits) => object.hold_permits(who, permits),
            Gain::Level(token) => mutex(object.holds()).gain(who, token),
            Gain::Levels(token) => mutex(object.holds()).renew(who, token),
            Gain::Nothing | Gain::All(_) => {}
        }
    }
}

/// What becomes of a call when its session has been replaced.
pub(super) enum Fate {
    /// It is asked again in the new one.
    Move,
    /// It ends.
    End(Error),
    /// It has been handed out, and settling it will tell that it is lost.
    Forget,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) who: ParticipantId,
    pub(super) object: Option<Arc<Object>>,
    /// What it is about, part by part, if that is several: `object` is then the one that was granted.
    pub(super) several: Box<[Arc<Object>]>,
    pub(super) request: Request,
    /// How many bytes it brings.
    pub(super) bytes: usize,
    /// It may be a wait.
    pub(super) waits: bool,
    /// When its wait is over.
    pub(super) deadline: Option<Time>,
    /// When it ends without an answer.
    pub(super) end: Option<Time>,
    /// Where the answer goes; nobody wants it if `None`.
    pub(super) slot: Option<Arc<Slot>>,
    pub(super) state: State,
    /// It has been sent in this session, on whichever stream.
    pub(super) left: bool,
    pub(super) cancelling: bool,
    /// How it went well, which the answer to its withdrawal confirms or takes back.
    pub(super) provisional: Option<Outcome>,
    /// Its object was gone, and has been declared anew for it in this session.
    pub(super) renewed: bool,
    /// It may stand for other calls beside its own.
    pub(super) joined: Option<Joined>,
    /// So much of what this session holds is given back by it: bare permits, or a level of a lock.
    pub(super) returns: i64,
}

impl Entry {
    pub(super) fn new(
        now: Time,
        ttl: Duration,
        who: ParticipantId,
        object: Option<Arc<Object>>,
        mut request: Request,
        slot: Option<Arc<Slot>>,
    ) -> Box<Self> {
        let bytes = brings(&request);
        let timeout = timeout_mut(&mut request).copied();
        let waits = timeout.is_some();
        let deadline = timeout.map(|timeout| timeout.deadline(now));
        let end = match deadline {
            Some(deadline) => deadline.map(|deadline| deadline + GRACE),
            None => Some(now + ttl),
        };
        let mut entry = Box::new(Entry {
            who,
            object,
            several: Box::default(),
            request,
            bytes,
            waits,
            deadline: deadline.flatten(),
            end,
            slot,
            state: State::Queued,
            left: false,
            cancelling: false,
            provisional: None,
            renewed: false,
            joined: None,
            returns: 0,
        });
        // A condition's wait is ended by nothing but its lock.
        if entry.ends_with_lock() {
            entry.end = None;
        }
        entry
    }

    /// The request as it is to be sent now: to the object as it is known now, with the time that remains.
    pub(super) fn request_at(&mut self, now: Time) -> &Request {
        if let Some(object) = &self.object
            && !self.declares()
            && let Some(target) = self.request.target_mut()
        {
            *target = object.target();
        }
        for (part, object) in self.several.iter().enumerate() {
            if let Some(target) = part_target_mut(&mut self.request, part) {
                *target = object.target();
            }
        }
        if let (Some(deadline), Some(timeout)) = (self.deadline, timeout_mut(&mut self.request)) {
            *timeout = Timeout::After(deadline.since(now));
        }
        &self.request
    }

    /// Who asks for an item ahead of need, of what, and how. Takes that agree in this differ in their numbers only.
    pub(super) fn asks_ahead(&self) -> Option<(ParticipantId, *const Object, queue::Taking)> {
        match &self.request {
            Request::Command(Command::Queue(_, queue::Command::Take { taking, .. })) if taking.prefetch => {
                Some((self.who, Arc::as_ptr(self.object.as_ref()?), *taking))
            }
            _ => None,
        }
    }

    pub(super) fn declares(&self) -> bool {
        matches!(
            self.request,
            Request::Command(
                Command::Queue(_, queue::Command::Declare(_))
                    | Command::Event(_, event::Command::Declare(_))
                    | Command::Semaphore(_, semaphore::Command::Declare(_))
                    | Command::Lock(_, lock::Command::Declare(_))
                    | Command::RwLock(_, rwlock::Command::Declare(_))
                    | Command::Condition(_, condition::Command::Declare { .. })
                    | Command::Barrier(_, barrier::Command::Declare(_))
                    | Command::Latch(_, latch::Command::Declare(_))
                    | Command::Value(_, value::Command::Declare(_))
                    | Command::List(_, list::Command::Declare(_))
                    | Command::Dict(_, value::Command::Declare(_))
                    | Command::Timer(_, timer::Command::Declare(_))
                    | Command::Topic(_, topic::Command::Declare(_))
                    | Command::Pipe(_, pipe::Command::Declare(_))
            )
        )
    }

    /// Whether its withdrawal may take back what has been answered already: a put whose item nobody has seen.
    pub(super) fn may_be_taken_back(&self) -> bool {
        match &self.request {
            Request::Command(Command::Select(select)) => select.branches.iter().any(is_put),
            Request::Command(command) => is_put(command),
            Request::Query(_) => false,
        }
    }

    /// Whether it changes something for good, so that its outcome is unknown without its answer.
    pub(super) fn gives(&self) -> bool {
        crate::call::gives(&self.request)
    }

    pub(super) fn unknown(&self) -> Error {
        Error::new(
            Reason::OutcomeUnknown,
            "the session was lost, or no answer came in time, and whether the call took effect cannot be known",
        )
    }

    /// How it ends when no answer has come in time.
    pub(super) fn outcome_without_answer(&self) -> Outcome {
        if self.gives() && self.left {
            return Err(self.unknown());
        }
        let timed_out = |reason| Err(Error::new(reason, "no answer came from the server in time"));
        match &self.request {
            Request::Command(Command::Queue(_, queue::Command::Take { .. })) => timed_out(Reason::Empty),
            Request::Command(Command::Queue(_, queue::Command::Join { .. })) => timed_out(Reason::TimedOut),
            Request::Command(
                Command::Semaphore(_, semaphore::Command::Acquire(_))
                | Command::Lock(_, lock::Command::Acquire(_))
                | Command::RwLock(_, rwlock::Command::Acquire(_))
                | Command::Select(_)
                | Command::AcquireAll(_),
            ) => timed_out(Reason::TimedOut),
            Request::Command(Command::Event(_, event::Command::Wait { .. })) => {
                Ok(Reply::Event(event::Reply::Waited { is_set: false, version: 0 }))
            }
            Request::Command(Command::Pipe(_, pipe::Command::Receive { .. })) => timed_out(Reason::Empty),
            Request::Command(Command::Pipe(_, pipe::Command::Poll { .. })) => {
                Ok(Reply::Pipe(pipe::Reply::Polled(false)))
            }
            Request::Command(Command::Latch(_, latch::Command::Wait { .. })) => {
                Ok(Reply::Latch(latch::Reply::Waited { is_open: false }))
            }
            Request::Command(
                Command::Value(_, value::Command::Watch { .. })
                | Command::List(_, list::Command::Watch { .. })
                | Command::Dict(_, value::Command::Watch { .. }),
            ) => Ok(Reply::Value(value::Reply::Watched { changed: false, item: Box::default() })),
            _ => Err(Error::new(
                Reason::Unavailable,
                "the server could not be reached in time, and the call was not sent",
            )),
        }
    }

    pub(super) fn in_new_session(&self) -> Fate {
        if matches!(self.state, State::Claimed(_)) {
            return Fate::Forget;
        }
        if let Some(object) = self.object.as_ref().filter(|_| self.ends_with_lock()) {
            return Fate::End(object.lost());
        }
        if self.cancelling {
            return Fate::End(if self.left && self.gives() { self.unknown() } else { cancelled() });
        }
        if self.left && self.gives() && !Mutant::GivenTwiceAfterLoss.is_on() {
            return Fate::End(self.unknown());
        }
        match &self.object {
            Some(object) if self.returns > 0 && object.is_owned() => Fate::End(object.stale()),
            _ => Fate::Move,
        }
    }

    /// Whether only a grant of its lock ends it, however long that takes.
    pub(super) fn ends_with_lock(&self) -> bool {
        matches!(self.request, Request::Command(Command::Condition(_, condition::Command::Wait { .. })))
    }

    /// Its grant has been handed out.
    pub(super) fn claimed(&mut self, outcome: &Outcome) {
        let gain = match (outcome, &self.request) {
            (Ok(Reply::Selected { branch, reply }), Request::Command(Command::Select(select))) => {
                let branch = *branch as usize;
                self.object = self.several.get(branch).cloned();
                select.branches.get(branch).map_or(Gain::Nothing, |command| Gain::of(reply, command))
            }
            (Ok(Reply::AcquiredAll(replies)), Request::Command(Command::AcquireAll(all))) => {
                let gains = replies.iter().zip(&all.parts).map(|(reply, command)| Gain::of(reply, command));
                Gain::All(gains.collect())
            }
            (Ok(reply), Request::Command(command)) => Gain::of(reply, command),
            _ => Gain::Nothing,
        };
        self.state = State::Claimed(gain);
    }

    /// It ends without having been sent: what it was to give back is still held.
    pub(super) fn keep_permits(&self) {
        if let Some(object) = self.object.as_ref().filter(|_| !self.left && self.returns > 0)
            && !Mutant::UnsentReleaseForgotten.is_on()
        {
            object.hold_permits(self.who, self.returns);
        }
    }

    /// Its grant has been accepted.
    pub(super) fn count(&self) {
        match (&self.state, &self.object) {
            (State::Claimed(Gain::All(gains)), _) => {
                gains.iter().zip(&self.several).for_each(|(gain, object)| gain.count(self.who, object));
            }
            (State::Claimed(gain), Some(object)) => gain.count(self.who, object),
            _ => {}
        }
    }

    /// It has been answered: a level that it gave back is gone.
    pub(super) fn uncount(&self, outcome: &Outcome) {
        let token = match (outcome, &self.request) {
            (
                Ok(Reply::Lock(lock::Reply::Released)),
                Request::Command(Command::Lock(_, lock::Command::Release { token })),
            )
            | (
                Ok(Reply::RwLock(rwlock::Reply::Released)),
                Request::Command(Command::RwLock(_, rwlock::Command::Release { token, .. })),
            ) => *token,
            _ => return,
        };
        if let Some(object) = &self.object {
            mutex(object.holds()).drop_level(self.who, token);
        }
    }
}

pub(super) fn cancelled() -> Error {
    Error::new(Reason::Cancelled, "the call was cancelled by its caller")
}

fn is_put(command: &Command) -> bool {
    matches!(command, Command::Queue(_, queue::Command::Put { .. } | queue::Command::PutMany { .. }))
}

/// The object of one part of a request that is about several.
fn part_target_mut(request: &mut Request, part: usize) -> Option<&mut Target> {
    match request {
        Request::Command(Command::Select(select)) => select.branches.get_mut(part)?.target_mut(),
        Request::Command(Command::AcquireAll(all)) => all.parts.get_mut(part)?.target_mut(),
        Request::Command(Command::Transaction(steps)) => Some(&mut steps.get_mut(part)?.queue),
        _ => None,
    }
}

/// The time that a request may wait, if it is one that waits.
fn timeout_mut(request: &mut Request) -> Option<&mut Timeout> {
    let Request::Command(command) = request else { return None };
    command.timeout_mut()
}

//! What goes into the engine and what comes out: closed enums of parsed, valid values.
//!
//! A [`Command`] changes something and is journaled; a [`Query`] reads and is not. Both are answered with a
//! [`Reply`]. Each primitive has its own file here, as everywhere.

pub mod acquire_all;
pub mod barrier;
pub mod condition;
pub mod event;
pub mod latch;
pub mod list;
pub mod lock;
pub mod pipe;
pub mod queue;
pub mod rwlock;
pub mod select;
pub mod semaphore;
pub mod timer;
pub mod topic;
pub mod transaction;
pub mod value;

use std::time::Duration;

use crate::error::Error;
use crate::ids::{Kind, Name, Op, OpRange, ParticipantId, Secret, SessionId, SessionKey, Target, Token};
use crate::limits::Limits;
use crate::time::Timeout;
use crate::view::Deadlock;

/// Something that the engine does for a caller.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// To a queue.
    Queue(Target, queue::Command),
    /// To an event.
    Event(Target, event::Command),
    /// To a semaphore.
    Semaphore(Target, semaphore::Command),
    /// To a lock.
    Lock(Target, lock::Command),
    /// To a read-write lock.
    RwLock(Target, rwlock::Command),
    /// To a condition.
    Condition(Target, condition::Command),
    /// To a barrier.
    Barrier(Target, barrier::Command),
    /// To a latch.
    Latch(Target, latch::Command),
    /// To a value.
    Value(Target, value::Command),
    /// To a list.
    List(Target, list::Command),
    /// To a dict.
    Dict(Target, value::Command),
    /// To a timer.
    Timer(Target, timer::Command),
    /// To a topic.
    Topic(Target, topic::Command),
    /// To a pipe.
    Pipe(Target, pipe::Command),
    /// Several steps on queues in one, or none of them. It never waits.
    Transaction(Vec<transaction::Step>),
    /// Waits for the first of several.
    Select(Box<select::Select>),
    /// Acquires several, all or none.
    AcquireAll(Box<acquire_all::AcquireAll>),
    /// Withdraws an earlier command of the session. Answered with [`Reply::Cancelled`] after that command's
    /// own answer.
    Cancel(Op),
    /// The caller of an earlier command of the session, which prefetches, waits for it now: it stands in line as if it had
    /// been asked for only now, and not ahead of need. No effect if it has ended or prefetches nothing.
    Hasten(Op),
    /// The session uses an object no more, as at its end: its waits there end, what it holds of it goes back, and an
    /// ephemeral object that no other session uses is deleted. Creates nothing; an absent object is fine.
    Discard(Kind, Target),
    /// Other processes are told of the object: an ephemeral one stays for the session's time to live when nobody uses
    /// it any more. The session uses it. Creates nothing: `OBJECT_GONE` if it is absent.
    Share(Kind, Target),
}

/// Something that the engine tells a caller. It changes nothing and creates nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// About a queue.
    Queue(Target, queue::Query),
    /// About an event.
    Event(Target, event::Query),
    /// About a semaphore.
    Semaphore(Target, semaphore::Query),
    /// About a lock.
    Lock(Target, lock::Query),
    /// About a read-write lock.
    RwLock(Target, rwlock::Query),
    /// About a condition.
    Condition(Target, condition::Query),
    /// About a barrier.
    Barrier(Target, barrier::Query),
    /// About a latch.
    Latch(Target, latch::Query),
    /// About a value.
    Value(Target, value::Query),
    /// About a list.
    List(Target, list::Query),
    /// About a dict.
    Dict(Target, value::Query),
    /// About a timer.
    Timer(Target, timer::Query),
    /// About a topic.
    Topic(Target, topic::Query),
    /// About a pipe.
    Pipe(Target, pipe::Query),
    /// Which timers have a schedule, by name, from the one after `after`.
    Timers {
        /// At most this many.
        page_size: u32,
        /// The last one of the page before.
        after: Option<Name>,
    },
}

impl Command {
    /// Whether others may wait for it to be done: it brings an item or a signal.
    pub(crate) fn gives(&self) -> bool {
        matches!(
            self,
            Command::Queue(_, queue::Command::Put { .. } | queue::Command::PutMany { .. })
                | Command::Event(_, event::Command::Set)
                | Command::Semaphore(_, semaphore::Command::Release { .. })
                | Command::Condition(_, condition::Command::Notify { .. })
                | Command::Latch(_, latch::Command::CountDown { .. })
        )
    }

    /// Which object it is for, if it is for one.
    pub fn target(&self) -> Option<(Kind, &Target)> {
        match self {
            Command::Queue(target, _) => Some((Kind::Queue, target)),
            Command::Event(target, _) => Some((Kind::Event, target)),
            Command::Semaphore(target, _) => Some((Kind::Semaphore, target)),
            Command::Lock(target, _) => Some((Kind::Lock, target)),
            Command::RwLock(target, _) => Some((Kind::RwLock, target)),
            Command::Condition(target, _) => Some((Kind::Condition, target)),
            Command::Barrier(target, _) => Some((Kind::Barrier, target)),
            Command::Latch(target, _) => Some((Kind::Latch, target)),
            Command::Value(target, _) => Some((Kind::Value, target)),
            Command::List(target, _) => Some((Kind::List, target)),
            Command::Dict(target, _) => Some((Kind::Dict, target)),
            Command::Timer(target, _) => Some((Kind::Timer, target)),
            Command::Topic(target, _) => Some((Kind::Topic, target)),
            Command::Pipe(target, _) => Some((Kind::Pipe, target)),
            Command::Discard(kind, target) | Command::Share(kind, target) => Some((*kind, target)),
            Command::Transaction(_)
            | Command::Select(_)
            | Command::AcquireAll(_)
            | Command::Cancel(_)
            | Command::Hasten(_) => None,
        }
    }

    /// The object that it is for, to be changed.
    pub fn target_mut(&mut self) -> Option<&mut Target> {
        match self {
            Command::Queue(target, _)
            | Command::Event(target, _)
            | Command::Semaphore(target, _)
            | Command::Lock(target, _)
            | Command::RwLock(target, _)
            | Command::Condition(target, _)
            | Command::Barrier(target, _)
            | Command::Latch(target, _)
            | Command::Value(target, _)
            | Command::List(target, _)
            | Command::Dict(target, _)
            | Command::Timer(target, _)
            | Command::Topic(target, _)
            | Command::Pipe(target, _)
            | Command::Discard(_, target)
            | Command::Share(_, target) => Some(target),
            Command::Transaction(_)
            | Command::Select(_)
            | Command::AcquireAll(_)
            | Command::Cancel(_)
            | Command::Hasten(_) => None,
        }
    }

    /// How long it may wait, if it is one that waits.
    pub fn timeout_mut(&mut self) -> Option<&mut Timeout> {
        match self {
            Command::Queue(
                _,
                queue::Command::Put { timeout, .. }
                | queue::Command::PutMany { timeout, .. }
                | queue::Command::Take { timeout, .. }
                | queue::Command::Join { timeout },
            )
            | Command::Event(_, event::Command::Wait { timeout, .. })
            | Command::Semaphore(_, semaphore::Command::Acquire(semaphore::Acquire { timeout, .. }))
            | Command::Lock(_, lock::Command::Acquire(lock::Acquire { timeout, .. }))
            | Command::RwLock(_, rwlock::Command::Acquire(rwlock::Acquire { timeout, .. }))
            | Command::Condition(_, condition::Command::Wait { timeout })
            | Command::Barrier(_, barrier::Command::Wait(barrier::Arrive { timeout, .. }))
            | Command::Latch(_, latch::Command::Wait { timeout })
            | Command::Pipe(
                _,
                pipe::Command::Send { timeout, .. }
                | pipe::Command::Receive { timeout, .. }
                | pipe::Command::Poll { timeout, .. },
            )
            | Command::Value(_, value::Command::Watch { timeout, .. })
            | Command::List(_, list::Command::Watch { timeout, .. })
            | Command::Dict(_, value::Command::Watch { timeout, .. }) => Some(timeout),
            Command::Select(select) => Some(&mut select.timeout),
            Command::AcquireAll(all) => Some(&mut all.timeout),
            _ => None,
        }
    }
}

impl Query {
    /// Which object it asks about, if it asks about one.
    pub fn target(&self) -> Option<(Kind, &Target)> {
        match self {
            Query::Queue(target, _) => Some((Kind::Queue, target)),
            Query::Event(target, _) => Some((Kind::Event, target)),
            Query::Semaphore(target, _) => Some((Kind::Semaphore, target)),
            Query::Lock(target, _) => Some((Kind::Lock, target)),
            Query::RwLock(target, _) => Some((Kind::RwLock, target)),
            Query::Condition(target, _) => Some((Kind::Condition, target)),
            Query::Barrier(target, _) => Some((Kind::Barrier, target)),
            Query::Latch(target, _) => Some((Kind::Latch, target)),
            Query::Value(target, _) => Some((Kind::Value, target)),
            Query::List(target, _) => Some((Kind::List, target)),
            Query::Dict(target, _) => Some((Kind::Dict, target)),
            Query::Timer(target, _) => Some((Kind::Timer, target)),
            Query::Topic(target, _) => Some((Kind::Topic, target)),
            Query::Pipe(target, _) => Some((Kind::Pipe, target)),
            Query::Timers { .. } => None,
        }
    }
}

/// What a caller may send.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Executed once, however often it arrives.
    Command(Command),
    /// Read again if it arrives again.
    Query(Query),
}

impl Request {
    /// The object that it is about; `None` for one that is about another command.
    pub fn target(&self) -> Option<&Target> {
        match self {
            Request::Command(command) => command.target().map(|(_, target)| target),
            Request::Query(query) => query.target().map(|(_, target)| target),
        }
    }

    /// The same, to be changed.
    pub fn target_mut(&mut self) -> Option<&mut Target> {
        match self {
            Request::Command(command) => command.target_mut(),
            Request::Query(
                Query::Queue(target, _)
                | Query::Event(target, _)
                | Query::Semaphore(target, _)
                | Query::Lock(target, _)
                | Query::RwLock(target, _)
                | Query::Condition(target, _)
                | Query::Barrier(target, _)
                | Query::Latch(target, _)
                | Query::Value(target, _)
                | Query::List(target, _)
                | Query::Dict(target, _)
                | Query::Timer(target, _)
                | Query::Topic(target, _)
                | Query::Pipe(target, _),
            ) => Some(target),
            Request::Query(Query::Timers { .. }) => None,
        }
    }
}

/// How a command or query went well.
#[derive(Clone, Debug, PartialEq, Hash)]
pub enum Reply {
    /// From a queue.
    Queue(queue::Reply),
    /// From an event.
    Event(event::Reply),
    /// From a semaphore.
    Semaphore(semaphore::Reply),
    /// From a lock.
    Lock(lock::Reply),
    /// From a read-write lock.
    RwLock(rwlock::Reply),
    /// From a condition.
    Condition(condition::Reply),
    /// From a barrier.
    Barrier(barrier::Reply),
    /// From a latch.
    Latch(latch::Reply),
    /// From a value, list or dict.
    Value(value::Reply),
    /// From a timer.
    Timer(timer::Reply),
    /// From a topic.
    Topic(topic::Reply),
    /// From a pipe.
    Pipe(pipe::Reply),
    /// A transaction was executed: what each step is answered with, in order.
    Committed(Vec<queue::Reply>),
    /// A branch of a select, counted from 0, has ended: how.
    Selected {
        /// Which.
        branch: u32,
        /// What it is answered with.
        reply: Box<Reply>,
    },
    /// All parts were acquired: what each was granted, in order.
    AcquiredAll(Vec<Reply>),
    /// True: the command ended as CANCELLED. False: it had ended otherwise, as its own answer says; or it is the wait of
    /// a condition, which ends with its lock.
    Cancelled(bool),
    /// To a [`Command::Hasten`].
    Hastened,
    /// Not the end of a call: what it was offered ahead of need is wanted by others, so it is to be refused unless its
    /// consumer has taken it.
    Recalled,
    /// Not the end of a call, which has been settled: what it was granted under these tokens was taken from it, because its
    /// time was over. Kept until it is acknowledged, as an answer is.
    Lost(Vec<Token>),
    /// The session does not use the object.
    Discarded,
    /// The object waits for its next user.
    Shared,
}

impl Reply {
    /// Whether this may grant something that the caller must accept or refuse. An event that is set does where
    /// it resets itself; [`Effect::Answer`] says in each case whether it did.
    pub fn is_grant(&self) -> bool {
        match self {
            Reply::Queue(reply) => matches!(reply, queue::Reply::Taken(_)),
            Reply::Event(reply) => matches!(reply, event::Reply::Waited { is_set: true, .. }),
            Reply::Semaphore(reply) => {
                matches!(
                    reply,
                    semaphore::Reply::Acquired(_) | semaphore::Reply::Drained { token: Some(_), .. }
                )
            }
            Reply::Lock(reply) => matches!(reply, lock::Reply::Acquired(_)),
            Reply::RwLock(reply) => matches!(reply, rwlock::Reply::Acquired(_)),
            Reply::Condition(reply) => matches!(reply, condition::Reply::Waited { .. }),
            Reply::Barrier(reply) => {
                matches!(reply, barrier::Reply::Arrived(barrier::Arrived { action: Some(_), .. }))
            }
            Reply::Pipe(reply) => matches!(reply, pipe::Reply::Received { .. }),
            Reply::Selected { reply, .. } => reply.is_grant(),
            Reply::AcquiredAll(_) => true,
            Reply::Latch(_)
            | Reply::Value(_)
            | Reply::Timer(_)
            | Reply::Topic(_)
            | Reply::Committed(_)
            | Reply::Cancelled(_)
            | Reply::Hastened
            | Reply::Recalled
            | Reply::Lost(_)
            | Reply::Discarded
            | Reply::Shared => false,
        }
    }
}

/// What happened to a command in the end.
pub type Outcome = Result<Reply, Error>;

/// Who owns what was acquired: a permit, a lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ownership {
    /// The session that acquired it: it goes back when the session ends.
    #[default]
    Session,
    /// Nobody: a permit is a signal, a lock may be released by any session, and nothing goes back by itself.
    None,
}

impl std::fmt::Display for Ownership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Ownership::Session => "session",
            Ownership::None => "none",
        })
    }
}

/// What happens where a wait for an object closes a cycle of participants that wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OnDeadlock {
    /// The request that closes it ends with `DEADLOCK`, where every wait in it is without a timeout, at least two
    /// participants wait in it, and no other object of it says otherwise. Else it is reported.
    Raise,
    /// It is reported, and the wait goes on.
    Report,
    /// Waits for this object are not looked at.
    Off,
}

impl OnDeadlock {
    /// What holds for an object that declared this. An ephemeral one (so every one without a name of its own) behaves as
    /// in the caller's standard library, which raises nothing.
    pub(crate) fn effective(declared: Option<Self>, ephemeral: bool) -> Self {
        declared.unwrap_or(if ephemeral { OnDeadlock::Report } else { OnDeadlock::Raise })
    }
}

impl std::fmt::Display for OnDeadlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            OnDeadlock::Raise => "raise",
            OnDeadlock::Report => "report",
            OnDeadlock::Off => "off",
        })
    }
}

/// How a session talks to the engine, which decides what must be remembered for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// In this process: no answer can be lost, so none is stored, and what a caller's own call is granted is
    /// accepted in that step. Always attached.
    Direct,
    /// Across a network: answers are stored and grants are offers until the client has settled them.
    Resumable,
    /// The node's own, for unary calls without a session: grants are final, and nothing may be held.
    Sessionless,
}

/// What a session is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionSpec {
    /// Its public identity.
    pub id: SessionId,
    /// What proves that it is the caller's own.
    pub secret: Secret,
    /// How it talks to the engine.
    pub mode: Mode,
    /// How long it outlives its connection.
    pub ttl: Duration,
    /// The program's name, for people.
    pub label: String,
    /// Where it runs, for people: host, language, process id.
    pub host: String,
    /// The client's language, for people.
    pub language: String,
    /// The client's process id, for people.
    pub pid: u32,
}

/// What carries a call, and so how long its wait lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// The session's stream: while the session is detached or paused its waits are passed over.
    Stream,
    /// An open unary call: its wait counts as present until the node cancels it.
    Call,
}

/// A call of a session.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Its number; a number that arrives again gets the first answer.
    pub op: Op,
    /// Who in the session.
    pub participant: ParticipantId,
    /// What carries it.
    pub carrier: Carrier,
    /// What is asked.
    pub command: Command,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// Its client closed it.
    Closed,
    /// It was not heard of for its time to live, or its process is gone.
    Expired,
}

/// Everything that changes an engine, and exactly what its journal holds beside the time.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Opens a session, or finds it open.
    Open(SessionSpec),
    /// The session's stream is up: what it has not settled is answered again.
    Attach(SessionKey),
    /// The session's stream is down: its waits are passed over.
    Detach(SessionKey),
    /// The session's client does not read what it is sent: what came by the stream is passed over as if it were
    /// detached, and what it asks for now waits in line or, where it must not wait, is not granted.
    Pause(SessionKey),
    /// It reads again: who stood aside has its old place. A new stream begins unpaused.
    Unpause(SessionKey),
    /// The session is over: everything goes back, in one step.
    End(SessionKey, EndReason),
    /// Gives a participant its label.
    Label(SessionKey, ParticipantId, String),
    /// Answers that have reached their callers: grants are accepted, stored answers forgotten. Unknown numbers
    /// have been settled before.
    Done(SessionKey, OpRange),
    /// A grant that nobody takes: it returns to its place. An answer that is no offer is forgotten, as by `Done`.
    Refuse(SessionKey, Op),
    /// A call.
    Call(SessionKey, Call),
    /// What is due happens.
    Tick,
    /// Changes the limits.
    Configure(Limits),
    /// The engine starts anew from its journal: every session is detached.
    Restart,
}

/// A session that is open now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// What addresses it from now on.
    pub session: SessionKey,
    /// It was open before.
    pub resumed: bool,
    /// Its number, which no other session ever has, so that one that was lost is not taken for its successor.
    pub incarnation: u64,
}

/// What the outside must do. Nothing else leaves the engine.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// How an [`Input::Open`] went.
    Opened(Result<Opened, Error>),
    /// Tell a caller how its call ended.
    Answer {
        /// The caller's session.
        to: SessionKey,
        /// The call's number.
        op: Op,
        /// How it ended.
        outcome: Outcome,
        /// True: a grant that is an offer until `Done` or `Refuse`. False: nothing further is needed for it,
        /// though a `Resumable` session still acknowledges stored answers with `Done`.
        offered: bool,
    },
    /// Tell a session that what that call of it was offered ahead of need is wanted by others.
    Recall {
        /// The session.
        to: SessionKey,
        /// The call.
        op: Op,
    },
    /// The session is over: whatever carries it must be told and ended.
    Ended {
        /// Which.
        session: SessionKey,
        /// Why.
        reason: EndReason,
    },
    /// Participants wait for each other: to be logged.
    Deadlock(Box<Deadlock>),
}

//! The only place that turns messages into commands and back.
//!
//! Every request message of a unary service converts into a [`Request`], every [`Reply`] into its response
//! message, and both the other way round. The session stream carries the very same messages inside
//! [`pb::Command`] and [`pb::Answer`], so both paths meet here. What arrives is checked: what leaves this module
//! is valid, or an [`Error`] that names the field.

mod acquire_all;
mod barrier;
mod condition;
mod event;
mod item;
mod latch;
mod list;
mod lock;
mod packed;
mod pipe;
mod queue;
mod repeated;
mod rwlock;
mod select;
mod semaphore;
mod timer;
mod topic;
mod transaction;
mod value;

use std::borrow::Cow;
use std::time::Duration;

use syncbridge_proto::v1 as pb;

use crate::command::{Command, OnDeadlock, Outcome, Ownership, Query, Reply, Request};
use crate::error::{Error, Parts, Reason};
use crate::ids::{Handle, Kind, Name, Op, OpRange, ParticipantId, Target, Token};
use crate::time::Timeout;

use pb::answer::Body as Answer;
use pb::command::Body;

pub use lock::abandoned_cause;
pub use repeated::{COUNT_MAX, REPEATED_PER_MESSAGE_MAX, Requests, answers, outcomes, repeat, requests};

/// A numbered request, as the session stream carries it.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbered {
    /// Its number in the session.
    pub op: Op,
    /// Who asks.
    pub participant: ParticipantId,
    /// What, or why it cannot be understood: that is the answer of this op, and no harm to the others.
    pub request: Result<Request, Error>,
}

/// Reads a command of the session stream. It fails only where there is no number to answer to.
pub fn numbered(command: pb::Command) -> Result<Numbered, Error> {
    let op = op(command.op)?;
    let participant = ParticipantId(command.participant);
    let request = match command.body {
        Some(body) => request(body).map(|mut request| {
            if command.must_exist {
                let target = request.target_mut();
                target.into_iter().for_each(must_exist);
            }
            request
        }),
        None => Err(Error::invalid(
            "body",
            "the command has no body that this server knows; is the client newer?",
        )),
    };
    Ok(Numbered { op, participant, request })
}

/// Writes a command for the session stream.
pub fn command(op: Op, participant: ParticipantId, request: &Request) -> pb::Command {
    let must_exist = matches!(request.target(), Some(Target::Existing(_)));
    pb::Command { op: op.0, participant: participant.0, count: 0, must_exist, body: Some(body(request)) }
}

/// Writes an answer for the session stream; `packs`: its client reads batches in columns.
pub fn answer(op: Op, outcome: Outcome, packs: bool) -> pb::Answer {
    let body = match outcome {
        Ok(reply) => reply_body(reply, packs),
        Err(error) => Answer::Error(error.into()),
    };
    pb::Answer { op: op.0, count: 0, body: Some(body) }
}

/// Reads an answer of the session stream.
pub fn outcome(answer: pb::Answer) -> Result<(Op, Outcome), Error> {
    let op = op(answer.op)?;
    let outcome = match answer.body {
        Some(Answer::Error(error)) => Err(error.into()),
        Some(body) => reply(body),
        None => Err(Error::new(
            Reason::Internal,
            "the answer has no body that this client knows; is the server newer?",
        )),
    };
    Ok((op, outcome))
}

/// Reads an op number, which is at least 1 and below the range of the node.
pub fn op(number: u64) -> Result<Op, Error> {
    if number == 0 || number >= Op::FIRST_OF_NODE.0 {
        return Err(Error::invalid("op", format!("op is {number}; give a number from 1 to 2^63 - 1")));
    }
    Ok(Op(number))
}

/// Reads a run of op numbers.
pub fn op_range(range: &pb::OpRange) -> Result<OpRange, Error> {
    if range.first == 0 || range.last < range.first {
        let message = format!("the range {}..={} is empty or starts at 0", range.first, range.last);
        return Err(Error::invalid("done", message));
    }
    Ok(OpRange { first: Op(range.first), last: Op(range.last) })
}

impl From<OpRange> for pb::OpRange {
    fn from(range: OpRange) -> Self {
        pb::OpRange { first: range.first.0, last: range.last.0 }
    }
}

fn request(body: Body) -> Result<Request, Error> {
    match body {
        Body::Cancel(message) => Ok(Request::Command(Command::Cancel(op(message.op)?))),
        Body::Hasten(message) => Ok(Request::Command(Command::Hasten(op(message.op)?))),
        Body::Discard(message) => {
            let target = target("name", &message.name, message.handle)?;
            Ok(Request::Command(Command::Discard(kind(message.kind)?, target)))
        }
        Body::Share(message) => {
            let target = target("name", &message.name, message.handle)?;
            Ok(Request::Command(Command::Share(kind(message.kind)?, target)))
        }
        Body::TransactionCommit(message) => message.try_into(),
        Body::Select(message) => message.try_into(),
        Body::AcquireAll(message) => message.try_into(),
        Body::QueueDeclare(message) => message.try_into(),
        Body::QueuePut(message) => message.try_into(),
        Body::QueuePutMany(message) => message.try_into(),
        Body::QueueGet(message) => message.try_into(),
        Body::QueueGetMany(message) => message.try_into(),
        Body::QueueLease(message) => message.try_into(),
        Body::QueueLeaseMany(message) => message.try_into(),
        Body::QueueAck(message) => message.try_into(),
        Body::QueueNack(message) => message.try_into(),
        Body::QueueReject(message) => message.try_into(),
        Body::QueueTaskDone(message) => message.try_into(),
        Body::QueueJoin(message) => message.try_into(),
        Body::QueueForgive(message) => message.try_into(),
        Body::QueueRedrive(message) => message.try_into(),
        Body::QueueMove(message) => message.try_into(),
        Body::QueueDescribe(message) => message.try_into(),
        Body::QueueBrowse(message) => message.try_into(),
        Body::QueueRemove(message) => message.try_into(),
        Body::QueuePurge(message) => message.try_into(),
        Body::QueueShutdown(message) => message.try_into(),
        Body::QueueExtend(message) => message.try_into(),
        Body::EventDeclare(message) => message.try_into(),
        Body::EventSet(message) => message.try_into(),
        Body::EventClear(message) => message.try_into(),
        Body::EventWait(message) => message.try_into(),
        Body::EventDescribe(message) => message.try_into(),
        Body::SemaphoreDeclare(message) => message.try_into(),
        Body::SemaphoreAcquire(message) => message.try_into(),
        Body::SemaphoreRelease(message) => message.try_into(),
        Body::SemaphoreDrain(message) => message.try_into(),
        Body::SemaphoreReduce(message) => message.try_into(),
        Body::SemaphoreSetLimit(message) => message.try_into(),
        Body::SemaphoreDescribe(message) => message.try_into(),
        Body::SemaphoreListHolders(message) => message.try_into(),
        Body::LockDeclare(message) => message.try_into(),
        Body::LockAcquire(message) => message.try_into(),
        Body::LockRelease(message) => message.try_into(),
        Body::LockDescribe(message) => message.try_into(),
        Body::LockExtend(message) => message.try_into(),
        Body::RwlockDeclare(message) => message.try_into(),
        Body::RwlockAcquire(message) => message.try_into(),
        Body::RwlockRelease(message) => message.try_into(),
        Body::RwlockDescribe(message) => message.try_into(),
        Body::RwlockExtend(message) => message.try_into(),
        Body::ConditionDeclare(message) => message.try_into(),
        Body::ConditionWait(message) => message.try_into(),
        Body::ConditionNotify(message) => message.try_into(),
        Body::ConditionNotifyAll(message) => message.try_into(),
        Body::ConditionDescribe(message) => message.try_into(),
        Body::BarrierDeclare(message) => message.try_into(),
        Body::BarrierWait(message) => message.try_into(),
        Body::BarrierActionDone(message) => message.try_into(),
        Body::BarrierReset(message) => message.try_into(),
        Body::BarrierAbort(message) => message.try_into(),
        Body::BarrierDescribe(message) => message.try_into(),
        Body::LatchDeclare(message) => message.try_into(),
        Body::LatchCountDown(message) => message.try_into(),
        Body::LatchWait(message) => message.try_into(),
        Body::LatchDescribe(message) => message.try_into(),
        Body::ValueDeclare(message) => message.try_into(),
        Body::ValueGet(message) => message.try_into(),
        Body::ValueSet(message) => message.try_into(),
        Body::ValueDelete(message) => message.try_into(),
        Body::ValueIncrement(message) => message.try_into(),
        Body::ValueWatch(message) => message.try_into(),
        Body::ValueListItems(message) => message.try_into(),
        Body::ValueClear(message) => message.try_into(),
        Body::ValueDescribe(message) => message.try_into(),
        Body::ValueRead(message) => message.try_into(),
        Body::ValueSplice(message) => message.try_into(),
        Body::TimerDeclare(message) => message.try_into(),
        Body::TimerSchedule(message) => message.try_into(),
        Body::TimerCancel(message) => message.try_into(),
        Body::TimerDescribe(message) => message.try_into(),
        Body::TimerList(message) => message.try_into(),
        Body::TopicDeclare(message) => message.try_into(),
        Body::TopicBind(message) => message.try_into(),
        Body::TopicUnbind(message) => message.try_into(),
        Body::TopicPublish(message) => message.try_into(),
        Body::TopicDescribe(message) => message.try_into(),
        Body::TopicListBindings(message) => message.try_into(),
        Body::PipeDeclare(message) => message.try_into(),
        Body::PipeAttach(message) => message.try_into(),
        Body::PipeSend(message) => message.try_into(),
        Body::PipeReceive(message) => message.try_into(),
        Body::PipePoll(message) => message.try_into(),
        Body::PipeClose(message) => message.try_into(),
        Body::PipeDescribe(message) => message.try_into(),
    }
}

fn body(request: &Request) -> Body {
    match request {
        Request::Command(command) => command_body(command),
        Request::Query(Query::Queue(target, query)) => queue::query_body(target, query),
        Request::Query(Query::Event(target, query)) => event::query_body(target, query),
        Request::Query(Query::Semaphore(target, query)) => semaphore::query_body(target, query),
        Request::Query(Query::Lock(target, query)) => lock::query_body(target, query),
        Request::Query(Query::RwLock(target, query)) => rwlock::query_body(target, query),
        Request::Query(Query::Condition(target, query)) => condition::query_body(target, query),
        Request::Query(Query::Barrier(target, query)) => barrier::query_body(target, query),
        Request::Query(Query::Latch(target, query)) => latch::query_body(target, query),
        Request::Query(Query::Value(target, query)) => value::query_body(Kind::Value, target, query),
        Request::Query(Query::List(target, query)) => list::query_body(target, query),
        Request::Query(Query::Dict(target, query)) => value::query_body(Kind::Dict, target, query),
        Request::Query(Query::Timer(target, query)) => timer::query_body(target, query),
        Request::Query(Query::Topic(target, query)) => topic::query_body(target, query),
        Request::Query(Query::Pipe(target, query)) => pipe::query_body(target, query),
        Request::Query(Query::Timers { page_size, after }) => timer::list_body(*page_size, after.as_ref()),
    }
}

fn command_body(command: &Command) -> Body {
    match command {
        Command::Cancel(op) => Body::Cancel(pb::CancelRequest { op: op.0 }),
        Command::Hasten(op) => Body::Hasten(pb::HastenRequest { op: op.0 }),
        Command::Discard(kind, target) => {
            let (name, handle) = target_fields(target);
            Body::Discard(pb::DiscardRequest { kind: pb::ObjectKind::from(*kind).into(), name, handle })
        }
        Command::Share(kind, target) => {
            let (name, handle) = target_fields(target);
            Body::Share(pb::ShareRequest { kind: pb::ObjectKind::from(*kind).into(), name, handle })
        }
        Command::Transaction(steps) => transaction::command_body(steps),
        Command::Select(select) => select::command_body(select),
        Command::AcquireAll(all) => acquire_all::command_body(all),
        Command::Queue(target, command) => queue::command_body(target, command),
        Command::Event(target, command) => event::command_body(target, command),
        Command::Semaphore(target, command) => semaphore::command_body(target, command),
        Command::Lock(target, command) => lock::command_body(target, command),
        Command::RwLock(target, command) => rwlock::command_body(target, command),
        Command::Condition(target, command) => condition::command_body(target, command),
        Command::Barrier(target, command) => barrier::command_body(target, command),
        Command::Latch(target, command) => latch::command_body(target, command),
        Command::Value(target, command) => value::command_body(Kind::Value, target, command),
        Command::List(target, command) => list::command_body(target, command),
        Command::Dict(target, command) => value::command_body(Kind::Dict, target, command),
        Command::Timer(target, command) => timer::command_body(target, command),
        Command::Topic(target, command) => topic::command_body(target, command),
        Command::Pipe(target, command) => pipe::command_body(target, command),
    }
}

fn reply_body(reply: Reply, packs: bool) -> Answer {
    match reply {
        Reply::Cancelled(cancelled) => Answer::Cancel(pb::CancelResponse { cancelled }),
        Reply::Hastened => Answer::Hasten(pb::HastenResponse {}),
        Reply::Recalled => Answer::Recall(pb::Recall {}),
        Reply::Lost(tokens) => {
            Answer::Lost(pb::Lost { tokens: tokens.iter().map(|token| token.0).collect() })
        }
        Reply::Discarded => Answer::Discard(pb::DiscardResponse {}),
        Reply::Shared => Answer::Share(pb::ShareResponse {}),
        Reply::Committed(replies) => transaction::reply_body(replies),
        Reply::Selected { branch, reply } => select::reply_body(branch, *reply, packs),
        Reply::AcquiredAll(replies) => acquire_all::reply_body(replies),
        Reply::Queue(reply) => queue::reply_body(reply, packs),
        Reply::Event(reply) => event::reply_body(reply),
        Reply::Semaphore(reply) => semaphore::reply_body(reply),
        Reply::Lock(reply) => lock::reply_body(reply),
        Reply::RwLock(reply) => rwlock::reply_body(reply),
        Reply::Condition(reply) => condition::reply_body(reply),
        Reply::Barrier(reply) => barrier::reply_body(reply),
        Reply::Latch(reply) => latch::reply_body(reply),
        Reply::Value(reply) => value::reply_body(reply),
        Reply::Timer(reply) => timer::reply_body(reply),
        Reply::Topic(reply) => topic::reply_body(reply),
        Reply::Pipe(reply) => pipe::reply_body(reply),
    }
}

fn reply(body: Answer) -> Outcome {
    match body {
        Answer::Error(error) => Err(error.into()),
        Answer::Cancel(message) => Ok(Reply::Cancelled(message.cancelled)),
        Answer::Hasten(pb::HastenResponse {}) => Ok(Reply::Hastened),
        Answer::Recall(pb::Recall {}) => Ok(Reply::Recalled),
        Answer::Lost(message) => Ok(Reply::Lost(message.tokens.into_iter().map(Token).collect())),
        Answer::Discard(pb::DiscardResponse {}) => Ok(Reply::Discarded),
        Answer::Share(pb::ShareResponse {}) => Ok(Reply::Shared),
        Answer::TransactionCommit(message) => transaction::reply(message).map(Reply::Committed),
        Answer::Select(message) => select::reply(message),
        Answer::AcquireAll(message) => acquire_all::reply(message).map(Reply::AcquiredAll),
        Answer::QueueDeclare(_)
        | Answer::QueuePut(_)
        | Answer::QueuePutMany(_)
        | Answer::QueueGet(_)
        | Answer::QueueGetMany(_)
        | Answer::QueueLease(_)
        | Answer::QueueLeaseMany(_)
        | Answer::QueueAck(_)
        | Answer::QueueNack(_)
        | Answer::QueueReject(_)
        | Answer::QueueTaskDone(_)
        | Answer::QueueJoin(_)
        | Answer::QueueForgive(_)
        | Answer::QueueRedrive(_)
        | Answer::QueueMove(_)
        | Answer::QueueDescribe(_)
        | Answer::QueueBrowse(_)
        | Answer::QueueRemove(_)
        | Answer::QueuePurge(_)
        | Answer::QueueShutdown(_)
        | Answer::QueueExtend(_) => queue::reply(body).map(Reply::Queue),
        Answer::EventDeclare(_)
        | Answer::EventSet(_)
        | Answer::EventClear(_)
        | Answer::EventWait(_)
        | Answer::EventDescribe(_) => event::reply(body).map(Reply::Event),
        Answer::SemaphoreDeclare(_)
        | Answer::SemaphoreAcquire(_)
        | Answer::SemaphoreRelease(_)
        | Answer::SemaphoreDrain(_)
        | Answer::SemaphoreReduce(_)
        | Answer::SemaphoreSetLimit(_)
        | Answer::SemaphoreDescribe(_)
        | Answer::SemaphoreListHolders(_) => semaphore::reply(body).map(Reply::Semaphore),
        Answer::LockDeclare(_)
        | Answer::LockAcquire(_)
        | Answer::LockRelease(_)
        | Answer::LockExtend(_)
        | Answer::LockDescribe(_) => lock::reply(body).map(Reply::Lock),
        Answer::RwlockDeclare(_)
        | Answer::RwlockAcquire(_)
        | Answer::RwlockRelease(_)
        | Answer::RwlockExtend(_)
        | Answer::RwlockDescribe(_) => rwlock::reply(body).map(Reply::RwLock),
        Answer::ConditionDeclare(_)
        | Answer::ConditionWait(_)
        | Answer::ConditionNotify(_)
        | Answer::ConditionNotifyAll(_)
        | Answer::ConditionDescribe(_) => condition::reply(body).map(Reply::Condition),
        Answer::BarrierDeclare(_)
        | Answer::BarrierWait(_)
        | Answer::BarrierActionDone(_)
        | Answer::BarrierReset(_)
        | Answer::BarrierAbort(_)
        | Answer::BarrierDescribe(_) => barrier::reply(body).map(Reply::Barrier),
        Answer::LatchDeclare(_)
        | Answer::LatchCountDown(_)
        | Answer::LatchWait(_)
        | Answer::LatchDescribe(_) => latch::reply(body).map(Reply::Latch),
        Answer::ValueDeclare(_)
        | Answer::ValueGet(_)
        | Answer::ValueSet(_)
        | Answer::ValueDelete(_)
        | Answer::ValueIncrement(_)
        | Answer::ValueWatch(_)
        | Answer::ValueListItems(_)
        | Answer::ValueClear(_)
        | Answer::ValueDescribe(_)
        | Answer::ValueRead(_)
        | Answer::ValueSplice(_) => value::reply(body).map(Reply::Value),
        Answer::TimerDeclare(_)
        | Answer::TimerSchedule(_)
        | Answer::TimerCancel(_)
        | Answer::TimerDescribe(_)
        | Answer::TimerList(_) => timer::reply(body).map(Reply::Timer),
        Answer::TopicDeclare(_)
        | Answer::TopicBind(_)
        | Answer::TopicUnbind(_)
        | Answer::TopicPublish(_)
        | Answer::TopicDescribe(_)
        | Answer::TopicListBindings(_) => topic::reply(body).map(Reply::Topic),
        Answer::PipeDeclare(_)
        | Answer::PipeAttach(_)
        | Answer::PipeSend(_)
        | Answer::PipeReceive(_)
        | Answer::PipePoll(_)
        | Answer::PipeClose(_)
        | Answer::PipeDescribe(_) => pipe::reply(body).map(Reply::Pipe),
    }
}

/// A reply of another kind than the request's: a defect of whoever sent it.
fn unexpected(found: &impl std::fmt::Debug) -> Error {
    Error::new(Reason::Internal, format!("the reply is of another kind than the request: {found:?}"))
}

/// Defines, for the methods of a service, how a reply becomes the response message of a unary call: through
/// the answer body that the stream would carry.
macro_rules! responses {
    ($($body:ident => $message:ident),* $(,)?) => {$(
        impl TryFrom<crate::command::Reply> for syncbridge_proto::v1::$message {
            type Error = crate::error::Error;

            fn try_from(reply: crate::command::Reply) -> Result<Self, Self::Error> {
                match super::reply_body(reply, false) {
                    syncbridge_proto::v1::answer::Body::$body(message) => Ok(message),
                    other => Err(super::unexpected(&other)),
                }
            }
        }
    )*};
}
use responses;

impl From<Kind> for pb::ObjectKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Queue => pb::ObjectKind::Queue,
            Kind::Event => pb::ObjectKind::Event,
            Kind::Semaphore => pb::ObjectKind::Semaphore,
            Kind::Lock => pb::ObjectKind::Lock,
            Kind::RwLock => pb::ObjectKind::Rwlock,
            Kind::Condition => pb::ObjectKind::Condition,
            Kind::Barrier => pb::ObjectKind::Barrier,
            Kind::Latch => pb::ObjectKind::Latch,
            Kind::Value => pb::ObjectKind::Value,
            Kind::List => pb::ObjectKind::List,
            Kind::Dict => pb::ObjectKind::Dict,
            Kind::Timer => pb::ObjectKind::Timer,
            Kind::Topic => pb::ObjectKind::Topic,
            Kind::Pipe => pb::ObjectKind::Pipe,
        }
    }
}

/// Reads the kind of an object; `None` where it is not specified.
pub fn kind_or_any(number: i32) -> Result<Option<Kind>, Error> {
    match pb::ObjectKind::try_from(number) {
        Ok(pb::ObjectKind::Unspecified) => Ok(None),
        Ok(pb::ObjectKind::Queue) => Ok(Some(Kind::Queue)),
        Ok(pb::ObjectKind::Event) => Ok(Some(Kind::Event)),
        Ok(pb::ObjectKind::Semaphore) => Ok(Some(Kind::Semaphore)),
        Ok(pb::ObjectKind::Lock) => Ok(Some(Kind::Lock)),
        Ok(pb::ObjectKind::Rwlock) => Ok(Some(Kind::RwLock)),
        Ok(pb::ObjectKind::Condition) => Ok(Some(Kind::Condition)),
        Ok(pb::ObjectKind::Barrier) => Ok(Some(Kind::Barrier)),
        Ok(pb::ObjectKind::Latch) => Ok(Some(Kind::Latch)),
        Ok(pb::ObjectKind::Value) => Ok(Some(Kind::Value)),
        Ok(pb::ObjectKind::List) => Ok(Some(Kind::List)),
        Ok(pb::ObjectKind::Dict) => Ok(Some(Kind::Dict)),
        Ok(pb::ObjectKind::Timer) => Ok(Some(Kind::Timer)),
        Ok(pb::ObjectKind::Topic) => Ok(Some(Kind::Topic)),
        Ok(pb::ObjectKind::Pipe) => Ok(Some(Kind::Pipe)),
        Err(_) => Err(Error::invalid("kind", format!("kind is {number}, which this server does not know"))),
    }
}

fn kind(number: i32) -> Result<Kind, Error> {
    kind_or_any(number)?
        .ok_or_else(|| Error::invalid("kind", "kind is not specified; say which kind of object"))
}

fn target(field: &'static str, name: &str, handle: u64) -> Result<Target, Error> {
    match Handle::from_u64(handle) {
        Some(handle) => Ok(Target::Handle(handle)),
        None => named(field, name),
    }
}

/// A target that must be named.
fn named(field: &'static str, name: &str) -> Result<Target, Error> {
    Ok(Target::Name(Name::parse(field, name)?))
}

/// A target by name does not create what it names.
fn must_exist(target: &mut Target) {
    if let Target::Name(name) = target {
        *target = Target::Existing(name.clone());
    }
}

/// The two fields that stand for a target: name and handle.
fn target_fields(target: &Target) -> (String, u64) {
    match target {
        Target::Name(name) | Target::Existing(name) => (name.as_str().to_owned(), 0),
        Target::Handle(handle) => (String::new(), handle.to_u64()),
    }
}

fn ownership(number: i32) -> Result<Option<Ownership>, Error> {
    match pb::Ownership::try_from(number) {
        Ok(pb::Ownership::Unspecified) => Ok(None),
        Ok(pb::Ownership::Session) => Ok(Some(Ownership::Session)),
        Ok(pb::Ownership::None) => Ok(Some(Ownership::None)),
        Err(_) => Err(Error::invalid("ownership", format!("ownership is {number}; give SESSION or NONE"))),
    }
}

fn ownership_field(ownership: Option<Ownership>) -> i32 {
    let ownership = match ownership {
        None => pb::Ownership::Unspecified,
        Some(Ownership::Session) => pb::Ownership::Session,
        Some(Ownership::None) => pb::Ownership::None,
    };
    ownership.into()
}

fn on_deadlock(number: i32) -> Result<Option<OnDeadlock>, Error> {
    match pb::OnDeadlock::try_from(number) {
        Ok(pb::OnDeadlock::Unspecified) => Ok(None),
        Ok(pb::OnDeadlock::Raise) => Ok(Some(OnDeadlock::Raise)),
        Ok(pb::OnDeadlock::Report) => Ok(Some(OnDeadlock::Report)),
        Ok(pb::OnDeadlock::Off) => Ok(Some(OnDeadlock::Off)),
        Err(_) => Err(Error::invalid("deadlock", format!("deadlock is {number}; give RAISE, REPORT or OFF"))),
    }
}

fn on_deadlock_field(deadlock: Option<OnDeadlock>) -> i32 {
    let deadlock = match deadlock {
        None => pb::OnDeadlock::Unspecified,
        Some(OnDeadlock::Raise) => pb::OnDeadlock::Raise,
        Some(OnDeadlock::Report) => pb::OnDeadlock::Report,
        Some(OnDeadlock::Off) => pb::OnDeadlock::Off,
    };
    deadlock.into()
}

fn timeout(timeout: Option<prost_types::Duration>) -> Result<Timeout, Error> {
    timeout.map_or(Ok(Timeout::Never), |length| duration("timeout", length).map(Timeout::After))
}

fn timeout_field(timeout: Timeout) -> Option<prost_types::Duration> {
    match timeout {
        Timeout::Never => None,
        Timeout::After(length) => Some(duration_field(length)),
    }
}

/// Reads a duration, which may not be negative. Any length will do: an absurd one is as good as endless.
pub fn duration(field: &'static str, duration: prost_types::Duration) -> Result<Duration, Error> {
    let prost_types::Duration { seconds, nanos } = duration;
    match (u64::try_from(seconds), u32::try_from(nanos)) {
        (Ok(seconds), Ok(nanos)) => Ok(Duration::new(seconds, nanos)),
        _ => Err(Error::invalid(
            field,
            format!("{field} is {seconds} s and {nanos} ns; give a duration that is not negative"),
        )),
    }
}

/// Entries on a page where the request does not say.
const PAGE_SIZE: u32 = 100;

/// How many entries a page has that was asked for with so many; 0 did not say.
pub fn page_size(asked: u32) -> u32 {
    if asked == 0 { PAGE_SIZE } else { asked }
}

/// Writes a duration; one beyond protobuf's range is as good as its end.
pub fn duration_field(duration: Duration) -> prost_types::Duration {
    const SECONDS_MAX: u64 = 315_576_000_000;
    prost_types::Duration {
        seconds: duration.as_secs().min(SECONDS_MAX) as i64,
        nanos: duration.subsec_nanos() as i32,
    }
}

const REASONS: [(Reason, pb::Reason); 29] = [
    (Reason::InvalidArgument, pb::Reason::InvalidArgument),
    (Reason::LimitExceeded, pb::Reason::LimitExceeded),
    (Reason::ConfigMismatch, pb::Reason::ConfigMismatch),
    (Reason::ObjectGone, pb::Reason::ObjectGone),
    (Reason::CrossNamespace, pb::Reason::CrossNamespace),
    (Reason::SessionRequired, pb::Reason::SessionRequired),
    (Reason::SessionExpired, pb::Reason::SessionExpired),
    (Reason::SessionDenied, pb::Reason::SessionDenied),
    (Reason::ProtocolVersion, pb::Reason::ProtocolVersion),
    (Reason::Full, pb::Reason::Full),
    (Reason::Empty, pb::Reason::Empty),
    (Reason::TimedOut, pb::Reason::TimedOut),
    (Reason::Cancelled, pb::Reason::Cancelled),
    (Reason::ShutDown, pb::Reason::ShutDown),
    (Reason::EndOfPipe, pb::Reason::EndOfPipe),
    (Reason::BrokenPipe, pb::Reason::BrokenPipe),
    (Reason::Deadlock, pb::Reason::Deadlock),
    (Reason::Stale, pb::Reason::Stale),
    (Reason::TooManyReleases, pb::Reason::TooManyReleases),
    (Reason::TooManyTasksDone, pb::Reason::TooManyTasksDone),
    (Reason::NotOwner, pb::Reason::NotOwner),
    (Reason::LockLost, pb::Reason::LockLost),
    (Reason::Fenced, pb::Reason::Fenced),
    (Reason::BrokenBarrier, pb::Reason::BrokenBarrier),
    (Reason::JoinIncomplete, pb::Reason::JoinIncomplete),
    (Reason::Duplicate, pb::Reason::Duplicate),
    (Reason::OutcomeUnknown, pb::Reason::OutcomeUnknown),
    (Reason::Unavailable, pb::Reason::Unavailable),
    (Reason::Internal, pb::Reason::Internal),
];

impl From<Error> for pb::Error {
    fn from(error: Error) -> Self {
        let Parts { reason, message, metadata } = error.into();
        let reason = REASONS.iter().find(|(known, _)| *known == reason);
        pb::Error {
            reason: reason.map_or(pb::Reason::Internal, |(_, reason)| *reason).into(),
            message,
            metadata: metadata.into_iter().map(|(name, value)| (name.into_owned(), value)).collect(),
        }
    }
}

impl From<pb::Error> for Error {
    fn from(error: pb::Error) -> Self {
        let known = REASONS.iter().find(|(_, reason)| i32::from(*reason) == error.reason);
        let mut metadata: Vec<_> =
            error.metadata.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect();
        metadata.sort();
        let reason = known.map_or(Reason::Internal, |(reason, _)| *reason);
        Parts { reason, message: error.message, metadata }.into()
    }
}

#[cfg(test)]
mod tests;

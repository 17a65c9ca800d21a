//! Messages of `lock_service.proto`.

use std::time::Duration;

use pb::answer::Body as Answer;
use pb::command::Body;
use syncbridge_proto::v1 as pb;

use super::{
    duration, duration_field, named, on_deadlock, on_deadlock_field, ownership, ownership_field, responses,
    target, target_fields, timeout, timeout_field, unexpected,
};
use crate::command::lock::{
    Abandoned, Acquire, Cause, Command, Figures, Grant, Holder, Options, Query, Reply,
};
use crate::command::{self, Request};
use crate::error::Error;
use crate::ids::{Handle, Target, Token};

impl TryFrom<pb::LockOptions> for Options {
    type Error = Error;

    fn try_from(options: pb::LockOptions) -> Result<Self, Error> {
        Ok(Options {
            reentrant: options.reentrant,
            ownership: ownership(options.ownership)?,
            foreign_release: options.foreign_release,
            ephemeral: options.ephemeral,
            deadlock: on_deadlock(options.deadlock)?,
        })
    }
}

impl From<Options> for pb::LockOptions {
    fn from(options: Options) -> Self {
        pb::LockOptions {
            reentrant: options.reentrant,
            ownership: ownership_field(options.ownership),
            foreign_release: options.foreign_release,
            ephemeral: options.ephemeral,
            deadlock: on_deadlock_field(options.deadlock),
        }
    }
}

fn lock(target: Target, command: Command) -> Result<Request, Error> {
    Ok(Request::Command(command::Command::Lock(target, command)))
}

impl TryFrom<pb::LockServiceDeclareRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::LockServiceDeclareRequest) -> Result<Self, Error> {
        let options = message.options.unwrap_or_default().try_into()?;
        lock(named("lock", &message.lock)?, Command::Declare(options))
    }
}

impl TryFrom<pb::LockServiceAcquireRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::LockServiceAcquireRequest) -> Result<Self, Error> {
        let acquire = Acquire {
            barge: message.barge,
            lease: lease(message.lease)?,
            timeout: timeout(message.timeout)?,
        };
        lock(target("lock", &message.lock, message.handle)?, Command::Acquire(acquire))
    }
}

/// Reads how long a lock is to be held.
pub(super) fn lease(message: Option<prost_types::Duration>) -> Result<Option<Duration>, Error> {
    message.map(|lease| duration("lease", lease)).transpose()
}

impl TryFrom<pb::LockServiceExtendRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::LockServiceExtendRequest) -> Result<Self, Error> {
        let command = Command::Extend { token: Token(message.token), lease: lease(message.lease)? };
        lock(target("lock", &message.lock, message.handle)?, command)
    }
}

impl TryFrom<pb::LockServiceReleaseRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::LockServiceReleaseRequest) -> Result<Self, Error> {
        let command = Command::Release { token: message.token.map(Token) };
        lock(target("lock", &message.lock, message.handle)?, command)
    }
}

impl TryFrom<pb::LockServiceDescribeRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::LockServiceDescribeRequest) -> Result<Self, Error> {
        let target = target("lock", &message.lock, message.handle)?;
        Ok(Request::Query(command::Query::Lock(target, Query::Describe)))
    }
}

impl From<Abandoned> for pb::Abandoned {
    fn from(abandoned: Abandoned) -> Self {
        pb::Abandoned {
            token: abandoned.token.0,
            ago: Some(duration_field(abandoned.ago)),
            participant: abandoned.participant,
            session: abandoned.session,
            cause: abandoned_cause(abandoned.cause).into(),
        }
    }
}

/// Writes why a hold ended that was not released.
pub fn abandoned_cause(cause: Cause) -> pb::AbandonedCause {
    match cause {
        Cause::Session => pb::AbandonedCause::Session,
        Cause::Lease => pb::AbandonedCause::Lease,
    }
}

/// Writes what is said of an owner that ended.
pub(super) fn abandoned_field(abandoned: Option<Box<Abandoned>>) -> Option<pb::Abandoned> {
    abandoned.map(|abandoned| (*abandoned).into())
}

/// Reads it.
pub(super) fn abandoned(message: Option<pb::Abandoned>) -> Result<Option<Box<Abandoned>>, Error> {
    let read = |message: pb::Abandoned| {
        let cause = match message.cause() {
            pb::AbandonedCause::Lease => Cause::Lease,
            pb::AbandonedCause::Session | pb::AbandonedCause::Unspecified => Cause::Session,
        };
        Ok(Box::new(Abandoned {
            cause,
            token: Token(message.token),
            ago: duration("ago", message.ago.unwrap_or_default())?,
            participant: message.participant,
            session: message.session,
        }))
    };
    message.map(read).transpose()
}

impl From<Holder> for pb::LockHolder {
    fn from(holder: Holder) -> Self {
        pb::LockHolder {
            token: holder.token.0,
            levels: holder.levels,
            held_for: Some(duration_field(holder.held_for)),
            participant: holder.participant,
            session: holder.session,
            lease: holder.lease.map(duration_field),
        }
    }
}

/// Reads who holds a lock.
pub(super) fn holder(message: pb::LockHolder) -> Result<Holder, Error> {
    Ok(Holder {
        token: Token(message.token),
        levels: message.levels,
        held_for: duration("held_for", message.held_for.unwrap_or_default())?,
        lease: lease(message.lease)?,
        participant: message.participant,
        session: message.session,
    })
}

responses! {
    LockDeclare => LockServiceDeclareResponse,
    LockAcquire => LockServiceAcquireResponse,
    LockRelease => LockServiceReleaseResponse,
    LockDescribe => LockServiceDescribeResponse,
    LockExtend => LockServiceExtendResponse,
}

pub(super) fn command_body(target: &Target, command: &Command) -> Body {
    let (lock, handle) = target_fields(target);
    match *command {
        Command::Declare(ref options) => {
            let options = Some((*options).into());
            Body::LockDeclare(pb::LockServiceDeclareRequest { lock, options })
        }
        Command::Acquire(Acquire { barge, lease, timeout }) => {
            let (timeout, lease) = (timeout_field(timeout), lease.map(duration_field));
            Body::LockAcquire(pb::LockServiceAcquireRequest { lock, handle, timeout, barge, lease })
        }
        Command::Extend { token: Token(token), lease } => {
            let lease = lease.map(duration_field);
            Body::LockExtend(pb::LockServiceExtendRequest { lock, handle, token, lease })
        }
        Command::Release { token } => {
            let token = token.map(|token| token.0);
            Body::LockRelease(pb::LockServiceReleaseRequest { lock, handle, token })
        }
    }
}

pub(super) fn query_body(target: &Target, query: &Query) -> Body {
    let (lock, handle) = target_fields(target);
    match query {
        Query::Describe => Body::LockDescribe(pb::LockServiceDescribeRequest { lock, handle }),
    }
}

pub(super) fn reply_body(reply: Reply) -> Answer {
    match reply {
        Reply::Declared { handle, options } => {
            let (handle, options) = (handle.to_u64(), Some(options.into()));
            Answer::LockDeclare(pb::LockServiceDeclareResponse { handle, options })
        }
        Reply::Acquired(grant) => Answer::LockAcquire(pb::LockServiceAcquireResponse {
            token: grant.token.0,
            abandoned: abandoned_field(grant.abandoned),
        }),
        Reply::Released => Answer::LockRelease(pb::LockServiceReleaseResponse {}),
        Reply::Extended => Answer::LockExtend(pb::LockServiceExtendResponse {}),
        Reply::Described(figures) => Answer::LockDescribe(pb::LockServiceDescribeResponse {
            options: Some(figures.options.into()),
            holder: figures.holder.map(Into::into),
            abandoned: abandoned_field(figures.abandoned),
            waiting: figures.waiting,
        }),
    }
}

pub(super) fn reply(body: Answer) -> Result<Reply, Error> {
    Ok(match body {
        Answer::LockDeclare(message) => Reply::Declared {
            handle: Handle::from_u64(message.handle).ok_or_else(|| unexpected(&message))?,
            options: message.options.unwrap_or_default().try_into()?,
        },
        Answer::LockAcquire(message) => {
            Reply::Acquired(Grant { token: Token(message.token), abandoned: abandoned(message.abandoned)? })
        }
        Answer::LockRelease(_) => Reply::Released,
        Answer::LockExtend(_) => Reply::Extended,
        Answer::LockDescribe(message) => Reply::Described(Box::new(Figures {
            options: message.options.unwrap_or_default().try_into()?,
            holder: message.holder.map(holder).transpose()?,
            abandoned: abandoned(message.abandoned)?,
            waiting: message.waiting,
        })),
        other => return Err(unexpected(&other)),
    })
}

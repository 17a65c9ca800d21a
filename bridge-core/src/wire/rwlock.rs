//! Messages of `rwlock_service.proto`.

use pb::answer::Body as Answer;
use pb::command::Body;
use syncbridge_proto::v1 as pb;

use super::lock::{abandoned, abandoned_field, holder, lease};
use super::{
    duration_field, named, on_deadlock, on_deadlock_field, responses, target, target_fields, timeout,
    timeout_field, unexpected,
};
use crate::command::lock::{Grant, Holder};
use crate::command::rwlock::{Acquire, Command, Figures, Mode, Options, Query, Reply};
use crate::command::{self, Request};
use crate::error::Error;
use crate::ids::{Handle, Target, Token};

impl TryFrom<pb::ReadWriteLockOptions> for Options {
    type Error = Error;

    fn try_from(options: pb::ReadWriteLockOptions) -> Result<Self, Error> {
        Ok(Options { ephemeral: options.ephemeral, deadlock: on_deadlock(options.deadlock)? })
    }
}

impl From<Options> for pb::ReadWriteLockOptions {
    fn from(options: Options) -> Self {
        let deadlock = on_deadlock_field(options.deadlock);
        pb::ReadWriteLockOptions { ephemeral: options.ephemeral, deadlock }
    }
}

fn mode(number: i32) -> Result<Mode, Error> {
    match pb::LockMode::try_from(number) {
        Ok(pb::LockMode::Read) => Ok(Mode::Read),
        Ok(pb::LockMode::Write) => Ok(Mode::Write),
        Ok(pb::LockMode::Unspecified) | Err(_) => {
            Err(Error::invalid("mode", format!("mode is {number}; give READ or WRITE")))
        }
    }
}

fn mode_field(mode: Mode) -> i32 {
    match mode {
        Mode::Read => pb::LockMode::Read.into(),
        Mode::Write => pb::LockMode::Write.into(),
    }
}

fn rwlock(target: Target, command: Command) -> Result<Request, Error> {
    Ok(Request::Command(command::Command::RwLock(target, command)))
}

impl TryFrom<pb::ReadWriteLockServiceDeclareRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::ReadWriteLockServiceDeclareRequest) -> Result<Self, Error> {
        let options = message.options.unwrap_or_default();
        rwlock(named("rwlock", &message.rwlock)?, Command::Declare(options.try_into()?))
    }
}

impl TryFrom<pb::ReadWriteLockServiceAcquireRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::ReadWriteLockServiceAcquireRequest) -> Result<Self, Error> {
        let acquire = Acquire {
            mode: mode(message.mode)?,
            barge: message.barge,
            lease: lease(message.lease)?,
            timeout: timeout(message.timeout)?,
        };
        rwlock(target("rwlock", &message.rwlock, message.handle)?, Command::Acquire(acquire))
    }
}

impl TryFrom<pb::ReadWriteLockServiceExtendRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::ReadWriteLockServiceExtendRequest) -> Result<Self, Error> {
        let command = Command::Extend { token: Token(message.token), lease: lease(message.lease)? };
        rwlock(target("rwlock", &message.rwlock, message.handle)?, command)
    }
}

impl TryFrom<pb::ReadWriteLockServiceReleaseRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::ReadWriteLockServiceReleaseRequest) -> Result<Self, Error> {
        let command = Command::Release { mode: mode(message.mode)?, token: message.token.map(Token) };
        rwlock(target("rwlock", &message.rwlock, message.handle)?, command)
    }
}

impl TryFrom<pb::ReadWriteLockServiceDescribeRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::ReadWriteLockServiceDescribeRequest) -> Result<Self, Error> {
        let target = target("rwlock", &message.rwlock, message.handle)?;
        Ok(Request::Query(command::Query::RwLock(target, Query::Describe)))
    }
}

responses! {
    RwlockDeclare => ReadWriteLockServiceDeclareResponse,
    RwlockAcquire => ReadWriteLockServiceAcquireResponse,
    RwlockRelease => ReadWriteLockServiceReleaseResponse,
    RwlockDescribe => ReadWriteLockServiceDescribeResponse,
    RwlockExtend => ReadWriteLockServiceExtendResponse,
}

pub(super) fn command_body(target: &Target, command: &Command) -> Body {
    let (rwlock, handle) = target_fields(target);
    match *command {
        Command::Declare(ref options) => {
            let options = Some((*options).into());
            Body::RwlockDeclare(pb::ReadWriteLockServiceDeclareRequest { rwlock, options })
        }
        Command::Acquire(Acquire { mode, barge, lease, timeout }) => {
            let (mode, timeout, lease) =
                (mode_field(mode), timeout_field(timeout), lease.map(duration_field));
            let message =
                pb::ReadWriteLockServiceAcquireRequest { rwlock, handle, timeout, mode, barge, lease };
            Body::RwlockAcquire(message)
        }
        Command::Extend { token: Token(token), lease } => {
            let lease = lease.map(duration_field);
            Body::RwlockExtend(pb::ReadWriteLockServiceExtendRequest { rwlock, handle, token, lease })
        }
        Command::Release { mode, token } => {
            let (mode, token) = (mode_field(mode), token.map(|token| token.0));
            Body::RwlockRelease(pb::ReadWriteLockServiceReleaseRequest { rwlock, handle, mode, token })
        }
    }
}

pub(super) fn query_body(target: &Target, query: &Query) -> Body {
    let (rwlock, handle) = target_fields(target);
    match query {
        Query::Describe => Body::RwlockDescribe(pb::ReadWriteLockServiceDescribeRequest { rwlock, handle }),
    }
}

pub(super) fn reply_body(reply: Reply) -> Answer {
    match reply {
        Reply::Declared { handle, options } => {
            let (handle, options) = (handle.to_u64(), Some(options.into()));
            Answer::RwlockDeclare(pb::ReadWriteLockServiceDeclareResponse { handle, options })
        }
        Reply::Acquired(grant) => Answer::RwlockAcquire(pb::ReadWriteLockServiceAcquireResponse {
            token: grant.token.0,
            abandoned: abandoned_field(grant.abandoned),
        }),
        Reply::Released => Answer::RwlockRelease(pb::ReadWriteLockServiceReleaseResponse {}),
        Reply::Extended => Answer::RwlockExtend(pb::ReadWriteLockServiceExtendResponse {}),
        Reply::Described(figures) => Answer::RwlockDescribe(pb::ReadWriteLockServiceDescribeResponse {
            options: Some(figures.options.into()),
            writer: figures.writer.map(Into::into),
            readers: figures.readers.into_iter().map(Into::into).collect(),
            reading: figures.reading,
            abandoned: abandoned_field(figures.abandoned),
            waiting: figures.waiting,
        }),
    }
}

pub(super) fn reply(body: Answer) -> Result<Reply, Error> {
    Ok(match body {
        Answer::RwlockDeclare(message) => Reply::Declared {
            handle: Handle::from_u64(message.handle).ok_or_else(|| unexpected(&message))?,
            options: message.options.unwrap_or_default().try_into()?,
        },
        Answer::RwlockAcquire(message) => {
            Reply::Acquired(Grant { token: Token(message.token), abandoned: abandoned(message.abandoned)? })
        }
        Answer::RwlockRelease(_) => Reply::Released,
        Answer::RwlockExtend(_) => Reply::Extended,
        Answer::RwlockDescribe(message) => Reply::Described(Box::new(Figures {
            options: message.options.unwrap_or_default().try_into()?,
            writer: message.writer.map(holder).transpose()?,
            readers: message.readers.into_iter().map(holder).collect::<Result<Vec<Holder>, Error>>()?,
            reading: message.reading,
            abandoned: abandoned(message.abandoned)?,
            waiting: message.waiting,
        })),
        other => return Err(unexpected(&other)),
    })
}

//! Messages of `condition_service.proto`.

use pb::answer::Body as Answer;
use pb::command::Body;
use syncbridge_proto::v1 as pb;

use super::lock::{abandoned, abandoned_field};
use super::{named, responses, target, target_fields, timeout, timeout_field, unexpected};
use crate::command::condition::{Command, Figures, Options, Query, Reply, Woken};
use crate::command::lock::Grant;
use crate::command::{self, Request};
use crate::error::{Error, Reason};
use crate::ids::{Handle, Name, Target, Token};

impl From<pb::ConditionOptions> for Options {
    fn from(options: pb::ConditionOptions) -> Self {
        Options { ephemeral: options.ephemeral }
    }
}

impl From<Options> for pb::ConditionOptions {
    fn from(options: Options) -> Self {
        pb::ConditionOptions { ephemeral: options.ephemeral }
    }
}

fn condition(target: Target, command: Command) -> Result<Request, Error> {
    Ok(Request::Command(command::Command::Condition(target, command)))
}

impl TryFrom<pb::ConditionServiceDeclareRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::ConditionServiceDeclareRequest) -> Result<Self, Error> {
        let (lock, options) =
            (Name::parse("lock", &message.lock)?, message.options.unwrap_or_default().into());
        condition(named("condition", &message.condition)?, Command::Declare { lock, options })
    }
}

impl TryFrom<pb::ConditionServiceWaitRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::ConditionServiceWaitRequest) -> Result<Self, Error> {
        let command = Command::Wait { timeout: timeout(message.timeout)? };
        condition(target("condition", &message.condition, message.handle)?, command)
    }
}

impl TryFrom<pb::ConditionServiceNotifyRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::ConditionServiceNotifyRequest) -> Result<Self, Error> {
        let command = Command::Notify { count: Some(message.count.max(1)) };
        condition(target("condition", &message.condition, message.handle)?, command)
    }
}

impl TryFrom<pb::ConditionServiceNotifyAllRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::ConditionServiceNotifyAllRequest) -> Result<Self, Error> {
        let target = target("condition", &message.condition, message.handle)?;
        condition(target, Command::Notify { count: None })
    }
}

impl TryFrom<pb::ConditionServiceDescribeRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::ConditionServiceDescribeRequest) -> Result<Self, Error> {
        let target = target("condition", &message.condition, message.handle)?;
        Ok(Request::Query(command::Query::Condition(target, Query::Describe)))
    }
}

responses! {
    ConditionDeclare => ConditionServiceDeclareResponse,
    ConditionWait => ConditionServiceWaitResponse,
    ConditionDescribe => ConditionServiceDescribeResponse,
}

/// One reply answers both ways to notify.
fn notified(reply: command::Reply) -> Result<u64, Error> {
    match reply {
        command::Reply::Condition(Reply::Notified { count }) => Ok(count),
        other => Err(unexpected(&other)),
    }
}

impl TryFrom<command::Reply> for pb::ConditionServiceNotifyResponse {
    type Error = Error;

    fn try_from(reply: command::Reply) -> Result<Self, Error> {
        Ok(pb::ConditionServiceNotifyResponse { count: notified(reply)? })
    }
}

impl TryFrom<command::Reply> for pb::ConditionServiceNotifyAllResponse {
    type Error = Error;

    fn try_from(reply: command::Reply) -> Result<Self, Error> {
        Ok(pb::ConditionServiceNotifyAllResponse { count: notified(reply)? })
    }
}

fn woken(number: i32) -> Result<Woken, Error> {
    match pb::Woken::try_from(number) {
        Ok(pb::Woken::Notified) => Ok(Woken::Notified),
        Ok(pb::Woken::TimedOut) => Ok(Woken::TimedOut),
        Ok(pb::Woken::Cancelled) => Ok(Woken::Cancelled),
        Ok(pb::Woken::Unspecified) | Err(_) => {
            Err(Error::new(Reason::Internal, format!("a wait was woken by {number}; is the server newer?")))
        }
    }
}

fn woken_field(woken: Woken) -> i32 {
    let woken = match woken {
        Woken::Notified => pb::Woken::Notified,
        Woken::TimedOut => pb::Woken::TimedOut,
        Woken::Cancelled => pb::Woken::Cancelled,
    };
    woken.into()
}

pub(super) fn command_body(target: &Target, command: &Command) -> Body {
    let (condition, handle) = target_fields(target);
    match command {
        Command::Declare { lock, options } => {
            let (lock, options) = (lock.as_str().to_owned(), Some(options.clone().into()));
            Body::ConditionDeclare(pb::ConditionServiceDeclareRequest { condition, lock, options })
        }
        Command::Wait { timeout } => {
            let timeout = timeout_field(*timeout);
            Body::ConditionWait(pb::ConditionServiceWaitRequest { condition, handle, timeout })
        }
        Command::Notify { count: Some(count) } => {
            let count = *count;
            Body::ConditionNotify(pb::ConditionServiceNotifyRequest { condition, handle, count })
        }
        Command::Notify { count: None } => {
            Body::ConditionNotifyAll(pb::ConditionServiceNotifyAllRequest { condition, handle })
        }
    }
}

pub(super) fn query_body(target: &Target, query: &Query) -> Body {
    let (condition, handle) = target_fields(target);
    match query {
        Query::Describe => Body::ConditionDescribe(pb::ConditionServiceDescribeRequest { condition, handle }),
    }
}

pub(super) fn reply_body(reply: Reply) -> Answer {
    match reply {
        Reply::Declared { handle, options } => {
            let (handle, options) = (handle.to_u64(), Some(options.into()));
            Answer::ConditionDeclare(pb::ConditionServiceDeclareResponse { handle, options })
        }
        Reply::Waited { woken, grant } => Answer::ConditionWait(pb::ConditionServiceWaitResponse {
            woken: woken_field(woken),
            token: grant.token.0,
            abandoned: abandoned_field(grant.abandoned),
        }),
        Reply::Notified { count } => Answer::ConditionNotify(pb::ConditionServiceNotifyResponse { count }),
        Reply::Described(figures) => Answer::ConditionDescribe(pb::ConditionServiceDescribeResponse {
            options: Some(figures.options.into()),
            lock: figures.lock.map_or_else(String::new, |lock| lock.as_str().to_owned()),
            waiting: figures.waiting,
        }),
    }
}

pub(super) fn reply(body: Answer) -> Result<Reply, Error> {
    Ok(match body {
        Answer::ConditionDeclare(message) => Reply::Declared {
            handle: Handle::from_u64(message.handle).ok_or_else(|| unexpected(&message))?,
            options: message.options.unwrap_or_default().into(),
        },
        Answer::ConditionWait(message) => Reply::Waited {
            woken: woken(message.woken)?,
            grant: Grant { token: Token(message.token), abandoned: abandoned(message.abandoned)? },
        },
        Answer::ConditionNotify(message) => Reply::Notified { count: message.count },
        Answer::ConditionNotifyAll(message) => Reply::Notified { count: message.count },
        Answer::ConditionDescribe(message) => Reply::Described(Figures {
            options: message.options.unwrap_or_default().into(),
            lock: match message.lock.as_str() {
                "" => None,
                lock => Some(Name::parse("lock", lock)?),
            },
            waiting: message.waiting,
        }),
        other => return Err(unexpected(&other)),
    })
}

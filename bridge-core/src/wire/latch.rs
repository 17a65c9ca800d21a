//! Messages of `latch_service.proto`.

use pb::answer::Body as Answer;
use pb::command::Body;
use syncbridge_proto::v1 as pb;

use super::{named, responses, target, target_fields, timeout, timeout_field, unexpected};
use crate::command::latch::{Command, Figures, Options, Query, Reply};
use crate::command::{self, Request};
use crate::error::Error;
use crate::ids::{Handle, Target};

impl From<pb::LatchOptions> for Options {
    fn from(options: pb::LatchOptions) -> Self {
        Options { count: options.count, ephemeral: options.ephemeral }
    }
}

impl From<Options> for pb::LatchOptions {
    fn from(options: Options) -> Self {
        pb::LatchOptions { count: options.count, ephemeral: options.ephemeral }
    }
}

fn latch(target: Target, command: Command) -> Result<Request, Error> {
    Ok(Request::Command(command::Command::Latch(target, command)))
}

impl TryFrom<pb::LatchServiceDeclareRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::LatchServiceDeclareRequest) -> Result<Self, Error> {
        let options = message.options.unwrap_or_default();
        latch(named("latch", &message.latch)?, Command::Declare(options.into()))
    }
}

impl TryFrom<pb::LatchServiceCountDownRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::LatchServiceCountDownRequest) -> Result<Self, Error> {
        let target = target("latch", &message.latch, message.handle)?;
        latch(target, Command::CountDown { by: message.by.max(1) })
    }
}

impl TryFrom<pb::LatchServiceWaitRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::LatchServiceWaitRequest) -> Result<Self, Error> {
        let target = target("latch", &message.latch, message.handle)?;
        latch(target, Command::Wait { timeout: timeout(message.timeout)? })
    }
}

impl TryFrom<pb::LatchServiceDescribeRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::LatchServiceDescribeRequest) -> Result<Self, Error> {
        let target = target("latch", &message.latch, message.handle)?;
        Ok(Request::Query(command::Query::Latch(target, Query::Describe)))
    }
}

responses! {
    LatchDeclare => LatchServiceDeclareResponse,
    LatchCountDown => LatchServiceCountDownResponse,
    LatchWait => LatchServiceWaitResponse,
    LatchDescribe => LatchServiceDescribeResponse,
}

pub(super) fn command_body(target: &Target, command: &Command) -> Body {
    let (latch, handle) = target_fields(target);
    match command {
        Command::Declare(options) => {
            let options = Some((*options).into());
            Body::LatchDeclare(pb::LatchServiceDeclareRequest { latch, options })
        }
        Command::CountDown { by } => {
            Body::LatchCountDown(pb::LatchServiceCountDownRequest { latch, handle, by: *by })
        }
        Command::Wait { timeout } => {
            let timeout = timeout_field(*timeout);
            Body::LatchWait(pb::LatchServiceWaitRequest { latch, handle, timeout })
        }
    }
}

pub(super) fn query_body(target: &Target, query: &Query) -> Body {
    let (latch, handle) = target_fields(target);
    match query {
        Query::Describe => Body::LatchDescribe(pb::LatchServiceDescribeRequest { latch, handle }),
    }
}

pub(super) fn reply_body(reply: Reply) -> Answer {
    match reply {
        Reply::Declared { handle, options } => {
            let (handle, options) = (handle.to_u64(), Some(options.into()));
            Answer::LatchDeclare(pb::LatchServiceDeclareResponse { handle, options })
        }
        Reply::CountedDown { count } => Answer::LatchCountDown(pb::LatchServiceCountDownResponse { count }),
        Reply::Waited { is_open } => Answer::LatchWait(pb::LatchServiceWaitResponse { is_open }),
        Reply::Described(figures) => Answer::LatchDescribe(pb::LatchServiceDescribeResponse {
            options: Some(figures.options.into()),
            count: figures.count,
            waiting: figures.waiting,
        }),
    }
}

pub(super) fn reply(body: Answer) -> Result<Reply, Error> {
    Ok(match body {
        Answer::LatchDeclare(message) => Reply::Declared {
            handle: Handle::from_u64(message.handle).ok_or_else(|| unexpected(&message))?,
            options: message.options.unwrap_or_default().into(),
        },
        Answer::LatchCountDown(message) => Reply::CountedDown { count: message.count },
        Answer::LatchWait(message) => Reply::Waited { is_open: message.is_open },
        Answer::LatchDescribe(message) => Reply::Described(Box::new(Figures {
            options: message.options.unwrap_or_default().into(),
            count: message.count,
            waiting: message.waiting,
        })),
        other => return Err(unexpected(&other)),
    })
}

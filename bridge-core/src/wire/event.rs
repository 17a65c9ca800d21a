//! Messages of `event_service.proto`.

use pb::answer::Body as Answer;
use pb::command::Body;
use syncbridge_proto::v1 as pb;

use super::{named, responses, target, target_fields, timeout, timeout_field, unexpected};
use crate::command::event::{Command, Figures, Options, Query, Reply};
use crate::command::{self, Request};
use crate::error::Error;
use crate::ids::{Handle, Target};

impl From<pb::EventOptions> for Options {
    fn from(options: pb::EventOptions) -> Self {
        Options { auto_reset: options.auto_reset, ephemeral: options.ephemeral }
    }
}

impl From<Options> for pb::EventOptions {
    fn from(options: Options) -> Self {
        pb::EventOptions { auto_reset: options.auto_reset, ephemeral: options.ephemeral }
    }
}

fn event(target: Target, command: Command) -> Result<Request, Error> {
    Ok(Request::Command(command::Command::Event(target, command)))
}

impl TryFrom<pb::EventServiceDeclareRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::EventServiceDeclareRequest) -> Result<Self, Error> {
        let options = message.options.unwrap_or_default();
        event(named("event", &message.event)?, Command::Declare(options.into()))
    }
}

impl TryFrom<pb::EventServiceSetRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::EventServiceSetRequest) -> Result<Self, Error> {
        event(target("event", &message.event, message.handle)?, Command::Set)
    }
}

impl TryFrom<pb::EventServiceClearRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::EventServiceClearRequest) -> Result<Self, Error> {
        event(target("event", &message.event, message.handle)?, Command::Clear)
    }
}

impl TryFrom<pb::EventServiceWaitRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::EventServiceWaitRequest) -> Result<Self, Error> {
        let target = target("event", &message.event, message.handle)?;
        event(target, Command::Wait { timeout: timeout(message.timeout)?, after: message.after })
    }
}

impl TryFrom<pb::EventServiceDescribeRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::EventServiceDescribeRequest) -> Result<Self, Error> {
        let target = target("event", &message.event, message.handle)?;
        Ok(Request::Query(command::Query::Event(target, Query::Describe)))
    }
}

responses! {
    EventDeclare => EventServiceDeclareResponse,
    EventSet => EventServiceSetResponse,
    EventClear => EventServiceClearResponse,
    EventWait => EventServiceWaitResponse,
    EventDescribe => EventServiceDescribeResponse,
}

pub(super) fn command_body(target: &Target, command: &Command) -> Body {
    let (event, handle) = target_fields(target);
    match command {
        Command::Declare(options) => {
            Body::EventDeclare(pb::EventServiceDeclareRequest { event, options: Some((*options).into()) })
        }
        Command::Set => Body::EventSet(pb::EventServiceSetRequest { event, handle }),
        Command::Clear => Body::EventClear(pb::EventServiceClearRequest { event, handle }),
        Command::Wait { timeout, after } => {
            let timeout = timeout_field(*timeout);
            Body::EventWait(pb::EventServiceWaitRequest { event, handle, timeout, after: *after })
        }
    }
}

pub(super) fn query_body(target: &Target, query: &Query) -> Body {
    let (event, handle) = target_fields(target);
    match query {
        Query::Describe => Body::EventDescribe(pb::EventServiceDescribeRequest { event, handle }),
    }
}

pub(super) fn reply_body(reply: Reply) -> Answer {
    match reply {
        Reply::Declared { handle, options } => {
            let (handle, options) = (handle.to_u64(), Some(options.into()));
            Answer::EventDeclare(pb::EventServiceDeclareResponse { handle, options })
        }
        Reply::Set { version } => Answer::EventSet(pb::EventServiceSetResponse { version }),
        Reply::Cleared { version } => Answer::EventClear(pb::EventServiceClearResponse { version }),
        Reply::Waited { is_set, version } => {
            Answer::EventWait(pb::EventServiceWaitResponse { is_set, version })
        }
        Reply::Described(figures) => Answer::EventDescribe(pb::EventServiceDescribeResponse {
            options: Some(figures.options.into()),
            is_set: figures.is_set,
            version: figures.version,
            waiting: figures.waiting,
        }),
    }
}

pub(super) fn reply(body: Answer) -> Result<Reply, Error> {
    Ok(match body {
        Answer::EventDeclare(message) => Reply::Declared {
            handle: Handle::from_u64(message.handle).ok_or_else(|| unexpected(&message))?,
            options: message.options.unwrap_or_default().into(),
        },
        Answer::EventSet(message) => Reply::Set { version: message.version },
        Answer::EventClear(message) => Reply::Cleared { version: message.version },
        Answer::EventWait(message) => Reply::Waited { is_set: message.is_set, version: message.version },
        Answer::EventDescribe(message) => Reply::Described(Figures {
            options: message.options.unwrap_or_default().into(),
            is_set: message.is_set,
            version: message.version,
            waiting: message.waiting,
        }),
        other => return Err(unexpected(&other)),
    })
}

//! Messages of `pipe_service.proto`.

use pb::answer::Body as Answer;
use pb::command::Body;
use syncbridge_proto::v1 as pb;

use super::item::detached;
use super::{named, responses, target, target_fields, timeout, timeout_field, unexpected};
use crate::command::pipe::{Command, End, Figures, Options, Query, Reply, Standing};
use crate::command::{self, Request};
use crate::error::Error;
use crate::ids::{Handle, Target, Token};
use crate::payload::Payload;

impl From<pb::PipeOptions> for Options {
    fn from(options: pb::PipeOptions) -> Self {
        Options { duplex: options.duplex, maxsize: options.maxsize, ephemeral: options.ephemeral }
    }
}

impl From<Options> for pb::PipeOptions {
    fn from(options: Options) -> Self {
        pb::PipeOptions { duplex: options.duplex, maxsize: options.maxsize, ephemeral: options.ephemeral }
    }
}

impl From<End> for pb::PipeEnd {
    fn from(end: End) -> Self {
        match end {
            End::A => pb::PipeEnd::A,
            End::B => pb::PipeEnd::B,
        }
    }
}

fn end_or_any(number: i32) -> Result<Option<End>, Error> {
    match pb::PipeEnd::try_from(number) {
        Ok(pb::PipeEnd::Unspecified) => Ok(None),
        Ok(pb::PipeEnd::A) => Ok(Some(End::A)),
        Ok(pb::PipeEnd::B) => Ok(Some(End::B)),
        Err(_) => Err(Error::invalid("end", format!("end is {number}; give A or B"))),
    }
}

fn end(number: i32) -> Result<End, Error> {
    end_or_any(number)?.ok_or_else(|| Error::invalid("end", "end is not specified; give A or B"))
}

fn end_field(end: End) -> i32 {
    pb::PipeEnd::from(end).into()
}

fn payload(payload: Option<pb::Payload>) -> Result<Payload, Error> {
    let missing = || Error::invalid("payload", "there is no payload; an empty one must be given as such");
    let payload = payload.ok_or_else(missing)?;
    Ok(pb::Payload { data: detached(payload.data), ..payload }.into())
}

/// The conversions of requests that name a pipe: the message's other fields become a command.
macro_rules! commands {
    ($($message:ident: |$m:ident| $command:expr;)*) => {$(
        impl TryFrom<pb::$message> for Request {
            type Error = Error;

            fn try_from($m: pb::$message) -> Result<Self, Error> {
                let target = target("pipe", &$m.pipe, $m.handle)?;
                Ok(Request::Command(command::Command::Pipe(target, $command)))
            }
        }
    )*};
}

commands! {
    PipeServiceAttachRequest: |m| Command::Attach { end: end_or_any(m.end)? };
    PipeServiceSendRequest: |m| Command::Send {
        end: end(m.end)?,
        payload: payload(m.payload)?,
        timeout: timeout(m.timeout)?,
    };
    PipeServiceReceiveRequest: |m| Command::Receive { end: end(m.end)?, timeout: timeout(m.timeout)? };
    PipeServicePollRequest: |m| Command::Poll { end: end(m.end)?, timeout: timeout(m.timeout)? };
    PipeServiceCloseRequest: |m| Command::Close { end: end(m.end)? };
}

impl TryFrom<pb::PipeServiceDeclareRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::PipeServiceDeclareRequest) -> Result<Self, Error> {
        let declare = Command::Declare(message.options.unwrap_or_default().into());
        Ok(Request::Command(command::Command::Pipe(named("pipe", &message.pipe)?, declare)))
    }
}

impl TryFrom<pb::PipeServiceDescribeRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::PipeServiceDescribeRequest) -> Result<Self, Error> {
        let target = target("pipe", &message.pipe, message.handle)?;
        Ok(Request::Query(command::Query::Pipe(target, Query::Describe)))
    }
}

responses! {
    PipeDeclare => PipeServiceDeclareResponse,
    PipeAttach => PipeServiceAttachResponse,
    PipeSend => PipeServiceSendResponse,
    PipeReceive => PipeServiceReceiveResponse,
    PipePoll => PipeServicePollResponse,
    PipeClose => PipeServiceCloseResponse,
    PipeDescribe => PipeServiceDescribeResponse,
}

pub(super) fn command_body(target: &Target, command: &Command) -> Body {
    let (pipe, handle) = target_fields(target);
    match command {
        Command::Declare(options) => {
            let options = Some((*options).into());
            Body::PipeDeclare(pb::PipeServiceDeclareRequest { pipe, options })
        }
        Command::Attach { end } => {
            let end = end.map_or(0, end_field);
            Body::PipeAttach(pb::PipeServiceAttachRequest { pipe, handle, end })
        }
        Command::Send { end, payload, timeout } => {
            let (end, payload, timeout) = (end_field(*end), Some(payload.into()), timeout_field(*timeout));
            Body::PipeSend(pb::PipeServiceSendRequest { pipe, handle, end, payload, timeout })
        }
        Command::Receive { end, timeout } => {
            let (end, timeout) = (end_field(*end), timeout_field(*timeout));
            Body::PipeReceive(pb::PipeServiceReceiveRequest { pipe, handle, end, timeout })
        }
        Command::Poll { end, timeout } => {
            let (end, timeout) = (end_field(*end), timeout_field(*timeout));
            Body::PipePoll(pb::PipeServicePollRequest { pipe, handle, end, timeout })
        }
        Command::Close { end } => {
            Body::PipeClose(pb::PipeServiceCloseRequest { pipe, handle, end: end_field(*end) })
        }
    }
}

pub(super) fn query_body(target: &Target, query: &Query) -> Body {
    let (pipe, handle) = target_fields(target);
    match query {
        Query::Describe => Body::PipeDescribe(pb::PipeServiceDescribeRequest { pipe, handle }),
    }
}

pub(super) fn reply_body(reply: Reply) -> Answer {
    let standing =
        |Standing { sessions, closed, messages }| Some(pb::PipeEndStanding { sessions, closed, messages });
    match reply {
        Reply::Declared { handle, options } => {
            let (handle, options) = (handle.to_u64(), Some(options.into()));
            Answer::PipeDeclare(pb::PipeServiceDeclareResponse { handle, options })
        }
        Reply::Attached(end) => Answer::PipeAttach(pb::PipeServiceAttachResponse { end: end_field(end) }),
        Reply::Sent => Answer::PipeSend(pb::PipeServiceSendResponse {}),
        Reply::Received { payload, token } => {
            let (payload, token) = (Some((&*payload).into()), token.0);
            Answer::PipeReceive(pb::PipeServiceReceiveResponse { payload, token })
        }
        Reply::Polled(is_readable) => Answer::PipePoll(pb::PipeServicePollResponse { is_readable }),
        Reply::Closed(had_it) => Answer::PipeClose(pb::PipeServiceCloseResponse { had_it }),
        Reply::Described(figures) => Answer::PipeDescribe(pb::PipeServiceDescribeResponse {
            options: Some(figures.options.into()),
            a: standing(figures.a),
            b: standing(figures.b),
        }),
    }
}

pub(super) fn reply(body: Answer) -> Result<Reply, Error> {
    let standing = |standing: Option<pb::PipeEndStanding>| {
        let pb::PipeEndStanding { sessions, closed, messages } = standing.unwrap_or_default();
        Standing { sessions, closed, messages }
    };
    Ok(match body {
        Answer::PipeDeclare(message) => Reply::Declared {
            handle: Handle::from_u64(message.handle).ok_or_else(|| unexpected(&message))?,
            options: message.options.unwrap_or_default().into(),
        },
        Answer::PipeAttach(message) => Reply::Attached(end(message.end)?),
        Answer::PipeSend(_) => Reply::Sent,
        Answer::PipeReceive(message) => Reply::Received {
            payload: Box::new(message.payload.unwrap_or_default().into()),
            token: Token(message.token),
        },
        Answer::PipePoll(message) => Reply::Polled(message.is_readable),
        Answer::PipeClose(message) => Reply::Closed(message.had_it),
        Answer::PipeDescribe(message) => Reply::Described(Box::new(Figures {
            options: message.options.unwrap_or_default().into(),
            a: standing(message.a),
            b: standing(message.b),
        })),
        other => return Err(unexpected(&other)),
    })
}

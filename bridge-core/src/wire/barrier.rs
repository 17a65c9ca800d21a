//! Messages of `barrier_service.proto`.

use pb::answer::Body as Answer;
use pb::command::Body;
use syncbridge_proto::v1 as pb;

use super::{named, responses, target, target_fields, timeout, timeout_field, unexpected};
use crate::command::barrier::{Arrive, Arrived, Cause, Command, Figures, OnCancel, Options, Query, Reply};
use crate::command::{self, Request};
use crate::error::Error;
use crate::ids::{Handle, Target, Token};

const CAUSES: [(Cause, pb::BarrierCause); 6] = [
    (Cause::TimedOut, pb::BarrierCause::TimedOut),
    (Cause::Aborted, pb::BarrierCause::Aborted),
    (Cause::Reset, pb::BarrierCause::Reset),
    (Cause::PartyLost, pb::BarrierCause::PartyLost),
    (Cause::Cancelled, pb::BarrierCause::Cancelled),
    (Cause::ActionFailed, pb::BarrierCause::ActionFailed),
];

impl From<pb::BarrierOptions> for Options {
    fn from(options: pb::BarrierOptions) -> Self {
        Options { parties: options.parties, ephemeral: options.ephemeral }
    }
}

impl From<Options> for pb::BarrierOptions {
    fn from(options: Options) -> Self {
        pb::BarrierOptions { parties: options.parties, ephemeral: options.ephemeral }
    }
}

fn barrier(target: Target, command: Command) -> Result<Request, Error> {
    Ok(Request::Command(command::Command::Barrier(target, command)))
}

impl TryFrom<pb::BarrierServiceDeclareRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::BarrierServiceDeclareRequest) -> Result<Self, Error> {
        let options = message.options.unwrap_or_default();
        barrier(named("barrier", &message.barrier)?, Command::Declare(options.into()))
    }
}

impl TryFrom<pb::BarrierServiceWaitRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::BarrierServiceWaitRequest) -> Result<Self, Error> {
        let target = target("barrier", &message.barrier, message.handle)?;
        let on_cancel = match pb::BarrierCancel::try_from(message.on_cancel) {
            Ok(pb::BarrierCancel::Unspecified | pb::BarrierCancel::Break) => OnCancel::Break,
            Ok(pb::BarrierCancel::Leave) => OnCancel::Leave,
            Err(_) => {
                let message = format!("on_cancel is {}; give BREAK or LEAVE", message.on_cancel);
                return Err(Error::invalid("on_cancel", message));
            }
        };
        let timeout = timeout(message.timeout)?;
        barrier(target, Command::Wait(Arrive { timeout, has_action: message.has_action, on_cancel }))
    }
}

impl TryFrom<pb::BarrierServiceActionDoneRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::BarrierServiceActionDoneRequest) -> Result<Self, Error> {
        let target = target("barrier", &message.barrier, message.handle)?;
        let error = message.failed.then_some(message.error);
        barrier(target, Command::ActionDone { action: Token(message.action), error })
    }
}

impl TryFrom<pb::BarrierServiceResetRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::BarrierServiceResetRequest) -> Result<Self, Error> {
        barrier(target("barrier", &message.barrier, message.handle)?, Command::Reset)
    }
}

impl TryFrom<pb::BarrierServiceAbortRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::BarrierServiceAbortRequest) -> Result<Self, Error> {
        barrier(target("barrier", &message.barrier, message.handle)?, Command::Abort)
    }
}

impl TryFrom<pb::BarrierServiceDescribeRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::BarrierServiceDescribeRequest) -> Result<Self, Error> {
        let target = target("barrier", &message.barrier, message.handle)?;
        Ok(Request::Query(command::Query::Barrier(target, Query::Describe)))
    }
}

responses! {
    BarrierDeclare => BarrierServiceDeclareResponse,
    BarrierWait => BarrierServiceWaitResponse,
    BarrierActionDone => BarrierServiceActionDoneResponse,
    BarrierReset => BarrierServiceResetResponse,
    BarrierAbort => BarrierServiceAbortResponse,
    BarrierDescribe => BarrierServiceDescribeResponse,
}

pub(super) fn command_body(target: &Target, command: &Command) -> Body {
    let (barrier, handle) = target_fields(target);
    match command {
        Command::Declare(options) => {
            let options = Some((*options).into());
            Body::BarrierDeclare(pb::BarrierServiceDeclareRequest { barrier, options })
        }
        Command::Wait(Arrive { timeout, has_action, on_cancel }) => {
            let on_cancel = match on_cancel {
                OnCancel::Break => pb::BarrierCancel::Break,
                OnCancel::Leave => pb::BarrierCancel::Leave,
            };
            Body::BarrierWait(pb::BarrierServiceWaitRequest {
                barrier,
                handle,
                timeout: timeout_field(*timeout),
                has_action: *has_action,
                on_cancel: on_cancel.into(),
            })
        }
        Command::ActionDone { action, error } => {
            Body::BarrierActionDone(pb::BarrierServiceActionDoneRequest {
                barrier,
                handle,
                action: action.0,
                failed: error.is_some(),
                error: error.clone().unwrap_or_default(),
            })
        }
        Command::Reset => Body::BarrierReset(pb::BarrierServiceResetRequest { barrier, handle }),
        Command::Abort => Body::BarrierAbort(pb::BarrierServiceAbortRequest { barrier, handle }),
    }
}

pub(super) fn query_body(target: &Target, query: &Query) -> Body {
    let (barrier, handle) = target_fields(target);
    match query {
        Query::Describe => Body::BarrierDescribe(pb::BarrierServiceDescribeRequest { barrier, handle }),
    }
}

pub(super) fn reply_body(reply: Reply) -> Answer {
    match reply {
        Reply::Declared { handle, options } => {
            let (handle, options) = (handle.to_u64(), Some(options.into()));
            Answer::BarrierDeclare(pb::BarrierServiceDeclareResponse { handle, options })
        }
        Reply::Arrived(Arrived { index, generation, action }) => {
            let action = action.map_or(0, |token| token.0);
            Answer::BarrierWait(pb::BarrierServiceWaitResponse { index, generation, action })
        }
        Reply::ActionDone { passed } => {
            Answer::BarrierActionDone(pb::BarrierServiceActionDoneResponse { passed })
        }
        Reply::Reset => Answer::BarrierReset(pb::BarrierServiceResetResponse {}),
        Reply::Aborted => Answer::BarrierAbort(pb::BarrierServiceAbortResponse {}),
        Reply::Described(figures) => {
            let broken = CAUSES.iter().find(|(cause, _)| Some(*cause) == figures.broken);
            Answer::BarrierDescribe(pb::BarrierServiceDescribeResponse {
                options: Some(figures.options.into()),
                waiting: figures.waiting,
                generation: figures.generation,
                broken: broken.map_or(0, |(_, cause)| i32::from(*cause)),
                acting: figures.acting,
            })
        }
    }
}

pub(super) fn reply(body: Answer) -> Result<Reply, Error> {
    Ok(match body {
        Answer::BarrierDeclare(message) => Reply::Declared {
            handle: Handle::from_u64(message.handle).ok_or_else(|| unexpected(&message))?,
            options: message.options.unwrap_or_default().into(),
        },
        Answer::BarrierWait(message) => Reply::Arrived(Arrived {
            index: message.index,
            generation: message.generation,
            action: (message.action != 0).then_some(Token(message.action)),
        }),
        Answer::BarrierActionDone(message) => Reply::ActionDone { passed: message.passed },
        Answer::BarrierReset(_) => Reply::Reset,
        Answer::BarrierAbort(_) => Reply::Aborted,
        Answer::BarrierDescribe(message) => {
            let broken = CAUSES.iter().find(|(_, cause)| *cause == message.broken());
            Reply::Described(Box::new(Figures {
                broken: broken.map(|(cause, _)| *cause),
                options: message.options.unwrap_or_default().into(),
                waiting: message.waiting,
                generation: message.generation,
                acting: message.acting,
            }))
        }
        other => return Err(unexpected(&other)),
    })
}

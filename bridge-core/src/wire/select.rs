//! Messages of `select_service.proto`: branches are the messages of the other services.

use pb::answer::Body as Answer;
use pb::command::Body;
use pb::select_branch::Body as BranchBody;
use pb::select_service_select_response::Body as ResponseBody;
use syncbridge_proto::v1 as pb;

use super::{must_exist, responses, timeout, timeout_field, unexpected};
use crate::command::select::Select;
use crate::command::{self, Reply, Request};
use crate::error::Error;
use crate::ids::Target;

/// The bodies that a branch has in common with a command of its own, and so have their answers.
macro_rules! branches {
    ($($body:ident),* $(,)?) => {
        fn to_command(body: BranchBody) -> Body {
            match body { $(BranchBody::$body(message) => Body::$body(message),)* }
        }

        fn to_branch(body: Body) -> Option<BranchBody> {
            match body { $(Body::$body(message) => Some(BranchBody::$body(message)),)* _ => None }
        }

        fn to_answer(body: ResponseBody) -> Answer {
            match body { $(ResponseBody::$body(message) => Answer::$body(message),)* }
        }

        fn to_response(body: Answer) -> Option<ResponseBody> {
            match body { $(Answer::$body(message) => Some(ResponseBody::$body(message)),)* _ => None }
        }
    };
}

branches! {
    QueueGet, QueueGetMany, QueueLease, QueueLeaseMany, QueuePut, QueuePutMany, EventWait, SemaphoreAcquire, LockAcquire,
    RwlockAcquire, LatchWait, ValueWatch, QueueJoin, PipeReceive, PipePoll,
}

impl TryFrom<pb::SelectServiceSelectRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::SelectServiceSelectRequest) -> Result<Self, Error> {
        let timeout = timeout(message.timeout)?;
        let branches =
            message.branches.into_iter().enumerate().map(|(index, message)| {
                branch(message).map_err(|error| error.with("branch", index.to_string()))
            });
        let branches = branches.collect::<Result<_, Error>>()?;
        Ok(Request::Command(command::Command::Select(Box::new(Select { branches, timeout }))))
    }
}

fn branch(message: pb::SelectBranch) -> Result<command::Command, Error> {
    let body = message.body.ok_or_else(|| {
        Error::invalid("branches", "a branch has no body that this server knows; is the client newer?")
    })?;
    let mut request = super::request(to_command(body))?;
    if message.must_exist {
        request.target_mut().into_iter().for_each(must_exist);
    }
    match request {
        Request::Command(command) => Ok(command),
        Request::Query(query) => Err(unexpected(&query)),
    }
}

responses! { Select => SelectServiceSelectResponse }

pub(super) fn command_body(select: &Select) -> Body {
    let branch = |command: &command::Command| pb::SelectBranch {
        must_exist: matches!(command.target(), Some((_, Target::Existing(_)))),
        body: to_branch(super::command_body(command)),
    };
    let branches = select.branches.iter().map(branch).collect();
    Body::Select(pb::SelectServiceSelectRequest { branches, timeout: timeout_field(select.timeout) })
}

pub(super) fn reply_body(branch: u32, reply: Reply, packs: bool) -> Answer {
    let body = to_response(super::reply_body(reply, packs));
    Answer::Select(pb::SelectServiceSelectResponse { branch, body })
}

pub(super) fn reply(message: pb::SelectServiceSelectResponse) -> Result<Reply, Error> {
    let pb::SelectServiceSelectResponse { branch, body } = message;
    let body = body.ok_or_else(|| unexpected(&branch))?;
    Ok(Reply::Selected { branch, reply: Box::new(super::reply(to_answer(body))?) })
}

//! Messages of `transaction_service.proto`: steps are the messages of queues.

use pb::answer::Body as Answer;
use pb::command::Body;
use pb::transaction_step::Body as StepBody;
use pb::transaction_step_result::Body as ResultBody;
use syncbridge_proto::v1 as pb;

use super::{must_exist, queue, responses, unexpected};
use crate::command::queue::Reply;
use crate::command::transaction::Step;
use crate::command::{self, Request};
use crate::error::Error;
use crate::ids::Target;

impl TryFrom<pb::TransactionServiceCommitRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::TransactionServiceCommitRequest) -> Result<Self, Error> {
        let steps = message.steps.into_iter().map(step).collect::<Result<_, Error>>()?;
        Ok(Request::Command(command::Command::Transaction(steps)))
    }
}

fn step(message: pb::TransactionStep) -> Result<Step, Error> {
    let request = match message.body {
        Some(StepBody::Put(put)) => Request::try_from(put),
        Some(StepBody::PutMany(put)) => put.try_into(),
        Some(StepBody::Ack(ack)) => ack.try_into(),
        Some(StepBody::Nack(nack)) => nack.try_into(),
        Some(StepBody::Reject(reject)) => reject.try_into(),
        None => {
            Err(Error::invalid("steps", "a step has no body that this server knows; is the client newer?"))
        }
    };
    match request? {
        Request::Command(command::Command::Queue(mut queue, command)) => {
            if message.must_exist {
                must_exist(&mut queue);
            }
            Ok(Step { queue, command })
        }
        other => Err(unexpected(&other)),
    }
}

responses! { TransactionCommit => TransactionServiceCommitResponse }

pub(super) fn command_body(steps: &[Step]) -> Body {
    let step = |step: &Step| pb::TransactionStep {
        must_exist: matches!(step.queue, Target::Existing(_)),
        body: match queue::command_body(&step.queue, &step.command) {
            Body::QueuePut(message) => Some(StepBody::Put(message)),
            Body::QueuePutMany(message) => Some(StepBody::PutMany(message)),
            Body::QueueAck(message) => Some(StepBody::Ack(message)),
            Body::QueueNack(message) => Some(StepBody::Nack(message)),
            Body::QueueReject(message) => Some(StepBody::Reject(message)),
            _ => None,
        },
    };
    Body::TransactionCommit(pb::TransactionServiceCommitRequest { steps: steps.iter().map(step).collect() })
}

pub(super) fn reply_body(replies: Vec<Reply>) -> Answer {
    let result = |reply| pb::TransactionStepResult {
        body: match queue::reply_body(reply, false) {
            Answer::QueuePut(message) => Some(ResultBody::Put(message)),
            Answer::QueuePutMany(message) => Some(ResultBody::PutMany(message)),
            Answer::QueueAck(message) => Some(ResultBody::Ack(message)),
            Answer::QueueNack(message) => Some(ResultBody::Nack(message)),
            Answer::QueueReject(message) => Some(ResultBody::Reject(message)),
            _ => None,
        },
    };
    let results = replies.into_iter().map(result).collect();
    Answer::TransactionCommit(pb::TransactionServiceCommitResponse { results })
}

pub(super) fn reply(message: pb::TransactionServiceCommitResponse) -> Result<Vec<Reply>, Error> {
    let result = |result: pb::TransactionStepResult| match result.body {
        Some(ResultBody::Put(message)) => queue::reply(Answer::QueuePut(message)),
        Some(ResultBody::PutMany(message)) => queue::reply(Answer::QueuePutMany(message)),
        Some(ResultBody::Ack(message)) => queue::reply(Answer::QueueAck(message)),
        Some(ResultBody::Nack(message)) => queue::reply(Answer::QueueNack(message)),
        Some(ResultBody::Reject(message)) => queue::reply(Answer::QueueReject(message)),
        None => Err(unexpected(&result)),
    };
    message.results.into_iter().map(result).collect()
}

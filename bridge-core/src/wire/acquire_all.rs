//! Messages of `acquire_all_service.proto`: parts are the messages of the other services.

use pb::acquire_all_grant::Body as GrantBody;
use pb::acquire_all_part::Body as PartBody;
use pb::answer::Body as Answer;
use pb::command::Body;
use syncbridge_proto::v1 as pb;

use super::{must_exist, responses, timeout, timeout_field, unexpected};
use crate::command::acquire_all::AcquireAll;
use crate::command::{self, Reply, Request};
use crate::error::Error;
use crate::ids::Target;

impl TryFrom<pb::AcquireAllServiceAcquireAllRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::AcquireAllServiceAcquireAllRequest) -> Result<Self, Error> {
        let timeout = timeout(message.timeout)?;
        let parts = message
            .parts
            .into_iter()
            .enumerate()
            .map(|(index, message)| part(message).map_err(|error| error.with("part", index.to_string())));
        let parts = parts.collect::<Result<_, Error>>()?;
        Ok(Request::Command(command::Command::AcquireAll(Box::new(AcquireAll { parts, timeout }))))
    }
}

fn part(message: pb::AcquireAllPart) -> Result<command::Command, Error> {
    let mut request: Request = match message.body {
        Some(PartBody::SemaphoreAcquire(message)) => message.try_into()?,
        Some(PartBody::LockAcquire(message)) => message.try_into()?,
        Some(PartBody::RwlockAcquire(message)) => message.try_into()?,
        None => {
            let message = "a part has no body that this server knows; is the client newer?";
            return Err(Error::invalid("parts", message));
        }
    };
    if message.must_exist {
        request.target_mut().into_iter().for_each(must_exist);
    }
    match request {
        Request::Command(command) => Ok(command),
        Request::Query(query) => Err(unexpected(&query)),
    }
}

responses! { AcquireAll => AcquireAllServiceAcquireAllResponse }

pub(super) fn command_body(all: &AcquireAll) -> Body {
    let part = |command: &command::Command| pb::AcquireAllPart {
        must_exist: matches!(command.target(), Some((_, Target::Existing(_)))),
        body: match super::command_body(command) {
            Body::SemaphoreAcquire(message) => Some(PartBody::SemaphoreAcquire(message)),
            Body::LockAcquire(message) => Some(PartBody::LockAcquire(message)),
            Body::RwlockAcquire(message) => Some(PartBody::RwlockAcquire(message)),
            _ => None,
        },
    };
    let parts = all.parts.iter().map(part).collect();
    Body::AcquireAll(pb::AcquireAllServiceAcquireAllRequest { parts, timeout: timeout_field(all.timeout) })
}

pub(super) fn reply_body(replies: Vec<Reply>) -> Answer {
    let grant = |reply| pb::AcquireAllGrant {
        body: match super::reply_body(reply, false) {
            Answer::SemaphoreAcquire(message) => Some(GrantBody::SemaphoreAcquire(message)),
            Answer::LockAcquire(message) => Some(GrantBody::LockAcquire(message)),
            Answer::RwlockAcquire(message) => Some(GrantBody::RwlockAcquire(message)),
            _ => None,
        },
    };
    let grants = replies.into_iter().map(grant).collect();
    Answer::AcquireAll(pb::AcquireAllServiceAcquireAllResponse { grants })
}

pub(super) fn reply(message: pb::AcquireAllServiceAcquireAllResponse) -> Result<Vec<Reply>, Error> {
    let grant = |grant: pb::AcquireAllGrant| match grant.body {
        Some(GrantBody::SemaphoreAcquire(message)) => super::reply(Answer::SemaphoreAcquire(message)),
        Some(GrantBody::LockAcquire(message)) => super::reply(Answer::LockAcquire(message)),
        Some(GrantBody::RwlockAcquire(message)) => super::reply(Answer::RwlockAcquire(message)),
        None => Err(unexpected(&grant)),
    };
    message.grants.into_iter().map(grant).collect()
}

//! Messages of `semaphore_service.proto`.

use pb::answer::Body as Answer;
use pb::command::Body;
use syncbridge_proto::v1 as pb;

use super::{
    duration, duration_field, named, on_deadlock, on_deadlock_field, ownership, ownership_field, page_size,
    responses, target, target_fields, timeout, timeout_field, unexpected,
};
use crate::command::semaphore::{Acquire, Command, Figures, Holder, Holders, Options, Query, Reply};
use crate::command::{self, Request};
use crate::error::Error;
use crate::ids::{Handle, Target, Token};

impl TryFrom<pb::SemaphoreOptions> for Options {
    type Error = Error;

    fn try_from(options: pb::SemaphoreOptions) -> Result<Self, Error> {
        Ok(Options {
            limit: options.limit,
            bounded: options.bounded,
            ownership: ownership(options.ownership)?,
            ephemeral: options.ephemeral,
            deadlock: on_deadlock(options.deadlock)?,
        })
    }
}

impl From<Options> for pb::SemaphoreOptions {
    fn from(options: Options) -> Self {
        pb::SemaphoreOptions {
            limit: options.limit,
            bounded: options.bounded,
            ownership: ownership_field(options.ownership),
            ephemeral: options.ephemeral,
            deadlock: on_deadlock_field(options.deadlock),
        }
    }
}

fn semaphore(target: Target, command: Command) -> Result<Request, Error> {
    Ok(Request::Command(command::Command::Semaphore(target, command)))
}

impl TryFrom<pb::SemaphoreServiceDeclareRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::SemaphoreServiceDeclareRequest) -> Result<Self, Error> {
        let options = message.options.unwrap_or_default().try_into()?;
        semaphore(named("semaphore", &message.semaphore)?, Command::Declare(options))
    }
}

impl TryFrom<pb::SemaphoreServiceAcquireRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::SemaphoreServiceAcquireRequest) -> Result<Self, Error> {
        let acquire = Acquire {
            permits: message.permits.max(1),
            by_token: message.by_token,
            barge: message.barge,
            timeout: timeout(message.timeout)?,
        };
        semaphore(target("semaphore", &message.semaphore, message.handle)?, Command::Acquire(acquire))
    }
}

impl TryFrom<pb::SemaphoreServiceReleaseRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::SemaphoreServiceReleaseRequest) -> Result<Self, Error> {
        let command = Command::Release { permits: message.permits.max(1), token: message.token.map(Token) };
        semaphore(target("semaphore", &message.semaphore, message.handle)?, command)
    }
}

impl TryFrom<pb::SemaphoreServiceDrainRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::SemaphoreServiceDrainRequest) -> Result<Self, Error> {
        semaphore(target("semaphore", &message.semaphore, message.handle)?, Command::Drain)
    }
}

impl TryFrom<pb::SemaphoreServiceReduceRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::SemaphoreServiceReduceRequest) -> Result<Self, Error> {
        let command = Command::Reduce { permits: message.permits };
        semaphore(target("semaphore", &message.semaphore, message.handle)?, command)
    }
}

impl TryFrom<pb::SemaphoreServiceSetLimitRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::SemaphoreServiceSetLimitRequest) -> Result<Self, Error> {
        let command = Command::SetLimit { limit: message.limit };
        semaphore(target("semaphore", &message.semaphore, message.handle)?, command)
    }
}

impl TryFrom<pb::SemaphoreServiceDescribeRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::SemaphoreServiceDescribeRequest) -> Result<Self, Error> {
        let target = target("semaphore", &message.semaphore, message.handle)?;
        Ok(Request::Query(command::Query::Semaphore(target, Query::Describe)))
    }
}

impl TryFrom<pb::SemaphoreServiceListHoldersRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::SemaphoreServiceListHoldersRequest) -> Result<Self, Error> {
        let target = target("semaphore", &message.semaphore, message.handle)?;
        let page_size = page_size(message.page_size);
        let after = page_token(&message.page_token)?;
        Ok(Request::Query(command::Query::Semaphore(target, Query::Holders { page_size, after })))
    }
}

/// A page token is the token of the last grant seen, in decimal.
fn page_token(text: &str) -> Result<Option<Token>, Error> {
    let bad = || Error::invalid("page_token", "page_token is not one that a page before answered with");
    (!text.is_empty()).then(|| text.parse().map(Token).map_err(|_| bad())).transpose()
}

fn page_token_field(after: Option<Token>) -> String {
    after.map_or_else(String::new, |token| token.0.to_string())
}

impl From<Holder> for pb::PermitHolder {
    fn from(holder: Holder) -> Self {
        pb::PermitHolder {
            token: holder.token.0,
            permits: holder.permits,
            by_token: holder.by_token,
            held_for: Some(duration_field(holder.held_for)),
            participant: holder.participant,
            session: holder.session,
        }
    }
}

fn holder(message: pb::PermitHolder) -> Result<Holder, Error> {
    Ok(Holder {
        token: Token(message.token),
        permits: message.permits,
        by_token: message.by_token,
        held_for: duration("held_for", message.held_for.unwrap_or_default())?,
        participant: message.participant,
        session: message.session,
    })
}

responses! {
    SemaphoreDeclare => SemaphoreServiceDeclareResponse,
    SemaphoreAcquire => SemaphoreServiceAcquireResponse,
    SemaphoreRelease => SemaphoreServiceReleaseResponse,
    SemaphoreDrain => SemaphoreServiceDrainResponse,
    SemaphoreReduce => SemaphoreServiceReduceResponse,
    SemaphoreSetLimit => SemaphoreServiceSetLimitResponse,
    SemaphoreDescribe => SemaphoreServiceDescribeResponse,
    SemaphoreListHolders => SemaphoreServiceListHoldersResponse,
}

pub(super) fn command_body(target: &Target, command: &Command) -> Body {
    let (semaphore, handle) = target_fields(target);
    match *command {
        Command::Declare(ref options) => {
            let options = Some((*options).into());
            Body::SemaphoreDeclare(pb::SemaphoreServiceDeclareRequest { semaphore, options })
        }
        Command::Acquire(Acquire { permits, by_token, barge, timeout }) => {
            let timeout = timeout_field(timeout);
            let message =
                pb::SemaphoreServiceAcquireRequest { semaphore, handle, timeout, permits, by_token, barge };
            Body::SemaphoreAcquire(message)
        }
        Command::Release { permits, token } => {
            let token = token.map(|token| token.0);
            Body::SemaphoreRelease(pb::SemaphoreServiceReleaseRequest { semaphore, handle, permits, token })
        }
        Command::Drain => Body::SemaphoreDrain(pb::SemaphoreServiceDrainRequest { semaphore, handle }),
        Command::Reduce { permits } => {
            Body::SemaphoreReduce(pb::SemaphoreServiceReduceRequest { semaphore, handle, permits })
        }
        Command::SetLimit { limit } => {
            Body::SemaphoreSetLimit(pb::SemaphoreServiceSetLimitRequest { semaphore, handle, limit })
        }
    }
}

pub(super) fn query_body(target: &Target, query: &Query) -> Body {
    let (semaphore, handle) = target_fields(target);
    match query {
        Query::Describe => Body::SemaphoreDescribe(pb::SemaphoreServiceDescribeRequest { semaphore, handle }),
        Query::Holders { page_size, after } => {
            let (page_size, page_token) = (*page_size, page_token_field(*after));
            Body::SemaphoreListHolders(pb::SemaphoreServiceListHoldersRequest {
                semaphore,
                handle,
                page_size,
                page_token,
            })
        }
    }
}

pub(super) fn reply_body(reply: Reply) -> Answer {
    match reply {
        Reply::Declared { handle, options } => {
            let (handle, options) = (handle.to_u64(), Some(options.into()));
            Answer::SemaphoreDeclare(pb::SemaphoreServiceDeclareResponse { handle, options })
        }
        Reply::Acquired(token) => {
            Answer::SemaphoreAcquire(pb::SemaphoreServiceAcquireResponse { token: token.0 })
        }
        Reply::Released => Answer::SemaphoreRelease(pb::SemaphoreServiceReleaseResponse {}),
        Reply::Drained { drained, token } => {
            let token = token.map_or(0, |token| token.0);
            Answer::SemaphoreDrain(pb::SemaphoreServiceDrainResponse { drained, token })
        }
        Reply::Reduced => Answer::SemaphoreReduce(pb::SemaphoreServiceReduceResponse {}),
        Reply::LimitSet => Answer::SemaphoreSetLimit(pb::SemaphoreServiceSetLimitResponse {}),
        Reply::Described(figures) => Answer::SemaphoreDescribe(pb::SemaphoreServiceDescribeResponse {
            options: Some(figures.options.into()),
            available: figures.available,
            limit: figures.limit,
            signals: figures.signals,
            held: figures.held,
            waiting: figures.waiting,
        }),
        Reply::Holders(page) => {
            let Holders { holders, next } = *page;
            let holders = holders.into_iter().map(pb::PermitHolder::from).collect();
            let next_page_token = page_token_field(next);
            Answer::SemaphoreListHolders(pb::SemaphoreServiceListHoldersResponse { holders, next_page_token })
        }
    }
}

pub(super) fn reply(body: Answer) -> Result<Reply, Error> {
    Ok(match body {
        Answer::SemaphoreDeclare(message) => Reply::Declared {
            handle: Handle::from_u64(message.handle).ok_or_else(|| unexpected(&message))?,
            options: message.options.unwrap_or_default().try_into()?,
        },
        Answer::SemaphoreAcquire(message) => Reply::Acquired(Token(message.token)),
        Answer::SemaphoreRelease(_) => Reply::Released,
        Answer::SemaphoreDrain(message) => Reply::Drained {
            drained: message.drained,
            token: (message.token != 0).then_some(Token(message.token)),
        },
        Answer::SemaphoreReduce(_) => Reply::Reduced,
        Answer::SemaphoreSetLimit(_) => Reply::LimitSet,
        Answer::SemaphoreDescribe(message) => Reply::Described(Box::new(Figures {
            options: message.options.unwrap_or_default().try_into()?,
            available: message.available,
            limit: message.limit,
            signals: message.signals,
            held: message.held,
            waiting: message.waiting,
        })),
        Answer::SemaphoreListHolders(message) => Reply::Holders(Box::new(Holders {
            holders: message.holders.into_iter().map(holder).collect::<Result<_, _>>()?,
            next: page_token(&message.next_page_token)?,
        })),
        other => return Err(unexpected(&other)),
    })
}

//! Messages of `value_service.proto` that are about lists.

use pb::answer::Body as Answer;
use pb::command::Body;
use syncbridge_proto::v1 as pb;

use super::value::{datum, guard_field, new_datum, page_size};
use super::{target, target_fields, timeout_field};
use crate::command::list::{Command, Page, Query, Splice, Spliced};
use crate::command::{self, Request};
use crate::error::Error;
use crate::ids::Target;

pub(super) fn on(target: Target, command: Command) -> Request {
    Request::Command(command::Command::List(target, command))
}

pub(super) fn about(target: Target, query: Query) -> Request {
    Request::Query(command::Query::List(target, query))
}

impl TryFrom<pb::ValueServiceReadRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::ValueServiceReadRequest) -> Result<Self, Error> {
        let target = target("name", &message.name, message.handle)?;
        let page_size = page_size(message.page_size);
        Ok(about(target, Query::Read { start: message.start, page_size, exact: message.exact }))
    }
}

impl TryFrom<pb::ValueServiceSpliceRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::ValueServiceSpliceRequest) -> Result<Self, Error> {
        let target = target("name", &message.name, message.handle)?;
        let items = message.items.into_iter().map(|item| new_datum("items", Some(item)));
        let splice = Splice {
            start: message.start,
            remove: message.remove,
            items: items.collect::<Result<_, _>>()?,
            exact: message.exact,
            guard: message.guard.unwrap_or_default().into(),
            returning: message.returning,
        };
        Ok(on(target, Command::Splice(Box::new(splice))))
    }
}

pub(super) fn command_body(target: &Target, command: &Command) -> Body {
    let (name, handle) = target_fields(target);
    let kind = pb::ObjectKind::List.into();
    match command {
        Command::Declare(options) => Body::ValueDeclare(pb::ValueServiceDeclareRequest {
            kind,
            name,
            options: Some((*options).into()),
        }),
        Command::Splice(splice) => Body::ValueSplice(pb::ValueServiceSpliceRequest {
            name,
            handle,
            start: splice.start,
            remove: splice.remove,
            items: splice.items.iter().map(pb::Datum::from).collect(),
            exact: splice.exact,
            guard: guard_field(splice.guard),
            returning: splice.returning,
        }),
        Command::Increment { index, by, fence } => Body::ValueIncrement(pb::ValueServiceIncrementRequest {
            kind,
            name,
            handle,
            key: Default::default(),
            index: *index,
            by: Some(by.into()),
            fence: fence.map(|token| token.0),
        }),
        Command::Clear { fence } => {
            let fence = fence.map(|token| token.0);
            Body::ValueClear(pb::ValueServiceClearRequest { kind, name, handle, fence })
        }
        Command::Watch { after, timeout } => Body::ValueWatch(pb::ValueServiceWatchRequest {
            kind,
            name,
            handle,
            key: Default::default(),
            timeout: timeout_field(*timeout),
            after: *after,
        }),
    }
}

pub(super) fn query_body(target: &Target, query: &Query) -> Body {
    let (name, handle) = target_fields(target);
    match query {
        Query::Read { start, page_size, exact } => {
            let (start, page_size, exact) = (*start, *page_size, *exact);
            Body::ValueRead(pb::ValueServiceReadRequest { name, handle, start, page_size, exact })
        }
        Query::Describe => {
            let kind = pb::ObjectKind::List.into();
            Body::ValueDescribe(pb::ValueServiceDescribeRequest { kind, name, handle })
        }
    }
}

pub(super) fn read_body(page: &Page) -> Answer {
    Answer::ValueRead(pb::ValueServiceReadResponse {
        items: page.items.iter().map(pb::Datum::from).collect(),
        start: page.start,
        length: page.length,
        version: page.version,
    })
}

pub(super) fn page(message: pb::ValueServiceReadResponse) -> Page {
    Page {
        items: message.items.into_iter().filter_map(datum).collect(),
        start: message.start,
        length: message.length,
        version: message.version,
    }
}

pub(super) fn spliced_body(spliced: &Spliced) -> Answer {
    Answer::ValueSplice(pb::ValueServiceSpliceResponse {
        done: spliced.done,
        removed: spliced.removed.iter().map(pb::Datum::from).collect(),
        length: spliced.length,
        version: spliced.version,
    })
}

pub(super) fn spliced(message: pb::ValueServiceSpliceResponse) -> Spliced {
    Spliced {
        done: message.done,
        removed: message.removed.into_iter().filter_map(datum).collect(),
        length: message.length,
        version: message.version,
    }
}

//! Messages of `value_service.proto` that are about values and dicts, and those that all three kinds share.

use bytes::Bytes;
use pb::answer::Body as Answer;
use pb::command::Body;
use syncbridge_proto::v1 as pb;

use super::{
    duration, duration_field, item::detached, kind, list, named, responses, target, target_fields, timeout,
    timeout_field, unexpected,
};
use crate::command::value::{
    Command, Datum, Entry, Figures, Guard, Item, Lifetime, Options, Page, Query, Reply, Write,
};
use crate::command::{self, Request, list as lists};
use crate::error::Error;
use crate::ids::{Handle, Kind, Target, Token};

/// Entries on a page, and items in a read, whose number was not said.
const PAGE_SIZE: u32 = 100;

pub(super) fn page_size(asked: u32) -> u32 {
    if asked == 0 { PAGE_SIZE } else { asked }
}

impl From<pb::ValueOptions> for Options {
    fn from(options: pb::ValueOptions) -> Self {
        Options { ephemeral: options.ephemeral }
    }
}

impl From<Options> for pb::ValueOptions {
    fn from(options: Options) -> Self {
        pb::ValueOptions { ephemeral: options.ephemeral }
    }
}

pub(super) fn new_datum(field: &'static str, datum: Option<pb::Datum>) -> Result<Datum, Error> {
    match datum.and_then(|datum| datum.form) {
        Some(pb::datum::Form::Payload(payload)) => {
            Ok(Datum::Payload(pb::Payload { data: detached(payload.data), ..payload }.into()))
        }
        Some(pb::datum::Form::Integer(number)) => Ok(number.into()),
        Some(pb::datum::Form::Real(number)) => Ok(number.into()),
        None => {
            let message = format!("{field} is absent; give a payload, an integer or a real");
            Err(Error::invalid(field, message))
        }
    }
}

/// Of an answer: it is decoded at once, as a rule, and is not copied.
pub(super) fn datum(datum: pb::Datum) -> Option<Datum> {
    datum.form.map(|form| match form {
        pb::datum::Form::Payload(payload) => Datum::Payload(payload.into()),
        pb::datum::Form::Integer(number) => number.into(),
        pb::datum::Form::Real(number) => number.into(),
    })
}

impl From<&Datum> for pb::Datum {
    fn from(datum: &Datum) -> Self {
        let form = match datum {
            Datum::Payload(payload) => pb::datum::Form::Payload(payload.into()),
            Datum::Integer(number) => pb::datum::Form::Integer(*number),
            Datum::Real(number) => pb::datum::Form::Real(number.get()),
        };
        pb::Datum { form: Some(form) }
    }
}

fn item(message: Option<pb::VersionedDatum>) -> Box<Item> {
    let message = message.unwrap_or_default();
    Box::new(Item { datum: message.datum.and_then(datum), version: message.version, as_of: message.as_of })
}

fn item_field(item: &Item) -> Option<pb::VersionedDatum> {
    let datum = item.datum.as_ref().map(pb::Datum::from);
    Some(pb::VersionedDatum { datum, version: item.version, as_of: item.as_of })
}

impl From<pb::Guard> for Guard {
    fn from(guard: pb::Guard) -> Self {
        Guard { if_version: guard.if_version, fence: guard.fence.map(Token) }
    }
}

/// Absent where it says nothing.
pub(super) fn guard_field(guard: Guard) -> Option<pb::Guard> {
    let message = pb::Guard { if_version: guard.if_version, fence: guard.fence.map(|token| token.0) };
    (guard != Guard::default()).then_some(message)
}

fn lifetime(message: Option<pb::Lifetime>, keep: bool) -> Result<Lifetime, Error> {
    match message {
        Some(_) if keep => {
            let message = "lifetime and keep_lifetime exclude each other; give one of them";
            Err(Error::invalid("keep_lifetime", message))
        }
        None if keep => Ok(Lifetime::Kept),
        None => Ok(Lifetime::Lasting),
        Some(pb::Lifetime { ttl: None, bound: false }) => Ok(Lifetime::Lasting),
        Some(pb::Lifetime { ttl, bound }) => {
            let ttl = ttl.map(|ttl| duration("ttl", ttl)).transpose()?;
            Ok(Lifetime::Limited { ttl, bound })
        }
    }
}

fn lifetime_fields(lifetime: Lifetime) -> (Option<pb::Lifetime>, bool) {
    match lifetime {
        Lifetime::Lasting => (None, false),
        Lifetime::Kept => (None, true),
        Lifetime::Limited { ttl, bound } => {
            (Some(pb::Lifetime { ttl: ttl.map(duration_field), bound }), false)
        }
    }
}

/// A value or a dict; one has no keys, the other nothing without.
fn keyed(number: i32, key: Bytes) -> Result<(Kind, Bytes), Error> {
    let kind = value_or_dict(number)?;
    match (kind, key.is_empty()) {
        (Kind::Value, true) | (Kind::Dict, false) => Ok((kind, detached(key))),
        (Kind::Value, false) => {
            Err(Error::invalid("key", "a value has no keys; leave it out, or name a dict"))
        }
        _ => Err(Error::invalid("key", "key is empty; give the encoding of the entry's key")),
    }
}

fn value_or_dict(number: i32) -> Result<Kind, Error> {
    match kind(number)? {
        kind @ (Kind::Value | Kind::Dict) => Ok(kind),
        other => Err(Error::invalid("kind", format!("kind is {other}; give VALUE or DICT"))),
    }
}

fn not_of_values(kind: Kind) -> Error {
    Error::invalid("kind", format!("kind is {kind}; give VALUE, LIST or DICT"))
}

fn on(kind: Kind, target: Target, command: Command) -> Request {
    Request::Command(match kind {
        Kind::Dict => command::Command::Dict(target, command),
        _ => command::Command::Value(target, command),
    })
}

fn about(kind: Kind, target: Target, query: Query) -> Request {
    Request::Query(match kind {
        Kind::Dict => command::Query::Dict(target, query),
        _ => command::Query::Value(target, query),
    })
}

impl TryFrom<pb::ValueServiceDeclareRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::ValueServiceDeclareRequest) -> Result<Self, Error> {
        let (target, options) = (named("name", &message.name)?, message.options.unwrap_or_default().into());
        match kind(message.kind)? {
            Kind::List => Ok(list::on(target, lists::Command::Declare(options))),
            kind @ (Kind::Value | Kind::Dict) => Ok(on(kind, target, Command::Declare(options))),
            other => Err(not_of_values(other)),
        }
    }
}

impl TryFrom<pb::ValueServiceGetRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::ValueServiceGetRequest) -> Result<Self, Error> {
        let target = target("name", &message.name, message.handle)?;
        let (kind, key) = keyed(message.kind, message.key)?;
        Ok(about(kind, target, Query::Get { key, version_only: message.version_only }))
    }
}

impl TryFrom<pb::ValueServiceSetRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::ValueServiceSetRequest) -> Result<Self, Error> {
        let target = target("name", &message.name, message.handle)?;
        let (kind, key) = keyed(message.kind, message.key)?;
        let write = Box::new(Write {
            datum: new_datum("datum", message.datum)?,
            guard: message.guard.unwrap_or_default().into(),
            lifetime: lifetime(message.lifetime, message.keep_lifetime)?,
        });
        Ok(on(kind, target, Command::Set { key, write }))
    }
}

impl TryFrom<pb::ValueServiceDeleteRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::ValueServiceDeleteRequest) -> Result<Self, Error> {
        let target = target("name", &message.name, message.handle)?;
        let (kind, key) = keyed(message.kind, message.key)?;
        let guard = message.guard.unwrap_or_default().into();
        Ok(on(kind, target, Command::Delete { key, guard, returning: message.returning }))
    }
}

impl TryFrom<pb::ValueServiceIncrementRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::ValueServiceIncrementRequest) -> Result<Self, Error> {
        let target = target("name", &message.name, message.handle)?;
        let (by, fence) = (new_datum("by", message.by)?, message.fence.map(Token));
        if kind(message.kind)? == Kind::List {
            return Ok(list::on(target, lists::Command::Increment { index: message.index, by, fence }));
        }
        let (kind, key) = keyed(message.kind, message.key)?;
        Ok(on(kind, target, Command::Increment { key, by, fence }))
    }
}

impl TryFrom<pb::ValueServiceWatchRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::ValueServiceWatchRequest) -> Result<Self, Error> {
        let target = target("name", &message.name, message.handle)?;
        let (after, timeout) = (message.after, timeout(message.timeout)?);
        let key = match kind(message.kind)? {
            Kind::List => return Ok(list::on(target, lists::Command::Watch { after, timeout })),
            Kind::Dict if message.key.is_empty() => None,
            _ => Some(keyed(message.kind, message.key)?.1),
        };
        Ok(on(value_or_dict(message.kind)?, target, Command::Watch { key, after, timeout }))
    }
}

impl TryFrom<pb::ValueServiceListItemsRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::ValueServiceListItemsRequest) -> Result<Self, Error> {
        let target = target("name", &message.name, message.handle)?;
        if kind(message.kind)? != Kind::Dict {
            return Err(Error::invalid("kind", "only a dict has items by key; give DICT"));
        }
        let after = (!message.after.is_empty()).then_some(message.after);
        let page_size = page_size(message.page_size);
        Ok(about(Kind::Dict, target, Query::Items { page_size, after, keys_only: message.keys_only }))
    }
}

impl TryFrom<pb::ValueServiceClearRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::ValueServiceClearRequest) -> Result<Self, Error> {
        let target = target("name", &message.name, message.handle)?;
        let fence = message.fence.map(Token);
        match kind(message.kind)? {
            Kind::List => Ok(list::on(target, lists::Command::Clear { fence })),
            kind @ (Kind::Value | Kind::Dict) => Ok(on(kind, target, Command::Clear { fence })),
            other => Err(not_of_values(other)),
        }
    }
}

impl TryFrom<pb::ValueServiceDescribeRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::ValueServiceDescribeRequest) -> Result<Self, Error> {
        let target = target("name", &message.name, message.handle)?;
        match kind(message.kind)? {
            Kind::List => Ok(list::about(target, lists::Query::Describe)),
            kind @ (Kind::Value | Kind::Dict) => Ok(about(kind, target, Query::Describe)),
            other => Err(not_of_values(other)),
        }
    }
}

responses! {
    ValueDeclare => ValueServiceDeclareResponse,
    ValueGet => ValueServiceGetResponse,
    ValueSet => ValueServiceSetResponse,
    ValueDelete => ValueServiceDeleteResponse,
    ValueIncrement => ValueServiceIncrementResponse,
    ValueWatch => ValueServiceWatchResponse,
    ValueListItems => ValueServiceListItemsResponse,
    ValueClear => ValueServiceClearResponse,
    ValueDescribe => ValueServiceDescribeResponse,
    ValueRead => ValueServiceReadResponse,
    ValueSplice => ValueServiceSpliceResponse,
}

pub(super) fn command_body(kind: Kind, target: &Target, command: &Command) -> Body {
    let (name, handle) = target_fields(target);
    let kind = pb::ObjectKind::from(kind).into();
    match command {
        Command::Declare(options) => Body::ValueDeclare(pb::ValueServiceDeclareRequest {
            kind,
            name,
            options: Some((*options).into()),
        }),
        Command::Set { key, write } => {
            let (lifetime, keep_lifetime) = lifetime_fields(write.lifetime);
            Body::ValueSet(pb::ValueServiceSetRequest {
                kind,
                name,
                handle,
                key: key.clone(),
                datum: Some((&write.datum).into()),
                guard: guard_field(write.guard),
                lifetime,
                keep_lifetime,
            })
        }
        Command::Delete { key, guard, returning } => {
            let (key, guard) = (key.clone(), guard_field(*guard));
            let returning = *returning;
            Body::ValueDelete(pb::ValueServiceDeleteRequest { kind, name, handle, key, guard, returning })
        }
        Command::Increment { key, by, fence } => Body::ValueIncrement(pb::ValueServiceIncrementRequest {
            kind,
            name,
            handle,
            key: key.clone(),
            index: 0,
            by: Some(by.into()),
            fence: fence.map(|token| token.0),
        }),
        Command::Clear { fence } => {
            let fence = fence.map(|token| token.0);
            Body::ValueClear(pb::ValueServiceClearRequest { kind, name, handle, fence })
        }
        Command::Watch { key, after, timeout } => Body::ValueWatch(pb::ValueServiceWatchRequest {
            kind,
            name,
            handle,
            key: key.clone().unwrap_or_default(),
            timeout: timeout_field(*timeout),
            after: *after,
        }),
    }
}

pub(super) fn query_body(kind: Kind, target: &Target, query: &Query) -> Body {
    let (name, handle) = target_fields(target);
    let kind = pb::ObjectKind::from(kind).into();
    match query {
        Query::Get { key, version_only } => {
            let (key, version_only) = (key.clone(), *version_only);
            Body::ValueGet(pb::ValueServiceGetRequest { kind, name, handle, key, version_only })
        }
        Query::Items { page_size, after, keys_only } => {
            Body::ValueListItems(pb::ValueServiceListItemsRequest {
                kind,
                name,
                handle,
                page_size: *page_size,
                after: after.clone().unwrap_or_default(),
                keys_only: *keys_only,
            })
        }
        Query::Describe => Body::ValueDescribe(pb::ValueServiceDescribeRequest { kind, name, handle }),
    }
}

impl From<Entry> for pb::DictItem {
    fn from(entry: Entry) -> Self {
        pb::DictItem {
            key: entry.key,
            datum: entry.datum.as_ref().map(pb::Datum::from),
            version: entry.version,
            remaining: entry.remaining.map(duration_field),
            bound: entry.bound,
        }
    }
}

fn entry(message: pb::DictItem) -> Result<Entry, Error> {
    Ok(Entry {
        key: message.key,
        datum: message.datum.and_then(datum),
        version: message.version,
        remaining: message.remaining.map(|left| duration("remaining", left)).transpose()?,
        bound: message.bound,
    })
}

pub(super) fn reply_body(reply: Reply) -> Answer {
    match reply {
        Reply::Declared { handle, options } => {
            let (handle, options) = (handle.to_u64(), Some(options.into()));
            Answer::ValueDeclare(pb::ValueServiceDeclareResponse { handle, options })
        }
        Reply::Set { done, item } => {
            Answer::ValueSet(pb::ValueServiceSetResponse { done, item: item_field(&item) })
        }
        Reply::Deleted { done, item } => {
            Answer::ValueDelete(pb::ValueServiceDeleteResponse { done, item: item_field(&item) })
        }
        Reply::Incremented(item) => {
            Answer::ValueIncrement(pb::ValueServiceIncrementResponse { item: item_field(&item) })
        }
        Reply::Cleared(cleared) => Answer::ValueClear(pb::ValueServiceClearResponse { cleared }),
        Reply::Watched { changed, item } => {
            Answer::ValueWatch(pb::ValueServiceWatchResponse { changed, item: item_field(&item) })
        }
        Reply::Got(item) => Answer::ValueGet(pb::ValueServiceGetResponse { item: item_field(&item) }),
        Reply::Items(page) => {
            let Page { entries, more, as_of } = *page;
            let items = entries.into_iter().map(pb::DictItem::from).collect();
            Answer::ValueListItems(pb::ValueServiceListItemsResponse { items, more, as_of })
        }
        Reply::Described(figures) => Answer::ValueDescribe(pb::ValueServiceDescribeResponse {
            options: Some(figures.options.into()),
            length: figures.length,
            version: figures.version,
            bytes: figures.bytes,
            waiting: figures.waiting,
        }),
        Reply::Read(page) => list::read_body(&page),
        Reply::Spliced(spliced) => list::spliced_body(&spliced),
    }
}

pub(super) fn reply(body: Answer) -> Result<Reply, Error> {
    Ok(match body {
        Answer::ValueDeclare(message) => Reply::Declared {
            handle: Handle::from_u64(message.handle).ok_or_else(|| unexpected(&message))?,
            options: message.options.unwrap_or_default().into(),
        },
        Answer::ValueGet(message) => Reply::Got(item(message.item)),
        Answer::ValueSet(message) => Reply::Set { done: message.done, item: item(message.item) },
        Answer::ValueDelete(message) => Reply::Deleted { done: message.done, item: item(message.item) },
        Answer::ValueIncrement(message) => Reply::Incremented(item(message.item)),
        Answer::ValueWatch(message) => Reply::Watched { changed: message.changed, item: item(message.item) },
        Answer::ValueListItems(message) => Reply::Items(Box::new(Page {
            entries: message.items.into_iter().map(entry).collect::<Result<_, _>>()?,
            more: message.more,
            as_of: message.as_of,
        })),
        Answer::ValueClear(message) => Reply::Cleared(message.cleared),
        Answer::ValueDescribe(message) => Reply::Described(Box::new(Figures {
            options: message.options.unwrap_or_default().into(),
            length: message.length,
            version: message.version,
            bytes: message.bytes,
            waiting: message.waiting,
        })),
        Answer::ValueRead(message) => Reply::Read(Box::new(list::page(message))),
        Answer::ValueSplice(message) => Reply::Spliced(Box::new(list::spliced(message))),
        other => return Err(unexpected(&other)),
    })
}

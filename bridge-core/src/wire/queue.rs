//! Messages of `queue_service.proto`.

use std::time::Duration;

use pb::answer::Body as Answer;
use pb::command::Body;
use syncbridge_proto::v1 as pb;

use super::item::{browsed, delivery, end_field, new_item, queue_end, shelf};
use super::packed::{pack_deliveries, pack_items, unpack_deliveries, unpack_items};
use super::{
    duration, duration_field, named, page_size, responses, target, target_fields, timeout, timeout_field,
    unexpected,
};
use crate::command::queue::{
    Batch, Bound, Command, Cursor, Deliveries, Discipline, End, Figures, Mode, Move, NewItem, Options, Query,
    Redrive, Reentry, Reply, Taken, Taking, Which,
};
use crate::command::{self, Request};
use crate::error::Error;
use crate::ids::{Handle, ItemId, Name, Target, Token};

impl TryFrom<pb::QueueOptions> for Options {
    type Error = Error;

    fn try_from(options: pb::QueueOptions) -> Result<Self, Error> {
        let discipline = match pb::QueueDiscipline::try_from(options.discipline) {
            Ok(pb::QueueDiscipline::Unspecified) => None,
            Ok(pb::QueueDiscipline::Fifo) => Some(Discipline::Fifo),
            Ok(pb::QueueDiscipline::Lifo) => Some(Discipline::Lifo),
            Ok(pb::QueueDiscipline::Priority) => Some(Discipline::Priority),
            Err(_) => {
                let message = format!("discipline is {}; give FIFO, LIFO or PRIORITY", options.discipline);
                return Err(Error::invalid("discipline", message));
            }
        };
        let bound = match pb::QueueBound::try_from(options.bound) {
            Ok(pb::QueueBound::Unspecified) => None,
            Ok(pb::QueueBound::Waiting) => Some(Bound::Waiting),
            Ok(pb::QueueBound::Unfinished) => Some(Bound::Unfinished),
            Err(_) => {
                let message = format!("bound is {}; give WAITING or UNFINISHED", options.bound);
                return Err(Error::invalid("bound", message));
            }
        };
        let dead_letters = options.dead_letters.map(|name| Name::parse("dead_letters", &name)).transpose()?;
        Ok(Options {
            discipline,
            maxsize: options.maxsize,
            max_bytes: options.max_bytes,
            bound,
            max_deliveries: options.max_deliveries,
            dead_letters,
            ephemeral: options.ephemeral,
            robust: options.robust,
        })
    }
}

impl From<Options> for pb::QueueOptions {
    fn from(options: Options) -> Self {
        let discipline = match options.discipline {
            None => pb::QueueDiscipline::Unspecified,
            Some(Discipline::Fifo) => pb::QueueDiscipline::Fifo,
            Some(Discipline::Lifo) => pb::QueueDiscipline::Lifo,
            Some(Discipline::Priority) => pb::QueueDiscipline::Priority,
        };
        let bound = match options.bound {
            None => pb::QueueBound::Unspecified,
            Some(Bound::Waiting) => pb::QueueBound::Waiting,
            Some(Bound::Unfinished) => pb::QueueBound::Unfinished,
        };
        pb::QueueOptions {
            discipline: discipline.into(),
            maxsize: options.maxsize,
            max_bytes: options.max_bytes,
            bound: bound.into(),
            max_deliveries: options.max_deliveries,
            dead_letters: options.dead_letters.map(|name| name.as_str().to_owned()),
            ephemeral: options.ephemeral,
            robust: options.robust,
        }
    }
}

/// The conversions of requests that name a queue: the message's other fields become a command.
macro_rules! commands {
    ($($message:ident: |$m:ident| $command:expr;)*) => {$(
        impl TryFrom<pb::$message> for Request {
            type Error = Error;

            fn try_from($m: pb::$message) -> Result<Self, Error> {
                let target = target("queue", &$m.queue, $m.handle)?;
                Ok(Request::Command(command::Command::Queue(target, $command)))
            }
        }
    )*};
}

commands! {
    QueueServicePutRequest: |m| Command::Put { item: new_item("item", m.item)?, timeout: timeout(m.timeout)? };
    QueueServicePutManyRequest: |m| Command::PutMany { items: new_items(m.items, m.packed)?, timeout: timeout(m.timeout)? };
    QueueServiceGetRequest: |m| take(Mode::Get, Batch::ONE, None, m.end, m.timeout, m.prefetch)?;
    QueueServiceLeaseRequest: |m| take(Mode::Lease, Batch::ONE, m.max_hold, m.end, m.timeout, m.prefetch)?;
    QueueServiceGetManyRequest: |m| take(Mode::Get, batch(m.max, m.min, m.linger)?, None, m.end, m.timeout, false)?;
    QueueServiceLeaseManyRequest: |m| take(Mode::Lease, batch(m.max, m.min, m.linger)?, m.max_hold, m.end, m.timeout, false)?;
    QueueServiceAckRequest: |m| Command::Ack { tokens: tokens(m.tokens)? };
    QueueServiceNackRequest: |m| nack(m.tokens, m.reentry, m.delay, m.error)?;
    QueueServiceExtendRequest: |m| extend(m.tokens, m.max_hold, m.progress)?;
    QueueServiceRejectRequest: |m| Command::Reject { tokens: tokens(m.tokens)?, reason: m.reason };
    QueueServiceTaskDoneRequest: |m| Command::TaskDone { count: m.count.max(1) };
    QueueServiceJoinRequest: |m| Command::Join { timeout: timeout(m.timeout)? };
    QueueServiceForgiveRequest: |m| Command::Forgive;
    QueueServiceRedriveRequest: |m| Command::Redrive(Box::new(Redrive { which: which(m.ids, m.max)?, to: redrive_to(m.to, m.to_must_exist)? }));
    QueueServiceMoveRequest: |m| Command::Move(Box::new(Move { which: which(m.ids, m.max)?, to: to(&m.to, m.to_must_exist)? }));
    QueueServiceRemoveRequest: |m| Command::Remove { ids: m.ids.into_iter().map(ItemId).collect() };
    QueueServicePurgeRequest: |m| Command::Purge;
    QueueServiceShutdownRequest: |m| Command::Shutdown { immediate: m.immediate };
}

impl TryFrom<pb::QueueServiceDeclareRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::QueueServiceDeclareRequest) -> Result<Self, Error> {
        let options = message.options.unwrap_or_default().try_into()?;
        let target = named("queue", &message.queue)?;
        Ok(Request::Command(command::Command::Queue(target, Command::Declare(options))))
    }
}

impl TryFrom<pb::QueueServiceDescribeRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::QueueServiceDescribeRequest) -> Result<Self, Error> {
        let target = target("queue", &message.queue, message.handle)?;
        Ok(Request::Query(command::Query::Queue(target, Query::Describe)))
    }
}

impl TryFrom<pb::QueueServiceBrowseRequest> for Request {
    type Error = Error;

    fn try_from(message: pb::QueueServiceBrowseRequest) -> Result<Self, Error> {
        let target = target("queue", &message.queue, message.handle)?;
        let state = message.state();
        let shelf = shelf(state).ok_or_else(|| {
            let message = format!("state is {}; give READY, DELAYED or DEAD", state.as_str_name());
            Error::invalid("state", message)
        })?;
        let page_size = page_size(message.page_size);
        let after = (!message.page_token.is_empty()).then(|| cursor(&message.page_token)).transpose()?;
        Ok(Request::Query(command::Query::Queue(target, Query::Browse { shelf, page_size, after })))
    }
}

fn new_items(items: Vec<pb::NewItem>, packed: Option<pb::PackedItems>) -> Result<Vec<NewItem>, Error> {
    if let Some(packed) = packed {
        if !items.is_empty() {
            return Err(Error::invalid("packed", "both items and packed are given; give one of them"));
        }
        return unpack_items(packed);
    }
    if items.is_empty() {
        return Err(Error::invalid("items", "items is empty; give at least one item"));
    }
    items.into_iter().map(|item| new_item("items", Some(item))).collect()
}

fn tokens(tokens: Vec<u64>) -> Result<Vec<Token>, Error> {
    if tokens.is_empty() {
        return Err(Error::invalid("tokens", "tokens is empty; give the token of at least one delivery"));
    }
    Ok(tokens.into_iter().map(Token).collect())
}

fn take(
    mode: Mode,
    batch: Batch,
    max_hold: Option<prost_types::Duration>,
    end: i32,
    length: Option<prost_types::Duration>,
    prefetch: bool,
) -> Result<Command, Error> {
    let end = queue_end(end)?.unwrap_or(End::Front);
    let taking = Taking { mode, batch, max_hold: hold(max_hold)?, end, prefetch };
    Ok(Command::Take { taking, timeout: timeout(length)? })
}

fn hold(max_hold: Option<prost_types::Duration>) -> Result<Option<Duration>, Error> {
    max_hold.map(|max_hold| duration("max_hold", max_hold)).transpose()
}

fn extend(
    raw: Vec<u64>,
    max_hold: Option<prost_types::Duration>,
    progress: String,
) -> Result<Command, Error> {
    let progress = (!progress.is_empty()).then_some(progress);
    Ok(Command::Extend { tokens: tokens(raw)?, max_hold: hold(max_hold)?, progress })
}

fn batch(max: u32, min: u32, linger: Option<prost_types::Duration>) -> Result<Batch, Error> {
    let min = min.max(1);
    if max < min {
        return Err(Error::invalid("max", format!("max is {max} and min is {min}; give max >= min >= 1")));
    }
    let linger = linger.map_or(Ok(Duration::ZERO), |linger| duration("linger", linger))?;
    Ok(Batch { max, min, linger })
}

fn nack(
    raw: Vec<u64>,
    reentry: i32,
    delay: Option<prost_types::Duration>,
    error: String,
) -> Result<Command, Error> {
    let reentry = match pb::Reentry::try_from(reentry) {
        Ok(pb::Reentry::Unspecified) => Reentry::Place,
        Ok(pb::Reentry::Front) => Reentry::Front,
        Ok(pb::Reentry::Back) => Reentry::Back,
        Err(_) => {
            return Err(Error::invalid(
                "reentry",
                format!("reentry is {reentry}; give FRONT, BACK or nothing"),
            ));
        }
    };
    let delay = delay.map_or(Ok(Duration::ZERO), |delay| duration("delay", delay))?;
    Ok(Command::Nack { tokens: tokens(raw)?, reentry, delay, error })
}

fn which(ids: Vec<u64>, max: u64) -> Result<Which, Error> {
    match (ids.is_empty(), max) {
        (true, 0) => Ok(Which::All),
        (true, max) => Ok(Which::First(max)),
        (false, 0) => Ok(Which::Ids(ids.into_iter().map(ItemId).collect())),
        (false, _) => Err(Error::invalid("max", "both ids and max are given; give one of them")),
    }
}

fn which_fields(which: &Which) -> (Vec<u64>, u64) {
    match which {
        Which::All => (Vec::new(), 0),
        Which::First(max) => (Vec::new(), *max),
        Which::Ids(ids) => (ids.iter().map(|id| id.0).collect(), 0),
    }
}

fn to(name: &str, must_exist: bool) -> Result<Target, Error> {
    let name = Name::parse("to", name)?;
    Ok(if must_exist { Target::Existing(name) } else { Target::Name(name) })
}

fn redrive_to(name: String, must_exist: bool) -> Result<Option<Target>, Error> {
    (!name.is_empty()).then(|| to(&name, must_exist)).transpose()
}

/// A second queue goes by its name.
fn to_fields(to: &Target) -> (String, bool) {
    (target_fields(to).0, matches!(to, Target::Existing(_)))
}

/// A page token is `ARRIVAL.KEY`: the arrival in decimal, the key in hexadecimal.
fn page_token(cursor: Cursor) -> String {
    let mut token = format!("{}.", cursor.arrival);
    for byte in cursor.key.iter() {
        token.push_str(&format!("{byte:02x}"));
    }
    token
}

fn cursor(token: &str) -> Result<Cursor, Error> {
    let parse = || {
        let (arrival, key) = token.split_once('.')?;
        let pairs = key.as_bytes().chunks(2);
        let key: Option<Vec<u8>> =
            pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
        Some(Cursor { key: key?.into(), arrival: arrival.parse().ok()? })
    };
    parse()
        .ok_or_else(|| Error::invalid("page_token", "page_token is not one that a page before answered with"))
}

responses! {
    QueueDeclare => QueueServiceDeclareResponse,
    QueuePut => QueueServicePutResponse,
    QueuePutMany => QueueServicePutManyResponse,
    QueueAck => QueueServiceAckResponse,
    QueueNack => QueueServiceNackResponse,
    QueueReject => QueueServiceRejectResponse,
    QueueExtend => QueueServiceExtendResponse,
    QueueTaskDone => QueueServiceTaskDoneResponse,
    QueueJoin => QueueServiceJoinResponse,
    QueueForgive => QueueServiceForgiveResponse,
    QueueRedrive => QueueServiceRedriveResponse,
    QueueMove => QueueServiceMoveResponse,
    QueueDescribe => QueueServiceDescribeResponse,
    QueueBrowse => QueueServiceBrowseResponse,
    QueueRemove => QueueServiceRemoveResponse,
    QueuePurge => QueueServicePurgeResponse,
    QueueShutdown => QueueServiceShutdownResponse,
}

pub(super) fn command_body(target: &Target, command: &Command) -> Body {
    let (queue, handle) = target_fields(target);
    let raw = |tokens: &[Token]| tokens.iter().map(|token| token.0).collect::<Vec<_>>();
    match command {
        Command::Declare(options) => {
            let options = Some(options.clone().into());
            Body::QueueDeclare(pb::QueueServiceDeclareRequest { queue, options })
        }
        Command::Put { item, timeout } => {
            let (item, timeout) = (Some(item.into()), timeout_field(*timeout));
            Body::QueuePut(pb::QueueServicePutRequest { queue, handle, item, timeout })
        }
        Command::PutMany { items, timeout } => {
            let (packed, timeout) = (pack_items(items), timeout_field(*timeout));
            let one_by_one = if packed.is_none() { &items[..] } else { &[] };
            let items = one_by_one.iter().map(pb::NewItem::from).collect();
            Body::QueuePutMany(pb::QueueServicePutManyRequest { queue, handle, items, timeout, packed })
        }
        Command::Take { taking, timeout } => take_body(queue, handle, taking, timeout_field(*timeout)),
        Command::Ack { tokens } => {
            Body::QueueAck(pb::QueueServiceAckRequest { queue, handle, tokens: raw(tokens) })
        }
        Command::Nack { tokens, reentry, delay, error } => {
            let reentry = match reentry {
                Reentry::Place => pb::Reentry::Unspecified,
                Reentry::Front => pb::Reentry::Front,
                Reentry::Back => pb::Reentry::Back,
            };
            let (tokens, reentry, error) = (raw(tokens), reentry.into(), error.clone());
            let delay = (!delay.is_zero()).then(|| duration_field(*delay));
            Body::QueueNack(pb::QueueServiceNackRequest { queue, handle, tokens, reentry, delay, error })
        }
        Command::Extend { tokens, max_hold, progress } => {
            let (tokens, max_hold) = (raw(tokens), max_hold.map(duration_field));
            let progress = progress.clone().unwrap_or_default();
            Body::QueueExtend(pb::QueueServiceExtendRequest { queue, handle, tokens, max_hold, progress })
        }
        Command::Reject { tokens, reason } => {
            let (tokens, reason) = (raw(tokens), reason.clone());
            Body::QueueReject(pb::QueueServiceRejectRequest { queue, handle, tokens, reason })
        }
        Command::TaskDone { count } => {
            Body::QueueTaskDone(pb::QueueServiceTaskDoneRequest { queue, handle, count: *count })
        }
        Command::Join { timeout } => {
            let timeout = timeout_field(*timeout);
            Body::QueueJoin(pb::QueueServiceJoinRequest { queue, handle, timeout })
        }
        Command::Forgive => Body::QueueForgive(pb::QueueServiceForgiveRequest { queue, handle }),
        Command::Redrive(redrive) => {
            let (ids, max) = which_fields(&redrive.which);
            let (to, to_must_exist) = redrive.to.as_ref().map(to_fields).unwrap_or_default();
            let message = pb::QueueServiceRedriveRequest { queue, handle, ids, max, to, to_must_exist };
            Body::QueueRedrive(message)
        }
        Command::Move(moving) => {
            let ((ids, max), (to, to_must_exist)) = (which_fields(&moving.which), to_fields(&moving.to));
            Body::QueueMove(pb::QueueServiceMoveRequest { queue, handle, ids, max, to, to_must_exist })
        }
        Command::Remove { ids } => {
            let ids = ids.iter().map(|id| id.0).collect();
            Body::QueueRemove(pb::QueueServiceRemoveRequest { queue, handle, ids })
        }
        Command::Purge => Body::QueuePurge(pb::QueueServicePurgeRequest { queue, handle }),
        Command::Shutdown { immediate } => {
            Body::QueueShutdown(pb::QueueServiceShutdownRequest { queue, handle, immediate: *immediate })
        }
    }
}

/// A take of one item that does not linger has a message of its own.
fn take_body(queue: String, handle: u64, taking: &Taking, timeout: Option<prost_types::Duration>) -> Body {
    let Taking { mode, batch, max_hold, end, prefetch } = *taking;
    let Batch { max, min, linger } = batch;
    let (max_hold, linger) = (max_hold.map(duration_field), Some(duration_field(linger)));
    let end = end_field(Some(end).filter(|end| *end == End::Back));
    match (mode, batch == Batch::ONE) {
        (Mode::Get, true) => {
            Body::QueueGet(pb::QueueServiceGetRequest { queue, handle, timeout, end, prefetch })
        }
        (Mode::Lease, true) => {
            Body::QueueLease(pb::QueueServiceLeaseRequest { queue, handle, timeout, max_hold, end, prefetch })
        }
        (Mode::Get, false) => Body::QueueGetMany(pb::QueueServiceGetManyRequest {
            queue,
            handle,
            timeout,
            max,
            min,
            linger,
            end,
        }),
        (Mode::Lease, false) => Body::QueueLeaseMany(pb::QueueServiceLeaseManyRequest {
            queue,
            handle,
            timeout,
            max,
            min,
            linger,
            max_hold,
            end,
        }),
    }
}

pub(super) fn query_body(target: &Target, query: &Query) -> Body {
    let (queue, handle) = target_fields(target);
    match query {
        Query::Describe => Body::QueueDescribe(pb::QueueServiceDescribeRequest { queue, handle }),
        Query::Browse { shelf, page_size, after } => {
            let state = pb::ItemState::from(*shelf);
            Body::QueueBrowse(pb::QueueServiceBrowseRequest {
                queue,
                handle,
                state: state.into(),
                page_size: *page_size,
                page_token: after.clone().map(page_token).unwrap_or_default(),
            })
        }
    }
}

/// `packs`: batches may be in columns.
pub(super) fn reply_body(reply: Reply, packs: bool) -> Answer {
    match reply {
        Reply::Declared { handle, options } => {
            let (handle, options) = (handle.to_u64(), Some((*options).into()));
            Answer::QueueDeclare(pb::QueueServiceDeclareResponse { handle, options })
        }
        Reply::Put(id) => Answer::QueuePut(pb::QueueServicePutResponse { id: id.0, duplicate: false }),
        Reply::Duplicate(id) => Answer::QueuePut(pb::QueueServicePutResponse { id: id.0, duplicate: true }),
        Reply::PutMany(ids) => {
            let ids = ids.into_iter().map(|id| id.0).collect();
            Answer::QueuePutMany(pb::QueueServicePutManyResponse { ids })
        }
        Reply::Taken(taken) => taken_body(*taken, packs),
        Reply::Acked => Answer::QueueAck(pb::QueueServiceAckResponse {}),
        Reply::Nacked => Answer::QueueNack(pb::QueueServiceNackResponse {}),
        Reply::Extended => Answer::QueueExtend(pb::QueueServiceExtendResponse {}),
        Reply::Rejected => Answer::QueueReject(pb::QueueServiceRejectResponse {}),
        Reply::TaskDone => Answer::QueueTaskDone(pb::QueueServiceTaskDoneResponse {}),
        Reply::Joined => Answer::QueueJoin(pb::QueueServiceJoinResponse {}),
        Reply::Forgiven(forgiven) => Answer::QueueForgive(pb::QueueServiceForgiveResponse { forgiven }),
        Reply::Removed(ids) => {
            let removed = ids.into_iter().map(|id| id.0).collect();
            Answer::QueueRemove(pb::QueueServiceRemoveResponse { removed })
        }
        Reply::Redriven { count, stayed } => {
            Answer::QueueRedrive(pb::QueueServiceRedriveResponse { redriven: count, stayed })
        }
        Reply::Moved(ids) => {
            let moved = ids.into_iter().map(|id| id.0).collect();
            Answer::QueueMove(pb::QueueServiceMoveResponse { moved })
        }
        Reply::Purged(removed) => Answer::QueuePurge(pb::QueueServicePurgeResponse { removed }),
        Reply::ShutDown => Answer::QueueShutdown(pb::QueueServiceShutdownResponse {}),
        Reply::Described(figures) => Answer::QueueDescribe(described(*figures)),
        Reply::Browsed { items, next } => Answer::QueueBrowse(pb::QueueServiceBrowseResponse {
            items: items.into_iter().map(pb::BrowsedItem::from).collect(),
            next_page_token: next.map(|next| page_token(*next)).unwrap_or_default(),
        }),
    }
}

/// On the stream one item goes in the message for one, however many were asked for.
fn taken_body(taken: Taken, packs: bool) -> Answer {
    let Taken { mode, deliveries } = taken;
    let one = deliveries.len() == 1;
    let packed = if packs && !one { pack_deliveries(&deliveries) } else { None };
    let one_by_one = if packed.is_none() { deliveries } else { Deliveries::new() };
    let mut deliveries = one_by_one.into_iter().map(pb::Delivery::from);
    match (mode, one) {
        (Mode::Get, true) => Answer::QueueGet(pb::QueueServiceGetResponse { delivery: deliveries.next() }),
        (Mode::Lease, true) => {
            Answer::QueueLease(pb::QueueServiceLeaseResponse { delivery: deliveries.next() })
        }
        (Mode::Get, false) => {
            let deliveries = deliveries.collect();
            Answer::QueueGetMany(pb::QueueServiceGetManyResponse { deliveries, packed })
        }
        (Mode::Lease, false) => {
            let deliveries = deliveries.collect();
            Answer::QueueLeaseMany(pb::QueueServiceLeaseManyResponse { deliveries, packed })
        }
    }
}

/// A unary call is answered in the form in which it asked.
macro_rules! taken_responses {
    ($($message:ident: |$deliveries:ident| { $($field:ident: $value:expr),* };)*) => {$(
        impl TryFrom<command::Reply> for pb::$message {
            type Error = Error;

            fn try_from(reply: command::Reply) -> Result<Self, Error> {
                match reply {
                    command::Reply::Queue(Reply::Taken(taken)) => {
                        let mut $deliveries = taken.deliveries.into_iter().map(pb::Delivery::from);
                        Ok(pb::$message { $($field: $value),* })
                    }
                    other => Err(unexpected(&other)),
                }
            }
        }
    )*};
}

taken_responses! {
    QueueServiceGetResponse: |deliveries| { delivery: deliveries.next() };
    QueueServiceLeaseResponse: |deliveries| { delivery: deliveries.next() };
    QueueServiceGetManyResponse: |deliveries| { deliveries: deliveries.by_ref().collect(), packed: None };
    QueueServiceLeaseManyResponse: |deliveries| { deliveries: deliveries.by_ref().collect(), packed: None };
}

fn described(figures: Figures) -> pb::QueueServiceDescribeResponse {
    pb::QueueServiceDescribeResponse {
        options: Some(figures.options.into()),
        ready: figures.ready,
        held_back: figures.held_back,
        delayed: figures.delayed,
        offered: figures.offered,
        leased: figures.leased,
        dead: figures.dead,
        expired: figures.expired,
        unfinished: figures.unfinished,
        lost: figures.lost,
        waiting_to_get: figures.waiting_to_get,
        waiting_to_put: figures.waiting_to_put,
        shut_down: figures.shut_down,
    }
}

fn figures(message: pb::QueueServiceDescribeResponse) -> Result<Figures, Error> {
    Ok(Figures {
        options: message.options.unwrap_or_default().try_into()?,
        ready: message.ready,
        held_back: message.held_back,
        delayed: message.delayed,
        offered: message.offered,
        leased: message.leased,
        dead: message.dead,
        expired: message.expired,
        unfinished: message.unfinished,
        lost: message.lost,
        waiting_to_get: message.waiting_to_get,
        waiting_to_put: message.waiting_to_put,
        shut_down: message.shut_down,
    })
}

fn one(mode: Mode, message: Option<pb::Delivery>) -> Result<Reply, Error> {
    let deliveries = [delivery(message)?].into();
    Ok(Reply::Taken(Box::new(Taken { mode, deliveries })))
}

fn many(
    mode: Mode,
    messages: Vec<pb::Delivery>,
    packed: Option<pb::PackedDeliveries>,
) -> Result<Reply, Error> {
    let deliveries = match packed {
        Some(packed) => unpack_deliveries(packed)?,
        None => messages.into_iter().map(|message| delivery(Some(message))).collect::<Result<_, _>>()?,
    };
    Ok(Reply::Taken(Box::new(Taken { mode, deliveries })))
}

pub(super) fn reply(body: Answer) -> Result<Reply, Error> {
    Ok(match body {
        Answer::QueueDeclare(message) => Reply::Declared {
            handle: Handle::from_u64(message.handle).ok_or_else(|| unexpected(&message))?,
            options: Box::new(message.options.unwrap_or_default().try_into()?),
        },
        Answer::QueuePut(message) if message.duplicate => Reply::Duplicate(ItemId(message.id)),
        Answer::QueuePut(message) => Reply::Put(ItemId(message.id)),
        Answer::QueuePutMany(message) => Reply::PutMany(message.ids.into_iter().map(ItemId).collect()),
        Answer::QueueGet(message) => one(Mode::Get, message.delivery)?,
        Answer::QueueLease(message) => one(Mode::Lease, message.delivery)?,
        Answer::QueueGetMany(message) => many(Mode::Get, message.deliveries, message.packed)?,
        Answer::QueueLeaseMany(message) => many(Mode::Lease, message.deliveries, message.packed)?,
        Answer::QueueAck(_) => Reply::Acked,
        Answer::QueueNack(_) => Reply::Nacked,
        Answer::QueueReject(_) => Reply::Rejected,
        Answer::QueueExtend(_) => Reply::Extended,
        Answer::QueueTaskDone(_) => Reply::TaskDone,
        Answer::QueueJoin(_) => Reply::Joined,
        Answer::QueueForgive(message) => Reply::Forgiven(message.forgiven),
        Answer::QueueRemove(message) => Reply::Removed(message.removed.into_iter().map(ItemId).collect()),
        Answer::QueueRedrive(message) => Reply::Redriven { count: message.redriven, stayed: message.stayed },
        Answer::QueueMove(message) => Reply::Moved(message.moved.into_iter().map(ItemId).collect()),
        Answer::QueuePurge(message) => Reply::Purged(message.removed),
        Answer::QueueShutdown(_) => Reply::ShutDown,
        Answer::QueueDescribe(message) => Reply::Described(Box::new(figures(message)?)),
        Answer::QueueBrowse(message) => Reply::Browsed {
            items: message.items.into_iter().map(browsed).collect::<Result<_, _>>()?,
            next: if message.next_page_token.is_empty() {
                None
            } else {
                Some(Box::new(cursor(&message.next_page_token)?))
            },
        },
        other => return Err(unexpected(&other)),
    })
}

//! Payloads, items and deliveries.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use syncbridge_proto::v1 as pb;

use super::{duration, duration_field};
use crate::command::queue::{Attributes, Browsed, Dedupe, Delivery, End, Key, NewItem, Scope, Shelf};
use crate::error::Error;
use crate::ids::{ItemId, Name, Token};
use crate::payload::{Body, ContentType, Payload};

/// Up to here a value is copied out of its frame when it is put, so that a small one that stays does not keep a whole
/// frame. What is taken is decoded at once, as a rule, and is not copied.
const COPY_BYTES_MAX: usize = 16 << 10;

pub(super) fn detached(bytes: Bytes) -> Bytes {
    if bytes.len() <= COPY_BYTES_MAX { Bytes::copy_from_slice(&bytes) } else { bytes }
}

impl ContentType {
    /// As a message has it: the default is not spelled out.
    pub(super) fn to_field(&self) -> String {
        match self {
            ContentType::Bytes => String::new(),
            other => other.as_str().to_owned(),
        }
    }
}

impl From<pb::Payload> for Payload {
    fn from(message: pb::Payload) -> Self {
        let headers = message.headers;
        Payload {
            body: Body::Bytes(message.data),
            content_type: ContentType::parse(&message.content_type),
            headers: (!headers.is_empty()).then(|| {
                headers.into_iter().map(|header| (header.name, header.value)).collect::<Vec<_>>().into()
            }),
        }
    }
}

impl From<&Payload> for pb::Payload {
    fn from(payload: &Payload) -> Self {
        let data = match &payload.body {
            Body::Bytes(bytes) => bytes.clone(),
            // A local object cannot leave its process; the bindings encode for every link but mem:.
            Body::Local(_) => Bytes::new(),
        };
        let content_type = payload.content_type.to_field();
        let headers = payload.headers.iter().flat_map(|headers| headers.iter());
        let headers = headers.map(|(name, value)| pb::Header { name: name.clone(), value: value.clone() });
        pb::Payload { data, content_type, headers: headers.collect() }
    }
}

pub(super) fn new_item(field: &'static str, item: Option<pb::NewItem>) -> Result<NewItem, Error> {
    let Some(pb::NewItem { payload: Some(payload), key, delay, ttl, dedupe, group, end }) = item else {
        return Err(Error::invalid(
            field,
            format!("{field} has no payload; an empty payload must be given as such"),
        ));
    };
    let payload = pb::Payload { data: detached(payload.data), ..payload };
    let is_plain = delay.is_none() && ttl.is_none() && dedupe.is_none() && group.is_none() && end == 0;
    let attributes = || {
        let delay = delay.map_or(Ok(Duration::ZERO), |delay| duration("delay", delay))?;
        let ttl = ttl.map(|ttl| duration("ttl", ttl)).transpose()?;
        let dedupe = dedupe.map(Dedupe::try_from).transpose()?;
        Ok::<_, Error>(Box::new(Attributes {
            delay,
            ttl,
            dedupe,
            group: group.map(Arc::from),
            end: queue_end(end)?,
        }))
    };
    let attributes = if is_plain { None } else { Some(attributes()?) };
    Ok(NewItem { payload: payload.into(), key: key.into(), attributes })
}

impl From<&NewItem> for pb::NewItem {
    fn from(item: &NewItem) -> Self {
        let attributes = item.attributes.as_deref().cloned().unwrap_or_default();
        let Attributes { delay, ttl, dedupe, group, end } = attributes;
        pb::NewItem {
            payload: Some((&item.payload).into()),
            key: key_field(&item.key),
            delay: (!delay.is_zero()).then(|| duration_field(delay)),
            ttl: ttl.map(duration_field),
            dedupe: dedupe.map(pb::Dedupe::from),
            group: group.map(|group| group.to_string()),
            end: end_field(end),
        }
    }
}

/// `None` where it is not said.
pub(super) fn queue_end(end: i32) -> Result<Option<End>, Error> {
    match pb::QueueEnd::try_from(end) {
        Ok(pb::QueueEnd::Unspecified) => Ok(None),
        Ok(pb::QueueEnd::Front) => Ok(Some(End::Front)),
        Ok(pb::QueueEnd::Back) => Ok(Some(End::Back)),
        Err(_) => Err(Error::invalid("end", format!("end is {end}; give FRONT, BACK or nothing"))),
    }
}

pub(super) fn end_field(end: Option<End>) -> i32 {
    let end = end.map_or(pb::QueueEnd::Unspecified, |end| match end {
        End::Front => pb::QueueEnd::Front,
        End::Back => pb::QueueEnd::Back,
    });
    end.into()
}

impl TryFrom<pb::Dedupe> for Dedupe {
    type Error = Error;

    fn try_from(message: pb::Dedupe) -> Result<Self, Error> {
        let scope = match pb::DedupeScope::try_from(message.scope) {
            Ok(pb::DedupeScope::Unspecified | pb::DedupeScope::Queued) => Scope::Queued,
            Ok(pb::DedupeScope::Unfinished) => Scope::Unfinished,
            Ok(pb::DedupeScope::Window) => {
                Scope::Window(duration("window", message.window.unwrap_or_default())?)
            }
            Err(_) => {
                let message = format!("scope is {}; give QUEUED, UNFINISHED or WINDOW", message.scope);
                return Err(Error::invalid("scope", message));
            }
        };
        Ok(Dedupe { key: detached(message.key), scope, refuse: message.refuse })
    }
}

impl From<Dedupe> for pb::Dedupe {
    fn from(dedupe: Dedupe) -> Self {
        let (scope, window) = match dedupe.scope {
            Scope::Queued => (pb::DedupeScope::Queued, None),
            Scope::Unfinished => (pb::DedupeScope::Unfinished, None),
            Scope::Window(window) => (pb::DedupeScope::Window, Some(duration_field(window))),
        };
        pb::Dedupe { key: dedupe.key, scope: scope.into(), window, refuse: dedupe.refuse }
    }
}

fn key_field(key: &Key) -> Bytes {
    Bytes::copy_from_slice(key)
}

impl From<Delivery> for pb::Delivery {
    fn from(delivery: Delivery) -> Self {
        pb::Delivery {
            id: delivery.id.0,
            payload: Some((&delivery.payload).into()),
            token: delivery.token.0,
            attempt: delivery.attempt,
            age: Some(duration_field(delivery.age)),
            key: key_field(&delivery.key),
        }
    }
}

pub(super) fn delivery(message: Option<pb::Delivery>) -> Result<Delivery, Error> {
    let message = message.unwrap_or_default();
    Ok(Delivery {
        id: ItemId(message.id),
        payload: message.payload.unwrap_or_default().into(),
        key: message.key.into(),
        token: Token(message.token),
        attempt: message.attempt,
        age: duration("age", message.age.unwrap_or_default())?,
    })
}

impl From<Browsed> for pb::BrowsedItem {
    fn from(item: Browsed) -> Self {
        let state = pb::ItemState::from(item.shelf);
        pb::BrowsedItem {
            id: item.id.0,
            payload: Some((&item.payload).into()),
            key: key_field(&item.key),
            state: state.into(),
            attempts: item.attempts,
            age: Some(duration_field(item.age)),
            dead_reason: item.dead_reason.unwrap_or_default(),
            dead_from: item.dead_from.map(|name| name.as_str().to_owned()).unwrap_or_default(),
            dead_for: item.dead_for.map(duration_field),
            last_error: item.last_error.unwrap_or_default(),
            consumers: item.consumers,
            ready_in: item.ready_in.map(duration_field),
            expires_in: item.expires_in.map(duration_field),
            progress: item.progress.unwrap_or_default(),
            group: item.group.map(|group| group.to_string()).unwrap_or_default(),
        }
    }
}

impl From<Shelf> for pb::ItemState {
    fn from(shelf: Shelf) -> Self {
        match shelf {
            Shelf::Ready => pb::ItemState::Ready,
            Shelf::Delayed => pb::ItemState::Delayed,
            Shelf::Dead => pb::ItemState::Dead,
        }
    }
}

/// `None` for a state that cannot be browsed.
pub(super) fn shelf(state: pb::ItemState) -> Option<Shelf> {
    match state {
        pb::ItemState::Unspecified | pb::ItemState::Ready => Some(Shelf::Ready),
        pb::ItemState::Delayed => Some(Shelf::Delayed),
        pb::ItemState::Dead => Some(Shelf::Dead),
        pb::ItemState::Offered | pb::ItemState::Leased => None,
    }
}

pub(super) fn browsed(message: pb::BrowsedItem) -> Result<Browsed, Error> {
    let given = |text: String| (!text.is_empty()).then_some(text);
    Ok(Browsed {
        id: ItemId(message.id),
        shelf: shelf(message.state()).unwrap_or(Shelf::Ready),
        payload: message.payload.unwrap_or_default().into(),
        key: message.key.into(),
        attempts: message.attempts,
        age: duration("age", message.age.unwrap_or_default())?,
        dead_reason: given(message.dead_reason),
        dead_from: given(message.dead_from).map(|name| Name::parse("dead_from", &name)).transpose()?,
        dead_for: message.dead_for.map(|since| duration("dead_for", since)).transpose()?,
        last_error: given(message.last_error),
        progress: given(message.progress),
        group: given(message.group).map(Arc::from),
        consumers: message.consumers,
        ready_in: message.ready_in.map(|left| duration("ready_in", left)).transpose()?,
        expires_in: message.expires_in.map(|left| duration("expires_in", left)).transpose()?,
    })
}

//! Batches in columns: `PackedItems` and `PackedDeliveries`.

use std::borrow::Borrow;

use bytes::BytesMut;
use syncbridge_proto::v1 as pb;

use super::item::detached;
use super::{duration, duration_field};
use crate::command::queue::{Deliveries, Delivery, Key, NewItem};
use crate::error::Error;
use crate::ids::{ItemId, Token};
use crate::payload::{Body, ContentType, Payload};

/// Values that are larger than this on average go one by one: they gain little by being copied together.
const MEAN_BYTES_MAX: usize = 4 << 10;

/// Small values of a batch that is put share allocations of this size, which is so little that one which stays longer
/// than the others does no harm.
const SHARED_BYTES: usize = 1 << 10;

/// The items in columns, if they are alike.
pub(super) fn pack_items(items: &[NewItem]) -> Option<pb::PackedItems> {
    let is_plain = |item: &NewItem| item.key.is_empty() && item.attributes.is_none();
    if items.iter().all(is_plain) { pack(items.iter().map(|item| &item.payload)) } else { None }
}

pub(super) fn unpack_items(packed: pb::PackedItems) -> Result<Vec<NewItem>, Error> {
    let content_type = check("packed", &packed)?;
    let (mut data, mut sizes) = (packed.data, &packed.sizes[..]);
    let mut items = Vec::with_capacity(sizes.len());
    while !sizes.is_empty() {
        let (count, bytes) = shared(sizes);
        let (these, others) = sizes.split_at(count);
        let mut values = detached(data.split_to(bytes));
        for size in these {
            let payload = Payload::new(content_type.clone(), values.split_to(*size as usize));
            items.push(NewItem::new(payload));
        }
        sizes = others;
    }
    Ok(items)
}

/// How many of the next values share an allocation, at least one, and their bytes.
fn shared(sizes: &[u32]) -> (usize, usize) {
    let (mut count, mut bytes) = (0, 0);
    for size in sizes {
        if count > 0 && bytes + *size as usize > SHARED_BYTES {
            break;
        }
        count += 1;
        bytes += *size as usize;
    }
    (count, bytes)
}

/// The deliveries in columns, if they are alike.
pub(super) fn pack_deliveries(deliveries: &[impl Borrow<Delivery>]) -> Option<pb::PackedDeliveries> {
    let deliveries = deliveries.iter().map(Borrow::borrow);
    let first_token = deliveries.clone().next()?.token.0;
    let mut runs: Vec<pb::PackedRun> = Vec::new();
    let mut last: Option<&Delivery> = None;
    for (token, delivery) in (first_token..).zip(deliveries.clone()) {
        if delivery.token.0 != token || !delivery.key.is_empty() {
            return None;
        }
        let follows = |last: &Delivery| {
            last.id.0 + 1 == delivery.id.0 && last.attempt == delivery.attempt && last.age == delivery.age
        };
        match runs.last_mut() {
            Some(run) if last.is_some_and(follows) => run.count += 1,
            _ => runs.push(pb::PackedRun {
                count: 1,
                first_id: delivery.id.0,
                attempt: delivery.attempt,
                age: Some(duration_field(delivery.age)),
            }),
        }
        last = Some(delivery);
    }
    let items = Some(pack(deliveries.map(|delivery| &delivery.payload))?);
    Some(pb::PackedDeliveries { items, first_token, runs })
}

pub(super) fn unpack_deliveries(packed: pb::PackedDeliveries) -> Result<Deliveries, Error> {
    let items = packed.items.unwrap_or_default();
    let content_type = check("packed", &items)?;
    let counted: u64 = packed.runs.iter().map(|run| u64::from(run.count)).sum();
    if counted != items.sizes.len() as u64 {
        let message = format!("the runs are of {counted} deliveries, and there are {}", items.sizes.len());
        return Err(Error::invalid("packed", message));
    }
    let mut data = items.data;
    let mut deliveries = Deliveries::with_capacity(items.sizes.len());
    let mut sizes = items.sizes.iter().zip(packed.first_token..);
    for run in packed.runs {
        let age = duration("age", run.age.unwrap_or_default())?;
        for (id, (size, token)) in (run.first_id..).zip(sizes.by_ref().take(run.count as usize)) {
            deliveries.push(Delivery {
                id: ItemId(id),
                payload: Payload::new(content_type.clone(), data.split_to(*size as usize)),
                key: Key::default(),
                token: Token(token),
                attempt: run.attempt,
                age,
            });
        }
    }
    Ok(deliveries)
}

fn pack<'a>(payloads: impl ExactSizeIterator<Item = &'a Payload> + Clone) -> Option<pb::PackedItems> {
    let content_type = &payloads.clone().next()?.content_type;
    let mut bytes = 0;
    for payload in payloads.clone() {
        match &payload.body {
            Body::Bytes(data) if payload.headers.is_none() && payload.content_type == *content_type => {
                bytes += data.len();
            }
            _ => return None,
        }
    }
    if bytes > MEAN_BYTES_MAX * payloads.len() {
        return None;
    }
    let mut data = BytesMut::with_capacity(bytes);
    let mut sizes = Vec::with_capacity(payloads.len());
    for payload in payloads {
        if let Body::Bytes(value) = &payload.body {
            data.extend_from_slice(value);
            sizes.push(u32::try_from(value.len()).ok()?);
        }
    }
    Some(pb::PackedItems { data: data.freeze(), sizes, content_type: content_type.to_field() })
}

/// There is something, and its sizes are right.
fn check(field: &'static str, items: &pb::PackedItems) -> Result<ContentType, Error> {
    if items.sizes.is_empty() {
        return Err(Error::invalid(field, format!("{field} is empty; give at least one item")));
    }
    let bytes: u64 = items.sizes.iter().map(|size| u64::from(*size)).sum();
    if bytes != items.data.len() as u64 {
        let message = format!(
            "the sizes add up to {bytes} bytes, and data has {}; give the size of each value",
            items.data.len()
        );
        return Err(Error::invalid(field, message));
    }
    Ok(ContentType::parse(&items.content_type))
}

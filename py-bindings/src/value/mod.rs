//! Python values to payloads and back, as `docs/values.md` says.
//!
//! Everything here runs attached to the interpreter and never blocks. What cannot be encoded is an `EncodeError` (a
//! `TypeError`); what cannot be decoded fails with any exception, which [`crate::errors::undecodable`] turns into a
//! `DecodeError` with the item's id.

mod cbor_read;
mod cbor_write;
mod key;
mod local;
mod media;
mod ndarray;
mod types;

use std::sync::Arc;

use bridge_core::payload::{Body, ContentType, Payload};
use bytes::{Bytes, BytesMut};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use crate::errors;
use local::Local;

pub(crate) use key::{element_key, explicit_key};
pub(crate) use local::{ReleasesLast, Releasing};
pub(crate) use types::Imported;

/// Levels of nesting that are written and read; part of the format.
const DEPTH_MAX: usize = 256;
/// Values of a batch up to this size share memory.
const SMALL_BYTES: usize = 4 << 10;
/// How much they share at a time.
const SHARED_BYTES: usize = 32 << 10;
/// This project's own CBOR tag for a tuple.
const TAG_TUPLE: u64 = 45730;
/// This project's own CBOR tag for a date and time of no time zone.
const TAG_LOCAL_DATETIME: u64 = 45731;
/// This project's own CBOR tag for an array whose elements have no tag in RFC 8746.
const TAG_NDARRAY: u64 = 45732;

/// How the values of a handle become payloads.
pub(crate) struct Codec {
    /// Values by reference: the bridge is in this process.
    pub(crate) local: bool,
    /// What the user gave as `codec=`: an object with `encode(value) -> (content_type, data)` and
    /// `decode(content_type, data) -> value`.
    pub(crate) custom: Option<Py<PyAny>>,
}

fn foreign() -> PyErr {
    PyValueError::new_err("the item is an object of another language's runtime")
}

impl Codec {
    /// The payload that carries `value`.
    pub(crate) fn encode(&self, value: &Bound<'_, PyAny>) -> PyResult<Payload> {
        if self.local {
            return Ok(Payload::local(Arc::new(Local::new(value))));
        }
        if let Some(codec) = &self.custom {
            let pair = codec.bind(value.py()).call_method1("encode", (value,))?;
            let (content_type, data): (String, Bound<'_, PyAny>) = pair.extract()?;
            let data = bytes_of(&data)?.ok_or_else(|| {
                errors::encode_error(value.py(), "codec.encode must return (content_type, bytes)".to_owned())
            })?;
            return Ok(Payload::new(ContentType::parse(&content_type), data));
        }
        encode(value)
    }

    /// The payloads that carry `values`; small texts and bytes share their memory.
    pub(crate) fn encode_many(&self, values: &Bound<'_, PyList>) -> PyResult<Vec<Payload>> {
        if self.local || self.custom.is_some() {
            return values.iter().map(|value| self.encode(&value)).collect();
        }
        let mut memory = BytesMut::new();
        let mut share = |content_type, data: &[u8]| {
            if memory.capacity() < data.len() {
                memory = BytesMut::with_capacity(SHARED_BYTES);
            }
            memory.extend_from_slice(data);
            Payload::new(content_type, memory.split())
        };
        let is_small = |data: &[u8]| data.len() <= SMALL_BYTES;
        let encode = |value: Bound<'_, PyAny>| {
            if let Ok(data) = value.cast::<PyBytes>()
                && is_small(data.as_bytes())
            {
                return Ok(share(ContentType::Bytes, data.as_bytes()));
            }
            if let Ok(text) = value.cast::<PyString>() {
                let text = cbor_write::utf8(text)?;
                if is_small(text.as_bytes()) {
                    return Ok(share(ContentType::Text, text.as_bytes()));
                }
            }
            encode(&value)
        };
        values.iter().map(encode).collect()
    }

    /// As [`Codec::decode`], where nobody else needs the payload.
    pub(crate) fn decode_owned<'py>(&self, py: Python<'py>, payload: Payload) -> PyResult<Bound<'py, PyAny>> {
        let Payload { body: Body::Local(object), .. } = payload else { return self.decode(py, &payload) };
        let value = match object.downcast::<Local>().map(Arc::try_unwrap) {
            Ok(Ok(own)) => own.into_object(py),
            // Somebody browses it just now.
            Ok(Err(shared)) => shared.get(py),
            Err(_) => None,
        };
        value.ok_or_else(foreign)
    }

    /// The value that `payload` carries.
    pub(crate) fn decode<'py>(&self, py: Python<'py>, payload: &Payload) -> PyResult<Bound<'py, PyAny>> {
        match &payload.body {
            Body::Local(object) => match object.downcast_ref::<Local>().and_then(|local| local.get(py)) {
                Some(value) => Ok(value),
                None => Err(foreign()),
            },
            Body::Bytes(data) => match &self.custom {
                Some(codec) => {
                    let data = PyBytes::new(py, data);
                    codec.bind(py).call_method1("decode", (payload.content_type.as_str(), data))
                }
                None => decode(py, &payload.content_type, data),
            },
        }
    }
}

/// The ordinary encoding of `value`.
pub(crate) fn encode(value: &Bound<'_, PyAny>) -> PyResult<Payload> {
    if let Ok(text) = value.cast::<PyString>() {
        let text = cbor_write::utf8(text)?;
        return Ok(Payload::new(ContentType::Text, Bytes::copy_from_slice(text.as_bytes())));
    }
    if let Some(data) = bytes_of(value)? {
        return Ok(Payload::new(ContentType::Bytes, data));
    }
    if let Some(array) = ndarray::cast(value)? {
        return Ok(Payload::new(ContentType::NdArray, ndarray::encode(&array)?));
    }
    Ok(Payload::new(ContentType::Cbor, cbor_write::encode(value)?))
}

/// The ordinary decoding: by the content type alone.
pub(crate) fn decode<'py>(
    py: Python<'py>,
    content_type: &ContentType,
    data: &[u8],
) -> PyResult<Bound<'py, PyAny>> {
    match media::Form::of(content_type) {
        media::Form::Bytes => Ok(PyBytes::new(py, data).into_any()),
        media::Form::Text { charset } => media::text(py, data, charset),
        media::Form::Cbor => cbor_read::decode(py, data),
        media::Form::Json => types::JSON_LOADS.get(py)?.call1((PyBytes::new(py, data),)),
        media::Form::NdArray => ndarray::decode(py, data),
        media::Form::Pickle => Err(PyValueError::new_err(
            "the item is pickled, and reading it would run code; a reader that trusts its producers opts in with codec=\"pickle\"",
        )),
    }
}

/// The content of a bytes-like object; `None` if `value` is none.
fn bytes_of(value: &Bound<'_, PyAny>) -> PyResult<Option<Bytes>> {
    if let Ok(data) = value.cast::<PyBytes>() {
        return Ok(Some(Bytes::copy_from_slice(data.as_bytes())));
    }
    if types::is_buffer(value)? {
        let data = value.py().get_type::<PyBytes>().call1((value,))?;
        return Ok(Some(Bytes::copy_from_slice(data.cast::<PyBytes>()?.as_bytes())));
    }
    Ok(None)
}

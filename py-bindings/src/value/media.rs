//! Content types: which form the bytes have.

use bridge_core::payload::ContentType;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// The forms that can be read.
pub(super) enum Form<'a> {
    /// As they are.
    Bytes,
    /// Text in a character set; UTF-8 where none is named.
    Text { charset: Option<&'a str> },
    /// RFC 8949.
    Cbor,
    /// RFC 8259.
    Json,
    /// `docs/values.md`, "Arrays".
    NdArray,
    /// Python's own.
    Pickle,
}

impl<'a> Form<'a> {
    /// The form that a content type names. What is unknown is bytes.
    pub(super) fn of(content_type: &'a ContentType) -> Self {
        match content_type {
            ContentType::Bytes => Form::Bytes,
            ContentType::Text => Form::Text { charset: None },
            ContentType::Cbor => Form::Cbor,
            ContentType::Json => Form::Json,
            ContentType::NdArray => Form::NdArray,
            ContentType::Pickle => Form::Pickle,
            ContentType::Other(text) => Form::parse(text),
        }
    }

    fn parse(content_type: &'a str) -> Self {
        let (media_type, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
        match media_type.trim().to_ascii_lowercase().as_str() {
            "application/cbor" => Form::Cbor,
            "application/json" => Form::Json,
            "application/vnd.syncbridge.ndarray" => Form::NdArray,
            "application/x-python-pickle" => Form::Pickle,
            other if other.starts_with("text/") => Form::Text { charset: charset(parameters) },
            other if other.starts_with("application/") && other.ends_with("+json") => Form::Json,
            _ => Form::Bytes,
        }
    }
}

fn charset(parameters: &str) -> Option<&str> {
    let named = |parameter: &&str| {
        parameter.trim_start().get(..8).is_some_and(|name| name.eq_ignore_ascii_case("charset="))
    };
    let parameter = parameters.split(';').find(named)?;
    let value = parameter.trim().get(8..)?.trim_matches('"');
    (!value.eq_ignore_ascii_case("utf-8")).then_some(value)
}

/// Decodes text strictly.
pub(super) fn text<'py>(py: Python<'py>, data: &[u8], charset: Option<&str>) -> PyResult<Bound<'py, PyAny>> {
    match charset {
        None => Ok(PyString::from_bytes(py, data)?.into_any()),
        Some(charset) => PyBytes::new(py, data).call_method1("decode", (charset,)),
    }
}

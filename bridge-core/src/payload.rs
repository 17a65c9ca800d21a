//! What items carry. The engine moves payloads and never looks inside.

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;

/// A value on its way through: bytes with a media type, or a reference within one process.
#[derive(Clone, Debug, Default)]
pub struct Payload {
    /// The value.
    pub body: Body,
    /// What the bytes are.
    pub content_type: ContentType,
    /// Free headers in the order given; `None` is the ordinary case and costs nothing.
    pub headers: Option<Arc<Vec<(String, String)>>>,
}

/// The value itself.
#[derive(Clone)]
pub enum Body {
    /// Encoded; reference-counted.
    Bytes(Bytes),
    /// An object of this process (`mem:`): the very object comes out.
    Local(Arc<dyn Any + Send + Sync>),
}

impl Default for Body {
    fn default() -> Self {
        Body::Bytes(Bytes::new())
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Body::Local(_) => f.write_str("Local"),
        }
    }
}

/// A media type; the common ones cost no allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum ContentType {
    /// application/octet-stream
    #[default]
    Bytes,
    /// text/plain; charset=utf-8
    Text,
    /// application/cbor
    Cbor,
    /// application/json
    Json,
    /// application/vnd.syncbridge.ndarray
    NdArray,
    /// application/x-python-pickle
    Pickle,
    /// Any other, as given.
    Other(Arc<String>),
}

impl ContentType {
    const KNOWN: [(ContentType, &'static str); 6] = [
        (ContentType::Bytes, "application/octet-stream"),
        (ContentType::Text, "text/plain; charset=utf-8"),
        (ContentType::Cbor, "application/cbor"),
        (ContentType::Json, "application/json"),
        (ContentType::NdArray, "application/vnd.syncbridge.ndarray"),
        (ContentType::Pickle, "application/x-python-pickle"),
    ];

    /// From its text; empty means application/octet-stream.
    pub fn parse(text: &str) -> Self {
        if text.is_empty() {
            return ContentType::Bytes;
        }
        let known = Self::KNOWN.iter().find(|(_, name)| *name == text);
        known.map_or_else(|| ContentType::Other(Arc::new(text.to_owned())), |(known, _)| known.clone())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        match self {
            ContentType::Other(text) => text,
            known => Self::KNOWN.iter().find(|(other, _)| other == known).map_or("", |(_, name)| name),
        }
    }
}

impl Payload {
    /// Bytes of a media type, without headers.
    pub fn new(content_type: ContentType, bytes: impl Into<Bytes>) -> Self {
        Payload { body: Body::Bytes(bytes.into()), content_type, headers: None }
    }

    /// An object of this process.
    pub fn local(object: Arc<dyn Any + Send + Sync>) -> Self {
        Payload { body: Body::Local(object), content_type: ContentType::Bytes, headers: None }
    }

    /// How many bytes it retains, the text of an uncommon media type included; a local object counts as none.
    #[inline]
    pub fn bytes_retained(&self) -> u64 {
        let body = match &self.body {
            Body::Bytes(bytes) => bytes.len(),
            Body::Local(_) => 0,
        };
        let content_type = match &self.content_type {
            ContentType::Other(text) => text.len(),
            _ => 0,
        };
        let headers: usize = self.headers.iter().flat_map(|h| h.iter()).map(|(n, v)| n.len() + v.len()).sum();
        (body + content_type + headers) as u64
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        let body = match (&self.body, &other.body) {
            (Body::Bytes(a), Body::Bytes(b)) => a == b,
            (Body::Local(a), Body::Local(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        body && self.content_type == other.content_type && self.headers == other.headers
    }
}

impl Hash for Payload {
    /// A local object has no value that could be hashed; it counts as one that is there.
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.body {
            Body::Bytes(bytes) => (0_u8, bytes).hash(state),
            Body::Local(_) => 1_u8.hash(state),
        }
        (&self.content_type, &self.headers).hash(state);
    }
}

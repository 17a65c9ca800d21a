//! What belongs to an RPC and not to a command: a request id, a span, and no panic that leaves.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bridge_core::error::{Error, Reason};
use http::{HeaderValue, Request, Response};
use tonic::body::Body;
use tower_http::catch_panic::ResponseForPanic;
use tower_http::request_id::{MakeRequestId, RequestId};
use tower_http::trace::MakeSpan;
use tracing::Span;

use crate::errors::status;

/// Numbers requests that bring no id of their own.
#[derive(Clone, Default)]
pub(crate) struct Numbers(Arc<AtomicU64>);

impl MakeRequestId for Numbers {
    fn make_request_id<B>(&mut self, _request: &Request<B>) -> Option<RequestId> {
        Some(RequestId::new(HeaderValue::from(self.0.fetch_add(1, Ordering::Relaxed))))
    }
}

/// The span of one RPC.
#[derive(Clone, Copy)]
pub(crate) struct Spans;

impl<B> MakeSpan<B> for Spans {
    fn make_span(&mut self, request: &Request<B>) -> Span {
        let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok());
        tracing::debug_span!("rpc", method = request.uri().path(), id)
    }
}

/// A panic of a handler becomes INTERNAL; the log has the rest.
#[derive(Clone, Copy)]
pub(crate) struct Panics;

impl ResponseForPanic for Panics {
    type ResponseBody = Body;

    fn response_for_panic(&mut self, panic: Box<dyn Any + Send + 'static>) -> Response<Body> {
        let what = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("something that is no text");
        tracing::error!(panic = what, "a handler panicked");
        let error = Error::new(Reason::Internal, "the server has met a defect; its log has the rest");
        status(error).into_http()
    }
}

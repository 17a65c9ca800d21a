//! How an error leaves: a gRPC status whose `google.rpc.ErrorInfo` carries the reason.

use std::collections::HashMap;

use bridge_core::error::{Error, Parts, Reason};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The domain of our reasons.
pub(crate) const DOMAIN: &str = "syncbridge.v1";

/// The gRPC code that says most about a reason; clients decide by the reason.
fn code(reason: Reason) -> Code {
    match reason {
        Reason::InvalidArgument | Reason::CrossNamespace => Code::InvalidArgument,
        Reason::LimitExceeded => Code::ResourceExhausted,
        Reason::ConfigMismatch
        | Reason::SessionRequired
        | Reason::ProtocolVersion
        | Reason::ShutDown
        | Reason::EndOfPipe
        | Reason::BrokenPipe
        | Reason::Stale
        | Reason::TooManyReleases
        | Reason::TooManyTasksDone
        | Reason::Fenced
        | Reason::BrokenBarrier
        | Reason::JoinIncomplete
        | Reason::Duplicate
        | Reason::NotOwner
        | Reason::LockLost => Code::FailedPrecondition,
        Reason::ObjectGone | Reason::SessionExpired => Code::NotFound,
        Reason::SessionDenied => Code::PermissionDenied,
        Reason::Full | Reason::Empty | Reason::TimedOut => Code::DeadlineExceeded,
        Reason::Deadlock => Code::Aborted,
        Reason::Cancelled => Code::Cancelled,
        Reason::OutcomeUnknown => Code::Unknown,
        Reason::Unavailable => Code::Unavailable,
        Reason::Internal => Code::Internal,
    }
}

/// The status of a unary call.
pub(crate) fn status(error: Error) -> Status {
    let Parts { reason, message, metadata } = error.into();
    let metadata: HashMap<String, String> =
        metadata.into_iter().map(|(name, value)| (name.into_owned(), value)).collect();
    let details = ErrorDetails::with_error_info(reason.as_str(), DOMAIN, metadata);
    Status::with_error_details(code(reason), message, details)
}

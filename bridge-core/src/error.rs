//! Why a command failed: a closed list of reasons, a sentence for people, details by name.

use std::borrow::Cow;
use std::fmt;

/// Why. The same list as `syncbridge.v1.Reason`; `docs/errors.md` says more about each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Reason {
    InvalidArgument,
    LimitExceeded,
    ConfigMismatch,
    ObjectGone,
    CrossNamespace,
    SessionRequired,
    SessionExpired,
    SessionDenied,
    ProtocolVersion,
    Full,
    Empty,
    TimedOut,
    Cancelled,
    ShutDown,
    EndOfPipe,
    BrokenPipe,
    Deadlock,
    Stale,
    TooManyReleases,
    TooManyTasksDone,
    NotOwner,
    LockLost,
    Fenced,
    BrokenBarrier,
    JoinIncomplete,
    Duplicate,
    OutcomeUnknown,
    Unavailable,
    Internal,
}

impl Reason {
    /// Its name as on the wire, without the prefix: `LIMIT_EXCEEDED`.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::InvalidArgument => "INVALID_ARGUMENT",
            Reason::LimitExceeded => "LIMIT_EXCEEDED",
            Reason::ConfigMismatch => "CONFIG_MISMATCH",
            Reason::ObjectGone => "OBJECT_GONE",
            Reason::CrossNamespace => "CROSS_NAMESPACE",
            Reason::SessionRequired => "SESSION_REQUIRED",
            Reason::SessionExpired => "SESSION_EXPIRED",
            Reason::SessionDenied => "SESSION_DENIED",
            Reason::ProtocolVersion => "PROTOCOL_VERSION",
            Reason::Full => "FULL",
            Reason::Empty => "EMPTY",
            Reason::TimedOut => "TIMED_OUT",
            Reason::Cancelled => "CANCELLED",
            Reason::ShutDown => "SHUT_DOWN",
            Reason::EndOfPipe => "END_OF_PIPE",
            Reason::BrokenPipe => "BROKEN_PIPE",
            Reason::Deadlock => "DEADLOCK",
            Reason::Stale => "STALE",
            Reason::TooManyReleases => "TOO_MANY_RELEASES",
            Reason::TooManyTasksDone => "TOO_MANY_TASKS_DONE",
            Reason::NotOwner => "NOT_OWNER",
            Reason::LockLost => "LOCK_LOST",
            Reason::Fenced => "FENCED",
            Reason::BrokenBarrier => "BROKEN_BARRIER",
            Reason::JoinIncomplete => "JOIN_INCOMPLETE",
            Reason::Duplicate => "DUPLICATE",
            Reason::OutcomeUnknown => "OUTCOME_UNKNOWN",
            Reason::Unavailable => "UNAVAILABLE",
            Reason::Internal => "INTERNAL",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a command failed. Where nothing else is said, nothing was changed. One pointer: that something may fail costs
/// nothing where it does not.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}", self.0.message)]
pub struct Error(Box<Parts>);

/// What an [`Error`] says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Parts {
    /// What clients decide by.
    pub reason: Reason,
    /// What was asked, what was found, what to do.
    pub message: String,
    /// Details by name, as `error.proto` lists them.
    pub metadata: Vec<(Cow<'static, str>, String)>,
}

impl std::ops::Deref for Error {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl std::ops::DerefMut for Error {
    fn deref_mut(&mut self) -> &mut Parts {
        &mut self.0
    }
}

impl From<Parts> for Error {
    #[cold]
    fn from(parts: Parts) -> Self {
        Error(Box::new(parts))
    }
}

impl From<Error> for Parts {
    fn from(error: Error) -> Self {
        *error.0
    }
}

impl Error {
    /// An error with no details.
    #[cold]
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Parts { reason, message: message.into(), metadata: Vec::new() }.into()
    }

    /// A field has a value that it may not have.
    #[cold]
    pub fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Error::new(Reason::InvalidArgument, message).with("field", field)
    }

    /// The bound `limit`, which is `value`, was reached.
    #[cold]
    pub fn limit(limit: &'static str, value: u64) -> Self {
        Error::new(Reason::LimitExceeded, format!("the limit {limit} = {value} is reached"))
            .with("limit", limit)
            .with("value", value.to_string())
    }

    /// Adds a detail.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.metadata.push((Cow::Borrowed(name), value.into()));
        self
    }

    /// The detail of that name.
    pub fn detail(&self, name: &str) -> Option<&str> {
        self.metadata.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Says it in other words.
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }
}

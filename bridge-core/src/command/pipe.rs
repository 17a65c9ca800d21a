//! What can be asked of a pipe, and what it answers.

use crate::ids::{Handle, Token};
use crate::payload::Payload;
use crate::time::Timeout;

/// One of the two ends of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// Of a pipe that is not duplex, the one that receives.
    A,
    /// Of a pipe that is not duplex, the one that sends.
    B,
}

impl End {
    /// The one that receives what this one sends.
    pub fn other(self) -> End {
        match self {
            End::A => End::B,
            End::B => End::A,
        }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            End::A => "a",
            End::B => "b",
        })
    }
}

/// Options of a pipe; `None` is no opinion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// Both ends send and receive, unless declared otherwise.
    pub duplex: Option<bool>,
    /// How many messages wait for each end at most; 0 is unbounded.
    pub maxsize: Option<u64>,
    /// Deleted with the last session that uses it.
    pub ephemeral: Option<bool>,
}

/// What changes a pipe, or waits for it.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Command {
    Declare(Options),
    /// The caller's session has that end too, or the first one that nobody has had.
    Attach {
        end: Option<End>,
    },
    Send {
        end: End,
        payload: Payload,
        timeout: Timeout,
    },
    Receive {
        end: End,
        timeout: Timeout,
    },
    /// Waits until a receive would not.
    Poll {
        end: End,
        timeout: Timeout,
    },
    /// The session has attached the end once less; with the last of all sessions the end is closed.
    Close {
        end: End,
    },
}

/// What reads a pipe.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Query {
    Describe,
}

/// How an end stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Standing {
    /// How many sessions have it.
    pub sessions: u64,
    /// Whoever had it is gone.
    pub closed: bool,
    /// Messages that wait for it, those that are offered included.
    pub messages: u64,
}

/// A pipe in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Figures {
    pub options: Options,
    pub a: Standing,
    pub b: Standing,
}

/// What a pipe answers.
#[derive(Clone, Debug, PartialEq, Hash)]
#[allow(missing_docs)]
pub enum Reply {
    Declared {
        handle: Handle,
        options: Options,
    },
    Attached(End),
    Sent,
    /// A grant: the message is gone once it is accepted.
    Received {
        payload: Box<Payload>,
        token: Token,
    },
    /// False: the time was over.
    Polled(bool),
    /// False: the session did not have it.
    Closed(bool),
    /// Boxed: it is rare.
    Described(Box<Figures>),
}

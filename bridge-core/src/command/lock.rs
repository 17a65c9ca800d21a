//! What can be asked of a lock, and what it answers.

use std::time::Duration;

use crate::command::{OnDeadlock, Ownership};
use crate::ids::{Handle, Token};
use crate::time::Timeout;

/// Options of a lock; `None` is no opinion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// Owned by the participant, who may acquire it again. Else any participant of the session may release it.
    pub reentrant: Option<bool>,
    /// SESSION unless declared; NONE is for locks that are not reentrant.
    pub ownership: Option<Ownership>,
    /// A session other than the holder's may release it too; for locks that are not reentrant.
    pub foreign_release: Option<bool>,
    /// Deleted with the last session that uses it.
    pub ephemeral: Option<bool>,
    /// RAISE unless declared, REPORT if it is ephemeral.
    pub deadlock: Option<OnDeadlock>,
}

/// What changes a lock.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Command {
    Declare(Options),
    Acquire(Acquire),
    /// One level. With a token: of exactly that hold.
    Release {
        token: Option<Token>,
    },
    /// Its holder works on: the lease of that hold counts anew, with another duration if one is given.
    Extend {
        token: Token,
        lease: Option<Duration>,
    },
}

/// How a lock is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acquire {
    /// Past the line, if it is free.
    pub barge: bool,
    /// So long after its acceptance the hold is over, unless it is extended or acquired once more. `None`: it lasts as
    /// long as the session, or as an earlier level of it says.
    pub lease: Option<Duration>,
    /// How long it may wait.
    pub timeout: Timeout,
}

impl Acquire {
    /// In line, for as long as the session lives.
    pub const fn within(timeout: Timeout) -> Self {
        Acquire { barge: false, lease: None, timeout }
    }
}

/// What reads a lock.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Query {
    Describe,
}

/// What an acquire is granted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    /// The fencing token, the same for all levels of one hold.
    pub token: Token,
    /// The owner before ended without releasing it.
    pub abandoned: Option<Box<Abandoned>>,
}

/// Why a hold ended that was not released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// Its session was over.
    Session,
    /// Its lease was over, and its holder may not know yet.
    Lease,
}

/// A hold that ended and not by a release.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Abandoned {
    /// Why.
    pub cause: Cause,
    /// Its fencing token.
    pub token: Token,
    /// How long ago it ended.
    pub ago: Duration,
    /// The thread or task, for people.
    pub participant: String,
    /// Its session, for people: "label@host:pid".
    pub session: String,
}

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    /// The fencing token of the hold.
    pub token: Token,
    /// How often it was acquired and not released; 0 while it is an offer.
    pub levels: u32,
    /// Since it was granted.
    pub held_for: Duration,
    /// How long its lease goes on, if it has one that counts.
    pub lease: Option<Duration>,
    /// The thread or task, for people.
    pub participant: String,
    /// Its session, for people: "label@host:pid".
    pub session: String,
}

/// How a lock stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Figures {
    /// Its options.
    pub options: Options,
    /// Who has it.
    pub holder: Option<Holder>,
    /// The owner before ended without releasing it.
    pub abandoned: Option<Box<Abandoned>>,
    /// How many calls wait.
    pub waiting: u64,
}

/// What a lock answers.
#[derive(Clone, Debug, PartialEq, Hash)]
#[allow(missing_docs)]
pub enum Reply {
    Declared {
        handle: Handle,
        options: Options,
    },
    /// A grant.
    Acquired(Grant),
    Released,
    Extended,
    Described(Box<Figures>),
}

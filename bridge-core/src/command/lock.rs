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
    Acquire {
        /// Past the line, if it is free.
        barge: bool,
        timeout: Timeout,
    },
    /// One level. With a token: of exactly that hold.
    Release {
        token: Option<Token>,
    },
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

/// A hold that ended with its session and not by a release.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Abandoned {
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
    Described(Box<Figures>),
}

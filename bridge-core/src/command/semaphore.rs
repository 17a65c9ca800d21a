//! What can be asked of a semaphore, and what it answers.

use std::time::Duration;

use crate::command::OnDeadlock;
pub use crate::command::Ownership;
use crate::ids::{Handle, Token};
use crate::time::Timeout;

/// Options of a semaphore; `None` is no opinion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// Permits from the start; negative: signals that are missing. 1 unless declared.
    pub limit: Option<i64>,
    /// A release beyond the limit is an error.
    pub bounded: Option<bool>,
    /// SESSION unless declared.
    pub ownership: Option<Ownership>,
    /// Deleted with the last session that uses it.
    pub ephemeral: Option<bool>,
    /// Unless declared OFF while anybody holds a permit that others may release, else as for locks.
    pub deadlock: Option<OnDeadlock>,
}

/// Permits that are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Acquire {
    /// How many, all or none; at least 1.
    pub permits: u32,
    /// Returned by their token only.
    pub by_token: bool,
    /// Past the line.
    pub barge: bool,
    /// How long to wait.
    pub timeout: Timeout,
}

/// What changes a semaphore.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Command {
    Declare(Options),
    Acquire(Acquire),
    /// With a token: exactly that grant. Without: the caller's newest bare permits, else another's, else signals.
    Release {
        permits: u32,
        token: Option<Token>,
    },
    Drain,
    Reduce {
        permits: u32,
    },
    SetLimit {
        limit: i64,
    },
}

/// What reads a semaphore.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Query {
    Describe,
    /// Who holds permits, from the grant after `after` (which an earlier page answered with).
    Holders {
        page_size: u32,
        after: Option<Token>,
    },
}

/// What one acquire was granted and has not given back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    /// The fencing token of the grant.
    pub token: Token,
    /// How many permits are held under it.
    pub permits: u64,
    /// Returned by the token only.
    pub by_token: bool,
    /// Since it was granted.
    pub held_for: Duration,
    /// The thread or task, for people.
    pub participant: String,
    /// Its session, for people: "label@host:pid".
    pub session: String,
}

/// Who holds permits: the oldest grants first, at most a page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Holders {
    /// These.
    pub holders: Vec<Holder>,
    /// Where the next page begins, if there is one.
    pub next: Option<Token>,
}

/// A semaphore in figures: available = limit + signals − held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Figures {
    pub options: Options,
    pub available: i64,
    pub limit: i64,
    pub signals: i64,
    pub held: i64,
    pub waiting: u64,
}

/// What a semaphore answers.
#[derive(Clone, Debug, PartialEq, Hash)]
#[allow(missing_docs)]
pub enum Reply {
    Declared {
        handle: Handle,
        options: Options,
    },
    /// A grant.
    Acquired(Token),
    Released,
    /// A grant, unless it took nothing.
    Drained {
        drained: i64,
        token: Option<Token>,
    },
    Reduced,
    LimitSet,
    Described(Box<Figures>),
    Holders(Box<Holders>),
}

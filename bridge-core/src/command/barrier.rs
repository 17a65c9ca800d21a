//! What can be asked of a barrier, and what it answers.

use crate::ids::{Handle, Token};
use crate::time::Timeout;

/// Options of a barrier; `None` is no opinion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// How many wait for each other; at least 1.
    pub parties: Option<u32>,
    /// Deleted with the last session that uses it.
    pub ephemeral: Option<bool>,
}

/// What becomes of the others when a waiting call is cancelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnCancel {
    /// The barrier is broken.
    #[default]
    Break,
    /// The party has not arrived: they wait on for another.
    Leave,
}

/// Why a barrier is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The time of a party was over.
    TimedOut,
    /// Somebody aborted it.
    Aborted,
    /// Somebody reset it while parties were waiting.
    Reset,
    /// The session of a party ended while it waited, or ran the action.
    PartyLost,
    /// The call of a party was cancelled.
    Cancelled,
    /// The action failed.
    ActionFailed,
}

impl Cause {
    /// Its name as on the wire, without the prefix.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::TimedOut => "TIMED_OUT",
            Cause::Aborted => "ABORTED",
            Cause::Reset => "RESET",
            Cause::PartyLost => "PARTY_LOST",
            Cause::Cancelled => "CANCELLED",
            Cause::ActionFailed => "ACTION_FAILED",
        }
    }
}

/// An arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Arrive {
    /// A party whose time is over breaks the barrier.
    pub timeout: Timeout,
    /// The caller has an action that one party runs when all have arrived: the latest of those that have one.
    pub has_action: bool,
    /// If the call is cancelled.
    pub on_cancel: OnCancel,
}

/// What changes a barrier, or waits at it.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Command {
    Declare(Options),
    Wait(Arrive),
    /// How the action of that token went; an error breaks the barrier.
    ActionDone {
        action: Token,
        error: Option<String>,
    },
    Reset,
    Abort,
}

/// What reads a barrier.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Query {
    Describe,
}

/// A barrier in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Figures {
    pub options: Options,
    /// Parties that have arrived and wait.
    pub waiting: u64,
    /// How often the parties have gone on, or have been sent away.
    pub generation: u64,
    pub broken: Option<Cause>,
    /// All have arrived, and one runs the action.
    pub acting: bool,
}

/// The end of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Arrived {
    /// The order of arrival, from 0.
    pub index: u32,
    /// How often the parties had gone on before.
    pub generation: u64,
    /// All have arrived, and the caller is to run the action now and to say with this token how it went; the others
    /// wait for that.
    pub action: Option<Token>,
}

/// What a barrier answers.
#[derive(Clone, Debug, PartialEq, Hash)]
#[allow(missing_docs)]
pub enum Reply {
    Declared {
        handle: Handle,
        options: Options,
    },
    /// A grant where there is an action to run.
    Arrived(Arrived),
    /// Whether the parties have gone on.
    ActionDone {
        passed: bool,
    },
    Reset,
    Aborted,
    Described(Box<Figures>),
}

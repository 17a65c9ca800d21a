//! What can be asked of a timer, and what it answers.

use std::fmt;
use std::time::Duration;

use crate::command::queue::NewItem;
use crate::cron::Cron;
use crate::ids::{Handle, Name};

/// Options of a timer; `None` is no opinion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// Deleted with the last session that uses it, its schedule included.
    pub ephemeral: Option<bool>,
}

/// When a timer goes off.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Times {
    /// Once, so long after it was scheduled.
    After(Duration),
    /// Again and again, the first time so long after it was scheduled.
    Every(Duration),
    /// By the calendar, in UTC.
    Cron(Cron),
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Times::After(delay) => write!(f, "after {delay:?}"),
            Times::Every(period) => write!(f, "every {period:?}"),
            Times::Cron(cron) => write!(f, "cron {cron}"),
        }
    }
}

/// What becomes of a firing for which the engine came too late, or which the queue refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Missed {
    /// It is left out.
    Skip,
    /// However many were missed, one is made up for.
    #[default]
    Once,
    /// Each is made up for, within `timer_firings_max`.
    All,
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Missed::Skip => "skip",
            Missed::Once => "once",
            Missed::All => "all",
        })
    }
}

/// What a timer does when.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct Schedule {
    /// The queue that gets the items; created by the first one where it does not exist.
    pub queue: Name,
    /// What is put each time.
    pub item: NewItem,
    /// When.
    pub times: Times,
    /// What becomes of missed firings.
    pub missed: Missed,
}

/// What changes a timer.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Command {
    Declare(Options),
    /// `replace`: another schedule that it has makes room for this one.
    Schedule {
        schedule: Box<Schedule>,
        replace: bool,
    },
    /// Creates nothing.
    Cancel,
}

/// What reads a timer.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Query {
    Describe,
}

/// A timer in figures.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
pub struct Figures {
    /// As declared.
    pub options: Options,
    /// `None`: it has none, or its only firing is over.
    pub schedule: Option<Schedule>,
    /// Until it goes off by its schedule; `None` where it never will.
    pub next_in: Option<Duration>,
    /// Items put so far.
    pub fired: u64,
    /// Firings missed, made up for or not; of a long time without a server, at least as many.
    pub missed: u64,
    /// Firings that it still has to make up for.
    pub owed: u32,
    /// Why the queue refused the last firing that was refused.
    pub last_error: Option<String>,
}

/// A timer in a line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Listed {
    pub name: Name,
    pub queue: Name,
    pub times: Times,
    pub missed: Missed,
    /// As in [`Figures`].
    pub next_in: Option<Duration>,
}

/// A page of the timers that have a schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Page {
    /// By name.
    pub timers: Vec<Listed>,
    /// Whether there are more after the last of these.
    pub more: bool,
}

/// What a timer answers.
#[derive(Clone, Debug, PartialEq, Hash)]
#[allow(missing_docs)]
pub enum Reply {
    Declared {
        handle: Handle,
        options: Options,
    },
    Scheduled {
        /// It had this schedule already.
        existed: bool,
        next_in: Option<Duration>,
    },
    /// Whether it had a schedule.
    Cancelled(bool),
    /// Boxed: it is rare and large.
    Described(Box<Figures>),
    Listed(Page),
}

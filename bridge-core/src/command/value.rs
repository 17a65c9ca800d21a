//! What can be asked of a value and of a dict, and what they answer. A value is a dict with one entry, under the empty
//! key, which no dict has.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::command::list;
use crate::ids::{Handle, Token};
use crate::payload::Payload;
use crate::time::Timeout;

/// A floating-point number that is equal to itself, NaN included: by its bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Real(u64);

impl Real {
    /// As a number.
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl From<f64> for Real {
    fn from(number: f64) -> Self {
        Real(number.to_bits())
    }
}

impl fmt::Debug for Real {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// What is stored: a number, with which the engine can count, or anything else, into which it never looks.
#[derive(Clone, Debug, PartialEq, Hash)]
#[allow(missing_docs)]
pub enum Datum {
    Payload(Payload),
    Integer(i64),
    Real(Real),
}

impl Datum {
    /// How many bytes it retains.
    pub fn bytes_retained(&self) -> u64 {
        match self {
            Datum::Payload(payload) => payload.bytes_retained(),
            Datum::Integer(_) | Datum::Real(_) => 8,
        }
    }
}

impl From<Payload> for Datum {
    fn from(payload: Payload) -> Self {
        Datum::Payload(payload)
    }
}

impl From<i64> for Datum {
    fn from(number: i64) -> Self {
        Datum::Integer(number)
    }
}

impl From<f64> for Datum {
    fn from(number: f64) -> Self {
        Datum::Real(number.into())
    }
}

/// The number of a change, from the namespace's sequence of numbers: it only grows, and none is used twice. 0: nothing
/// there.
pub type Version = u64;

/// Something stored, and its version.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
pub struct Item {
    /// `None` if there is nothing, or it was not asked for.
    pub datum: Option<Datum>,
    /// Of its latest change; 0 if there is nothing.
    pub version: Version,
    /// Of the latest change of anything in the object. A watch after it misses nothing.
    pub as_of: Version,
}

/// Options of a value, list or dict; `None` is no opinion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// Deleted with the last session that uses it.
    pub ephemeral: Option<bool>,
}

/// Under which condition something is changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Guard {
    /// Only if this is the version now; 0: only if there is nothing.
    pub if_version: Option<Version>,
    /// Refused (`FENCED`) if a higher one was seen before.
    pub fence: Option<Token>,
}

/// How long something stays that is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lifetime {
    /// For good.
    #[default]
    Lasting,
    /// As long as what it replaces would have.
    Kept,
    /// Until its time is over, until the session that sets it ends, or whichever comes first.
    Limited {
        /// So long after it was set.
        ttl: Option<Duration>,
        /// With the session.
        bound: bool,
    },
}

/// What is set.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Write {
    pub datum: Datum,
    pub guard: Guard,
    pub lifetime: Lifetime,
}

/// What changes a value or dict, or waits for a change. The key of a value is empty.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Creates it.
    Declare(Options),
    /// Sets an entry.
    Set {
        /// Which.
        key: Bytes,
        /// To what; apart, as it is large.
        write: Box<Write>,
    },
    /// Deletes an entry.
    Delete {
        /// Which.
        key: Bytes,
        /// When.
        guard: Guard,
        /// The answer has what was there.
        returning: bool,
    },
    /// Adds to a number; what is absent counts as 0.
    Increment {
        /// Which.
        key: Bytes,
        /// A number.
        by: Datum,
        /// As in [`Guard`].
        fence: Option<Token>,
    },
    /// Deletes all entries.
    Clear {
        /// As in [`Guard`].
        fence: Option<Token>,
    },
    /// Waits for a change newer than `after`; 0: until there is something.
    Watch {
        /// Of that entry; `None`: of any.
        key: Option<Bytes>,
        /// Of which version the caller knows.
        after: Version,
        /// How long.
        timeout: Timeout,
    },
}

/// What reads a value or dict.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Query {
    Get {
        key: Bytes,
        version_only: bool,
    },
    /// Entries in the order of their keys, from the one after `after`.
    Items {
        page_size: u32,
        after: Option<Bytes>,
        keys_only: bool,
    },
    Describe,
}

/// An entry of a dict.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct Entry {
    /// Its key.
    pub key: Bytes,
    /// `None` where only keys are asked for.
    pub datum: Option<Datum>,
    /// Of its latest change.
    pub version: Version,
    /// What remains of its time, if that ends.
    pub remaining: Option<Duration>,
    /// It goes with a session.
    pub bound: bool,
}

/// A page of a dict.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
pub struct Page {
    /// In the order of their keys.
    pub entries: Vec<Entry>,
    /// Whether there are more after the last of these.
    pub more: bool,
    /// Of the latest change of anything in the dict.
    pub as_of: Version,
}

/// A value, list or dict in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Figures {
    pub options: Options,
    /// Entries or items.
    pub length: u64,
    /// Of the latest change; 0 before the first.
    pub version: Version,
    /// Bytes of data and keys.
    pub bytes: u64,
    /// Calls that wait for a change.
    pub waiting: u64,
}

/// What a value, list or dict answers.
#[derive(Clone, Debug, PartialEq, Hash)]
#[allow(missing_docs)]
pub enum Reply {
    Declared {
        handle: Handle,
        options: Options,
    },
    /// Done: the new version, without the datum. Not done: what is there.
    Set {
        done: bool,
        item: Box<Item>,
    },
    /// Done: what was there, where that was asked for. Not done: what is there.
    Deleted {
        done: bool,
        item: Box<Item>,
    },
    Incremented(Box<Item>),
    /// How many there were.
    Cleared(u64),
    /// The end of a watch; `changed` is false where its time was over. Of a whole dict, or a list, without data.
    Watched {
        changed: bool,
        item: Box<Item>,
    },
    Got(Box<Item>),
    Items(Box<Page>),
    Described(Box<Figures>),
    /// A part of a list.
    Read(Box<list::Page>),
    Spliced(Box<list::Spliced>),
}

//! What can be asked of a list. It answers with [`Reply`](crate::command::value::Reply), as a value does.

use crate::command::value::{Datum, Guard, Options, Version};
use crate::ids::Token;
use crate::time::Timeout;

/// One part of a list replaced by other items: what appends, inserts, pops and sets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Splice {
    /// Where; negative counts from the end; `None` is the end.
    pub start: Option<i64>,
    /// How many items go.
    pub remove: u64,
    /// What comes in their place.
    pub items: Vec<Datum>,
    /// `start` and all that is to be removed must be there, else nothing is done. Otherwise both are cut to what is
    /// there, as in Python's slices.
    pub exact: bool,
    /// The version is that of the whole list.
    pub guard: Guard,
    /// The answer has what was removed.
    pub returning: bool,
}

/// What changes a list, or waits for a change.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Command {
    Declare(Options),
    Splice(Box<Splice>),
    /// Adds to a number; a negative index counts from the end.
    Increment {
        index: i64,
        by: Datum,
        fence: Option<Token>,
    },
    Clear {
        fence: Option<Token>,
    },
    /// Waits for a change newer than `after`; 0: until there has been one.
    Watch {
        after: Version,
        timeout: Timeout,
    },
}

/// What reads a list.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Query {
    /// Negative counts from the end.
    Read {
        start: i64,
        page_size: u32,
        /// Nothing is read unless `start` is the index of an item. Otherwise it is cut to what is there.
        exact: bool,
    },
    Describe,
}

/// A part of a list.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
pub struct Page {
    /// In order.
    pub items: Vec<Datum>,
    /// The index of the first of them.
    pub start: u64,
    /// The length of the whole list.
    pub length: u64,
    /// The list's version.
    pub version: Version,
}

/// What a splice did.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
pub struct Spliced {
    /// False where another version was found than expected, or not all is there that must be: nothing was changed.
    pub done: bool,
    /// What was removed, where that was asked for.
    pub removed: Vec<Datum>,
    /// The length now.
    pub length: u64,
    /// The version now.
    pub version: Version,
}

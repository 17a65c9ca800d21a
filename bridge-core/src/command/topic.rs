//! What can be asked of a topic, and what it answers.

use crate::command::queue::NewItem;
use crate::ids::{Handle, ItemId, Name, Target};

/// Options of a topic; `None` is no opinion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// Deleted, with its bindings, with the last session that uses it.
    pub ephemeral: Option<bool>,
}

/// An item for every queue that is bound for its key.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    /// May be empty.
    pub key: String,
    /// Each queue gets its own; without a dedupe key.
    pub item: NewItem,
}

/// What changes a topic.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Command {
    Declare(Options),
    Bind {
        queue: Target,
        /// The keys of what it gets: each `*` stands for any number of characters, or none.
        pattern: String,
    },
    Unbind {
        queue: Name,
        pattern: String,
    },
    /// To all of them in one step, or to none. It never waits.
    Publish(Box<Publish>),
}

/// That a queue gets what is published with certain keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Binding {
    /// Which keys.
    pub pattern: String,
    /// Which queue.
    pub queue: Name,
}

/// What reads a topic.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Query {
    Describe,
    /// Its bindings by pattern and queue, from the one after `after`.
    ListBindings {
        page_size: u32,
        after: Option<Binding>,
    },
}

/// A topic in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Figures {
    pub options: Options,
    /// Those of queues that are gone are not among them.
    pub bindings: u64,
}

/// A queue that an item was published to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reached {
    /// Which queue.
    pub queue: Name,
    /// The item there.
    pub id: ItemId,
}

/// What a topic answers.
#[derive(Clone, Debug, PartialEq, Hash)]
#[allow(missing_docs)]
pub enum Reply {
    Declared {
        handle: Handle,
        options: Options,
    },
    /// False: it was bound so before.
    Bound(bool),
    /// False: it was not bound so.
    Unbound(bool),
    Published(Vec<Reached>),
    Described(Figures),
    Bindings {
        bindings: Vec<Binding>,
        /// There are more after the last one.
        more: bool,
    },
}

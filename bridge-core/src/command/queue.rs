//! What can be asked of a queue, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::ids::{Handle, ItemId, Name, Target, Token};
use crate::payload::Payload;
use crate::time::Timeout;

/// In which order items leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Discipline {
    /// In order of arrival.
    #[default]
    Fifo,
    /// The latest first.
    Lifo,
    /// The smallest key first, equal keys in order of arrival.
    Priority,
}

/// Options of a queue; `None` is no opinion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// FIFO unless declared.
    pub discipline: Option<Discipline>,
    /// How many items it holds at most of those that the bound counts; 0 is unbounded.
    pub maxsize: Option<u64>,
    /// How many bytes these may retain, payloads and headers; 0 is unbounded.
    pub max_bytes: Option<u64>,
    /// Which items these are; those that are READY or DELAYED unless declared.
    pub bound: Option<Bound>,
    /// After how many deliveries without an ack an item is a dead letter; 0 is never.
    pub max_deliveries: Option<u32>,
    /// The queue that receives dead letters.
    pub dead_letters: Option<Name>,
    /// Deleted with the last session that uses it.
    pub ephemeral: Option<bool>,
    /// A join ends with `JOIN_INCOMPLETE` once only lost items are left, as it does unless declared otherwise; if not, it
    /// waits for them too, as in the standard library.
    pub robust: Option<bool>,
}

/// Which items the bounds of a queue count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bound {
    /// Those that are READY or DELAYED, as the standard library does.
    #[default]
    Waiting,
    /// Those that are OFFERED or LEASED too.
    Unfinished,
}

/// A priority key: encoded so that keys compare as their bytes do. Most items have none, which is the empty one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Option<Arc<[u8]>>);

impl std::ops::Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl<T: AsRef<[u8]>> From<T> for Key {
    fn from(bytes: T) -> Self {
        let bytes = bytes.as_ref();
        Key((!bytes.is_empty()).then(|| bytes.into()))
    }
}

/// An item on its way in.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
pub struct NewItem {
    /// What it carries.
    pub payload: Payload,
    /// Of a priority queue.
    pub key: Key,
    /// What few items have; `None` is the ordinary case and costs nothing.
    pub attributes: Option<Box<Attributes>>,
}

impl NewItem {
    /// An item with nothing but its payload.
    pub fn new(payload: Payload) -> Self {
        NewItem { payload, key: Key::default(), attributes: None }
    }

    /// The same with other attributes.
    pub fn with(self, attributes: Attributes) -> Self {
        NewItem { attributes: Some(Box::new(attributes)), ..self }
    }
}

/// What few items have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// How long it is DELAYED, from its admission, before it is READY.
    pub delay: Duration,
    /// It expires unless it has been taken that long after its admission; more than zero.
    pub ttl: Option<Duration>,
    /// At most one item of its key is to be there; in a put of one item only.
    pub dedupe: Option<Dedupe>,
    /// At most one item of its group is OFFERED or LEASED at a time, in the order of the queue; at least one byte.
    pub group: Option<Arc<str>>,
    /// Where it comes in, if not at the back; the front in FIFO queues only.
    pub end: Option<End>,
}

/// What makes an item a duplicate of an earlier one of its queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dedupe {
    /// Items of equal keys are the same; at least one byte.
    pub key: Bytes,
    /// The same for all items of a key.
    pub scope: Scope,
    /// A duplicate fails with `DUPLICATE`; if not, it is answered with the id of the one that was there first.
    pub refuse: bool,
}

/// How long an item is in the way of others of its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    /// While it is READY or DELAYED.
    #[default]
    Queued,
    /// Until it is gotten, acknowledged or dead.
    Unfinished,
    /// For so long after its admission; more than zero.
    Window(Duration),
}

/// Whether a taken item is gone once accepted, or comes back unless acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Gone once the caller has accepted it.
    Get,
    /// Held by the session under a token until ack, nack or reject.
    Lease,
}

/// How many items to take in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Batch {
    /// At most this many; at least 1.
    pub max: u32,
    /// On timeout this many will do; at least 1, at most `max`.
    pub min: u32,
    /// How long to wait for `max` once `min` are READY.
    pub linger: Duration,
}

impl Batch {
    /// A single item.
    pub const ONE: Batch = Batch { max: 1, min: 1, linger: Duration::ZERO };
}

/// What to take, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Taking {
    /// For good, or leased.
    pub mode: Mode,
    /// How many.
    pub batch: Batch,
    /// How long each lease may last, from its acceptance.
    pub max_hold: Option<Duration>,
    /// From which end; the back in FIFO queues only.
    pub end: End,
    /// One item ahead of need: it stays OFFERED until its consumer takes it, and is recalled where somebody else waits.
    /// Whoever waits is served before it, until [`crate::Command::Hasten`] says that its consumer waits too. On a
    /// session's stream only, and without a timeout.
    pub prefetch: bool,
}

impl Taking {
    /// The next ones out.
    pub fn new(mode: Mode, batch: Batch) -> Self {
        Taking { mode, batch, max_hold: None, end: End::Front, prefetch: false }
    }
}

/// An end of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// Where items leave unless asked otherwise.
    Front,
    /// Where they come in.
    Back,
}

/// Where a nacked item re-enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reentry {
    /// At its old position.
    Place,
    /// Next out among equal keys.
    Front,
    /// As a new arrival.
    Back,
}

/// Some items of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// All that there are.
    All,
    /// The first ones, at most so many; at least 1.
    First(u64),
    /// Those that are there of these.
    Ids(Vec<ItemId>),
}

/// Dead letters that are to be processed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    /// Of the DEAD items, oldest first, and then of what came here as a dead letter and waits, in order.
    pub which: Which,
    /// The queue that they go to; back to where they died if none is named.
    pub to: Option<Target>,
}

/// Waiting items that are to go to another queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Of what is READY, in the order in which it would leave, and then of what is DELAYED, in the order of its puts;
    /// `All` are as many as go in one batch.
    pub which: Which,
    /// The queue that they go to; another one.
    pub to: Target,
}

/// What changes a queue.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Command {
    /// Creates it, checks the options, answers with a handle and all options.
    Declare(Options),
    Put {
        item: NewItem,
        timeout: Timeout,
    },
    /// All or none.
    PutMany {
        items: Vec<NewItem>,
        timeout: Timeout,
    },
    Take {
        taking: Taking,
        timeout: Timeout,
    },
    Ack {
        tokens: Vec<Token>,
    },
    Nack {
        tokens: Vec<Token>,
        reentry: Reentry,
        /// How long they are DELAYED before they are READY again.
        delay: Duration,
        error: String,
    },
    /// Leases are worked on still.
    Extend {
        tokens: Vec<Token>,
        /// Instead of what each has; it counts anew from now on.
        max_hold: Option<Duration>,
        /// How far the work is, in words.
        progress: Option<String>,
    },
    Reject {
        tokens: Vec<Token>,
        reason: String,
    },
    TaskDone {
        count: u64,
    },
    Join {
        timeout: Timeout,
    },
    /// Items that sessions had gotten and not done when they ended count as done.
    Forgive,
    /// READY and DELAYED items only; says which went.
    Remove {
        ids: Vec<ItemId>,
    },
    Purge,
    /// Several dead letters in one step; says how many.
    Redrive(Box<Redrive>),
    /// All of them in one step, or none; says which. It never waits.
    Move(Box<Move>),
    Shutdown {
        immediate: bool,
    },
}

/// Which items to browse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shelf {
    /// Those waiting, in the order in which they would leave.
    Ready,
    /// Those whose time has not come, in the order in which they were put.
    Delayed,
    /// Dead letters that stay in this queue, oldest first.
    Dead,
}

/// What reads a queue.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Query {
    Describe,
    /// From the item after `after` (a token that an earlier page answered with).
    Browse {
        shelf: Shelf,
        page_size: u32,
        after: Option<Cursor>,
    },
}

/// A place in a browse: the position of the last item seen. Opaque outside.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The priority key of that item.
    pub key: Key,
    /// Its arrival.
    pub arrival: i64,
}

/// A taken item.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct Delivery {
    /// Which item.
    pub id: ItemId,
    /// What it carries.
    pub payload: Payload,
    /// Its priority key.
    pub key: Key,
    /// The token of this delivery.
    pub token: Token,
    /// 1 for the first; grows whenever an accepted delivery ends without an ack.
    pub attempt: u32,
    /// How long it has been in the queue.
    pub age: Duration,
}

/// What was taken, and how.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct Taken {
    /// Gotten or leased.
    pub mode: Mode,
    /// In the order of the queue; at least one.
    pub deliveries: Deliveries,
}

/// Taken items. One is the ordinary case.
pub type Deliveries = SmallVec<[Delivery; 1]>;

/// An item as a browse shows it.
#[derive(Clone, Debug, PartialEq, Hash)]
#[allow(missing_docs)]
pub struct Browsed {
    pub id: ItemId,
    pub payload: Payload,
    pub key: Key,
    pub shelf: Shelf,
    /// Deliveries accepted so far.
    pub attempts: u32,
    pub age: Duration,
    /// How long it is DELAYED still.
    pub ready_in: Option<Duration>,
    /// How long until it expires.
    pub expires_in: Option<Duration>,
    /// Dead letters: why.
    pub dead_reason: Option<String>,
    /// Dead letters of another queue: which.
    pub dead_from: Option<Name>,
    /// Dead letters: since when.
    pub dead_for: Option<Duration>,
    /// The last error that a consumer gave.
    pub last_error: Option<String>,
    /// How far the work on it was when a consumer last told.
    pub progress: Option<String>,
    /// Its group.
    pub group: Option<Arc<str>>,
    /// The sessions that had it without an ack or died while it was offered to them: "label@host:pid", the first
    /// ones first.
    pub consumers: Vec<String>,
}

/// A queue in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Figures {
    pub options: Options,
    pub ready: u64,
    /// Of those that are READY: how many wait for another one of their group.
    pub held_back: u64,
    pub delayed: u64,
    pub offered: u64,
    pub leased: u64,
    pub dead: u64,
    /// Items that have expired here so far, whatever became of them.
    pub expired: u64,
    pub unfinished: u64,
    /// Those of them that were gotten by sessions that are over.
    pub lost: u64,
    pub waiting_to_get: u64,
    pub waiting_to_put: u64,
    pub shut_down: bool,
}

/// What a queue answers.
#[derive(Clone, Debug, PartialEq, Hash)]
#[allow(missing_docs)]
pub enum Reply {
    Declared {
        handle: Handle,
        options: Box<Options>,
    },
    Put(ItemId),
    /// To a put: nothing was put, this one was there first.
    Duplicate(ItemId),
    PutMany(Vec<ItemId>),
    /// A grant.
    Taken(Box<Taken>),
    Acked,
    Nacked,
    Rejected,
    Extended,
    TaskDone,
    Joined,
    /// How many were written off.
    Forgiven(u64),
    Removed(Vec<ItemId>),
    Purged(u64),
    Redriven {
        /// How many wait again.
        count: u64,
        /// How many stay, as their queue is gone or was shut down.
        stayed: u64,
    },
    Moved(Vec<ItemId>),
    ShutDown,
    /// Boxed: it is rare, and the largest by far.
    Described(Box<Figures>),
    Browsed {
        items: Vec<Browsed>,
        next: Option<Box<Cursor>>,
    },
}

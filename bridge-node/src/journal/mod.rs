//! The journal: a log of what changed an engine, behind a small trait.
//!
//! The trait neither blocks nor is async: the node submits what it has executed, and what came of it leaves
//! once the watermark [`Journal::durable`] has reached that position. The engine does not know which journal
//! there is. An engine whose journal is lost is thrown away and loaded again, never rolled back.

mod noop;
mod recording;

use bridge_core::command::{Effect, Input};
use bridge_core::limits::Limits as EngineLimits;
use bridge_core::{Engine, Time};
use bytes::Bytes;

pub use noop::Noop;
pub use recording::Recording;

/// The version of the engine's rules: an entry is executed again by the rules that it was written under.
pub const RULES_VERSION: u32 = 1;

/// A place in the log; the first entry is at 1, and 0 is before all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// A tenure of one writer. Each [`Journal::acquire`] begins a higher one and fences those before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// A payload that the journal keeps beside its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayloadId(pub u64);

/// What the engine needs to do it again: the time and the input.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When it was executed.
    pub at: Time,
    /// What was executed.
    pub input: Input,
}

/// An entry as it stands in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Where.
    pub position: Position,
    /// Who wrote it.
    pub epoch: Epoch,
    /// Under which rules.
    pub rules: u32,
    /// What.
    pub entry: Entry,
}

/// A state of the engine that stands for all entries up to a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The last entry that it covers.
    pub position: Position,
    /// Under which rules it was made.
    pub rules: u32,
    /// The encoded state.
    pub state: Bytes,
}

/// What a journal can hold; feeds the engine's limits, so that what cannot be kept is refused at put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one payload.
    pub payload_bytes_max: u64,
}

/// The journal cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Another writer has taken over.
    #[error("another writer took the journal over at epoch {}", .0.0)]
    Fenced(Epoch),
    /// What is stored is not what was written.
    #[error("the journal is damaged at position {}: {what}", at.0)]
    Damaged {
        /// Where.
        at: Position,
        /// What was found.
        what: String,
    },
    /// It cannot be read or written.
    #[error("the journal is not available: {0}")]
    Unavailable(String),
}

/// What a journal calls when its watermark has moved.
pub type Waker = Box<dyn Fn() + Send + Sync>;

/// A log of commands.
pub trait Journal: Send + Sync {
    /// Whether entries are kept at all. Where not, the node does not even make them.
    fn keeps(&self) -> bool;

    /// Begins a tenure, which fences every earlier writer.
    fn acquire(&self) -> Result<Epoch, Failure>;

    /// Appends `entries` in order and answers with the last one's position. Does not wait; a failure shows in
    /// [`Journal::durable`].
    fn submit(&self, epoch: Epoch, entries: Vec<Entry>) -> Position;

    /// The watermark: all entries up to here are safe.
    fn durable(&self) -> Result<Position, Failure>;

    /// Calls `waker` after each move of the watermark, with no lock held.
    fn on_durable(&self, waker: Waker);

    /// Makes what was submitted durable; the calling thread may do the work itself.
    fn flush(&self);

    /// What it can hold.
    fn limits(&self) -> Limits;

    /// Stores a payload beside the entries that will refer to it.
    fn put_payload(&self, bytes: Bytes) -> Result<PayloadId, Failure>;

    /// A payload stored before.
    fn read_payload(&self, id: PayloadId) -> Result<Bytes, Failure>;

    /// No entry after the latest snapshot refers to it any more.
    fn drop_payload(&self, id: PayloadId);

    /// All records from `from` on, in order.
    fn read(&self, from: Position) -> Result<Vec<Record>, Failure>;

    /// Stores a snapshot; the latest one counts.
    fn put_snapshot(&self, snapshot: Snapshot) -> Result<(), Failure>;

    /// The latest snapshot.
    fn snapshot(&self) -> Result<Option<Snapshot>, Failure>;

    /// Forgets the entries up to and including `position`, which a snapshot covers.
    fn trim(&self, position: Position);
}

/// The first token of an engine that starts at `now`, which is unix seconds × 2^30, fractions of a second included: above
/// every one that an earlier engine can have given out, as long as that gave out less than 2^30 in a second, on average.
pub fn first_token(now: Time) -> u64 {
    let first = (u128::from(now.micros) << 30) / 1_000_000;
    u64::try_from(first).unwrap_or(u64::MAX)
}

/// The engine as it stood after `records`, which start at the first; what it answered goes to `seen`.
pub fn replay(records: &[Record], mut seen: impl FnMut(&Input, &[Effect])) -> Option<Engine> {
    let first = records.first()?;
    let mut engine = Engine::new(first_token(first.entry.at), EngineLimits::default());
    let mut effects = Vec::new();
    for record in records {
        engine.handle(record.entry.at, record.entry.input.clone(), &mut effects);
        seen(&record.entry.input, &effects);
        effects.clear();
    }
    Some(engine)
}

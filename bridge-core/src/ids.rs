//! Identities: newtypes, so that no two numbers can be mistaken for each other.

use std::fmt;
use std::sync::Arc;

use crate::error::Error;
use crate::limits::NAME_BYTES_MAX;

/// A session's public identity: 128 random bits made by the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u128);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What proves that a session is the caller's own. Never printed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Secret(pub u128);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The engine's own name for a session: a slot and the generation of its use. What is addressed by a key
/// of an ended session finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    /// The slot in the engine's table.
    pub slot: u32,
    /// How often the slot had been used before.
    pub generation: u32,
}

/// The number of a command in its session, made by the client; at least 1. Numbers may arrive in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Op(pub u64);

impl Op {
    /// From here up the node numbers the commands that came without a number of their own.
    pub const FIRST_OF_NODE: Op = Op(1 << 63);
}

/// A run of op numbers, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpRange {
    /// The lowest.
    pub first: Op,
    /// The highest; not below `first`.
    pub last: Op,
}

/// Somebody in a session who holds or waits (a thread, a task), numbered by the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParticipantId(pub u32);

/// A fencing token: strictly increasing per namespace, below 2^63.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// An item of a namespace's queues; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(pub u64);

/// Stands for an object once its name has been resolved. Never 0 on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle {
    /// The slot in the engine's table of objects of that kind.
    pub slot: u32,
    /// How often the slot had been used, from 1.
    pub generation: u32,
}

impl Handle {
    /// The wire form: generation above slot.
    pub fn to_u64(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    /// From the wire form; `None` for 0, which stands for "by name".
    pub fn from_u64(raw: u64) -> Option<Self> {
        (raw != 0).then_some(Handle { slot: raw as u32, generation: (raw >> 32) as u32 })
    }
}

/// A valid object or namespace name: 1–255 bytes of UTF-8 without control characters or `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// Checks `name`; `field` is what the error calls it.
    pub fn parse(field: &'static str, name: &str) -> Result<Self, Error> {
        if name.is_empty() {
            return Err(Error::invalid(
                field,
                format!("{field} is empty; give a name of 1 to {NAME_BYTES_MAX} bytes"),
            ));
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(Error::limit("name_bytes_max", NAME_BYTES_MAX as u64).with_message(format!(
                "{field} has {} bytes; at most {NAME_BYTES_MAX} are allowed",
                name.len()
            )));
        }
        if let Some(bad) = name.chars().find(|c| c.is_control() || *c == '/') {
            return Err(Error::invalid(
                field,
                format!("{field} contains {bad:?}; control characters and '/' are not allowed in names"),
            ));
        }
        Ok(Name(name.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The kinds of objects; with the name the key of an object in its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// FIFO, LIFO or priority.
    Queue,
    /// A flag to wait for.
    Event,
    /// Permits and signals.
    Semaphore,
    /// At most one holder.
    Lock,
    /// One writer, or many readers.
    RwLock,
    /// Waiting for a notification, with a lock.
    Condition,
    /// So many wait for each other.
    Barrier,
    /// Counted down once.
    Latch,
    /// One value.
    Value,
    /// Values by index.
    List,
    /// Values by key.
    Dict,
    /// Puts items at their times.
    Timer,
    /// Puts items into the queues that are bound to it.
    Topic,
    /// Two ends that send to each other.
    Pipe,
}

impl Kind {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Kind; 14] = [
        Kind::Queue,
        Kind::Event,
        Kind::Semaphore,
        Kind::Lock,
        Kind::RwLock,
        Kind::Condition,
        Kind::Barrier,
        Kind::Latch,
        Kind::Value,
        Kind::List,
        Kind::Dict,
        Kind::Timer,
        Kind::Topic,
        Kind::Pipe,
    ];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Queue => "queue",
            Kind::Event => "event",
            Kind::Semaphore => "semaphore",
            Kind::Lock => "lock",
            Kind::RwLock => "rwlock",
            Kind::Condition => "condition",
            Kind::Barrier => "barrier",
            Kind::Latch => "latch",
            Kind::Value => "value",
            Kind::List => "list",
            Kind::Dict => "dict",
            Kind::Timer => "timer",
            Kind::Topic => "topic",
            Kind::Pipe => "pipe",
        })
    }
}

/// Which object a command means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// By name; a command creates it if need be.
    Name(Name),
    /// By name, and nothing is created: `OBJECT_GONE` if there is no such object.
    Existing(Name),
    /// By the handle that Declare answered with. `OBJECT_GONE` if there is no such object any more.
    Handle(Handle),
}

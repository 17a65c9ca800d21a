//! No journal: everything is as durable as it will ever be, at once.

use bytes::Bytes;

use super::{Entry, Epoch, Failure, Journal, Limits, PayloadId, Position, Record, Snapshot, Waker};

/// Keeps nothing; not a log in memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noop;

impl Noop {
    fn nothing<T>() -> Result<T, Failure> {
        Err(Failure::Unavailable("nothing is kept: there is no journal".into()))
    }
}

impl Journal for Noop {
    fn keeps(&self) -> bool {
        false
    }

    fn acquire(&self) -> Result<Epoch, Failure> {
        Ok(Epoch(1))
    }

    fn submit(&self, _epoch: Epoch, _entries: Vec<Entry>) -> Position {
        Position::default()
    }

    fn durable(&self) -> Result<Position, Failure> {
        Ok(Position(u64::MAX))
    }

    fn on_durable(&self, _waker: Waker) {}

    fn flush(&self) {}

    fn limits(&self) -> Limits {
        Limits { payload_bytes_max: u64::MAX }
    }

    fn put_payload(&self, _bytes: Bytes) -> Result<PayloadId, Failure> {
        Noop::nothing()
    }

    fn read_payload(&self, _id: PayloadId) -> Result<Bytes, Failure> {
        Noop::nothing()
    }

    fn drop_payload(&self, _id: PayloadId) {}

    fn read(&self, _from: Position) -> Result<Vec<Record>, Failure> {
        Ok(Vec::new())
    }

    fn put_snapshot(&self, _snapshot: Snapshot) -> Result<(), Failure> {
        Noop::nothing()
    }

    fn snapshot(&self) -> Result<Option<Snapshot>, Failure> {
        Ok(None)
    }

    fn trim(&self, _position: Position) {}
}

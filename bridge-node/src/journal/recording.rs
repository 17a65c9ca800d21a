//! A journal in memory, for tests: what it recorded replays to the same state, and its watermark can be held.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{
    Entry, Epoch, Failure, Journal, Limits, PayloadId, Position, RULES_VERSION, Record, Snapshot, Waker,
};

/// Keeps everything in memory. Clones share one log, as a log on disk would be shared by a restart.
#[derive(Clone, Default)]
pub struct Recording {
    log: Arc<Mutex<Log>>,
    /// Shared with the callers of [`Journal::flush`], so that it is called without the lock.
    waker: Arc<Mutex<Option<Arc<Waker>>>>,
}

#[derive(Default)]
struct Log {
    epoch: Epoch,
    records: Vec<Record>,
    trimmed: u64,
    durable: Position,
    held: bool,
    fenced: Option<Failure>,
    payloads: BTreeMap<PayloadId, Bytes>,
    payloads_made: u64,
    snapshot: Option<Snapshot>,
}

impl Log {
    fn last(&self) -> Position {
        Position(self.trimmed + self.records.len() as u64)
    }
}

impl Recording {
    /// An empty log.
    pub fn new() -> Self {
        Recording::default()
    }

    /// The watermark stays where it is until [`Recording::let_go`].
    pub fn hold(&self) {
        self.log.lock().held = true;
    }

    /// The watermark moves again, at once.
    pub fn let_go(&self) {
        self.log.lock().held = false;
        self.flush();
    }

    /// The writer dies: of what is not durable yet the first `survive` entries are found again, and the rest is lost.
    pub fn crash(&self, survive: usize) {
        let mut log = self.log.lock();
        let kept = log.durable.0.saturating_sub(log.trimmed) as usize + survive;
        log.records.truncate(kept);
        *self.waker.lock() = None;
    }

    /// All records that were not trimmed.
    pub fn records(&self) -> Vec<Record> {
        self.log.lock().records.clone()
    }
}

impl Journal for Recording {
    fn keeps(&self) -> bool {
        true
    }

    fn acquire(&self) -> Result<Epoch, Failure> {
        let mut log = self.log.lock();
        log.epoch.0 += 1;
        log.fenced = None;
        log.durable = log.last();
        Ok(log.epoch)
    }

    fn submit(&self, epoch: Epoch, entries: Vec<Entry>) -> Position {
        let mut log = self.log.lock();
        if epoch != log.epoch {
            let current = log.epoch;
            log.fenced = Some(Failure::Fenced(current));
            return log.last();
        }
        for entry in entries {
            let position = Position(log.last().0 + 1);
            log.records.push(Record { position, epoch, rules: RULES_VERSION, entry });
        }
        log.last()
    }

    fn durable(&self) -> Result<Position, Failure> {
        let log = self.log.lock();
        log.fenced.clone().map_or(Ok(log.durable), Err)
    }

    fn on_durable(&self, waker: Waker) {
        *self.waker.lock() = Some(Arc::new(waker));
    }

    fn flush(&self) {
        {
            let mut log = self.log.lock();
            if log.held || log.durable == log.last() {
                return;
            }
            log.durable = log.last();
        }
        let waker = self.waker.lock().clone();
        if let Some(waker) = waker {
            waker();
        }
    }

    fn limits(&self) -> Limits {
        Limits { payload_bytes_max: u64::MAX }
    }

    fn put_payload(&self, bytes: Bytes) -> Result<PayloadId, Failure> {
        let mut log = self.log.lock();
        log.payloads_made += 1;
        let id = PayloadId(log.payloads_made);
        log.payloads.insert(id, bytes);
        Ok(id)
    }

    fn read_payload(&self, id: PayloadId) -> Result<Bytes, Failure> {
        let log = self.log.lock();
        log.payloads
            .get(&id)
            .cloned()
            .ok_or_else(|| Failure::Damaged { at: log.last(), what: format!("payload {} is missing", id.0) })
    }

    fn drop_payload(&self, id: PayloadId) {
        self.log.lock().payloads.remove(&id);
    }

    fn read(&self, from: Position) -> Result<Vec<Record>, Failure> {
        let log = self.log.lock();
        Ok(log.records.iter().filter(|record| record.position >= from).cloned().collect())
    }

    fn put_snapshot(&self, snapshot: Snapshot) -> Result<(), Failure> {
        self.log.lock().snapshot = Some(snapshot);
        Ok(())
    }

    fn snapshot(&self) -> Result<Option<Snapshot>, Failure> {
        Ok(self.log.lock().snapshot.clone())
    }

    fn trim(&self, position: Position) {
        let mut log = self.log.lock();
        let before = log.records.len();
        log.records.retain(|record| record.position > position);
        log.trimmed += (before - log.records.len()) as u64;
    }
}

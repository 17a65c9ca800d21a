//! How often each rule and each kind of race was reached. What no seed reaches is a gap.

use std::collections::BTreeMap;
use std::fmt;

/// All that there is to reach.
pub const EXPECTED: &[&str] = &[
    // What is built on queues.
    "group: an item follows on one that was acked",
    "group: an item follows on one that was gotten",
    "group: an item that was given back comes again, alone",
    "group: an item that was given back is before those behind it",
    "group: an item that was given back with a delay is before those behind it",
    "journal: an item is found where it was moved to",
    "journal: an item that was prefetched is recalled",
    "journal: what is published reaches all who are bound",
    "pieces: of a command",
    "pieces: of an answer",
    "pipe: a message is refused",
    "pipe: a poll finds nothing",
    "pipe: a poll finds something",
    "pipe: a send ends as the other end is closed",
    "pipe: a send ends as there is no room",
    "pipe: an end is attached",
    "pipe: an end is closed",
    "pipe: its end is told",
    "pipe: received",
    "pipe: sent",
    "prefetch: a take ends, recalled or withdrawn",
    "prefetch: an item is taken",
    "prefetch: what is recalled goes back",
    "prefetch: what is recalled is in its consumer's hand",
    "queue: a dead letter is taken",
    "queue: a dead letter says that it was rejected",
    "queue: a dead letter says that it was tried too often",
    "timer: a firing was refused",
    "timer: a missed firing is left out",
    "timer: cancelled",
    "timer: each that was missed is put",
    "timer: it has this schedule already",
    "timer: it was over",
    "timer: one is put for those that were missed",
    "timer: one that goes off by the calendar has put",
    "timer: one that goes off every so often has put",
    "timer: one that goes off once has put",
    "timer: scheduled",
    "topic: a publish ends otherwise",
    "topic: a queue is bound",
    "topic: a queue is unbound",
    "topic: a queue was bound so before",
    "topic: a queue was not bound so",
    "topic: nobody is bound for what is published",
    "topic: nothing is published, as one has no room",
    "topic: published to one",
    "topic: published to several",
    "transfer: a move fails otherwise",
    "transfer: a redrive fails",
    "transfer: moved",
    "transfer: nothing is moved, as there is no room for all of it",
    "transfer: redriven",
    "transfer: there is nothing to move",
    "transfer: there is nothing to redrive",
    // All else.
    "barrier: a party goes on",
    "barrier: a party is told that it is broken",
    "barrier: a party runs the action",
    "barrier: a party's time is over",
    "barrier: a wait ends otherwise",
    "barrier: it was broken while the action ran",
    "barrier: the action has failed",
    "barrier: the action is done",
    "barrier: the action is refused",
    "cancel: asked for",
    "cancel: its caller turns away",
    "cancel: its caller turns away from an answer that is there",
    "cancel: the call ends as cancelled",
    "cancel: the call fails otherwise",
    "cancel: the call has ended well before",
    "client: a grant can no longer be accepted",
    "client: a grant is not handed out, as the session is not known to be alive",
    "client: a grant is refused",
    "condition: a wait ends with a notification",
    "condition: a wait is cancelled, and has its lock again",
    "condition: a wait's time is over",
    "condition: nobody is notified",
    "condition: somebody is notified",
    "condition: the grant that ends a wait is refused",
    "event: a pulse is refused",
    "event: a pulse is taken",
    "event: a wait ends with a set",
    "event: a wait's time is over",
    "event: set",
    "journal: a barrier is broken for all by a party's end",
    "journal: answers that were given once more",
    "journal: first deliveries in the order of their discipline",
    "journal: replayed to the same state",
    "journal: what was executed waits until it is durable",
    "latch: a wait ends as it is open",
    "latch: a wait's time is over",
    "latch: counted down",
    "lease: a holder hangs",
    "lease: a holder is told that it lost it",
    "lease: a lock is held for a while",
    "lease: it counts anew",
    "lease: it was over, and who follows is told",
    "lock: a release by another's token is refused",
    "lock: entered",
    "lock: entered after a holder was lost",
    "lock: entered beside other readers",
    "lock: entered once more",
    "lock: its holder is told that it was lost",
    "lock: its owner before was lost, and that is told",
    "lock: not acquired in time",
    "lock: of two who upgrade the second is refused",
    "lock: released",
    "network: a connection breaks",
    "network: a connection goes silent",
    "network: a frame arrives after its client has left the connection",
    "pause: a client is stopped for less than its TTL",
    "pause: a client is stopped for longer than its TTL",
    "queue: a delivery is refused",
    "queue: a later attempt",
    "queue: a lease was lost, and its holder is told",
    "queue: a put ends as the queue is full",
    "queue: a put ends as the queue is shut down",
    "queue: a put fails otherwise",
    "queue: a put is withdrawn",
    "queue: a take ends as the queue is shut down",
    "queue: a take ends as there is too little",
    "queue: a take ends otherwise",
    "queue: acked",
    "queue: acked again",
    "queue: an ack by another's token is refused",
    "queue: an item comes again after it was given back",
    "queue: an item comes again after its consumer was lost",
    "queue: an item comes again, as its acceptance was lost",
    "queue: gotten",
    "queue: gotten, several at once",
    "queue: joined",
    "queue: joined but for what is lost",
    "queue: leased",
    "queue: leased, several at once",
    "queue: nacked",
    "queue: not joined in time",
    "queue: put",
    "queue: put, several at once",
    "queue: rejected",
    "queue: removed",
    "queue: the outcome of a put is unknown",
    "restart: from the journal",
    "restart: with nothing",
    "semaphore: a release after the loss is told",
    "semaphore: a release by another's token is refused",
    "semaphore: drained",
    "semaphore: released",
    "semaphore: released by the same token again",
    "semaphore: released by token",
    "semaphore: signalled",
    "semaphore: somebody enters after a holder was lost",
    "semaphore: somebody enters alone",
    "semaphore: somebody enters beside others",
    "session: closed by its client",
    "session: its process was killed",
    "session: new",
    "session: resumed",
    "value: a fence is passed",
    "value: a lower fence is kept out",
    "value: a watch ends with a change",
    "value: a watch's time is over",
    "value: an entry is bound to its session",
    "value: appended to a list",
    "value: compared and deleted",
    "value: compared and set",
    "value: compared, and not deleted",
    "value: compared, and not set",
    "value: incremented",
    "value: popped from a list",
    // Several at once, and what is judged of who holds and waits.
    "acquire all: granted",
    "acquire all: granted, after it was passed for long",
    "acquire all: not granted",
    "acquire all: others wait for who waited for a second",
    "acquire all: what was granted is refused",
    "condition: the notification of a session that ended passes on",
    "condition: the notification of who refuses the lock passes on",
    "deadlock: it is one, as the journal has it",
    "deadlock: its victim is told, and lets go",
    "journal: who waited and is there is granted something",
    "network: a connection is slow for a while",
    "network: a welcome is lost",
    "select: a branch fails",
    "select: ends as a latch is open",
    "select: ends otherwise",
    "select: ends with a change",
    "select: ends with a lock",
    "select: ends with a put",
    "select: ends with a set",
    "select: ends with items",
    "select: ends with permits",
    "select: its time is over",
    "select: what was granted is refused",
    "select: withdrawn",
    "session: ended by another, and its client is told",
    "transaction: another's token fails the whole",
    "transaction: executed",
    "transaction: it cannot be executed twice",
    "transaction: nobody knows whether it was executed",
    "transaction: one full queue fails the whole",
    "transaction: what it would consume was lost",
];

/// Counts by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach(BTreeMap<&'static str, u64>);

impl Reach {
    /// It happened once more.
    pub fn note(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    /// So many times more.
    pub fn add(&mut self, what: &'static str, times: u64) {
        *self.0.entry(what).or_default() += times;
    }

    /// Adds those of another run.
    pub fn merge(&mut self, other: &Reach) {
        for (what, times) in &other.0 {
            self.add(what, *times);
        }
    }

    /// What never happened.
    pub fn gaps(&self) -> Vec<&'static str> {
        EXPECTED.iter().copied().filter(|what| self.of(what) == 0).collect()
    }

    /// What happened without being expected: [`EXPECTED`] does not know it.
    pub fn unknown(&self) -> Vec<&'static str> {
        self.0.keys().copied().filter(|what| !EXPECTED.contains(what)).collect()
    }

    /// How often it happened.
    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, times) in &self.0 {
            writeln!(f, "{times:>12}  {what}")?;
        }
        Ok(())
    }
}

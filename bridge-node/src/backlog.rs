//! What waits to leave on one stream, in bytes.
//!
//! The node adds what it answers and pauses the session above a bound; the outbox takes off what its client has read,
//! and has the session unpaused below half of that. While it is paused nothing is granted to it and its reads wait, so
//! what still comes is small, and is answered from a reserve: only when that is used up does the server stop reading the
//! client's frames.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use bridge_core::command::value::{self, Datum};
use bridge_core::command::{Outcome, Reply, pipe, queue};

/// What an answer, and each item in it, needs beside its payload, roughly.
const ANSWER_BYTES: usize = 64;

/// About how many bytes an answer takes.
pub fn weight(outcome: &Outcome) -> usize {
    let payloads = match outcome {
        Ok(reply) => payloads(reply),
        Err(error) => error.message.len() as u64,
    };
    ANSWER_BYTES + usize::try_from(payloads).unwrap_or(usize::MAX / 2)
}

fn payloads(reply: &Reply) -> u64 {
    match reply {
        Reply::Queue(queue::Reply::Taken(taken)) => {
            taken.deliveries.iter().map(|d| d.payload.bytes_retained() + ANSWER_BYTES as u64).sum()
        }
        Reply::Queue(queue::Reply::Browsed { items, .. }) => {
            items.iter().map(|item| item.payload.bytes_retained() + ANSWER_BYTES as u64).sum()
        }
        Reply::Value(reply) => values(reply),
        Reply::Pipe(pipe::Reply::Received { payload, .. }) => payload.bytes_retained(),
        Reply::Queue(queue::Reply::PutMany(ids) | queue::Reply::Removed(ids)) => 10 * ids.len() as u64,
        Reply::Selected { reply, .. } => payloads(reply),
        _ => 0,
    }
}

fn values(reply: &value::Reply) -> u64 {
    let data = |all: &[Datum]| all.iter().map(|datum| datum.bytes_retained() + ANSWER_BYTES as u64).sum();
    match reply {
        value::Reply::Got(item)
        | value::Reply::Set { item, .. }
        | value::Reply::Deleted { item, .. }
        | value::Reply::Watched { item, .. } => item.datum.as_ref().map_or(0, Datum::bytes_retained),
        value::Reply::Items(page) => {
            let of = |entry: &value::Entry| {
                let datum = entry.datum.as_ref().map_or(0, Datum::bytes_retained);
                entry.key.len() as u64 + datum + ANSWER_BYTES as u64
            };
            page.entries.iter().map(of).sum()
        }
        value::Reply::Read(page) => data(&page.items),
        value::Reply::Spliced(spliced) => data(&spliced.removed),
        _ => 0,
    }
}

/// The bytes of one stream, and whether its session is paused for them.
#[derive(Debug)]
pub struct Backlog {
    bytes: AtomicUsize,
    pause_above: usize,
    reserve: usize,
    paused: AtomicBool,
    /// While it is paused: more than this, and the reserve is used up.
    stop_above: AtomicUsize,
}

impl Backlog {
    /// Pauses above `pause_above` bytes, and stops reading `reserve` bytes later.
    pub fn new(pause_above: usize, reserve: usize) -> Self {
        Backlog {
            bytes: AtomicUsize::new(0),
            pause_above,
            reserve,
            paused: AtomicBool::new(false),
            stop_above: AtomicUsize::new(usize::MAX),
        }
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.bytes.load(SeqCst)
    }

    /// Whether the reserve is used up: nothing more should be read from the client before it has read.
    pub fn is_full(&self) -> bool {
        self.paused.load(SeqCst) && self.bytes() > self.stop_above.load(SeqCst)
    }

    /// So many bytes have left. True: the session is paused and has room again, so [`unpause`] it.
    ///
    /// [`unpause`]: crate::Namespace::unpause
    #[must_use]
    pub fn left(&self, bytes: usize) -> bool {
        // What was answered before the stream began is delivered on it without having been added.
        let _ = self.bytes.fetch_update(SeqCst, SeqCst, |all| Some(all.saturating_sub(bytes)));
        self.has_room() && self.paused.swap(false, SeqCst)
    }

    /// So many more wait. True: the session should be paused.
    #[must_use]
    pub(crate) fn add(&self, bytes: usize) -> bool {
        let before = self.bytes.fetch_add(bytes, SeqCst);
        before + bytes > self.pause_above && !self.paused.load(SeqCst)
    }

    /// The session is about to be paused. False: by now there is room again, and it need not be.
    #[must_use]
    pub(crate) fn pause(&self) -> bool {
        self.stop_above.store(self.bytes().saturating_add(self.reserve), SeqCst);
        self.paused.store(true, SeqCst);
        // Whoever finds room after this sees that it is paused; who found it before left that to us.
        !(self.has_room() && self.paused.swap(false, SeqCst))
    }

    fn has_room(&self) -> bool {
        self.bytes() <= self.pause_above / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_pauses_above_the_bound_and_has_room_below_half_of_it() {
        let backlog = Backlog::new(100, 50);
        assert!(!backlog.add(100) && backlog.add(30) && backlog.pause());
        assert!(!backlog.add(40), "once is enough");
        assert!(!backlog.is_full());
        assert!(!backlog.add(20) && backlog.is_full(), "the reserve counts from where it was paused");
        assert!(!backlog.left(139) && !backlog.is_full());
        assert!(backlog.left(1), "at half of the bound");
        assert!(!backlog.left(1), "once is enough");
    }

    #[test]
    fn what_has_left_meanwhile_needs_no_pause() {
        let backlog = Backlog::new(100, 50);
        assert!(backlog.add(200));
        assert!(!backlog.left(200), "not paused yet");
        assert!(!backlog.pause());
    }
}

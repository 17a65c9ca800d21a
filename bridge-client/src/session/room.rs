//! Room for what calls bring with them: the payloads of all that is not answered yet.
//!
//! A call that brings one and finds no room waits for it in line, and nothing of it leaves before. Calls that bring
//! nothing (releases, acks, cancels, takes) need none, so they always pass.

use std::collections::BTreeSet;

use bridge_core::command::{Command, pipe, queue, timer, topic};
use bridge_core::ids::Op;
use bridge_core::{Error, Reason, Request};

use super::entry::{Entry, State};
use super::{GRACE, Session};

/// Bytes of payloads on their way to the server and not answered, unless the options say otherwise.
pub const OUTBOX_BYTES_MAX: usize = 64 << 20;

/// What an item needs beside its payload, roughly.
const ITEM_BYTES: usize = 64;

#[derive(Debug)]
pub(super) struct Room {
    pub(super) max: usize,
    /// What those that were admitted bring.
    pub(super) used: usize,
    /// Who waits for room, in order.
    pub(super) waiting: BTreeSet<Op>,
}

impl Default for Room {
    fn default() -> Self {
        Room { max: OUTBOX_BYTES_MAX, used: 0, waiting: BTreeSet::new() }
    }
}

impl Room {
    /// Whether a newcomer with so many bytes is admitted.
    pub(super) fn admits(&self, bytes: usize) -> bool {
        bytes == 0 || (self.waiting.is_empty() && self.fits(bytes))
    }

    /// Whether there is room. One alone always fits.
    pub(super) fn fits(&self, bytes: usize) -> bool {
        self.used == 0 || self.used.saturating_add(bytes) <= self.max
    }

    /// How a call ends for which there was none.
    pub(super) fn full(&self) -> Error {
        Error::new(
            Reason::Full,
            format!(
                "no room within the time given: {} bytes are on their way to the server, which has not answered, and at \
                 most {} may be; nothing of this call was sent",
                self.used, self.max
            ),
        )
    }
}

impl Session {
    /// The call is over: there is room for another.
    pub(super) fn forget(&mut self, op: Op) -> Option<Box<Entry>> {
        let entry = self.calls.remove(op)?;
        entry.keep_permits();
        if matches!(entry.state, State::Outside) {
            self.room.waiting.remove(&op);
        } else {
            self.room.used -= entry.bytes;
        }
        if !self.room.waiting.is_empty() {
            self.admit();
        }
        Some(entry)
    }

    /// Nothing of the call leaves yet, so it can end the moment its time is over.
    pub(super) fn wait_for_room(&mut self, op: Op, mut entry: Box<Entry>) {
        entry.state = State::Outside;
        entry.end = entry.deadline;
        self.ends.extend(entry.end.map(|end| (end, op)));
        self.room.waiting.insert(op);
        self.calls.insert(op, entry);
    }

    /// Those for whom there is room leave with the next frames.
    pub(super) fn admit(&mut self) {
        while let Some(&op) = self.room.waiting.first() {
            let bytes = self.calls.get(op).map_or(0, |entry| entry.bytes);
            if !self.room.fits(bytes) {
                return;
            }
            self.room.waiting.pop_first();
            let Some(mut entry) = self.calls.remove(op) else { continue };
            if let Some(end) = entry.end {
                self.ends.remove(&(end, op));
            }
            entry.state = State::Queued;
            entry.end = entry.deadline.map(|deadline| deadline + GRACE);
            self.room.used += bytes;
            self.enqueue(op, entry);
        }
    }
}

/// How many bytes a request brings.
pub(super) fn brings(request: &Request) -> usize {
    match request {
        Request::Command(Command::Queue(_, command)) => bytes_of(command),
        Request::Command(Command::Select(select)) => {
            let of_branch = |command: &Command| match command {
                Command::Queue(_, command) => bytes_of(command),
                _ => 0,
            };
            select.branches.iter().map(of_branch).sum()
        }
        Request::Command(Command::Transaction(steps)) => {
            steps.iter().map(|step| bytes_of(&step.command)).sum()
        }
        Request::Command(Command::Timer(_, timer::Command::Schedule { schedule, .. })) => {
            bytes(&schedule.item)
        }
        Request::Command(Command::Pipe(_, pipe::Command::Send { payload, .. })) => {
            payload.bytes_retained() as usize + ITEM_BYTES
        }
        Request::Command(Command::Topic(_, topic::Command::Publish(publish))) => {
            bytes(&publish.item) + publish.key.len()
        }
        _ => 0,
    }
}

fn bytes_of(command: &queue::Command) -> usize {
    match command {
        queue::Command::Put { item, .. } => bytes(item),
        queue::Command::PutMany { items, .. } => items.iter().map(bytes).sum(),
        _ => 0,
    }
}

fn bytes(item: &queue::NewItem) -> usize {
    item.payload.bytes_retained() as usize + item.key.len() + ITEM_BYTES
}

//! What is to be sent, and what was sent and may have to be sent again.

use std::collections::VecDeque;
use std::time::Duration;

use bridge_core::Request;
use bridge_core::ids::Op;
use bridge_core::mutant::Mutant;
use bridge_core::sequence::Sequence;
use bridge_core::{Time, wire};
use prost::Message;
use syncbridge_proto::pieces::Sizes;
use syncbridge_proto::v1 as pb;

use super::entry::{Entry, State};
use super::large::Large;

/// A frame takes no further command once it is this large.
const FRAME_BYTES_SOFT: usize = 512 << 10;

/// How long what nobody waits for waits for a frame to ride in.
const DELAY: Duration = Duration::from_millis(3);

/// Ops that wait to be acknowledged without hurry; beyond it a frame leaves for them.
const DONE_LAZY_MAX: usize = 1_024;

/// A frame that the server is not known to have executed for good.
#[derive(Debug)]
struct SentFrame {
    sequence: u64,
    at: Time,
    /// 0: it is none.
    heartbeat: u64,
    done: Vec<u64>,
    refused: Vec<u64>,
    participants: Vec<pb::Participant>,
}

/// Everything on its way to the server.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) participants: Vec<pb::Participant>,
    /// Calls to be sent, by number. One that is not `Queued` any more is passed over.
    pub(super) commands: VecDeque<Op>,
    /// A command that leaves in pieces.
    large: Option<Large>,
    /// What leaves in pieces.
    pub(super) sizes: Sizes,
    done: Vec<u64>,
    refused: Vec<u64>,
    /// When a frame must leave for an accept or a discard at the latest.
    pub(super) due: Option<Time>,
    /// Whatever there is leaves at once.
    pub(super) hurry: bool,
    /// The number of the last frame.
    sequence: u64,
    unconfirmed: VecDeque<SentFrame>,
    last_heartbeat: Time,
    /// When the heartbeat left that has not been echoed yet.
    pub(super) heartbeat_sent: Option<Time>,
    heartbeats: u64,
}

impl Outbox {
    /// A grant has reached its caller.
    pub(super) fn accept(&mut self, now: Time, op: Op) {
        self.done.push(op.0);
        self.leave_soon(now);
    }

    /// A frame leaves within a few milliseconds, if none does before.
    pub(super) fn leave_soon(&mut self, now: Time) {
        self.due.get_or_insert(now + DELAY);
    }

    /// An answer has arrived.
    pub(super) fn done(&mut self, op: Op) {
        self.done.push(op.0);
    }

    /// Nobody takes a grant.
    pub(super) fn refuse(&mut self, op: Op) {
        self.refused.push(op.0);
    }

    /// Whether the server has executed all of it. That it need not store answers any longer it may learn later.
    pub(super) fn is_empty(&self) -> bool {
        self.participants.is_empty()
            && self.commands.is_empty()
            && self.large.is_none()
            && self.due.is_none()
            && !self.hurry
            && self.refused.is_empty()
            && self.unconfirmed.is_empty()
    }

    pub(super) fn heartbeat_due(&self, ttl: Duration) -> Time {
        self.last_heartbeat + ttl / 3
    }

    /// The server answers a heartbeat: when that left, if it is news.
    pub(super) fn echoed(&mut self, heartbeat: u64) -> Option<Time> {
        if heartbeat == 0 {
            return None;
        }
        self.heartbeat_sent = None;
        self.unconfirmed.iter().find(|frame| frame.heartbeat == heartbeat).map(|frame| frame.at)
    }

    /// The server has executed all frames up to `sequence`, for good: when the last of them left, if that is news.
    pub(super) fn received(&mut self, sequence: u64) -> Option<Time> {
        let mut sent_at = None;
        while let Some(frame) = self.unconfirmed.front()
            && frame.sequence <= sequence
        {
            sent_at = Some(frame.at);
            self.unconfirmed.pop_front();
        }
        sent_at
    }

    /// A stream begins. In a new session nothing that concerned the earlier one is of interest.
    pub(super) fn welcomed(&mut self, at: Time, received: u64, resumed: bool) {
        self.last_heartbeat = at;
        self.heartbeat_sent = None;
        self.sequence = received;
        if !resumed {
            self.commands.clear();
            self.large = None;
            self.done.clear();
            self.refused.clear();
            self.unconfirmed.clear();
            self.due = None;
        }
    }

    /// After a lost stream: what left after the frame `received` is sent again, and so are unanswered queries, whose
    /// answers nobody keeps.
    pub(super) fn send_again(&mut self, received: u64, calls: &mut Sequence<Op, Box<Entry>>) {
        self.received(received);
        for mut frame in std::mem::take(&mut self.unconfirmed) {
            self.participants.append(&mut frame.participants);
            if !Mutant::DoneLostAtResume.is_on() {
                self.done.append(&mut frame.done);
            }
            self.refused.append(&mut frame.refused);
        }
        self.hurry = true;
        self.commands.clear();
        if !Mutant::PiecesGoOnAfterCut.is_on() {
            self.large = None;
        }
        let all: Vec<Op> = calls.iter().map(|(op, _)| op).collect();
        for op in all {
            let Some(entry) = calls.get_mut(op) else { continue };
            match entry.state {
                State::Sent(sequence)
                    if sequence <= received && !matches!(entry.request, Request::Query(_)) => {}
                State::Sent(_) if Mutant::CommandsLostAtResume.is_on() => {}
                State::Queued | State::Sent(_) => {
                    entry.state = State::Queued;
                    self.commands.push_back(op);
                }
                State::Outside | State::Offered(_) | State::Claimed(_) => {}
            }
        }
    }

    /// Whether there may be a frame that is to leave now: where this is false there is none.
    pub(super) fn may_have_frame(&self, now: Time, ttl: Duration, alive: bool) -> bool {
        self.has_work(now) || self.wants_heartbeat(now, ttl, alive)
    }

    fn wants_heartbeat(&self, now: Time, ttl: Duration, alive: bool) -> bool {
        now >= self.heartbeat_due(ttl) || (!alive && self.heartbeat_sent.is_none())
    }

    fn has_work(&self, now: Time) -> bool {
        let lazy = self.hurry || self.done.len() > DONE_LAZY_MAX;
        self.is_due(now)
            || lazy
            || self.large.is_some()
            || !self.commands.is_empty()
            || !self.refused.is_empty()
    }

    fn is_due(&self, now: Time) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// The next frame, if one is to leave now. While the session is not known to be `alive` only heartbeats do.
    pub(super) fn frame(
        &mut self,
        now: Time,
        ttl: Duration,
        alive: bool,
        calls: &mut Sequence<Op, Box<Entry>>,
    ) -> Option<pb::AttachRequest> {
        if !alive && self.is_due(now) {
            // It leaves as soon as the session is known to be alive again.
            self.due = None;
            self.hurry = true;
        }
        let mut heartbeat = self.wants_heartbeat(now, ttl, alive);
        let work = alive && self.has_work(now);
        if !heartbeat && !work {
            return None;
        }
        let mut frame = pb::AttachRequest { sequence: self.sequence + 1, ..Default::default() };
        let mut done = Vec::new();
        if alive {
            self.take_commands(now, &mut frame, calls);
            frame.piece = self.take_piece(calls);
            done = std::mem::take(&mut self.done);
            frame.done = ranges(&mut done);
            frame.refused = std::mem::take(&mut self.refused);
            frame.participants = std::mem::take(&mut self.participants);
            self.due = None;
            heartbeat |= std::mem::take(&mut self.hurry);
        }
        if frame.commands.is_empty()
            && frame.done.is_empty()
            && frame.refused.is_empty()
            && frame.participants.is_empty()
            && frame.piece.is_none()
            && !heartbeat
        {
            return None;
        }
        if heartbeat {
            self.heartbeats += 1;
            frame.heartbeat = self.heartbeats;
            self.last_heartbeat = now;
            self.heartbeat_sent.get_or_insert(now);
        }
        self.sequence += 1;
        self.unconfirmed.push_back(SentFrame {
            sequence: self.sequence,
            at: now,
            heartbeat: frame.heartbeat,
            done,
            refused: frame.refused.clone(),
            participants: frame.participants.clone(),
        });
        Some(frame)
    }

    fn take_commands(
        &mut self,
        now: Time,
        frame: &mut pb::AttachRequest,
        calls: &mut Sequence<Op, Box<Entry>>,
    ) {
        let mut bytes = 0;
        let mut before = None;
        while bytes < FRAME_BYTES_SOFT
            && let Some(op) = self.commands.pop_front()
        {
            let Some(entry) = calls.get_mut(op) else { continue };
            if !matches!(entry.state, State::Queued) {
                continue;
            }
            if self.large.as_mut().is_some_and(|large| large.holds_up(op, entry)) {
                continue;
            }
            let ahead = entry.asks_ahead();
            let same = ahead.is_some() && ahead == before;
            before = ahead;
            if !(same && frame.commands.last_mut().is_some_and(|last| wire::repeat(last, op))) {
                let command = wire::command(op, entry.who, entry.request_at(now));
                let size = command.encoded_len();
                if size > self.sizes.large {
                    match &mut self.large {
                        Some(large) => large.hold_up(op, entry.who),
                        None => self.large = Some(Large::new(op, entry.who, &command, self.sizes)),
                    }
                    continue;
                }
                bytes += size;
                frame.commands.push(command);
            }
            entry.state = State::Sent(self.sequence + 1);
            entry.left = true;
        }
    }

    /// The next piece of what is large. With its last the command has left; where nobody wants it any more, the server is told to
    /// forget what it has of it.
    fn take_piece(&mut self, calls: &mut Sequence<Op, Box<Entry>>) -> Option<pb::Piece> {
        let large = self.large.as_mut()?;
        let entry = calls.get_mut(large.op).filter(|entry| matches!(entry.state, State::Queued));
        let piece = if entry.is_some() { large.pieces.take() } else { pb::Piece::default() };
        if large.pieces.is_over() || entry.is_none() {
            for op in std::mem::take(&mut large.behind).into_iter().rev() {
                self.commands.push_front(op);
            }
            self.large = None;
        }
        if let Some(entry) = entry.filter(|_| self.large.is_none()) {
            entry.state = State::Sent(self.sequence + 1);
            entry.left = true;
        }
        Some(piece)
    }
}

/// Numbers as runs. Sorts them.
fn ranges(numbers: &mut [u64]) -> Vec<pb::OpRange> {
    numbers.sort_unstable();
    let mut ranges: Vec<pb::OpRange> = Vec::new();
    for &number in numbers.iter() {
        match ranges.last_mut() {
            Some(range) if number <= range.last + 1 => range.last = number,
            _ => ranges.push(pb::OpRange { first: number, last: number }),
        }
    }
    ranges
}

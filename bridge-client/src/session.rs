//! The client's half of a session, without I/O: time and frames in, frames and completions out.
//!
//! It numbers commands, remembers what has not been answered, sends again what a lost stream may have swallowed, and
//! keeps the client's own clock: a grant is handed out only while the session is known to be alive, which is its TTL
//! less a margin from the sending of the last frame that the server is known to have executed. Where the session turns
//! out to be gone, what changed nothing moves to the new one, and the rest ends `OUTCOME_UNKNOWN`.
//!
//! Whoever carries it calls [`Session::on_connected`], then sends every [`Session::next_frame`] and reports every
//! frame, [`Session::on_lost`], and the time at [`Session::next_deadline`]. Answers are put into the [`Slot`]s; the
//! completions name the slots to [wake](Completions::deliver) once no lock is held.
//!
//! Every call ends: by its answer, by its deadline plus [`GRACE`] (or one TTL, if it does not wait), or with the session.
//! Only a wait without a deadline goes on for as long as no server is there.

mod acks;
mod entry;
mod incoming;
mod large;
mod outbox;
mod room;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bridge_core::command::{Command, condition, lock, queue, rwlock, semaphore};
use bridge_core::ids::{Op, ParticipantId, Token};
use bridge_core::mutant::Mutant;
use bridge_core::sequence::Sequence;
use bridge_core::{Error, Outcome, Reason, Request, Time};
use syncbridge_proto::pieces::{Assembly, Sizes};
use syncbridge_proto::{PROTOCOL_VERSION, v1 as pb};

use crate::losses::Losses;

pub use crate::link::{Answered, Settle, Several, Slot, Submission};
pub use crate::object::{Declaration, Object, Origin};
pub(crate) use acks::take_count;
use acks::{Joined, may_be_joined};
use entry::{Entry, State};
pub(crate) use incoming::recalled;
use outbox::Outbox;
pub use room::OUTBOX_BYTES_MAX;
use room::Room;

/// How long after its deadline a call that was not answered ends by itself.
pub const GRACE: Duration = Duration::from_secs(1);

/// Slots to wake.
#[derive(Debug, Default)]
pub struct Completions(Vec<Arc<Slot>>);

impl Completions {
    /// Adds those of `more`.
    pub fn append(&mut self, mut more: Completions) {
        self.0.append(&mut more.0);
    }

    /// Wakes whoever waits for them. Call it without holding any lock. True if there were any.
    pub fn deliver(&mut self) -> bool {
        let any = !self.0.is_empty();
        for slot in self.0.drain(..) {
            // A callback that panics stops no other, nor the thread that drives.
            if catch_unwind(AssertUnwindSafe(|| slot.wake())).is_err() {
                tracing::error!(op = slot.op().0, "a callback panicked");
            }
        }
        any
    }
}

/// What whoever carries the session does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Go on.
    Continue,
    /// The stream is of no use any more: drop it, call [`Session::on_lost`], connect again.
    Reconnect(Error),
    /// The server will never have this session: [`Session::fail`] it.
    Fatal(Error),
}

/// How the stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// There is none.
    Down,
    /// It is up; the hello has not left.
    Up,
    /// The hello left then.
    Greeting(Time),
    /// The server has said welcome.
    Attached,
}

/// The client's half of a session.
pub struct Session {
    hello: pb::SessionSpec,
    ttl: Duration,
    phase: Phase,
    /// Which session the server last welcomed it in; 0 before.
    incarnation: u64,
    /// When anything last arrived on the present stream.
    heard: Time,
    /// The session is known to be alive until then.
    alive_until: Option<Time>,
    next_op: u64,
    /// Boxed: they come and go at the two ends of the map, which moves what is beside them each time.
    calls: Sequence<Op, Box<Entry>>,
    /// When calls end by themselves.
    ends: BTreeSet<(Time, Op)>,
    /// Grants that came while the session was not known to be alive, or were found then.
    held_back: Vec<Op>,
    outbox: Outbox,
    room: Room,
    /// Tells it from other sessions of this process and of those that it was forked from.
    serial: u64,
    /// What calls were about, to be declared again in a new session.
    objects: Vec<Weak<Object>>,
    /// All participants with their labels, by id.
    participants: BTreeMap<u32, pb::Participant>,
    closed: Option<Error>,
    losses: Losses,
    /// An answer that comes in pieces.
    assembly: Assembly,
}

impl Session {
    /// A session that has not been opened; `hello` says what it is (its TTL is 15 s unless given).
    pub fn new(hello: pb::SessionSpec) -> Self {
        Self::numbered_from(hello, Op(1))
    }

    /// As [`Session::new`]; its first command has the number `first`.
    pub fn numbered_from(hello: pb::SessionSpec, first: Op) -> Self {
        let ttl = hello
            .ttl
            .and_then(|ttl| bridge_core::wire::duration("ttl", ttl).ok())
            .unwrap_or(Duration::from_secs(15));
        Session {
            serial: serial(&hello.id),
            hello: pb::SessionSpec {
                protocol_version: PROTOCOL_VERSION,
                reads_packed: true,
                reads_pieces: true,
                ..hello
            },
            ttl,
            phase: Phase::Down,
            incarnation: 0,
            heard: Time::default(),
            alive_until: None,
            next_op: first.0,
            calls: Sequence::default(),
            ends: BTreeSet::new(),
            held_back: Vec::new(),
            outbox: Outbox::default(),
            room: Room::default(),
            objects: Vec::new(),
            participants: BTreeMap::new(),
            closed: None,
            losses: Losses::default(),
            assembly: Assembly::default(),
        }
    }

    /// What leaves in pieces, and of which size.
    pub fn set_piece_sizes(&mut self, sizes: Sizes) {
        self.outbox.sizes = sizes;
    }

    /// Calls that bring more than `bytes` of payloads in all, with those that are not answered yet, wait for room.
    pub fn with_outbox_bytes_max(mut self, bytes: usize) -> Self {
        self.room.max = bytes;
        self
    }

    /// Whether the server has said welcome on the present stream.
    pub fn is_attached(&self) -> bool {
        self.phase == Phase::Attached
    }

    /// What ends it at the server.
    pub fn close_request(&self) -> pb::CloseRequest {
        pb::CloseRequest { session_id: self.hello.id.clone(), secret: self.hello.secret.clone() }
    }

    /// Whether what was granted under that token is known to be lost: with an earlier session, or because its time was over.
    pub fn is_lost(&self, token: Token) -> bool {
        // Tokens and the numbers of sessions come from one sequence.
        token.0 < self.incarnation || self.closed.is_some() || self.losses.contains(token)
    }

    /// Why it takes no more calls, if it does not.
    pub fn closed(&self) -> Option<&Error> {
        self.closed.as_ref()
    }

    /// Starts a call. If it ends at once, its slot is filled already and nobody needs to be woken.
    pub fn submit(&mut self, now: Time, submission: Submission) -> Arc<Slot> {
        let op = self.take_op();
        let slot = Slot::new(op);
        let returns = match self.closed.clone().map_or_else(|| returned(&submission), Err) {
            Ok(returns) => returns,
            Err(error) => {
                slot.put(Answered { op, outcome: Err(error), offered: false });
                return slot;
            }
        };
        let Submission { who, object, request } = submission;
        if object.is_new_to(self.serial) {
            self.remember(&object);
        }
        let mut entry = Entry::new(now, self.ttl, who, Some(object), request, Some(slot.clone()));
        entry.returns = returns;
        self.begin(now, op, entry, &slot);
        slot
    }

    /// As [`Session::submit`], for a call that may wait a little for a frame to ride in. `None`: an earlier such call that has not
    /// left stands for this one too, and tells how both end.
    pub fn submit_later(&mut self, now: Time, submission: Submission) -> Option<Arc<Slot>> {
        let last = self.outbox.commands.back().and_then(|op| self.calls.get_mut(*op));
        if last.is_some_and(|entry| entry.joins(&submission)) {
            return None;
        }
        let joined = may_be_joined(&submission.request).then(Joined::default);
        let slot = self.submit(now, submission);
        if let Some(entry) = self.calls.get_mut(slot.op()) {
            entry.joined = joined;
        }
        self.outbox.leave_soon(now);
        Some(slot)
    }

    /// As [`Session::submit`], for a call that is about several objects.
    pub fn submit_several(&mut self, now: Time, submission: Several) -> Arc<Slot> {
        let op = self.take_op();
        let slot = Slot::new(op);
        if let Some(error) = self.closed.clone() {
            slot.put(Answered { op, outcome: Err(error), offered: false });
            return slot;
        }
        let Several { who, objects, request } = submission;
        let serial = self.serial;
        for object in objects.iter().filter(|object| object.is_new_to(serial)) {
            self.remember(object);
        }
        let mut entry = Entry::new(now, self.ttl, who, None, request, Some(slot.clone()));
        entry.several = objects;
        self.begin(now, op, entry, &slot);
        slot
    }

    fn begin(&mut self, now: Time, op: Op, entry: Box<Entry>, slot: &Slot) {
        if self.room.admits(entry.bytes) {
            self.room.used += entry.bytes;
            self.enqueue(op, entry);
        } else if entry.deadline.is_some_and(|deadline| deadline <= now) {
            slot.put(Answered { op, outcome: Err(self.room.full()), offered: false });
        } else {
            self.wait_for_room(op, entry);
        }
    }

    /// Takes the answer out of a slot. `None`: it is not there, or it is a grant that must not be handed out now; the
    /// slot is then filled again, or the call moved to a new session, when that is decided.
    pub fn claim(&mut self, now: Time, slot: &Slot) -> Option<Answered> {
        let answered = slot.take()?;
        if !answered.offered {
            return Some(answered);
        }
        let op = answered.op;
        let alive = self.is_alive(now);
        match self.calls.get_mut(op) {
            // The session that granted it is gone.
            None => None,
            Some(entry) if alive => {
                entry.claimed(&answered.outcome);
                if let Some(end) = entry.end {
                    self.ends.remove(&(end, op));
                }
                Some(answered)
            }
            Some(entry) => {
                entry.state = State::Offered(Some(answered.outcome));
                if entry.end.is_none() && entry.deadline.is_some() && !entry.ends_with_lock() {
                    entry.end = Some(now + GRACE);
                    self.ends.insert((now + GRACE, op));
                }
                self.held_back.push(op);
                None
            }
        }
    }

    /// Settles a claimed grant. An accept fails where the session that granted it is lost, or not known to be alive; in
    /// that case the grant goes back.
    pub fn settle(&mut self, now: Time, op: Op, how: Settle) -> Result<(), Error> {
        let Some(entry) = self.calls.remove(op) else {
            return Err(lost("the session was lost before the grant reached its caller; it has gone back"));
        };
        if how == Settle::Refuse {
            self.outbox.refuse(op);
            return Ok(());
        }
        if !self.is_alive(now) {
            self.outbox.refuse(op);
            return Err(lost("the session is not known to be alive, so the grant was refused; try again"));
        }
        entry.count();
        self.outbox.accept(now, op);
        Ok(())
    }

    /// Asks for the call to be withdrawn; its slot gets the definite answer.
    pub fn cancel(&mut self, now: Time, slot: &Slot, completions: &mut Completions) {
        let op = slot.op();
        let Some(entry) = self.calls.get_mut(op) else { return };
        match entry.state {
            State::Outside => self.finish(op, Err(entry::cancelled()), completions),
            State::Queued if !entry.left => {
                self.finish(op, Err(entry::cancelled()), completions);
            }
            State::Queued | State::Sent(_) if !entry.cancelling => {
                entry.cancelling = true;
                self.enqueue_cancel(now, op);
            }
            _ => {}
        }
    }

    /// The caller of a take that prefetches waits for it now.
    pub fn hasten(&mut self, now: Time, slot: &Slot) {
        let op = slot.op();
        let Some(entry) = self.calls.get_mut(op) else { return };
        let (left, answered) = (entry.left, matches!(entry.state, State::Offered(_) | State::Claimed(_)));
        // Wherever it is sent anew, it is not asked for ahead of need any more.
        if let Request::Command(Command::Queue(_, queue::Command::Take { taking, .. })) = &mut entry.request
            && std::mem::take(&mut taking.prefetch)
            && left
            && !answered
        {
            self.enqueue_unattended(now, None, Request::Command(Command::Hasten(op)));
        }
    }

    /// Nobody waits any more: the call is withdrawn, and what it is granted is refused.
    pub fn abandon(&mut self, now: Time, slot: &Slot) {
        let op = slot.op();
        let Some(entry) = self.calls.get_mut(op) else { return };
        entry.slot = None;
        let end = entry.end.take();
        match entry.state {
            State::Outside => drop(self.forget(op)),
            State::Queued if !entry.left => drop(self.forget(op)),
            State::Offered(_) | State::Claimed(_) => {
                self.calls.remove(op);
                if Mutant::AbandonedGrantKept.is_on() {
                    return;
                }
                self.outbox.refuse(op);
            }
            State::Queued | State::Sent(_) if entry.waits && !entry.cancelling => {
                entry.cancelling = true;
                self.enqueue_cancel(now, op);
            }
            State::Queued | State::Sent(_) => {}
        }
        if let Some(end) = end {
            self.ends.remove(&(end, op));
        }
    }

    /// The last handle of an object is gone: the session uses it no more. Nobody waits for the answer.
    pub fn discard(&mut self, now: Time, object: &Object) {
        if self.closed.is_none() {
            self.enqueue_unattended(now, None, object.discard());
            self.outbox.leave_soon(now);
        }
    }

    /// An anonymous object is declared, and nobody waits for the answer: if it is refused, the calls on the object say
    /// so.
    pub fn declare(&mut self, now: Time, object: &Arc<Object>) {
        if object.is_new_to(self.serial) {
            self.remember(object);
        }
        self.enqueue_declare(now, object);
        self.outbox.leave_soon(now);
    }

    /// Says of all anonymous objects that other processes are told of them: this one is about to fork. True if there was
    /// any of which that had not been said.
    pub fn share_all(&mut self, now: Time) -> bool {
        if self.closed.is_some() {
            return false;
        }
        let objects = self.objects.iter().filter_map(Weak::upgrade);
        let objects: Vec<_> =
            objects.filter(|object| object.is_anonymous() && object.mark_shared()).collect();
        for object in &objects {
            self.enqueue_unattended(now, Some(object.clone()), object.share());
        }
        !objects.is_empty()
    }

    /// Gives a participant its label, or another one.
    pub fn announce(&mut self, who: ParticipantId, label: String) {
        let participant = pb::Participant { id: who.0, label };
        self.outbox.participants.push(participant.clone());
        self.participants.insert(who.0, participant);
    }

    /// A new stream is up: its first frame is the hello.
    pub fn on_connected(&mut self, _now: Time) {
        self.phase = Phase::Up;
    }

    /// The stream is down. Everything stays as it is until the server has been heard again, or time is over.
    pub fn on_lost(&mut self, _now: Time) {
        self.phase = Phase::Down;
        self.outbox.heartbeat_sent = None;
    }

    /// Whether [`Session::next_frame`] may give one; where this is false it gives none.
    pub fn may_have_frame(&self, now: Time) -> bool {
        match self.phase {
            Phase::Down | Phase::Greeting(_) => false,
            Phase::Up => true,
            Phase::Attached => self.outbox.may_have_frame(now, self.ttl, self.is_alive(now)),
        }
    }

    /// The next frame to send. Call it until it gives none: after calls, frames received, and deadlines.
    pub fn next_frame(&mut self, now: Time) -> Option<pb::AttachRequest> {
        match self.phase {
            Phase::Down | Phase::Greeting(_) => None,
            Phase::Up => {
                self.phase = Phase::Greeting(now);
                Some(pb::AttachRequest { hello: Some(self.hello.clone()), ..Default::default() })
            }
            Phase::Attached => {
                let alive = self.is_alive(now);
                self.outbox.frame(now, self.ttl, alive, &mut self.calls)
            }
        }
    }

    /// Something has arrived that is not a whole frame yet: the server is there.
    pub fn on_progress(&mut self, now: Time) {
        self.heard = now;
    }

    /// When [`Session::on_time`] and [`Session::next_frame`] are wanted next, whatever happens.
    pub fn next_deadline(&self) -> Option<Time> {
        let stream = match self.phase {
            Phase::Attached if self.outbox.heartbeat_sent.is_none() => {
                Some(self.outbox.heartbeat_due(self.ttl))
            }
            _ => self.silent_since().map(|since| since + self.patience()),
        };
        let due = self.outbox.due.filter(|_| self.is_attached());
        [stream, due, self.ends.first().map(|(end, _)| *end)].into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn on_time(&mut self, now: Time, completions: &mut Completions) -> Verdict {
        while let Some(&(end, op)) = self.ends.first() {
            if end > now {
                break;
            }
            self.ends.pop_first();
            self.on_end(now, op, completions);
        }
        match self.silent_since() {
            Some(since) if now >= since + self.patience() => Verdict::Reconnect(Error::new(
                Reason::Unavailable,
                format!("nothing has been heard of the server for {:?}", now.since(since)),
            )),
            _ => Verdict::Continue,
        }
    }

    /// Everything posted so far leaves with the next frames, which ask for an echo.
    pub fn flush(&mut self) {
        if !self.is_flushed() {
            self.outbox.hurry = true;
        }
    }

    /// Whether the server is known to have executed everything posted so far.
    pub fn is_flushed(&self) -> bool {
        self.outbox.is_empty() && self.room.waiting.is_empty()
    }

    /// Ends it for this client: every call ends with `error`, and so do later ones.
    pub fn fail(&mut self, error: Error, completions: &mut Completions) {
        for (op, mut entry) in std::mem::take(&mut self.calls).into_ordered() {
            if let State::Claimed(_) = entry.state {
                continue;
            }
            let error = if entry.left && entry.gives() { entry.unknown() } else { error.clone() };
            entry.finish(op, Err(error), completions);
        }
        self.ends.clear();
        self.held_back.clear();
        self.outbox = Outbox::default();
        self.room = Room { max: self.room.max, ..Room::default() };
        self.phase = Phase::Down;
        self.closed = Some(error);
    }

    /// Since when an answer that comes at once has been awaited, and nothing at all has arrived.
    fn silent_since(&self) -> Option<Time> {
        let asked = match self.phase {
            Phase::Greeting(since) => Some(since),
            Phase::Attached => self.outbox.heartbeat_sent,
            Phase::Down | Phase::Up => None,
        };
        asked.map(|asked| asked.max(self.heard))
    }

    /// How long an answer that comes at once may take.
    fn patience(&self) -> Duration {
        self.ttl / 4
    }

    /// Whether the session is known to be alive: only then is what it holds its caller's without a doubt.
    pub fn is_alive(&self, now: Time) -> bool {
        self.alive_until.is_some_and(|until| now < until || Mutant::ClockIgnored.is_on())
    }

    /// What was sent at `sent_at` reached the session alive.
    fn known_alive(&mut self, sent_at: Time) {
        let until = sent_at + (self.ttl - self.ttl / 8);
        self.alive_until = self.alive_until.max(Some(until));
    }

    fn take_op(&mut self) -> Op {
        let op = Op(self.next_op);
        self.next_op += 1;
        op
    }

    fn enqueue(&mut self, op: Op, entry: Box<Entry>) {
        if let Some(end) = entry.end {
            self.ends.insert((end, op));
        }
        self.calls.insert(op, entry);
        self.outbox.commands.push_back(op);
    }

    fn enqueue_cancel(&mut self, now: Time, op: Op) {
        self.enqueue_unattended(now, None, Request::Command(Command::Cancel(op)));
    }

    fn enqueue_declare(&mut self, now: Time, object: &Arc<Object>) {
        self.enqueue_unattended(now, Some(object.clone()), object.declare());
        if object.is_shared() {
            self.enqueue_unattended(now, Some(object.clone()), object.share());
        }
    }

    /// A command whose answer nobody waits for.
    fn enqueue_unattended(&mut self, now: Time, object: Option<Arc<Object>>, request: Request) {
        let op = self.take_op();
        let mut entry = Entry::new(now, self.ttl, ParticipantId::default(), object, request, None);
        entry.end = None;
        self.enqueue(op, entry);
    }

    /// It is declared again in a new session, unless its handles are gone.
    fn remember(&mut self, object: &Arc<Object>) {
        if self.objects.len() == self.objects.capacity() {
            self.objects.retain(|object| object.strong_count() > 0);
        }
        self.objects.push(Arc::downgrade(object));
    }

    /// The time of a call is over, and no answer has come (or a grant that could not be handed out).
    fn on_end(&mut self, now: Time, op: Op, completions: &mut Completions) {
        let Some(entry) = self.calls.get_mut(op) else { return };
        entry.end = None;
        if let State::Offered(None) = entry.state {
            // It is in its slot, for its caller to take.
            return;
        }
        let Some(slot) = entry.slot.clone() else { return };
        let outcome = match entry.state {
            State::Outside => Err(self.room.full()),
            _ => entry.outcome_without_answer(),
        };
        let outcome = entry.told(outcome);
        self.abandon(now, &slot);
        fill(Some(slot), op, outcome, completions);
    }

    fn finish(&mut self, op: Op, outcome: Outcome, completions: &mut Completions) {
        let Some(mut entry) = self.forget(op) else { return };
        if let Some(end) = entry.end {
            self.ends.remove(&(end, op));
        }
        entry.finish(op, outcome, completions);
    }
}

impl Entry {
    fn finish(&mut self, op: Op, outcome: Outcome, completions: &mut Completions) {
        let outcome = self.told(outcome);
        fill(self.slot.take(), op, outcome, completions);
    }
}

fn fill(slot: Option<Arc<Slot>>, op: Op, outcome: Outcome, completions: &mut Completions) {
    if let Some(slot) = slot {
        slot.put(Answered { op, outcome, offered: false });
        completions.0.push(slot);
    }
}

/// A release of what was lost with an earlier session would be a signal in this one, or free what is somebody else's, and so
/// would the wait of a condition: it is told instead. Answers with how much of what this session holds it gives back.
fn returned(submission: &Submission) -> Result<i64, Error> {
    match &submission.request {
        Request::Command(Command::Semaphore(_, semaphore::Command::Release { permits, token: None })) => {
            submission.object.release_permits(submission.who, i64::from(*permits))
        }
        Request::Command(
            Command::Lock(_, lock::Command::Release { token })
            | Command::RwLock(_, rwlock::Command::Release { token, .. }),
        ) => submission.object.release_hold(submission.who, *token).map(i64::from),
        Request::Command(Command::Condition(
            _,
            condition::Command::Wait { .. } | condition::Command::Notify { .. },
        )) => submission.object.check_hold(submission.who).map(|()| 0),
        _ => Ok(0),
    }
}

/// Of the random bytes of a session's id.
fn serial(id: &[u8]) -> u64 {
    id.iter().fold(1, |serial: u64, byte| serial.wrapping_mul(31).wrapping_add(u64::from(*byte)))
}

fn lost(message: &str) -> Error {
    Error::new(Reason::SessionExpired, message)
}

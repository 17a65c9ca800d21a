//! What arrives: the welcome, answers, and what follows from a session that was lost.

use std::sync::{Arc, Weak};

use bridge_core::command::Command;
use bridge_core::ids::{Op, Token};
use bridge_core::mutant::Mutant;
use bridge_core::{Error, Outcome, Reason, Reply, Request, Time, wire};
use syncbridge_proto::pieces::Assembly;
use syncbridge_proto::{PROTOCOL_VERSION, v1 as pb};

use super::entry::{self, Fate, State};
use super::{Completions, Phase, Session, Verdict};
use crate::link::Answered;
use crate::mutex::lock;
use crate::object::Object;

impl Session {
    /// A frame has arrived.
    pub fn on_frame(
        &mut self,
        now: Time,
        mut frame: pb::AttachResponse,
        completions: &mut Completions,
    ) -> Verdict {
        self.heard = now;
        if frame.welcome.is_some() {
            self.assembly = Assembly::default();
        }
        match frame.piece.take().map_or(Ok(None), |piece| self.assembly.add(piece, usize::MAX)) {
            Ok(answer) => frame.answers.extend(answer),
            Err(bad) => return Verdict::Reconnect(internal(&bad.to_string())),
        }
        let is_over = is_told_lost(&frame) && !Mutant::AliveWhenToldOtherwise.is_on();
        if let Some(welcome) = frame.welcome {
            if let Err(error) = self.on_welcome(now, &welcome, frame.received, completions) {
                return Verdict::Fatal(error);
            }
        } else if !self.is_attached() {
            if is_over {
                self.alive_until = None;
            }
            return match frame.farewell {
                Some(farewell) => Self::on_farewell(farewell),
                None => Verdict::Reconnect(internal("the server did not begin with a welcome")),
            };
        }
        // The echo is the sooner sign of life: frames are confirmed once the server's journal has them.
        let echoed = self.outbox.echoed(frame.heartbeat);
        let sent_at = self.outbox.received(frame.received).max(echoed);
        if is_over {
            self.alive_until = None;
        } else if let Some(sent_at) = sent_at {
            self.known_alive(if Mutant::AliveSinceArrival.is_on() { now } else { sent_at });
        }
        let mut verdict = Verdict::Continue;
        for answer in frame.answers {
            let read = wire::outcomes(answer, |op, outcome| match outcome {
                Err(error) if error.reason == Reason::SessionExpired => {
                    self.on_expired(op);
                    verdict = Verdict::Reconnect(error);
                }
                outcome => self.on_answer(now, op, outcome, completions),
            });
            if let Err(error) = read {
                tracing::warn!(%error, "an answer cannot be read");
            }
        }
        self.hand_out(now, completions);
        frame.farewell.map_or(verdict, Self::on_farewell)
    }

    fn on_welcome(
        &mut self,
        now: Time,
        welcome: &pb::Welcome,
        received: u64,
        completions: &mut Completions,
    ) -> Result<(), Error> {
        let Phase::Greeting(sent_at) = self.phase else { return Ok(()) };
        if welcome.protocol_version != PROTOCOL_VERSION {
            return Err(Error::new(
                Reason::ProtocolVersion,
                format!(
                    "the server (version {}) speaks protocol {}, this client speaks {PROTOCOL_VERSION}; \
                     use versions that fit",
                    welcome.server_version, welcome.protocol_version
                ),
            ));
        }
        if let Some(ttl) = welcome.ttl.and_then(|ttl| wire::duration("ttl", ttl).ok()) {
            self.ttl = ttl;
        }
        self.phase = Phase::Attached;
        self.known_alive(sent_at);
        // A stream whose welcome was lost may have opened another one, which this stream resumes.
        let is_mine = welcome.incarnation == self.incarnation || Mutant::LostSessionTakenForNew.is_on();
        let resumed = welcome.resumed && is_mine;
        self.incarnation = welcome.incarnation;
        self.outbox.welcomed(sent_at, received, resumed);
        if resumed {
            self.outbox.send_again(received, &mut self.calls);
        } else {
            self.on_replaced(now, completions);
        }
        Ok(())
    }

    /// The session is a new one: whatever the earlier one held or did not answer is gone.
    fn on_replaced(&mut self, now: Time, completions: &mut Completions) {
        self.held_back.clear();
        // What nobody waits for is over, and objects that only it was about are not declared again.
        self.calls.retain(|_, entry| entry.slot.is_some());
        self.outbox.participants = self.participants.values().cloned().collect();
        self.objects.retain(|object| object.strong_count() > 0);
        let objects: Vec<_> = self.objects.iter().filter_map(Weak::upgrade).collect();
        for object in &objects {
            object.forget();
            object.lose_permits();
        }
        let old = std::mem::take(&mut self.calls).into_ordered();
        for object in &objects {
            self.enqueue_declare(now, object);
        }
        for (op, mut entry) in old {
            let fate = entry.in_new_session();
            if let (Some(slot), State::Offered(None)) = (&entry.slot, &entry.state) {
                slot.take();
            }
            match fate {
                Fate::Forget => {}
                Fate::Move if matches!(entry.state, State::Outside) => {
                    self.calls.insert(op, entry);
                    continue;
                }
                Fate::Move => {
                    entry.state = State::Queued;
                    entry.left = false;
                    entry.renewed = false;
                    self.enqueue(op, entry);
                    continue;
                }
                Fate::End(error) => entry.finish(op, Err(error), completions),
            }
            if let Some(end) = entry.end {
                self.ends.remove(&(end, op));
            }
        }
        let admitted = self.calls.values().filter(|entry| !matches!(entry.state, State::Outside));
        self.room.used = admitted.map(|entry| entry.bytes).sum();
        self.room.waiting.retain(|op| self.calls.get(*op).is_some());
        self.admit();
    }

    fn on_farewell(farewell: pb::Error) -> Verdict {
        let error = Error::from(farewell);
        match error.reason {
            Reason::ProtocolVersion
            | Reason::SessionDenied
            | Reason::InvalidArgument
            | Reason::LimitExceeded => Verdict::Fatal(error),
            _ => Verdict::Reconnect(error),
        }
    }

    fn on_answer(&mut self, now: Time, op: Op, mut outcome: Outcome, completions: &mut Completions) {
        if let Ok(Reply::Lost(tokens)) = &outcome {
            return self.on_taken_away(op, tokens);
        }
        let Some(entry) = self.calls.get_mut(op) else {
            // Settled before: that is on its way, or the server would not have told it again.
            return;
        };
        if outcome == Ok(Reply::Recalled) {
            return self.on_recalled(op, completions);
        }
        let known = matches!(entry.state, State::Offered(_) | State::Claimed(_));
        if known && !Mutant::HeldBackTwice.is_on() {
            return;
        }
        if let Ok(reply) = &outcome
            && reply.is_grant()
        {
            if entry.slot.is_some() {
                entry.state = State::Offered(Some(outcome));
                self.held_back.push(op);
            } else {
                self.calls.remove(op);
                if !Mutant::LateGrantKept.is_on() {
                    self.outbox.refuse(op);
                }
            }
            return;
        }
        if outcome.is_ok() && entry.cancelling && entry.may_be_taken_back() {
            // The server keeps it until its withdrawal is answered.
            entry.provisional = Some(outcome);
            if Mutant::WithdrawnPutAcknowledged.is_on() {
                self.outbox.done(op);
            }
            return;
        }
        if !matches!(entry.request, Request::Query(_)) {
            self.outbox.done(op);
        }
        if let Request::Command(Command::Cancel(target)) = entry.request {
            self.on_cancelled(target, outcome == Ok(Reply::Cancelled(true)), completions);
            self.calls.remove(op);
            return;
        }
        entry.uncount(&outcome);
        if entry.goes_on_without(&outcome) {
            return self.ask_anew(op);
        }
        if !entry.several.is_empty()
            && !entry.renewed
            && entry.slot.is_some()
            && outcome.as_ref().is_err_and(|error| error.reason == Reason::ObjectGone)
        {
            let objects = entry.several.clone();
            return self.renew(now, op, &objects);
        }
        if let Some(object) = &entry.object {
            match &mut outcome {
                Ok(reply) => object.learn_from(reply),
                Err(error) if entry.declares() => object.refuse(error.clone()),
                Err(error) if error.reason == Reason::ObjectGone => {
                    if !entry.renewed && entry.slot.is_some() {
                        let object = object.clone();
                        return self.renew(now, op, &[object]);
                    }
                    if let Some(refusal) = object.refusal() {
                        *error = refusal;
                    }
                }
                Err(_) => {}
            }
        }
        self.finish(op, outcome, completions);
    }

    /// What was offered ahead of need is wanted by others: it goes back, unless its consumer has taken it.
    fn on_recalled(&mut self, op: Op, completions: &mut Completions) {
        let entry = self.calls.get(op).filter(|entry| matches!(entry.state, State::Offered(_)));
        let Some(entry) = entry.filter(|_| !Mutant::RecallIgnored.is_on()) else { return };
        if let Some(slot) = &entry.slot {
            slot.take();
        }
        self.outbox.refuse(op);
        self.finish(op, Err(recalled()), completions);
    }

    /// What a call was granted, and its caller has, was taken away. The engine tells whoever releases it.
    fn on_taken_away(&mut self, op: Op, tokens: &[Token]) {
        self.losses.note(tokens);
        for object in self.objects.iter().filter_map(Weak::upgrade) {
            lock(object.holds()).take_away(tokens);
        }
        self.outbox.done(op);
    }

    /// The call ended with the session and changed nothing: as if it had never left.
    fn on_expired(&mut self, op: Op) {
        if let Some(entry) = self.calls.get_mut(op)
            && let State::Sent(_) = entry.state
        {
            entry.left = false;
            entry.state = State::Queued;
        }
    }

    /// The withdrawal of a call has been answered, which settles what was provisional.
    fn on_cancelled(&mut self, op: Op, cancelled: bool, completions: &mut Completions) {
        let Some(entry) = self.calls.get_mut(op) else { return };
        if let Some(outcome) = entry.provisional.take() {
            let outcome = if cancelled { Err(entry::cancelled()) } else { outcome };
            self.outbox.done(op);
            self.finish(op, outcome, completions);
        }
    }

    /// The object behind the handle is gone, or one of several: declares it anew, and asks again under a new number.
    fn renew(&mut self, now: Time, op: Op, objects: &[Arc<Object>]) {
        for object in objects {
            object.forget();
            self.enqueue_declare(now, object);
        }
        if let Some(entry) = self.calls.get_mut(op) {
            entry.renewed = true;
        }
        self.ask_anew(op);
    }

    /// The call has been answered, and is asked again under a new number.
    fn ask_anew(&mut self, op: Op) {
        let Some(mut entry) = self.calls.remove(op) else { return };
        if let Some(end) = entry.end {
            self.ends.remove(&(end, op));
        }
        entry.left = false;
        entry.state = State::Queued;
        let op = self.take_op();
        if let Some(slot) = &entry.slot {
            slot.renumber(op);
        }
        self.enqueue(op, entry);
    }

    /// Hands out the grants that wait for it, if the session is known to be alive.
    fn hand_out(&mut self, now: Time, completions: &mut Completions) {
        if !self.is_alive(now) {
            return;
        }
        for op in std::mem::take(&mut self.held_back) {
            let Some(entry) = self.calls.get_mut(op) else { continue };
            if let (State::Offered(held), Some(slot)) = (&mut entry.state, &entry.slot)
                && let Some(outcome) = held.take()
            {
                slot.put(Answered { op, outcome, offered: true });
                completions.0.push(slot.clone());
            }
        }
    }
}

/// Whether the server says that the session is over: whatever it held is another's.
fn is_told_lost(frame: &pb::AttachResponse) -> bool {
    let expired = pb::Reason::SessionExpired as i32;
    let answers = frame.answers.iter().filter_map(|answer| match &answer.body {
        Some(pb::answer::Body::Error(error)) => Some(error),
        _ => None,
    });
    frame.farewell.iter().chain(answers).any(|error| error.reason == expired)
}

/// What a take that prefetched ends with when its item is recalled.
pub(crate) fn recalled() -> Error {
    Error::new(Reason::Cancelled, "the item was recalled before it was taken: somebody else waited for it")
}

fn internal(message: &str) -> Error {
    Error::new(Reason::Internal, message)
}

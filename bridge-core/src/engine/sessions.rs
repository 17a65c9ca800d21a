//! What happens to whole sessions: open, attach, detach, pause, end, restart; and how their ops are settled.

use std::collections::BTreeSet;

use crate::command::{Carrier, Effect, EndReason, Mode, Opened, SessionSpec};
use crate::engine::Engine;
use crate::error::{Error, Reason};
use crate::ids::{Handle, Op, OpRange, ParticipantId, SessionKey, Token};
use crate::mutant::Mutant;
use crate::primitive::Loss;
use crate::sequence::Sequence;
use crate::session::{Entry, Offer};
use crate::wait::TicketKey;
use crate::world::{cancelled, session_expired};

impl Engine {
    pub(super) fn open(&mut self, spec: SessionSpec) {
        let opened = self.find_or_open(spec);
        self.world.effects.push(Effect::Opened(opened));
    }

    fn find_or_open(&mut self, spec: SessionSpec) -> Result<Opened, Error> {
        if let Some(session) = self.world.sessions.find(spec.id) {
            let known = self.world.sessions.get(session).filter(|known| known.spec.secret == spec.secret);
            let Some(known) = known else {
                let message = format!("the secret is not that of session {}; open one of your own", spec.id);
                return Err(Error::new(Reason::SessionDenied, message));
            };
            return Ok(Opened { session, resumed: true, incarnation: known.serial });
        }
        let limits = &self.world.limits;
        if self.world.sessions.len() >= limits.sessions_max as usize {
            return Err(Error::limit("sessions_max", limits.sessions_max.into()));
        }
        if spec.mode == Mode::Resumable {
            let (ttl, min, max) = (spec.ttl, limits.session_ttl_min, limits.session_ttl_max);
            let message = || format!("ttl is {ttl:?}; between {min:?} and {max:?} are allowed here");
            if ttl < min {
                return Err(Error::limit("session_ttl_min", min.as_secs()).with_message(message()));
            }
            if ttl > max {
                return Err(Error::limit("session_ttl_max", max.as_secs()).with_message(message()));
            }
        }
        let serial = self.world.number();
        let [label, host, language] = [spec.label, spec.host, spec.language].map(|text| self.world.cut(text));
        let spec = SessionSpec { label, host, language, ..spec };
        Ok(Opened { session: self.world.sessions.open(spec, serial), resumed: false, incarnation: serial })
    }

    /// Whatever is not settled is answered again, and who stood aside has its old place.
    pub(super) fn attach(&mut self, key: SessionKey) {
        let Some(session) = self.world.sessions.get_mut(key) else { return };
        (session.attached, session.paused) = (true, false);
        let unsettled: Vec<Op> =
            session.ops.iter().map(|(op, _)| op).take_while(|op| *op < Op::FIRST_OF_NODE).collect();
        for op in unsettled.into_iter().filter(|_| !Mutant::OfferLostAtResume.is_on()) {
            self.answer_again(key, op);
        }
        self.move_waits(key, false);
    }

    /// The waits that came by the stream step aside.
    pub(super) fn detach(&mut self, key: SessionKey) {
        let changed = self.leave_stream(key);
        changed.into_iter().for_each(|object| self.serve(object));
    }

    fn leave_stream(&mut self, key: SessionKey) -> BTreeSet<Handle> {
        let Some(session) = self.world.sessions.get_mut(key) else { return BTreeSet::new() };
        if session.spec.mode != Mode::Resumable || !session.attached {
            return BTreeSet::new();
        }
        session.attached = false;
        self.change_places(key, true)
    }

    /// The waits that came by the stream step aside until its client reads.
    pub(super) fn pause(&mut self, key: SessionKey) {
        let Some(session) = self.world.sessions.get_mut(key) else { return };
        if session.spec.mode == Mode::Resumable && session.attached && !session.paused {
            session.paused = true;
            self.move_waits(key, true);
        }
    }

    pub(super) fn unpause(&mut self, key: SessionKey) {
        let Some(session) = self.world.sessions.get_mut(key) else { return };
        if std::mem::take(&mut session.paused) && session.attached {
            self.move_waits(key, false);
        }
    }

    fn move_waits(&mut self, key: SessionKey, away: bool) {
        let changed = self.change_places(key, away);
        changed.into_iter().for_each(|object| self.serve(object));
    }

    /// Its waits step aside or come back; says which objects are to be served then.
    fn change_places(&mut self, key: SessionKey, away: bool) -> BTreeSet<Handle> {
        // Who waits for what it was offered ahead of need is to have another's, or can have it again.
        let session = self.world.sessions.get(key);
        let offers = session.into_iter().flat_map(|session| session.ops.values().flat_map(Entry::offers));
        let mut changed: BTreeSet<_> = offers.map(|offer| offer.object).collect();
        for (ticket, carrier) in self.waits(key) {
            if carrier == Carrier::Stream {
                changed.extend(self.change_sides(ticket, away));
            }
        }
        changed
    }

    /// All its tickets.
    pub(super) fn waits(&self, key: SessionKey) -> Vec<(TicketKey, Carrier)> {
        let Some(session) = self.world.sessions.get(key).filter(|session| session.waits > 0) else {
            return Vec::new();
        };
        let waiting = session.ops.values().filter_map(|entry| match entry {
            Entry::Waiting(ticket) => Some(*ticket),
            _ => None,
        });
        let mut all = Vec::with_capacity(session.waits);
        for first in waiting {
            let group =
                self.world.group_of(first).map_or(std::slice::from_ref(&first), |group| &group.tickets);
            let known = |key: &TicketKey| self.world.tickets.get(*key).map(|t| (*key, t.caller.carrier));
            all.extend(group.iter().filter_map(known));
        }
        all
    }

    pub(super) fn label(&mut self, key: SessionKey, participant: ParticipantId, label: String) {
        let label = self.world.cut(label).into_boxed_str();
        let max = self.world.limits.participants_per_session_max as usize;
        let Some(session) = self.world.sessions.get_mut(key) else { return };
        if session.labels.len() < max || session.labels.contains_key(&participant) {
            session.labels.insert(participant, label);
        }
    }

    pub(super) fn done(&mut self, key: SessionKey, range: OpRange) {
        let OpRange { first, last } = range;
        if first == last {
            return self.done_one(key, first);
        }
        let Some(session) = self.world.sessions.get(key).filter(|_| first < last) else { return };
        let ops: Vec<Op> = session.ops.from(first).map(|(op, _)| op).take_while(|op| *op <= last).collect();
        ops.into_iter().for_each(|op| self.done_one(key, op));
    }

    fn done_one(&mut self, key: SessionKey, op: Op) {
        let Some(session) = self.world.sessions.get_mut(key) else { return };
        match session.ops.get(op) {
            Some(Entry::Offered(offer)) => {
                let offer = *offer;
                session.ops.remove(op);
                if Mutant::AcceptForgotten.is_on() {
                    return;
                }
                self.with(offer.object, |primitive, world| {
                    primitive.accept(offer.object, &offer, world);
                    primitive.serve(offer.object, world);
                });
            }
            Some(Entry::Whole(offers)) => {
                let offers = offers.clone();
                session.ops.remove(op);
                for offer in offers {
                    self.with(offer.object, |primitive, world| {
                        primitive.accept(offer.object, &offer, world);
                        primitive.serve(offer.object, world);
                    });
                }
            }
            Some(Entry::Answered { .. }) => drop(session.ops.remove(op)),
            Some(Entry::Waiting(_)) | None => {}
        }
    }

    pub(super) fn refuse(&mut self, key: SessionKey, op: Op) {
        let Some(session) = self.world.sessions.get_mut(key) else { return };
        match session.ops.get(op) {
            Some(Entry::Offered(offer)) => {
                let offer = *offer;
                session.ops.remove(op);
                if Mutant::RefusalForgotten.is_on() {
                    return;
                }
                self.with(offer.object, |primitive, world| {
                    primitive.refuse(offer.object, &offer, Loss::Refused, world);
                    if !Mutant::NotServedAfterRefusal.is_on() {
                        primitive.serve(offer.object, world);
                    }
                });
            }
            Some(Entry::Whole(offers)) => {
                let offers = offers.clone();
                session.ops.remove(op);
                for offer in &offers[..if Mutant::PartForgotten.is_on() { 1 } else { offers.len() }] {
                    self.with(offer.object, |primitive, world| {
                        primitive.refuse(offer.object, offer, Loss::Refused, world);
                    });
                }
                offers.iter().for_each(|offer| self.serve(offer.object));
            }
            Some(Entry::Answered { .. }) => drop(session.ops.remove(op)),
            Some(Entry::Waiting(_)) | None => {}
        }
    }

    /// Everything goes back, in one step and in this order: its waits end and its offers return, by op; its
    /// holds return, by token; what it had gotten counts as lost; then whoever waits for any of it is served,
    /// object by object; then ephemeral objects that nobody else uses are deleted.
    pub(super) fn end(&mut self, key: SessionKey, reason: EndReason) {
        let Some(session) = self.world.sessions.get(key) else { return };
        let waiting = self.waits(key);
        let serial = session.serial;
        let waited_for: Vec<_> = waiting
            .into_iter()
            .flat_map(|(ticket, _)| self.withdraw_ticket(ticket, session_expired()))
            .collect();
        self.world.effects.push(Effect::Ended { session: key, reason });
        let Some(session) = self.world.sessions.get_mut(key) else { return };
        // What goes back is told from whom, so the session is still there for that.
        let (ops, holds) = (std::mem::take(&mut session.ops), std::mem::take(&mut session.holds));
        self.give_back(ops.values().flat_map(Entry::offers), &holds, reason);
        let Some(session) = self.world.sessions.close(key) else { return };
        for object in session.uses.iter() {
            if let Some(named) = self.objects.get_mut(object) {
                let who = |participant| session.name_of(participant);
                named.note_end(key, reason, self.world.now, who);
            }
        }
        for object in session.uses.iter().filter(|_| !Mutant::GottenNotLost.is_on()) {
            self.with(object, |primitive, world| primitive.session_over(serial, world));
        }
        let freed: BTreeSet<_> = session.uses.iter().chain(waited_for).collect();
        freed.into_iter().filter(|_| !Mutant::NotServedAtEnd.is_on()).for_each(|object| self.serve(object));
        session.uses.iter().for_each(|object| self.abandon(object));
    }

    pub(super) fn give_back<'a>(
        &mut self,
        offers: impl IntoIterator<Item = &'a Offer>,
        holds: &Sequence<Token, Handle>,
        reason: EndReason,
    ) {
        let loss = match reason {
            EndReason::Closed => Loss::Closed,
            EndReason::Expired => Loss::Expired,
        };
        for offer in offers.into_iter().filter(|_| !Mutant::OffersKeptAtEnd.is_on()) {
            let me = offer.object;
            // The caller of a unary call has its answer; closing is its acceptance.
            let accepted = loss == Loss::Closed && offer.carrier == Carrier::Call;
            self.with(offer.object, |primitive, world| {
                if accepted {
                    primitive.accept(me, offer, world);
                    offer.tokens().for_each(|token| primitive.lose(me, token, world));
                } else {
                    primitive.refuse(me, offer, loss, world);
                }
            });
        }
        for (token, object) in holds.iter().filter(|_| !Mutant::HoldsKeptAtEnd.is_on()) {
            self.with(*object, |primitive, world| primitive.lose(*object, token, world));
        }
    }

    /// After a restart nobody is connected: sessions are detached, open unary calls are gone, and so are the
    /// sessions of the process that was. Nobody is served before all of that is so, or one who is not there would be.
    pub(super) fn restart(&mut self) {
        let all: Vec<_> =
            self.world.sessions.after(None).map(|(key, session)| (key, session.spec.mode)).collect();
        let mut changed = BTreeSet::new();
        for (key, _) in &all {
            let calls = self.waits(*key).into_iter().filter(|(_, carrier)| *carrier == Carrier::Call);
            changed.extend(calls.flat_map(|(ticket, _)| self.withdraw_ticket(ticket, cancelled())));
            if !Mutant::AttachedAfterRestart.is_on() {
                changed.extend(self.leave_stream(*key));
            }
        }
        for (key, _) in all.into_iter().filter(|(_, mode)| *mode == Mode::Direct) {
            self.end(key, EndReason::Expired);
        }
        changed.into_iter().for_each(|object| self.serve(object));
    }
}

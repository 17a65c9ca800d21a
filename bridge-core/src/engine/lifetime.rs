//! How long objects live: discard, share, and what goes with its last user.
//!
//! An ephemeral object goes when the last session that uses it ends or discards it. One that was shared stays for one
//! time to live of the session that shared it (the longest, if several did): time for another process to attach.
//!
//! Invariant: an object that waits for its next user is ephemeral, has been shared, is used by nobody, and has a timer.

use std::collections::BTreeSet;

use crate::command::{EndReason, Outcome, Reply};
use crate::engine::Engine;
use crate::ids::{Handle, Kind, Target};
use crate::objects::{State, object_gone};
use crate::primitive::conclude;
use crate::timer::{Due, Subject};
use crate::wait::Caller;
use crate::world::{cancelled, session_expired};

impl Engine {
    /// What happens at a session's end, for one object of it: in the same order, by the same rules.
    pub(super) fn discard(&mut self, caller: &Caller, kind: Kind, target: &Target) {
        let found = self.objects.find(kind, target).ok().flatten();
        self.world.answer(caller, Ok(Reply::Discarded));
        let (Some(object), key) = (found, caller.session) else { return };
        let Some(session) = self.world.sessions.get_mut(key) else { return };
        if !session.uses.remove(object) {
            return;
        }
        let mut freed = BTreeSet::from([object]);
        for (ticket, _) in self.waits(key) {
            if self.world.tickets.get(ticket).is_some_and(|ticket| ticket.is_about(object)) {
                freed.extend(self.withdraw_ticket(ticket, cancelled()));
            }
        }
        let Some(session) = self.world.sessions.get_mut(key) else { return };
        let (offers, holds) = session.part_with(object);
        freed.extend(offers.iter().map(|offer| offer.object));
        self.give_back(&offers, &holds, EndReason::Closed);
        self.with(object, |primitive, world| primitive.session_over(caller.serial, world));
        freed.into_iter().for_each(|object| self.serve(object));
        self.abandon(object);
    }

    /// Other processes are told of the object: it stays for a while when nobody uses it.
    pub(super) fn share(&mut self, caller: &Caller, kind: Kind, target: &Target) {
        let outcome = self.share_it(caller, kind, target);
        self.world.answer(caller, outcome);
    }

    fn share_it(&mut self, caller: &Caller, kind: Kind, target: &Target) -> Outcome {
        let object = self.objects.find(kind, target)?.ok_or_else(object_gone)?;
        let session = self.world.sessions.get(caller.session).ok_or_else(session_expired)?;
        let ttl = session.spec.ttl;
        let named = self.objects.get_mut(object).ok_or_else(object_gone)?;
        let shared = named.shared.get_or_insert_default();
        shared.stays = shared.stays.max(ttl);
        if self.world.note_use(caller, object) {
            named.begin_use(&mut self.world.timers);
        }
        Ok(Reply::Shared)
    }

    /// A session uses the object no more.
    pub(super) fn abandon(&mut self, object: Handle) {
        let Some(named) = self.objects.get_mut(object) else { return };
        named.users -= 1;
        self.drop_unused(object);
    }

    /// The object goes, now or later, if nothing keeps it.
    pub(super) fn drop_unused(&mut self, object: Handle) {
        let Some(named) = self.objects.get_mut(object) else { return };
        let primitive = named.state.primitive();
        if named.users > 0 || !primitive.is_ephemeral() || primitive.is_needed() {
            return;
        }
        let Some(shared) = &mut named.shared else { return self.delete(object) };
        if shared.goes.is_some() {
            return;
        }
        let (at, place) = (self.world.now + shared.stays, self.world.number());
        shared.goes = Some((at, place));
        self.world.timers.set(at, place, Due::Unused, Subject::Object(object));
    }

    /// The object goes, with whatever is in it.
    pub(super) fn delete(&mut self, object: Handle) {
        let Some((primitive, world)) = self.parts(object) else { return };
        for key in primitive.dissolve(world) {
            world.drop_put(key);
            conclude(world, key, Err(object_gone()));
        }
        if let Some(named) = self.objects.remove(object)
            && let State::Condition(condition) = named.state
            && let Some(bound) = condition.bound()
        {
            self.unbind_condition(bound);
        }
    }
}

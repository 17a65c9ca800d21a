//! A shortcut for callers in the engine's own process: a put of an ordinary item where there is room, and a get where one is
//! READY, while nobody else is concerned. Nothing is written down for it, no input and no effect; the answer is returned.
//!
//! It is exactly what [`Engine::handle`] would have done, or nothing: then the call is to be made that way. A property
//! in `tests/semantics/at_once.rs` compares the two. Not for an engine whose inputs are kept.

use crate::command::queue::{Delivery, NewItem};
use crate::command::{Carrier, Mode};
use crate::engine::Engine;
use crate::ids::{Handle, ItemId, ParticipantId, SessionKey};
use crate::objects::{Named, State};
use crate::session::Serial;
use crate::time::Time;
use crate::world::World;

/// Who calls, and about which queue.
#[derive(Clone, Copy, Debug)]
pub struct AtOnce {
    /// A session of [`Mode::Direct`].
    pub session: SessionKey,
    /// Who of it.
    pub participant: ParticipantId,
    /// It uses the queue already.
    pub queue: Handle,
}

impl Engine {
    /// Puts an item that has no attributes. `None`: nothing has happened, and the item is where it was.
    #[inline]
    pub fn put_at_once(&mut self, now: Time, call: AtOnce, item: &mut NewItem) -> Option<ItemId> {
        if item.attributes.is_some() {
            return None;
        }
        let (named, world, _) = self.undisturbed(now, call)?;
        let State::Queue(queue) = &mut named.state else { return None };
        let id = queue.put_at_once(call.queue, world, item)?;
        named.giver = Some((call.session, call.participant));
        self.commands += 1;
        Some(id)
    }

    /// Takes the next item for good. `None`: nothing has happened.
    #[inline]
    pub fn get_at_once(&mut self, now: Time, call: AtOnce) -> Option<Delivery> {
        let (named, world, serial) = self.undisturbed(now, call)?;
        let State::Queue(queue) = &mut named.state else { return None };
        let delivery = queue.get_at_once(world, serial)?;
        self.commands += 1;
        Some(delivery)
    }

    /// The queue, if a call that is answered now concerns nobody else: nothing is due, nobody waits there, and nobody waits
    /// for several things at once.
    #[inline(always)]
    fn undisturbed(&mut self, now: Time, call: AtOnce) -> Option<(&mut Named, &mut World, Serial)> {
        let world = &mut self.world;
        let now = now.max(world.now);
        if world.timers.next().is_some_and(|due| due <= now) || !world.is_settled() {
            return None;
        }
        let stored_max = world.limits.stored_answers_per_session_max as usize;
        let session = world.sessions.get_mut(call.session)?;
        if session.spec.mode != Mode::Direct
            || !session.is_present(Carrier::Stream)
            || (!session.ops.is_empty() && session.stored() >= stored_max)
            || !session.uses.contains(call.queue)
        {
            return None;
        }
        let serial = session.serial;
        let named = self.objects.get_mut(call.queue)?;
        let State::Queue(queue) = &named.state else { return None };
        if !queue.is_quiet() {
            return None;
        }
        world.now = now;
        Some((named, world, serial))
    }
}

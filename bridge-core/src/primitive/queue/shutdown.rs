//! Shutting down, as CPython 3.13's `queue.Queue.shutdown`, with leases.
//!
//! Gracefully: puts end at once; takes end when nothing is READY, DELAYED, OFFERED to others, or LEASED by a participant
//! that does not itself wait here. Immediately: what is READY or DELAYED is dropped, and what returns later is DEAD.

use std::collections::BTreeSet;

use crate::command::Reply as AnyReply;
use crate::command::queue::Reply;
use crate::ids::{Handle, ItemId, ParticipantId, SessionKey};
use crate::mutant::Mutant;
use crate::primitive::queue::{Queue, Shut};
use crate::primitive::{Step, conclude, done};
use crate::wait::{Caller, Want};
use crate::world::World;

type Participant = (SessionKey, ParticipantId);

fn participant(caller: &Caller) -> Participant {
    (caller.session, caller.participant)
}

impl Queue {
    pub(super) fn shut_down(&mut self, world: &mut World, immediate: bool) -> Step {
        for key in self.putters.clear().into_iter().filter(|_| !Mutant::PuttersForgottenAtShutdown.is_on()) {
            world.drop_put(key);
            conclude(world, key, Err(self.is_shut_down()));
        }
        if immediate {
            self.shut = Some(Shut::Immediately);
            self.drop_waiting(world);
            for key in self.takers.clear() {
                let error = self.is_shut_down();
                conclude(world, key, Err(error));
            }
        } else if self.shut.is_none() {
            self.shut = Some(Shut::Gracefully);
        }
        done(AnyReply::Queue(Reply::ShutDown))
    }

    /// After a shutdown: whether `caller`, who counts as waiting, can get nothing any more but what is READY.
    pub(super) fn nothing_can_come(&self, world: &World, caller: &Caller) -> bool {
        let me = participant(caller);
        match self.shut {
            Some(Shut::Immediately) => true,
            _ if !self.delayed.is_empty() => false,
            _ if self.out.is_empty() => true,
            _ => {
                let mut waiting = self.who_waits(world);
                waiting.insert(me);
                self.awaited(&waiting).is_some_and(|awaited| awaited.is_none_or(|other| other == me))
            }
        }
    }

    fn who_waits(&self, world: &World) -> BTreeSet<Participant> {
        let tickets = self.takers.who_waits().filter_map(|key| world.tickets.get(key));
        tickets.map(|ticket| participant(&ticket.caller)).collect()
    }

    /// Whose offers may still return something: `Some(None)` nobody's, `Some(Some(p))` only p's, which p itself
    /// does not wait for; `None` where several have offers or somebody who does not wait holds a lease.
    fn awaited(&self, waiting: &BTreeSet<Participant>) -> Option<Option<Participant>> {
        let mut offered_to = None;
        for (_, out) in self.out.iter() {
            let holder = participant(&out.caller);
            if out.accepted && !waiting.contains(&holder) {
                return None;
            }
            if !out.accepted {
                if offered_to.is_some_and(|other| other != holder) {
                    return None;
                }
                offered_to = Some(holder);
            }
        }
        Some(offered_to)
    }

    /// Ends the takes for which nothing can come any more, and says whether there were any.
    pub(super) fn end_takers(&mut self, me: Handle, world: &mut World) -> bool {
        if self.takers.is_empty() || !self.delayed.is_empty() {
            return false;
        }
        let Some(awaited) = self.awaited(&self.who_waits(world)) else { return false };
        if self.ready.len() > 0 {
            // Batches that wanted more get what there is: no more will come.
            return awaited.is_none() && self.serve_last(me, world);
        }
        let mut ended = false;
        for key in self.takers.iter().collect::<Vec<_>>() {
            let Some(ticket) = world.tickets.get(key) else { continue };
            if awaited.is_some_and(|holder| holder != participant(&ticket.caller)) {
                continue;
            }
            let Want::Take { taking, .. } = ticket.want else { continue };
            self.takers.leave(&taking, ticket.place);
            let error = self.is_shut_down();
            conclude(world, key, Err(error));
            ended = true;
        }
        ended
    }

    /// Drops what is READY or DELAYED and says how many.
    pub(super) fn drop_waiting(&mut self, world: &mut World) -> u64 {
        let mut all = self.ready.clear();
        all.extend(self.groups.clear_waiting());
        all.extend(std::mem::take(&mut self.delayed).into_values());
        if let Some(load) = &mut self.load {
            load.nothing_waits();
        }
        for item in &all {
            self.forget_times(world, *item);
            world.drop_item(*item);
        }
        all.len() as u64
    }

    pub(super) fn remove(&mut self, world: &mut World, ids: &[ItemId]) -> Step {
        let max = world.limits.batch_max;
        if ids.len() > max as usize {
            let message = format!("{} ids were given; at most {max} go in one remove", ids.len());
            return Err(crate::Error::limit("batch_max", max.into()).with_message(message));
        }
        let mut removed = Vec::new();
        for id in ids {
            let Some(item) = self.find_waiting(*id) else { continue };
            self.unshelve(world, item);
            world.drop_item(item);
            removed.push(*id);
        }
        done(AnyReply::Queue(Reply::Removed(removed)))
    }
}

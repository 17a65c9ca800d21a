//! Who drives: callers lead and follow each other, and the helper stands in while none is there.
//!
//! Exactly one thread leads at a time: it sleeps in the connection's poller and is the only one that reads. The
//! others park at their slots. A leader that leaves pokes one of them, which is a candidate and not an heir: a
//! newcomer may be faster, and then the candidate parks again. Whoever leaves and finds nobody leading pokes too,
//! so that a poke which met someone on his way out is not lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use super::poller::{EventFlags, Poller};
use super::socket::Socket;
use crate::link::slot::Slot;
use crate::mutex::lock;

/// Leader, followers, and the helper's watch over the socket.
#[derive(Debug)]
pub(super) struct Lead {
    state: Mutex<State>,
    /// What the helper sleeps in.
    helper: Arc<Poller>,
}

#[derive(Debug, Default)]
struct State {
    /// Threads between `enter` and `leave`.
    callers: usize,
    leading: bool,
    /// Followers that nobody has poked, by age.
    waiting: BTreeMap<u64, Arc<Slot>>,
    next: u64,
    /// A follower was poked and has not looked yet. He will lead, or poke another as he leaves.
    candidate: bool,
    socket: Option<Arc<Socket>>,
    /// The helper is woken by the socket. One-shot: cleared when it was.
    watched: bool,
}

/// What a thread does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Drive until `resign`.
    Leader,
    /// Park, then `unlist` this number.
    Follower(u64),
}

/// An interest that never fires twice: interest 0 still reports a hang-up, again and again.
const ONCE: EventFlags = EventFlags::ONESHOT;

impl Lead {
    pub(super) fn new(helper: Arc<Poller>) -> Self {
        Lead { state: Mutex::default(), helper }
    }

    /// A thread comes to wait. The first one sends the helper to sleep.
    pub(super) fn enter(&self) {
        let mut state = lock(&self.state);
        state.callers += 1;
        if state.watched {
            state.watched = false;
            if let Some(socket) = &state.socket {
                // Fails only where the socket is gone; then there is nothing to hear from it.
                let _ = self.helper.modify(socket, ONCE);
            }
        }
    }

    /// A thread that entered goes. True: nobody is left, and nobody watches the socket; see to it soon.
    pub(super) fn leave(&self) -> bool {
        let mut state = lock(&self.state);
        state.callers -= 1;
        let unwatched = state.callers == 0;
        poke_one(state);
        unwatched
    }

    /// Leads if nobody does; otherwise stands in line under `slot`.
    pub(super) fn join(&self, slot: &Arc<Slot>) -> Role {
        let mut state = lock(&self.state);
        if !state.leading {
            state.leading = true;
            return Role::Leader;
        }
        let number = state.next;
        state.next += 1;
        state.waiting.insert(number, slot.clone());
        Role::Follower(number)
    }

    /// A follower has woken. True: it was poked, and should see whether it can lead.
    pub(super) fn unlist(&self, number: u64) -> bool {
        let mut state = lock(&self.state);
        let poked = state.waiting.remove(&number).is_none();
        if poked {
            state.candidate = false;
        }
        poked
    }

    /// The leader stops. A candidate is poked when it leaves.
    pub(super) fn resign(&self) {
        lock(&self.state).leading = false;
    }

    /// The helper stops leading.
    pub(super) fn stand_back(&self) {
        let mut state = lock(&self.state);
        state.leading = false;
        poke_one(state);
    }

    /// Leads in the callers' stead, if none is there. The socket has woken the helper, so it is not watched any more.
    pub(super) fn stand_in(&self) -> bool {
        let mut state = lock(&self.state);
        state.watched = false;
        let free = state.callers == 0 && !state.leading;
        state.leading |= free;
        free
    }

    /// The helper is woken by the socket from now on, unless callers are there.
    pub(super) fn watch(&self) {
        let mut state = lock(&self.state);
        let State { callers: 0, leading: false, socket: Some(socket), .. } = &*state else { return };
        let mut interest = ONCE | EventFlags::IN;
        if socket.wants_write() {
            // Or what does not fit into the buffer would stay there while the server is silent.
            interest |= EventFlags::OUT;
        }
        state.watched = self.helper.modify(socket, interest).is_ok();
    }

    /// The socket's buffer is full, and somebody wants to write.
    pub(super) fn wants_write(&self) -> bool {
        lock(&self.state).socket.as_ref().is_some_and(|socket| socket.wants_write())
    }

    /// Whether a thread is in the connection's poller, or about to be.
    pub(super) fn is_led(&self) -> bool {
        lock(&self.state).leading
    }

    /// There is a connection.
    pub(super) fn attach(&self, socket: Arc<Socket>) -> std::io::Result<()> {
        let mut state = lock(&self.state);
        self.helper.add(&socket, ONCE)?;
        state.socket = Some(socket);
        state.watched = false;
        Ok(())
    }

    /// There is none any more.
    pub(super) fn detach(&self) {
        let mut state = lock(&self.state);
        state.watched = false;
        if let Some(socket) = state.socket.take() {
            self.helper.remove(&socket);
        }
    }
}

/// Pokes the youngest follower: its answer is the furthest away, so it leads the longest.
fn poke_one(mut state: MutexGuard<'_, State>) {
    let candidate = if state.leading || state.candidate { None } else { state.waiting.pop_last() };
    state.candidate |= candidate.is_some();
    drop(state);
    if let Some((_, slot)) = candidate {
        slot.poke();
    }
}

#[cfg(test)]
mod schedules;

#[cfg(test)]
mod tests {
    use bridge_core::ids::Op;

    use super::*;

    fn lead() -> Lead {
        Lead::new(Arc::new(Poller::new().unwrap()))
    }

    #[test]
    fn one_leads_and_the_next_is_poked() {
        let lead = lead();
        let slots: Vec<_> = (1..=3).map(|op| Slot::new(Op(op))).collect();
        slots.iter().for_each(|_| lead.enter());
        assert_eq!(lead.join(&slots[0]), Role::Leader);
        assert_eq!(lead.join(&slots[1]), Role::Follower(0));
        assert_eq!(lead.join(&slots[2]), Role::Follower(1));
        let seen = slots[2].seen();
        lead.resign();
        lead.leave();
        assert_ne!(slots[2].seen(), seen, "the youngest is poked");
        assert!(lead.unlist(1));
        assert_eq!(lead.join(&slots[2]), Role::Leader);
        assert!(!lead.unlist(0), "nobody poked the other");
    }

    #[test]
    fn a_candidate_that_goes_passes_the_poke_on() {
        let lead = lead();
        let slots: Vec<_> = (1..=3).map(|op| Slot::new(Op(op))).collect();
        slots.iter().for_each(|_| lead.enter());
        for slot in &slots {
            lead.join(slot);
        }
        lead.resign();
        lead.leave();
        let seen = slots[1].seen();
        lead.enter();
        lead.leave();
        assert_eq!(slots[1].seen(), seen, "one candidate at a time");
        assert!(lead.unlist(1));
        lead.leave();
        assert_ne!(slots[1].seen(), seen);
        assert!(lead.unlist(0));
    }

    #[test]
    fn the_helper_stands_in_only_for_absent_callers() {
        let lead = lead();
        lead.enter();
        assert!(!lead.stand_in());
        assert!(lead.leave());
        assert!(lead.stand_in());
        lead.enter();
        assert_eq!(lead.join(&Slot::new(Op(1))), Role::Follower(0));
        lead.stand_back();
        assert!(lead.unlist(0));
    }
}

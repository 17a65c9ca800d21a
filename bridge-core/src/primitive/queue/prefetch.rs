//! Prefetch: items that are OFFERED ahead of need, and recalled where somebody waits for one.
//!
//! Whoever waits is served before those who prefetch, and while anybody waits, nothing is given ahead of need. What was
//! given before is recalled, the newest first: as many items as are waited for, less those that are on their way back. A
//! client that has taken the item already lets the recall be; then the next one is recalled.
//!
//! Invariant: what is untaken or recalled is OFFERED; while somebody present waits, as much as is wanted is recalled, or all that sessions have which are present.

use std::collections::BTreeSet;

use crate::command::Effect;
use crate::ids::Token;
use crate::mutant::Mutant;
use crate::primitive::queue::Queue;
use crate::world::World;

/// What is offered ahead of need, by token: the newest last.
#[derive(Debug, Default, Hash)]
pub(crate) struct Prefetched {
    untaken: BTreeSet<Token>,
    recalled: BTreeSet<Token>,
}

impl Prefetched {
    pub(super) fn note(&mut self, token: Token) {
        self.untaken.insert(token);
    }

    /// It has been taken, or has gone back.
    pub(super) fn forget(&mut self, token: Token) {
        if !self.untaken.remove(&token) {
            self.recalled.remove(&token);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.untaken.is_empty() && self.recalled.is_empty()
    }

    pub(super) fn is_recalled(&self, token: Token) -> bool {
        self.recalled.contains(&token)
    }
}

impl Queue {
    /// Recalls what is wanted by who waits here, and by one who asked for so many and does not wait.
    pub(super) fn recall(&mut self, world: &mut World, asked: u32) {
        if self.prefetched.untaken.is_empty() || Mutant::RecallForgotten.is_on() {
            return;
        }
        let mut missing = self.missing(world, asked);
        while missing > 0
            && let Some(token) = self.newest_untaken(world)
            && let Some(out) = self.out.get(token)
        {
            world.effects.push(Effect::Recall { to: out.caller.session, op: out.caller.op });
            self.prefetched.untaken.remove(&token);
            self.prefetched.recalled.insert(token);
            missing -= 1;
        }
    }

    /// The newest one of a session that hears of its recall.
    fn newest_untaken(&self, world: &World) -> Option<Token> {
        let hears = |token: &&Token| self.out.get(**token).is_some_and(|out| world.is_present(&out.caller));
        self.prefetched.untaken.iter().rfind(hears).copied()
    }

    /// How many more items are wanted than are READY or on their way back.
    fn missing(&self, world: &World, asked: u32) -> usize {
        let out = self.prefetched.untaken.len() + self.prefetched.recalled.len();
        let wanted = asked as usize + self.takers.wanted(out + self.ready.len());
        let is_coming =
            |token: &&Token| self.out.get(**token).is_some_and(|out| world.is_present(&out.caller));
        let at_hand = self.ready.len();
        let coming = self.prefetched.recalled.iter().filter(is_coming);
        wanted.saturating_sub(at_hand).saturating_sub(coming.count())
    }

    /// See the module's invariant.
    pub(super) fn check_prefetched(&self, world: &World) {
        let Prefetched { untaken, recalled } = &self.prefetched;
        assert!(untaken.is_disjoint(recalled), "it is recalled once");
        let is_offered = |token: &Token| self.out.get(*token).is_some_and(|out| !out.accepted);
        assert!(untaken.iter().chain(recalled).all(is_offered), "what is prefetched is OFFERED");
        let is_untaken = self.newest_untaken(world).is_some();
        assert!(!is_untaken || self.missing(world, 0) == 0, "somebody waits for what is prefetched");
    }
}

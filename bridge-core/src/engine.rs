//! The engine: `(state, now, input) -> effects`.

use crate::command::{Effect, Input, Outcome, Query};
use crate::ids::{SessionId, SessionKey};
use crate::limits::Limits;
use crate::time::Time;

/// The state of one namespace.
pub struct Engine {}

#[allow(clippy::todo, unused_variables)]
impl Engine {
    /// An empty namespace. `first_token` seeds tokens and must exceed every token given out before.
    pub fn new(first_token: u64, limits: Limits) -> Self {
        todo!()
    }

    /// Executes one input at `now` and appends what must happen outside. Total: it never panics.
    pub fn handle(&mut self, now: Time, input: Input, effects: &mut Vec<Effect>) {
        todo!()
    }

    /// Answers a query of a session as of `now`; call with a `Tick` behind you where something was due.
    pub fn query(&self, now: Time, caller: SessionKey, query: &Query) -> Outcome {
        todo!()
    }

    /// When the next thing is due.
    pub fn next_deadline(&self) -> Option<Time> {
        todo!()
    }

    /// The open session of that id.
    pub fn session(&self, id: SessionId) -> Option<SessionKey> {
        todo!()
    }

    /// A digest of the whole state: equal histories have equal digests.
    pub fn state_hash(&self) -> u64 {
        todo!()
    }
}

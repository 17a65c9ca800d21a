//! Which grants a bare release returns, and in which order.

use std::collections::BTreeSet;

use crate::ids::{ParticipantId, Token};
use crate::primitive::semaphore::Grant;
use crate::session::Serial;
use crate::wait::Caller;

/// The grants that a bare release may return, in the three orders in which it looks for them.
#[derive(Debug, Default, Hash)]
pub(super) struct Bare {
    by_participant: BTreeSet<(Serial, ParticipantId, Token)>,
    by_session: BTreeSet<(Serial, Token)>,
    by_age: BTreeSet<Token>,
    /// What they hold together.
    pub(super) permits: i64,
}

impl Bare {
    pub(super) fn insert(&mut self, token: Token, grant: &Grant) {
        let Caller { serial, participant, .. } = grant.caller;
        if self.by_age.insert(token) {
            self.by_participant.insert((serial, participant, token));
            self.by_session.insert((serial, token));
            self.permits += grant.held;
        }
    }

    /// Call while `grant` still has what it had when it was inserted.
    pub(super) fn remove(&mut self, token: Token, grant: &Grant) {
        let Caller { serial, participant, .. } = grant.caller;
        if self.by_age.remove(&token) {
            self.by_participant.remove(&(serial, participant, token));
            self.by_session.remove(&(serial, token));
            self.permits -= grant.held;
        }
    }

    /// The participant's newest, else the session's newest, else the oldest.
    pub(super) fn next_for(&self, caller: &Caller) -> Option<Token> {
        let Caller { serial, participant, .. } = *caller;
        let (low, high) = (Token(0), Token(u64::MAX));
        let mut own = self.by_participant.range((serial, participant, low)..=(serial, participant, high));
        let own = own.next_back().map(|(_, _, token)| *token);
        let session = || self.by_session.range((serial, low)..=(serial, high)).next_back().map(|(_, t)| *t);
        own.or_else(session).or_else(|| self.by_age.first().copied())
    }

    /// It lists exactly `grants`.
    pub(super) fn check(&self, grants: &[(&Token, &Grant)]) {
        assert!(grants.iter().map(|(token, _)| *token).eq(&self.by_age), "the list of bare grants is wrong");
        assert_eq!(self.permits, grants.iter().map(|(_, grant)| grant.held).sum::<i64>(), "bare permits");
        assert_eq!(self.by_participant.len(), grants.len());
        assert_eq!(self.by_session.len(), grants.len());
    }
}

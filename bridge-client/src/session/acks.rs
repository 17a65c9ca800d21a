//! Acks of one lease each that nobody awaits: those that have not left leave as one. The server takes an ack of several as a
//! whole or not at all, so where some of its leases were lost, the others are asked for again without them.

use std::sync::Arc;

use bridge_core::command::{Command, queue};
use bridge_core::ids::Token;
use bridge_core::{Error, Outcome, Reason, Request};

use super::entry::{Entry, State};
use crate::link::Submission;

/// At most so many are one.
const JOINED_MAX: usize = 512;

/// The detail that says how many calls an error is about.
const FAILED: &str = "failed";

/// What befell some of the acks that are one.
#[derive(Debug, Default)]
pub(super) struct Joined {
    /// Why the first of them failed, and how many did.
    failed: Option<(Error, usize)>,
}

impl Joined {
    fn note(&mut self, error: Error, count: usize) {
        self.failed.get_or_insert((error, 0)).1 += count;
    }
}

/// Whether others may join that call while it has not left.
pub(super) fn may_be_joined(request: &Request) -> bool {
    leases(request).is_some_and(|tokens| tokens.len() == 1)
}

/// How many calls failed with that error, which is about several only where acks were joined.
pub(crate) fn take_count(error: &mut Error) -> u64 {
    let at = error.metadata.iter().position(|(name, _)| name == FAILED);
    let count = at.and_then(|at| error.metadata.swap_remove(at).1.parse().ok());
    count.unwrap_or(1)
}

impl Entry {
    /// Acknowledges one more lease, if that is all that the call is about and this one has not left.
    pub(super) fn joins(&mut self, call: &Submission) -> bool {
        let same = self.object.as_ref().is_some_and(|object| Arc::ptr_eq(object, &call.object));
        let waits = matches!(self.state, State::Queued) && !self.left && self.joined.is_some();
        let (Some([token]), true) = (leases(&call.request), same && waits && self.who == call.who) else {
            return false;
        };
        match leases_mut(&mut self.request) {
            Some(tokens) if tokens.len() < JOINED_MAX => {
                tokens.push(*token);
                true
            }
            _ => false,
        }
    }

    /// What an answer comes to, where the call stands for several. `None`: some of their leases were lost, and the others are to
    /// be asked for again.
    pub(super) fn in_all(&mut self, outcome: Outcome) -> Option<Outcome> {
        let Err(error) = &outcome else { return Some(self.told(outcome)) };
        let lost = lost(error);
        let (Some(joined), Some(tokens)) = (&mut self.joined, leases_mut(&mut self.request)) else {
            return Some(outcome);
        };
        let before = tokens.len();
        if tokens.iter().all(|token| lost.contains(token)) {
            return Some(self.told(outcome));
        }
        tokens.retain(|token| !lost.contains(token));
        if tokens.len() == before {
            return Some(self.told(outcome));
        }
        joined.note(error.clone(), before - tokens.len());
        None
    }

    /// How a call that stands for several ends: failed, if any did, with how many.
    pub(super) fn told(&mut self, outcome: Outcome) -> Outcome {
        let Some(mut joined) = self.joined.take() else { return outcome };
        let reply = match outcome {
            Ok(reply) => Some(reply),
            Err(error) => {
                joined.note(error, leases(&self.request).map_or(1, <[Token]>::len));
                None
            }
        };
        match (joined.failed, reply) {
            (Some((error, count)), _) => Err(error.with(FAILED, count.to_string())),
            (None, reply) => reply.ok_or_else(|| self.unknown()),
        }
    }
}

/// The leases that an error names.
fn lost(error: &Error) -> Vec<Token> {
    let tokens = error.detail("tokens").filter(|_| error.reason == Reason::Stale).unwrap_or_default();
    tokens.split(',').filter_map(|token| token.parse().ok().map(Token)).collect()
}

fn leases(request: &Request) -> Option<&[Token]> {
    match request {
        Request::Command(Command::Queue(_, queue::Command::Ack { tokens })) => Some(tokens),
        _ => None,
    }
}

fn leases_mut(request: &mut Request) -> Option<&mut Vec<Token>> {
    match request {
        Request::Command(Command::Queue(_, queue::Command::Ack { tokens })) => Some(tokens),
        _ => None,
    }
}

//! Acks of one lease each that nobody awaits: those that have not left leave as one. The server takes an ack of several as a
//! whole or not at all, so where some of its leases were lost, the others are asked for again without them; and where it takes fewer at
//! once, one part is asked for after the other.

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
    /// What the server does not take at once with the others, and how many it takes.
    rest: Vec<Token>,
    at_once: usize,
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

    /// Whether some of the acks that it stands for are to be asked for once more, or only now. Those that have failed are counted and
    /// taken out.
    pub(super) fn goes_on_without(&mut self, outcome: &Outcome) -> bool {
        let (Some(joined), Some(tokens)) = (&mut self.joined, leases_mut(&mut self.request)) else {
            return false;
        };
        if let Err(error) = outcome {
            let at_once = at_once(error);
            if (1..tokens.len()).contains(&at_once) {
                joined.at_once = at_once;
                joined.rest.extend(tokens.drain(at_once..));
                return true;
            }
            let (before, lost) = (tokens.len(), lost(error));
            let left = tokens.iter().filter(|token| !lost.contains(token)).count();
            if left > 0 && left < before {
                tokens.retain(|token| !lost.contains(token));
                joined.note(error.clone(), before - left);
                return true;
            }
            if !joined.rest.is_empty() {
                joined.note(error.clone(), before);
            }
        }
        *tokens = match joined.rest.len() {
            0 => return false,
            rest => joined.rest.drain(..joined.at_once.min(rest)).collect(),
        };
        true
    }

    /// How a call that stands for several ends: failed, if any did, with how many.
    pub(super) fn told(&mut self, outcome: Outcome) -> Outcome {
        let Some(mut joined) = self.joined.take() else { return outcome };
        if let Err(error) = &outcome {
            let here = leases(&self.request).map_or(1, <[Token]>::len);
            joined.note(error.clone(), here + joined.rest.len());
        }
        match joined.failed {
            Some((error, count)) => Err(error.with(FAILED, count.to_string())),
            None => outcome,
        }
    }
}

/// The leases that an error names.
fn lost(error: &Error) -> Vec<Token> {
    let tokens = error.detail("tokens").filter(|_| error.reason == Reason::Stale).unwrap_or_default();
    tokens.split(',').filter_map(|token| token.parse().ok().map(Token)).collect()
}

/// How many the server takes at once, if that was too many; 0 if it was not.
fn at_once(error: &Error) -> usize {
    let too_many = error.reason == Reason::LimitExceeded && error.detail("limit") == Some("batch_max");
    error.detail("value").filter(|_| too_many).and_then(|value| value.parse().ok()).unwrap_or(0)
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

//! Who waits for whom, as operators see it.

use std::fmt;
use std::time::Duration;

use crate::engine::Engine;
use crate::ids::{Kind, Name, Op};
use crate::time::Time;
use crate::view::{Participant, wants};
use crate::wait::{Ticket, Want};

/// How long the same deadlock is not reported again.
const REPORTED_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// One wait: who, for what, since when.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Wait {
    pub who: Participant,
    pub op: Op,
    pub kind: Kind,
    pub object: Name,
    /// What for, in words: "lock", "acquire 2".
    pub wants: String,
    pub since: Time,
    /// When its time is over; `None` waits for ever.
    pub until: Option<Time>,
}

/// Participants of whom each waits for the next, and the last for the first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Deadlock {
    /// When it was found.
    pub at: Time,
    /// The first wait ended with `DEADLOCK`. Else it goes on.
    pub raised: bool,
    /// How many wait in it.
    pub participants: u64,
    /// The first ones; the very first closed the cycle.
    pub waits: Vec<Wait>,
}

impl Deadlock {
    /// Whether `other` is the same as this one, which was reported not long ago.
    pub(crate) fn covers(&self, other: &Deadlock) -> bool {
        let same = |(one, other): (&Wait, &Wait)| {
            let who = |wait: &Wait| (wait.who.session, wait.who.participant);
            (who(one), one.kind, &one.object) == (who(other), other.kind, &other.object)
        };
        self.raised == other.raised
            && self.participants == other.participants
            && other.at.since(self.at) < REPORTED_AGAIN_AFTER
            && self.waits.iter().zip(&other.waits).all(same)
    }
}

impl fmt::Display for Deadlock {
    /// "a of x@host:1 (python) waits for lock l, held by b of y@host:2 (java), who waits for lock m, held by the first".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, wait) in self.waits.iter().enumerate() {
            let Wait { who, kind, object, .. } = wait;
            match index {
                0 => write!(f, "{who} waits for {kind} {object}")?,
                _ => write!(f, ", held by {who}, who waits for {kind} {object}")?,
            }
        }
        match self.participants - self.waits.len() as u64 {
            0 => f.write_str(", held by the first"),
            more => write!(f, ", and so on by way of {more} more back to the first"),
        }
    }
}

impl Engine {
    /// What a ticket waits for: the condition until it is woken, then its lock.
    fn kind_and_name(&self, ticket: &Ticket) -> Option<(Kind, Name)> {
        let object = match ticket.want {
            Want::Condition { condition, woken: None, .. } => condition,
            _ => ticket.object,
        };
        self.objects.get(object).map(|named| (named.state.kind(), named.name.clone()))
    }

    pub(crate) fn wait(&self, ticket: &Ticket) -> Option<Wait> {
        let (kind, object) = self.kind_and_name(ticket)?;
        Some(Wait {
            who: self.who(ticket.caller.owner()),
            op: ticket.caller.op,
            kind,
            object,
            wants: wants(ticket),
            since: ticket.since,
            until: ticket.deadline,
        })
    }
}

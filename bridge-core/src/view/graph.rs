//! Who waits for whom, as operators see it.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::command::lock::Cause;
use crate::command::{EndReason, Mode};
use crate::engine::Engine;
use crate::ids::{Handle, Kind, Name, Op, ParticipantId, SessionId, SessionKey};
use crate::limits::{CYCLE_WAITS_MAX, EXPLAINED_WAITS_MAX, OWNERS_NAMED_MAX};
use crate::objects::{Gone, Named};
use crate::primitive::Owner;
use crate::session::{Entry, Session};
use crate::time::Time;
use crate::view::{Participant, wants};
use crate::wait::{Ticket, TicketKey, Want};

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

/// A wait and who owns what it waits for: edges of the wait-for graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edges {
    /// The wait.
    pub wait: Wait,
    /// What to give as `after` for those behind it.
    pub key: u64,
    /// The first owners; nobody owns a notification, or an item that is not there.
    pub owners: Vec<Participant>,
    /// How many grants are out.
    pub owned_by: u64,
}

/// How a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It waits.
    Waiting,
    /// It has been granted, and its caller has not accepted yet.
    Offered,
    /// It has ended.
    Answered,
    /// There is no such call: it was never made, or has been settled.
    Unknown,
}

/// Why a call has not been answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// How it stands.
    pub standing: Standing,
    /// How many wait before it for the same object.
    pub ahead: u64,
    /// Its wait, then the wait of an owner of what that waits for, and so on.
    pub chain: Vec<Edges>,
    /// An owner at the end of the chain is in the chain: nobody in there goes on by itself.
    pub is_cycle: bool,
    /// Who held the object, and lost it without releasing it, and why, if that is so and is known.
    pub abandoned: Option<(String, Cause)>,
    /// Who brought last what it waits for, if its session is over and nobody has since.
    pub last: Option<LastGiver>,
}

/// Somebody who put, set, released, counted down or notified, and whose session is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastGiver {
    /// "worker of label@host:pid".
    pub who: String,
    /// What it did last, in a word: "put", "set", "released", "counted down", "notified".
    pub did: &'static str,
    /// How its session ended.
    pub reason: EndReason,
    /// When its session ended.
    pub at: Time,
}

/// Everybody waits, and nothing is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stall {
    /// How many participants wait.
    pub participants: u64,
    /// The first waits for locks, permits and conditions.
    pub waits: Vec<Wait>,
}

impl fmt::Display for Stall {
    /// "all of 3 participants wait: a of x@host:1 (python) waits for semaphore s; ...".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "all of {} participants wait", self.participants)?;
        for (index, Wait { who, kind, object, .. }) in self.waits.iter().enumerate() {
            let mark = if index == 0 { ":" } else { ";" };
            write!(f, "{mark} {who} waits for {kind} {object}")?;
        }
        Ok(())
    }
}

impl Engine {
    /// The deadlocks found last, the oldest first.
    pub fn deadlocks(&self) -> impl Iterator<Item = &Deadlock> {
        self.world.deadlocks.iter()
    }

    /// The waits for what has owners, in a fixed order, from the one after `after`: at most a page.
    pub fn wait_graph(&self, after: Option<u64>, page_size: u32) -> Vec<Edges> {
        let tickets = self.world.tickets.iter().filter(|(key, ticket)| {
            ticket.may_have_owners() && after.is_none_or(|after| *key as u64 > after)
        });
        let edges = tickets.filter_map(|(key, ticket)| self.edges(key, ticket));
        edges.take(self.world.page(page_size)).collect()
    }

    /// Why that call has not been answered.
    pub fn explain(&self, session: SessionId, op: Op) -> Explanation {
        let session = self.session(session).and_then(|key| self.world.sessions.get(key));
        let entry = session.and_then(|session| session.ops.get(op));
        let standing = match entry {
            Some(Entry::Waiting(_)) => Standing::Waiting,
            Some(Entry::Offered(_) | Entry::Whole(_)) => Standing::Offered,
            Some(Entry::Answered { .. }) => Standing::Answered,
            None => Standing::Unknown,
        };
        let mut explained = Explanation {
            standing,
            ahead: 0,
            chain: Vec::new(),
            is_cycle: false,
            abandoned: None,
            last: None,
        };
        let Some(Entry::Waiting(first)) = entry else { return explained };
        if let Some(ticket) = self.world.tickets.get(*first)
            && let Some(primitive) = self.primitive(ticket.object)
        {
            explained.ahead = primitive.waiters().take_while(|key| key != first).count() as u64;
            explained.abandoned = primitive.abandoned_by();
            explained.last = self.last_giver(ticket);
        }
        let mut known = BTreeSet::new();
        let mut next = Some(*first);
        while let Some(key) = next.take()
            && let Some(ticket) = self.world.tickets.get(key)
            && explained.chain.len() < EXPLAINED_WAITS_MAX
        {
            known.insert(ticket.caller.owner());
            explained.chain.extend(self.edges(key, ticket));
            let group = self.world.group_of(key).map(|group| group.tickets.clone());
            let tickets = group.unwrap_or_else(|| vec![key]);
            let owners: Vec<Owner> = tickets.into_iter().flat_map(|key| self.owners_of(key)).collect();
            let mut others = owners.iter().filter(|owner| !known.contains(*owner));
            next = others.find_map(|owner| self.waits_of(*owner).next());
            explained.is_cycle = next.is_none() && owners.iter().any(|owner| known.contains(owner));
        }
        explained
    }

    /// Who brought last what a ticket waits for, if its session is over.
    fn last_giver(&self, ticket: &Ticket) -> Option<LastGiver> {
        let (object, did) = match ticket.want {
            Want::Take { .. } => (ticket.object, "put"),
            Want::Event => (ticket.object, "set"),
            Want::Acquire { .. } => (ticket.object, "released"),
            Want::Latch => (ticket.object, "counted down"),
            Want::Condition { condition, woken: None, .. } => (condition, "notified"),
            _ => return None,
        };
        let named = self.objects.get(object).filter(|named| named.giver.is_none())?;
        let Gone { who, reason, at } = named.gone.as_deref()?.clone();
        Some(LastGiver { who, did, reason, at })
    }

    /// Whether a stall is possible at all: told without a look at anybody.
    pub fn may_stall(&self) -> bool {
        !self.world.blocked.is_empty() && self.world.timers.next().is_none()
    }

    /// Whether everybody waits while nothing is due. Whoever holds, was offered or has announced something counts, and a
    /// session of whom nobody waits may do anything.
    pub fn stall(&self) -> Option<Stall> {
        if !self.may_stall() {
            return None;
        }
        let waiting: BTreeSet<Owner> =
            self.world.tickets.iter().map(|(_, ticket)| ticket.caller.owner()).collect();
        let all_wait = |(key, session): (SessionKey, &Session)| {
            let mut waits = waiting.range((key, ParticipantId(0))..=(key, ParticipantId(u32::MAX)));
            session.spec.mode == Mode::Sessionless
                || waits.next().is_some() && session.labels.keys().all(|who| waiting.contains(&(key, *who)))
        };
        let holders_wait = |(_, named): (Handle, &Named)| {
            named.state.primitive().grants().all(|grant| waiting.contains(&grant.caller.owner()))
        };
        if !self.world.sessions.after(None).all(all_wait) || !self.objects.iter().all(holders_wait) {
            return None;
        }
        let blocked = self.world.blocked.iter().filter_map(|(_, key)| self.world.tickets.get(*key));
        let waits = blocked.filter_map(|ticket| self.wait(ticket)).take(CYCLE_WAITS_MAX).collect();
        Some(Stall { participants: waiting.len() as u64, waits })
    }

    fn edges(&self, key: TicketKey, ticket: &Ticket) -> Option<Edges> {
        let owners = self.owners_of(key);
        Some(Edges {
            wait: self.wait(ticket)?,
            key: key as u64,
            owners: owners.iter().take(OWNERS_NAMED_MAX).map(|owner| self.who(*owner)).collect(),
            owned_by: owners.len() as u64,
        })
    }

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

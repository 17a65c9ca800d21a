//! What operators see: objects, who holds, who waits, sessions. Nothing here changes anything.

mod graph;

use std::time::Duration;

use crate::engine::Engine;
use crate::ids::{ItemId, Kind, Name, Op, ParticipantId, SessionId, SessionKey, Target, Token};
use crate::objects::{Named, State};
use crate::primitive::{Owner, Standing};
use crate::session::Entry;
use crate::time::Time;
use crate::wait::{Ticket, TicketKey, Want};

pub use graph::{Deadlock, Edges, Explanation, LastGiver, Stall, Standing as CallStanding, Wait};

/// A namespace in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Status {
    pub objects: u64,
    pub sessions: u64,
    pub waits: u64,
    pub items: u64,
    /// What values, lists and dicts store.
    pub entries: u64,
    /// Bytes of all payloads.
    pub retained_bytes: u64,
    /// Calls executed so far.
    pub commands: u64,
}

/// An object in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectSummary {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: Name,
    /// Grants that are offered or held.
    pub holders: u64,
    /// Calls that wait.
    pub waiters: u64,
    /// Its state in words, e.g. "ready=3 leased=1".
    pub state: String,
}

/// Which part of an object's holders and waiters is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectPage {
    /// At most this many of each.
    pub size: u32,
    /// Those after that grant.
    pub holders_after: Option<Token>,
    /// Those after that place in line, which an earlier page answered with.
    pub waiters_after: Option<u64>,
}

impl Default for ObjectPage {
    /// The first page, as large as the limits allow.
    fn default() -> Self {
        ObjectPage { size: u32::MAX, holders_after: None, waiters_after: None }
    }
}

/// An object, who holds it and who waits for it; at most a page of each, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ObjectView {
    pub summary: ObjectSummary,
    pub holders: Vec<Holder>,
    pub waiters: Vec<Waiter>,
    /// What to give as `holders_after` for the next page, if there is one.
    pub next_holders: Option<Token>,
    /// The same for `waiters_after`.
    pub next_waiters: Option<u64>,
}

/// Who somebody is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Participant {
    pub session: SessionId,
    pub session_label: String,
    pub participant: ParticipantId,
    pub participant_label: String,
    pub host: String,
    pub language: String,
    pub pid: u32,
}

impl std::fmt::Display for Participant {
    /// "worker of calc@host:123 (python)", as far as it is known.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.participant_label.as_str() {
            "" => write!(f, "participant {} of ", self.participant.0)?,
            label => write!(f, "{label} of ")?,
        }
        write!(f, "{}@{}:{}", self.session_label, self.host, self.pid)?;
        if !self.language.is_empty() {
            write!(f, " ({})", self.language)?;
        }
        Ok(())
    }
}

/// Who holds something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub who: Participant,
    /// Under which token.
    pub token: Token,
    /// Permits, or 1 for an item.
    pub count: u64,
    /// Since it was granted.
    pub held_for: Duration,
    /// It is an offer that has not been accepted.
    pub offered: bool,
    /// The item, if it is one.
    pub item: Option<ItemId>,
}

/// Who waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// Who.
    pub who: Participant,
    /// With which call.
    pub op: Op,
    /// What for, in words: "get", "put 3", "acquire 2".
    pub wants: String,
    /// Since the call came.
    pub waiting_for: Duration,
    /// Until its time is over; `None` waits for ever.
    pub remaining: Option<Duration>,
}

/// A session in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct SessionSummary {
    pub id: SessionId,
    pub key: SessionKey,
    pub label: String,
    pub attached: bool,
    /// It is attached, and does not read what it is sent.
    pub paused: bool,
    pub ttl: Duration,
    /// Grants that it has been offered or holds.
    pub holds: u64,
    pub waits: u64,
    /// Answers kept until the client has acknowledged them.
    pub stored_answers: u64,
    pub host: String,
    pub language: String,
    pub pid: u32,
}

impl Engine {
    /// The namespace in figures.
    pub fn status(&self) -> Status {
        Status {
            objects: self.objects.len() as u64,
            sessions: self.world.sessions.len() as u64,
            waits: self.world.tickets.len() as u64,
            items: self.world.items.len() as u64,
            entries: self.world.entries,
            retained_bytes: self.world.retained_bytes,
            commands: self.commands,
        }
    }

    /// Objects by kind and name, from the one after `after`; of one kind, or of all.
    pub fn objects_page(
        &self,
        kind: Option<Kind>,
        after: Option<&(Kind, Name)>,
        page_size: u32,
    ) -> Vec<ObjectSummary> {
        let page = self.objects.page(kind, after).take(page_size.min(self.world.limits.page_max) as usize);
        page.map(|named| self.summary(named)).collect()
    }

    /// One object, as of `now`.
    pub fn object(&self, now: Time, kind: Kind, name: &Name, page: ObjectPage) -> Option<ObjectView> {
        let handle = self.objects.find(kind, &Target::Name(name.clone())).ok()??;
        let named = self.objects.get(handle)?;
        let now = self.world.now.max(now);
        let primitive = named.state.primitive();
        let grants =
            primitive.grants().filter(|grant| page.holders_after.is_none_or(|after| grant.token > after));
        let mut holders = grants.map(|grant| Holder {
            who: self.who(grant.caller.owner()),
            token: grant.token,
            count: grant.count,
            held_for: now.since(grant.since),
            offered: !grant.accepted,
            item: grant.item.and_then(|item| self.world.items.get(item)).map(|item| item.id),
        });
        let size = self.world.page(page.size);
        let first: Vec<_> = holders.by_ref().take(size).collect();
        let next_holders = holders.next().and_then(|_| first.last()).map(|last| last.token);

        let mut places: Vec<_> = self
            .waiting_for(named)
            .filter_map(|key| self.world.tickets.get(key).map(|ticket| (ticket.place, key)))
            .filter(|(place, _)| page.waiters_after.is_none_or(|after| *place > after))
            .collect();
        places.sort_unstable();
        let more = places.len() > size;
        places.truncate(size);
        let next_waiters = places.last().filter(|_| more).map(|(place, _)| *place);
        let waiters = self.waiters(now, places.into_iter().map(|(_, key)| key));
        Some(ObjectView { summary: self.summary(named), holders: first, waiters, next_holders, next_waiters })
    }

    /// Sessions by id, from the one after `after`.
    pub fn sessions_page(&self, after: Option<SessionId>, page_size: u32) -> Vec<SessionSummary> {
        let page = page_size.min(self.world.limits.page_max) as usize;
        let sessions = self.world.sessions.after(after).take(page);
        let summaries = sessions.map(|(key, session)| {
            let offers = session.ops.values().flat_map(Entry::offers).map(|offer| u64::from(offer.count));
            let spec = &session.spec;
            SessionSummary {
                id: spec.id,
                key,
                label: spec.label.clone(),
                attached: session.attached,
                paused: session.attached && session.paused,
                ttl: spec.ttl,
                holds: session.holds.len() as u64 + offers.sum::<u64>(),
                waits: session.waits as u64,
                stored_answers: session.stored() as u64,
                host: spec.host.clone(),
                language: spec.language.clone(),
                pid: spec.pid,
            }
        });
        summaries.collect()
    }

    pub(crate) fn who(&self, (session, participant): Owner) -> Participant {
        let session = self.world.sessions.get(session);
        let label = session.and_then(|session| session.labels.get(&participant));
        let spec = session.map(|session| &session.spec);
        Participant {
            session: spec.map_or(SessionId(0), |spec| spec.id),
            session_label: spec.map_or_else(String::new, |spec| spec.label.clone()),
            participant,
            participant_label: label.map_or_else(String::new, |label| label.to_string()),
            host: spec.map_or_else(String::new, |spec| spec.host.clone()),
            language: spec.map_or_else(String::new, |spec| spec.language.clone()),
            pid: spec.map_or(0, |spec| spec.pid),
        }
    }

    fn waiters(&self, now: Time, keys: impl Iterator<Item = TicketKey>) -> Vec<Waiter> {
        let tickets = keys.filter_map(|key| self.world.tickets.get(key));
        let waiters = tickets.map(|ticket| Waiter {
            who: self.who(ticket.caller.owner()),
            op: ticket.caller.op,
            wants: wants(ticket),
            waiting_for: now.since(ticket.since),
            remaining: ticket.deadline.map(|deadline| deadline.since(now)),
        });
        waiters.collect()
    }

    /// Who waits at an object. Those at a condition stand in a room of its lock.
    fn waiting_for<'a>(&'a self, named: &'a Named) -> Box<dyn Iterator<Item = TicketKey> + 'a> {
        match &named.state {
            State::Condition(condition) => Box::new(self.waiting_at(condition)),
            state => state.primitive().waiters(),
        }
    }

    fn summary(&self, named: &Named) -> ObjectSummary {
        let Standing { grants: holders, mut waiting, words: state } = named.state.primitive().standing();
        if let State::Condition(condition) = &named.state {
            waiting = self.waiting_at(condition).count() as u64;
        }
        let (kind, name) = (named.state.kind(), named.name.clone());
        ObjectSummary { kind, name, holders, waiters: waiting, state }
    }
}

pub(crate) fn wants(ticket: &Ticket) -> String {
    use crate::command::queue::{Mode, Taking};
    use crate::command::rwlock;
    match &ticket.want {
        Want::Take { taking: Taking { mode, batch, .. }, .. } => {
            let verb = if *mode == Mode::Get { "get" } else { "lease" };
            if batch.max == 1 { verb.to_owned() } else { format!("{verb} {} to {}", batch.min, batch.max) }
        }
        Want::Put { items, .. } if items.len() == 1 => "put".to_owned(),
        Want::Put { items, .. } => format!("put {}", items.len()),
        Want::Join => "join".to_owned(),
        Want::Event => "set".to_owned(),
        Want::Acquire { permits, .. } => format!("acquire {permits}"),
        Want::Lock { .. } | Want::Condition { woken: Some(_), .. } => "lock".to_owned(),
        Want::Condition { woken: None, .. } => "notification".to_owned(),
        Want::ReadWrite { mode: rwlock::Mode::Read, .. } => "read".to_owned(),
        Want::ReadWrite { mode: rwlock::Mode::Write, .. } => "write".to_owned(),
        Want::Barrier { .. } => "parties".to_owned(),
        Want::Latch => "zero".to_owned(),
        Want::Send { to, .. } => format!("send to {to}"),
        Want::Receive { end } => format!("receive at {end}"),
        Want::Poll { end } => format!("poll at {end}"),
        Want::Watch { .. } => "change".to_owned(),
    }
}

//! What operators see: objects, who holds, who waits, sessions. Nothing here changes anything.

use std::time::Duration;

use crate::command::semaphore;
use crate::engine::Engine;
use crate::ids::{ItemId, Kind, Name, Op, ParticipantId, SessionId, SessionKey, Target, Token};
use crate::session::Entry;
use crate::time::Time;
use crate::wait::{Caller, Ticket, TicketKey, Want};

/// A namespace in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Status {
    pub objects: u64,
    pub sessions: u64,
    pub waits: u64,
    pub items: u64,
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

/// An object, who holds it and who waits for it; at most a page of each, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ObjectView {
    pub summary: ObjectSummary,
    pub holders: Vec<Holder>,
    pub waiters: Vec<Waiter>,
}

/// Who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Participant {
    pub session: SessionId,
    pub session_label: String,
    pub participant: ParticipantId,
    pub participant_label: String,
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
            objects: self.objects() as u64,
            sessions: self.world.sessions.len() as u64,
            waits: self.world.tickets.len() as u64,
            items: self.world.items.len() as u64,
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
        let from = |of: Kind| match after {
            Some((kind, name)) if *kind == of => Some(name),
            _ => None,
        };
        let wanted =
            |of: Kind| kind.is_none_or(|kind| kind == of) && after.is_none_or(|(kind, _)| *kind <= of);
        let limit = |of: Kind| if wanted(of) { usize::MAX } else { 0 };
        let queues = self.queues.after(from(Kind::Queue)).take(limit(Kind::Queue));
        let queues = queues.map(|(_, named)| (Kind::Queue, &named.name));
        let events = self.events.after(from(Kind::Event)).take(limit(Kind::Event));
        let events = events.map(|(_, named)| (Kind::Event, &named.name));
        let semaphores = self.semaphores.after(from(Kind::Semaphore)).take(limit(Kind::Semaphore));
        let semaphores = semaphores.map(|(_, named)| (Kind::Semaphore, &named.name));
        let page =
            queues.chain(events).chain(semaphores).take(page_size.min(self.world.limits.page_max) as usize);
        page.filter_map(|(kind, name)| self.summary(kind, name)).collect()
    }

    /// One object, as of `now`.
    pub fn object(&self, now: Time, kind: Kind, name: &Name) -> Option<ObjectView> {
        let summary = self.summary(kind, name)?;
        let page = self.world.limits.page_max as usize;
        let now = self.world.now.max(now);
        let target = Target::Name(name.clone());
        let (holders, waiters) = match kind {
            Kind::Queue => {
                let queue = &self.queues.get(self.queues.find(&target).ok()??)?.state;
                let holders = queue.outs().take(page).map(|(token, out)| Holder {
                    who: self.who(&out.caller),
                    token,
                    count: 1,
                    held_for: now.since(out.since),
                    offered: !out.accepted,
                    item: self.world.items.get(out.item).map(|item| item.id),
                });
                (holders.collect(), self.waiters(now, queue.waiters().take(page)))
            }
            Kind::Event => {
                let event = &self.events.get(self.events.find(&target).ok()??)?.state;
                (Vec::new(), self.waiters(now, event.waiters().take(page)))
            }
            Kind::Semaphore => {
                let semaphore = &self.semaphores.get(self.semaphores.find(&target).ok()??)?.state;
                let holders = semaphore.grants().take(page).map(|(token, grant)| Holder {
                    who: self.who(&grant.caller),
                    token,
                    count: grant.held.unsigned_abs(),
                    held_for: now.since(grant.since),
                    offered: !grant.accepted,
                    item: None,
                });
                (holders.collect(), self.waiters(now, semaphore.waiters().take(page)))
            }
        };
        Some(ObjectView { summary, holders, waiters })
    }

    /// Sessions by id, from the one after `after`.
    pub fn sessions_page(&self, after: Option<SessionId>, page_size: u32) -> Vec<SessionSummary> {
        let page = page_size.min(self.world.limits.page_max) as usize;
        let sessions = self.world.sessions.after(after).take(page);
        let summaries = sessions.map(|(key, session)| {
            let offers = session.ops.values().map(|entry| match entry {
                Entry::Offered(offer) => u64::from(offer.count),
                _ => 0,
            });
            let spec = &session.spec;
            SessionSummary {
                id: spec.id,
                key,
                label: spec.label.clone(),
                attached: session.attached,
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

    fn summary(&self, kind: Kind, name: &Name) -> Option<ObjectSummary> {
        let target = Target::Name(name.clone());
        let (holders, waiters, state) = match kind {
            Kind::Queue => {
                let queue = &self.queues.get(self.queues.find(&target).ok()??)?.state;
                let figures = queue.figures();
                let state = format!(
                    "ready={} offered={} leased={} dead={} unfinished={}{}",
                    figures.ready,
                    figures.offered,
                    figures.leased,
                    figures.dead,
                    figures.unfinished,
                    if figures.shut_down { " shut down" } else { "" }
                );
                let waiting = queue.waiting() as u64;
                (figures.offered + figures.leased, waiting, state)
            }
            Kind::Event => {
                let figures = self.events.get(self.events.find(&target).ok()??)?.state.figures();
                let state = if figures.is_set { "set" } else { "clear" };
                (0, figures.waiting, format!("{state} version={}", figures.version))
            }
            Kind::Semaphore => {
                let semaphore = &self.semaphores.get(self.semaphores.find(&target).ok()??)?.state;
                let semaphore::Figures { available, limit, signals, held, waiting, .. } = semaphore.figures();
                let state = format!("available={available} limit={limit} signals={signals} held={held}");
                (semaphore.granted() as u64, waiting, state)
            }
        };
        Some(ObjectSummary { kind, name: name.clone(), holders, waiters, state })
    }

    fn who(&self, caller: &Caller) -> Participant {
        let session = self.world.sessions.get(caller.session);
        let label = session.and_then(|session| session.labels.get(&caller.participant));
        Participant {
            session: session.map_or(SessionId(0), |session| session.spec.id),
            session_label: session.map_or_else(String::new, |session| session.spec.label.clone()),
            participant: caller.participant,
            participant_label: label.map_or_else(String::new, |label| label.to_string()),
        }
    }

    fn waiters(&self, now: Time, keys: impl Iterator<Item = TicketKey>) -> Vec<Waiter> {
        let tickets = keys.filter_map(|key| self.world.tickets.get(key));
        let waiters = tickets.map(|ticket| Waiter {
            who: self.who(&ticket.caller),
            op: ticket.caller.op,
            wants: wants(ticket),
            waiting_for: now.since(ticket.since),
            remaining: ticket.deadline.map(|deadline| deadline.since(now)),
        });
        waiters.collect()
    }
}

fn wants(ticket: &Ticket) -> String {
    use crate::command::queue::Mode;
    match &ticket.want {
        Want::Take { mode, batch, .. } => {
            let verb = if *mode == Mode::Get { "get" } else { "lease" };
            if batch.max == 1 { verb.to_owned() } else { format!("{verb} {} to {}", batch.min, batch.max) }
        }
        Want::Put { items, .. } if items.len() == 1 => "put".to_owned(),
        Want::Put { items, .. } => format!("put {}", items.len()),
        Want::Join => "join".to_owned(),
        Want::Event => "set".to_owned(),
        Want::Acquire { permits, .. } => format!("acquire {permits}"),
    }
}

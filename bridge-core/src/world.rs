//! What all primitives share: time, numbers, sessions, tickets, items, and the effects of the current step.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};

use slab::Slab;

use crate::command::queue::NewItem;
use crate::command::{Carrier, Effect, Mode, Outcome, Reply};
use crate::error::{Error, Reason};
use crate::ids::{Handle, Name, Op, SessionKey, Token};
use crate::items::Items;
use crate::limits::{Limits, PASSED_BY_MAX};
use crate::mutant::Mutant;
use crate::payload::Payload;
use crate::primitive::Owner;
use crate::primitive::queue::Item;
use crate::session::{Entry, Offer, Session, Sessions};
use crate::time::{Time, Timeout};
use crate::timer::{Due, Subject, Timers};
use crate::view::Deadlock;
use crate::wait::{Branch, Caller, Group, GroupKey, Place, Ticket, TicketKey, Tickets, Want};

/// An item on its way to the dead letters of another queue.
#[derive(Debug, Hash)]
pub(crate) struct Fallen {
    pub(crate) from: Handle,
    pub(crate) to: Name,
    pub(crate) item: usize,
}

/// The part of the engine that primitives work on.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) limits: Limits,
    pub(crate) sessions: Sessions,
    pub(crate) tickets: Tickets,
    pub(crate) groups: Slab<Group>,
    /// The tickets so far of the call that is being made, if it will be a group.
    pub(crate) gathered: Vec<TicketKey>,
    /// Groups that are granted whole, by age.
    pub(crate) wholes: BTreeSet<(Place, GroupKey)>,
    /// Objects that may have changed in this step, while there are such groups.
    pub(crate) touched: BTreeSet<Handle>,
    /// Such groups for whom more than their own objects count: who waits for whom decides whether others pass.
    pub(crate) entangled: BTreeSet<(Place, GroupKey)>,
    /// The grants so far of the group that is being granted whole.
    pub(crate) collected: Option<Vec<(Option<Offer>, Reply)>>,
    /// Offers whose callers have shown to have them; accepted before the step ends.
    pub(crate) shown: Vec<Offer>,
    /// Whose call is being made passes those who reserve.
    pub(crate) passes: bool,
    /// Tickets that are over: they leave their lines before the step ends.
    pub(crate) withdrawn: Vec<TicketKey>,
    pub(crate) timers: Timers,
    pub(crate) items: Items,
    /// Bytes of all payloads in `items`, and of what values, lists and dicts store.
    pub(crate) retained_bytes: u64,
    /// What values, lists and dicts store.
    pub(crate) entries: u64,
    /// Dead letters of this step; delivered at its end.
    pub(crate) fallen: Vec<Fallen>,
    pub(crate) effects: Vec<Effect>,
    /// Who waits for something that may have owners.
    pub(crate) blocked: BTreeSet<(Owner, TicketKey)>,
    /// Those of this step, to be looked at for deadlocks at its end.
    pub(crate) queued: Vec<TicketKey>,
    /// Where any owner ends a wait, and one has parted in this step with what it had.
    pub(crate) loosened: Vec<Handle>,
    /// The deadlocks found last.
    pub(crate) deadlocks: VecDeque<Deadlock>,
    next_number: u64,
}

impl World {
    pub(crate) fn new(first_token: u64, limits: Limits) -> Self {
        World {
            now: Time::default(),
            limits,
            sessions: Sessions::default(),
            tickets: Tickets::new(),
            groups: Slab::new(),
            gathered: Vec::new(),
            wholes: BTreeSet::new(),
            touched: BTreeSet::new(),
            entangled: BTreeSet::new(),
            collected: None,
            shown: Vec::new(),
            passes: false,
            withdrawn: Vec::new(),
            timers: Timers::default(),
            items: Items::default(),
            retained_bytes: 0,
            entries: 0,
            fallen: Vec::new(),
            effects: Vec::new(),
            blocked: BTreeSet::new(),
            queued: Vec::new(),
            loosened: Vec::new(),
            deadlocks: VecDeque::new(),
            next_number: first_token.max(1),
        }
    }

    /// Whether nothing is left to be done before the step ends.
    #[inline]
    pub(crate) fn is_settled(&self) -> bool {
        self.shown.is_empty() && self.fallen.is_empty() && self.withdrawn.is_empty() && self.wholes.is_empty()
    }

    /// Tokens, item ids, arrivals, places and serials come from one sequence: strictly increasing, never
    /// used twice.
    #[inline]
    pub(crate) fn number(&mut self) -> u64 {
        self.numbers(1)
    }

    /// The first of `count` consecutive numbers.
    #[inline]
    pub(crate) fn numbers(&mut self, count: u64) -> u64 {
        let first = self.next_number;
        self.next_number += count - u64::from(Mutant::TokenReused.is_on());
        first
    }

    /// Answers a call for good.
    #[inline(never)]
    pub(crate) fn answer(&mut self, caller: &Caller, outcome: Outcome) {
        self.answer_put(caller, outcome, None);
    }

    /// Answers a call for good; `queue` says where a put went.
    #[inline(always)]
    pub(crate) fn answer_put(&mut self, caller: &Caller, outcome: Outcome, queue: Option<Handle>) {
        match caller.branch {
            None => self.give_answer(caller, outcome, queue),
            Some(branch) => self.answer_branch(branch, caller, outcome, queue),
        }
    }

    #[cold]
    fn answer_branch(&mut self, branch: Branch, caller: &Caller, outcome: Outcome, queue: Option<Handle>) {
        match (&mut self.collected, outcome) {
            (Some(collected), Ok(reply)) => collected.push((None, reply)),
            (_, outcome) => self.give_answer(caller, of_branch(branch, outcome), queue),
        }
    }

    #[inline(always)]
    fn give_answer(&mut self, caller: &Caller, outcome: Outcome, queue: Option<Handle>) {
        if let Some(session) = self.sessions.get_mut(caller.session) {
            if caller.stores_answers() && !Mutant::AnswerNotStored.is_on() {
                session.ops.insert(caller.op, Entry::Answered { outcome: outcome.clone(), queue });
            } else if !session.ops.is_empty() {
                session.ops.remove(caller.op);
            }
        }
        self.effects.push(Effect::Answer { to: caller.session, op: caller.op, outcome, offered: false });
    }

    /// Answers a call with a grant that must be accepted.
    pub(crate) fn offer(&mut self, caller: &Caller, object: Handle, first: Token, count: u32, reply: Reply) {
        let Caller { op, carrier, branch, .. } = *caller;
        let offer = Offer { op, object, first, count, carrier, since: self.now, branch };
        if branch.is_some()
            && let Some(collected) = &mut self.collected
        {
            return collected.push((Some(offer), reply));
        }
        if let Some(session) = self.sessions.get_mut(caller.session) {
            session.ops.insert(caller.op, Entry::Offered(offer));
        }
        let (to, op) = (caller.session, caller.op);
        let outcome = in_branch(branch, Ok(reply));
        self.effects.push(Effect::Answer { to, op, outcome, offered: true });
    }

    /// Tells a session that what a call of it was granted, and it had accepted, was taken from it. That is kept until it is
    /// acknowledged, as the answer was. Nobody listens where an open call brought it: it is told when it does something with
    /// that.
    pub(crate) fn tell_lost(&mut self, caller: &Caller, token: Token) {
        let Some(session) = self.sessions.get_mut(caller.session) else { return };
        match session.ops.get_mut(caller.op) {
            _ if caller.carrier == Carrier::Call => return,
            Some(Entry::Answered { outcome: Ok(Reply::Lost(tokens)), .. }) => tokens.push(token),
            Some(_) => return,
            None if caller.stores_answers() => {
                let outcome = Ok(Reply::Lost(vec![token]));
                session.ops.insert(caller.op, Entry::Answered { outcome, queue: None });
            }
            None => {}
        }
        let (to, op, outcome) = (caller.session, caller.op, Ok(Reply::Lost(vec![token])));
        self.effects.push(Effect::Answer { to, op, outcome, offered: false });
    }

    /// Forgets an offer that its caller has shown to have, and says what it was.
    pub(crate) fn settle_offer(&mut self, session: SessionKey, op: Op) -> Option<Offer> {
        let session = self.sessions.get_mut(session)?;
        match session.ops.get(op) {
            Some(Entry::Offered(offer)) => {
                let offer = *offer;
                session.ops.remove(op);
                Some(offer)
            }
            Some(Entry::Whole(offers)) => {
                self.shown.extend(offers);
                session.ops.remove(op);
                None
            }
            _ => None,
        }
    }

    /// An offer that its caller does not want any more is off, whether he has heard of it or not.
    pub(crate) fn withdraw_offer(&mut self, session: SessionKey, op: Op) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.ops.insert(op, Entry::Answered { outcome: Err(cancelled()), queue: None });
        }
    }

    /// Whether the caller can be granted something now; if not, its call waits, or is answered as if there were
    /// nothing.
    #[inline]
    pub(crate) fn is_present(&self, caller: &Caller) -> bool {
        self.sessions.get(caller.session).is_some_and(|session| session.is_present(caller.carrier))
    }

    /// Whether the call that an open offer answers has had its answer for sure: a unary one, though its acceptance comes
    /// later.
    pub(crate) fn is_answered(&self, caller: &Caller) -> bool {
        let entry = self.sessions.get(caller.session).and_then(|session| session.ops.get(caller.op));
        let offer = entry.and_then(|entry| entry.offers().first());
        offer.is_some_and(|offer| offer.carrier == Carrier::Call)
    }

    /// A participant that may wait has what it was offered: others that wait for it do not wait for a refusal any more.
    pub(crate) fn look_again_at(&mut self, who: Owner) {
        if !self.blocked.is_empty() {
            let waits = self.blocked.range((who, TicketKey::MIN)..=(who, TicketKey::MAX));
            self.queued.extend(waits.map(|(_, key)| *key));
        }
    }

    /// Who somebody is, for people: the participant's label and the session's title, as far as they are known.
    pub(crate) fn names(&self, who: &Caller) -> (String, String) {
        let Some(session) = self.sessions.get(who.session) else { return Default::default() };
        let label = session.labels.get(&who.participant);
        (label.map_or_else(String::new, |label| label.to_string()), session.title())
    }

    /// Makes a ticket, which its primitive puts in a line.
    pub(crate) fn park(
        &mut self,
        caller: &Caller,
        object: Handle,
        want: Want,
        timeout: Timeout,
    ) -> Result<TicketKey, Error> {
        if caller.branch.is_some() {
            return Ok(self.gather(caller, object, want, false));
        }
        self.check_waits(caller)?;
        let place = self.number();
        let Some(session) = self.sessions.get_mut(caller.session) else {
            return Err(session_expired());
        };
        let ticket = Ticket {
            caller: *caller,
            object,
            want,
            place,
            since: self.now,
            deadline: timeout.deadline(self.now),
            away: !session.is_present(caller.carrier),
            over: false,
            whole: false,
            group: None,
        };
        let (deadline, has_owners) = (ticket.deadline, ticket.may_have_owners());
        let key = self.tickets.insert(ticket);
        if has_owners {
            self.blocked.insert((caller.owner(), key));
            self.queued.push(key);
        }
        session.ops.insert(caller.op, Entry::Waiting(key));
        session.waits += 1;
        if let Some(at) = deadline {
            self.timers.set(at, place, Due::Deadline, Subject::Ticket(key));
        }
        Ok(key)
    }

    /// Makes a ticket of a group, which has its deadline and its op's entry later.
    pub(crate) fn gather(&mut self, caller: &Caller, object: Handle, want: Want, whole: bool) -> TicketKey {
        let place = self.number();
        let key = self.tickets.insert(Ticket {
            caller: *caller,
            object,
            want,
            place,
            since: self.now,
            deadline: None,
            away: !self.is_present(caller),
            over: false,
            whole,
            group: GroupKey::new(self.groups.vacant_key()),
        });
        self.blocked.insert((caller.owner(), key));
        self.gathered.push(key);
        key
    }

    /// What was gathered waits as one call.
    pub(crate) fn park_group(&mut self, caller: &Caller, timeout: Timeout) -> Option<GroupKey> {
        let tickets = std::mem::take(&mut self.gathered);
        let first = *tickets.first()?;
        self.queued.push(first);
        let key = GroupKey::new(self.groups.insert(Group { tickets, reserves: false }))?;
        let ticket = self.tickets.get_mut(first)?;
        ticket.deadline = timeout.deadline(self.now);
        if let Some(at) = ticket.deadline {
            self.timers.set(at, ticket.place, Due::Deadline, Subject::Ticket(first));
        }
        if ticket.whole {
            self.wholes.insert((ticket.place, key));
            self.timers.set(ticket.since + PASSED_BY_MAX, ticket.place, Due::Reserve, Subject::Ticket(first));
        }
        if let Some(session) = self.sessions.get_mut(caller.session) {
            session.ops.insert(caller.op, Entry::Waiting(first));
            session.waits += 1;
        }
        Some(key)
    }

    /// Ends a group that is about to be granted whole, and says whose it is. Its op is still `Waiting`.
    pub(crate) fn open_group(&mut self, key: GroupKey) -> Option<Caller> {
        let group = self.groups.try_remove(key.index())?;
        let ticket = self.tickets.get(*group.tickets.first()?)?;
        let caller = Caller { branch: None, ..ticket.caller };
        self.wholes.remove(&(ticket.place, key));
        self.collected = Some(Vec::with_capacity(group.tickets.len()));
        if let Some(session) = self.sessions.get_mut(caller.session) {
            session.waits -= 1;
        }
        Some(caller)
    }

    /// Answers a call with all that it was granted.
    pub(crate) fn answer_whole(&mut self, caller: &Caller) {
        let (offers, replies): (Vec<_>, Vec<_>) =
            self.collected.take().unwrap_or_default().into_iter().unzip();
        let offers: Box<[Offer]> = offers.into_iter().flatten().collect();
        let reply = Reply::AcquiredAll(replies);
        if offers.is_empty() {
            return self.answer(caller, Ok(reply));
        }
        if let Some(session) = self.sessions.get_mut(caller.session) {
            session.ops.insert(caller.op, Entry::Whole(offers));
        }
        let (to, op) = (caller.session, caller.op);
        self.effects.push(Effect::Answer { to, op, outcome: Ok(reply), offered: true });
    }

    /// The tickets of the call that this one belongs to.
    pub(crate) fn group_of(&self, key: TicketKey) -> Option<&Group> {
        self.groups.get(self.tickets.get(key)?.group?.index())
    }

    /// Whether one more wait of this caller is within the limits.
    pub(crate) fn check_waits(&self, caller: &Caller) -> Result<(), Error> {
        // Each branch of a select counts here; all of them are one wait of the session.
        let (before, more) = (self.tickets.len() - self.gathered.len(), self.gathered.len().max(1));
        if before + more > self.limits.waits_max as usize {
            return Err(Error::limit("waits_max", self.limits.waits_max.into()));
        }
        let session = self.sessions.get(caller.session).ok_or_else(session_expired)?;
        let of_session = self.limits.waits_per_session_max;
        // The node's own session stands for many callers.
        if session.waits >= of_session as usize && caller.mode != Mode::Sessionless {
            return Err(Error::limit("waits_per_session_max", of_session.into()));
        }
        Ok(())
    }

    /// Ends a ticket that has left its line. Its op is still `Waiting`: an answer or offer must follow.
    /// `None`: its call has ended by another ticket of its group.
    pub(crate) fn unpark(&mut self, key: TicketKey) -> Option<Ticket> {
        let ticket = self.tickets.get(key)?;
        if ticket.group.is_some() {
            self.settle_group(key)?;
        }
        let ticket = self.take_ticket(key)?;
        if let Some(session) = self.sessions.get_mut(ticket.caller.session) {
            session.waits -= 1;
        }
        Some(ticket)
    }

    /// This ticket decides for its group: the others are over.
    fn settle_group(&mut self, key: TicketKey) -> Option<()> {
        let ticket = self.tickets.get(key).filter(|ticket| !ticket.over)?;
        let group = ticket.group?;
        let age = self.groups.get(group.index()).and_then(|group| self.tickets.get(*group.tickets.first()?));
        if let Some(place) = age.filter(|first| first.whole).map(|first| first.place) {
            self.wholes.remove(&(place, group));
        }
        let group = self.groups.try_remove(group.index())?;
        for other in group.tickets.into_iter().filter(|other| *other != key) {
            if let Some(ticket) = self.tickets.get_mut(other)
                && !Mutant::BranchesStay.is_on()
            {
                ticket.over = true;
                self.withdrawn.push(other);
            }
        }
        Some(())
    }

    /// Forgets a ticket that has left its line.
    pub(crate) fn take_ticket(&mut self, key: TicketKey) -> Option<Ticket> {
        let ticket = self.tickets.try_remove(key)?;
        if let Some(at) = ticket.deadline
            && !Mutant::TimerNotCleared.is_on()
        {
            self.timers.clear(at, ticket.place, Due::Deadline);
        }
        if ticket.whole {
            self.timers.clear(ticket.since + PASSED_BY_MAX, ticket.place, Due::Reserve);
        }
        if let Want::Take { lingers_until: Some(at), .. } = ticket.want {
            self.timers.clear(at, ticket.place, Due::Linger);
        }
        if ticket.may_have_owners() {
            self.blocked.remove(&(ticket.caller.owner(), key));
        }
        Some(ticket)
    }

    /// A waiting ticket goes to the end of another line, and its time no longer counts.
    pub(crate) fn queue_anew(&mut self, key: TicketKey) {
        let place = self.number();
        let Some(ticket) = self.tickets.get_mut(key) else { return };
        if let Some(at) = ticket.deadline.take() {
            self.timers.clear(at, ticket.place, Due::Deadline);
        }
        ticket.place = place;
        self.queued.push(key);
    }

    /// Forgets the items that a waiting put brought.
    pub(crate) fn drop_put(&mut self, key: TicketKey) {
        let items = match self.tickets.get_mut(key).map(|ticket| &mut ticket.want) {
            Some(Want::Put { items, .. }) => std::mem::take(items),
            Some(Want::Send { item, .. }) => item.take().into_iter().collect(),
            _ => return,
        };
        for item in items {
            self.drop_item(item);
        }
    }

    /// The caller's session uses the object: true if that is new. The node's own session stands for nobody.
    #[inline]
    pub(crate) fn note_use(&mut self, caller: &Caller, object: Handle) -> bool {
        let session = self.sessions.get_mut(caller.session);
        caller.mode != Mode::Sessionless && session.is_some_and(|session| session.uses.insert(object))
    }

    /// Takes note of an item. Its id is given when it is admitted.
    #[inline(always)]
    pub(crate) fn keep_item(&mut self, new: &mut NewItem) -> usize {
        let bytes = new.payload.bytes_retained();
        self.retained_bytes += bytes;
        self.items.insert(|| Item::new(new, bytes, self.now))
    }

    /// Notes in an item's history that this session had it and did not ack it.
    pub(crate) fn note_consumer(&mut self, item: usize, session: SessionKey) {
        let Some(consumer) = self.sessions.get(session).map(Session::title) else { return };
        let consumer = self.cut(consumer);
        let max = self.limits.consumers_per_item_max as usize;
        let consumers = &mut self.items[item].history_mut().consumers;
        if consumers.len() < max && !consumers.contains(&consumer) {
            consumers.push(consumer);
        }
    }

    /// Forgets an item.
    #[inline(always)]
    pub(crate) fn drop_item(&mut self, item: usize) {
        let bytes = self.items.get(item).map_or(0, |item| item.bytes);
        if self.items.remove(item) {
            self.retained_bytes -= bytes;
        }
    }

    /// How many entries a page has that was asked for with so many.
    pub(crate) fn page(&self, size: u32) -> usize {
        size.min(self.limits.page_max) as usize
    }

    /// Whether that many more items of so many bytes may come.
    #[inline(always)]
    pub(crate) fn check_items(&self, count: usize, bytes: u64) -> Result<(), Error> {
        let limits = &self.limits;
        if self.items.len() as u64 + count as u64 > limits.items_max {
            return Err(Error::limit("items_max", limits.items_max));
        }
        if self.retained_bytes + bytes > limits.retained_bytes_max {
            return Err(Error::limit("retained_bytes_max", limits.retained_bytes_max));
        }
        Ok(())
    }

    /// Whether a value, list or dict may store that much more.
    pub(crate) fn check_store(&self, entries: u64, bytes: u64) -> Result<(), Error> {
        let limits = &self.limits;
        if entries > 0 && self.entries + entries > limits.entries_max {
            return Err(Error::limit("entries_max", limits.entries_max));
        }
        if bytes > 0 && self.retained_bytes + bytes > limits.retained_bytes_max {
            return Err(Error::limit("retained_bytes_max", limits.retained_bytes_max));
        }
        Ok(())
    }

    /// A value, list or dict stores that much more, or less.
    pub(crate) fn store(&mut self, entries: i64, bytes: i64) {
        self.entries = self.entries.wrapping_add_signed(entries);
        self.retained_bytes = self.retained_bytes.wrapping_add_signed(bytes);
    }

    /// Cuts a text for people to the limit.
    pub(crate) fn cut(&self, mut text: String) -> String {
        let max = self.limits.text_bytes_max as usize;
        if text.len() > max {
            let mut end = max;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
        }
        text
    }

    /// Whether `payload` is within the limits by itself.
    #[inline(always)]
    pub(crate) fn check_payload(&self, payload: &Payload, bytes: u64) -> Result<(), Error> {
        if bytes > self.limits.payload_bytes_max {
            let max = self.limits.payload_bytes_max;
            return Err(Error::limit("payload_bytes_max", max)
                .with_message(format!("the payload has {bytes} bytes; at most {max} are allowed here")));
        }
        let headers = payload.headers.as_ref().map_or(0, |headers| headers.len());
        if headers > self.limits.headers_max as usize {
            let max = self.limits.headers_max;
            return Err(Error::limit("headers_max", max.into())
                .with_message(format!("the item has {headers} headers; at most {max} are allowed here")));
        }
        Ok(())
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.now, &self.limits, &self.sessions, &self.timers).hash(state);
        (self.retained_bytes, self.entries).hash(state);
        self.tickets.iter().for_each(|entry| entry.hash(state));
        self.groups.iter().for_each(|entry| entry.hash(state));
        self.wholes.hash(state);
        self.items.iter().for_each(|entry| entry.hash(state));
        self.deadlocks.hash(state);
        self.next_number.hash(state);
    }
}

/// What a caller is told who asked by a branch of a select, or by none.
#[inline]
pub(crate) fn in_branch(branch: Option<Branch>, outcome: Outcome) -> Outcome {
    match branch {
        None => outcome,
        Some(branch) => of_branch(branch, outcome),
    }
}

#[cold]
fn of_branch(branch: Branch, outcome: Outcome) -> Outcome {
    let index = if Mutant::BranchMistaken.is_on() { 0 } else { branch.index() };
    match outcome {
        Ok(reply) => Ok(Reply::Selected { branch: index, reply: Box::new(reply) }),
        Err(error) => Err(error.with("branch", index.to_string())),
    }
}

/// What a call of a session that is not there ends with.
#[cold]
pub(crate) fn session_expired() -> Error {
    Error::new(
        Reason::SessionExpired,
        "the session is not known here or has expired; what it held has been given back; open a new one",
    )
}

/// What holding something without a session ends with.
#[cold]
pub(crate) fn session_required(what: &str) -> Error {
    Error::new(
        Reason::SessionRequired,
        format!("{what} holds something, so it needs a session; open one and send its id with the call"),
    )
}

/// What a cancelled wait ends with.
#[cold]
pub(crate) fn cancelled() -> Error {
    Error::new(Reason::Cancelled, "the call was cancelled by its caller")
}

//! Pipe: two ends, each of which receives what the other one sends.
//!
//! An end is fresh until a session attaches it, open while one has it, and closed from then on: what waits for it is dropped,
//! and the other end gets what was sent before and then `END_OF_PIPE`. When both are closed the pipe begins anew.
//!
//! Invariants: nothing waits for a closed end; nobody present waits to receive where a message waits, or to send where
//! there is room; nobody waits for what can never come.

use std::collections::BTreeMap;

use crate::command::pipe::{Command, End, Figures, Options, Query, Reply, Standing as EndStanding};
use crate::command::{Mode, Outcome, Reply as AnyReply};
use crate::error::{Error, Reason};
use crate::ids::{Handle, Token};
use crate::mutant::Mutant;
use crate::payload::Payload;
use crate::primitive::{Granted, Loss, Primitive, Standing, Step, check_option, conclude, done};
use crate::session::{Offer, Serial};
use crate::time::{Time, Timeout};
use crate::wait::{Caller, Line, Ticket, TicketKey, Want};
use crate::world::{World, cancelled, session_required};

/// A message that is offered.
#[derive(Clone, Copy, Debug, Hash)]
struct Out {
    /// Its place among those that wait.
    number: u64,
    item: usize,
    caller: Caller,
    since: Time,
}

/// An end, and what waits for it.
#[derive(Debug, Default, Hash)]
struct Side {
    /// How often each session has attached it.
    sessions: BTreeMap<Serial, u32>,
    closed: bool,
    messages: BTreeMap<u64, usize>,
    out: BTreeMap<Token, Out>,
    receivers: Line,
    pollers: Line,
    /// Who sends to it, and waits for room.
    senders: Line,
}

impl Side {
    fn is_fresh(&self) -> bool {
        self.sessions.is_empty() && !self.closed
    }

    fn line(&mut self, want: &Want) -> &mut Line {
        match want {
            Want::Send { .. } => &mut self.senders,
            Want::Poll { .. } => &mut self.pollers,
            _ => &mut self.receivers,
        }
    }

    fn items(&self) -> impl Iterator<Item = usize> {
        self.messages.values().copied().chain(self.out.values().map(|out| out.item))
    }

    fn standing(&self) -> EndStanding {
        EndStanding {
            sessions: self.sessions.len() as u64,
            closed: self.closed,
            messages: self.items().count() as u64,
        }
    }

    fn waiters(&self) -> impl Iterator<Item = TicketKey> {
        self.receivers.iter().chain(self.pollers.iter()).chain(self.senders.iter())
    }
}

/// The state of a pipe.
#[derive(Debug, Default, Hash)]
pub(crate) struct Pipe {
    declared: Options,
    sides: [Side; 2],
}

/// The end at which a ticket receives, or to which it sends.
fn side_of(want: &Want) -> End {
    match want {
        Want::Send { to: end, .. } | Want::Poll { end } | Want::Receive { end } => *end,
        _ => End::A,
    }
}

impl Pipe {
    fn side(&self, end: End) -> &Side {
        &self.sides[end as usize]
    }

    fn side_mut(&mut self, end: End) -> &mut Side {
        &mut self.sides[end as usize]
    }

    pub(crate) fn command(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        command: &mut Command,
    ) -> Step {
        match command {
            Command::Declare(options) => self.declare(me, *options),
            Command::Attach { end } => self.attach(world, caller, *end),
            Command::Send { end, payload, timeout } => {
                self.check_attached(caller, *end)?;
                self.send(me, world, caller, *end, std::mem::take(payload), *timeout)
            }
            Command::Receive { end, timeout } => {
                self.check_attached(caller, *end)?;
                self.receive(me, world, caller, *end, *timeout)
            }
            Command::Poll { end, timeout } => {
                self.check_attached(caller, *end)?;
                self.check_receives(*end)?;
                if self.is_readable(*end) || *timeout == Timeout::NOW {
                    return done(polled(self.is_readable(*end)));
                }
                self.park(me, world, caller, Want::Poll { end: *end }, *timeout)
            }
            Command::Close { end } => {
                let had = self.detach(world, caller, *end);
                done(AnyReply::Pipe(Reply::Closed(had)))
            }
        }
    }

    fn declare(&mut self, me: Handle, asked: Options) -> Step {
        let declared = &mut self.declared;
        check_option("duplex", &declared.duplex, &asked.duplex, bool::to_string)?;
        check_option("maxsize", &declared.maxsize, &asked.maxsize, u64::to_string)?;
        check_option("ephemeral", &declared.ephemeral, &asked.ephemeral, bool::to_string)?;
        declared.duplex = declared.duplex.or(asked.duplex);
        declared.maxsize = declared.maxsize.or(asked.maxsize);
        declared.ephemeral = declared.ephemeral.or(asked.ephemeral);
        done(AnyReply::Pipe(Reply::Declared { handle: me, options: self.options() }))
    }

    fn options(&self) -> Options {
        Options {
            duplex: Some(self.is_duplex()),
            maxsize: Some(self.maxsize()),
            ephemeral: Some(self.is_ephemeral()),
        }
    }

    fn is_duplex(&self) -> bool {
        self.declared.duplex.unwrap_or(true)
    }

    /// 0 is unbounded.
    fn maxsize(&self) -> u64 {
        self.declared.maxsize.unwrap_or(0)
    }

    /// What is still on offer from before is gone with its pipe.
    fn begin_anew(&mut self, world: &mut World) {
        for side in &mut self.sides {
            let out = std::mem::take(&mut side.out);
            out.into_values().for_each(|out| world.drop_item(out.item));
            side.closed = false;
        }
    }

    fn attach(&mut self, world: &mut World, caller: &Caller, end: Option<End>) -> Step {
        if caller.mode == Mode::Sessionless {
            return Err(session_required("an end of a pipe"));
        }
        if self.sides.iter().all(|side| side.closed) {
            self.begin_anew(world);
        }
        let free = || [End::A, End::B].into_iter().find(|end| self.side(*end).is_fresh());
        let Some(end) = end.or_else(free) else {
            let message =
                "both ends of the pipe are taken; name the one that is to be shared, or use another pipe";
            return Err(Error::invalid("end", message));
        };
        if self.side(end).closed {
            let message =
                format!("end {end} of the pipe was closed by the last session that had it; use another pipe");
            return Err(Error::new(Reason::BrokenPipe, message));
        }
        *self.side_mut(end).sessions.entry(caller.serial).or_default() += 1;
        done(AnyReply::Pipe(Reply::Attached(end)))
    }

    /// What is wrong with a receive or poll in any case.
    pub(crate) fn check_wait(&self, caller: &Caller, command: &Command) -> Result<(), Error> {
        let (Command::Receive { end, .. } | Command::Poll { end, .. }) = command else { return Ok(()) };
        self.check_attached(caller, *end)?;
        self.check_receives(*end)
    }

    fn check_attached(&self, caller: &Caller, end: End) -> Result<(), Error> {
        if self.side(end).sessions.contains_key(&caller.serial) {
            return Ok(());
        }
        let message = format!("this session does not have end {end} of the pipe: attach it first");
        Err(Error::new(Reason::NotOwner, message))
    }

    fn check_receives(&self, end: End) -> Result<(), Error> {
        if self.is_duplex() || end == End::A {
            return Ok(());
        }
        Err(Error::invalid("end", "end b of a pipe that is not duplex only sends; receive at end a"))
    }

    fn send(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        end: End,
        payload: Payload,
        timeout: Timeout,
    ) -> Step {
        if !self.is_duplex() && end == End::A {
            let message = "end a of a pipe that is not duplex only receives; send at end b";
            return Err(Error::invalid("end", message));
        }
        let bytes = payload.bytes_retained();
        world.check_payload(&payload, bytes)?;
        let to = end.other();
        if self.side(to).closed {
            return Err(broken(to));
        }
        world.check_items(1, bytes)?;
        let mut item = crate::command::queue::NewItem::new(payload);
        if self.has_room(to) && self.side(to).senders.nobody_present() {
            let item = world.keep_item(&mut item);
            let number = world.number();
            self.side_mut(to).messages.insert(number, item);
            return done(AnyReply::Pipe(Reply::Sent));
        }
        if timeout == Timeout::NOW {
            return Err(self.full());
        }
        world.check_waits(caller)?;
        let item = Some(world.keep_item(&mut item));
        self.park(me, world, caller, Want::Send { to, item }, timeout)
    }

    fn has_room(&self, to: End) -> bool {
        let maxsize = self.maxsize();
        maxsize == 0 || (self.side(to).messages.len() as u64) < maxsize
    }

    fn full(&self) -> Error {
        let message = format!("no room within the time given: {} messages wait already", self.maxsize());
        Error::new(Reason::Full, message)
    }

    fn receive(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        end: End,
        timeout: Timeout,
    ) -> Step {
        self.check_receives(end)?;
        let side = self.side(end);
        if !side.messages.is_empty() && side.receivers.nobody_present() && world.is_present(caller) {
            self.grant(me, world, caller, end, false);
            return Ok(None);
        }
        if self.is_over(end) {
            return Err(end_of_pipe());
        }
        if timeout == Timeout::NOW {
            return Err(empty());
        }
        self.park(me, world, caller, Want::Receive { end }, timeout)
    }

    fn park(&mut self, me: Handle, world: &mut World, caller: &Caller, want: Want, timeout: Timeout) -> Step {
        let end = side_of(&want);
        let key = world.park(caller, me, want, timeout)?;
        let ticket = &world.tickets[key];
        self.side_mut(end).line(&ticket.want).enter(key, ticket);
        Ok(None)
    }

    /// Nothing more can come to that end.
    fn is_over(&self, end: End) -> bool {
        let side = self.side(end);
        let comes_back = !side.out.is_empty() && !Mutant::EndOfPipeEarly.is_on();
        self.side(end.other()).closed && side.messages.is_empty() && !comes_back
    }

    /// A receive would not wait.
    fn is_readable(&self, end: End) -> bool {
        !self.side(end).messages.is_empty() || self.is_over(end)
    }

    /// Hands out the next message.
    fn grant(&mut self, me: Handle, world: &mut World, caller: &Caller, end: End, parked: bool) {
        let (token, since) = (Token(world.number()), world.now);
        let messages = &mut self.side_mut(end).messages;
        let next = if Mutant::PipeOrderBroken.is_on() { messages.pop_last() } else { messages.pop_first() };
        let Some((number, item)) = next else { return };
        if caller.grant_is_final(parked) {
            let payload = Box::new(std::mem::take(&mut world.items[item].payload));
            world.drop_item(item);
            let reply = Reply::Received { payload, token };
            return world.answer(caller, Ok(AnyReply::Pipe(reply)));
        }
        let payload = Box::new(world.items[item].payload.clone());
        self.side_mut(end).out.insert(token, Out { number, item, caller: *caller, since });
        world.offer(caller, me, token, 1, AnyReply::Pipe(Reply::Received { payload, token }));
    }

    /// Whether the session had the end. If it has it no more, its waits there are over.
    fn detach(&mut self, world: &mut World, caller: &Caller, end: End) -> bool {
        let sessions = &mut self.side_mut(end).sessions;
        let Some(count) = sessions.get_mut(&caller.serial) else { return false };
        *count -= 1;
        if *count == 0 {
            sessions.remove(&caller.serial);
            let at_end = self.side(end).receivers.iter().chain(self.side(end).pollers.iter());
            let own = at_end.chain(self.side(end.other()).senders.iter());
            let is_own = |key: &TicketKey| world.tickets[*key].caller.serial == caller.serial;
            let own: Vec<TicketKey> = own.filter(is_own).collect();
            own.into_iter().for_each(|key| self.end_wait(world, key, Err(cancelled())));
            self.close_if_left(world, end);
        }
        true
    }

    /// The last session has left the end: nobody will receive there, and nobody send from there.
    fn close_if_left(&mut self, world: &mut World, end: End) {
        let side = self.side_mut(end);
        if side.closed || !side.sessions.is_empty() {
            return;
        }
        side.closed = true;
        for item in std::mem::take(&mut side.messages).into_values() {
            world.drop_item(item);
        }
    }

    /// Ends a wait that is still in its line.
    fn end_wait(&mut self, world: &mut World, key: TicketKey, outcome: Outcome) {
        let Some(ticket) = world.tickets.get(key) else { return };
        self.side_mut(side_of(&ticket.want)).line(&ticket.want).leave(ticket.place);
        world.drop_put(key);
        conclude(world, key, outcome);
    }

    /// Serves the first who can be, at one end; whether there was one.
    fn serve_one(&mut self, me: Handle, world: &mut World, end: End) -> bool {
        let side = self.side_mut(end);
        if let Some((place, key)) = side.receivers.first().filter(|_| !side.messages.is_empty()) {
            side.receivers.leave(place);
            if let Some(ticket) = world.unpark(key) {
                self.grant(me, world, &ticket.caller, end, true);
            }
            return true;
        }
        let Some((place, key)) = side.senders.first().filter(|_| !side.closed) else { return false };
        if !self.has_room(end) {
            return false;
        }
        self.side_mut(end).senders.leave(place);
        if let Some(ticket) = world.unpark(key)
            && let Want::Send { item: Some(item), .. } = ticket.want
        {
            let number = world.number();
            self.side_mut(end).messages.insert(number, item);
            world.answer(&ticket.caller, Ok(AnyReply::Pipe(Reply::Sent)));
        }
        true
    }

    pub(crate) fn query(&self, query: &Query) -> AnyReply {
        match query {
            Query::Describe => {
                let (a, b) = (self.side(End::A).standing(), self.side(End::B).standing());
                AnyReply::Pipe(Reply::Described(Box::new(Figures { options: self.options(), a, b })))
            }
        }
    }

    /// Every message that is in it.
    pub(crate) fn item_keys(&self) -> impl Iterator<Item = usize> {
        self.sides.iter().flat_map(Side::items)
    }
}

fn polled(is_readable: bool) -> AnyReply {
    AnyReply::Pipe(Reply::Polled(is_readable))
}

fn empty() -> Error {
    Error::new(Reason::Empty, "nothing was sent within the time given")
}

fn end_of_pipe() -> Error {
    Error::new(
        Reason::EndOfPipe,
        "the other end of the pipe is closed, and everything that it sent was received",
    )
}

fn broken(to: End) -> Error {
    Error::new(
        Reason::BrokenPipe,
        format!("end {to} of the pipe is closed: nobody can receive what is sent to it"),
    )
}

impl Primitive for Pipe {
    fn leave(&mut self, ticket: &Ticket) {
        self.side_mut(side_of(&ticket.want)).line(&ticket.want).leave(ticket.place);
    }

    fn enter(&mut self, key: TicketKey, ticket: &Ticket) {
        self.leave(ticket);
        self.side_mut(side_of(&ticket.want)).line(&ticket.want).enter(key, ticket);
    }

    fn serve(&mut self, me: Handle, world: &mut World) {
        for end in [End::A, End::B] {
            while self.serve_one(me, world, end) {}
            if self.side(end).closed {
                let senders: Vec<TicketKey> = self.side(end).senders.iter().collect();
                senders.into_iter().for_each(|key| self.end_wait(world, key, Err(broken(end))));
            }
            if self.is_over(end) {
                let receivers: Vec<TicketKey> = self.side(end).receivers.iter().collect();
                receivers.into_iter().for_each(|key| self.end_wait(world, key, Err(end_of_pipe())));
            }
            if self.is_readable(end) {
                let pollers: Vec<TicketKey> = self.side(end).pollers.iter().collect();
                pollers.into_iter().for_each(|key| self.end_wait(world, key, Ok(polled(true))));
            }
        }
    }

    fn expire(&mut self, _me: Handle, key: TicketKey, world: &mut World) {
        let outcome = match world.tickets.get(key).map(|ticket| &ticket.want) {
            Some(Want::Send { .. }) => Err(self.full()),
            Some(Want::Poll { .. }) => Ok(polled(false)),
            _ => Err(empty()),
        };
        self.end_wait(world, key, outcome);
    }

    fn accept(&mut self, _me: Handle, offer: &Offer, world: &mut World) {
        if let Some(out) = self.sides.iter_mut().find_map(|side| side.out.remove(&offer.first)) {
            world.drop_item(out.item);
        }
    }

    fn refuse(&mut self, _me: Handle, offer: &Offer, _loss: Loss, world: &mut World) {
        for side in &mut self.sides {
            let Some(out) = side.out.remove(&offer.first) else { continue };
            match side.closed || Mutant::RefusedMessageLost.is_on() {
                true => world.drop_item(out.item),
                false => drop(side.messages.insert(out.number, out.item)),
            }
        }
    }

    fn offered(&self, offer: &Offer, world: &World) -> Option<AnyReply> {
        let out = self.sides.iter().find_map(|side| side.out.get(&offer.first))?;
        let payload = Box::new(world.items[out.item].payload.clone());
        Some(AnyReply::Pipe(Reply::Received { payload, token: offer.first }))
    }

    fn session_over(&mut self, serial: Serial, world: &mut World) {
        for end in [End::A, End::B] {
            if self.side_mut(end).sessions.remove(&serial).is_some() && !Mutant::EndStaysOpen.is_on() {
                self.close_if_left(world, end);
            }
        }
    }

    fn dissolve(&mut self, world: &mut World) -> Vec<TicketKey> {
        let (items, waiters): (Vec<_>, Vec<_>) = (self.item_keys().collect(), self.waiters().collect());
        items.into_iter().for_each(|item| world.drop_item(item));
        self.sides = <[Side; 2]>::default();
        waiters
    }

    fn is_ephemeral(&self) -> bool {
        self.declared.ephemeral.unwrap_or(false)
    }

    fn waiters(&self) -> Box<dyn Iterator<Item = TicketKey> + '_> {
        Box::new(self.sides.iter().flat_map(Side::waiters))
    }

    fn grants(&self) -> Box<dyn Iterator<Item = Granted> + '_> {
        let out = self.sides.iter().flat_map(|side| &side.out);
        Box::new(out.map(|(token, out)| Granted {
            caller: out.caller,
            token: *token,
            count: 1,
            since: out.since,
            accepted: false,
            item: Some(out.item),
        }))
    }

    fn standing(&self) -> Standing {
        let words = [End::A, End::B].map(|end| {
            let EndStanding { sessions, closed, messages } = self.side(end).standing();
            let closed = if closed { " closed" } else { "" };
            format!("{end}: sessions={sessions} messages={messages}{closed}")
        });
        let grants = self.sides.iter().map(|side| side.out.len() as u64).sum();
        Standing { grants, waiting: self.waiters().count() as u64, words: words.join(", ") }
    }

    fn check(&self, world: &World) {
        for end in [End::A, End::B] {
            let side = self.side(end);
            assert!(!side.closed || side.messages.is_empty(), "something waits for a closed end");
            assert!(
                !side.closed || side.sessions.is_empty() && side.senders.is_empty(),
                "a closed end is used"
            );
            assert!(
                side.messages.is_empty() || side.receivers.nobody_present(),
                "a receiver could be served"
            );
            assert!(!self.has_room(end) || side.senders.nobody_present(), "a sender could be served");
            assert!(!self.is_over(end) || side.receivers.is_empty(), "a receiver waits for nothing");
            assert!(!self.is_readable(end) || side.pollers.is_empty(), "a poller could be told");
            assert!(side.sessions.values().all(|count| *count > 0), "an end is attached no times");
            assert!(side.items().all(|item| world.items.get(item).is_some()), "a message without an item");
        }
    }
}

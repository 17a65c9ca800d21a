//! The engine: `(state, now, input) -> effects`.

mod acquire_all;
mod at_once;
mod check;
mod conditions;
mod deadlock;
mod execute;
mod lifetime;
mod select;
mod sessions;
mod timers;
mod topics;
mod transaction;
mod transfer;

use std::hash::{Hash, Hasher};
use std::mem::{swap, take};

use crate::command::{Call, Command, Effect, Input, Outcome, Query, Reply, queue};
use crate::digest::Digest;
use crate::error::Error;
use crate::ids::{Handle, ItemId, Kind, Op, SessionId, SessionKey, Target};
use crate::limits::Limits;
use crate::mutant::Mutant;
use crate::objects::{Objects, State, object_gone};
use crate::primitive::Primitive;
use crate::primitive::barrier::Barrier;
use crate::primitive::event::Event;
use crate::primitive::latch::Latch;
use crate::primitive::list::List;
use crate::primitive::lock::Lock;
use crate::primitive::pipe::Pipe;
use crate::primitive::queue::Queue;
use crate::primitive::rwlock::RwLock;
use crate::primitive::semaphore::Semaphore;
use crate::primitive::timer::Timer;
use crate::primitive::topic::Topic;
use crate::primitive::value::Values;
use crate::session::{Entry, Offer};
use crate::time::Time;
use crate::timer::{Due, Subject};
use crate::wait::{Caller, TicketKey, Want};
use crate::world::{Fallen, World, cancelled, in_branch, session_expired};

pub use at_once::AtOnce;

/// The state of one namespace.
pub struct Engine {
    pub(crate) world: World,
    pub(crate) objects: Objects,
    /// Calls executed so far.
    pub(crate) commands: u64,
}

impl Engine {
    /// An empty namespace. `first_token` seeds tokens and must exceed every token given out before.
    pub fn new(first_token: u64, limits: Limits) -> Self {
        Engine { world: World::new(first_token, limits), objects: Objects::default(), commands: 0 }
    }

    /// Executes one input at `now` and appends what must happen outside. Total: it never panics. What is due
    /// by `now` happens first.
    pub fn handle(&mut self, now: Time, mut input: Input, effects: &mut Vec<Effect>) {
        swap(&mut self.world.effects, effects);
        self.world.now = self.world.now.max(now);
        self.fire_due();
        // In place: the large ones are not copied on their way to where they are needed.
        match &mut input {
            Input::Call(key, call) => self.call(*key, call),
            Input::Done(key, range) => self.done(*key, *range),
            Input::Refuse(key, op) => self.refuse(*key, *op),
            Input::Open(spec) => self.open(spec.clone()),
            Input::Attach(key) => self.attach(*key),
            Input::Detach(key) => self.detach(*key),
            Input::Pause(key) => self.pause(*key),
            Input::Unpause(key) => self.unpause(*key),
            Input::End(key, reason) => self.end(*key, *reason),
            Input::Label(key, participant, label) => self.label(*key, *participant, take(label)),
            Input::Tick => {}
            Input::Configure(limits) => self.world.limits = limits.clone(),
            Input::Restart => self.restart(),
        }
        self.end_step();
        while !self.world.queued.is_empty() || !self.world.loosened.is_empty() {
            self.look_for_deadlocks();
            self.end_step();
        }
        swap(&mut self.world.effects, effects);
    }

    /// Answers a query of a session as of `now`; call with a `Tick` behind you where something was due.
    pub fn query(&self, now: Time, caller: SessionKey, query: &Query) -> Outcome {
        if self.world.sessions.get(caller).is_none() {
            return Err(session_expired());
        }
        if let Query::Timers { page_size, after } = query {
            return self.list_timers(now, *page_size, after.as_ref());
        }
        let Some((kind, target)) = query.target() else { return Err(object_gone()) };
        let found = self.objects.find(kind, target)?.and_then(|handle| self.objects.get(handle));
        let (state, world) = (found.map(|named| &named.state), &self.world);
        match (state, query) {
            (Some(State::Queue(queue)), Query::Queue(_, query)) => queue.query(world, now, query),
            (_, Query::Queue(_, query)) => Queue::default().query(world, now, query),
            (Some(State::Event(event)), Query::Event(_, query)) => Ok(event.query(query)),
            (_, Query::Event(_, query)) => Ok(Event::default().query(query)),
            (Some(State::Semaphore(semaphore)), Query::Semaphore(_, query)) => {
                Ok(semaphore.query(world, now, query))
            }
            (_, Query::Semaphore(_, query)) => Ok(Semaphore::default().query(world, now, query)),
            (Some(State::Lock(lock)), Query::Lock(_, query)) => Ok(lock.query(world, now, query)),
            (_, Query::Lock(_, query)) => Ok(Lock::default().query(world, now, query)),
            (Some(State::RwLock(rwlock)), Query::RwLock(_, query)) => Ok(rwlock.query(world, now, query)),
            (_, Query::RwLock(_, query)) => Ok(RwLock::default().query(world, now, query)),
            (Some(State::Condition(condition)), Query::Condition(..)) => {
                self.describe_condition(Some(condition))
            }
            (_, Query::Condition(..)) => self.describe_condition(None),
            (Some(State::Barrier(barrier)), Query::Barrier(_, query)) => Ok(barrier.query(query)),
            (_, Query::Barrier(_, query)) => Ok(Barrier::default().query(query)),
            (Some(State::Latch(latch)), Query::Latch(_, query)) => Ok(latch.query(query)),
            (_, Query::Latch(_, query)) => Ok(Latch::default().query(query)),
            (
                Some(State::Value(values) | State::Dict(values)),
                Query::Value(_, query) | Query::Dict(_, query),
            ) => values.query(world, now, query),
            (_, Query::Value(_, query) | Query::Dict(_, query)) => Values::default().query(world, now, query),
            (Some(State::List(list)), Query::List(_, query)) => list.query(world, query),
            (_, Query::List(_, query)) => List::default().query(world, query),
            (Some(State::Timer(timer)), Query::Timer(_, query)) => Ok(timer.query(now, query)),
            (_, Query::Timer(_, query)) => Ok(Timer::default().query(now, query)),
            (_, Query::Timers { .. }) => Err(object_gone()),
            (Some(State::Topic(topic)), Query::Topic(_, query)) => {
                topic.query(world, query, |queue| self.objects.get(queue).is_some())
            }
            (Some(State::Pipe(pipe)), Query::Pipe(_, query)) => Ok(pipe.query(query)),
            (_, Query::Pipe(_, query)) => Ok(Pipe::default().query(query)),
            (_, Query::Topic(_, query)) => Topic::default().query(world, query, |_| true),
        }
    }

    /// When the next thing is due.
    pub fn next_deadline(&self) -> Option<Time> {
        self.world.timers.next()
    }

    /// The open session of that id.
    pub fn session(&self, id: SessionId) -> Option<SessionKey> {
        self.world.sessions.find(id)
    }

    /// Whether the session is open.
    pub fn is_open(&self, session: SessionKey) -> bool {
        self.world.sessions.get(session).is_some()
    }

    /// A digest of the whole state: equal histories have equal digests.
    pub fn state_hash(&self) -> u64 {
        let mut digest = Digest::default();
        self.world.hash(&mut digest);
        (&self.objects, self.commands).hash(&mut digest);
        digest.finish()
    }

    #[inline]
    fn fire_due(&mut self) {
        if self.world.timers.next().is_some_and(|due| due <= self.world.now) {
            self.fire_all();
        }
    }

    #[inline(never)]
    fn fire_all(&mut self) {
        while let Some((due, place, subject)) = self.world.timers.pop(self.world.now) {
            let key = match subject {
                Subject::Ticket(key) => key,
                Subject::Object(object) if due == Due::Own => {
                    if self.objects.timer_mut(object).is_some() {
                        self.fire(object);
                    } else {
                        self.with(object, |primitive, world| primitive.due(object, place, world));
                        self.serve(object);
                    }
                    self.end_step();
                    continue;
                }
                Subject::Object(object) => {
                    self.delete(object);
                    self.end_step();
                    continue;
                }
            };
            let Some(ticket) = self.world.tickets.get(key) else { continue };
            let object = ticket.object;
            match due {
                Due::Deadline if ticket.group.is_some() => self.expire_group(key),
                Due::Reserve => self.begin_to_reserve(key),
                Due::Deadline => self.with(object, |primitive, world| primitive.expire(object, key, world)),
                _ => {}
            }
            self.serve(object);
            self.end_step();
        }
    }

    /// What follows from what has happened, in other objects.
    #[inline]
    fn end_step(&mut self) {
        if !self.world.is_settled() {
            self.settle();
        }
    }

    #[inline(never)]
    fn settle(&mut self) {
        loop {
            while let Some(offer) = self.world.shown.pop() {
                self.with(offer.object, |primitive, world| primitive.accept(offer.object, &offer, world));
            }
            while !self.world.fallen.is_empty() || !self.world.withdrawn.is_empty() {
                self.deliver_dead_letters();
                self.serve_withdrawn();
            }
            if self.world.wholes.is_empty() || !self.settle_wholes() {
                return;
            }
        }
    }

    #[inline(always)]
    fn call(&mut self, key: SessionKey, call: &mut Call) {
        let Call { op, participant, carrier, ref mut command } = *call;
        self.commands += 1;
        let Some(session) = self.world.sessions.get(key) else {
            let outcome = Err(session_expired());
            return self.world.effects.push(Effect::Answer { to: key, op, outcome, offered: false });
        };
        let caller = Caller {
            session: key,
            serial: session.serial,
            mode: session.spec.mode,
            op,
            participant,
            carrier,
            branch: None,
        };
        if !session.ops.is_empty() {
            if session.ops.get(op).is_some() && !Mutant::RetryExecutedAgain.is_on() {
                return self.repeat(&caller);
            }
            let max = self.world.limits.stored_answers_per_session_max;
            if session.stored() >= max as usize {
                let outcome = Err(Error::limit("stored_answers_per_session_max", max.into()));
                return self.world.effects.push(Effect::Answer { to: key, op, outcome, offered: false });
            }
        }
        match command {
            Command::Cancel(target) => self.cancel(&caller, *target),
            Command::Hasten(target) => self.hasten(&caller, *target),
            Command::Discard(kind, target) => self.discard(&caller, *kind, target),
            Command::Share(kind, target) => self.share(&caller, *kind, target),
            Command::Condition(target, command) => self.run_condition(&caller, target, command),
            Command::Transaction(steps) => self.transaction(&caller, take(steps)),
            Command::Timer(target, command) => self.run_timer(&caller, target, command),
            Command::Select(select) => self.select(&caller, select),
            Command::Topic(target, command) => self.run_topic(&caller, target, command),
            Command::AcquireAll(all) => self.acquire_all(&caller, all),
            command => self.run(&caller, command),
        }
    }

    /// Runs a command on its object, answers it, and hands on what it freed. What a failed command created is
    /// gone again: nothing was changed.
    #[inline(always)]
    fn run(&mut self, caller: &Caller, command: &mut Command) {
        let Some((kind, target)) = command.target() else { return };
        // A handle that is of another kind, or of something deleted, is found out below.
        let (handle, created) = match target {
            Target::Handle(handle) => (*handle, false),
            target => match self.target(kind, target) {
                Ok(found) => found,
                Err(error) => return self.world.answer(caller, Err(error)),
            },
        };
        match command {
            Command::Queue(_, queue::Command::Redrive(redrive)) => {
                return self.redrive(caller, handle, created, redrive);
            }
            Command::Queue(_, queue::Command::Move(moving)) => {
                return self.move_items(caller, handle, created, moving);
            }
            _ => {}
        }
        if !self.world.wholes.is_empty() {
            self.world.passes = self.may_pass(caller, handle);
            self.world.touched.insert(handle);
        }
        let gives = command.gives();
        let world = &mut self.world;
        let Some(named) = self.objects.get_mut(handle) else {
            return world.answer(caller, Err(object_gone()));
        };
        let step = named.execute(handle, world, caller, command);
        world.passes = false;
        match step {
            Err(error) => {
                if created {
                    self.objects.remove(handle);
                }
                return self.world.answer(caller, Err(error));
            }
            Ok(Some(reply)) => {
                let is_put = matches!(reply, Reply::Queue(queue::Reply::Put(_) | queue::Reply::PutMany(_)));
                world.answer_put(caller, Ok(reply), is_put.then_some(handle));
            }
            Ok(None) => {}
        }
        if gives {
            named.giver = Some(caller.owner());
        }
        if world.note_use(caller, handle) {
            named.begin_use(&mut world.timers);
        }
        if !Mutant::WakeUpLost.is_on() {
            named.state.serve(handle, world);
        }
    }

    /// The object that a command means, and whether it was created for it.
    fn target(&mut self, kind: Kind, target: &Target) -> Result<(Handle, bool), Error> {
        if let Some(handle) = self.objects.find(kind, target)? {
            return Ok((handle, false));
        }
        let Target::Name(name) = target else { return Err(object_gone()) };
        let max = self.world.limits.objects_max;
        if self.objects.len() >= max as usize {
            return Err(Error::limit("objects_max", max.into()));
        }
        Ok((self.objects.create(kind, name), true))
    }

    /// An op that is known arrives again.
    fn repeat(&mut self, caller: &Caller) {
        let Some(session) = self.world.sessions.get_mut(caller.session) else { return };
        match session.ops.get_mut(caller.op) {
            Some(Entry::Waiting(key)) => {
                let key = *key;
                let away = !session.is_present(caller.carrier);
                let group = self.world.group_of(key).map(|group| group.tickets.clone());
                let mut changed = Vec::new();
                for key in group.unwrap_or_else(|| vec![key]) {
                    if let Some(ticket) = self.world.tickets.get_mut(key) {
                        ticket.caller.carrier = caller.carrier;
                    }
                    changed.extend(self.change_sides(key, away));
                }
                changed.into_iter().for_each(|object| self.serve(object));
            }
            Some(Entry::Offered(offer)) => {
                offer.carrier = caller.carrier;
                self.answer_again(caller.session, caller.op);
            }
            Some(Entry::Whole(offers)) => {
                offers.iter_mut().for_each(|offer| offer.carrier = caller.carrier);
                self.answer_again(caller.session, caller.op);
            }
            Some(Entry::Answered { .. }) => self.answer_again(caller.session, caller.op),
            None => {}
        }
    }

    /// Sends the answer of an op that is offered or answered once more.
    fn answer_again(&mut self, to: SessionKey, op: Op) {
        let entry = self.world.sessions.get(to).and_then(|session| session.ops.get(op));
        let mut recalled = false;
        let (outcome, offered) = match entry {
            Some(Entry::Answered { outcome, .. }) => (outcome.clone(), false),
            Some(Entry::Offered(offer)) => {
                recalled = self.primitive(offer.object).is_some_and(|primitive| primitive.recalls(offer));
                match self.primitive(offer.object).and_then(|p| p.offered(offer, &self.world)) {
                    Some(reply) => (in_branch(offer.branch, Ok(reply)), true),
                    None => return,
                }
            }
            Some(Entry::Whole(offers)) => {
                let again = |offer: &Offer| self.primitive(offer.object)?.offered(offer, &self.world);
                match offers.iter().map(again).collect() {
                    Some(replies) => (Ok(Reply::AcquiredAll(replies)), true),
                    None => return,
                }
            }
            _ => return,
        };
        self.world.effects.push(Effect::Answer { to, op, outcome, offered });
        if recalled {
            self.world.effects.push(Effect::Recall { to, op });
        }
    }

    /// A wait that prefetches is an ordinary one from now on, the last in its line.
    fn hasten(&mut self, caller: &Caller, target: Op) {
        let entry = self.world.sessions.get(caller.session).and_then(|session| session.ops.get(target));
        let waiting = if let Some(Entry::Waiting(key)) = entry { Some(*key) } else { None };
        self.world.answer(caller, Ok(Reply::Hastened));
        let Some(key) = waiting else { return };
        let Some(ticket) = self.world.tickets.get(key) else { return };
        let Want::Take { taking, .. } = &ticket.want else { return };
        let object = ticket.object;
        if !taking.prefetch {
            return;
        }
        let Some((primitive, world)) = self.parts(object) else { return };
        let place = world.number();
        if let Some(ticket) = world.tickets.get_mut(key) {
            primitive.leave(ticket);
            ticket.place = place;
            if let Want::Take { taking, .. } = &mut ticket.want {
                taking.prefetch = false;
            }
            primitive.enter(key, ticket);
        }
        self.serve(object);
    }

    fn cancel(&mut self, caller: &Caller, target: Op) {
        let entry = self.world.sessions.get(caller.session).and_then(|session| session.ops.get(target));
        let mut freed = Vec::new();
        match entry {
            Some(Entry::Waiting(key)) => {
                let key = *key;
                if let Some(object) = self.goes_on(key) {
                    self.world.answer(caller, Ok(Reply::Cancelled(false)));
                    return self.serve(object);
                }
                freed = self.withdraw_ticket(key, cancelled());
            }
            Some(Entry::Answered { outcome: Ok(reply), queue: Some(handle) }) => {
                let ids = put_ids(reply).to_vec();
                let handle = *handle;
                let queue = self.objects.queue_mut(handle);
                if queue.is_some_and(|queue| queue.withdraw(&mut self.world, &ids)) {
                    let of_put = Caller { op: target, ..*caller };
                    self.world.answer(&of_put, Err(cancelled()));
                    freed.push(handle);
                }
            }
            _ => {}
        }
        self.world.answer(caller, Ok(Reply::Cancelled(!freed.is_empty())));
        freed.into_iter().for_each(|object| self.serve(object));
    }

    /// Whether the ticket goes on when its caller withdraws it, to an answer of its own; says at which object.
    fn goes_on(&mut self, key: TicketKey) -> Option<Handle> {
        let object = self.world.tickets.get(key)?.object;
        let (primitive, world) = self.parts(object)?;
        primitive.goes_on(key, world).then_some(object)
    }

    /// Ends a waiting ticket, with its group if it has one, and says at which objects.
    fn withdraw_ticket(&mut self, key: TicketKey, error: Error) -> Vec<Handle> {
        let Some(object) = self.world.tickets.get(key).map(|ticket| ticket.object) else { return Vec::new() };
        self.with(object, |primitive, world| {
            if let Some(ticket) = world.tickets.get(key)
                && !Mutant::TicketNotWithdrawn.is_on()
            {
                primitive.leave(ticket);
            }
        });
        self.world.drop_put(key);
        let Some(ticket) = self.world.unpark(key) else { return Vec::new() };
        let mut freed = vec![object];
        self.clear_withdrawn(&mut freed);
        self.world.answer(&Caller { branch: None, ..ticket.caller }, Err(error));
        freed
    }

    /// The ticket steps aside or comes back; says where, if that changed anything.
    fn change_sides(&mut self, key: TicketKey, away: bool) -> Option<Handle> {
        let away = away && !Mutant::StaysPresentWhenDetached.is_on();
        let ticket = self.world.tickets.get_mut(key).filter(|ticket| ticket.away != away)?;
        ticket.away = away;
        let object = ticket.object;
        let (primitive, world) = self.parts(object)?;
        primitive.enter(key, world.tickets.get(key)?);
        Some(object)
    }

    fn deliver_dead_letters(&mut self) {
        while !self.world.fallen.is_empty() {
            for Fallen { from, to, item } in std::mem::take(&mut self.world.fallen) {
                let name = self.objects.get(from).map(|named| named.name.clone());
                let found = self.target(Kind::Queue, &Target::Name(to)).ok().map(|(handle, _)| handle);
                if let Some((handle, queue)) =
                    found.and_then(|handle| self.objects.queue_mut(handle).map(|queue| (handle, queue)))
                {
                    queue.receive(&mut self.world, item, name);
                    queue.serve(handle, &mut self.world);
                } else if let Some(queue) = self.objects.queue_mut(from) {
                    queue.keep_dead(&mut self.world, item);
                } else {
                    self.world.drop_item(item);
                }
            }
        }
    }

    fn serve(&mut self, object: Handle) {
        self.with(object, |primitive, world| primitive.serve(object, world));
    }

    fn with(&mut self, object: Handle, f: impl FnOnce(&mut dyn Primitive, &mut World)) {
        if let Some((primitive, world)) = self.parts(object) {
            f(primitive, world);
        }
    }

    fn parts(&mut self, object: Handle) -> Option<(&mut dyn Primitive, &mut World)> {
        let primitive = self.objects.get_mut(object)?.state.primitive_mut();
        if !self.world.wholes.is_empty() {
            self.world.touched.insert(object);
        }
        Some((primitive, &mut self.world))
    }

    pub(crate) fn primitive(&self, object: Handle) -> Option<&dyn Primitive> {
        Some(self.objects.get(object)?.state.primitive())
    }
}

/// What a put brought.
fn put_ids(reply: &Reply) -> &[ItemId] {
    match reply {
        Reply::Queue(queue::Reply::Put(id)) => std::slice::from_ref(id),
        Reply::Queue(queue::Reply::PutMany(ids)) => ids,
        Reply::Selected { reply, .. } => match &**reply {
            Reply::Queue(queue::Reply::Put(id)) => std::slice::from_ref(id),
            Reply::Queue(queue::Reply::PutMany(ids)) => ids,
            _ => &[],
        },
        _ => &[],
    }
}

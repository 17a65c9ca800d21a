//! All objects of a namespace: by kind and name, and by handle.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::command::EndReason;
use crate::error::{Error, Reason};
use crate::ids::{Handle, Kind, Name, ParticipantId, SessionKey, Target};
use crate::primitive::barrier::Barrier;
use crate::primitive::condition::Condition;
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
use crate::primitive::{Owner, Primitive};
use crate::slots::Slots;
use crate::time::Time;
use crate::timer::{Due, Timers};
use crate::wait::Place;
use crate::world::World;

/// An object in its table.
#[derive(Debug, Hash)]
pub(crate) struct Named {
    pub(crate) name: Name,
    /// How many sessions use it.
    pub(crate) users: u32,
    /// It was shared. Few are, so it is kept apart.
    pub(crate) shared: Option<Box<Shared>>,
    /// Who put, set, released, counted down or notified here last, while its session lives.
    pub(crate) giver: Option<Owner>,
    /// The same, if its session ended as that of the last giver.
    pub(crate) gone: Option<Box<Gone>>,
    pub(crate) state: State,
}

/// A giver whose session is over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Gone {
    /// For people.
    pub(crate) who: String,
    pub(crate) reason: EndReason,
    pub(crate) at: Time,
}

/// An object that other processes have been told of.
#[derive(Debug, Default, Hash)]
pub(crate) struct Shared {
    /// How long it stays when nobody uses it.
    pub(crate) stays: Duration,
    /// Nobody uses it now: when it goes, and the place of that timer.
    pub(crate) goes: Option<(Time, Place)>,
}

impl Named {
    /// One more session uses it.
    pub(crate) fn begin_use(&mut self, timers: &mut Timers) {
        self.users += 1;
        self.stay(timers);
    }

    /// A session is over that used it; `who` says who its participant is.
    pub(crate) fn note_end(
        &mut self,
        session: SessionKey,
        reason: EndReason,
        at: Time,
        who: impl FnOnce(ParticipantId) -> String,
    ) {
        if let Some((_, participant)) = self.giver.take_if(|(giver, _)| *giver == session) {
            self.gone = Some(Box::new(Gone { who: who(participant), reason, at }));
        }
    }

    /// It does not go for want of users.
    pub(crate) fn stay(&mut self, timers: &mut Timers) {
        if let Some((at, place)) = self.shared.as_mut().and_then(|shared| shared.goes.take()) {
            timers.clear(at, place, Due::Unused);
        }
    }
}

/// What an object is: one of the primitives.
#[derive(Debug, Hash)]
pub(crate) enum State {
    Queue(Box<Queue>),
    Event(Event),
    Semaphore(Box<Semaphore>),
    Lock(Box<Lock>),
    RwLock(Box<RwLock>),
    Condition(Box<Condition>),
    Barrier(Box<Barrier>),
    Latch(Box<Latch>),
    Value(Box<Values>),
    List(Box<List>),
    Dict(Box<Values>),
    Timer(Box<Timer>),
    Topic(Box<Topic>),
    Pipe(Box<Pipe>),
}

impl State {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Queue => State::Queue(Box::default()),
            Kind::Event => State::Event(Event::default()),
            Kind::Semaphore => State::Semaphore(Box::default()),
            Kind::Lock => State::Lock(Box::default()),
            Kind::RwLock => State::RwLock(Box::default()),
            Kind::Condition => State::Condition(Box::default()),
            Kind::Barrier => State::Barrier(Box::default()),
            Kind::Latch => State::Latch(Box::default()),
            Kind::Value => State::Value(Box::default()),
            Kind::List => State::List(Box::default()),
            Kind::Dict => State::Dict(Box::default()),
            Kind::Timer => State::Timer(Box::default()),
            Kind::Topic => State::Topic(Box::default()),
            Kind::Pipe => State::Pipe(Box::default()),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            State::Queue(_) => Kind::Queue,
            State::Event(_) => Kind::Event,
            State::Semaphore(_) => Kind::Semaphore,
            State::Lock(_) => Kind::Lock,
            State::RwLock(_) => Kind::RwLock,
            State::Condition(_) => Kind::Condition,
            State::Barrier(_) => Kind::Barrier,
            State::Latch(_) => Kind::Latch,
            State::Value(_) => Kind::Value,
            State::List(_) => Kind::List,
            State::Dict(_) => Kind::Dict,
            State::Timer(_) => Kind::Timer,
            State::Topic(_) => Kind::Topic,
            State::Pipe(_) => Kind::Pipe,
        }
    }

    /// Hands what is free to who waits for it. Most calls are about queues where nobody waits.
    #[inline]
    pub(crate) fn serve(&mut self, me: Handle, world: &mut World) {
        match self {
            State::Queue(queue) if queue.is_quiet() => {}
            state => state.primitive_mut().serve(me, world),
        }
    }

    pub(crate) fn primitive(&self) -> &dyn Primitive {
        match self {
            State::Queue(queue) => &**queue,
            State::Event(event) => event,
            State::Semaphore(semaphore) => &**semaphore,
            State::Lock(lock) => &**lock,
            State::RwLock(rwlock) => &**rwlock,
            State::Condition(condition) => &**condition,
            State::Barrier(barrier) => &**barrier,
            State::Latch(latch) => &**latch,
            State::Value(values) | State::Dict(values) => &**values,
            State::List(list) => &**list,
            State::Timer(timer) => &**timer,
            State::Topic(topic) => &**topic,
            State::Pipe(pipe) => &**pipe,
        }
    }

    pub(crate) fn primitive_mut(&mut self) -> &mut dyn Primitive {
        match self {
            State::Queue(queue) => &mut **queue,
            State::Event(event) => event,
            State::Semaphore(semaphore) => &mut **semaphore,
            State::Lock(lock) => &mut **lock,
            State::RwLock(rwlock) => &mut **rwlock,
            State::Condition(condition) => &mut **condition,
            State::Barrier(barrier) => &mut **barrier,
            State::Latch(latch) => &mut **latch,
            State::Value(values) | State::Dict(values) => &mut **values,
            State::List(list) => &mut **list,
            State::Timer(timer) => &mut **timer,
            State::Topic(topic) => &mut **topic,
            State::Pipe(pipe) => &mut **pipe,
        }
    }
}

/// The table.
#[derive(Debug, Default, Hash)]
pub(crate) struct Objects {
    slots: Slots<Named>,
    names: BTreeMap<Kind, BTreeMap<Name, Handle>>,
}

impl Objects {
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// What `target` means, if it exists; `OBJECT_GONE` for a handle of something deleted, or of another kind, and
    /// for what must exist and does not.
    pub(crate) fn find(&self, kind: Kind, target: &Target) -> Result<Option<Handle>, Error> {
        let named = |name| self.names.get(&kind).and_then(|names| names.get(name)).copied();
        match target {
            Target::Name(name) => Ok(named(name)),
            Target::Existing(name) => named(name).map(Some).ok_or_else(|| absent(kind, name)),
            Target::Handle(handle) => match self.slots.get(*handle) {
                Some(named) if named.state.kind() == kind => Ok(Some(*handle)),
                _ => Err(object_gone()),
            },
        }
    }

    pub(crate) fn create(&mut self, kind: Kind, name: &Name) -> Handle {
        let named = Named {
            name: name.clone(),
            users: 0,
            shared: None,
            giver: None,
            gone: None,
            state: State::new(kind),
        };
        let handle = self.slots.insert(named);
        self.names.entry(kind).or_default().insert(name.clone(), handle);
        handle
    }

    pub(crate) fn get(&self, handle: Handle) -> Option<&Named> {
        self.slots.get(handle)
    }

    pub(crate) fn get_mut(&mut self, handle: Handle) -> Option<&mut Named> {
        self.slots.get_mut(handle)
    }

    pub(crate) fn queue_mut(&mut self, handle: Handle) -> Option<&mut Queue> {
        match &mut self.get_mut(handle)?.state {
            State::Queue(queue) => Some(queue),
            _ => None,
        }
    }

    pub(crate) fn topic_mut(&mut self, handle: Handle) -> Option<&mut Topic> {
        match &mut self.get_mut(handle)?.state {
            State::Topic(topic) => Some(topic),
            _ => None,
        }
    }

    pub(crate) fn timer_mut(&mut self, handle: Handle) -> Option<&mut Timer> {
        match &mut self.get_mut(handle)?.state {
            State::Timer(timer) => Some(timer),
            _ => None,
        }
    }

    pub(crate) fn condition_mut(&mut self, handle: Handle) -> Option<&mut Condition> {
        match &mut self.get_mut(handle)?.state {
            State::Condition(condition) => Some(condition),
            _ => None,
        }
    }

    pub(crate) fn remove(&mut self, handle: Handle) -> Option<Named> {
        let named = self.slots.remove(handle)?;
        if let Some(names) = self.names.get_mut(&named.state.kind()) {
            names.remove(&named.name);
        }
        Some(named)
    }

    /// All of them, by kind and name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Handle, &Named)> {
        let handles = self.names.values().flat_map(BTreeMap::values);
        handles.filter_map(|handle| self.slots.get(*handle).map(|named| (*handle, named)))
    }

    /// By kind and name, from the one after `last`; of one kind, or of all.
    pub(crate) fn page(
        &self,
        kind: Option<Kind>,
        last: Option<&(Kind, Name)>,
    ) -> impl Iterator<Item = &Named> {
        use std::ops::Bound::{Excluded, Unbounded};
        let kinds = self.names.iter().filter(move |(of, _)| {
            kind.is_none_or(|kind| kind == **of) && last.is_none_or(|(kind, _)| kind <= *of)
        });
        let handles = kinds.flat_map(move |(of, names)| {
            let last = last.filter(|(kind, _)| kind == of).map(|(_, name)| name);
            names.range((last.map_or(Unbounded, Excluded), Unbounded))
        });
        handles.filter_map(|(_, handle)| self.slots.get(*handle))
    }
}

/// What naming a deleted object ends with.
#[cold]
pub(crate) fn object_gone() -> Error {
    Error::new(Reason::ObjectGone, "the object behind this handle is gone; declare it again, by name")
}

/// What naming an absent object ends with that must exist.
#[cold]
fn absent(kind: Kind, name: &Name) -> Error {
    let message = format!(
        "there is no {kind} {name}, and this call creates none: it went with its last user, or with its server; \
         whoever made it must make it again"
    );
    Error::new(Reason::ObjectGone, message)
}

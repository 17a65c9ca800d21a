//! What a typed handle stands for: an object by name, with what its engine calls it at present.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bridge_core::command::{
    Command, Ownership, Request, barrier, condition, event, latch, list, lock as locks, pipe, queue, rwlock,
    semaphore, timer, topic, value,
};
use bridge_core::ids::{Handle, Kind, Name, ParticipantId, Target, Token};
use bridge_core::{Error, Reason, Reply};

use crate::fork;
use crate::holds::{Holds, Standing};
use crate::mutex::lock;

/// The options with which an object was declared, so that it can be declared again.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Declaration {
    Queue(queue::Options),
    Event(event::Options),
    Semaphore(semaphore::Options),
    Lock(locks::Options),
    RwLock(rwlock::Options),
    /// With its lock.
    Condition(Arc<Object>, condition::Options),
    Barrier(barrier::Options),
    Latch(latch::Options),
    Value(value::Options),
    List(value::Options),
    Dict(value::Options),
    /// Without its schedule, which is the server's.
    Timer(timer::Options),
    Topic(topic::Options),
    Pipe(pipe::Options),
}

impl Declaration {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Declaration::Queue(_) => Kind::Queue,
            Declaration::Event(_) => Kind::Event,
            Declaration::Semaphore(_) => Kind::Semaphore,
            Declaration::Lock(_) => Kind::Lock,
            Declaration::RwLock(_) => Kind::RwLock,
            Declaration::Condition(..) => Kind::Condition,
            Declaration::Barrier(_) => Kind::Barrier,
            Declaration::Latch(_) => Kind::Latch,
            Declaration::Value(_) => Kind::Value,
            Declaration::List(_) => Kind::List,
            Declaration::Dict(_) => Kind::Dict,
            Declaration::Timer(_) => Kind::Timer,
            Declaration::Topic(_) => Kind::Topic,
            Declaration::Pipe(_) => Kind::Pipe,
        }
    }

    /// What errors call its name.
    pub(crate) fn field(&self) -> &'static str {
        match self {
            Declaration::Queue(_) => "queue",
            Declaration::Event(_) => "event",
            Declaration::Semaphore(_) => "semaphore",
            Declaration::Lock(_) => "lock",
            Declaration::RwLock(_) => "rwlock",
            Declaration::Condition(..) => "condition",
            Declaration::Barrier(_) => "barrier",
            Declaration::Latch(_) => "latch",
            Declaration::Value(_) => "value",
            Declaration::List(_) => "list",
            Declaration::Dict(_) => "dict",
            Declaration::Timer(_) => "timer",
            Declaration::Topic(_) => "topic",
            Declaration::Pipe(_) => "pipe",
        }
    }

    /// An object of its own goes with its last user, unless its options say otherwise.
    pub(crate) fn of_its_own(mut self, own: bool) -> Self {
        let ephemeral = match &mut self {
            Declaration::Queue(options) => &mut options.ephemeral,
            Declaration::Event(options) => &mut options.ephemeral,
            Declaration::Semaphore(options) => &mut options.ephemeral,
            Declaration::Lock(options) => &mut options.ephemeral,
            Declaration::RwLock(options) => &mut options.ephemeral,
            Declaration::Condition(_, options) => &mut options.ephemeral,
            Declaration::Barrier(options) => &mut options.ephemeral,
            Declaration::Latch(options) => &mut options.ephemeral,
            Declaration::Timer(options) => &mut options.ephemeral,
            Declaration::Topic(options) => &mut options.ephemeral,
            Declaration::Pipe(options) => &mut options.ephemeral,
            Declaration::Value(options) | Declaration::List(options) | Declaration::Dict(options) => {
                &mut options.ephemeral
            }
        };
        *ephemeral = ephemeral.or(own.then_some(true));
        self
    }
}

/// Who makes an object where it is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Whoever uses it: it has a name that others use too.
    Named,
    /// The process that made up its name. Its forked children attach.
    Anonymous {
        /// `fork::generation()` of that process.
        generation: u64,
    },
    /// Another process: this one attaches and never makes it.
    Attached,
}

/// An object of a namespace. Names stay; the engine's handle is learned, and forgotten with the session.
#[derive(Debug)]
pub struct Object {
    name: Name,
    declaration: Declaration,
    origin: Origin,
    /// Other processes have been told of it.
    shared: AtomicBool,
    /// Why it could not be declared, if that is so.
    refusal: Mutex<Option<Error>>,
    /// `Handle::to_u64`; 0 while unknown.
    handle: AtomicU64,
    /// The session that has it on its list of what to declare again.
    remembered_by: AtomicU64,
    permits: Mutex<Permits>,
    holds: Mutex<Holds>,
    /// Of a queue, once they are known.
    bounds: Mutex<Option<Bounds>>,
}

/// What a queue holds at most; 0 is unbounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) maxsize: u64,
    pub(crate) max_bytes: u64,
}

impl From<&queue::Options> for Bounds {
    fn from(options: &queue::Options) -> Self {
        Bounds { maxsize: options.maxsize.unwrap_or(0), max_bytes: options.max_bytes.unwrap_or(0) }
    }
}

/// The bare permits of a semaphore that this process holds, by who acquired them, so that releasing one that was lost
/// with its session is told to its holder and does not become a signal.
#[derive(Debug, Default)]
struct Permits {
    held: BTreeMap<ParticipantId, i64>,
    lost: BTreeMap<ParticipantId, i64>,
}

/// Takes up to `permits` of `who`, then of the others; says how many there were.
fn take(from: &mut BTreeMap<ParticipantId, i64>, who: ParticipantId, permits: i64) -> i64 {
    let others: Vec<_> = from.keys().copied().filter(|other| *other != who).collect();
    let mut left = permits;
    for one in std::iter::once(who).chain(others) {
        let Some(has) = from.get_mut(&one) else { continue };
        let some = left.min(*has);
        (*has, left) = (*has - some, left - some);
        if *has == 0 {
            from.remove(&one);
        }
    }
    permits - left
}

impl Object {
    /// A handle on the object of that name, which [`Session::declare`](crate::session::Session::declare) creates.
    pub fn new(name: Name, declaration: Declaration, origin: Origin) -> Self {
        // What others may have declared before, the server says.
        let bounds = match (&declaration, origin) {
            (Declaration::Queue(options), Origin::Anonymous { .. }) => Some(Bounds::from(options)),
            _ => None,
        };
        Object {
            bounds: Mutex::new(bounds),
            name,
            declaration,
            origin,
            shared: AtomicBool::new(false),
            refusal: Mutex::default(),
            handle: AtomicU64::new(0),
            remembered_by: AtomicU64::new(0),
            permits: Mutex::default(),
            holds: Mutex::default(),
        }
    }

    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    pub(crate) fn kind(&self) -> Kind {
        self.declaration.kind()
    }

    /// How to address it now: by handle once that is known. Only [`Object::declare`] creates it, so that it never comes
    /// to be without its options.
    pub fn target(&self) -> Target {
        match self.handle() {
            Some(handle) => Target::Handle(handle),
            None => Target::Existing(self.name.clone()),
        }
    }

    /// Its handle, once that is known.
    #[inline]
    pub(crate) fn handle(&self) -> Option<Handle> {
        Handle::from_u64(self.handle.load(Ordering::Relaxed))
    }

    /// A reply to what was asked about it has arrived.
    pub(crate) fn learn_from(&self, reply: &Reply) {
        if let Reply::Queue(queue::Reply::Declared { options, .. }) = reply {
            *lock(&self.bounds) = Some(Bounds::from(&**options));
        }
        if let Some(handle) = declared(reply) {
            self.handle.store(handle.to_u64(), Ordering::Relaxed);
            *lock(&self.refusal) = None;
        }
    }

    /// It could not be declared.
    pub(crate) fn refuse(&self, mut error: Error) {
        error.message = format!("the {} {} could not be opened: {}", self.kind(), self.name, error.message);
        *lock(&self.refusal) = Some(error);
    }

    /// Why it could not be declared, if that is so.
    pub(crate) fn refusal(&self) -> Option<Error> {
        lock(&self.refusal).clone()
    }

    /// What a queue holds at most, if that is known.
    pub(crate) fn bounds(&self) -> Option<Bounds> {
        *lock(&self.bounds)
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        matches!(self.origin, Origin::Anonymous { .. })
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.shared.load(Ordering::Relaxed)
    }

    /// Other processes are about to be told of it; false if they have been before.
    pub(crate) fn mark_shared(&self) -> bool {
        !self.shared.swap(true, Ordering::Relaxed)
    }

    fn may_be_made_here(&self) -> bool {
        match self.origin {
            Origin::Named => true,
            Origin::Anonymous { generation } => generation == fork::generation(),
            Origin::Attached => false,
        }
    }

    /// True the first time that this session asks.
    pub(crate) fn is_new_to(&self, session: u64) -> bool {
        self.remembered_by.load(Ordering::Relaxed) != session
            && self.remembered_by.swap(session, Ordering::Relaxed) != session
    }

    pub(crate) fn forget(&self) {
        self.handle.store(0, Ordering::Relaxed);
    }

    pub(crate) fn hold_permits(&self, who: ParticipantId, permits: i64) {
        if permits > 0 && self.has_permits() {
            *lock(&self.permits).held.entry(who).or_default() += permits;
        }
    }

    /// A semaphore without permits of its own is only signalled: what is acquired is consumed and not lost with a session.
    fn has_permits(&self) -> bool {
        let Declaration::Semaphore(options) = &self.declaration else { return false };
        options.limit.is_none_or(|limit| limit > 0) && options.ownership != Some(Ownership::None)
    }

    /// The session that held them is gone.
    pub(crate) fn lose_permits(&self) {
        let mut own = lock(&self.permits);
        for (who, permits) in std::mem::take(&mut own.held) {
            *own.lost.entry(who).or_default() += permits;
        }
        drop(own);
        if self.is_owned() {
            lock(&self.holds).lose();
        }
    }

    /// What is held of it goes back with its session: all but a lock that nobody owns.
    pub(crate) fn is_owned(&self) -> bool {
        !matches!(&self.declaration, Declaration::Lock(options) if options.ownership == Some(Ownership::None))
    }

    /// Its holds; those of its lock, if it is a condition.
    pub(crate) fn holds(&self) -> &Mutex<Holds> {
        match &self.declaration {
            Declaration::Condition(lock, _) => &lock.holds,
            _ => &self.holds,
        }
    }

    /// A level of a lock is about to be released: whether this session is known to hold it. Fails if that was lost.
    pub(crate) fn release_hold(&self, who: ParticipantId, token: Option<Token>) -> Result<bool, Error> {
        let mut holds = lock(self.holds());
        let standing = holds.standing(who, token);
        if standing == Standing::Lost {
            holds.note_told(who, token);
            return Err(self.lost());
        }
        Ok(standing == Standing::Held)
    }

    /// A lock is about to be used as by its holder: fails if what the caller held was lost, and is left to be told to the release.
    pub(crate) fn check_hold(&self, who: ParticipantId) -> Result<(), Error> {
        match lock(self.holds()).standing(who, None) {
            Standing::Lost => Err(self.lost()),
            Standing::Held | Standing::Unknown => Ok(()),
        }
    }

    /// What is done with a lock is told when that was lost.
    pub(crate) fn lost(&self) -> Error {
        if let Declaration::Condition(lock, _) = &self.declaration {
            return lock.lost();
        }
        let message = format!(
            "the {} {} was lost with the session that held it, and may be somebody else's now; acquire again",
            self.kind(),
            self.name
        );
        Error::new(Reason::LockLost, message)
    }

    /// A bare release is about to be sent: how many of the permits that are held it gives back, first of its caller's own.
    /// Fails if it can only mean some that were lost.
    pub(crate) fn release_permits(&self, who: ParticipantId, permits: i64) -> Result<i64, Error> {
        let mut own = lock(&self.permits);
        let means_lost = !own.held.contains_key(&who) && (own.lost.contains_key(&who) || own.held.is_empty());
        if means_lost && take(&mut own.lost, who, permits) > 0 {
            return Err(self.stale());
        }
        Ok(take(&mut own.held, who, permits))
    }

    /// What a release is told that comes too late.
    pub(crate) fn stale(&self) -> Error {
        if self.kind() != Kind::Semaphore {
            return self.lost();
        }
        Error::new(
            Reason::Stale,
            format!(
                "nothing was released: the permits of {} were lost with the session that held them, \
                 and went to others; acquire again",
                self.name
            ),
        )
    }

    /// The command that says that the session uses it no more.
    pub(crate) fn discard(&self) -> Request {
        Request::Command(Command::Discard(self.kind(), Target::Name(self.name.clone())))
    }

    /// The command that says that other processes are told of it.
    pub(crate) fn share(&self) -> Request {
        Request::Command(Command::Share(self.kind(), self.target()))
    }

    /// The command that creates it, or finds it.
    pub fn declare(&self) -> Request {
        let name = self.name.clone();
        let target = if self.may_be_made_here() { Target::Name(name) } else { Target::Existing(name) };
        Request::Command(match self.declaration.clone() {
            Declaration::Queue(options) => Command::Queue(target, queue::Command::Declare(options)),
            Declaration::Event(options) => Command::Event(target, event::Command::Declare(options)),
            Declaration::Semaphore(options) => {
                Command::Semaphore(target, semaphore::Command::Declare(options))
            }
            Declaration::Lock(options) => Command::Lock(target, locks::Command::Declare(options)),
            Declaration::RwLock(options) => Command::RwLock(target, rwlock::Command::Declare(options)),
            Declaration::Condition(lock, options) => {
                let lock = lock.name.clone();
                Command::Condition(target, condition::Command::Declare { lock, options })
            }
            Declaration::Barrier(options) => Command::Barrier(target, barrier::Command::Declare(options)),
            Declaration::Latch(options) => Command::Latch(target, latch::Command::Declare(options)),
            Declaration::Value(options) => Command::Value(target, value::Command::Declare(options)),
            Declaration::List(options) => Command::List(target, list::Command::Declare(options)),
            Declaration::Dict(options) => Command::Dict(target, value::Command::Declare(options)),
            Declaration::Timer(options) => Command::Timer(target, timer::Command::Declare(options)),
            Declaration::Topic(options) => Command::Topic(target, topic::Command::Declare(options)),
            Declaration::Pipe(options) => Command::Pipe(target, pipe::Command::Declare(options)),
        })
    }
}

/// The handle that a declaration is answered with.
pub(crate) fn declared(reply: &Reply) -> Option<Handle> {
    match reply {
        Reply::Queue(queue::Reply::Declared { handle, .. })
        | Reply::Event(event::Reply::Declared { handle, .. })
        | Reply::Semaphore(semaphore::Reply::Declared { handle, .. })
        | Reply::Lock(locks::Reply::Declared { handle, .. })
        | Reply::RwLock(rwlock::Reply::Declared { handle, .. })
        | Reply::Condition(condition::Reply::Declared { handle, .. })
        | Reply::Barrier(barrier::Reply::Declared { handle, .. })
        | Reply::Latch(latch::Reply::Declared { handle, .. })
        | Reply::Value(value::Reply::Declared { handle, .. })
        | Reply::Timer(timer::Reply::Declared { handle, .. })
        | Reply::Topic(topic::Reply::Declared { handle, .. })
        | Reply::Pipe(pipe::Reply::Declared { handle, .. }) => Some(*handle),
        _ => None,
    }
}

//! The bridge: one session with one namespace, and the maker of typed handles.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bridge_core::command::{event, queue, semaphore};
use bridge_core::ids::{Name, ParticipantId};
use bridge_core::{Error, Reason, Time};

use crate::call::Call;
use crate::clock;
use crate::event::Event;
use crate::fork;
use crate::later::{self, Later};
use crate::link::{self, Link};
use crate::object::{self, Declaration, Object, Origin};
use crate::queue::Queue;
use crate::semaphore::Semaphore;
use crate::url::Url;
use crate::usage::{Usage, Usages};

/// How to connect.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// The program's name, for people. The executable's name unless given.
    pub label: Option<String>,
    /// How long the session outlives its connection.
    pub session_ttl: Duration,
    /// How long connecting, and declaring an object, may take.
    pub connect_timeout: Duration,
    /// Bytes of payloads on their way to the server and not answered. A call that brings more waits for room, until its
    /// time is over: then it ends `FULL`, and nothing of it was sent. Calls that bring no payload always pass.
    pub outbox_bytes_max: usize,
    /// A server on this host that listens on TCP is reached by its local socket, which is faster, if it runs as this
    /// process's user or root. False, and `SYNCBRIDGE_LOCAL_TRANSPORT=off`, always use TCP.
    pub local: bool,
    /// The caller's language, for people.
    pub language: &'static str,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        ConnectOptions {
            label: None,
            session_ttl: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(5),
            outbox_bytes_max: crate::session::OUTBOX_BYTES_MAX,
            local: true,
            language: "rust",
        }
    }
}

/// A session with a namespace, shared by its clones, handles, calls and grants. It ends with [`Bridge::close`], or when
/// the last of them is dropped.
#[derive(Clone)]
pub struct Bridge(Arc<Shared>);

struct Shared {
    url: String,
    place: String,
    local: bool,
    link: Arc<dyn Link>,
    later: Arc<Later>,
    connect_timeout: Duration,
    /// `fork::generation()` of the process that connected.
    generation: u64,
    /// What makes anonymous names unlike those of any other session.
    prefix: u64,
    anonymous: AtomicU32,
    participants: AtomicU32,
    usages: Usages,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if !self.forked() {
            // Best effort: what cannot be said now the server finds out by itself.
            let _ = self.link.close(Duration::ZERO);
        }
    }
}

impl Shared {
    fn forked(&self) -> bool {
        self.generation != fork::generation()
    }
}

impl Bridge {
    /// Connects and opens a session. Blocks at most `connect_timeout`.
    ///
    /// `mem:` and `mem:NAME` are engines of this process, shared by everything in it that uses the same name (`mem:`
    /// is `mem:default`); they live as long as a bridge to them does. `grpc://HOST:PORT/NAMESPACE` and
    /// `unix:///PATH#NAMESPACE` lead to servers. `INVALID_ARGUMENT`, `UNAVAILABLE`, `PROTOCOL_VERSION`.
    pub fn connect(url: &str, options: ConnectOptions) -> Result<Bridge, Error> {
        let generation = fork::generation();
        let parsed = Url::parse(url)?;
        let link = match &parsed {
            Url::Mem(name) => link::mem::connect(name, &options)?,
            Url::Tcp { .. } | Url::Unix { .. } => link::grpc::connect(&parsed, &options)?,
        };
        Ok(Bridge(Arc::new(Shared {
            url: url.to_owned(),
            place: parsed.to_string(),
            local: matches!(parsed, Url::Mem(_)),
            later: Later::new(link.clone()),
            link,
            connect_timeout: options.connect_timeout,
            generation,
            prefix: link::random_u128()? as u64,
            anonymous: AtomicU32::new(0),
            participants: AtomicU32::new(1),
            usages: Usages::default(),
        })))
    }

    /// The URL that it was connected with.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// The same with nothing left out: bridges to one namespace that were connected in different words have equal places.
    pub fn place(&self) -> &str {
        &self.0.place
    }

    /// Whether the engine is in this process (`mem:`): values may be passed by reference.
    pub fn is_local(&self) -> bool {
        self.0.local
    }

    /// Makes a participant of this session: somebody who holds and waits, such as a thread.
    pub fn participant(&self, label: &str) -> ParticipantId {
        let who = ParticipantId(self.0.participants.fetch_add(1, Ordering::Relaxed));
        self.0.link.announce(who, label.to_owned());
        who
    }

    /// Gives a participant another label: its thread has ended, and another takes it over.
    pub fn relabel(&self, who: ParticipantId, label: &str) {
        self.0.link.announce(who, label.to_owned());
    }

    /// The queue of that name, created unless it exists; `None` makes a queue of its own, which goes with its
    /// last handle: when no clone of it, no call and no grant is left, or with the session. A named one blocks at most
    /// `connect_timeout`; one of its own does not wait, and what is wrong with it the first call on it says.
    /// `CONFIG_MISMATCH` where an option differs from what was declared before.
    pub fn queue(&self, name: Option<&str>, options: queue::Options) -> Result<Queue, Error> {
        let (queue, declared) = self.declare_queue(name, options)?;
        self.await_declared(&queue.usage.object, declared)?;
        Ok(queue)
    }

    /// The event of that name, as [`Bridge::queue`].
    pub fn event(&self, name: Option<&str>, options: event::Options) -> Result<Event, Error> {
        let (event, declared) = self.declare_event(name, options)?;
        self.await_declared(&event.usage.object, declared)?;
        Ok(event)
    }

    /// The semaphore of that name, as [`Bridge::queue`].
    pub fn semaphore(&self, name: Option<&str>, options: semaphore::Options) -> Result<Semaphore, Error> {
        let (semaphore, declared) = self.declare_semaphore(name, options)?;
        self.await_declared(&semaphore.usage.object, declared)?;
        Ok(semaphore)
    }

    /// As [`Bridge::queue`], without waiting: the call says whether the queue is there.
    pub fn declare_queue(
        &self,
        name: Option<&str>,
        mut options: queue::Options,
    ) -> Result<(Queue, Call<()>), Error> {
        options.ephemeral = options.ephemeral.or(name.is_none().then_some(true));
        let (usage, call) = self.open(name, Declaration::Queue(options))?;
        Ok((Queue { usage }, call))
    }

    /// As [`Bridge::event`], without waiting: the call says whether the event is there.
    pub fn declare_event(
        &self,
        name: Option<&str>,
        mut options: event::Options,
    ) -> Result<(Event, Call<()>), Error> {
        options.ephemeral = options.ephemeral.or(name.is_none().then_some(true));
        let (usage, call) = self.open(name, Declaration::Event(options))?;
        Ok((Event { usage }, call))
    }

    /// As [`Bridge::semaphore`], without waiting: the call says whether the semaphore is there.
    pub fn declare_semaphore(
        &self,
        name: Option<&str>,
        mut options: semaphore::Options,
    ) -> Result<(Semaphore, Call<()>), Error> {
        options.ephemeral = options.ephemeral.or(name.is_none().then_some(true));
        let (usage, call) = self.open(name, Declaration::Semaphore(options))?;
        Ok((Semaphore { usage }, call))
    }

    /// The queue that another process has [shared](Queue::share): attaches and creates nothing. `anonymous`: this session
    /// is done with it when its last handle here is gone. `OBJECT_GONE`.
    pub fn attach_queue(&self, name: &str, anonymous: bool, options: queue::Options) -> Result<Queue, Error> {
        Ok(Queue { usage: self.attach(name, anonymous, Declaration::Queue(options))? })
    }

    /// The event that another process has shared, as [`Bridge::attach_queue`].
    pub fn attach_event(&self, name: &str, anonymous: bool, options: event::Options) -> Result<Event, Error> {
        Ok(Event { usage: self.attach(name, anonymous, Declaration::Event(options))? })
    }

    /// The semaphore that another process has shared, as [`Bridge::attach_queue`].
    pub fn attach_semaphore(
        &self,
        name: &str,
        anonymous: bool,
        options: semaphore::Options,
    ) -> Result<Semaphore, Error> {
        Ok(Semaphore { usage: self.attach(name, anonymous, Declaration::Semaphore(options))? })
    }

    /// Shares every anonymous object of this bridge, because the process is about to fork: its child finds them. Waits for
    /// the server at most that long, and not at all where there is nothing new to share. `UNAVAILABLE`.
    pub fn share_all(&self, at_most: Duration) -> Result<(), Error> {
        if self.0.link.share_all() { self.0.link.flush(at_most) } else { Ok(()) }
    }

    /// Carries the connection for a slice; returns early when answers were delivered, or a signal arrives. For a
    /// thread that serves calls which nobody waits for in here.
    pub fn drive(&self, slice: Duration) {
        self.drive_until(slice, &|| false);
    }

    /// The same; also returns when it is `done`, which is asked before it waits, and whenever somebody else may have
    /// delivered answers.
    pub fn drive_until(&self, slice: Duration, done: &dyn Fn() -> bool) {
        if self.check().is_ok() {
            self.0.link.drive(slice, done);
        }
    }

    /// Returns when everything posted so far, accepted grants included, has reached the engine. `UNAVAILABLE` after
    /// `at_most`.
    ///
    /// Calls that are not awaited ([`Semaphore::release_later`] and the like) are answered then, and the failures of those
    /// that were not told are told here: with the reason of the first, and the detail `failed`, how many. Else the next such
    /// call on the same object tells of them, which has been made itself then, or [`Bridge::close`]. At most 1,024 are under
    /// way at a time; the next one waits.
    pub fn flush(&self, at_most: Duration) -> Result<(), Error> {
        let reached = self.reach(at_most);
        self.told()?;
        reached
    }

    /// As [`Bridge::flush`], and tells nothing of calls that were not awaited: only `UNAVAILABLE`.
    pub fn reach(&self, at_most: Duration) -> Result<(), Error> {
        self.check()?;
        let until = clock::now() + at_most;
        self.0.link.flush(at_most)?;
        self.await_later(until)
    }

    /// Fails if calls did that were not awaited, as [`Bridge::flush`].
    pub fn told(&self) -> Result<(), Error> {
        self.later().told_all()
    }

    /// Waits at most for `slice`, or until a signal arrives. True: a call that is not awaited does not wait now.
    pub fn wait_for_later(&self, slice: Duration) -> bool {
        self.later().wait_for_room(slice)
    }

    /// Flushes and ends the session, in at most that time: everything held goes back, every wait ends, and later calls
    /// fail. Tells of calls that were not awaited as [`Bridge::flush`] does. In a forked child it ends the child's session,
    /// if there is one.
    pub fn close(&self, at_most: Duration) -> Result<(), Error> {
        if self.0.local && self.0.forked() {
            return Ok(());
        }
        let until = clock::now() + at_most;
        let answered = if self.later().under_way() > 0 { self.reach(at_most) } else { Ok(()) };
        // With no time left at all it would end in the background, and nobody would hear of what ended with it.
        let least = at_most.min(Duration::from_millis(1));
        let closed = self.0.link.close(until.since(clock::now()).max(least));
        self.told()?;
        answered.and(closed)
    }

    fn await_later(&self, until: Time) -> Result<(), Error> {
        let later = self.later();
        while !later.wait_for_all(until.since(clock::now())) {
            if clock::now() >= until {
                return Err(later::unanswered(later.under_way()));
            }
        }
        Ok(())
    }

    pub(crate) fn later(&self) -> &Arc<Later> {
        self.0.later.here()
    }

    pub(crate) fn is(&self, other: &Bridge) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn link(&self) -> &Arc<dyn Link> {
        &self.0.link
    }

    /// The engine of a `mem:` bridge stayed in the process that was forked; a served bridge starts anew by itself.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.0.local && self.0.forked() {
            return Err(Error::new(
                Reason::Unavailable,
                format!(
                    "{} lives in the process that was forked and cannot be used in its child; \
                     connect both to a server (grpc:// or unix://), or connect anew in the child",
                    self.0.url
                ),
            ));
        }
        Ok(())
    }

    pub(crate) fn usages(&self) -> &Usages {
        &self.0.usages
    }

    /// The object of that name, or one of its own, as [`Bridge::queue`] says.
    pub(crate) fn make(&self, name: Option<&str>, declaration: Declaration) -> Result<Arc<Usage>, Error> {
        let (usage, declared) = self.open(name, declaration.of_its_own(name.is_none()))?;
        self.await_declared(&usage.object, declared)?;
        Ok(usage)
    }

    fn open(&self, name: Option<&str>, declaration: Declaration) -> Result<(Arc<Usage>, Call<()>), Error> {
        if let Some(name) = name {
            let object = Object::new(Name::parse(declaration.field(), name)?, declaration, Origin::Named);
            let usage = Usage::new(self.clone(), object, false);
            let call = Self::declare(&usage);
            return Ok((usage, call));
        }
        self.check()?;
        let number = self.0.anonymous.fetch_add(1, Ordering::Relaxed);
        let name = Name::parse(declaration.field(), &format!("anonymous-{:016x}-{number}", self.0.prefix))?;
        let origin = Origin::Anonymous { generation: fork::generation() };
        let usage = Usage::new(self.clone(), Object::new(name, declaration, origin), true);
        self.0.link.declare(&usage.object)?;
        let call = Call::known(usage.clone(), ());
        Ok((usage, call))
    }

    pub(crate) fn attach(
        &self,
        name: &str,
        anonymous: bool,
        declaration: Declaration,
    ) -> Result<Arc<Usage>, Error> {
        let object = Object::new(Name::parse(declaration.field(), name)?, declaration, Origin::Attached);
        let (kind, name) = (object.kind(), object.name().clone());
        let usage = || Usage::new(self.clone(), object, anonymous);
        let usage = if anonymous { self.0.usages.find_or_list(kind, &name, usage) } else { usage() };
        self.await_declared(&usage.object, Self::declare(&usage))?;
        Ok(usage)
    }

    fn declare(usage: &Arc<Usage>) -> Call<()> {
        usage.call(ParticipantId::default(), usage.object.declare(), |reply| {
            object::declared(&reply).map(|_| ())
        })
    }

    fn await_declared(&self, object: &Object, mut call: Call<()>) -> Result<(), Error> {
        let end = clock::now() + self.0.connect_timeout;
        loop {
            if let Some(result) = call.wait(end.since(clock::now())) {
                return result?.accept();
            }
            if clock::now() >= end {
                return Err(Error::new(
                    Reason::Unavailable,
                    format!(
                        "the {} {} could not be declared: {} did not answer within {:?}",
                        object.kind(),
                        object.name(),
                        self.0.url,
                        self.0.connect_timeout
                    ),
                ));
            }
        }
    }
}

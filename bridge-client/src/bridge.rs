//! The bridge: one session with one namespace, and the maker of typed handles.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bridge_core::command::{event, queue, semaphore};
use bridge_core::ids::{Name, ParticipantId};
use bridge_core::{Error, Reason};

use crate::call::Call;
use crate::clock;
use crate::event::Event;
use crate::fork;
use crate::link::{self, Link};
use crate::object::{self, Declaration, Object};
use crate::queue::Queue;
use crate::semaphore::Semaphore;
use crate::url::Url;
use crate::usage::Usage;

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
    local: bool,
    link: Arc<dyn Link>,
    connect_timeout: Duration,
    /// `fork::generation()` of the process that connected.
    generation: u64,
    /// What makes anonymous names unlike those of any other session.
    prefix: u64,
    anonymous: AtomicU32,
    participants: AtomicU32,
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
            local: matches!(parsed, Url::Mem(_)),
            link,
            connect_timeout: options.connect_timeout,
            generation,
            prefix: link::random_u128()? as u64,
            anonymous: AtomicU32::new(0),
            participants: AtomicU32::new(1),
        })))
    }

    /// The URL that it was connected with.
    pub fn url(&self) -> &str {
        &self.0.url
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
    /// last handle: when no clone of it, no call and no grant is left, or with the session. Blocks at most
    /// `connect_timeout`.
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
        let declared = self.name("queue", name, &mut options.ephemeral)?;
        let (usage, call) = self.declare(declared, Declaration::Queue(options), name.is_none());
        Ok((Queue { usage }, call))
    }

    /// As [`Bridge::event`], without waiting: the call says whether the event is there.
    pub fn declare_event(
        &self,
        name: Option<&str>,
        mut options: event::Options,
    ) -> Result<(Event, Call<()>), Error> {
        let declared = self.name("event", name, &mut options.ephemeral)?;
        let (usage, call) = self.declare(declared, Declaration::Event(options), name.is_none());
        Ok((Event { usage }, call))
    }

    /// As [`Bridge::semaphore`], without waiting: the call says whether the semaphore is there.
    pub fn declare_semaphore(
        &self,
        name: Option<&str>,
        mut options: semaphore::Options,
    ) -> Result<(Semaphore, Call<()>), Error> {
        let declared = self.name("semaphore", name, &mut options.ephemeral)?;
        let (usage, call) = self.declare(declared, Declaration::Semaphore(options), name.is_none());
        Ok((Semaphore { usage }, call))
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
    pub fn flush(&self, at_most: Duration) -> Result<(), Error> {
        self.check()?;
        self.0.link.flush(at_most)
    }

    /// Flushes and ends the session, in at most that time: everything held goes back, every wait ends, and later calls
    /// fail. In a forked child it does nothing.
    pub fn close(&self, at_most: Duration) -> Result<(), Error> {
        if self.0.forked() {
            return Ok(());
        }
        self.0.link.close(at_most)
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

    fn name(
        &self,
        field: &'static str,
        name: Option<&str>,
        ephemeral: &mut Option<bool>,
    ) -> Result<Name, Error> {
        match name {
            Some(name) => Name::parse(field, name),
            None => {
                let number = self.0.anonymous.fetch_add(1, Ordering::Relaxed);
                *ephemeral = Some(true);
                Name::parse(field, &format!("anonymous-{:016x}-{number}", self.0.prefix))
            }
        }
    }

    fn declare(&self, name: Name, declaration: Declaration, anonymous: bool) -> (Arc<Usage>, Call<()>) {
        let usage = Usage::new(self.clone(), Object::new(name, declaration), anonymous);
        let call = usage.call(ParticipantId::default(), usage.object.declare(), |reply| {
            object::declared(&reply).map(|_| ())
        });
        (usage, call)
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

//! A namespace at work: one engine in one mutex, and everything that comes to it.
//!
//! Each entry point takes a [`Turn`]: lock, execute all there is, hand the entries to the journal, route what
//! may leave, unlock, deliver. See `turn.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bridge_core::command::{Call, Carrier, EndReason, Input, Opened, SessionSpec};
use bridge_core::error::{Error, Reason};
use bridge_core::ids::{Name, Op, OpRange, ParticipantId, Secret, SessionId, SessionKey};
use bridge_core::limits::Limits;
use bridge_core::view::Stall;
use bridge_core::{Engine, Request, Time};
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::delivery::{Answer, Mail, Outbox};
use crate::gate::{Gate, Passed};
use crate::journal::{Epoch, Failure, Journal};
use crate::liveness::OpenCall;
use crate::process::ProcessIdentity;
use crate::ticker::Alarm;
use crate::turn::{ID_OF_OWN, State, Turn};

/// What a session's stream brings at once. Executed in the order of the fields, in one turn.
#[derive(Debug, Default)]
pub struct Frame {
    /// Which stream it came on, as [`Attached`] says: a frame of an earlier one is dropped, since its client sends it
    /// again on the new one. 0: any.
    pub stream: u64,
    /// Its number in the session, remembered for [`Namespace::attach`]; 0: none.
    pub sequence: u64,
    /// Participants that later commands name.
    pub labels: Vec<(ParticipantId, String)>,
    /// Answers that have reached their callers.
    pub done: Vec<OpRange>,
    /// Grants that nobody takes.
    pub refused: Vec<Op>,
    /// What is asked.
    pub requests: Vec<(Op, ParticipantId, Request)>,
    /// What was asked and could not be understood: answered as it says.
    pub rejected: Vec<(Op, Error)>,
}

/// A stream that carries a session now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Names the stream in its frames.
    pub stream: u64,
    /// The sequence of the last frame that was executed and is durable: later ones are to be sent again.
    pub received: u64,
}

/// A unary call under way; names it in [`Namespace::cancel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnaryCall {
    /// The session that it belongs to, or the node's own.
    pub session: SessionKey,
    /// Its number: the caller's own, or one that the node made.
    pub op: Op,
    serial: u64,
}

/// One engine and its surroundings.
pub struct Namespace {
    name: Name,
    pub(crate) clock: Arc<dyn Clock>,
    gate: Arc<Gate>,
    passed: Passed,
    pub(crate) alarm: Arc<Alarm>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) epoch: Epoch,
    pub(crate) lost: AtomicBool,
    pub(crate) state: Mutex<State>,
}

impl Namespace {
    pub(crate) fn load(
        name: Name,
        journal: Arc<dyn Journal>,
        limits: Limits,
        clock: Arc<dyn Clock>,
        gate: Arc<Gate>,
        alarm: Arc<Alarm>,
    ) -> Result<Arc<Self>, Failure> {
        let epoch = journal.acquire()?;
        let state = State::load(&*journal, clock.now())?;
        let namespace = Arc::new(Namespace {
            name,
            clock,
            gate,
            passed: Passed::default(),
            alarm,
            journal,
            epoch,
            lost: AtomicBool::new(false),
            state: Mutex::new(state),
        });
        let weak = Arc::downgrade(&namespace);
        namespace.journal.on_durable(Box::new(move || {
            if let Some(namespace) = weak.upgrade() {
                Turn::begin(&namespace).finish();
            }
        }));
        Turn::begin(&namespace).start(limits);
        Ok(namespace)
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Commands let through so far.
    pub fn commands(&self) -> u64 {
        self.passed.commands()
    }

    /// Its journal is lost: the node loads the namespace anew at the next use.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Opens a session, or finds it open and hears of it. `process`: watched, where it is one of this host.
    pub fn open(&self, spec: SessionSpec, process: Option<ProcessIdentity>) -> Result<Opened, Error> {
        if self.gate.draining() {
            return Err(Error::new(Reason::Unavailable, "the server is stopping and opens no sessions"));
        }
        if spec.id == ID_OF_OWN {
            return Err(Error::invalid("id", "the session id is zero; make it of 16 random bytes"));
        }
        let watched = process.and_then(|process| self.alarm.watch()?.process(&process));
        let mut turn = Turn::begin(self);
        let opened = turn.open(spec);
        if let Ok(opened) = &opened
            && let Some(session) = turn.sessions().get(opened.session)
            && watched.is_some()
        {
            session.process = watched;
        }
        turn.finish();
        self.journal.flush();
        opened
    }

    /// The open session of that id; any use renews it.
    pub fn find(&self, id: SessionId) -> Option<SessionKey> {
        if id == ID_OF_OWN {
            return None;
        }
        let mut state = self.state.lock();
        let key = state.engine.session(id)?;
        let now = self.clock.now();
        state.sessions.hear(now, key).map(|session| session.key)
    }

    /// The session is alive; answers with its time to live. SESSION_EXPIRED.
    pub fn touch(&self, key: SessionKey) -> Result<Duration, Error> {
        let now = self.clock.now();
        self.state.lock().sessions.hear(now, key).map(|session| session.ttl).ok_or_else(expired)
    }

    /// `outbox` carries the session's answers from now on; it gets those that are not settled yet. One that carried
    /// them before is ended.
    pub fn attach(&self, key: SessionKey, outbox: Arc<dyn Outbox>) -> Attached {
        let mut turn = Turn::begin(self);
        let stream = turn.next_serial();
        turn.attach(key, Mail::new(outbox), stream);
        let received = turn.sessions().get(key).map_or(0, |session| session.received);
        turn.finish();
        Attached { stream, received }
    }

    /// `outbox` is gone. No effect if it does not carry the session any more.
    pub fn detach(&self, key: SessionKey, outbox: &Arc<dyn Outbox>) {
        let mut turn = Turn::begin(self);
        let now = turn.now;
        if let Some(session) = turn.sessions().get(key)
            && session.mail.as_ref().is_some_and(|mail| mail.is(outbox))
        {
            session.listen(now);
            session.begin_anew();
            session.mail = None;
            turn.input(Input::Detach(key));
        }
        turn.finish();
    }

    /// What waited on that stream has been read, most of it ([`Backlog::left`](crate::Backlog::left)): grants and reads
    /// go on. No effect if another stream carries the session by now.
    pub fn unpause(&self, key: SessionKey, stream: u64) {
        let mut turn = Turn::begin(self);
        turn.unpause(key, stream);
        turn.finish();
    }

    /// Executes a frame of the session's stream in one turn; the answers go to its outbox. Renews the session. No
    /// effect once the session is gone, whose outbox is told as soon as the journal has that, or lives on another stream:
    /// answers with whether it was executed.
    pub fn frame(&self, key: SessionKey, frame: Frame) -> bool {
        let mut turn = Turn::begin(self);
        let current = |stream| frame.stream == 0 || frame.stream == stream;
        let is_open = turn.engine().is_open(key);
        let stream = turn.hear(key).map(|session| session.stream);
        let stream = stream.filter(|stream| is_open && current(*stream));
        if let Some(stream) = stream {
            turn.begin_frame(key, stream, frame.sequence);
            for (participant, label) in frame.labels {
                turn.input(Input::Label(key, participant, label));
            }
            turn.settle(key, frame.done, frame.refused);
            for (op, participant, request) in frame.requests {
                self.request(&mut turn, key, op, participant, Carrier::Stream, request);
            }
            for (op, error) in frame.rejected {
                turn.answer(key, op, Err(error));
            }
        }
        turn.finish();
        stream.is_some()
    }

    /// For callers in this process: executes one request and answers at once where that is how it went. `None`:
    /// it waits, and its answer comes to the session's outbox.
    pub fn direct(
        &self,
        key: SessionKey,
        op: Op,
        participant: ParticipantId,
        request: Request,
    ) -> Option<Answer> {
        let mut turn = Turn::begin(self);
        if turn.sessions().get(key).is_none() {
            turn.finish();
            return Some(Answer { op, outcome: Err(expired()), offered: false });
        }
        self.request(&mut turn, key, op, participant, Carrier::Stream, request);
        turn.finish_with(key, op)
    }

    /// For callers in this process: a shortcut around [`Namespace::direct`]. `None`: nothing has happened, and it is to be
    /// called.
    #[inline]
    pub fn at_once<T>(&self, make: impl FnOnce(&mut Engine, Time) -> Option<T>) -> Option<T> {
        if self.journal.keeps() || self.gate.draining() {
            return None;
        }
        let mut state = self.state.lock();
        // Where something is to be due, it is due at its very time.
        let is_exact = state.engine.next_deadline().is_some();
        let now = state.advance(if is_exact { self.clock.now() } else { self.clock.lately() });
        // What was said about a stall is taken back by a whole turn.
        if state.looked {
            return None;
        }
        let made = make(&mut state.engine, now)?;
        state.changed = now;
        drop(state);
        self.passed.note();
        Some(made)
    }

    /// A call that is carried by itself: `answer` gets how it ended, possibly before this returns. Without a session
    /// a grant is final. Without an op of its own the node makes one and nothing but a grant is remembered for it.
    ///
    /// When the caller goes away, [`Namespace::cancel`] it.
    pub fn unary(
        &self,
        key: Option<SessionKey>,
        op: Option<Op>,
        participant: ParticipantId,
        request: Request,
        answer: impl FnOnce(Answer) + Send + 'static,
    ) -> UnaryCall {
        let mut turn = Turn::begin(self);
        let key = key.or_else(|| turn.sessionless());
        let op = op.unwrap_or_else(|| turn.next_op());
        let serial = turn.next_serial();
        // A key that no session has: what is addressed by it finds nothing.
        let session = key.unwrap_or(SessionKey { slot: u32::MAX, generation: u32::MAX });
        let call = UnaryCall { session, op, serial };
        if turn.hear(session).is_some() {
            turn.register(session, op, OpenCall { serial, callback: Box::new(answer) });
            self.request(&mut turn, session, op, participant, Carrier::Call, request);
        } else {
            turn.parcels.call(Box::new(answer), Answer { op, outcome: Err(expired()), offered: false });
        }
        turn.finish();
        call
    }

    /// The caller of `call` is gone: its wait ends, and a grant that it can no longer learn of returns.
    pub fn cancel(&self, call: UnaryCall) {
        let mut turn = Turn::begin(self);
        if turn.unregister(call.session, call.op, call.serial) {
            turn.withdraw(call.session, call.op);
        } else if call.op >= Op::FIRST_OF_NODE {
            turn.input(Input::Refuse(call.session, call.op));
        }
        turn.finish();
    }

    /// Accepts and refuses what unary calls were granted.
    pub fn settle(&self, key: SessionKey, done: Vec<OpRange>, refused: Vec<Op>) -> Result<(), Error> {
        let mut turn = Turn::begin(self);
        let known = turn.hear(key).is_some();
        if known {
            turn.settle(key, done, refused);
        }
        turn.finish();
        known.then_some(()).ok_or_else(expired)
    }

    /// Ends a session: everything goes back in one step. No effect if it is gone.
    pub fn end(&self, key: SessionKey, reason: EndReason) {
        let mut turn = Turn::begin(self);
        turn.end(key, reason);
        turn.finish();
    }

    /// As its client: ends the session if `secret` is its own. SESSION_EXPIRED, SESSION_DENIED.
    pub fn close(&self, id: SessionId, secret: Secret) -> Result<(), Error> {
        let mut turn = Turn::begin(self);
        let result = match turn
            .engine()
            .session(id)
            .filter(|_| id != ID_OF_OWN)
            .and_then(|key| turn.sessions().get(key))
        {
            None => Err(expired()),
            Some(session) if session.secret != secret => {
                Err(Error::new(Reason::SessionDenied, format!("the secret is not that of session {id}")))
            }
            Some(session) => Ok(session.key),
        };
        let result = result.map(|key| turn.end(key, EndReason::Closed));
        turn.finish();
        result
    }

    /// The node is stopping: every stream ends with `why`, and so does every call that waits.
    pub(crate) fn dismiss(&self, why: &Error) {
        let mut turn = Turn::begin(self);
        turn.dismiss(why);
        turn.finish();
    }

    /// What is due happens; answers with when to come again.
    pub fn tick(&self) -> Option<Time> {
        let mut turn = Turn::begin(self);
        while let Some(key) = turn.silent() {
            turn.end(key, EndReason::Expired);
        }
        turn.look_for_stall();
        turn.finish()
    }

    /// Everybody waits, since when that is known; until anything happens.
    pub fn stall(&self) -> Option<(Time, Stall)> {
        self.state.lock().stall.clone()
    }

    /// Reads the engine as of now.
    pub fn read<R>(&self, look: impl FnOnce(&Engine, Time) -> R) -> R {
        let turn = Turn::begin(self);
        let now = turn.now;
        let seen = look(turn.engine(), now);
        turn.finish();
        seen
    }

    pub(crate) fn process_ended(&self, watched: u64) {
        let mut turn = Turn::begin(self);
        for key in turn.sessions().of_process(watched) {
            tracing::info!(namespace = %self.name, "the process of a session is gone");
            turn.end(key, EndReason::Expired);
        }
        turn.finish();
    }

    /// The one way of every request, on every path.
    fn request(
        &self,
        turn: &mut Turn<'_>,
        key: SessionKey,
        op: Op,
        participant: ParticipantId,
        carrier: Carrier,
        request: Request,
    ) {
        if let Err(error) = self.gate.pass(&self.passed, &request) {
            return turn.answer(key, op, Err(error));
        }
        match request {
            Request::Command(command) => {
                turn.input(Input::Call(key, Call { op, participant, carrier, command }));
            }
            Request::Query(query) => turn.read(key, op, carrier, query),
        }
    }
}

/// What everybody learns who names a session that is not there.
pub(crate) fn expired() -> Error {
    Error::new(
        Reason::SessionExpired,
        "the session is not known here or has expired: what it held has been given back; open a new one",
    )
}

/// How an ended session's outbox learns of it.
pub(crate) fn ended(reason: EndReason) -> Error {
    match reason {
        EndReason::Closed => Error::new(Reason::SessionExpired, "the session was closed"),
        EndReason::Expired => expired(),
    }
}

//! A turn: everything that happens to an engine between locking and unlocking it, and what leaves after.

use std::collections::VecDeque;
use std::mem::take;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bridge_core::command::{
    Call, Carrier, Command, Effect, EndReason, Input, Mode, Opened, Outcome, Reply, SessionSpec,
};
use bridge_core::error::{Error, Reason};
use bridge_core::ids::{Op, OpRange, ParticipantId, Secret, SessionId, SessionKey};
use bridge_core::limits::{Limits, PAUSED_READS_MAX};
use bridge_core::mutant::Mutant;
use bridge_core::view::Stall;
use bridge_core::{Engine, Query, Time};
use parking_lot::MutexGuard;

use crate::backlog::{Backlog, weight};
use crate::delivery::{Answer, Mail, Parcels};
use crate::journal::{self, Entry, Failure, Journal, Position};
use crate::liveness::{OpenCall, Session, Sessions};
use crate::namespace::{Namespace, ended};

/// The id of the node's own session. Not for clients.
pub(crate) const ID_OF_OWN: SessionId = SessionId(0);

/// How long nothing has happened before it is looked for a stall.
const STALLED_AFTER: Duration = Duration::from_secs(10);

/// What the mutex protects.
pub(crate) struct State {
    pub(crate) engine: Engine,
    pub(crate) sessions: Sessions,
    /// Engine time never goes back.
    now: Time,
    /// The one of unary calls without a session, once there was one.
    sessionless: Option<SessionKey>,
    /// Its time to live, which nobody counts.
    ttl_of_own: Duration,
    next_op: Op,
    next_serial: u64,
    effects: Vec<Effect>,
    /// For the journal; always empty where it keeps nothing.
    entries: Vec<Entry>,
    submitted: Position,
    /// What the journal was asked to make durable.
    flushed: Position,
    /// When an input last changed anything.
    pub(crate) changed: Time,
    /// Whether it was looked since then for a stall, and what was found.
    pub(crate) looked: bool,
    pub(crate) stall: Option<(Time, Stall)>,
    /// What must not leave before the journal has its position.
    held: VecDeque<(Position, Vec<Effect>)>,
    /// Frames that must not be confirmed before the journal has what was executed for them.
    unconfirmed: VecDeque<(Position, Executed)>,
}

/// A frame of a session's stream.
struct Executed {
    session: SessionKey,
    stream: u64,
    sequence: u64,
}

impl State {
    /// As the journal has it, or empty.
    pub(crate) fn load(journal: &dyn Journal, now: Time) -> Result<Self, Failure> {
        let records = journal.read(Position(1))?;
        let mut sessions = Sessions::default();
        let engine = journal::replay(&records, |input, effects| {
            for effect in effects {
                match (input, effect) {
                    (Input::Open(spec), Effect::Opened(Ok(opened))) => {
                        sessions.open(now, opened.session, spec);
                    }
                    (_, Effect::Ended { session, .. }) => drop(sessions.remove(*session)),
                    _ => {}
                }
            }
        });
        let last = records.last();
        Ok(State {
            engine: engine.unwrap_or_else(|| Engine::new(journal::first_token(now), Limits::default())),
            sessions,
            now: now.max(last.map_or(now, |record| record.entry.at)),
            sessionless: None,
            ttl_of_own: Duration::ZERO,
            next_op: Op::FIRST_OF_NODE,
            next_serial: 1,
            effects: Vec::new(),
            entries: Vec::new(),
            submitted: last.map_or(Position::default(), |record| record.position),
            flushed: last.map_or(Position::default(), |record| record.position),
            changed: now,
            looked: false,
            stall: None,
            held: VecDeque::new(),
            unconfirmed: VecDeque::new(),
        })
    }
}

impl State {
    /// It is `now`, or as late as it has been: time never goes back.
    #[inline]
    pub(crate) fn advance(&mut self, now: Time) -> Time {
        self.now = self.now.max(now);
        self.now
    }

    /// When to look for a stall, if one is possible.
    fn look_at(&self) -> Option<Time> {
        (!self.looked && self.engine.may_stall()).then(|| self.changed + STALLED_AFTER)
    }
}

/// The engine, locked.
pub(crate) struct Turn<'a> {
    namespace: &'a Namespace,
    state: MutexGuard<'a, State>,
    pub(crate) now: Time,
    pub(crate) parcels: Parcels,
    /// What this turn executes, if it is a frame that has a number.
    frame: Option<Executed>,
}

impl<'a> Turn<'a> {
    /// Locks; what is due happens first.
    pub(crate) fn begin(namespace: &'a Namespace) -> Self {
        let mut state = namespace.state.lock();
        let now = state.advance(namespace.clock.now());
        let mut turn = Turn { namespace, state, now, parcels: Parcels::default(), frame: None };
        if turn.state.engine.next_deadline().is_some_and(|due| due <= now) {
            turn.input(Input::Tick);
        }
        turn
    }

    /// The first turn of a namespace: limits as configured, sessions of an earlier life as they may be now.
    pub(crate) fn start(mut self, mut limits: Limits) {
        limits.payload_bytes_max =
            limits.payload_bytes_max.min(self.namespace.journal.limits().payload_bytes_max);
        self.state.ttl_of_own = limits.session_ttl_max;
        let restarted = self.state.submitted > Position::default();
        if restarted {
            self.input(Input::Restart);
        }
        self.input(Input::Configure(limits));
        // Their callers died with the process.
        let gone: Vec<SessionKey> = self
            .state
            .sessions
            .iter()
            .filter(|session| session.mode != Mode::Resumable)
            .map(|session| session.key)
            .collect();
        for key in gone {
            self.end(key, EndReason::Expired);
        }
        let now = self.now;
        self.state.sessions.all_heard(now);
        self.finish();
    }

    /// Where nothing has happened for a while though somebody waits, it is said once if nobody can go on.
    pub(crate) fn look_for_stall(&mut self) {
        if self.state.look_at().is_none_or(|at| at > self.now) {
            return;
        }
        self.state.looked = true;
        if let Some(stall) = self.state.engine.stall() {
            tracing::warn!(namespace = %self.namespace.name(), "stalled: {stall}");
            self.state.stall = Some((self.now, stall));
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.state.engine
    }

    pub(crate) fn sessions(&mut self) -> &mut Sessions {
        &mut self.state.sessions
    }

    /// Executes `input`.
    pub(crate) fn input(&mut self, input: Input) {
        self.state.changed = self.now;
        (self.state.looked, self.state.stall) = (false, None);
        let next = self.state.effects.len();
        self.execute(input);
        self.follow_up(next);
    }

    /// What must be done about the effects from `next` on before anything else is: they are counted, and what the node
    /// itself asked is settled.
    fn follow_up(&mut self, mut next: usize) {
        let mut flooded = Vec::new();
        loop {
            let state = &mut *self.state;
            let Some(effect) = state.effects.get(next) else {
                let Some(key) = flooded.pop() else { break };
                self.pause(key);
                continue;
            };
            next += 1;
            let Effect::Answer { to, op, offered, ref outcome } = *effect else {
                if let Effect::Recall { to, op } = *effect
                    && state.sessions.get(to).is_some_and(|session| floods(session, op, &Ok(Reply::Recalled)))
                {
                    flooded.push(to);
                }
                continue;
            };
            if op < Op::FIRST_OF_NODE {
                if state.sessions.get(to).is_some_and(|session| floods(session, op, outcome)) {
                    flooded.push(to);
                }
            } else if !offered
                && state.sessions.get(to).is_some_and(|session| session.mode == Mode::Resumable)
            {
                // Nobody acknowledges what the node numbered.
                self.execute(Input::Done(to, OpRange { first: op, last: op }));
            }
        }
    }

    /// Its client does not read: nothing is granted to it, and its reads wait.
    fn pause(&mut self, key: SessionKey) {
        let Some(session) = self.state.sessions.get(key).filter(|session| !session.paused) else { return };
        if session.mail.as_ref().and_then(|mail| mail.backlog()).is_some_and(Backlog::pause) {
            session.paused = true;
            self.execute(Input::Pause(key));
        }
    }

    /// The client of that stream reads again.
    pub(crate) fn unpause(&mut self, key: SessionKey, stream: u64) {
        let of_it = |session: &&mut Session| session.stream == stream && session.paused;
        let Some(session) = self.state.sessions.get(key).filter(of_it) else { return };
        session.paused = false;
        self.input(Input::Unpause(key));
        while let Some(session) = self.state.sessions.get(key).filter(|session| !session.paused)
            && let Some((op, query)) = session.reads.pop_front()
        {
            let outcome = self.query(key, &query);
            self.answer(key, op, outcome);
        }
    }

    /// Answers a query; one of a paused session that came by its stream waits until it reads again.
    pub(crate) fn read(&mut self, key: SessionKey, op: Op, carrier: Carrier, query: Query) {
        let paused = self.state.sessions.get(key).filter(|session| session.paused);
        if let Some(session) = paused.filter(|_| carrier == Carrier::Stream) {
            if session.reads.len() < PAUSED_READS_MAX {
                return session.reads.push_back((op, query));
            }
            return self.answer(key, op, Err(too_many_reads()));
        }
        let outcome = self.query(key, &query);
        self.answer(key, op, outcome);
    }

    fn execute(&mut self, input: Input) {
        let state = &mut *self.state;
        if self.namespace.journal.keeps() {
            state.entries.push(Entry { at: self.now, input: input.clone() });
        }
        state.engine.handle(self.now, input, &mut state.effects);
    }

    fn query(&mut self, key: SessionKey, query: &Query) -> Outcome {
        self.state.engine.query(self.now, key, query)
    }

    /// An answer that is not the engine's, in its place among those that are.
    pub(crate) fn answer(&mut self, to: SessionKey, op: Op, outcome: Outcome) {
        let next = self.state.effects.len();
        self.state.effects.push(Effect::Answer { to, op, outcome, offered: false });
        if op < Op::FIRST_OF_NODE {
            self.follow_up(next);
        }
    }

    pub(crate) fn open(&mut self, spec: SessionSpec) -> Result<Opened, Error> {
        self.input(Input::Open(spec.clone()));
        let at = self.state.effects.iter().rposition(|effect| matches!(effect, Effect::Opened(_)));
        let Some(Effect::Opened(opened)) = at.map(|at| self.state.effects.remove(at)) else {
            return Err(Error::new(Reason::Internal, "the engine did not say how an Open went"));
        };
        if let Ok(opened) = &opened {
            let now = self.now;
            self.state.sessions.open(now, opened.session, &spec);
        }
        opened
    }

    /// The session, if it is open, and it is alive.
    pub(crate) fn hear(&mut self, key: SessionKey) -> Option<&mut Session> {
        let now = self.now;
        self.state.sessions.hear(now, key)
    }

    /// A session that must end for its silence.
    pub(crate) fn silent(&mut self) -> Option<SessionKey> {
        let now = self.now;
        self.state.sessions.silent(now)
    }

    pub(crate) fn attach(&mut self, key: SessionKey, mail: Arc<Mail>, stream: u64) {
        let now = self.now;
        let Some(session) = self.state.sessions.hear(now, key) else {
            self.parcels.end(&mail, ended(EndReason::Expired));
            return;
        };
        let mode = session.mode;
        session.stream = stream;
        session.begin_anew();
        if let Some(earlier) = session.mail.replace(mail) {
            self.parcels.end(
                &earlier,
                Error::new(Reason::Cancelled, "another stream of this session has taken over"),
            );
        }
        if mode == Mode::Resumable {
            // All that is unsettled is answered again, so what was held back would come twice.
            for (_, effects) in &mut self.state.held {
                effects.retain(|effect| !matches!(effect, Effect::Answer { to, .. } if *to == key));
            }
            self.input(Input::Attach(key));
        }
    }

    pub(crate) fn settle(&mut self, key: SessionKey, done: Vec<OpRange>, refused: Vec<Op>) {
        for range in done {
            self.input(Input::Done(key, range));
        }
        for op in refused {
            self.input(Input::Refuse(key, op));
        }
    }

    pub(crate) fn end(&mut self, key: SessionKey, reason: EndReason) {
        if self.state.sessions.get(key).is_some() {
            self.input(Input::End(key, reason));
        }
    }

    /// The session of unary calls that bring none.
    pub(crate) fn sessionless(&mut self) -> Option<SessionKey> {
        if self.state.sessionless.is_none() {
            let spec = SessionSpec {
                id: ID_OF_OWN,
                secret: Secret(0),
                mode: Mode::Sessionless,
                ttl: self.state.ttl_of_own,
                label: "calls without a session".into(),
                host: String::new(),
                language: String::new(),
                pid: 0,
            };
            self.state.sessionless = self.open(spec).ok().map(|opened| opened.session);
        }
        self.state.sessionless
    }

    /// A number for a command that came without.
    pub(crate) fn next_op(&mut self) -> Op {
        let op = self.state.next_op;
        self.state.next_op = Op(op.0 + 1);
        op
    }

    pub(crate) fn next_serial(&mut self) -> u64 {
        self.state.next_serial += 1;
        self.state.next_serial
    }

    /// An open unary call; one with the same op that was open ends: this one waits in its place.
    pub(crate) fn register(&mut self, key: SessionKey, op: Op, call: OpenCall) {
        let Some(session) = self.state.sessions.get(key) else { return };
        if let Some(earlier) = session.calls.insert(op, call) {
            let outcome =
                Err(Error::new(Reason::Cancelled, "the same operation was called again and goes on there"));
            self.parcels.call(earlier.callback, Answer { op, outcome, offered: false });
        }
    }

    /// True if that very call was still open.
    pub(crate) fn unregister(&mut self, key: SessionKey, op: Op, serial: u64) -> bool {
        let Some(session) = self.state.sessions.get(key) else { return false };
        let open = session.calls.get(&op).is_some_and(|call| call.serial == serial);
        if open {
            session.calls.remove(&op);
        }
        open
    }

    /// Ends the wait of a call that nobody carries any more, and returns what it was granted, if nobody else can
    /// learn of it.
    pub(crate) fn withdraw(&mut self, key: SessionKey, op: Op) {
        let call = Call {
            op: self.next_op(),
            participant: ParticipantId::default(),
            carrier: Carrier::Call,
            command: Command::Cancel(op),
        };
        self.input(Input::Call(key, call));
        if op >= Op::FIRST_OF_NODE {
            self.input(Input::Refuse(key, op));
        }
    }

    /// Ends all streams and all waiting calls.
    pub(crate) fn dismiss(&mut self, why: &Error) {
        let keys: Vec<SessionKey> = self.state.sessions.iter().map(|session| session.key).collect();
        for key in keys {
            let Some(session) = self.state.sessions.get(key) else { continue };
            let calls = take(&mut session.calls);
            session.begin_anew();
            if let Some(mail) = session.mail.take() {
                self.parcels.end(&mail, why.clone());
                self.input(Input::Detach(key));
            }
            for (op, call) in calls {
                self.withdraw(key, op);
                self.parcels.call(call.callback, Answer { op, outcome: Err(why.clone()), offered: false });
            }
        }
    }

    /// Unlocks and delivers; answers with when to come again.
    pub(crate) fn finish(mut self) -> Option<Time> {
        self.close_turn();
        self.leave()
    }

    /// As [`Turn::finish`], and takes the answer to `op` out, if it may leave now.
    pub(crate) fn finish_with(mut self, key: SessionKey, op: Op) -> Option<Answer> {
        let own =
            |effect: &Effect| matches!(effect, Effect::Answer { to, op: of, .. } if *to == key && *of == op);
        let keeps = self.namespace.journal.keeps();
        let at = if keeps { None } else { self.state.effects.iter().rposition(own) };
        let answer = at.map(|at| self.state.effects.remove(at));
        self.close_turn();
        self.leave();
        match answer {
            Some(Effect::Answer { op, outcome, offered, .. }) => Some(Answer { op, outcome, offered }),
            _ => None,
        }
    }

    /// This turn executes that frame.
    pub(crate) fn begin_frame(&mut self, session: SessionKey, stream: u64, sequence: u64) {
        self.frame = (sequence != 0).then_some(Executed { session, stream, sequence });
    }

    /// The journal has everything that the frame changed. On a stream that came later it is sent again instead.
    fn confirm(&mut self, frame: &Executed) {
        let session = self.state.sessions.get(frame.session);
        if let Some(session) = session.filter(|session| session.stream == frame.stream) {
            session.received = session.received.max(frame.sequence);
            if let Some(mail) = &session.mail {
                self.parcels.confirm(mail, session.received);
            }
        }
    }

    /// Hands the entries to the journal and routes what may leave.
    fn close_turn(&mut self) {
        let namespace = self.namespace;
        let frame = self.frame.take();
        if !namespace.journal.keeps() {
            frame.iter().for_each(|frame| self.confirm(frame));
            self.route_all();
            return;
        }
        let state = &mut *self.state;
        if !state.entries.is_empty() {
            state.submitted = namespace.journal.submit(namespace.epoch, take(&mut state.entries));
        }
        if !state.effects.is_empty() {
            state.held.push_back((state.submitted, take(&mut state.effects)));
        }
        state.unconfirmed.extend(frame.map(|frame| (state.submitted, frame)));
        match namespace.journal.durable() {
            Ok(durable) => {
                let confirmed =
                    if Mutant::ConfirmedBeforeDurable.is_on() { Position(u64::MAX) } else { durable };
                while self.state.unconfirmed.front().is_some_and(|(position, _)| *position <= confirmed) {
                    let (_, frame) = self.state.unconfirmed.pop_front().expect("invariant: there is a front");
                    self.confirm(&frame);
                }
                let durable = if Mutant::ToldBeforeDurable.is_on() { Position(u64::MAX) } else { durable };
                while self.state.held.front().is_some_and(|(position, _)| *position <= durable) {
                    let (_, effects) = self.state.held.pop_front().expect("invariant: there is a front");
                    self.state.effects = effects;
                    self.route_all();
                }
            }
            Err(failure) => self.lose(&failure),
        }
    }

    /// The journal is gone, and with it this engine: everybody is told that nothing is known.
    fn lose(&mut self, failure: &Failure) {
        self.namespace.lost.store(true, Ordering::Release);
        tracing::error!(namespace = %self.namespace.name(), %failure, "the journal is lost");
        let keys: Vec<SessionKey> = self.state.sessions.iter().map(|session| session.key).collect();
        for session in keys.into_iter().filter_map(|key| self.state.sessions.remove(key)) {
            let why = Error::new(Reason::Unavailable, format!("the namespace is loaded anew: {failure}"));
            for (op, call) in session.calls {
                let mut unknown = why.clone();
                unknown.reason = Reason::OutcomeUnknown;
                self.parcels.call(call.callback, Answer { op, outcome: Err(unknown), offered: false });
            }
            if let Some(mail) = &session.mail {
                self.parcels.end(mail, why);
            }
        }
        self.state.held.clear();
        self.state.unconfirmed.clear();
    }

    fn route_all(&mut self) {
        let mut effects = take(&mut self.state.effects);
        for effect in effects.drain(..) {
            self.route(effect);
        }
        // Keeps the room that it has.
        self.state.effects = effects;
    }

    fn route(&mut self, effect: Effect) {
        match effect {
            Effect::Answer { to, op, outcome, offered } => {
                let Some(session) = self.state.sessions.get(to) else { return };
                let answer = Answer { op, outcome, offered };
                if let Some(call) = session.calls.remove(&op) {
                    self.parcels.call(call.callback, answer);
                } else if let Some(mail) = &session.mail
                    && op < Op::FIRST_OF_NODE
                {
                    self.parcels.answer(mail, answer);
                }
            }
            Effect::Ended { session, reason } => {
                let Some(session) = self.state.sessions.remove(session) else { return };
                if self.state.sessionless == Some(session.key) {
                    self.state.sessionless = None;
                }
                for (op, call) in session.calls {
                    let answer = Answer { op, outcome: Err(ended(reason)), offered: false };
                    self.parcels.call(call.callback, answer);
                }
                if let Some(mail) = &session.mail {
                    self.parcels.end(mail, ended(reason));
                }
            }
            Effect::Deadlock(deadlock) => {
                tracing::warn!(namespace = %self.namespace.name(), raised = deadlock.raised, "deadlock: {deadlock}");
            }
            Effect::Recall { to, op } => {
                let session = self.state.sessions.get(to);
                if let Some(mail) = session.and_then(|session| session.mail.as_ref()) {
                    self.parcels.answer(mail, Answer { op, outcome: Ok(Reply::Recalled), offered: false });
                }
            }
            Effect::Opened(_) => {}
        }
    }

    fn leave(self) -> Option<Time> {
        let Turn { namespace, mut state, parcels, .. } = self;
        let due = [state.engine.next_deadline(), state.sessions.next_check(), state.look_at()]
            .into_iter()
            .flatten()
            .min();
        // An acceptance says nothing back, and must be durable all the same.
        let flush = !state.held.is_empty() || state.flushed < state.submitted;
        state.flushed = state.submitted;
        drop(state);
        namespace.alarm.at_most(due);
        parcels.deliver();
        if flush {
            namespace.journal.flush();
        }
        due
    }
}

/// Adds an answer to what waits on the session's stream, if it goes there. True: that is too much.
fn floods(session: &mut Session, op: Op, outcome: &Outcome) -> bool {
    let backlog = session.mail.as_ref().and_then(|mail| mail.backlog());
    backlog.is_some_and(|backlog| !session.calls.contains_key(&op) && backlog.add(weight(outcome)))
}

fn too_many_reads() -> Error {
    Error::limit("paused_reads_max", PAUSED_READS_MAX as u64).with_message(format!(
        "the client does not read what it was sent, and {PAUSED_READS_MAX} of its reads wait for that already; read the \
         stream, then ask again"
    ))
}

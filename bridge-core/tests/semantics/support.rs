//! A namespace in virtual time: what is done is written as a table, invariants are checked after every input.

use std::time::Duration;

use bridge_core::command::queue::{self, Attributes, Batch, Delivery, NewItem, Options, Reentry};
use bridge_core::command::semaphore::{self, Acquire};
use bridge_core::command::value::{self, Datum, Guard, Lifetime, Write};
use bridge_core::command::{
    Call, Carrier, Command, Effect, EndReason, Input, Mode, Opened, Outcome, Query, Reply, SessionSpec,
    barrier, condition, event, latch, list, lock, rwlock, select::Select,
};
use bridge_core::ids::{
    Kind, Name, Op, OpRange, ParticipantId, Secret, SessionId, SessionKey, Target, Token,
};
use bridge_core::payload::ContentType;
use bridge_core::view::{Deadlock, ObjectPage, ObjectView};
use bridge_core::{Engine, Error, Limits, Payload, Reason, Time, Timeout};

pub(crate) const FOREVER: Timeout = Timeout::Never;
pub(crate) const NOW: Timeout = Timeout::NOW;

pub(crate) fn seconds(seconds: u64) -> Timeout {
    Timeout::After(Duration::from_secs(seconds))
}

/// An engine with its clock and everything that was ever put into it.
pub(crate) struct Space {
    pub(crate) engine: Engine,
    pub(crate) now: Time,
    pub(crate) journal: Vec<(Time, Input)>,
    /// Reported or raised so far.
    pub(crate) deadlocks: Vec<Deadlock>,
    first_token: u64,
    limits: Limits,
    next_op: u64,
    sessions: u128,
}

/// An answer as a test reads it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) to: SessionKey,
    pub(crate) op: Op,
    pub(crate) outcome: Outcome,
    pub(crate) offered: bool,
}

impl Default for Space {
    fn default() -> Self {
        Space::with(Limits::default())
    }
}

impl Drop for Space {
    /// The journal of every test replays to the same state.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.replay();
        }
    }
}

impl Space {
    pub(crate) fn with(limits: Limits) -> Self {
        let now = Time::from_micros(1_000_000_000);
        let engine = Engine::new(1000, limits.clone());
        Space {
            engine,
            now,
            journal: Vec::new(),
            deadlocks: Vec::new(),
            first_token: 1000,
            limits,
            next_op: 1,
            sessions: 0,
        }
    }

    /// One input; what leaves the engine. Invariants are checked.
    pub(crate) fn input(&mut self, input: Input) -> Vec<Effect> {
        self.journal.push((self.now, input.clone()));
        let mut effects = Vec::new();
        self.engine.handle(self.now, input, &mut effects);
        self.engine.check_invariants();
        self.deadlocks.extend(effects.iter().filter_map(|effect| match effect {
            Effect::Deadlock(deadlock) => Some((**deadlock).clone()),
            _ => None,
        }));
        effects
    }

    /// One input; the answers among its effects.
    pub(crate) fn answers(&mut self, input: Input) -> Vec<Answer> {
        answers(self.input(input))
    }

    /// Time passes; what is due happens.
    pub(crate) fn pass(&mut self, duration: Duration) -> Vec<Answer> {
        self.now = self.now + duration;
        self.answers(Input::Tick)
    }

    pub(crate) fn pass_seconds(&mut self, seconds: u64) -> Vec<Answer> {
        self.pass(Duration::from_secs(seconds))
    }

    /// Opens a session and attaches it.
    pub(crate) fn open(&mut self, mode: Mode) -> SessionKey {
        self.sessions += 1;
        let key = self.open_as(self.sessions, mode).expect("the session opens").session;
        self.input(Input::Attach(key));
        key
    }

    pub(crate) fn open_as(&mut self, id: u128, mode: Mode) -> Result<Opened, Error> {
        match self.input(Input::Open(spec(id, mode))).pop() {
            Some(Effect::Opened(opened)) => opened,
            other => panic!("not opened: {other:?}"),
        }
    }

    /// A numbered call of participant 0 by the stream (a unary call where there is no stream).
    pub(crate) fn call(&mut self, who: SessionKey, command: Command) -> (Op, Vec<Answer>) {
        self.call_by(who, 0, Carrier::Stream, command)
    }

    pub(crate) fn call_by(
        &mut self,
        who: SessionKey,
        participant: u32,
        carrier: Carrier,
        command: Command,
    ) -> (Op, Vec<Answer>) {
        let op = Op(self.next_op);
        self.next_op += 1;
        let participant = ParticipantId(participant);
        let answers = self.answers(Input::Call(who, Call { op, participant, carrier, command }));
        (op, answers)
    }

    /// A call that is answered at once and answers nobody else.
    pub(crate) fn ask(&mut self, who: SessionKey, command: Command) -> Outcome {
        let (op, mut answers) = self.call(who, command);
        assert_eq!(answers.len(), 1, "one answer: {answers:?}");
        let answer = answers.remove(0);
        assert_eq!((answer.to, answer.op), (who, op));
        answer.outcome
    }

    /// A call that is answered at once, first of all; the others that it answered.
    pub(crate) fn ask_all(&mut self, who: SessionKey, command: Command) -> (Outcome, Vec<Answer>) {
        let (op, mut answers) = self.call(who, command);
        let answer = answers.remove(0);
        assert_eq!((answer.to, answer.op), (who, op), "its own answer comes first");
        (answer.outcome, answers)
    }

    /// A call that has to wait.
    pub(crate) fn wait(&mut self, who: SessionKey, command: Command) -> Op {
        let (op, answers) = self.call(who, command);
        assert_eq!(answers, [], "it waits");
        op
    }

    /// A call that is granted at once; settled unless it is final.
    pub(crate) fn take_and_accept(&mut self, who: SessionKey, command: Command) -> Outcome {
        let (op, answers) = self.call(who, command);
        let answer = answers.first().cloned().expect("it is answered at once");
        assert_eq!(answer.op, op);
        if answer.offered {
            self.done(who, op);
        }
        answer.outcome
    }

    pub(crate) fn again(&mut self, who: SessionKey, op: Op, command: Command) -> Vec<Answer> {
        let call = Call { op, participant: ParticipantId(0), carrier: Carrier::Stream, command };
        self.answers(Input::Call(who, call))
    }

    pub(crate) fn done(&mut self, who: SessionKey, op: Op) -> Vec<Answer> {
        self.answers(Input::Done(who, OpRange { first: op, last: op }))
    }

    pub(crate) fn refuse(&mut self, who: SessionKey, op: Op) -> Vec<Answer> {
        self.answers(Input::Refuse(who, op))
    }

    pub(crate) fn cancel(&mut self, who: SessionKey, op: Op) -> Vec<Answer> {
        self.call(who, Command::Cancel(op)).1
    }

    pub(crate) fn close(&mut self, who: SessionKey) -> Vec<Answer> {
        self.answers(Input::End(who, EndReason::Closed))
    }

    pub(crate) fn expire(&mut self, who: SessionKey) -> Vec<Answer> {
        self.answers(Input::End(who, EndReason::Expired))
    }

    pub(crate) fn query(&self, who: SessionKey, query: Query) -> Outcome {
        self.engine.query(self.now, who, &query)
    }

    pub(crate) fn object(&self, kind: Kind, object: &str, page: ObjectPage) -> ObjectView {
        self.engine.object(self.now, kind, &name(object), page).expect("it is there")
    }

    pub(crate) fn queue(&self, who: SessionKey, name: &str) -> queue::Figures {
        match self.query(who, Query::Queue(target(name), queue::Query::Describe)) {
            Ok(Reply::Queue(queue::Reply::Described(figures))) => *figures,
            other => panic!("not described: {other:?}"),
        }
    }

    pub(crate) fn semaphore(&self, who: SessionKey, name: &str) -> semaphore::Figures {
        match self.query(who, Query::Semaphore(target(name), semaphore::Query::Describe)) {
            Ok(Reply::Semaphore(semaphore::Reply::Described(figures))) => *figures,
            other => panic!("not described: {other:?}"),
        }
    }

    pub(crate) fn rwlock(&self, who: SessionKey, name: &str) -> rwlock::Figures {
        match self.query(who, Query::RwLock(target(name), rwlock::Query::Describe)) {
            Ok(Reply::RwLock(rwlock::Reply::Described(figures))) => *figures,
            other => panic!("not described: {other:?}"),
        }
    }

    pub(crate) fn lock(&self, who: SessionKey, name: &str) -> lock::Figures {
        match self.query(who, Query::Lock(target(name), lock::Query::Describe)) {
            Ok(Reply::Lock(lock::Reply::Described(figures))) => *figures,
            other => panic!("not described: {other:?}"),
        }
    }

    pub(crate) fn condition(&self, who: SessionKey, name: &str) -> condition::Figures {
        match self.query(who, Query::Condition(target(name), condition::Query::Describe)) {
            Ok(Reply::Condition(condition::Reply::Described(figures))) => figures,
            other => panic!("not described: {other:?}"),
        }
    }

    pub(crate) fn event(&self, who: SessionKey, name: &str) -> event::Figures {
        match self.query(who, Query::Event(target(name), event::Query::Describe)) {
            Ok(Reply::Event(event::Reply::Described(figures))) => figures,
            other => panic!("not described: {other:?}"),
        }
    }

    /// Executes the journal once more: the same state must come out.
    fn replay(&self) {
        let mut engine = Engine::new(self.first_token, self.limits.clone());
        let mut effects = Vec::new();
        for (now, input) in &self.journal {
            engine.handle(*now, input.clone(), &mut effects);
        }
        assert_eq!(engine.state_hash(), self.engine.state_hash(), "the replay ends in another state");
    }
}

pub(crate) fn answers(effects: Vec<Effect>) -> Vec<Answer> {
    let answers = effects.into_iter().filter_map(|effect| match effect {
        Effect::Answer { to, op, outcome, offered } => Some(Answer { to, op, outcome, offered }),
        _ => None,
    });
    answers.collect()
}

pub(crate) fn name(name: &str) -> Name {
    Name::parse("name", name).expect("a valid name")
}

pub(crate) fn target(text: &str) -> Target {
    Target::Name(name(text))
}

pub(crate) fn payload(text: &str) -> Payload {
    Payload::new(ContentType::Text, text.as_bytes().to_vec())
}

pub(crate) fn text_of(payload: &Payload) -> String {
    match &payload.body {
        bridge_core::payload::Body::Bytes(bytes) => String::from_utf8(bytes.to_vec()).expect("a text"),
        bridge_core::payload::Body::Local(_) => "local".into(),
    }
}

pub(crate) fn item(text: &str) -> NewItem {
    NewItem::new(payload(text))
}

pub(crate) fn on(queue: &str, command: queue::Command) -> Command {
    Command::Queue(target(queue), command)
}

pub(crate) fn declare(queue: &str, options: Options) -> Command {
    on(queue, queue::Command::Declare(options))
}

pub(crate) fn put(queue: &str, text: &str, timeout: Timeout) -> Command {
    on(queue, queue::Command::Put { item: item(text), timeout })
}

pub(crate) fn put_key(queue: &str, text: &str, key: &[u8]) -> Command {
    let item = NewItem { key: key.to_vec().into(), ..item(text) };
    on(queue, queue::Command::Put { item, timeout: NOW })
}

pub(crate) fn put_timed(queue: &str, text: &str, delay: u64, ttl: Option<u64>) -> Command {
    let attributes = Attributes {
        delay: Duration::from_secs(delay),
        ttl: ttl.map(Duration::from_secs),
        ..Default::default()
    };
    let item = NewItem { attributes: Some(Box::new(attributes)), ..item(text) };
    on(queue, queue::Command::Put { item, timeout: NOW })
}

pub(crate) fn grouped(text: &str, group: &str) -> NewItem {
    let attributes = Attributes { group: Some(group.into()), ..Default::default() };
    NewItem { attributes: Some(Box::new(attributes)), ..item(text) }
}

pub(crate) fn put_many(queue: &str, texts: &[&str], timeout: Timeout) -> Command {
    on(queue, queue::Command::PutMany { items: texts.iter().map(|text| item(text)).collect(), timeout })
}

pub(crate) fn get(queue: &str, timeout: Timeout) -> Command {
    on(queue, queue::Command::Take { taking: queue::Taking::new(queue::Mode::Get, Batch::ONE), timeout })
}

pub(crate) fn lease(queue: &str, timeout: Timeout) -> Command {
    on(queue, queue::Command::Take { taking: queue::Taking::new(queue::Mode::Lease, Batch::ONE), timeout })
}

pub(crate) fn get_many(queue: &str, max: u32, min: u32, linger_ms: u64, timeout: Timeout) -> Command {
    let batch = Batch { max, min, linger: Duration::from_millis(linger_ms) };
    on(queue, queue::Command::Take { taking: queue::Taking::new(queue::Mode::Get, batch), timeout })
}

pub(crate) fn lease_many(queue: &str, max: u32) -> Command {
    let batch = Batch { max, min: 1, linger: Duration::ZERO };
    on(queue, queue::Command::Take { taking: queue::Taking::new(queue::Mode::Lease, batch), timeout: NOW })
}

pub(crate) fn ack(queue: &str, tokens: &[Token]) -> Command {
    on(queue, queue::Command::Ack { tokens: tokens.to_vec() })
}

pub(crate) fn nack(queue: &str, token: Token, reentry: Reentry, error: &str) -> Command {
    on(
        queue,
        queue::Command::Nack { tokens: vec![token], reentry, delay: Duration::ZERO, error: error.into() },
    )
}

pub(crate) fn reject(queue: &str, token: Token, reason: &str) -> Command {
    on(queue, queue::Command::Reject { tokens: vec![token], reason: reason.into() })
}

pub(crate) fn on_event(event: &str, command: event::Command) -> Command {
    Command::Event(target(event), command)
}

pub(crate) fn wait(event: &str, timeout: Timeout) -> Command {
    on_event(event, event::Command::Wait { timeout, after: None })
}

pub(crate) fn set(event: &str) -> Command {
    on_event(event, event::Command::Set)
}

pub(crate) fn on_semaphore(semaphore: &str, command: semaphore::Command) -> Command {
    Command::Semaphore(target(semaphore), command)
}

pub(crate) fn permits(semaphore: &str, limit: i64) -> Command {
    let options = semaphore::Options { limit: Some(limit), ..Default::default() };
    on_semaphore(semaphore, semaphore::Command::Declare(options))
}

pub(crate) fn acquire(semaphore: &str, permits: u32, timeout: Timeout) -> Command {
    let acquire = Acquire { permits, by_token: false, barge: false, timeout };
    on_semaphore(semaphore, semaphore::Command::Acquire(acquire))
}

pub(crate) fn release(semaphore: &str, permits: u32) -> Command {
    on_semaphore(semaphore, semaphore::Command::Release { permits, token: None })
}

pub(crate) fn release_token(semaphore: &str, token: Token) -> Command {
    on_semaphore(semaphore, semaphore::Command::Release { permits: 1, token: Some(token) })
}

pub(crate) fn on_lock(lock: &str, command: lock::Command) -> Command {
    Command::Lock(target(lock), command)
}

pub(crate) fn lock_options(lock: &str, reentrant: bool) -> Command {
    let options = lock::Options { reentrant: Some(reentrant), ..Default::default() };
    on_lock(lock, lock::Command::Declare(options))
}

pub(crate) fn lock(lock: &str, timeout: Timeout) -> Command {
    on_lock(lock, lock::Command::Acquire(lock::Acquire::within(timeout)))
}

pub(crate) fn unlock(lock: &str, token: Option<Token>) -> Command {
    on_lock(lock, lock::Command::Release { token })
}

pub(crate) fn on_condition(condition: &str, command: condition::Command) -> Command {
    Command::Condition(target(condition), command)
}

pub(crate) fn condition_of(condition: &str, lock: &str, ephemeral: Option<bool>) -> Command {
    let options = condition::Options { ephemeral };
    on_condition(condition, condition::Command::Declare { lock: name(lock), options })
}

pub(crate) fn wait_for(condition: &str, timeout: Timeout) -> Command {
    on_condition(condition, condition::Command::Wait { timeout })
}

pub(crate) fn notify(condition: &str, count: u32) -> Command {
    on_condition(condition, condition::Command::Notify { count: Some(count) })
}

pub(crate) fn on_rwlock(rwlock: &str, command: rwlock::Command) -> Command {
    Command::RwLock(target(rwlock), command)
}

pub(crate) fn read(rwlock: &str, timeout: Timeout) -> Command {
    on_rwlock(rwlock, rwlock::Command::Acquire(rwlock::Acquire::within(rwlock::Mode::Read, timeout)))
}

pub(crate) fn write(rwlock: &str, timeout: Timeout) -> Command {
    on_rwlock(rwlock, rwlock::Command::Acquire(rwlock::Acquire::within(rwlock::Mode::Write, timeout)))
}

pub(crate) fn stop(rwlock: &str, mode: rwlock::Mode, token: Option<Token>) -> Command {
    on_rwlock(rwlock, rwlock::Command::Release { mode, token })
}

pub(crate) fn on_value(value: &str, command: value::Command) -> Command {
    Command::Value(target(value), command)
}

pub(crate) fn on_dict(dict: &str, command: value::Command) -> Command {
    Command::Dict(target(dict), command)
}

pub(crate) fn on_list(list: &str, command: list::Command) -> Command {
    Command::List(target(list), command)
}

pub(crate) fn select(branches: impl IntoIterator<Item = Command>, timeout: Timeout) -> Command {
    Command::Select(Box::new(Select { branches: branches.into_iter().collect(), timeout }))
}

/// Sets an entry of the dict "d" for good.
pub(crate) fn set_entry(key: &'static str, datum: impl Into<Datum>) -> Command {
    guarded(key, datum, Guard::default(), Lifetime::Lasting)
}

pub(crate) fn guarded(
    key: &'static str,
    datum: impl Into<Datum>,
    guard: Guard,
    lifetime: Lifetime,
) -> Command {
    let write = Box::new(Write { datum: datum.into(), guard, lifetime });
    on_dict("d", value::Command::Set { key: key.into(), write })
}

/// What was taken, as texts.
pub(crate) fn texts(outcome: &Outcome) -> Vec<String> {
    deliveries(outcome).iter().map(|delivery| text_of(&delivery.payload)).collect()
}

pub(crate) fn deliveries(outcome: &Outcome) -> Vec<Delivery> {
    match outcome {
        Ok(Reply::Queue(queue::Reply::Taken(taken))) => taken.deliveries.to_vec(),
        other => panic!("nothing was taken: {other:?}"),
    }
}

pub(crate) fn token(outcome: &Outcome) -> Token {
    match outcome {
        Ok(Reply::Semaphore(semaphore::Reply::Acquired(token))) => *token,
        Ok(
            Reply::Lock(lock::Reply::Acquired(grant))
            | Reply::RwLock(rwlock::Reply::Acquired(grant))
            | Reply::Condition(condition::Reply::Waited { grant, .. }),
        ) => grant.token,
        _ => deliveries(outcome)[0].token,
    }
}

pub(crate) fn reason<T: std::fmt::Debug>(outcome: &Result<T, Error>) -> Reason {
    outcome.as_ref().expect_err("it fails").reason
}

/// Who was answered, with what, in short.
pub(crate) fn short(answers: &[Answer]) -> Vec<(Op, String)> {
    answers.iter().map(|answer| (answer.op, in_short(&answer.outcome))).collect()
}

pub(crate) fn in_short(outcome: &Outcome) -> String {
    match outcome {
        Err(error) => match error.detail("step") {
            Some(step) => format!("{} at {step}", error.reason),
            None => error.reason.to_string(),
        },
        Ok(Reply::Committed(replies)) => {
            let replies = replies.iter().map(|reply| in_short(&Ok(Reply::Queue(reply.clone()))));
            format!("committed {}", replies.collect::<Vec<_>>().join(", "))
        }
        Ok(Reply::Queue(queue::Reply::Taken(_))) => texts(outcome).join(" "),
        Ok(Reply::Queue(queue::Reply::Put(_))) => "put".into(),
        Ok(Reply::Queue(queue::Reply::Duplicate(_))) => "duplicate".into(),
        Ok(Reply::Queue(queue::Reply::PutMany(ids))) => format!("put {}", ids.len()),
        Ok(Reply::Queue(queue::Reply::Joined)) => "joined".into(),
        Ok(Reply::Queue(queue::Reply::Moved(ids))) => format!("moved {}", ids.len()),
        Ok(Reply::Event(event::Reply::Waited { is_set, .. })) => is_set.to_string(),
        Ok(Reply::Semaphore(semaphore::Reply::Acquired(_))) => "acquired".into(),
        Ok(Reply::Semaphore(semaphore::Reply::Drained { token: Some(_), .. })) => "drained".into(),
        Ok(Reply::Lock(lock::Reply::Acquired(grant)) | Reply::RwLock(rwlock::Reply::Acquired(grant))) => {
            if grant.abandoned.is_some() {
                "locked abandoned".into()
            } else {
                "locked".into()
            }
        }
        Ok(Reply::Condition(condition::Reply::Waited { woken, .. })) => format!("{woken:?}"),
        Ok(Reply::Condition(condition::Reply::Notified { count })) => format!("notified {count}"),
        Ok(Reply::Lock(lock::Reply::Released) | Reply::RwLock(rwlock::Reply::Released)) => "released".into(),
        Ok(Reply::Lock(lock::Reply::Extended) | Reply::RwLock(rwlock::Reply::Extended)) => "extended".into(),
        Ok(Reply::Lost(tokens)) => format!("lost {}", tokens.len()),
        Ok(Reply::Barrier(barrier::Reply::Arrived(arrived))) => {
            format!("{} {}", if arrived.action.is_some() { "act at" } else { "at" }, arrived.index)
        }
        Ok(Reply::Barrier(barrier::Reply::ActionDone { passed })) => format!("passed {passed}"),
        Ok(Reply::Latch(latch::Reply::CountedDown { count })) => format!("left {count}"),
        Ok(Reply::Latch(latch::Reply::Waited { is_open })) => is_open.to_string(),
        Ok(Reply::Value(reply)) => value_in_short(reply),
        Ok(Reply::Selected { reply, .. }) => in_short(&Ok((**reply).clone())),
        Ok(Reply::Cancelled(cancelled)) => format!("cancelled {cancelled}"),
        Ok(other) => format!("{other:?}"),
    }
}

fn value_in_short(reply: &value::Reply) -> String {
    use value::Reply::*;
    let of = |item: &value::Item| item.datum.as_ref().map_or_else(|| "-".into(), datum_in_short);
    match reply {
        Set { done, item } => format!("set {done} {}", of(item)),
        Deleted { done, item } => format!("deleted {done} {}", of(item)),
        Incremented(item) => format!("sum {}", of(item)),
        Cleared(count) => format!("cleared {count}"),
        Watched { changed: true, item } => format!("changed {}", of(item)),
        Watched { changed: false, .. } => "unchanged".into(),
        Got(item) => of(item),
        Spliced(spliced) => {
            let removed: Vec<_> = spliced.removed.iter().map(datum_in_short).collect();
            format!("spliced {} [{}] {}", spliced.done, removed.join(" "), spliced.length)
        }
        other => format!("{other:?}"),
    }
}

pub(crate) fn datum_in_short(datum: &Datum) -> String {
    match datum {
        Datum::Payload(payload) => text_of(payload),
        Datum::Integer(number) => number.to_string(),
        Datum::Real(number) => format!("{number:?}"),
    }
}

pub(crate) fn spec(id: u128, mode: Mode) -> SessionSpec {
    SessionSpec {
        id: SessionId(id),
        secret: Secret(id * 7),
        mode,
        ttl: Duration::from_secs(15),
        label: format!("s{id}"),
        host: "host".into(),
        language: "rust".into(),
        pid: 1,
    }
}

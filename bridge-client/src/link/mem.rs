//! The link to an engine of this process: no frames, no stored answers, values by reference.
//!
//! A call that can be answered at once is: the calling thread locks the engine, executes, and has its answer. Else its
//! slot is filled by whoever executes the command that settles it, after the engine's lock is released.

use std::collections::{BTreeMap, HashMap};
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bridge_core::command::queue::{Delivery, NewItem};
use bridge_core::command::{Command, EndReason, Mode, SessionSpec, queue};
use bridge_core::ids::{ItemId, Name, Op, OpRange, ParticipantId, Secret, SessionId, SessionKey, Token};
use bridge_core::{AtOnce, Error, Reason, Reply, Request, Time};
use bridge_node::{Answer, Config, Frame, Namespace, Node, Outbox, SystemClock};

use super::slot::futex;
use super::{Answered, Link, Settle, Several, Slot, Started, Submission};
use crate::bridge::ConnectOptions;
use crate::fork;
use crate::losses::Losses;
use crate::mutex::lock;
use crate::object::Object;
use crate::session::recalled as recalled_before_taken;

/// The engines of this process by name, each in a node of its own that lives as long as somebody is connected. With the
/// fork generation that made them: a child's are not its parent's.
static NODES: Mutex<BTreeMap<(u64, Name), Weak<Node>>> = Mutex::new(BTreeMap::new());

/// Opens a session with the engine of that name.
pub(crate) fn connect(name: &Name, options: &ConnectOptions) -> Result<Arc<dyn Link>, Error> {
    let generation = fork::generation();
    let node = node(generation, name)?;
    let namespace = node.namespace(name)?;
    let identity = super::Identity::new(options);
    let opened = namespace.open(
        SessionSpec {
            id: SessionId(super::random_u128()?),
            secret: Secret(super::random_u128()?),
            mode: Mode::Direct,
            ttl: options.session_ttl,
            label: identity.label,
            host: identity.host,
            language: identity.language,
            pid: identity.pid,
        },
        None,
    )?;
    let desk = Arc::new(Desk {
        namespace: Arc::downgrade(&namespace),
        key: opened.session,
        calls: Mutex::default(),
        prefetched: Mutex::default(),
        prefetches: AtomicBool::new(false),
        delivered: AtomicU32::new(0),
        driven: AtomicU32::new(0),
        drivers: AtomicU32::new(0),
        closed: AtomicBool::new(false),
        losses: Mutex::default(),
    });
    namespace.attach(opened.session, desk.clone());
    let engine = ManuallyDrop::new(Engine { namespace, _node: node });
    Ok(Arc::new(Mem { generation, engine, key: opened.session, next_op: AtomicU64::new(1), desk }))
}

fn node(generation: u64, name: &Name) -> Result<Arc<Node>, Error> {
    let mut nodes = lock(&NODES);
    let key = (generation, name.clone());
    if let Some(node) = nodes.get(&key).and_then(Weak::upgrade) {
        return Ok(node);
    }
    nodes.retain(|_, node| node.strong_count() > 0);
    let node = Node::new(Config::default(), Arc::new(SystemClock::new()));
    node.start_ticker().map_err(|error| {
        Error::new(Reason::Internal, format!("mem:{name} cannot start its timer thread: {error}"))
    })?;
    nodes.insert(key, Arc::downgrade(&node));
    Ok(node)
}

struct Engine {
    namespace: Arc<Namespace>,
    /// Owns the thread that ticks.
    _node: Arc<Node>,
}

struct Mem {
    generation: u64,
    /// Not dropped in a forked child, where its thread does not exist and its locks may be held for ever.
    engine: ManuallyDrop<Engine>,
    key: SessionKey,
    next_op: AtomicU64,
    desk: Arc<Desk>,
}

/// Where the session's answers arrive.
struct Desk {
    namespace: Weak<Namespace>,
    key: SessionKey,
    calls: Mutex<HashMap<Op, Parked>>,
    /// Counts deliveries: a futex word for whoever drives.
    delivered: AtomicU32,
    /// What was asked for ahead of need and has not been claimed, by number.
    prefetched: Mutex<HashMap<Op, Prefetched>>,
    /// There was any ever.
    prefetches: AtomicBool,
    /// What `delivered` was when somebody last returned from driving.
    driven: AtomicU32,
    drivers: AtomicU32,
    closed: AtomicBool,
    losses: Mutex<Losses>,
}

/// A take that prefetches.
struct Prefetched {
    slot: Arc<Slot>,
    /// Its item was recalled before it was in its slot.
    recalled: bool,
}

/// A call that was not answered at once.
enum Parked {
    /// Its answer goes there.
    Waiting(Arc<Slot>),
    /// The answer came before the caller could say where it goes.
    Early(Answered),
    /// Nobody wants the answer.
    Abandoned,
}

impl Mem {
    fn forked(&self) -> bool {
        self.generation != fork::generation()
    }

    fn take_op(&self) -> Op {
        Op(self.next_op.fetch_add(1, Ordering::Relaxed))
    }

    #[inline]
    fn ask(&self, who: ParticipantId, request: Request, learn: impl FnOnce(&Reply)) -> Started {
        let op = self.take_op();
        if self.desk.closed.load(Ordering::Acquire) {
            return Started::Answered(Answered { op, outcome: Err(closed()), offered: false });
        }
        if let Some(answer) = self.engine.namespace.direct(self.key, op, who, request) {
            if let Ok(reply) = &answer.outcome {
                learn(reply);
            }
            return Started::Answered(answer.into());
        }
        let mut calls = lock(&self.desk.calls);
        match calls.remove(&op) {
            Some(Parked::Early(answered)) => Started::Answered(answered),
            _ if self.desk.closed.load(Ordering::Acquire) => {
                Started::Answered(Answered { op, outcome: Err(closed()), offered: false })
            }
            _ => {
                let slot = Slot::new(op);
                calls.insert(op, Parked::Waiting(slot.clone()));
                Started::Waiting(slot)
            }
        }
    }

    #[inline]
    fn at_once<T>(
        &self,
        participant: ParticipantId,
        queue: &Object,
        make: impl FnOnce(&mut bridge_core::Engine, Time, AtOnce) -> Option<T>,
    ) -> Option<T> {
        let call = AtOnce { session: self.key, participant, queue: queue.handle()? };
        if self.forked() {
            return None;
        }
        self.engine.namespace.at_once(|engine, now| make(engine, now, call))
    }

    /// Its answer is in a slot in any case, from where it can be recalled.
    fn start_prefetch(&self, who: ParticipantId, request: Request) -> Started {
        let desk = &self.desk;
        desk.prefetches.store(true, Ordering::Relaxed);
        let op = self.take_op();
        let slot = Slot::new(op);
        lock(&desk.prefetched).insert(op, Prefetched { slot: slot.clone(), recalled: false });
        let closed = || Answered { op, outcome: Err(closed()), offered: false };
        let answered = if desk.closed.load(Ordering::Acquire) {
            Some(closed())
        } else if let Some(answer) = self.engine.namespace.direct(self.key, op, who, request) {
            Some(answer.into())
        } else {
            let mut calls = lock(&desk.calls);
            match calls.remove(&op) {
                Some(Parked::Early(answered)) => Some(answered),
                _ if desk.closed.load(Ordering::Acquire) => Some(closed()),
                _ => {
                    calls.insert(op, Parked::Waiting(slot.clone()));
                    None
                }
            }
        };
        if let Some(answered) = answered {
            self.put_prefetched(&slot, answered);
        }
        Started::Waiting(slot)
    }

    fn put_prefetched(&self, slot: &Slot, answered: Answered) {
        let op = answered.op;
        let mut prefetched = lock(&self.desk.prefetched);
        let recalled = answered.offered && prefetched.get(&op).is_some_and(|prefetched| prefetched.recalled);
        if !recalled {
            return slot.put(answered);
        }
        prefetched.remove(&op);
        drop(prefetched);
        slot.put(Answered { op, outcome: Err(recalled_before_taken()), offered: false });
        // The session is over: what it was offered has gone back.
        let _ = self.engine.namespace.settle(self.key, Vec::new(), vec![op]);
    }

    fn withdraw(&self, op: Op) {
        let cancel = Request::Command(Command::Cancel(op));
        // The answer that counts is that of the call itself.
        let _ = self.engine.namespace.direct(self.key, self.take_op(), ParticipantId::default(), cancel);
    }
}

impl Drop for Mem {
    fn drop(&mut self) {
        if !self.forked() {
            // SAFETY: `engine` is not used after this: the link is being dropped, and nothing else drops it.
            unsafe { ManuallyDrop::drop(&mut self.engine) };
        }
    }
}

impl From<Answer> for Answered {
    fn from(answer: Answer) -> Self {
        Answered { op: answer.op, outcome: answer.outcome, offered: answer.offered }
    }
}

impl Link for Mem {
    fn start(&self, submission: Submission) -> Started {
        let Submission { who, object, request } = submission;
        if prefetches(&request) {
            return self.start_prefetch(who, request);
        }
        self.ask(who, request, |reply| object.learn_from(reply))
    }

    fn start_many(&self, submission: Submission, count: usize) -> Vec<Started> {
        (0..count).map(|_| self.start(submission.clone())).collect()
    }

    fn start_later(&self, submission: Submission) -> Option<Started> {
        Some(self.start(submission))
    }

    fn start_several(&self, submission: Several) -> Started {
        self.ask(submission.who, submission.request, |_| ())
    }

    #[inline]
    fn put_at_once(&self, who: ParticipantId, queue: &Object, item: &mut NewItem) -> Option<ItemId> {
        self.at_once(who, queue, |engine, now, call| engine.put_at_once(now, call, item))
    }

    #[inline]
    fn get_at_once(&self, who: ParticipantId, queue: &Object) -> Option<Delivery> {
        self.at_once(who, queue, |engine, now, call| engine.get_at_once(now, call))
    }

    fn claim(&self, slot: &Slot) -> Option<Answered> {
        if !self.desk.prefetches.load(Ordering::Relaxed) {
            return slot.take();
        }
        // Either its consumer takes it or it is recalled.
        let mut prefetched = lock(&self.desk.prefetched);
        let answered = slot.take()?;
        prefetched.remove(&answered.op);
        Some(answered)
    }

    fn wait(&self, slot: &Arc<Slot>, slice: Duration) {
        let seen = slot.seen();
        if !slot.is_ready() {
            slot.park(seen, slice);
        }
    }

    fn wait_for(&self, signal: &Arc<Slot>, slice: Duration) {
        self.wait(signal, slice);
    }

    fn ring(&self) {
        // Everybody is parked at a slot.
    }

    fn settle(&self, op: Op, how: Settle) -> Result<(), Error> {
        if self.forked() {
            return Ok(());
        }
        let namespace = &self.engine.namespace;
        match how {
            Settle::Accept => namespace.settle(self.key, vec![OpRange { first: op, last: op }], Vec::new()),
            Settle::Refuse => {
                // The session is over: what it was offered has gone back.
                let _ = namespace.settle(self.key, Vec::new(), vec![op]);
                Ok(())
            }
        }
    }

    fn cancel(&self, slot: &Arc<Slot>) {
        if !self.forked() {
            self.withdraw(slot.op());
        }
    }

    fn hasten(&self, slot: &Arc<Slot>) {
        if !self.forked() {
            let hasten = Request::Command(Command::Hasten(slot.op()));
            // It says nothing back.
            let _ = self.engine.namespace.direct(self.key, self.take_op(), ParticipantId::default(), hasten);
        }
    }

    fn abandon(&self, slot: &Arc<Slot>) {
        if self.forked() {
            return;
        }
        let op = slot.op();
        lock(&self.desk.prefetched).remove(&op);
        let parked = match lock(&self.desk.calls).get_mut(&op) {
            Some(parked) => {
                *parked = Parked::Abandoned;
                true
            }
            None => false,
        };
        if parked {
            self.withdraw(op);
        } else if slot.take().is_some_and(|answered| answered.offered) {
            let _ = self.settle(op, Settle::Refuse);
        }
    }

    fn declare(&self, object: &Arc<Object>) -> Result<(), Error> {
        let (who, request) = (ParticipantId::default(), object.declare());
        match self.start(Submission { who, object: object.clone(), request }) {
            Started::Answered(answered) => answered.outcome.map(drop),
            Started::Waiting(_) => Ok(()),
        }
    }

    fn share_all(&self) -> bool {
        // No other process gets here.
        false
    }

    fn is_lost(&self, token: Token) -> bool {
        self.forked() || self.desk.closed.load(Ordering::Acquire) || lock(&self.desk.losses).contains(token)
    }

    fn discard(&self, object: &Object) {
        if !self.forked() && !self.desk.closed.load(Ordering::Acquire) {
            // It cannot fail, unless the session is over: then the object has gone with it.
            let _ = self.engine.namespace.direct(
                self.key,
                self.take_op(),
                ParticipantId::default(),
                object.discard(),
            );
        }
    }

    fn announce(&self, who: ParticipantId, label: String) {
        if !self.forked() {
            self.engine.namespace.frame(self.key, Frame { labels: vec![(who, label)], ..Frame::default() });
        }
    }

    fn drive(&self, slice: Duration, done: &dyn Fn() -> bool) {
        let desk = &self.desk;
        desk.drivers.fetch_add(1, Ordering::SeqCst);
        let seen = desk.driven.load(Ordering::Relaxed);
        if desk.delivered.load(Ordering::SeqCst) == seen && !done() {
            futex::wait(&desk.delivered, seen, slice);
        }
        desk.driven.store(desk.delivered.load(Ordering::SeqCst), Ordering::Relaxed);
        desk.drivers.fetch_sub(1, Ordering::SeqCst);
    }

    fn flush(&self, _at_most: Duration) -> Result<(), Error> {
        Ok(())
    }

    fn close(&self, _at_most: Duration) -> Result<(), Error> {
        if !self.forked() {
            self.engine.namespace.end(self.key, EndReason::Closed);
        }
        Ok(())
    }
}

impl Desk {
    /// Takes back what its consumer has not taken yet: its slot, to be woken.
    fn recall(&self, op: Op) -> Option<Arc<Slot>> {
        let mut prefetched = lock(&self.prefetched);
        let of_op = prefetched.get_mut(&op)?;
        match of_op.slot.take() {
            Some(Answered { offered: true, .. }) => {
                let slot = of_op.slot.clone();
                prefetched.remove(&op);
                slot.put(Answered { op, outcome: Err(recalled_before_taken()), offered: false });
                return Some(slot);
            }
            Some(answered) => of_op.slot.put(answered),
            None => of_op.recalled = true,
        }
        None
    }

    fn delivered(&self, slots: Vec<Arc<Slot>>) {
        for slot in slots {
            slot.wake();
        }
        self.delivered.fetch_add(1, Ordering::SeqCst);
        if self.drivers.load(Ordering::SeqCst) > 0 {
            futex::wake(&self.delivered);
        }
    }
}

impl Outbox for Desk {
    fn deliver(&self, answers: &mut Vec<Answer>) {
        let mut filled = Vec::with_capacity(answers.len());
        let mut refused = Vec::new();
        {
            let mut calls = lock(&self.calls);
            for answer in answers.drain(..) {
                let answered = Answered::from(answer);
                let op = answered.op;
                if answered.outcome == Ok(Reply::Recalled) {
                    filled.extend(self.recall(op).inspect(|_| refused.push(op)));
                    continue;
                }
                if let Ok(Reply::Lost(tokens)) = &answered.outcome {
                    lock(&self.losses).note(tokens);
                    continue;
                }
                match calls.remove(&op) {
                    Some(Parked::Waiting(slot)) => {
                        slot.put(answered);
                        filled.push(slot);
                    }
                    Some(Parked::Abandoned) if answered.offered => refused.push(op),
                    Some(Parked::Abandoned) => {}
                    None | Some(Parked::Early(_)) => {
                        calls.insert(op, Parked::Early(answered));
                    }
                }
            }
        }
        if !refused.is_empty()
            && let Some(namespace) = self.namespace.upgrade()
        {
            // The session is over: what it was offered has gone back.
            let _ = namespace.settle(self.key, Vec::new(), refused);
        }
        self.delivered(filled);
    }

    fn end(&self, why: Error) {
        self.closed.store(true, Ordering::Release);
        let mut filled = Vec::new();
        for (op, parked) in lock(&self.calls).drain() {
            if let Parked::Waiting(slot) = parked {
                slot.put(Answered { op, outcome: Err(why.clone()), offered: false });
                filled.push(slot);
            }
        }
        self.delivered(filled);
    }
}

fn prefetches(request: &Request) -> bool {
    matches!(request, Request::Command(Command::Queue(_, queue::Command::Take { taking, .. })) if taking.prefetch)
}

fn closed() -> Error {
    Error::new(Reason::SessionExpired, "the bridge is closed; connect again")
}

//! A session's way to its server: the session's logic, the wire of the moment, and the threads that drive it.
//!
//! There are three locks. `desk` guards the session and is held for a few steps at a time; `wire` is held while
//! driving and never while waiting; [`Lead`] has its own. They are taken in the order wire, desk or lead. Slots are
//! woken, and callbacks run, while none is held.
//!
//! A call is put on the desk, and a write-only [turn](Connection::turn) sends it, with those that gathered. Whoever waits
//! for an answer then leads or follows. Two milliseconds after anything was posted, and whenever the session wants it, the
//! helper has a look: it sends what waited for a frame to ride in, and watches the socket if nobody else is there.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, TryLockError, Weak};
use std::task::Waker;
use std::time::Duration;

use bridge_core::Time;
use bridge_core::error::Error;
use bridge_core::ids::Op;
use syncbridge_proto::v1::{AttachRequest, AttachResponse};

use super::dial::Address;
use super::lead::{Lead, Role};
use super::poller::{Poller, Woken};
use super::shortcut::Shortcut;
use super::socket::Progress;
use super::timer::Timer;
use super::wire::{Ends, Wire};
use crate::clock;
use crate::link::slot::Slot;
use crate::mutex::lock;
use crate::session::{Completions, Session, Verdict};

/// How soon the helper looks after something was posted that nobody may be waiting for.
const HELPER_DELAY: Duration = Duration::from_millis(2);

/// How often somebody who waits for something other than an answer looks while another thread leads.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A leader looks for its answer for so long before it sleeps, if its last sleep was shorter than [`BRISK`]. To wake a
/// core that has gone to sleep takes as long as a server needs to answer, so most answers to calls that do not wait
/// are found this way; who waits for something that takes its time is not kept awake.
const LINGER: Duration = Duration::from_micros(20);
const BRISK: Duration = Duration::from_micros(100);

/// Where the core was away for so long meanwhile, somebody needs it: who yields to a busy program pays for it. Nobody
/// lingers for a while then.
const AWAY: Duration = Duration::from_micros(250);
const NO_LINGERING: Duration = Duration::from_secs(1);

/// Calls that follow each other this quickly travel together: a frame of its own costs a call more than all else.
const BURST: Duration = Duration::from_micros(50);

/// So many calls leave together at the latest, so that the server has work while its client makes more of it.
const GATHERED_MAX: u32 = 64;

/// A pause where only the other side can make progress: when there is something to read and HTTP/2 does not read it
/// before the peer has read something, and before saying goodbye again.
pub(super) const STALL: Duration = Duration::from_millis(5);

pub(super) struct Connection {
    pub(super) address: Address,
    pub(super) shortcut: Shortcut,
    /// `fork::generation()` of the process that it belongs to.
    pub(super) generation: u64,
    pub(super) desk: Mutex<Desk>,
    pub(super) wire: Mutex<Option<Wire>>,
    /// What had moved on the present wire when somebody last asked.
    progress: Mutex<Progress>,
    /// Something was posted since the last turn began.
    dirty: AtomicBool,
    /// How many calls have gathered since then.
    gathered: AtomicU32,
    /// When calls last left, in microseconds.
    left: AtomicU64,
    /// Answers that are in their slots, and whose callers have not been woken.
    pub(super) ready: Mutex<Completions>,
    pub(super) lead: Lead,
    /// What the leader sleeps in.
    pub(super) poller: Poller,
    /// The leader's last sleep was short.
    brisk: AtomicBool,
    /// Nobody lingers before, in microseconds.
    linger_from: AtomicU64,
    /// What the helper sleeps in.
    pub(super) helper: Arc<Poller>,
    pub(super) timer: Timer,
    pub(super) redial: Redial,
    /// The helper is to say goodbye.
    pub(super) leaving: AtomicBool,
}

/// The session and what belongs to its frames.
pub(super) struct Desk {
    pub(super) session: Session,
    /// Wakes the stream that takes frames.
    outbox: Option<Waker>,
    /// Why the last connection ended.
    pub(super) lost: Option<Error>,
    /// It was the connection that broke, not the server that refused.
    pub(super) cut: bool,
}

/// Making another connection after one was lost.
#[derive(Default)]
pub(super) struct Redial {
    pub(super) state: Mutex<Redialing>,
    pub(super) changed: Condvar,
}

#[derive(Default)]
pub(super) struct Redialing {
    /// A lost connection is replaced. Not before the first one has been made.
    pub(super) wanted: bool,
    /// A thread is at it.
    pub(super) running: bool,
    /// How long to wait before the next attempt.
    pub(super) pause: Duration,
}

impl Connection {
    pub(super) fn new(
        address: Address,
        shortcut: Shortcut,
        generation: u64,
        session: Session,
    ) -> io::Result<Self> {
        let helper = Arc::new(Poller::new()?);
        let timer = Timer::new()?;
        helper.add_timer(&timer)?;
        Ok(Connection {
            address,
            shortcut,
            generation,
            desk: Mutex::new(Desk { session, outbox: None, lost: None, cut: false }),
            wire: Mutex::new(None),
            progress: Mutex::default(),
            dirty: AtomicBool::new(false),
            gathered: AtomicU32::new(0),
            left: AtomicU64::new(0),
            ready: Mutex::default(),
            lead: Lead::new(helper.clone()),
            poller: Poller::new()?,
            brisk: AtomicBool::new(false),
            linger_from: AtomicU64::new(0),
            helper,
            timer,
            redial: Redial::default(),
            leaving: AtomicBool::new(false),
        })
    }

    /// Takes a new connection into use, and attaches the session to it.
    pub(super) fn adopt(self: &Arc<Self>, wire: Wire) -> io::Result<()> {
        let ends: Weak<Connection> = Arc::downgrade(self);
        {
            let mut current = lock(&self.wire);
            if self.is_closed() {
                return Ok(());
            }
            *lock(&self.progress) = Progress::default();
            self.install(&mut current, wire)?.attach(ends, &self.address);
            lock(&self.desk).session.on_connected(clock::now());
        }
        self.turn(Turn::default());
        self.look_soon();
        Ok(())
    }

    pub(super) fn install<'a>(&self, current: &'a mut Option<Wire>, wire: Wire) -> io::Result<&'a Wire> {
        wire.watch(&self.poller)?;
        self.lead.attach(wire.socket().clone())?;
        Ok(current.insert(wire))
    }

    pub(super) fn uninstall(&self, current: &mut Option<Wire>) {
        if let Some(wire) = current.take() {
            wire.unwatch(&self.poller);
            self.lead.detach();
        }
    }

    /// Whether the session is over for this client.
    pub(super) fn is_closed(&self) -> bool {
        lock(&self.desk).session.closed().is_some()
    }

    /// Does something with the session, then sends what follows from it.
    pub(super) fn post<T>(&self, act: impl FnOnce(&mut Session, &mut Completions) -> T) -> T {
        let mut completions = Completions::default();
        let (result, outbox) = {
            let mut desk = lock(&self.desk);
            let result = act(&mut desk.session, &mut completions);
            (result, desk.outbox.take())
        };
        lock(&self.ready).append(completions);
        if let Some(outbox) = outbox {
            outbox.wake();
        }
        self.turn(Turn::default());
        result
    }

    /// Starts a call. The first one leaves at once, and those that follow quickly gather: they leave when there are many,
    /// when somebody [wants an answer](Connection::send_gathered), or with the next frame. Within two milliseconds the
    /// helper looks.
    pub(super) fn start(&self, submit: impl FnOnce(&mut Session, Time) -> Arc<Slot>) -> Arc<Slot> {
        let now = clock::now();
        let (slot, outbox) = {
            let mut desk = lock(&self.desk);
            (submit(&mut desk.session, now), desk.outbox.take())
        };
        if let Some(outbox) = outbox {
            outbox.wake();
        }
        // After it is on the desk, so that a turn which does not count it takes it along.
        let gathered = self.gathered.fetch_add(1, Ordering::AcqRel) + 1;
        if gathered >= GATHERED_MAX || now.since(Time::from_micros(self.left.load(Ordering::Relaxed))) > BURST
        {
            self.left.store(now.micros, Ordering::Relaxed);
            self.turn(Turn::default());
        }
        self.timer.at_latest(now + HELPER_DELAY);
        slot
    }

    /// Sends the calls that have gathered.
    pub(super) fn send_gathered(&self) {
        if self.gathered.load(Ordering::Acquire) > 0 {
            self.left.store(clock::now().micros, Ordering::Relaxed);
            self.turn(Turn::default());
        }
    }

    /// Does something with the session that need not be sent now.
    pub(super) fn with_session<T>(&self, act: impl FnOnce(&mut Session) -> T) -> T {
        act(&mut lock(&self.desk).session)
    }

    /// The helper looks within a few milliseconds.
    pub(super) fn look_soon(&self) {
        self.timer.at_latest(clock::now() + HELPER_DELAY);
    }

    /// Sends what is ready, and reads if it may. If another thread is at it, that one looks again afterwards. True:
    /// answers were delivered.
    pub(super) fn turn(&self, turn: Turn) -> Turned {
        let mut read = turn.read;
        let mut turned = Turned::default();
        self.dirty.store(true, Ordering::SeqCst);
        loop {
            // Pairs with itself in the thread that finds the lock taken: it stored `dirty` before that, so the holder
            // sees it here, after unlocking.
            fence(Ordering::SeqCst);
            if !read && !self.dirty.load(Ordering::SeqCst) {
                break;
            }
            let mut wire = if read {
                lock(&self.wire)
            } else {
                match self.wire.try_lock() {
                    Ok(wire) => wire,
                    Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                    Err(TryLockError::WouldBlock) => break,
                }
            };
            self.dirty.store(false, Ordering::SeqCst);
            self.gathered.store(0, Ordering::SeqCst);
            if let Some(connected) = &*wire {
                if turn.writable {
                    connected.socket().writable();
                }
                let end = connected.drive(read);
                turned.stalled |= read && end.is_none() && connected.socket().is_unread();
                if let Some(end) = end {
                    self.lose(&mut wire, end);
                }
            }
            drop(wire);
            read = false;
            turned.delivered |= self.deliver();
        }
        if turned.delivered && !turn.read && self.lead.is_led() {
            // One of the answers may be the leader's, who looks for it only after a turn of its own.
            self.poller.ring();
        }
        turned
    }

    fn deliver(&self) -> bool {
        let mut ready = std::mem::take(&mut *lock(&self.ready));
        ready.deliver()
    }

    /// The connection is over.
    pub(super) fn lose(&self, wire: &mut MutexGuard<'_, Option<Wire>>, end: Verdict) {
        let cut = wire.as_ref().is_some_and(|wire| wire.socket().was_cut());
        self.uninstall(wire);
        let mut completions = Completions::default();
        {
            let mut desk = lock(&self.desk);
            desk.outbox = None;
            desk.cut = cut;
            match end {
                Verdict::Fatal(error) => {
                    desk.session.fail(error.clone(), &mut completions);
                    desk.lost = Some(error);
                }
                Verdict::Reconnect(error) => {
                    desk.session.on_lost(clock::now());
                    desk.lost = Some(error);
                }
                Verdict::Continue => desk.session.on_lost(clock::now()),
            }
        }
        lock(&self.ready).append(completions);
        // The helper dials again.
        self.helper.ring();
    }

    /// What is due in the session happens.
    pub(super) fn on_time(&self) {
        let news = self.is_moving();
        let verdict = self.post(|session, completions| {
            if news {
                session.on_progress(clock::now());
            }
            session.on_time(clock::now(), completions)
        });
        if verdict != Verdict::Continue {
            self.lose(&mut lock(&self.wire), verdict);
            self.turn(Turn::default());
        }
        let next = lock(&self.desk).session.next_deadline();
        if let Some(next) = next {
            self.timer.at_latest(next);
        }
    }

    /// Whether the other side has shown since this was asked last that it is there, frame or no frame.
    fn is_moving(&self) -> bool {
        let Ok(wire) = self.wire.try_lock() else { return false };
        wire.as_ref().is_some_and(|wire| lock(&self.progress).advances(wire.socket()))
    }

    /// Returns when the slot is ready, after `slice`, or when a signal arrives. Drives if nobody does.
    pub(super) fn wait(&self, slot: &Arc<Slot>, slice: Duration) {
        self.stay(slot, slice, |_| slot.is_ready());
    }

    /// Returns when `done`, or after `at_most`; a signal does not end it. True: it is done.
    pub(super) fn wait_until(&self, at_most: Duration, done: impl Fn() -> bool) -> bool {
        let until = clock::now() + at_most;
        let slot = Slot::new(Op(0));
        loop {
            let left = until.since(clock::now());
            if done() || left.is_zero() {
                return done();
            }
            self.stay(&slot, left.min(LOOK_EVERY), |_| done());
        }
    }

    /// Carries the connection for a slice; returns early when answers were delivered or a signal arrives.
    pub(super) fn drive(&self, slice: Duration, done: &dyn Fn() -> bool) {
        self.stay(&Slot::new(Op(0)), slice, |delivered| delivered || done());
    }

    /// Leads or follows until `done` (which is told whether answers were delivered just now), at most for `slice`.
    fn stay(&self, slot: &Arc<Slot>, slice: Duration, done: impl Fn(bool) -> bool) {
        self.send_gathered();
        let until = clock::now() + slice;
        let _visit = Visit::new(self);
        loop {
            let seen = slot.seen();
            let left = until.since(clock::now());
            if left.is_zero() || done(false) {
                return;
            }
            match self.lead.join(slot) {
                Role::Leader => {
                    let _leading = Leading(&self.lead);
                    self.lead_on(until, done);
                    return;
                }
                Role::Follower(number) => {
                    slot.park(seen, left);
                    if !self.lead.unlist(number) {
                        return;
                    }
                }
            }
        }
    }

    fn lead_on(&self, until: Time, done: impl Fn(bool) -> bool) {
        let mut delivered = false;
        while !done(delivered) {
            let now = clock::now();
            let left = until.since(now);
            if left.is_zero() {
                return;
            }
            let woken = self.sleep(now, left);
            if woken.interrupted {
                return;
            }
            delivered = false;
            // A bare edge is a peer that has read something: it has served its purpose.
            let writable = woken.writable && self.lead.wants_write();
            if woken.readable || writable {
                let turned = self.turn(Turn { read: true, writable });
                delivered = turned.delivered;
                if turned.stalled {
                    std::thread::sleep(STALL.min(left));
                }
            }
        }
    }

    /// Sleeps until something happens, at most for `at_most`; lingers first where answers come quickly.
    fn sleep(&self, began: Time, at_most: Duration) -> Woken {
        let mut now = began;
        let lingers =
            self.brisk.load(Ordering::Relaxed) && self.linger_from.load(Ordering::Relaxed) <= now.micros;
        while lingers && now.since(began) < LINGER.min(at_most) {
            // The server, or whoever else is to run on this core, goes first.
            std::thread::yield_now();
            let woken = self.poller.wait(Some(Duration::ZERO));
            let before = std::mem::replace(&mut now, clock::now());
            if now.since(before) > AWAY {
                self.linger_from.store((now + NO_LINGERING).micros, Ordering::Relaxed);
            }
            if woken != Woken::default() {
                return woken;
            }
        }
        let woken = self.poller.wait(Some(at_most));
        if woken.readable || woken == Woken::default() {
            self.brisk.store(clock::now().since(began) < BRISK, Ordering::Relaxed);
        }
        woken
    }
}

impl Ends for Connection {
    fn next_frame(&self, waker: &Waker) -> Option<AttachRequest> {
        let mut desk = lock(&self.desk);
        let frame = desk.session.next_frame(clock::now());
        desk.outbox = frame.is_none().then(|| waker.clone());
        frame
    }

    fn is_over(&self) -> bool {
        self.is_closed()
    }

    fn on_frame(&self, frame: AttachResponse) -> Verdict {
        let welcome = frame.welcome.is_some();
        let mut completions = Completions::default();
        let (verdict, outbox) = {
            let mut desk = lock(&self.desk);
            if desk.session.closed().is_some() {
                return Verdict::Continue;
            }
            let now = clock::now();
            let verdict = desk.session.on_frame(now, frame, &mut completions);
            // Most frames bring answers and call for none.
            let outbox = if desk.session.may_have_frame(now) { desk.outbox.take() } else { None };
            (verdict, outbox)
        };
        lock(&self.ready).append(completions);
        if welcome {
            self.shortcut.welcomed();
        }
        if welcome && verdict == Verdict::Continue {
            let mut redial = lock(&self.redial.state);
            redial.pause = Duration::ZERO;
            redial.wanted = true;
        }
        if let Some(outbox) = outbox {
            outbox.wake();
        }
        verdict
    }
}

/// What a turn may do beside sending.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    /// Read; for the leader only.
    pub(super) read: bool,
    /// The socket's buffer has room.
    pub(super) writable: bool,
}

/// What came of a turn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turned {
    /// Answers reached their slots.
    pub(super) delivered: bool,
    /// There was something to read and nobody read it.
    pub(super) stalled: bool,
}

/// A thread that is here to wait.
struct Visit<'a>(&'a Connection);

impl<'a> Visit<'a> {
    fn new(connection: &'a Connection) -> Self {
        connection.lead.enter();
        Visit(connection)
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        if self.0.lead.leave() {
            self.0.look_soon();
        }
    }
}

/// The thread that leads.
struct Leading<'a>(&'a Lead);

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        self.0.resign();
    }
}

//! The link to a server over gRPC, driven by whoever waits.
//!
//! There is no runtime and no thread that a call has to pass: tonic's channel lives on an [executor] without a thread
//! and on a [socket] that never waits. The thread that waits for an answer [leads](lead): it sleeps in the
//! connection's epoll instance, reads, and delivers the others' answers too. A [helper] thread carries heartbeats and
//! what nobody waits for. `docs/adr/0001-who-drives-the-connection.md` has the reasons and the figures.

mod closing;
mod connection;
mod descriptor;
mod dial;
mod executor;
mod helper;
mod lead;
mod poller;
mod process;
mod shortcut;
mod socket;
mod timer;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

use bridge_core::Time;
use bridge_core::error::{Error, Reason};
use bridge_core::ids::{Op, ParticipantId, Token};
use bridge_core::wire::duration_field;
use syncbridge_proto::v1 as pb;

use super::slot::Slot;
use super::{Answered, Identity, Link, Settle, Several, Started, Submission};
use crate::bridge::ConnectOptions;
use crate::clock;
use crate::fork;
use crate::mutex::lock;
use crate::object::Object;
use crate::session::Session;
use crate::url::Url;
use connection::Connection;
use dial::Address;
use shortcut::Shortcut;

/// Op numbers of different processes differ in the bits from here up, so that a call which a child inherited from its
/// parent is never taken for one of its own.
const GENERATION_SHIFT: u32 = 40;

/// Connects, opens the session and returns when it is welcome. `UNAVAILABLE` after `connect_timeout`.
pub(crate) fn connect(url: &Url, options: &ConnectOptions) -> Result<Arc<dyn Link>, Error> {
    let recipe = Recipe::new(url, options)?;
    let connection = recipe.prepare()?;
    let until = clock::now() + options.connect_timeout;
    if let Err(error) = shake_hands(&connection, until) {
        connection.retire(error.clone());
        return Err(error);
    }
    if !lock(&connection.desk).session.is_attached() {
        let error = Error::new(
            Reason::Unavailable,
            format!(
                "{}{} accepted the connection and has not answered within {:?}; check that a syncbridge server \
                 listens there",
                connection.address,
                if connection.shortcut.is_unwelcome() { " (its local socket)" } else { "" },
                options.connect_timeout
            ),
        );
        connection.retire(error.clone());
        return Err(error);
    }
    helper::start(&connection).map_err(no_resources)?;
    connection.look_soon();
    Ok(Arc::new(GrpcLink { current: AtomicPtr::new(Arc::into_raw(connection).cast_mut()), recipe }))
}

/// Dials, says hello, and returns when the server has answered or the time is over. A connection that is cut meanwhile
/// is made again, and so is one to somebody at a local socket who is no server; one that is refused is not.
fn shake_hands(connection: &Arc<Connection>, until: Time) -> Result<(), Error> {
    let mut pause = helper::FIRST_PAUSE;
    let mut before = None;
    loop {
        let left = until.since(clock::now());
        if let Err(error) = helper::connect_once(connection, left) {
            return Err(before.unwrap_or(error));
        }
        connection.wait_until(left, || {
            let desk = lock(&connection.desk);
            desk.session.is_attached() || desk.session.closed().is_some() || desk.lost.is_some()
        });
        let mut desk = lock(&connection.desk);
        let Some(error) = desk.lost.take() else { return Ok(()) };
        // Whoever has the name of a local socket and is no server says nothing about the one at the TCP port.
        let worth_it = desk.cut || connection.shortcut.is_unwelcome();
        let again = worth_it && desk.session.closed().is_none() && until.since(clock::now()) > pause;
        if !again {
            return Err(error);
        }
        drop(desk);
        before = Some(error);
        std::thread::sleep(pause);
        pause = (pause * 2).min(helper::LONGEST_PAUSE);
    }
}

fn no_resources(error: std::io::Error) -> Error {
    Error::new(Reason::Unavailable, format!("the system has no descriptors or threads left: {error}"))
}

/// What a connection is made from, again in a forked child.
struct Recipe {
    address: Address,
    /// A server on this host may be reached by its local socket.
    local: bool,
    namespace: String,
    options: ConnectOptions,
}

impl Recipe {
    fn new(url: &Url, options: &ConnectOptions) -> Result<Self, Error> {
        let (address, namespace) = match url {
            Url::Tcp { host, port, namespace } => (Address::Tcp(host.clone(), *port), namespace),
            Url::Unix { path, namespace } => (Address::Unix(path.clone()), namespace),
            Url::Mem(_) => return Err(Error::new(Reason::Internal, "mem: has no server")),
        };
        let local = shortcut::allowed_by_environment()? && options.local;
        Ok(Recipe { address, local, namespace: namespace.to_string(), options: options.clone() })
    }

    /// A connection of this process that has not been made yet.
    fn prepare(&self) -> Result<Arc<Connection>, Error> {
        let identity = Identity::new(&self.options);
        let spec = pb::SessionSpec {
            id: super::random_u128()?.to_be_bytes().to_vec().into(),
            secret: super::random_u128()?.to_be_bytes().to_vec().into(),
            namespace: self.namespace.clone(),
            ttl: Some(duration_field(self.options.session_ttl)),
            label: identity.label.clone(),
            process: Some(process::identity(identity)),
            ..pb::SessionSpec::default()
        };
        let generation = fork::generation();
        let session = Session::numbered_from(spec, Op((generation << GENERATION_SHIFT) + 1))
            .with_outbox_bytes_max(self.options.outbox_bytes_max);
        let shortcut = Shortcut::new(self.local);
        let connection = Connection::new(self.address.clone(), shortcut, generation, session);
        Ok(Arc::new(connection.map_err(no_resources)?))
    }
}

/// The link of one bridge: a connection, and in a forked child another one.
struct GrpcLink {
    /// From `Arc::into_raw`. A parent's is leaked in its child: no destructor of it may run there.
    current: AtomicPtr<Connection>,
    recipe: Recipe,
}

impl GrpcLink {
    /// The connection of this process. In a forked child the first use begins a new session in the background.
    fn connection(&self) -> Result<&Connection, Error> {
        let current = self.current.load(Ordering::Acquire);
        // SAFETY: what was stored is never freed before `self` is dropped.
        let connection = unsafe { &*current };
        if connection.generation == fork::generation() {
            return Ok(connection);
        }
        let fresh = self.recipe.prepare()?;
        let started = fresh.clone();
        let fresh = Arc::into_raw(fresh).cast_mut();
        match self.current.compare_exchange(current, fresh, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                helper::start(&started).map_err(no_resources)?;
                lock(&started.redial.state).wanted = true;
                started.helper.ring();
                // SAFETY: as above.
                Ok(unsafe { &*fresh })
            }
            Err(other) => {
                // SAFETY: from `into_raw` above, and stored nowhere.
                drop(unsafe { Arc::from_raw(fresh) });
                // SAFETY: as above.
                Ok(unsafe { &*other })
            }
        }
    }

    /// The connection of this process, unless it is a forked child that has not used the bridge.
    fn begun(&self) -> Option<&Connection> {
        // SAFETY: as in `connection`.
        let connection = unsafe { &*self.current.load(Ordering::Acquire) };
        (connection.generation == fork::generation()).then_some(connection)
    }

    /// The connection that the call belongs to; `None` if it was started in a parent of this process.
    fn of(&self, op: Op) -> Option<&Connection> {
        let connection = self.connection().ok()?;
        (op.0 >> GENERATION_SHIFT == connection.generation).then_some(connection)
    }
}

impl Drop for GrpcLink {
    fn drop(&mut self) {
        let current = *self.current.get_mut();
        // SAFETY: as in `connection`.
        if unsafe { &*current }.generation != fork::generation() {
            return;
        }
        // SAFETY: from `into_raw`, and nobody else has this one reference.
        let connection = unsafe { Arc::from_raw(current) };
        connection.say_goodbye();
    }
}

fn inherited() -> Error {
    Error::new(
        Reason::OutcomeUnknown,
        "the call was started before the process was forked and belongs to the parent; start it anew",
    )
}

fn failed(error: Error) -> Started {
    Started::Answered(Answered { op: Op(0), outcome: Err(error), offered: false })
}

impl GrpcLink {
    fn begin(&self, submit: impl FnOnce(&Connection) -> Arc<Slot>) -> Started {
        match self.connection() {
            Ok(connection) => Started::Waiting(submit(connection)),
            Err(error) => failed(error),
        }
    }
}

impl Link for GrpcLink {
    fn start(&self, submission: Submission) -> Started {
        self.begin(|connection| connection.start(|session, now| session.submit(now, submission)))
    }

    fn start_many(&self, submission: Submission, count: usize) -> Vec<Started> {
        match self.connection() {
            Ok(connection) => {
                let now = clock::now();
                let slots: Vec<_> = connection
                    .post(|session, _| (0..count).map(|_| session.submit(now, submission.clone())).collect());
                connection.look_soon();
                slots.into_iter().map(Started::Waiting).collect()
            }
            Err(error) => vec![failed(error)],
        }
    }

    fn start_later(&self, submission: Submission) -> Option<Started> {
        let connection = match self.connection() {
            Ok(connection) => connection,
            Err(error) => return Some(failed(error)),
        };
        let (slot, due) = connection.with_session(|session| {
            let slot = session.submit_later(clock::now(), submission);
            let due = slot.is_some().then(|| session.next_deadline());
            (slot, due.flatten())
        });
        if let Some(due) = due {
            connection.timer.at_latest(due);
        }
        slot.map(Started::Waiting)
    }

    fn start_several(&self, submission: Several) -> Started {
        self.begin(|connection| connection.start(|session, now| session.submit_several(now, submission)))
    }

    fn send(&self) {
        if let Some(connection) = self.begun() {
            connection.send_gathered();
        }
    }

    fn claim(&self, slot: &Slot) -> Option<Answered> {
        let Some(connection) = self.of(slot.op()) else { return slot.take() };
        let claimed = connection.with_session(|session| session.claim(clock::now(), slot));
        if claimed.is_none() {
            // Whether the session lives is asked with a heartbeat.
            connection.post(|_, _| ());
            connection.look_soon();
        }
        claimed
    }

    fn wait(&self, slot: &Arc<Slot>, slice: Duration) {
        match self.of(slot.op()) {
            Some(connection) => connection.wait(slot, slice),
            None => {
                slot.put(Answered { op: slot.op(), outcome: Err(inherited()), offered: false });
                slot.wake();
            }
        }
    }

    fn wait_for(&self, signal: &Arc<Slot>, slice: Duration) {
        if let Ok(connection) = self.connection() {
            connection.wait(signal, slice);
        }
    }

    fn ring(&self) {
        if let Some(connection) = self.begun()
            && connection.lead.is_led()
        {
            connection.poller.ring();
        }
    }

    fn settle(&self, op: Op, how: Settle) -> Result<(), Error> {
        let Some(connection) = self.of(op) else {
            return if how == Settle::Refuse { Ok(()) } else { Err(inherited()) };
        };
        if how == Settle::Refuse {
            let refused = connection.post(|session, _| session.settle(clock::now(), op, how));
            connection.look_soon();
            return refused;
        }
        let (settled, due) = connection
            .with_session(|session| (session.settle(clock::now(), op, how), session.next_deadline()));
        if let Some(due) = due {
            connection.timer.at_latest(due);
        }
        settled
    }

    fn cancel(&self, slot: &Arc<Slot>) {
        if let Some(connection) = self.of(slot.op()) {
            connection.post(|session, completions| session.cancel(clock::now(), slot, completions));
            connection.look_soon();
        }
    }

    fn hasten(&self, slot: &Arc<Slot>) {
        if let Some(connection) = self.of(slot.op()) {
            connection.post(|session, _| session.hasten(clock::now(), slot));
            connection.look_soon();
        }
    }

    fn abandon(&self, slot: &Arc<Slot>) {
        if let Some(connection) = self.of(slot.op()) {
            connection.post(|session, _| session.abandon(clock::now(), slot));
            connection.look_soon();
        }
    }

    fn declare(&self, object: &Arc<Object>) -> Result<(), Error> {
        let connection = self.connection()?;
        let due = connection.with_session(|session| {
            if let Some(error) = session.closed() {
                return Err(error.clone());
            }
            session.declare(clock::now(), object);
            Ok(session.next_deadline())
        })?;
        if let Some(due) = due {
            connection.timer.at_latest(due);
        }
        Ok(())
    }

    fn share_all(&self) -> bool {
        // What a forked child has inherited was shared before the fork.
        self.begun().is_some_and(|connection| connection.with_session(|s| s.share_all(clock::now())))
    }

    fn is_lost(&self, token: Token) -> bool {
        // A forked child holds nothing of what its parent was granted.
        self.begun().is_none_or(|connection| connection.with_session(|session| session.is_lost(token)))
    }

    fn discard(&self, object: &Object) {
        if let Ok(connection) = self.connection() {
            let due = connection.with_session(|session| {
                session.discard(clock::now(), object);
                session.next_deadline()
            });
            if let Some(due) = due {
                connection.timer.at_latest(due);
            }
        }
    }

    fn announce(&self, who: ParticipantId, label: String) {
        if let Ok(connection) = self.connection() {
            connection.with_session(|session| session.announce(who, label));
        }
    }

    fn drive(&self, slice: Duration, done: &dyn Fn() -> bool) {
        if let Ok(connection) = self.connection() {
            connection.drive(slice, done);
        }
    }

    fn flush(&self, at_most: Duration) -> Result<(), Error> {
        self.connection()?.flush(at_most)
    }

    fn close(&self, at_most: Duration) -> Result<(), Error> {
        let Some(connection) = self.begun() else { return Ok(()) };
        if at_most.is_zero() {
            connection.say_goodbye();
            return Ok(());
        }
        connection.close(at_most)
    }
}

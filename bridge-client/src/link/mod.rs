//! What carries calls to an engine and answers back.

pub(crate) mod grpc;
pub(crate) mod mem;
mod slot;

use std::sync::Arc;
use std::time::Duration;

use bridge_core::command::queue::{Delivery, NewItem};
use bridge_core::ids::{ItemId, Op, ParticipantId, Token};
use bridge_core::{Error, Outcome, Reason, Request};

pub use slot::Slot;

use crate::bridge::ConnectOptions;
use crate::object::Object;

/// A call on its way to an engine.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Who calls.
    pub who: ParticipantId,
    /// What it is about. The request's target is renewed from it whenever the request is sent.
    pub object: Arc<Object>,
    /// What is asked.
    pub request: Request,
}

/// A call about several objects on its way to an engine.
#[derive(Clone, Debug)]
pub struct Several {
    /// Who calls.
    pub who: ParticipantId,
    /// What each of its parts is about. Their targets are renewed from it whenever the request is sent.
    pub objects: Box<[Arc<Object>]>,
    /// What is asked.
    pub request: Request,
}

/// How a call ended.
#[derive(Debug)]
pub struct Answered {
    /// Its number.
    pub op: Op,
    /// Its end.
    pub outcome: Outcome,
    /// A grant that must be settled: it is the caller's only once [`Session::settle`](crate::session::Session::settle) has accepted it.
    pub offered: bool,
}

/// A call that has been started.
pub(crate) enum Started {
    /// It has ended already.
    Answered(Answered),
    /// Its answer will land here.
    Waiting(Arc<Slot>),
}

/// What becomes of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settle {
    /// It has reached its caller.
    Accept,
    /// Nobody takes it: what it gave returns to its place.
    Refuse,
}

/// A way to an engine. No method but `wait`, `wait_for`, `drive`, `flush` and `close` blocks.
pub(crate) trait Link: Send + Sync {
    /// Starts a call. Those that follow each other quickly may gather for a moment, until somebody waits or
    /// [`Link::send`] is called.
    fn start(&self, submission: Submission) -> Started;

    /// Starts the same call so many times, at least once.
    fn start_many(&self, submission: Submission, count: usize) -> Vec<Started>;

    /// Starts a call that nobody waits for: it leaves with the next frame, which leaves within a few milliseconds. `None`: an
    /// earlier one stands for it.
    fn start_later(&self, submission: Submission) -> Option<Started>;

    /// Starts a call about several objects.
    fn start_several(&self, submission: Several) -> Started;

    /// Puts an item, where an engine in this process can do so at once. `None`: nothing has happened, and it is to be called.
    fn put_at_once(&self, _who: ParticipantId, _queue: &Object, _item: &mut NewItem) -> Option<ItemId> {
        None
    }

    /// Takes an item for good, where an engine in this process can do so at once. `None`: nothing has happened.
    fn get_at_once(&self, _who: ParticipantId, _queue: &Object) -> Option<Delivery> {
        None
    }

    /// What was started leaves now: somebody wants its answer and does not wait here for it.
    fn send(&self) {}

    /// Takes the answer out of the slot. `None`: not there, or a grant that cannot be handed out now because the
    /// session is not known to be alive; the slot is then waited for again.
    fn claim(&self, slot: &Slot) -> Option<Answered>;

    /// Returns when the slot is ready, after `slice`, or when a signal arrives, whichever is first. Drives the
    /// connection if nobody does. May return early for no reason.
    fn wait(&self, slot: &Arc<Slot>, slice: Duration);

    /// As [`Link::wait`], for a slot that belongs to no call, and which somebody [signals](Slot::signal).
    fn wait_for(&self, signal: &Arc<Slot>, slice: Duration);

    /// Whoever waits looks whether its slot is ready: one that was not filled by an answer.
    fn ring(&self);

    /// Settles a claimed grant. An accept fails where the session was lost, or is not known to be alive: the
    /// grant is not the caller's then. A refusal never fails.
    fn settle(&self, op: Op, how: Settle) -> Result<(), Error>;

    /// Asks for the call to be withdrawn. Its slot receives the definite answer, `CANCELLED` or another.
    fn cancel(&self, slot: &Arc<Slot>);

    /// The caller of a take that prefetches waits for it now.
    fn hasten(&self, slot: &Arc<Slot>);

    /// Nobody waits any more: withdraws the call, and refuses what it is granted.
    fn abandon(&self, slot: &Arc<Slot>);

    /// Declares an anonymous object, without waiting for an answer from afar: said with the next frame, which leaves
    /// within a few milliseconds. If it is refused, the calls on the object say so, unless this does.
    fn declare(&self, object: &Arc<Object>) -> Result<(), Error>;

    /// Says of all anonymous objects that other processes are told of them. True if there is any of which that had not
    /// been said; a flush waits until it has.
    fn share_all(&self) -> bool;

    /// Whether what was granted under that token is known to be lost.
    fn is_lost(&self, token: Token) -> bool;

    /// The session uses the object no more: said with the next frame, which leaves within a few milliseconds.
    fn discard(&self, object: &Object);

    /// Gives a participant its label.
    fn announce(&self, who: ParticipantId, label: String);

    /// Carries the connection for a slice; returns early when answers were delivered, a signal arrives, or it is
    /// `done`, which is asked whenever somebody else may have delivered.
    fn drive(&self, slice: Duration, done: &dyn Fn() -> bool);

    /// Returns when everything posted so far has reached the engine. `UNAVAILABLE` after `at_most`.
    fn flush(&self, at_most: Duration) -> Result<(), Error>;

    /// Flushes, then ends the session: everything held goes back. Later calls fail.
    fn close(&self, at_most: Duration) -> Result<(), Error>;
}

/// Random bits from the system.
pub(crate) fn random_u128() -> Result<u128, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(Reason::Internal, format!("the system gave no random numbers for a session: {error}"))
    })?;
    Ok(u128::from_ne_bytes(bytes))
}

/// Who this process is, for people.
pub(crate) struct Identity {
    pub(crate) label: String,
    pub(crate) host: String,
    pub(crate) language: String,
    pub(crate) pid: u32,
}

impl Identity {
    pub(crate) fn new(options: &ConnectOptions) -> Self {
        let executable = || {
            let path = std::env::current_exe().ok()?;
            Some(path.file_name()?.to_string_lossy().into_owned())
        };
        Identity {
            label: options.label.clone().or_else(executable).unwrap_or_default(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            language: options.language.to_owned(),
            pid: std::process::id(),
        }
    }
}

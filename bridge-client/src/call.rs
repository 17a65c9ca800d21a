//! A call under way, and what it is granted.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bridge_core::ids::Op;
use bridge_core::{Error, Reason, Reply, Request};

use crate::clock;
use crate::link::{Answered, Settle, Slot, Started};
use crate::usage::{Usage, Uses};

/// Reads the value of a call out of its reply.
type Read<T> = fn(Reply) -> Option<T>;

/// A call that has been started. It runs by itself; dropped before its end it is withdrawn, and whatever it is
/// granted then goes back. (In `mem:` a call that can be granted at once has ended when it is made.)
#[must_use = "a dropped call is withdrawn"]
pub struct Call<T> {
    uses: Uses,
    read: Read<T>,
    state: State<T>,
    /// Whether what it does can be withdrawn without a trace, or is unknown without an answer.
    gives: bool,
}

enum State<T> {
    Waiting(Arc<Slot>),
    Answered(Answered),
    Failed(Error),
    Known(T),
    Over,
}

impl<T> Call<T> {
    pub(crate) fn new(uses: Uses, started: Started, gives: bool, read: Read<T>) -> Self {
        let state = match started {
            Started::Answered(answered) => State::Answered(answered),
            Started::Waiting(slot) => State::Waiting(slot),
        };
        Call { uses, read, state, gives }
    }

    pub(crate) fn failed(uses: Uses, error: Error, read: Read<T>) -> Self {
        Call { uses, read, state: State::Failed(error), gives: false }
    }

    /// One that has ended well without having been made.
    pub(crate) fn known(usage: Arc<Usage>, value: T) -> Self {
        Call { uses: usage.into(), read: |_| None, state: State::Known(value), gives: false }
    }

    /// Waits at most `slice`, driving the connection if nobody does. `None`: not yet. A signal ends the slice early.
    pub fn wait(&mut self, slice: Duration) -> Option<Result<Granted<T>, Error>> {
        if let Some(result) = self.poll_take() {
            return Some(result);
        }
        let end = clock::now() + slice;
        loop {
            let State::Waiting(slot) = &self.state else { return None };
            let left = end.since(clock::now());
            if left.is_zero() {
                return None;
            }
            self.uses.link().wait(slot, left);
            if !slot.is_ready() {
                return None;
            }
            if let Some(result) = self.poll_take() {
                return Some(result);
            }
        }
    }

    /// Waits to the end and accepts. A signal does not end it.
    pub fn finish(mut self) -> Result<T, Error> {
        loop {
            if let Some(result) = self.wait(Duration::from_secs(3600)) {
                return result.and_then(Granted::accept);
            }
        }
    }

    /// `f` is called once when the call may have ended, from whichever thread delivers, with no lock held; at once
    /// if it has ended. Then [`Call::poll_take`]; should that give `None` (the session was lost meanwhile, and the
    /// call moved to a new one), register again.
    pub fn on_ready(&self, f: impl FnOnce() + Send + 'static) {
        match &self.state {
            State::Waiting(slot) => {
                slot.on_ready(Box::new(f));
                self.uses.link().send();
            }
            _ => f(),
        }
    }

    /// The end of the call, if it has ended.
    pub fn poll_take(&mut self) -> Option<Result<Granted<T>, Error>> {
        let answered = match std::mem::replace(&mut self.state, State::Over) {
            State::Answered(answered) => answered,
            State::Failed(error) => return Some(Err(error)),
            State::Known(value) => return Some(Ok(Granted { value, grant: None })),
            State::Over => return None,
            State::Waiting(slot) => {
                let claimed = if slot.is_ready() { self.uses.link().claim(&slot) } else { None };
                let Some(answered) = claimed else {
                    self.state = State::Waiting(slot);
                    return None;
                };
                answered
            }
        };
        let grant =
            answered.offered.then(|| Grant { uses: self.uses.clone(), op: answered.op, accepted: false });
        Some(answered.outcome.and_then(|reply| match (self.read)(reply) {
            Some(value) => Ok(Granted { value, grant }),
            None => Err(Error::new(Reason::Internal, "the server's answer does not fit the request")),
        }))
    }

    /// How the call ended, if it has, for those who do not want its value.
    pub(crate) fn poll_end(&mut self) -> Option<Result<(), Error>> {
        self.poll_take().map(|result| result.and_then(Granted::accept).map(drop))
    }

    /// Where its answer lands, if it is under way.
    pub(crate) fn slot(&self) -> Option<Arc<Slot>> {
        if let State::Waiting(slot) = &self.state { Some(slot.clone()) } else { None }
    }

    /// Asks for the call to be withdrawn, and returns at once. Its end is the definite answer: `CANCELLED`, and nothing
    /// of it remains, or how it had ended otherwise. [`Call::give_up`] where that does not come in time.
    pub fn request_cancel(&self) {
        if let State::Waiting(slot) = &self.state {
            self.uses.link().cancel(slot);
        }
    }

    /// The caller of a take that prefetches waits for it now. Returns at once.
    pub(crate) fn hasten(&self) {
        if let State::Waiting(slot) = &self.state {
            self.uses.link().hasten(slot);
        }
    }

    /// How a call ends whose withdrawal is not answered in time: what only takes counts as withdrawn, `CANCELLED` (what
    /// it is granted goes back), and what gives is `OUTCOME_UNKNOWN`.
    pub fn give_up(self) -> Error {
        if self.gives {
            Error::new(
                Reason::OutcomeUnknown,
                "the call was withdrawn, and no answer came in time to say whether it had taken effect",
            )
        } else {
            Error::new(Reason::Cancelled, "the call was cancelled by its caller")
        }
    }

    /// Asks for the call to be withdrawn, and waits for nothing: it still ends by its own answer. For the wait of a
    /// condition, which ends with its lock, whatever ended the waiting.
    pub fn ask_to_cancel(&self) {
        if let State::Waiting(slot) = &self.state {
            self.uses.link().cancel(slot);
        }
    }

    /// Withdraws the call and says how it ended: `None`, it was withdrawn and nothing of it remains; `Some`, it had
    /// ended otherwise. Waits for the answer at most `patience`, then [gives up](Call::give_up).
    pub fn cancel(mut self, patience: Duration) -> Option<Result<Granted<T>, Error>> {
        self.request_cancel();
        let end = clock::now() + patience;
        let result = loop {
            match self.wait(end.since(clock::now())) {
                Some(result) => break result,
                None if clock::now() < end => {}
                None => break Err(self.give_up()),
            }
        };
        match result {
            Err(error) if error.reason == Reason::Cancelled => None,
            result => Some(result),
        }
    }
}

impl<T> Drop for Call<T> {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Waiting(slot) => self.uses.link().abandon(&slot),
            State::Answered(Answered { op, offered: true, .. }) => {
                // A refusal never fails.
                let _ = self.uses.link().settle(op, Settle::Refuse);
            }
            _ => {}
        }
    }
}

impl<T> Unpin for Call<T> {}

impl<T> Future for Call<T> {
    type Output = Result<Granted<T>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            if let Some(result) = self.poll_take() {
                return Poll::Ready(result);
            }
            match &self.state {
                State::Waiting(slot) if !slot.set_waker(context.waker()) => {}
                _ => {
                    self.uses.link().send();
                    return Poll::Pending;
                }
            }
        }
    }
}

struct Grant {
    uses: Uses,
    op: Op,
    accepted: bool,
}

impl Drop for Grant {
    fn drop(&mut self) {
        if !self.accepted {
            // A refusal never fails.
            let _ = self.uses.link().settle(self.op, Settle::Refuse);
        }
    }
}

/// The value of a call that ended well. Until it is accepted it is an offer, unless it [is final](Granted::is_final);
/// dropped, it goes back.
#[must_use = "a grant that is dropped goes back"]
pub struct Granted<T> {
    value: T,
    grant: Option<Grant>,
}

impl<T> Granted<T> {
    /// Whether it is the caller's own already: nothing was granted, or an engine in this process (`mem:`) granted it
    /// within the call that asked. Dropping it gives nothing back then.
    pub fn is_final(&self) -> bool {
        self.grant.is_none()
    }

    /// Makes it the caller's own: the caller's last step, after decoding. Fails where the session was lost meanwhile,
    /// or is not known to be alive (the process was stopped): then it has gone back.
    pub fn accept(self) -> Result<T, Error> {
        if let Some(mut grant) = self.grant {
            grant.uses.link().settle(grant.op, Settle::Accept)?;
            grant.accepted = true;
        }
        Ok(self.value)
    }
}

impl<T> Deref for Granted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Whether a request changes something that an engine does not take back with the session: without its answer its
/// outcome is unknown.
pub(crate) fn gives(request: &Request) -> bool {
    use bridge_core::command::{
        Command, barrier, condition, event, latch, list, lock, pipe, queue, rwlock, semaphore, timer, topic,
        value,
    };
    match request {
        Request::Query(_) => false,
        Request::Command(Command::Select(select)) => select.branches.iter().any(|command| {
            matches!(command, Command::Queue(_, queue::Command::Put { .. } | queue::Command::PutMany { .. }))
        }),
        Request::Command(Command::Queue(_, command)) => !matches!(
            command,
            queue::Command::Declare(_) | queue::Command::Take { .. } | queue::Command::Join { .. }
        ),
        Request::Command(Command::AcquireAll(_)) => false,
        Request::Command(Command::Transaction(_)) => true,
        Request::Command(Command::Event(_, command)) => {
            !matches!(command, event::Command::Declare(_) | event::Command::Wait { .. })
        }
        Request::Command(Command::Semaphore(_, command)) => !matches!(
            command,
            semaphore::Command::Declare(_) | semaphore::Command::Acquire(_) | semaphore::Command::Drain
        ),
        Request::Command(Command::Lock(_, command)) => matches!(command, lock::Command::Release { .. }),
        Request::Command(Command::RwLock(_, command)) => matches!(command, rwlock::Command::Release { .. }),
        Request::Command(Command::Condition(_, command)) => {
            matches!(command, condition::Command::Notify { .. })
        }
        Request::Command(Command::Barrier(_, command)) => !matches!(command, barrier::Command::Declare(_)),
        Request::Command(Command::Latch(_, command)) => matches!(command, latch::Command::CountDown { .. }),
        Request::Command(Command::Value(_, command) | Command::Dict(_, command)) => {
            !matches!(command, value::Command::Declare(_) | value::Command::Watch { .. })
        }
        Request::Command(Command::List(_, command)) => {
            !matches!(command, list::Command::Declare(_) | list::Command::Watch { .. })
        }
        Request::Command(Command::Timer(_, command)) => !matches!(command, timer::Command::Declare(_)),
        Request::Command(Command::Pipe(_, command)) => {
            matches!(command, pipe::Command::Send { .. } | pipe::Command::Close { .. })
        }
        Request::Command(Command::Topic(_, command)) => !matches!(command, topic::Command::Declare(_)),
        Request::Command(
            Command::Cancel(_) | Command::Hasten(_) | Command::Discard(..) | Command::Share(..),
        ) => false,
    }
}

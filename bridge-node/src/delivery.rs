//! The way out: answers are collected under the engine's lock and handed over after it, in order per outbox.

use std::sync::Arc;
use std::time::Duration;

use bridge_core::command::Outcome;
use bridge_core::error::Error;
use bridge_core::ids::Op;
use parking_lot::Mutex;

use crate::backlog::Backlog;

/// How a call ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The call's number.
    pub op: Op,
    /// How it ended.
    pub outcome: Outcome,
    /// A grant that is an offer until it is settled.
    pub offered: bool,
}

/// Where the answers of an attached session go: a connection's stream, or the slots of callers in this process.
///
/// Called without any lock of the node held, by one thread at a time, in the order of execution. It must not
/// block; it may call the node.
pub trait Outbox: Send + Sync {
    /// Takes all of `answers`.
    fn deliver(&self, answers: &mut Vec<Answer>);
    /// Nothing more will come: the session is over or lives on another stream, as `why` says.
    fn end(&self, why: Error);
    /// All frames of the stream up to this sequence have been executed, and the journal has them: the client need not
    /// send again what they settled. Called before the answers that became durable with them are delivered.
    fn confirm(&self, _sequence: u64) {}
    /// How much waits in it to be read, where somebody may read too slowly. Each answer is added before it is delivered.
    fn backlog(&self) -> Option<&Backlog> {
        None
    }
    /// For how long nothing at all has come from the other side of it, be it a part of a frame. `None`: it cannot tell.
    fn silent_for(&self) -> Option<Duration> {
        None
    }
}

/// An outbox with its queue. Whoever makes the queue non-empty delivers it; who comes meanwhile only adds.
pub(crate) struct Mail {
    outbox: Arc<dyn Outbox>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    answers: Vec<Answer>,
    confirmed: Option<u64>,
    end: Option<Error>,
    /// Nothing is accepted after the end.
    closed: bool,
    /// Somebody has the duty to deliver.
    claimed: bool,
}

impl Mail {
    pub(crate) fn new(outbox: Arc<dyn Outbox>) -> Arc<Self> {
        Arc::new(Mail { outbox, state: Mutex::default() })
    }

    pub(crate) fn is(&self, outbox: &Arc<dyn Outbox>) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.outbox), Arc::as_ptr(outbox))
    }

    pub(crate) fn backlog(&self) -> Option<&Backlog> {
        self.outbox.backlog()
    }

    pub(crate) fn silent_for(&self) -> Option<Duration> {
        self.outbox.silent_for()
    }

    /// True: the caller must call [`Mail::deliver`] once it has unlocked the engine.
    #[must_use]
    pub(crate) fn push(&self, answer: Answer) -> bool {
        let mut state = self.state.lock();
        if state.closed {
            return false;
        }
        state.answers.push(answer);
        !std::mem::replace(&mut state.claimed, true)
    }

    /// As [`Mail::push`]: frames up to this one are executed and durable.
    #[must_use]
    pub(crate) fn push_confirmed(&self, sequence: u64) -> bool {
        let mut state = self.state.lock();
        if state.closed {
            return false;
        }
        state.confirmed = Some(sequence);
        !std::mem::replace(&mut state.claimed, true)
    }

    /// As [`Mail::push`]; the last thing that it takes.
    #[must_use]
    pub(crate) fn push_end(&self, why: Error) -> bool {
        let mut state = self.state.lock();
        if state.closed {
            return false;
        }
        state.closed = true;
        state.end = Some(why);
        !std::mem::replace(&mut state.claimed, true)
    }

    /// Hands over all there is, and what others add meanwhile.
    pub(crate) fn deliver(&self) {
        let mut batch = Vec::new();
        loop {
            let (confirmed, end) = {
                let mut state = self.state.lock();
                std::mem::swap(&mut state.answers, &mut batch);
                let (confirmed, end) = (state.confirmed.take(), state.end.take());
                if batch.is_empty() && confirmed.is_none() && end.is_none() {
                    state.claimed = false;
                    return;
                }
                (confirmed, end)
            };
            if let Some(sequence) = confirmed {
                self.outbox.confirm(sequence);
            }
            if !batch.is_empty() {
                self.outbox.deliver(&mut batch);
                batch.clear();
            }
            if let Some(why) = end {
                self.outbox.end(why);
            }
        }
    }
}

/// What receives the answer of a unary call.
pub(crate) type Callback = Box<dyn FnOnce(Answer) + Send>;

/// What a turn leaves to do once the engine is unlocked.
#[derive(Default)]
pub(crate) struct Parcels {
    mails: Vec<Arc<Mail>>,
    calls: Vec<(Callback, Answer)>,
}

impl Parcels {
    pub(crate) fn answer(&mut self, mail: &Arc<Mail>, answer: Answer) {
        if mail.push(answer) {
            self.mails.push(mail.clone());
        }
    }

    pub(crate) fn confirm(&mut self, mail: &Arc<Mail>, sequence: u64) {
        if mail.push_confirmed(sequence) {
            self.mails.push(mail.clone());
        }
    }

    pub(crate) fn end(&mut self, mail: &Arc<Mail>, why: Error) {
        if mail.push_end(why) {
            self.mails.push(mail.clone());
        }
    }

    pub(crate) fn call(&mut self, callback: Callback, answer: Answer) {
        self.calls.push((callback, answer));
    }

    /// With no lock held.
    pub(crate) fn deliver(self) {
        for mail in self.mails {
            mail.deliver();
        }
        for (callback, answer) in self.calls {
            callback(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use bridge_core::command::Reply;

    use super::*;

    /// Remembers, and objects to being called twice at a time.
    #[derive(Default)]
    struct Inbox {
        busy: AtomicBool,
        got: Mutex<Vec<u64>>,
    }

    impl Outbox for Inbox {
        fn deliver(&self, answers: &mut Vec<Answer>) {
            assert!(!self.busy.swap(true, Ordering::SeqCst));
            self.got.lock().extend(answers.drain(..).map(|answer| answer.op.0));
            self.busy.store(false, Ordering::SeqCst);
        }

        fn end(&self, _why: Error) {
            self.got.lock().push(0);
        }
    }

    #[test]
    fn order_is_kept_whoever_delivers() {
        let inbox = Arc::new(Inbox::default());
        let mail = Mail::new(inbox.clone());
        let next = Mutex::new(1u64);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let deliver = {
                            let mut next = next.lock();
                            let op = Op(*next);
                            *next += 1;
                            mail.push(Answer { op, outcome: Ok(Reply::Cancelled(true)), offered: false })
                        };
                        if deliver {
                            mail.deliver();
                        }
                    }
                });
            }
        });
        assert_eq!(*inbox.got.lock(), (1..=2_000).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_comes_after_the_end() {
        let inbox = Arc::new(Inbox::default());
        let mail = Mail::new(inbox.clone());
        let answer = |op| Answer { op: Op(op), outcome: Ok(Reply::Cancelled(true)), offered: false };
        assert!(mail.push(answer(1)));
        assert!(!mail.push_end(Error::new(bridge_core::Reason::Cancelled, "over")));
        assert!(!mail.push(answer(2)));
        mail.deliver();
        assert_eq!(*inbox.got.lock(), [1, 0]);
    }
}

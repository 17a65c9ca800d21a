//! Several steps on queues, all of them or none: consume, compute, produce.

use std::sync::Arc;
use std::time::Duration;

use bridge_core::command::queue::{Command, Reply as QueueReply};
use bridge_core::command::transaction::Step;
use bridge_core::command::{self, Request};
use bridge_core::ids::{ItemId, ParticipantId, Token};
use bridge_core::{Reply, Timeout};

use crate::bridge::Bridge;
use crate::call::Call;
use crate::queue::{NewItem, Queue, Reentry};
use crate::usage::Usage;

/// Steps that are to be executed together. Nothing happens before [`Transaction::commit`].
#[must_use = "nothing happens until it is committed"]
pub struct Transaction {
    bridge: Bridge,
    usages: Vec<Arc<Usage>>,
    steps: Vec<Step>,
}

/// What came of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// Of a put.
    Put(ItemId),
    /// Of a put of many.
    PutMany(Vec<ItemId>),
    /// Of an ack, nack or reject.
    Settled,
}

impl Bridge {
    /// A transaction without steps.
    pub fn transaction(&self) -> Transaction {
        Transaction { bridge: self.clone(), usages: Vec::new(), steps: Vec::new() }
    }
}

impl Transaction {
    /// Puts an item. One with a dedupe key cannot come in a transaction.
    pub fn put(self, queue: &Queue, item: NewItem) -> Self {
        self.step(queue, Command::Put { item, timeout: Timeout::NOW })
    }

    /// Puts several items.
    pub fn put_many(self, queue: &Queue, items: Vec<NewItem>) -> Self {
        self.step(queue, Command::PutMany { items, timeout: Timeout::NOW })
    }

    /// Leased items are done. Unlike in a call of its own, a token that was acknowledged before is stale.
    pub fn ack(self, queue: &Queue, tokens: Vec<Token>) -> Self {
        self.step(queue, Command::Ack { tokens })
    }

    /// Gives leased items back, to be READY after `delay`; `error` is kept with them.
    pub fn nack(
        self,
        queue: &Queue,
        tokens: Vec<Token>,
        reentry: Reentry,
        delay: Duration,
        error: String,
    ) -> Self {
        self.step(queue, Command::Nack { tokens, reentry, delay, error })
    }

    /// Sends leased items to the dead letters.
    pub fn reject(self, queue: &Queue, tokens: Vec<Token>, reason: String) -> Self {
        self.step(queue, Command::Reject { tokens, reason })
    }

    fn step(mut self, queue: &Queue, command: Command) -> Self {
        self.usages.push(queue.usage.clone());
        self.steps.push(Step { queue: queue.usage.object.target(), command });
        self
    }

    /// Executes all steps, or none, and never waits. Answers with what came of each, in order. `FULL`, `SHUT_DOWN`, `STALE`,
    /// whose detail `step` says which step it was; `CROSS_NAMESPACE`.
    pub fn commit(self, who: ParticipantId) -> Call<Vec<Done>> {
        let request = Request::Command(command::Command::Transaction(self.steps));
        self.bridge.several(who, "steps", self.usages, request, |reply| match reply {
            Reply::Committed(replies) => replies.into_iter().map(done).collect(),
            _ => None,
        })
    }
}

fn done(reply: QueueReply) -> Option<Done> {
    match reply {
        QueueReply::Put(id) => Some(Done::Put(id)),
        QueueReply::PutMany(ids) => Some(Done::PutMany(ids)),
        QueueReply::Acked | QueueReply::Nacked | QueueReply::Rejected => Some(Done::Settled),
        _ => None,
    }
}

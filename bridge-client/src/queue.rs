//! Queues: FIFO, LIFO and priority, bounded, with leases and dead letters.

use std::sync::Arc;
use std::time::Duration;

use bridge_core::command::queue::{Command, Move, Query, Redrive, Reply};
use bridge_core::command::{self, Request};
use bridge_core::ids::{ItemId, ParticipantId, Token};
use bridge_core::{Error, Reply as AnyReply, Timeout};

pub use bridge_core::command::queue::{
    Attributes, Batch, Bound, Browsed, Cursor, Dedupe, Deliveries, Delivery, Discipline, End, Figures, Mode,
    NewItem, Options, Reentry, Scope, Shelf, Taking, Which,
};

use crate::call::Call;
use crate::usage::{Usage, handle};

/// A queue. Cheap to clone; stays usable when the session is replaced.
#[derive(Clone)]
pub struct Queue {
    pub(crate) usage: Arc<Usage>,
}

/// A page of items, without taking them.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The items.
    pub items: Vec<Browsed>,
    /// Where the next page starts; `None` on the last.
    pub next: Option<Cursor>,
}

/// What became of dead letters that were to be put anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redriven {
    /// How many wait again.
    pub count: u64,
    /// How many stay, because the queue where they died is gone or was shut down.
    pub stayed: u64,
}

fn reply<T>(reply: AnyReply, read: impl FnOnce(Reply) -> Option<T>) -> Option<T> {
    if let AnyReply::Queue(reply) = reply { read(reply) } else { None }
}

macro_rules! read {
    ($pattern:pat => $value:expr) => {
        |any| reply(any, |reply| if let $pattern = reply { Some($value) } else { None })
    };
}

handle!(Queue);

impl Queue {
    /// Puts an item; waits while the queue is full. `FULL`, `SHUT_DOWN`.
    pub fn put(&self, who: ParticipantId, mut item: NewItem, timeout: Timeout) -> Call<ItemId> {
        if let Some(id) = self.put_at_once(who, &mut item) {
            return Call::known(self.usage.clone(), id);
        }
        self.command(who, Command::Put { item, timeout }, read!(Reply::Put(id) | Reply::Duplicate(id) => id))
    }

    /// [`Queue::put`] without a call, where an engine in this process (`mem:`) can put the item at once. `None`: nothing has
    /// happened.
    #[inline]
    pub fn put_at_once(&self, who: ParticipantId, item: &mut NewItem) -> Option<ItemId> {
        self.usage.link().put_at_once(who, &self.usage.object, item)
    }

    /// Takes one item for good without a call, where an engine in this process (`mem:`) has one at once. `None`: nothing has
    /// happened.
    #[inline]
    pub fn get_at_once(&self, who: ParticipantId) -> Option<Delivery> {
        self.usage.link().get_at_once(who, &self.usage.object)
    }

    /// As [`Queue::put`], and says whether it was a duplicate: then the id is that of the item that was there first.
    /// `DUPLICATE` where the item's dedupe refuses that.
    pub fn put_deduped(&self, who: ParticipantId, item: NewItem, timeout: Timeout) -> Call<(ItemId, bool)> {
        let command = Command::Put { item, timeout };
        self.command(who, command, |any| {
            reply(any, |reply| match reply {
                Reply::Put(id) => Some((id, false)),
                Reply::Duplicate(id) => Some((id, true)),
                _ => None,
            })
        })
    }

    /// Puts all items in one step, or none. `FULL`, `SHUT_DOWN`.
    pub fn put_many(&self, who: ParticipantId, items: Vec<NewItem>, timeout: Timeout) -> Call<Vec<ItemId>> {
        self.command(who, Command::PutMany { items, timeout }, read!(Reply::PutMany(ids) => ids))
    }

    /// Puts one item, or several in one step; nobody wants to know their ids.
    pub(crate) fn put_any(&self, who: ParticipantId, mut items: Vec<NewItem>) -> Call<()> {
        let timeout = Timeout::Never;
        let command = match items.pop() {
            Some(item) if items.is_empty() => Command::Put { item, timeout },
            last => {
                items.extend(last);
                Command::PutMany { items, timeout }
            }
        };
        self.command(who, command, read!(Reply::Put(_) | Reply::Duplicate(_) | Reply::PutMany(_) => ()))
    }

    /// Takes items in one step: for good, or leased until they are acknowledged. `EMPTY`, `SHUT_DOWN`.
    pub fn take(&self, who: ParticipantId, mode: Mode, batch: Batch, timeout: Timeout) -> Call<Deliveries> {
        self.take_as(who, Taking::new(mode, batch), timeout)
    }

    /// As [`Queue::take`], with all that can be asked of a take. `EMPTY`, `SHUT_DOWN`.
    pub fn take_as(&self, who: ParticipantId, taking: Taking, timeout: Timeout) -> Call<Deliveries> {
        if taking == Taking::new(Mode::Get, Batch::ONE)
            && let Some(taken) = self.get_at_once(who)
        {
            return Call::known(self.usage.clone(), [taken].into_iter().collect());
        }
        let command = Command::Take { taking, timeout };
        self.command(who, command, read!(Reply::Taken(taken) => taken.deliveries))
    }

    /// So many takes of one item each, which leave together.
    pub(crate) fn take_ahead(
        &self,
        who: ParticipantId,
        taking: Taking,
        count: usize,
    ) -> Vec<Call<Deliveries>> {
        let command = Command::Take { taking, timeout: Timeout::Never };
        let request = Request::Command(command::Command::Queue(self.usage.object.target(), command));
        self.usage.calls(who, request, count, read!(Reply::Taken(taken) => taken.deliveries))
    }

    /// Leased items are done. `STALE`.
    pub fn ack(&self, who: ParticipantId, tokens: Vec<Token>) -> Call<()> {
        self.command(who, Command::Ack { tokens }, read!(Reply::Acked => ()))
    }

    /// As [`Queue::ack`], not awaited, as [`Bridge::flush`] says.
    pub fn ack_later(&self, who: ParticipantId, tokens: Vec<Token>) -> Result<(), Error> {
        let command = command::Command::Queue(self.usage.object.target(), Command::Ack { tokens });
        self.usage.later(who, Request::Command(command))
    }

    /// Gives leased items back; `error` is kept with them. `STALE`.
    pub fn nack(&self, who: ParticipantId, tokens: Vec<Token>, reentry: Reentry, error: String) -> Call<()> {
        self.nack_later(who, tokens, reentry, Duration::ZERO, error)
    }

    /// As [`Queue::nack`]; they are DELAYED for `delay` before they are READY again. `STALE`.
    pub fn nack_later(
        &self,
        who: ParticipantId,
        tokens: Vec<Token>,
        reentry: Reentry,
        delay: Duration,
        error: String,
    ) -> Call<()> {
        self.command(who, Command::Nack { tokens, reentry, delay, error }, read!(Reply::Nacked => ()))
    }

    /// Leases items that come back, as by a nack, unless they are settled or extended within `max_hold` of their
    /// acceptance. `EMPTY`, `SHUT_DOWN`.
    pub fn lease_for(
        &self,
        who: ParticipantId,
        max_hold: Duration,
        batch: Batch,
        timeout: Timeout,
    ) -> Call<Deliveries> {
        let taking = Taking { max_hold: Some(max_hold), ..Taking::new(Mode::Lease, batch) };
        self.take_as(who, taking, timeout)
    }

    /// Leased items are worked on still: `max_hold`, or the one that they have, counts anew from now on. `STALE`.
    pub fn extend(&self, who: ParticipantId, tokens: Vec<Token>, max_hold: Option<Duration>) -> Call<()> {
        let command = Command::Extend { tokens, max_hold, progress: None };
        self.command(who, command, read!(Reply::Extended => ()))
    }

    /// As [`Queue::extend`], and says in words how far the work is; that is kept with the items. `STALE`.
    pub fn progress(&self, who: ParticipantId, tokens: Vec<Token>, progress: String) -> Call<()> {
        let command = Command::Extend { tokens, max_hold: None, progress: Some(progress) };
        self.command(who, command, read!(Reply::Extended => ()))
    }

    /// Whether the lease of that token is known to be lost: its `max_hold` was over, or its session.
    pub fn is_lost(&self, token: Token) -> bool {
        self.usage.link().is_lost(token)
    }

    /// Sends leased items to the dead letters. `STALE`.
    pub fn reject(&self, who: ParticipantId, tokens: Vec<Token>, reason: String) -> Call<()> {
        self.command(who, Command::Reject { tokens, reason }, read!(Reply::Rejected => ()))
    }

    /// `count` items gotten earlier are done. `TOO_MANY_TASKS_DONE`.
    pub fn task_done(&self, who: ParticipantId, count: u64) -> Call<()> {
        self.command(who, Command::TaskDone { count }, read!(Reply::TaskDone => ()))
    }

    /// Waits until every item put has been taken and done. `TIMED_OUT`; `JOIN_INCOMPLETE`, with detail `lost`, once only
    /// items are left that were gotten by sessions that are over.
    pub fn join(&self, who: ParticipantId, timeout: Timeout) -> Call<()> {
        self.command(who, Command::Join { timeout }, read!(Reply::Joined => ()))
    }

    /// What is lost counts as done; says how many items that were.
    pub fn forgive(&self, who: ParticipantId) -> Call<u64> {
        self.command(who, Command::Forgive, read!(Reply::Forgiven(count) => count))
    }

    /// Its figures now.
    pub fn describe(&self, who: ParticipantId) -> Call<Figures> {
        self.query(who, Query::Describe, read!(Reply::Described(figures) => *figures))
    }

    /// Reads a page of items without taking them, from the one after `after`.
    pub fn browse(
        &self,
        who: ParticipantId,
        shelf: Shelf,
        page_size: u32,
        after: Option<Cursor>,
    ) -> Call<Page> {
        let query = Query::Browse { shelf, page_size, after };
        self.query(
            who,
            query,
            read!(Reply::Browsed { items, next } => Page { items, next: next.map(|next| *next) }),
        )
    }

    /// Removes waiting items and says which of them went.
    pub fn remove(&self, who: ParticipantId, ids: Vec<ItemId>) -> Call<Vec<ItemId>> {
        self.command(who, Command::Remove { ids }, read!(Reply::Removed(ids) => ids))
    }

    /// Removes all waiting items and says how many there were.
    pub fn purge(&self, who: ParticipantId) -> Call<u64> {
        self.command(who, Command::Purge, read!(Reply::Purged(count) => count))
    }

    /// Puts dead letters anew, in one step: back to where they died, or to another queue of this namespace. `SHUT_DOWN`,
    /// `CROSS_NAMESPACE`.
    pub fn redrive(&self, who: ParticipantId, which: Which, to: Option<&Queue>) -> Call<Redriven> {
        let read: fn(AnyReply) -> Option<Redriven> =
            read!(Reply::Redriven { count, stayed } => Redriven { count, stayed });
        match to.map(|to| self.usage.name_beside(&to.usage)).transpose() {
            Ok(to) => self.command(who, Command::Redrive(Box::new(Redrive { which, to })), read),
            Err(error) => Call::failed(self.usage.clone().into(), error, read),
        }
    }

    /// Moves waiting items to another queue of this namespace, all in one step or none, and says which went. It never
    /// waits. `FULL`, `SHUT_DOWN`, `CROSS_NAMESPACE`.
    pub fn move_to(&self, who: ParticipantId, which: Which, to: &Queue) -> Call<Vec<ItemId>> {
        let read: fn(AnyReply) -> Option<Vec<ItemId>> = read!(Reply::Moved(ids) => ids);
        match self.usage.name_beside(&to.usage) {
            Ok(to) => self.command(who, Command::Move(Box::new(Move { which, to })), read),
            Err(error) => Call::failed(self.usage.clone().into(), error, read),
        }
    }

    /// Shuts it down, as Python 3.13's `queue.Queue.shutdown` does.
    pub fn shutdown(&self, who: ParticipantId, immediate: bool) -> Call<()> {
        self.command(who, Command::Shutdown { immediate }, read!(Reply::ShutDown => ()))
    }

    fn command<T>(&self, who: ParticipantId, command: Command, read: fn(AnyReply) -> Option<T>) -> Call<T> {
        let request = Request::Command(command::Command::Queue(self.usage.object.target(), command));
        self.usage.call(who, request, read)
    }

    fn query<T>(&self, who: ParticipantId, query: Query, read: fn(AnyReply) -> Option<T>) -> Call<T> {
        let request = Request::Query(command::Query::Queue(self.usage.object.target(), query));
        self.usage.call(who, request, read)
    }
}

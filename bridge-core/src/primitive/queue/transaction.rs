//! A queue's part in a transaction: a check that sees everything that comes, and an execution that cannot fail.

use crate::command::Reply as AnyReply;
use crate::command::queue::{Command, NewItem, Reply};
use crate::error::Error;
use crate::ids::{Handle, ItemId};
use crate::mutant::Mutant;
use crate::primitive::queue::Queue;
use crate::session::Verdict;
use crate::wait::Caller;
use crate::world::World;

/// What the steps of a transaction so far bring to a queue.
#[derive(Debug, Default)]
pub(crate) struct Coming {
    items: usize,
    bytes: u64,
}

impl Queue {
    /// Whether the step can be executed, where `coming` items come with it and the steps before; how many bytes it
    /// brings.
    pub(crate) fn check_step(
        &self,
        world: &World,
        caller: &Caller,
        command: &Command,
        coming: &mut Coming,
    ) -> Result<u64, Error> {
        match command {
            Command::Put { item, .. } => self.check_coming(world, std::slice::from_ref(item), coming),
            Command::PutMany { items, .. } => self.check_coming(world, items, coming),
            // Leases that are held now: that one was settled before does not do here.
            Command::Ack { tokens } | Command::Nack { tokens, .. } | Command::Reject { tokens, .. } => {
                let before = Mutant::AckCountsTwice.is_on().then_some(Verdict::Acked);
                self.check_tokens(world, caller, tokens, before).map(|()| 0)
            }
            _ => {
                Err(Error::invalid("steps", "a step puts, acknowledges, gives back or rejects; nothing else"))
            }
        }
    }

    fn check_coming(&self, world: &World, items: &[NewItem], coming: &mut Coming) -> Result<u64, Error> {
        if items.is_empty() {
            return Err(Error::invalid("items", "items is empty; give at least one item"));
        }
        let dedupes = |item: &NewItem| item.attributes.as_ref().is_some_and(|with| with.dedupe.is_some());
        if items.iter().any(dedupes) {
            let message = "an item of a transaction has a dedupe key; put such items one by one";
            return Err(Error::invalid("dedupe", message));
        }
        let bytes = items.iter().map(|item| self.check_item(world, item)).sum::<Result<u64, Error>>()?;
        coming.items += items.len();
        coming.bytes += bytes;
        self.check_put(world, coming.items, coming.bytes)?;
        match self.putters.nobody_present() && self.has_room(coming.items, coming.bytes) {
            true => Ok(bytes),
            false => Err(self.full()),
        }
    }

    /// Executes a step that has been checked.
    pub(crate) fn execute_step(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        mut command: Command,
    ) -> Reply {
        let step = match &mut command {
            Command::Put { item, .. } => return Reply::Put(self.let_in(me, world, std::mem::take(item))),
            Command::PutMany { items, .. } => {
                return Reply::PutMany(
                    std::mem::take(items).into_iter().map(|item| self.let_in(me, world, item)).collect(),
                );
            }
            _ => self.command(me, world, caller, &mut command),
        };
        match step {
            Ok(Some(AnyReply::Queue(reply))) => reply,
            other => unreachable!("invariant: a step that was checked is executed: {other:?}"),
        }
    }

    fn let_in(&mut self, me: Handle, world: &mut World, mut item: NewItem) -> ItemId {
        let item = world.keep_item(&mut item);
        self.admit(me, world, item)
    }
}

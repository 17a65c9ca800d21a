//! Items that go from one queue to another in one step: redriven dead letters, and what is moved.

use std::collections::{BTreeMap, BTreeSet};

use crate::command::Reply;
use crate::command::queue::{Move, Redrive, Reply as QueueReply};
use crate::engine::Engine;
use crate::error::Error;
use crate::ids::{Handle, Kind, Name, Target};
use crate::mutant::Mutant;
use crate::objects::object_gone;
use crate::wait::Caller;

/// What was done, and the queues that it was done to.
struct Done {
    reply: QueueReply,
    touched: BTreeSet<Handle>,
}

impl Engine {
    pub(super) fn redrive(&mut self, caller: &Caller, from: Handle, created: bool, redrive: &Redrive) {
        let mut made: Vec<_> = created.then_some(from).into_iter().collect();
        let done = self.try_redrive(from, redrive, &mut made);
        self.end_transfer(caller, from, done, made);
    }

    pub(super) fn move_items(&mut self, caller: &Caller, from: Handle, created: bool, moving: &Move) {
        let mut made: Vec<_> = created.then_some(from).into_iter().collect();
        let done = self.try_move(from, moving, &mut made);
        self.end_transfer(caller, from, done, made);
    }

    fn try_redrive(
        &mut self,
        from: Handle,
        redrive: &Redrive,
        made: &mut Vec<Handle>,
    ) -> Result<Done, Error> {
        let queue = self.objects.queue_mut(from).ok_or_else(object_gone)?;
        let letters = queue.letters(&self.world, &redrive.which)?;
        let to = redrive.to.as_ref().map(|to| self.transfer_target(to, made)).transpose()?;
        if let Some(queue) = to.and_then(|to| self.objects.queue_mut(to)) {
            queue.check_open()?;
        }
        let mut homes = BTreeMap::new();
        let mut touched = BTreeSet::from([from]);
        let (mut count, mut stayed) = (0, 0);
        for letter in letters {
            let home = match to {
                Some(to) => Some(to),
                None => {
                    let died_in = self.world.items[letter].death().and_then(|death| death.from.clone());
                    *homes.entry(died_in.clone()).or_insert_with(|| self.home(from, died_in))
                }
            };
            let Some(home) = home else {
                stayed += 1;
                continue;
            };
            if let Some(queue) = self.objects.queue_mut(from) {
                queue.part_with(&mut self.world, letter);
            }
            if let Some(queue) = self.objects.queue_mut(home).filter(|_| !Mutant::RedrivenLost.is_on()) {
                queue.revive(home, &mut self.world, letter);
            }
            touched.insert(home);
            count += 1;
        }
        Ok(Done { reply: QueueReply::Redriven { count, stayed }, touched })
    }

    /// Where a dead letter goes that died in the queue of that name, or in the one where it is.
    fn home(&mut self, here: Handle, died_in: Option<Name>) -> Option<Handle> {
        let home = match died_in {
            Some(name) => self.objects.find(Kind::Queue, &Target::Name(name)).ok().flatten()?,
            None => here,
        };
        self.objects.queue_mut(home)?.check_open().is_ok().then_some(home)
    }

    fn try_move(&mut self, from: Handle, moving: &Move, made: &mut Vec<Handle>) -> Result<Done, Error> {
        let queue = self.objects.queue_mut(from).ok_or_else(object_gone)?;
        let items = queue.movable(&self.world, &moving.which)?;
        let to = self.transfer_target(&moving.to, made)?;
        if to == from {
            return Err(Error::invalid("to", "a queue cannot be moved into itself; name another"));
        }
        self.objects.queue_mut(to).ok_or_else(object_gone)?.check_moved(&self.world, &items)?;
        let mut ids = Vec::with_capacity(items.len());
        for item in items {
            ids.push(self.world.items[item].id);
            let Some(queue) = self.objects.queue_mut(from) else { continue };
            let delay = queue.part_with(&mut self.world, item);
            if let Some(queue) = self.objects.queue_mut(to) {
                queue.take_in(to, &mut self.world, item, delay);
            }
        }
        Ok(Done { reply: QueueReply::Moved(ids), touched: BTreeSet::from([from, to]) })
    }

    fn transfer_target(&mut self, to: &Target, made: &mut Vec<Handle>) -> Result<Handle, Error> {
        let (handle, created) = self.target(Kind::Queue, to)?;
        made.extend(created.then_some(handle));
        Ok(handle)
    }

    /// Answers, and hands on what came and what was freed.
    fn end_transfer(&mut self, caller: &Caller, from: Handle, done: Result<Done, Error>, made: Vec<Handle>) {
        let Done { reply, touched } = match done {
            Ok(done) => done,
            Err(error) => {
                made.into_iter().rev().for_each(|queue| drop(self.objects.remove(queue)));
                return self.world.answer(caller, Err(error));
            }
        };
        self.world.answer(caller, Ok(Reply::Queue(reply)));
        if self.world.note_use(caller, from)
            && let Some(named) = self.objects.get_mut(from)
        {
            named.begin_use(&mut self.world.timers);
        }
        touched.into_iter().for_each(|queue| self.serve(queue));
    }
}

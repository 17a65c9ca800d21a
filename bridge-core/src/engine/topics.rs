//! Topics: what is published is put into every queue that is bound for its key, or into none.

use std::collections::BTreeSet;

use crate::command::Reply as AnyReply;
use crate::command::queue::{Command as Put, Reply as QueueReply};
use crate::command::topic::{Command, Publish, Reached, Reply};
use crate::engine::Engine;
use crate::error::Error;
use crate::ids::{Handle, Kind, Name, Target};
use crate::mutant::Mutant;
use crate::objects::object_gone;
use crate::primitive::queue::{Coming, check_new_item};
use crate::primitive::topic::check_key;
use crate::time::Timeout;
use crate::wait::Caller;

impl Engine {
    /// Runs a command on a topic. What a failed one created is gone again.
    pub(super) fn run_topic(&mut self, caller: &Caller, target: &Target, command: &Command) {
        let mut made = Vec::new();
        match self.try_topic(caller, target, command, &mut made) {
            Ok((topic, reply, reached)) => {
                self.world.answer(caller, Ok(AnyReply::Topic(reply)));
                if self.world.note_use(caller, topic)
                    && let Some(named) = self.objects.get_mut(topic)
                {
                    named.begin_use(&mut self.world.timers);
                }
                reached.into_iter().for_each(|queue| self.serve(queue));
            }
            Err(error) => {
                made.into_iter().rev().for_each(|object| drop(self.objects.remove(object)));
                self.world.answer(caller, Err(error));
            }
        }
    }

    /// The topic, its answer, and the queues that were put to.
    fn try_topic(
        &mut self,
        caller: &Caller,
        target: &Target,
        command: &Command,
        made: &mut Vec<Handle>,
    ) -> Result<(Handle, Reply, Vec<Handle>), Error> {
        let me = self.find_or_make(Kind::Topic, target, made)?;
        let reply = match command {
            Command::Declare(options) => {
                self.objects.topic_mut(me).ok_or_else(object_gone)?.declare(me, options.clone())?
            }
            Command::Bind { queue, pattern } => Reply::Bound(self.bind(me, queue, pattern, made)?),
            Command::Unbind { queue, pattern } => Reply::Unbound(self.unbind(me, queue, pattern)?),
            Command::Publish(publish) => {
                let reached = self.publish(me, caller, publish)?;
                let queues = reached.iter().map(|(queue, _)| *queue).collect();
                let reached = reached.into_iter().map(|(_, reached)| reached).collect();
                return Ok((me, Reply::Published(reached), queues));
            }
        };
        Ok((me, reply, Vec::new()))
    }

    fn find_or_make(&mut self, kind: Kind, target: &Target, made: &mut Vec<Handle>) -> Result<Handle, Error> {
        let (object, created) = self.target(kind, target)?;
        made.extend(created.then_some(object));
        Ok(object)
    }

    fn bind(
        &mut self,
        me: Handle,
        queue: &Target,
        pattern: &str,
        made: &mut Vec<Handle>,
    ) -> Result<bool, Error> {
        let queue = self.find_or_make(Kind::Queue, queue, made)?;
        check_key(&self.world, "pattern", pattern)?;
        let name = self.objects.get(queue).map(|named| named.name.clone()).ok_or_else(object_gone)?;
        if self.objects.topic_mut(me).is_some_and(|topic| topic.is_full(&self.world)) {
            self.forget_gone(me);
        }
        let topic = self.objects.topic_mut(me).ok_or_else(object_gone)?;
        if topic.is_full(&self.world) && !topic.is_bound(pattern, &name) {
            let max = self.world.limits.topic_bindings_max;
            return Err(Error::limit("topic_bindings_max", max.into()));
        }
        Ok(topic.bind(pattern, name, queue))
    }

    /// The bindings of queues that are gone make room.
    fn forget_gone(&mut self, me: Handle) {
        let Some(topic) = self.objects.topic_mut(me) else { return };
        let mut gone: BTreeSet<Handle> = topic.queues().collect();
        gone.retain(|queue| self.objects.get(*queue).is_none());
        if let Some(topic) = self.objects.topic_mut(me) {
            topic.forget(|queue| gone.contains(&queue));
        }
    }

    /// Whether it was bound so, to a queue that is still there.
    fn unbind(&mut self, me: Handle, queue: &Name, pattern: &str) -> Result<bool, Error> {
        let topic = self.objects.topic_mut(me).ok_or_else(object_gone)?;
        let unbound = topic.unbind(pattern, queue);
        Ok(unbound.is_some_and(|queue| self.objects.get(queue).is_some()))
    }

    /// Puts the item into every queue that is bound for its key and takes items, or into none.
    fn publish(
        &mut self,
        me: Handle,
        caller: &Caller,
        publish: &Publish,
    ) -> Result<Vec<(Handle, Reached)>, Error> {
        let Publish { key, item } = publish;
        check_key(&self.world, "key", key)?;
        check_new_item(&self.world, item)?;
        if item.attributes.as_ref().is_some_and(|with| with.dedupe.is_some()) {
            let message = "an item that is published has a dedupe key; a queue's keys are its own";
            return Err(Error::invalid("dedupe", message));
        }
        let put = || Put::Put { item: item.clone(), timeout: Timeout::NOW };
        let bound = self.objects.topic_mut(me).ok_or_else(object_gone)?.bound_for(key);
        let (check, mut bytes) = (put(), 0);
        let mut open = Vec::with_capacity(bound.len());
        for (handle, name) in bound {
            let Some(queue) = self.objects.queue_mut(handle).filter(|queue| queue.check_open().is_ok())
            else {
                continue;
            };
            let checked = queue.check_step(&self.world, caller, &check, &mut Coming::default());
            if checked.is_err() && Mutant::PublishedInPart.is_on() {
                continue;
            }
            bytes += checked.map_err(|error| error.with("queue", name.as_str()))?;
            open.push((handle, name));
        }
        self.world.check_items(open.len(), bytes)?;
        let mut reached = Vec::with_capacity(open.len());
        for (handle, name) in open {
            let Some(queue) = self.objects.queue_mut(handle) else { continue };
            if let QueueReply::Put(id) = queue.execute_step(handle, &mut self.world, caller, put()) {
                reached.push((handle, Reached { queue: name, id }));
            }
        }
        Ok(reached)
    }
}

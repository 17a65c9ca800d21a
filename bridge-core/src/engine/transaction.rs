//! Several steps on queues at once: every one is checked before the first is executed, and none can fail after that.

use std::collections::{BTreeMap, BTreeSet};

use crate::command::Reply;
use crate::command::queue::Command;
use crate::command::transaction::Step;
use crate::engine::Engine;
use crate::error::Error;
use crate::ids::{Handle, Kind, Target, Token};
use crate::mutant::Mutant;
use crate::objects::object_gone;
use crate::primitive::queue::Coming;
use crate::wait::Caller;

impl Engine {
    /// Executes all steps or, where one cannot be, none.
    pub(super) fn transaction(&mut self, caller: &Caller, steps: Vec<Step>) {
        let mut created = Vec::new();
        match self.check_steps(caller, &steps, &mut created) {
            Ok(queues) => self.commit(caller, steps, &queues),
            Err(error) => {
                created.into_iter().rev().for_each(|queue| drop(self.objects.remove(queue)));
                self.world.answer(caller, Err(error));
            }
        }
    }

    /// The queues of the steps, which can all be executed; notes those that it had to create.
    fn check_steps(
        &mut self,
        caller: &Caller,
        steps: &[Step],
        created: &mut Vec<Handle>,
    ) -> Result<Vec<Handle>, Error> {
        self.check_size(steps)?;
        let mut tokens = BTreeSet::new();
        let mut coming: BTreeMap<Handle, Coming> = BTreeMap::new();
        let (mut items, mut bytes) = (0, 0);
        let mut queues = Vec::with_capacity(steps.len());
        for (index, step) in steps.iter().enumerate() {
            let mut check = || {
                let queue = self.step_target(&step.queue, created)?;
                queues.push(queue);
                let put = self.objects.queue_mut(queue).ok_or_else(object_gone)?;
                items += put_items(&step.command);
                let coming = coming.entry(queue).or_default();
                bytes += put.check_step(&self.world, caller, &step.command, coming)?;
                self.world.check_items(items, bytes)?;
                match step_tokens(&step.command).iter().find(|token| !tokens.insert(**token)) {
                    Some(token) => Err(named_twice(*token)),
                    None => Ok(()),
                }
            };
            let checked = check();
            if checked.is_err() && index > 0 && Mutant::StepsUnchecked.is_on() {
                queues.truncate(index);
                break;
            }
            checked.map_err(|error: Error| error.with("step", index.to_string()))?;
        }
        Ok(queues)
    }

    fn check_size(&self, steps: &[Step]) -> Result<(), Error> {
        if steps.is_empty() {
            return Err(Error::invalid("steps", "steps is empty; give at least one step"));
        }
        let sizes = steps.iter().map(|step| put_items(&step.command) + step_tokens(&step.command).len());
        let (size, max) = (sizes.map(|size| size.max(1)).sum::<usize>(), self.world.limits.batch_max);
        if size > max as usize {
            let message = format!("{size} items and tokens were given; at most {max} go in one transaction");
            return Err(Error::limit("batch_max", max.into()).with_message(message));
        }
        Ok(())
    }

    fn step_target(&mut self, target: &Target, created: &mut Vec<Handle>) -> Result<Handle, Error> {
        let (queue, is_new) = self.target(Kind::Queue, target)?;
        if is_new {
            created.push(queue);
        }
        Ok(queue)
    }

    fn commit(&mut self, caller: &Caller, steps: Vec<Step>, queues: &[Handle]) {
        let mut replies = Vec::with_capacity(steps.len());
        for (step, handle) in steps.into_iter().zip(queues) {
            let Some(queue) = self.objects.queue_mut(*handle) else { continue };
            replies.push(queue.execute_step(*handle, &mut self.world, caller, step.command));
        }
        self.world.answer(caller, Ok(Reply::Committed(replies)));
        let mut served = BTreeSet::new();
        for handle in queues.iter().copied().filter(|handle| served.insert(*handle)) {
            if self.world.note_use(caller, handle)
                && let Some(named) = self.objects.get_mut(handle)
            {
                named.begin_use(&mut self.world.timers);
            }
            self.serve(handle);
        }
    }
}

/// How many items a step brings.
fn put_items(command: &Command) -> usize {
    match command {
        Command::Put { .. } => 1,
        Command::PutMany { items, .. } => items.len(),
        _ => 0,
    }
}

fn step_tokens(command: &Command) -> &[Token] {
    match command {
        Command::Ack { tokens } | Command::Nack { tokens, .. } | Command::Reject { tokens, .. } => tokens,
        _ => &[],
    }
}

fn named_twice(token: Token) -> Error {
    let message = format!("token {} is named twice; a delivery ends once", token.0);
    Error::invalid("tokens", message)
}

//! Conditions: two objects, one step. The condition says which lock it belongs to; the lock has the rules.

use crate::command::condition::Command;
use crate::command::{Outcome, Reply};
use crate::engine::Engine;
use crate::error::{Error, Reason};
use crate::ids::{Handle, Kind, Name, Target};
use crate::objects::{State, object_gone};
use crate::primitive::conclude;
use crate::primitive::condition::{Bound, Condition};
use crate::wait::Caller;

impl Engine {
    /// Runs a command on a condition: whoever uses it uses its lock too.
    pub(super) fn run_condition(&mut self, caller: &Caller, target: &Target, command: &Command) {
        let gives = matches!(command, Command::Notify { .. });
        let step = match command {
            Command::Declare { lock, options } => self.declare_condition(target, lock, options),
            command => self.command_condition(caller, target, command),
        };
        match step {
            Err(error) => self.world.answer(caller, Err(error)),
            Ok((bound, reply)) => {
                if let Some(reply) = reply {
                    self.world.answer(caller, Ok(reply));
                }
                if let Some(named) = self.objects.get_mut(bound.me).filter(|_| gives) {
                    named.giver = Some(caller.owner());
                }
                for object in [bound.me, bound.lock] {
                    if let Some(named) = self.objects.get_mut(object)
                        && self.world.note_use(caller, object)
                    {
                        named.begin_use(&mut self.world.timers);
                    }
                }
                self.serve(bound.lock);
            }
        }
    }

    fn declare_condition(
        &mut self,
        target: &Target,
        lock: &Name,
        options: &crate::command::condition::Options,
    ) -> Result<(Bound, Option<Reply>), Error> {
        let (me, created) = self.target(Kind::Condition, target)?;
        let bound = self.bind_condition(me, lock, options);
        if bound.is_err() && created {
            self.objects.remove(me);
        }
        let bound = bound?;
        let condition = self.objects.condition_mut(me).ok_or_else(object_gone)?;
        let reply = condition.declare(bound.clone(), options);
        Ok((bound, Some(reply)))
    }

    fn bind_condition(
        &mut self,
        me: Handle,
        lock: &Name,
        options: &crate::command::condition::Options,
    ) -> Result<Bound, Error> {
        let condition = self.objects.condition_mut(me).ok_or_else(object_gone)?;
        condition.check_declaration(lock, options)?;
        if let Some(bound) = condition.bound() {
            return Ok(bound.clone());
        }
        let (handle, _) = self.target(Kind::Lock, &Target::Name(lock.clone()))?;
        let named = self.objects.get_mut(handle).ok_or_else(object_gone)?;
        named.stay(&mut self.world.timers);
        if let State::Lock(lock) = &mut named.state {
            lock.open_room(me);
        }
        Ok(Bound { me, lock: handle, name: lock.clone() })
    }

    fn command_condition(
        &mut self,
        caller: &Caller,
        target: &Target,
        command: &Command,
    ) -> Result<(Bound, Option<Reply>), Error> {
        let me = self.objects.find(Kind::Condition, target)?.ok_or_else(undeclared)?;
        let bound = self.objects.condition_mut(me).and_then(|condition| condition.bound().cloned());
        let bound = bound.ok_or_else(undeclared)?;
        let Some(State::Lock(lock)) = self.objects.get_mut(bound.lock).map(|named| &mut named.state) else {
            return Err(object_gone());
        };
        let reply = lock.on_condition(bound.lock, me, &mut self.world, caller, command)?;
        Ok((bound, reply))
    }

    /// What a condition answers to a query; `None` stands for one that does not exist.
    pub(super) fn describe_condition(&self, condition: Option<&Condition>) -> Outcome {
        let absent = Condition::default();
        let condition = condition.unwrap_or(&absent);
        Ok(condition.described(self.waiting_at(condition).count()))
    }

    /// Who waits for a notification of a condition, in order.
    pub(crate) fn waiting_at(&self, condition: &Condition) -> impl Iterator<Item = usize> {
        let bound = condition.bound();
        let named = bound.and_then(|bound| Some((bound.me, &self.objects.get(bound.lock)?.state)));
        let room = named.and_then(|(me, state)| match state {
            State::Lock(lock) => Some(lock.room(me)),
            _ => None,
        });
        room.into_iter().flatten()
    }

    /// The condition is gone: its lock may be too.
    pub(super) fn unbind_condition(&mut self, bound: &Bound) {
        let Some(State::Lock(lock)) = self.objects.get_mut(bound.lock).map(|named| &mut named.state) else {
            return;
        };
        for key in lock.close_room(bound.me) {
            conclude(&mut self.world, key, Err(object_gone()));
        }
        self.drop_unused(bound.lock);
    }
}

fn undeclared() -> Error {
    let message = "there is no such condition; declare it, with the lock that it belongs to";
    Error::new(Reason::ObjectGone, message)
}

//! How long a lease may last: `max_hold`, from its acceptance, bounds code that hangs. What a session ends, it ends anyway.

use std::time::Duration;

use crate::command::Reply as AnyReply;
use crate::command::queue::{Mode, Reply};
use crate::error::Error;
use crate::ids::{Handle, Token};
use crate::primitive::queue::Queue;
use crate::primitive::queue::schedule::{Alarm, Moment};
use crate::primitive::queue::settle::Failure;
use crate::primitive::{Step, done};
use crate::wait::Caller;
use crate::world::World;

/// A lease that may not last for ever.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Hold {
    pub(super) max: Duration,
    /// When it is over, once it is accepted.
    pub(super) over: Option<Alarm>,
}

impl Hold {
    pub(super) fn new(max: Duration) -> Self {
        Hold { max, over: None }
    }
}

impl Queue {
    /// Leases are worked on still: their time counts anew.
    pub(super) fn extend(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        tokens: &[Token],
        max_hold: Option<Duration>,
        progress: Option<String>,
    ) -> Step {
        check_max_hold(Mode::Lease, max_hold)?;
        self.check_tokens(world, caller, tokens, None)?;
        let progress = progress.map(|progress| world.cut(progress));
        for token in tokens {
            self.accept_named(me, world, caller, *token);
            if let Some(max) = max_hold {
                self.holds.entry(*token).or_insert(Hold::new(max)).max = max;
            }
            self.begin_hold(me, world, *token);
            if let (Some(out), Some(progress)) = (self.out.get(*token), &progress) {
                world.items[out.item].history_mut().progress = Some(progress.clone());
            }
        }
        done(AnyReply::Queue(Reply::Extended))
    }

    /// The time of an accepted lease counts from now on, if it is bounded.
    pub(super) fn begin_hold(&mut self, me: Handle, world: &mut World, token: Token) {
        let Some(hold) = self.holds.get_mut(&token) else { return };
        self.schedule.clear(world, hold.over);
        hold.over = Some(self.schedule.set(me, world, world.now + hold.max, Moment::Over(token)));
    }

    /// A lease has lasted for too long: its holder has it no more.
    pub(super) fn end_hold(&mut self, me: Handle, world: &mut World, token: Token) {
        let Some(out) = self.take_out(world, token) else { return };
        let session = out.caller.session;
        if let Some(session) = world.sessions.get_mut(session) {
            session.holds.remove(token);
        }
        world.tell_lost(&out.caller, token);
        let error = Some("the lease was held for longer than its max_hold".to_owned());
        self.delivery_failed(me, world, out.item, session, Failure { error, ..Failure::LOST });
    }

    /// The queue goes with all its leases.
    pub(super) fn forget_holds(&mut self, world: &mut World) {
        for hold in std::mem::take(&mut self.holds).into_values() {
            self.schedule.clear(world, hold.over);
        }
    }
}

pub(super) fn check_max_hold(mode: Mode, max_hold: Option<Duration>) -> Result<(), Error> {
    match max_hold {
        Some(_) if mode == Mode::Get => {
            Err(Error::invalid("max_hold", "max_hold was given to a get, which holds nothing; lease instead"))
        }
        Some(max_hold) if max_hold.is_zero() => {
            let message = "max_hold is 0; give more, or none for as long as the session lives";
            Err(Error::invalid("max_hold", message))
        }
        _ => Ok(()),
    }
}

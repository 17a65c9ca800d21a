//! Latch: many wait until it has been counted down to zero, once.
//!
//! Invariant: nobody waits at an open latch.

use crate::command::Reply as AnyReply;
use crate::command::latch::{Command, Figures, Options, Query, Reply};
use crate::error::Error;
use crate::ids::Handle;
use crate::mutant::Mutant;
use crate::primitive::{Primitive, Standing, Step, check_option, conclude, done};
use crate::time::Timeout;
use crate::wait::{Caller, Line, Ticket, TicketKey, Want};
use crate::world::World;

/// The state of a latch.
#[derive(Debug, Default, Hash)]
pub(crate) struct Latch {
    declared: Options,
    count: u64,
    waiters: Line,
}

impl Latch {
    pub(crate) fn command(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        command: Command,
    ) -> Step {
        match command {
            Command::Declare(options) => self.declare(me, options),
            Command::CountDown { by: 0 } => Err(Error::invalid("by", "by is 0; give at least 1")),
            Command::CountDown { by } => {
                self.check_declared()?;
                self.count = self.count.saturating_sub(by << u32::from(Mutant::LatchCountsTwice.is_on()));
                done(AnyReply::Latch(Reply::CountedDown { count: self.count }))
            }
            Command::Wait { timeout } => {
                self.check_declared()?;
                if self.count == 0 || timeout == Timeout::NOW {
                    return done(waited(self.count == 0));
                }
                let key = world.park(caller, me, Want::Latch, timeout)?;
                self.waiters.enter(key, &world.tickets[key]);
                Ok(None)
            }
        }
    }

    fn declare(&mut self, me: Handle, asked: Options) -> Step {
        check_option("count", &self.declared.count, &asked.count, u64::to_string)?;
        check_option("ephemeral", &self.declared.ephemeral, &asked.ephemeral, bool::to_string)?;
        if let (None, Some(count)) = (self.declared.count, asked.count) {
            self.declared.count = Some(count);
            self.count = count;
        }
        self.declared.ephemeral = self.declared.ephemeral.or(asked.ephemeral);
        done(AnyReply::Latch(Reply::Declared { handle: me, options: self.options() }))
    }

    fn options(&self) -> Options {
        Options { count: self.declared.count, ephemeral: Some(self.is_ephemeral()) }
    }

    /// Whether somebody has said from where it is counted down.
    pub(crate) fn check_declared(&self) -> Result<(), Error> {
        if self.declared.count.is_some() {
            return Ok(());
        }
        let message = "nobody has said from where the latch is counted down; declare it with a count first";
        Err(Error::invalid("count", message))
    }

    pub(crate) fn query(&self, query: &Query) -> AnyReply {
        match query {
            Query::Describe => AnyReply::Latch(Reply::Described(Box::new(self.figures()))),
        }
    }

    fn figures(&self) -> Figures {
        Figures { options: self.options(), count: self.count, waiting: self.waiters.len() as u64 }
    }
}

fn waited(is_open: bool) -> AnyReply {
    AnyReply::Latch(Reply::Waited { is_open })
}

impl Primitive for Latch {
    fn leave(&mut self, ticket: &Ticket) {
        self.waiters.leave(ticket.place);
    }

    fn enter(&mut self, key: TicketKey, ticket: &Ticket) {
        self.waiters.leave(ticket.place);
        self.waiters.enter(key, ticket);
    }

    fn serve(&mut self, _me: Handle, world: &mut World) {
        if self.count <= u64::from(Mutant::LatchOpensEarly.is_on()) {
            self.waiters.clear().into_iter().for_each(|key| conclude(world, key, Ok(waited(true))));
        }
    }

    fn expire(&mut self, _me: Handle, key: TicketKey, world: &mut World) {
        if let Some(ticket) = world.tickets.get(key) {
            self.waiters.leave(ticket.place);
        }
        conclude(world, key, Ok(waited(false)));
    }

    fn dissolve(&mut self, _world: &mut World) -> Vec<TicketKey> {
        self.waiters.clear()
    }

    fn is_ephemeral(&self) -> bool {
        self.declared.ephemeral.unwrap_or(false)
    }

    fn waiters(&self) -> Box<dyn Iterator<Item = TicketKey> + '_> {
        Box::new(self.waiters.iter())
    }

    fn standing(&self) -> Standing {
        Standing { grants: 0, waiting: self.waiters.len() as u64, words: format!("count={}", self.count) }
    }

    fn check(&self, _world: &World) {
        assert!(self.count > 0 || self.waiters.is_empty(), "somebody waits at an open latch");
    }
}

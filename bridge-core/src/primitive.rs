//! The primitives: one file each, all reached through [`Primitive`] by what is common to them.

pub(crate) mod barrier;
pub(crate) mod condition;
pub(crate) mod event;
mod hold;
pub(crate) mod latch;
pub(crate) mod list;
pub(crate) mod lock;
pub(crate) mod pipe;
pub(crate) mod queue;
pub(crate) mod rwlock;
pub(crate) mod semaphore;
pub(crate) mod timer;
pub(crate) mod topic;
pub(crate) mod value;

use crate::command::lock::Cause;
use crate::command::{OnDeadlock, Outcome, Reply};
use crate::error::Error;
use crate::ids::{Handle, ParticipantId, SessionKey, Token};
use crate::session::{Offer, Serial};
use crate::time::Time;
use crate::wait::{Caller, Line, Place, Ticket, TicketKey};
use crate::world::World;

/// Why a grant or a hold ends without its holder's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The client refused it.
    Refused,
    /// Its session was closed.
    Closed,
    /// Its session expired.
    Expired,
}

/// What the engine needs of every primitive. Whatever frees something does not hand it on by itself: the
/// engine calls `serve` at the end of the step. What does nothing by itself is for primitives that grant nothing, or that
/// nobody waits for.
pub(crate) trait Primitive {
    /// The ticket leaves its line.
    fn leave(&mut self, _ticket: &Ticket) {}

    /// The ticket enters its line, or changes sides in it.
    fn enter(&mut self, _key: TicketKey, _ticket: &Ticket) {}

    /// Hands what is free to who waits for it, in order.
    fn serve(&mut self, _me: Handle, _world: &mut World) {}

    /// A waiting ticket is withdrawn by its caller: true if it goes on all the same, to an answer of its own.
    fn goes_on(&mut self, _key: TicketKey, _world: &mut World) -> bool {
        false
    }

    /// The time of a waiting ticket, which is still in its line, is over: it is answered.
    fn expire(&mut self, _me: Handle, _key: TicketKey, _world: &mut World) {}

    /// A timer of its own has gone off.
    fn due(&mut self, _me: Handle, _place: Place, _world: &mut World) {}

    /// The offer has reached its caller.
    fn accept(&mut self, _me: Handle, _offer: &Offer, _world: &mut World) {}

    /// The offer goes back to where it came from.
    fn refuse(&mut self, _me: Handle, _offer: &Offer, _loss: Loss, _world: &mut World) {}

    /// The answer that made the offer, once more.
    fn offered(&self, _offer: &Offer, _world: &World) -> Option<Reply> {
        None
    }

    /// Whether what is offered is to be given back unless it has been taken.
    fn recalls(&self, _offer: &Offer) -> bool {
        false
    }

    /// The accepted grant of that token is lost with its session.
    fn lose(&mut self, _me: Handle, _token: Token, _world: &mut World) {}

    /// A session that used this object is over, and everything it held has been given back.
    fn session_over(&mut self, _serial: Serial, _world: &mut World) {}

    /// The object is deleted with whatever is in it: what its waiters are to be told.
    fn dissolve(&mut self, _world: &mut World) -> Vec<TicketKey> {
        Vec::new()
    }

    /// Whether it goes with the last session that uses it.
    fn is_ephemeral(&self) -> bool;

    /// Whether another object needs it: then it stays, used or not.
    fn is_needed(&self) -> bool {
        false
    }

    /// Who waits, in order within each line.
    fn waiters(&self) -> Box<dyn Iterator<Item = TicketKey> + '_> {
        Box::new(std::iter::empty())
    }

    /// What is granted and not given back, oldest first.
    fn grants(&self) -> Box<dyn Iterator<Item = Granted> + '_> {
        Box::new(std::iter::empty())
    }

    /// Who owns what a waiting ticket waits for; nobody where what it waits for has no owners.
    fn owners<'a>(&'a self, _ticket: &Ticket, _world: &'a World) -> Box<dyn Iterator<Item = Owning> + 'a> {
        Box::new(std::iter::empty())
    }

    /// What happens where a wait for it closes a cycle.
    fn on_deadlock(&self) -> OnDeadlock {
        OnDeadlock::Off
    }

    /// Whether a ticket could be granted now, whoever stands before it.
    fn could_grant(&self, _ticket: &Ticket) -> Could {
        Could::Not
    }

    /// Grants a ticket that [could be](Self::could_grant) and has left its line.
    fn hand(&mut self, _me: Handle, _ticket: &Ticket, _parked: bool, _world: &mut World) {}

    /// The line of those who want to hold it.
    fn line(&self) -> Option<&Line> {
        None
    }

    fn line_mut(&mut self) -> Option<&mut Line> {
        None
    }

    /// Who held it and left it as it was, for people, and why.
    fn abandoned_by(&self) -> Option<(String, Cause)> {
        None
    }

    /// The timers of its own.
    fn timers(&self) -> Box<dyn Iterator<Item = (Time, Place)> + '_> {
        Box::new(std::iter::empty())
    }

    /// Entries and bytes that it stores, beside items.
    fn stored(&self) -> (u64, u64) {
        (0, 0)
    }

    /// How it stands, for operators.
    fn standing(&self) -> Standing;

    /// Panics where an invariant of its module does not hold; for tests.
    fn check(&self, world: &World);
}

/// Whether something can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Could {
    Not,
    /// By whoever is first in line.
    InTurn,
    /// Past the line: who asks holds it already.
    AtOnce,
}

/// A participant that owns something: a vertex of the wait-for graph.
pub(crate) type Owner = (SessionKey, ParticipantId);

/// Who stands in the way of others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owning {
    pub(crate) who: Owner,
    /// Until he gives it back. What is only on offer he may refuse, whatever else he waits for, and what he has for a lease
    /// comes back by itself.
    pub(crate) keeps_it: bool,
}

/// A grant that is offered or held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Granted {
    pub(crate) caller: Caller,
    pub(crate) token: Token,
    /// Permits, or 1 for an item.
    pub(crate) count: u64,
    pub(crate) since: Time,
    pub(crate) accepted: bool,
    /// The item, if it is one.
    pub(crate) item: Option<usize>,
}

/// An object in figures and words.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) grants: u64,
    pub(crate) waiting: u64,
    pub(crate) words: String,
}

/// How the execution of a command went: `None` where it waits, or has been answered with a grant.
pub(crate) type Step = Result<Option<Reply>, Error>;

/// The option `name` has been declared as `declared`; `asked` must be the same, or the first opinion.
pub(crate) fn check_option<T: PartialEq>(
    name: &'static str,
    declared: &Option<T>,
    asked: &Option<T>,
    show: impl Fn(&T) -> String,
) -> Result<(), Error> {
    match (declared, asked) {
        (Some(declared), Some(asked)) if declared != asked => {
            let (declared, asked) = (show(declared), show(asked));
            let message = format!(
                "{name} was declared as {declared} and is now asked to be {asked}; give the same value or none"
            );
            Err(Error::new(crate::error::Reason::ConfigMismatch, message)
                .with("option", name)
                .with("declared", declared)
                .with("asked", asked))
        }
        _ => Ok(()),
    }
}

/// An outcome that is already known.
pub(crate) fn done(reply: Reply) -> Step {
    Ok(Some(reply))
}

/// Ends a ticket that has left its line, with an answer.
pub(crate) fn conclude(world: &mut World, key: TicketKey, outcome: Outcome) {
    if let Some(ticket) = world.unpark(key) {
        world.answer(&ticket.caller, outcome);
    }
}

//! How deliveries end: ack, nack, reject, loss; and what becomes of items that nobody can process.

use std::time::Duration;

use crate::command::queue::{Mode, Reentry, Reply};
use crate::command::{Mode as SessionMode, Reply as AnyReply};
use crate::error::{Error, Reason};
use crate::ids::{Handle, Name, SessionKey, Token};
use crate::mutant::Mutant;
use crate::primitive::queue::item::{Arrival, Death};
use crate::primitive::queue::{Out, Queue};
use crate::primitive::{Primitive, Step, done};
use crate::session::Verdict;
use crate::wait::Caller;
use crate::world::{Fallen, World, session_required};

/// How a delivery failed, and what becomes of the item.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) reentry: Reentry,
    pub(super) delay: Duration,
    pub(super) error: Option<String>,
}

impl Failure {
    /// Without its holder's word.
    pub(super) const LOST: Failure = Failure { reentry: Reentry::Place, delay: Duration::ZERO, error: None };
}

impl Queue {
    pub(super) fn ack(&mut self, me: Handle, world: &mut World, caller: &Caller, tokens: &[Token]) -> Step {
        self.check_tokens(world, caller, tokens, Some(Verdict::Acked))?;
        for token in tokens {
            if let Some(item) = self.settle(me, world, caller, *token, Verdict::Acked) {
                world.drop_item(item);
            }
        }
        done(AnyReply::Queue(Reply::Acked))
    }

    pub(super) fn nack(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        tokens: &[Token],
        failure: Failure,
    ) -> Step {
        self.check_tokens(world, caller, tokens, Some(Verdict::Nacked))?;
        for token in tokens {
            let Some(item) = self.settle(me, world, caller, *token, Verdict::Nacked) else { continue };
            match failure.reentry {
                Reentry::Place => {}
                Reentry::Back => world.items[item].arrival = world.number() as Arrival,
                Reentry::Front => world.items[item].arrival = self.front_arrival(world),
            }
            self.delivery_failed(me, world, item, caller.session, failure.clone());
        }
        done(AnyReply::Queue(Reply::Nacked))
    }

    /// The arrival that is next out among equal keys.
    pub(super) fn front_arrival(&mut self, world: &mut World) -> Arrival {
        match self.ready.discipline() {
            crate::command::queue::Discipline::Lifo => world.number() as Arrival,
            _ => {
                self.front -= 1;
                self.front
            }
        }
    }

    pub(super) fn reject(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        tokens: &[Token],
        reason: String,
    ) -> Step {
        self.check_tokens(world, caller, tokens, Some(Verdict::Rejected))?;
        let reason = world.cut(reason);
        let why = if reason.is_empty() { "REJECTED".to_owned() } else { format!("REJECTED: {reason}") };
        for token in tokens {
            if let Some(item) = self.settle(me, world, caller, *token, Verdict::Rejected) {
                world.items[item].attempts += 1;
                world.note_consumer(item, caller.session);
                self.bury(me, world, item, why.clone());
            }
        }
        done(AnyReply::Queue(Reply::Rejected))
    }

    /// All tokens are those of the caller's deliveries, or have ended in the same way before, if in any.
    pub(super) fn check_tokens(
        &self,
        world: &World,
        caller: &Caller,
        tokens: &[Token],
        verdict: Option<Verdict>,
    ) -> Result<(), Error> {
        if caller.mode == SessionMode::Sessionless {
            return Err(session_required("a lease"));
        }
        let (count, max) = (tokens.len(), world.limits.batch_max);
        if count == 0 {
            return Err(Error::invalid("tokens", "tokens is empty; give the token of at least one delivery"));
        }
        if count > max as usize {
            let message = format!("{count} tokens were given; at most {max} go in one call");
            return Err(Error::limit("batch_max", max.into()).with_message(message));
        }
        let session = world.sessions.get(caller.session);
        let is_stale = |token: &&Token| {
            let settled = || {
                verdict.is_some_and(|how| session.is_some_and(|session| session.was_settled(**token, how)))
            };
            !self.is_held(caller, **token, verdict) && !settled()
        };
        let stale: Vec<String> = tokens.iter().filter(is_stale).map(|token| token.0.to_string()).collect();
        if stale.is_empty() {
            return Ok(());
        }
        let message = format!(
            "{} of {count} tokens are not those of deliveries that this session holds: they were settled or lost \
             before; nothing was changed",
            stale.len()
        );
        Err(Error::new(Reason::Stale, message).with("tokens", stale.join(",")))
    }

    /// Whether the caller's session has that delivery. One that is merely gotten can only be rejected, and
    /// only before it is accepted.
    fn is_held(&self, caller: &Caller, token: Token, verdict: Option<Verdict>) -> bool {
        let own = |out: &&Out| out.caller.session == caller.session || Mutant::StaleAckAccepted.is_on();
        let out = self.out.get(token).filter(own);
        out.is_some_and(|out| out.mode == Mode::Lease || verdict == Some(Verdict::Rejected))
    }

    /// Ends a delivery by its holder's word and says which item it was; `None` if it had ended before. Naming
    /// the token of an offered lease accepts all of that offer.
    fn settle(
        &mut self,
        me: Handle,
        world: &mut World,
        caller: &Caller,
        token: Token,
        verdict: Verdict,
    ) -> Option<usize> {
        self.accept_named(me, world, caller, token);
        let out = self.take_out(world, token)?;
        if let Some(session) = world.sessions.get_mut(caller.session) {
            session.settle(token, verdict);
        }
        Some(out.item)
    }

    /// Naming the token of an offered lease shows that the offer has arrived.
    pub(super) fn accept_named(&mut self, me: Handle, world: &mut World, caller: &Caller, token: Token) {
        if let Some(out) = self.out.get(token)
            && !out.accepted
            && out.mode == Mode::Lease
            && let Some(offer) = world.settle_offer(caller.session, out.caller.op)
        {
            self.accept(me, &offer, world);
        }
    }

    /// An accepted delivery ended without an ack: back to its place, unless it was the last one allowed.
    pub(super) fn delivery_failed(
        &mut self,
        me: Handle,
        world: &mut World,
        item: usize,
        consumer: SessionKey,
        failure: Failure,
    ) {
        world.note_consumer(item, consumer);
        let failed = &mut world.items[item];
        failed.attempts += 1;
        if failure.error.is_some() {
            failed.history_mut().last_error = failure.error;
        }
        let max = self.declared.max_deliveries.unwrap_or(0);
        match max > 0 && failed.attempts >= max {
            true => self.bury(me, world, item, "MAX_DELIVERIES".into()),
            false => self.put_back(me, world, item, failure.delay),
        }
    }

    /// An item is given up: to the dead letters if named, else it stays here as DEAD.
    pub(super) fn bury(&mut self, me: Handle, world: &mut World, item: usize, reason: String) {
        let now = world.now;
        let extra = world.items[item].extra_mut();
        let from = extra.history.death.take().and_then(|death| death.from);
        let death = Death { reason, at: now, from };
        extra.history.death = Some(death).filter(|_| !Mutant::DeathUntold.is_on());
        extra.asked.dedupe = None;
        match &self.declared.dead_letters {
            Some(_) if Mutant::DeadLetterLost.is_on() => world.drop_item(item),
            Some(name) => world.fallen.push(Fallen { from: me, to: name.clone(), item }),
            None => self.keep_dead(world, item),
        }
    }

    /// An item stays here as DEAD.
    pub(crate) fn keep_dead(&mut self, world: &mut World, item: usize) {
        let arrival = world.number() as Arrival;
        world.items[item].arrival = arrival;
        self.dead.insert(arrival, item);
    }

    /// A dead letter of another queue arrives, above the bound if need be.
    pub(crate) fn receive(&mut self, world: &mut World, item: usize, from: Option<Name>) {
        let (arrival, now) = (world.number() as Arrival, world.now);
        let letter = &mut world.items[item];
        let attempts = std::mem::take(&mut letter.attempts);
        let history = letter.history_mut();
        history.earlier_attempts += attempts;
        if let Some(death) = &mut history.death {
            death.from = from;
        }
        (letter.crashes, letter.seen) = (0, false);
        (letter.arrival, letter.enqueued_at) = (arrival, now);
        letter.extra_mut().expires_at = None;
        match self.shut {
            Some(_) => self.keep_dead(world, item),
            None => {
                if let Some(load) = &mut self.load {
                    load.comes(&world.items[item]);
                }
                self.make_ready(&world.items, item);
            }
        }
    }
}

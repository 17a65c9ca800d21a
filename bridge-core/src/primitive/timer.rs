//! Timer: puts an item into a queue at its time, once or again and again. The queue is another object, so the engine puts
//! (`engine/timers.rs`); here is when, and how often.
//!
//! A firing that the engine comes to more than `PUNCTUAL` after its time is missed, and so is one that the queue refuses. What is
//! owed for missed firings is tried each second: a timer stands in no line.
//!
//! Invariants: a timer with a schedule has exactly one timer of the engine's, at its next firing or its next try; one that owes
//! nothing and goes off no more has no schedule.

use std::time::Duration;

use crate::command::Reply as AnyReply;
use crate::command::timer::{Command, Figures, Listed, Missed, Options, Query, Reply, Schedule, Times};
use crate::error::{Error, Reason};
use crate::ids::{Handle, Name};
use crate::limits::Limits;
use crate::mutant::Mutant;
use crate::primitive::queue::check_new_item;
use crate::primitive::{Primitive, Standing, check_option};
use crate::time::Time;
use crate::timer::{Due, Subject};
use crate::wait::{Place, TicketKey};
use crate::world::World;

/// A firing that is later is missed.
const PUNCTUAL: Duration = Duration::from_secs(1);

/// How long after a refusal what is owed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The state of a timer.
#[derive(Debug, Default, Hash)]
pub(crate) struct Timer {
    declared: Options,
    plan: Option<Plan>,
    fired: u64,
    missed: u64,
    last_error: Option<String>,
}

/// A schedule at work.
#[derive(Debug, Hash)]
struct Plan {
    schedule: Schedule,
    /// What it retains.
    bytes: u64,
    /// When it goes off by the schedule.
    next: Option<Time>,
    /// When something is to be done, and its place: what is due at the same time happens in the order in which it was scheduled.
    alarm: (Time, Place),
    /// Firings to be made up for.
    owed: u32,
}

/// What is to be put now, and how often.
#[derive(Debug)]
pub(crate) struct Firing {
    pub(crate) schedule: Schedule,
    pub(crate) count: u32,
}

/// Which firings are over at a point in time.
#[derive(Debug, Default, PartialEq, Eq)]
struct Past {
    late: u64,
    punctual: u64,
    next: Option<Time>,
}

impl Timer {
    pub(crate) fn command(
        &mut self,
        me: Handle,
        world: &mut World,
        command: &Command,
    ) -> Result<AnyReply, Error> {
        let reply = match command {
            Command::Declare(asked) => {
                check_option("ephemeral", &self.declared.ephemeral, &asked.ephemeral, bool::to_string)?;
                self.declared.ephemeral = self.declared.ephemeral.or(asked.ephemeral);
                Reply::Declared { handle: me, options: self.options() }
            }
            Command::Schedule { schedule, replace } => self.schedule(me, world, schedule, *replace)?,
            Command::Cancel if Mutant::CancelledFires.is_on() => Reply::Cancelled(self.plan.is_some()),
            Command::Cancel => Reply::Cancelled(self.end(world)),
        };
        Ok(AnyReply::Timer(reply))
    }

    fn schedule(
        &mut self,
        me: Handle,
        world: &mut World,
        schedule: &Schedule,
        replace: bool,
    ) -> Result<Reply, Error> {
        if let Some(plan) = &self.plan {
            match difference(&plan.schedule, schedule) {
                None => {
                    let next_in = plan.next.map(|at| at.since(world.now));
                    return Ok(Reply::Scheduled { existed: true, next_in });
                }
                Some(error) if !replace => return Err(error),
                Some(_) => {}
            }
        }
        check_times(&world.limits, &schedule.times)?;
        let bytes = check_new_item(world, &schedule.item)? + schedule.item.key.len() as u64;
        let replaced = self.plan.as_ref().map_or(0, |plan| plan.bytes);
        world.check_store(u64::from(self.plan.is_none()), bytes.saturating_sub(replaced))?;
        self.end(world);
        world.store(1, bytes as i64);
        let next = first(&schedule.times, world.now);
        let alarm = (next.unwrap_or(world.now), world.number());
        world.timers.set(alarm.0, alarm.1, Due::Own, Subject::Object(me));
        self.plan = Some(Plan { schedule: schedule.clone(), bytes, next, alarm, owed: 0 });
        Ok(Reply::Scheduled { existed: false, next_in: next.map(|at| at.since(world.now)) })
    }

    /// Ends the schedule; whether there was one.
    fn end(&mut self, world: &mut World) -> bool {
        let Some(plan) = self.plan.take() else { return false };
        world.timers.clear(plan.alarm.0, plan.alarm.1, Due::Own);
        world.store(-1, -(plan.bytes as i64));
        true
    }

    pub(crate) fn has_schedule(&self) -> bool {
        self.plan.is_some()
    }

    /// Its timer has gone off: what is to be put. [`Timer::fired`] must follow.
    pub(crate) fn fire(&mut self, now: Time, limits: &Limits) -> Option<Firing> {
        let plan = self.plan.as_mut()?;
        let max = limits.timer_firings_max;
        let past = past(&plan.schedule.times, plan.next, now, max);
        plan.next = past.next;
        self.missed = self.missed.saturating_add(past.late);
        let missed = past.late.saturating_add(plan.owed.into());
        plan.owed = match plan.schedule.missed {
            _ if Mutant::MissedForgotten.is_on() => 0,
            Missed::Skip => 0,
            Missed::Once => missed.min(1) as u32,
            Missed::All => missed.min(max.into()) as u32,
        };
        let punctual = past.punctual.min(max.max(1).into());
        self.missed = self.missed.saturating_add(past.punctual - punctual);
        let punctual = punctual as u32 + u32::from(Mutant::FiredTwice.is_on());
        Some(Firing { schedule: plan.schedule.clone(), count: plan.owed.saturating_add(punctual) })
    }

    /// So many of `firing` have been put, and the next one was refused if not all.
    pub(crate) fn fired(
        &mut self,
        me: Handle,
        world: &mut World,
        firing: &Firing,
        put: u32,
        refusal: Option<&Error>,
    ) {
        let Some(plan) = &mut self.plan else { return };
        self.fired += u64::from(put);
        let left = firing.count - put;
        // What was owed before has been counted before.
        let punctual = firing.count - plan.owed;
        self.missed = self.missed.saturating_add(left.min(punctual).into());
        plan.owed = match plan.schedule.missed {
            Missed::Skip => 0,
            Missed::Once => left.min(1),
            Missed::All => left.min(world.limits.timer_firings_max),
        };
        if let Some(refusal) = refusal {
            self.last_error = Some(world.cut(format!("{}: {}", refusal.reason, refusal.message)));
        }
        let retry = (plan.owed > 0).then(|| world.now + RETRY);
        let at = retry.into_iter().chain(plan.next).min();
        match at.filter(|at| *at > world.now) {
            Some(at) => {
                plan.alarm.0 = at;
                world.timers.set(at, plan.alarm.1, Due::Own, Subject::Object(me));
            }
            None => drop(self.end(world)),
        }
    }

    fn options(&self) -> Options {
        Options { ephemeral: Some(self.declared.ephemeral.unwrap_or(false)) }
    }

    pub(crate) fn query(&self, now: Time, query: &Query) -> AnyReply {
        match query {
            Query::Describe => AnyReply::Timer(Reply::Described(Box::new(self.figures(now)))),
        }
    }

    fn figures(&self, now: Time) -> Figures {
        let plan = self.plan.as_ref();
        Figures {
            options: self.options(),
            schedule: plan.map(|plan| plan.schedule.clone()),
            next_in: plan.and_then(|plan| plan.next).map(|at| at.since(now)),
            fired: self.fired,
            missed: self.missed,
            owed: plan.map_or(0, |plan| plan.owed),
            last_error: self.last_error.clone(),
        }
    }

    /// In a line, if it has a schedule.
    pub(crate) fn listed(&self, name: &Name, now: Time) -> Option<Listed> {
        let plan = self.plan.as_ref()?;
        let Schedule { queue, times, missed, .. } = &plan.schedule;
        let next_in = plan.next.map(|at| at.since(now));
        let (name, queue, times, missed) = (name.clone(), queue.clone(), times.clone(), *missed);
        Some(Listed { name, queue, times, missed, next_in })
    }
}

/// When it goes off first.
fn first(times: &Times, now: Time) -> Option<Time> {
    match times {
        Times::After(delay) => Some(now + *delay),
        Times::Every(period) => Some(now + *period),
        Times::Cron(cron) => cron.next_after(now),
    }
}

/// The firings that are over at `now`, of which `next` is the first. Of those by the calendar that are late no more than `max` are
/// counted, however long that was.
fn past(times: &Times, next: Option<Time>, now: Time, max: u32) -> Past {
    let Some(next) = next.filter(|next| *next <= now) else { return Past { next, ..Past::default() } };
    let threshold = Time::from_micros(now.micros.saturating_sub(PUNCTUAL.as_micros() as u64));
    match times {
        Times::After(_) => {
            let late = u64::from(next < threshold);
            Past { late, punctual: 1 - late, next: None }
        }
        Times::Every(period) => {
            let period = u64::try_from(period.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX).max(1);
            let all = (now.micros - next.micros) / period + 1;
            let late = threshold.micros.saturating_sub(next.micros).div_ceil(period);
            let next = if Mutant::TimerDrifts.is_on() { now } else { next };
            let next = all.checked_mul(period).and_then(|span| next.micros.checked_add(span));
            Past { late, punctual: all - late, next: next.map(Time::from_micros) }
        }
        Times::Cron(cron) => {
            let mut all = std::iter::successors(Some(next), |time| cron.next_after(*time));
            let late = all.by_ref().take_while(|time| *time < threshold).take(max.max(1) as usize).count();
            let before = Time::from_micros(threshold.micros.saturating_sub(1));
            let since = if next < threshold { cron.next_after(before) } else { Some(next) };
            let punctual = since.is_some_and(|time| time <= now);
            Past { late: late as u64, punctual: u64::from(punctual), next: cron.next_after(now) }
        }
    }
}

fn check_times(limits: &Limits, times: &Times) -> Result<(), Error> {
    let Times::Every(period) = times else { return Ok(()) };
    let min = limits.timer_period_min;
    if period.is_zero() {
        return Err(Error::invalid("every", "every is 0; give a period, or `after` for a single time"));
    }
    if *period < min {
        let message = format!("every is {period:?}; at least {min:?} are allowed here");
        return Err(Error::limit("timer_period_min", min.as_millis() as u64).with_message(message));
    }
    Ok(())
}

/// What of a schedule is asked to be otherwise.
fn difference(now: &Schedule, asked: &Schedule) -> Option<Error> {
    let same_times = match (&now.times, &asked.times) {
        (Times::Cron(now), Times::Cron(asked)) => now.is_same_as(asked),
        (now, asked) => now == asked,
    };
    let (option, declared, wanted) = if now.queue != asked.queue {
        ("queue", now.queue.to_string(), asked.queue.to_string())
    } else if !same_times {
        ("times", now.times.to_string(), asked.times.to_string())
    } else if now.missed != asked.missed {
        ("missed", now.missed.to_string(), asked.missed.to_string())
    } else if now.item != asked.item {
        ("item", "another one".to_owned(), "this one".to_owned())
    } else {
        return None;
    };
    let message = format!(
        "the timer has a schedule, whose {option} is {declared}, and is now asked to be {wanted}; give the same one, set \
         `replace`, or cancel it first"
    );
    let error = Error::new(Reason::ConfigMismatch, message);
    Some(error.with("option", option).with("declared", declared).with("asked", wanted))
}

impl Primitive for Timer {
    fn dissolve(&mut self, world: &mut World) -> Vec<TicketKey> {
        self.end(world);
        Vec::new()
    }

    /// One that has no schedule is nothing but a name that somebody uses.
    fn is_ephemeral(&self) -> bool {
        self.declared.ephemeral.unwrap_or(false) || self.plan.is_none()
    }

    fn timers(&self) -> Box<dyn Iterator<Item = (Time, Place)> + '_> {
        Box::new(self.plan.iter().map(|plan| plan.alarm))
    }

    fn stored(&self) -> (u64, u64) {
        self.plan.as_ref().map_or((0, 0), |plan| (1, plan.bytes))
    }

    fn standing(&self) -> Standing {
        let (fired, missed) = (self.fired, self.missed);
        let words = match &self.plan {
            Some(Plan { schedule: Schedule { times, queue, .. }, owed, .. }) => {
                format!("{times} queue={queue} fired={fired} missed={missed} owed={owed}")
            }
            None => format!("no schedule, fired={fired} missed={missed}"),
        };
        Standing { grants: 0, waiting: 0, words }
    }

    fn check(&self, world: &World) {
        let Some(plan) = &self.plan else { return };
        assert!(plan.next.is_some() || plan.owed > 0, "a schedule of nothing");
        assert!(plan.next.is_none_or(|next| next >= plan.alarm.0), "a firing without a timer");
        assert!(plan.owed == 0 || plan.alarm.0 <= world.now + RETRY, "nobody tries what is owed");
        let most = match plan.schedule.missed {
            Missed::Skip => 0,
            Missed::Once => 1,
            Missed::All => u32::MAX,
        };
        assert!(plan.owed <= most, "more is owed than its policy allows");
    }
}

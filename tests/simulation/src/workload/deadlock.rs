//! Tasks that lock one thing after the other, each in an order of its own and most without a timeout. Semantics 13.
//!
//! Judged: the circle begins with whoever is told of it, has others in it, and its victim has something; nobody is left in one,
//! or the run would never drain. From the journal, in `judges/`: each deadlock that is told is one, and none is missed.

use std::sync::Arc;
use std::time::Duration;

use bridge_client::session::Object;
use bridge_core::{Error, Reason, Request, Timeout};

use super::several::{Asked, choose, give_back};
use super::{Activity, End, Moment, Next, Workload};
use crate::client::label;

/// Some of the locks and permits that there are, if there are any.
pub(super) fn begin(all: &mut [Box<dyn Workload>], moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
    let wanted = choose(all, moment, 4, true);
    let timed = moment.task == 0 || moment.random.chance(100);
    let nested = Nested { wanted, timed, asked: None, held: Vec::new() };
    (!nested.wanted.is_empty()).then(|| Box::new(nested) as Box<dyn Activity>)
}

struct Nested {
    /// What is to be acquired, the last first.
    wanted: Vec<Box<dyn Activity>>,
    timed: bool,
    /// What it waits for.
    asked: Option<Asked>,
    /// What it has; when it wants nothing more that is given back, the last first.
    held: Vec<(Arc<Object>, Box<dyn Activity>)>,
}

impl Nested {
    /// The next thing that it does not have yet.
    fn acquire(&mut self, moment: &mut Moment<'_>) -> Option<Next> {
        while let Some(activity) = self.wanted.pop() {
            let mut asked = Asked::new(activity, moment);
            if self.held.iter().any(|(held, _)| Arc::ptr_eq(held, &asked.object)) {
                asked.withdraw(moment);
                continue;
            }
            if let Some(timeout) = asked.command.timeout_mut() {
                *timeout = if self.timed { Timeout::After(Duration::from_secs(2)) } else { Timeout::Never };
            }
            let call = Next::Call(asked.object.clone(), Request::Command(asked.command.clone()));
            self.asked = Some(asked);
            return Some(call);
        }
        None
    }

    fn answered(&mut self, moment: &mut Moment<'_>, mut asked: Asked, end: End) {
        match end {
            End::Outcome(Ok(reply)) => {
                asked.check(&reply);
                asked.activity.ended(moment, End::Outcome(Ok(reply)));
                self.held.push((asked.object, asked.activity));
                return;
            }
            End::Outcome(Err(error))
                if error.reason == Reason::Deadlock && error.detail("cycle").is_some() =>
            {
                moment.reach.note("deadlock: its victim is told, and lets go");
                self.check_deadlock(moment, &error);
                asked.withdraw(moment);
            }
            end => asked.activity.ended(moment, end),
        }
        self.wanted.clear();
    }

    fn check_deadlock(&self, moment: &Moment<'_>, error: &Error) {
        assert!(!self.held.is_empty(), "a victim that has nothing: {error}");
        assert!(!self.timed, "a wait that ends by itself: {error}");
        let cycle = error.detail("cycle").unwrap_or_default();
        let me = label(moment.client, moment.own().process, moment.task);
        assert!(cycle.starts_with(&me), "the circle begins with its victim, {me}: {error}");
        let waits = cycle.matches(" waits for ").count();
        let participants = error.detail("participants").unwrap_or_default();
        assert!(waits > 1 && participants == waits.to_string(), "{participants} wait in: {error}");
    }
}

impl Activity for Nested {
    fn next(&mut self, moment: &mut Moment<'_>) -> Next {
        if moment.closing {
            self.wanted.clear();
        }
        if !moment.closing && !self.held.is_empty() && moment.random.chance(300) {
            return Next::Think;
        }
        if let Some(next) = self.acquire(moment) {
            return next;
        }
        while let Some((_, last)) = self.held.last_mut() {
            match give_back(last.as_mut(), moment) {
                Next::Done => drop(self.held.pop()),
                next => return next,
            }
        }
        Next::Done
    }

    fn ended(&mut self, moment: &mut Moment<'_>, end: End) {
        let died = matches!(end, End::Died);
        match self.asked.take() {
            Some(asked) => self.answered(moment, asked, end),
            None => {
                if let Some((_, last)) = self.held.last_mut() {
                    last.ended(moment, end);
                }
                if died {
                    self.held.pop();
                }
            }
        }
        if died {
            self.died(moment);
        }
    }

    fn may_withdraw(&self) -> bool {
        self.asked.is_some() || self.held.last().is_none_or(|(_, last)| last.may_withdraw())
    }

    fn died(&mut self, moment: &mut Moment<'_>) {
        self.held.iter_mut().for_each(|(_, one)| one.died(moment));
    }

    fn describe(&self) -> String {
        let held: Vec<_> = self.held.iter().map(|(_, one)| one.describe()).collect();
        let asked = self.asked.as_ref().map(|one| one.activity.describe());
        format!("nested, timed {}: holds [{}], waits for {asked:?}", self.timed, held.join("; "))
    }
}

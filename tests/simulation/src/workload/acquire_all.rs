//! Acquires of all: several locks and permits at once, all or none. Semantics 12.
//!
//! Judged: the ledger of each part, that nobody is in it beside; and from the journal, in `judges/`, that nothing is held
//! while it waits, and that it is not passed for ever.

use std::sync::Arc;
use std::time::Duration;

use bridge_core::command::Command;
use bridge_core::command::acquire_all::AcquireAll as All;
use bridge_core::limits::PASSED_BY_MAX;
use bridge_core::{Reason, Reply, Request, Time, Timeout};

use super::several::{Asked, choose, give_back};
use super::{Activity, End, Moment, Next, Workload, expect_reason};

/// Some of the locks and permits that there are, if there are any.
pub(super) fn begin(all: &mut [Box<dyn Workload>], moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
    let mut asked: Vec<Asked> = Vec::new();
    for activity in choose(all, moment, 4, true) {
        let one = Asked::new(activity, moment);
        match asked.iter().any(|other| Arc::ptr_eq(&other.object, &one.object)) {
            true => one.withdraw(moment),
            false => asked.push(one),
        }
    }
    let timeout = moment.timeout(Duration::from_secs(8));
    let held = Vec::new();
    (!asked.is_empty())
        .then(|| Box::new(AcquireAll { asked, timeout, since: moment.now, held }) as Box<dyn Activity>)
}

struct AcquireAll {
    /// The parts, until it has ended.
    asked: Vec<Asked>,
    timeout: Timeout,
    since: Time,
    /// What is given back now, the last first.
    held: Vec<Box<dyn Activity>>,
}

impl AcquireAll {
    fn ends(&mut self, moment: &mut Moment<'_>, end: End) {
        let asked = std::mem::take(&mut self.asked);
        let (replies, refused) = match end {
            End::Outcome(Ok(Reply::AcquiredAll(replies))) => (replies, false),
            End::Refused(Reply::AcquiredAll(replies)) => (replies, true),
            End::Outcome(Err(error)) => {
                expect_reason("acquire all", &error, &[Reason::TimedOut]);
                moment.reach.note("acquire all: not granted");
                return asked.into_iter().for_each(|one| one.withdraw(moment));
            }
            End::Abandoned => {
                return asked.into_iter().for_each(|mut one| one.activity.ended(moment, End::Abandoned));
            }
            End::Died => return asked.into_iter().for_each(|mut one| one.activity.ended(moment, End::Died)),
            End::Outcome(Ok(other)) | End::Refused(other) => panic!("answered with {other:?}"),
        };
        assert_eq!(replies.len(), asked.len(), "as many grants as parts");
        moment.reach.note(match (refused, moment.now >= self.since + PASSED_BY_MAX) {
            (true, _) => "acquire all: what was granted is refused",
            (_, true) => "acquire all: granted, after it was passed for long",
            _ => "acquire all: granted",
        });
        for (mut one, reply) in asked.into_iter().zip(replies) {
            one.check(&reply);
            let end = if refused { End::Refused(reply) } else { End::Outcome(Ok(reply)) };
            one.activity.ended(moment, end);
            self.held.push(one.activity);
        }
    }
}

impl Activity for AcquireAll {
    fn next(&mut self, moment: &mut Moment<'_>) -> Next {
        if !self.asked.is_empty() {
            let parts = self.asked.iter().map(|one| one.command.clone()).collect();
            let objects = self.asked.iter().map(|one| one.object.clone()).collect();
            let all = All { parts, timeout: self.timeout };
            return Next::Several(objects, Request::Command(Command::AcquireAll(Box::new(all))));
        }
        if !moment.closing && !self.held.is_empty() && moment.random.chance(400) {
            return Next::Think;
        }
        while let Some(last) = self.held.last_mut() {
            match give_back(last.as_mut(), moment) {
                Next::Done => drop(self.held.pop()),
                next => return next,
            }
        }
        Next::Done
    }

    fn ended(&mut self, moment: &mut Moment<'_>, end: End) {
        if !self.asked.is_empty() {
            return self.ends(moment, end);
        }
        let died = matches!(end, End::Died);
        if let Some(last) = self.held.last_mut() {
            last.ended(moment, end);
        }
        if died && self.held.pop().is_some() {
            self.died(moment);
        }
    }

    fn may_withdraw(&self) -> bool {
        self.held.last().is_none_or(|last| last.may_withdraw())
    }

    fn died(&mut self, moment: &mut Moment<'_>) {
        self.held.iter_mut().for_each(|one| one.died(moment));
    }

    fn describe(&self) -> String {
        let of = |one: &Asked| one.activity.describe();
        let held = self.held.iter().map(|one| one.describe());
        let parts: Vec<_> = self.asked.iter().map(of).chain(held).collect();
        format!("acquire all {:?} of [{}]", self.timeout, parts.join("; "))
    }
}

//! Selects over whatever the other workloads wait for. Semantics 12.
//!
//! Judged: the answer fits the branch that it names, and all the ledgers agree that this one was granted and the others were
//! not. What a branch was granted is used, or goes back, as if it had been asked for alone.

use bridge_core::command::select::Select as Selecting;
use bridge_core::command::{Command, queue};
use bridge_core::{Error, Outcome, Reason, Reply, Request, Timeout};

use super::several::{Asked, choose};
use super::{Activity, End, Moment, Next, Workload, expect_reason};
use std::time::Duration;

/// One over a few of what there is, if there is anything to wait for.
pub(super) fn begin(all: &mut [Box<dyn Workload>], moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
    let count = moment.random.between(2, 5);
    let mut asked: Vec<Asked> = Vec::new();
    for activity in choose(all, moment, count, false) {
        let one = Asked::new(activity, moment);
        // Only one branch may ask to write.
        match one.writes() && asked.iter().any(Asked::writes) {
            true => one.withdraw(moment),
            false => asked.push(one),
        }
    }
    let timeout = moment.timeout(Duration::from_secs(3));
    (!asked.is_empty()).then(|| Box::new(Select { asked, timeout, granted: None }) as Box<dyn Activity>)
}

struct Select {
    /// The branches, until it has ended.
    asked: Vec<Asked>,
    timeout: Timeout,
    /// What the branch that was granted goes on with.
    granted: Option<Box<dyn Activity>>,
}

impl Select {
    fn ends(&mut self, moment: &mut Moment<'_>, end: End) {
        let (outcome, refused) = match end {
            End::Outcome(outcome) => (outcome, false),
            End::Refused(reply) => (Ok(reply), true),
            End::Abandoned => return self.all(moment, || End::Abandoned),
            End::Died => return self.all(moment, || End::Died),
        };
        let (branch, outcome) = Self::branch_of(outcome);
        if let Err(error) = &outcome {
            moment.reach.note(match error.reason {
                Reason::TimedOut => "select: its time is over",
                Reason::Cancelled => "select: withdrawn",
                _ if branch.is_some() => "select: a branch fails",
                _ => "select: ends otherwise",
            });
        }
        for (index, mut one) in std::mem::take(&mut self.asked).into_iter().enumerate() {
            match &outcome {
                Ok(reply) if branch == Some(index) => {
                    one.check(reply);
                    moment.reach.note(what(&one.command, refused));
                    let reply = reply.clone();
                    let end = if refused { End::Refused(reply) } else { End::Outcome(Ok(reply)) };
                    one.activity.ended(moment, end);
                    self.granted = Some(one.activity);
                }
                Err(error)
                    if branch == Some(index) || error.reason == Reason::OutcomeUnknown && puts(&one) =>
                {
                    one.activity.ended(moment, End::Outcome(Err(error.clone())));
                }
                _ => one.withdraw(moment),
            }
        }
        assert!(outcome.is_err() || self.granted.is_some(), "{branch:?} is no branch of this select");
    }

    fn all(&mut self, moment: &mut Moment<'_>, end: fn() -> End) {
        self.asked.drain(..).for_each(|mut one| one.activity.ended(moment, end()));
    }

    /// Which branch ended it, and how.
    fn branch_of(outcome: Outcome) -> (Option<usize>, Outcome) {
        match outcome {
            Ok(Reply::Selected { branch, reply }) => (Some(branch as usize), Ok(*reply)),
            Ok(other) => panic!("a select is answered with {other:?}"),
            Err(error) => {
                let branch = error.detail("branch").and_then(|branch| branch.parse().ok());
                if branch.is_none() {
                    expect_reason("select", &error, &[Reason::TimedOut, Reason::OutcomeUnknown]);
                }
                (branch, Err::<Reply, Error>(error))
            }
        }
    }
}

fn puts(one: &Asked) -> bool {
    matches!(one.command, Command::Queue(_, queue::Command::Put { .. } | queue::Command::PutMany { .. }))
}

fn what(command: &Command, refused: bool) -> &'static str {
    match command {
        _ if refused => "select: what was granted is refused",
        Command::Queue(_, queue::Command::Take { .. }) => "select: ends with items",
        Command::Queue(..) => "select: ends with a put",
        Command::Event(..) => "select: ends with a set",
        Command::Semaphore(..) => "select: ends with permits",
        Command::Lock(..) | Command::RwLock(..) => "select: ends with a lock",
        Command::Latch(..) => "select: ends as a latch is open",
        _ => "select: ends with a change",
    }
}

impl Activity for Select {
    fn next(&mut self, moment: &mut Moment<'_>) -> Next {
        if let Some(granted) = &mut self.granted {
            return granted.next(moment);
        }
        if self.asked.is_empty() {
            return Next::Done;
        }
        let branches = self.asked.iter().map(|one| one.command.clone()).collect();
        let select = Selecting { branches, timeout: self.timeout };
        let objects = self.asked.iter().map(|one| one.object.clone()).collect();
        Next::Several(objects, Request::Command(Command::Select(Box::new(select))))
    }

    fn ended(&mut self, moment: &mut Moment<'_>, end: End) {
        match &mut self.granted {
            Some(granted) => granted.ended(moment, end),
            None => self.ends(moment, end),
        }
    }

    fn may_withdraw(&self) -> bool {
        self.granted.as_ref().is_none_or(|granted| granted.may_withdraw())
    }

    fn died(&mut self, moment: &mut Moment<'_>) {
        if let Some(granted) = &mut self.granted {
            granted.died(moment);
        }
    }

    fn describe(&self) -> String {
        match &self.granted {
            Some(granted) => format!("of a select: {}", granted.describe()),
            None => {
                let branches: Vec<_> = self.asked.iter().map(|one| one.activity.describe()).collect();
                format!("select {:?} of [{}]", self.timeout, branches.join("; "))
            }
        }
    }
}

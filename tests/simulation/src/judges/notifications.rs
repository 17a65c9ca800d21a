//! Who waits for a notification of which condition, and what woke it: a notification whose waiter ends without the lock goes to
//! the next.

use std::collections::BTreeMap;

use bridge_core::Time;
use bridge_core::command::condition::{Command, Reply, Woken};
use bridge_core::command::{Command as AnyCommand, Reply as AnyReply};
use bridge_core::ids::{OpRange, SessionKey};

use super::{Answer, CallId, Calls, Object};

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Asleep {
        until: Option<Time>,
    },
    Woken(Woken),
    /// It is offered its lock.
    Offered(Woken),
}

#[derive(Debug)]
struct Sleeper {
    call: CallId,
    state: State,
}

/// By condition, in the order in which they came.
#[derive(Default)]
pub(super) struct Notifications(BTreeMap<Object, Vec<Sleeper>>);

impl Notifications {
    pub(super) fn wait(&mut self, condition: Object, call: CallId, until: Option<Time>, now: Time) {
        self.0.entry(condition).or_default().push(Sleeper { call, state: State::Asleep { until } });
        self.pass_time(now);
    }

    pub(super) fn pass_time(&mut self, now: Time) {
        for sleeper in self.0.values_mut().flatten() {
            if let State::Asleep { until: Some(until) } = sleeper.state
                && until <= now
            {
                sleeper.state = State::Woken(Woken::TimedOut);
            }
        }
    }

    pub(super) fn cancel(&mut self, call: CallId) {
        for sleeper in self.0.values_mut().flatten().filter(|sleeper| sleeper.call == call) {
            if let State::Asleep { .. } = sleeper.state {
                sleeper.state = State::Woken(Woken::Cancelled);
            }
        }
    }

    /// It has its lock, and has said so.
    pub(super) fn done(&mut self, session: SessionKey, range: OpRange) {
        let has_it = |sleeper: &Sleeper| {
            let told = sleeper.call.0 == session && (range.first..=range.last).contains(&sleeper.call.1);
            told && matches!(sleeper.state, State::Offered(_))
        };
        self.0.values_mut().for_each(|sleepers| sleepers.retain(|sleeper| !has_it(sleeper)));
    }

    /// The lock that it was offered goes back. True: with a notification for the next.
    pub(super) fn refuse(&mut self, call: CallId) -> bool {
        self.leave(|sleeper| sleeper.call == call && matches!(sleeper.state, State::Offered(_)))
    }

    /// True: what some of the session's had been told goes to others.
    pub(super) fn end(&mut self, session: SessionKey) -> bool {
        self.leave(|sleeper| sleeper.call.0 == session)
    }

    /// They end without the lock.
    fn leave(&mut self, which: impl Fn(&Sleeper) -> bool) -> bool {
        let mut passed = false;
        for sleepers in self.0.values_mut() {
            let (gone, left) = std::mem::take(sleepers).into_iter().partition::<Vec<_>, _>(&which);
            *sleepers = left;
            let told = |sleeper: &&Sleeper| {
                matches!(sleeper.state, State::Woken(Woken::Notified) | State::Offered(Woken::Notified))
            };
            passed |= notify(sleepers, gone.iter().filter(told).count()) > 0;
        }
        passed
    }

    /// A wait has ended, or somebody has notified.
    pub(super) fn answer(&mut self, calls: &Calls, answer: &Answer<'_>) {
        let AnyCommand::Condition(_, command) = &answer.open.command else { return };
        let Some(sleepers) = calls.object(&answer.open.command).and_then(|object| self.0.get_mut(&object))
        else {
            return;
        };
        match (command, answer.outcome) {
            (Command::Notify { count }, Ok(AnyReply::Condition(Reply::Notified { count: told }))) => {
                let woken = notify(sleepers, count.map_or(usize::MAX, |count| count as usize));
                assert_eq!(
                    woken as u64, *told,
                    "so many wait for a notification, so many are told: {sleepers:?}"
                );
            }
            (Command::Wait { .. }, Ok(AnyReply::Condition(Reply::Waited { woken, .. }))) => {
                let at = sleepers.iter().position(|sleeper| sleeper.call == answer.call);
                let Some(at) = at else { panic!("{:?} waited for no notification", answer.call) };
                assert_eq!(sleepers[at].state, State::Woken(*woken), "what woke {:?}", answer.call);
                sleepers[at].state = State::Offered(*woken);
            }
            // With its session, which is told next.
            _ => {}
        }
    }
}

/// The first so many that are asleep are told; says how many those were.
fn notify(sleepers: &mut [Sleeper], count: usize) -> usize {
    let asleep = sleepers.iter_mut().filter(|sleeper| matches!(sleeper.state, State::Asleep { .. }));
    asleep.take(count).map(|sleeper| sleeper.state = State::Woken(Woken::Notified)).count()
}

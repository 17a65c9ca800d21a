//! Semaphore, naively: permits are a list, and counting is walking it.

use bridge_core::Timeout;
use bridge_core::command;
use bridge_core::command::OnDeadlock;
use bridge_core::command::semaphore::{Acquire, Command as Do, Options, Ownership, Reply};
use bridge_core::ids::{SessionKey, Token};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::model::{Naive, Who, events, modes, run, timeouts};
use crate::support::*;

#[derive(Clone, Debug)]
struct Grant {
    /// In the order in which they were granted.
    number: usize,
    who: Who,
    held: i64,
    signals: i64,
    by_token: bool,
    accepted: bool,
}

#[derive(Debug, Default)]
struct Semaphore {
    limit: i64,
    signals: i64,
    bounded: bool,
    unowned: bool,
    grants: Vec<Grant>,
    granted: usize,
    /// The engine's tokens, in the order of the grants.
    tokens: Vec<Token>,
}

#[derive(Clone, Debug)]
struct Want {
    permits: u32,
    by_token: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Acquire { permits: u32, by_token: bool, barge: bool, timeout: Timeout },
    Release(u32),
    ReleaseToken(Index),
    Drain,
    Reduce(u32),
    SetLimit(i64),
}

impl Semaphore {
    fn available(&self) -> i64 {
        self.limit + self.signals - self.grants.iter().map(|grant| grant.held).sum::<i64>()
    }

    fn grant(&mut self, who: Who, permits: i64, by_token: bool) -> usize {
        let signals = if self.unowned { permits } else { permits.min(self.signals.max(0)) };
        self.signals -= signals;
        self.granted += 1;
        let number = self.granted;
        self.grants.push(Grant { number, who, held: permits - signals, signals, by_token, accepted: false });
        number
    }

    /// A grant of `who` that a step names, and its token.
    fn token(&self, who: Who, index: &Index) -> Option<(usize, Token)> {
        let own: Vec<_> = self.grants.iter().filter(|grant| grant.who == who && grant.accepted).collect();
        let number = (!own.is_empty()).then(|| own[index.index(own.len())].number)?;
        Some((number, self.tokens[number - 1]))
    }

    fn release(&mut self, who: Who, mut permits: i64) -> String {
        let bare = |grant: &&mut Grant| grant.accepted && !grant.by_token && grant.held > 0;
        let out: i64 = self.grants.iter_mut().filter(bare).map(|grant| grant.held).sum();
        if self.bounded && self.signals + (permits - out).max(0) > 0 {
            return "TOO_MANY_RELEASES".into();
        }
        while permits > 0 {
            let own = self.grants.iter_mut().filter(bare).rfind(|grant| grant.who == who);
            let found = match own {
                Some(grant) => Some(grant),
                None => self.grants.iter_mut().find(|grant| bare(grant)),
            };
            match found {
                Some(grant) => grant.held -= 1,
                None => self.signals += 1,
            }
            permits -= 1;
            self.grants.retain(|grant| !grant.accepted || grant.by_token || grant.held > 0);
        }
        "Semaphore(Released)".into()
    }
}

impl Naive for Semaphore {
    type Want = Want;
    type Grant = usize;
    type Step = Step;

    fn command(&self, who: Who, step: &Step) -> Option<command::Command> {
        let command = match step.clone() {
            Step::Acquire { permits, by_token, barge, timeout } => {
                Do::Acquire(Acquire { permits, by_token, barge, timeout })
            }
            Step::Release(permits) => Do::Release { permits, token: None },
            Step::ReleaseToken(index) => Do::Release { permits: 1, token: Some(self.token(who, &index)?.1) },
            Step::SetLimit(_) if self.bounded => return None,
            Step::Drain => Do::Drain,
            Step::Reduce(permits) => Do::Reduce { permits },
            Step::SetLimit(limit) => Do::SetLimit { limit },
        };
        Some(on_semaphore("s", command))
    }

    fn want(&mut self, step: &Step) -> Option<(Want, Timeout, bool)> {
        match step {
            Step::Acquire { permits, by_token, barge, timeout } => {
                Some((Want { permits: *permits, by_token: *by_token }, *timeout, *barge))
            }
            _ => None,
        }
    }

    fn act(&mut self, who: Who, step: &Step) -> (String, Option<usize>) {
        let text = match step {
            Step::Acquire { .. } => unreachable!("it is a want"),
            Step::Release(permits) => self.release(who, i64::from(*permits)),
            Step::ReleaseToken(index) => {
                let number = self.token(who, index).map(|(number, _)| number).expect("a token");
                match self.grants.iter().position(|grant| grant.number == number) {
                    None => "STALE".into(),
                    Some(index) => {
                        self.signals += self.grants.remove(index).signals;
                        "Semaphore(Released)".into()
                    }
                }
            }
            Step::Drain => match self.available() {
                available @ 1.. => return ("drained".into(), Some(self.grant(who, available, false))),
                available => {
                    self.signals -= available;
                    format!("Semaphore(Drained {{ drained: {available}, token: None }})")
                }
            },
            Step::Reduce(permits) => {
                self.signals -= i64::from(*permits);
                "Semaphore(Reduced)".into()
            }
            Step::SetLimit(limit) => {
                self.limit = *limit;
                "Semaphore(LimitSet)".into()
            }
        };
        (text, None)
    }

    fn serve(&mut self, who: Who, want: &Want, ahead: &[Want]) -> Option<(String, Option<usize>)> {
        let permits = i64::from(want.permits);
        let free = ahead.is_empty() && permits <= self.available();
        free.then(|| ("acquired".into(), Some(self.grant(who, permits, want.by_token))))
    }

    fn settles_everyone(&self, _want: &Want) -> bool {
        false
    }

    fn gives(&self, _want: &Want) -> bool {
        true
    }

    fn timed_out(&self, _want: &Want) -> &'static str {
        "TIMED_OUT"
    }

    fn accept(&mut self, _who: Who, number: &usize) {
        let grant = self.grants.iter_mut().find(|grant| grant.number == *number);
        if let Some(grant) = grant {
            grant.accepted = true;
        }
        self.grants.retain(|grant| !grant.accepted || grant.by_token || grant.held > 0);
    }

    fn refuse(&mut self, number: &usize) {
        if let Some(index) = self.grants.iter().position(|grant| grant.number == *number) {
            self.signals += self.grants.remove(index).signals;
        }
    }

    fn note(&mut self, answer: &Answer) {
        if let Ok(command::Reply::Semaphore(
            Reply::Acquired(token) | Reply::Drained { token: Some(token), .. },
        )) = &answer.outcome
            && self.tokens.last().is_none_or(|last| last < token)
        {
            self.tokens.push(*token);
        }
    }

    fn session_over(&mut self, who: Who) {
        self.grants.retain(|grant| grant.who != who);
    }

    fn compare(&self, space: &Space, who: SessionKey) {
        let figures = space.semaphore(who, "s");
        assert_eq!((figures.available, figures.signals), (self.available(), self.signals));
    }
}

proptest! {
    #[test]
    fn semaphore(
        mode in modes(),
        bounded: bool,
        unowned: bool,
        events in events(prop_oneof![
            4 => (1_u32..4, any::<bool>(), prop::bool::weighted(0.2), timeouts())
                .prop_map(|(permits, by_token, barge, timeout)| Step::Acquire { permits, by_token, barge, timeout }),
            3 => (1_u32..4).prop_map(Step::Release),
            2 => any::<Index>().prop_map(Step::ReleaseToken),
            1 => Just(Step::Drain),
            1 => (1_u32..3).prop_map(Step::Reduce),
            1 => (-2_i64..6).prop_map(Step::SetLimit),
        ]),
    ) {
        let ownership = if unowned { Ownership::None } else { Ownership::Session };
        let options =
            Options { limit: Some(3), bounded: Some(bounded), ownership: Some(ownership), deadlock: Some(OnDeadlock::Off), ..Default::default() };
        let naive = Semaphore { limit: 3, bounded, unowned, ..Default::default() };
        run(mode, naive, [on_semaphore("s", Do::Declare(options))], events);
    }
}

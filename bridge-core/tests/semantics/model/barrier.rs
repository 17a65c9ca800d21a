//! Barrier, naively: what each wait comes to is written down when it is known.

use std::collections::BTreeMap;

use bridge_core::Timeout;
use bridge_core::command;
use bridge_core::command::barrier::{Arrive, Command as Do, OnCancel, Options, Query, Reply};
use bridge_core::ids::{SessionKey, Token};
use proptest::prelude::*;

use crate::model::{After, Leaving, Naive, Who, events, modes, run, timeouts};
use crate::support::*;

const BROKEN: &str = "BROKEN_BARRIER";

#[derive(Clone, Debug)]
struct Want {
    /// In the order of arrival.
    id: usize,
    who: Who,
    has_action: bool,
    may_leave: bool,
}

#[derive(Debug)]
struct Acting {
    /// The how manyeth action it is.
    number: usize,
    who: Who,
    accepted: bool,
    others: Vec<(usize, Want)>,
}

#[derive(Debug, Default)]
struct Barrier {
    parties: usize,
    line: Vec<Want>,
    acting: Option<Acting>,
    is_broken: bool,
    arrivals: usize,
    actions: usize,
    /// The engine's tokens of them.
    tokens: Vec<Token>,
    results: BTreeMap<usize, (String, Option<usize>)>,
    /// Whose step it is.
    stepping: std::cell::Cell<Who>,
}

#[derive(Clone, Debug)]
enum Step {
    Wait { timeout: Timeout, has_action: bool, may_leave: bool },
    ActionDone { fails: bool },
    Reset,
    Abort,
}

impl Barrier {
    fn settle(&mut self) {
        while !self.is_broken && self.acting.is_none() && self.line.len() >= self.parties {
            let behind = self.line.split_off(self.parties);
            let all = std::mem::replace(&mut self.line, behind);
            let runs = all.iter().rposition(|want| want.has_action);
            let mut others: Vec<_> = all.into_iter().enumerate().collect();
            let Some(runs) = runs else {
                self.go(others);
                continue;
            };
            let (index, want) = others.remove(runs);
            self.actions += 1;
            self.results.insert(want.id, (format!("act at {index}"), Some(self.actions)));
            self.acting = Some(Acting { number: self.actions, who: want.who, accepted: false, others });
        }
    }

    fn go(&mut self, all: Vec<(usize, Want)>) {
        self.results.extend(all.into_iter().map(|(index, want)| (want.id, (format!("at {index}"), None))));
    }

    fn break_for_all(&mut self, is_reset: bool) {
        let others = self.acting.take().map_or_else(Vec::new, |acting| acting.others);
        let others = others.into_iter().map(|(_, want)| want);
        let all = others.chain(std::mem::take(&mut self.line));
        self.results.extend(all.map(|want| (want.id, (BROKEN.to_owned(), None))));
        self.is_broken = !is_reset;
    }
}

impl Naive for Barrier {
    type Want = Want;
    type Grant = usize;
    type Step = Step;

    fn command(&self, who: Who, step: &Step) -> Option<command::Command> {
        self.stepping.set(who);
        let command = match *step {
            Step::Wait { timeout, has_action, may_leave } => {
                let on_cancel = if may_leave { OnCancel::Leave } else { OnCancel::Break };
                Do::Wait(Arrive { timeout, has_action, on_cancel })
            }
            Step::ActionDone { fails } => {
                let acting = self.acting.as_ref().filter(|acting| acting.accepted && acting.who == who)?;
                let action = self.tokens[acting.number - 1];
                Do::ActionDone { action, error: fails.then(|| "no".to_owned()) }
            }
            Step::Reset => Do::Reset,
            Step::Abort => Do::Abort,
        };
        Some(command::Command::Barrier(target("b"), command))
    }

    fn want(&mut self, step: &Step) -> Option<(Want, Timeout, bool)> {
        let Step::Wait { timeout, has_action, may_leave } = *step else { return None };
        self.arrivals += 1;
        let want = Want { id: self.arrivals, who: self.stepping.get(), has_action, may_leave };
        let is_last = self.acting.is_none() && self.line.len() + 1 == self.parties;
        let acts = self.line.iter().any(|want| want.has_action);
        let at_once = is_last && (has_action || !acts);
        if self.is_broken {
            self.results.insert(want.id, (BROKEN.to_owned(), None));
        } else if timeout == NOW && !at_once {
            self.break_for_all(false);
        } else {
            self.line.push(want.clone());
            self.settle();
        }
        Some((want, timeout, false))
    }

    fn act(&mut self, _who: Who, step: &Step) -> (String, Option<usize>) {
        let text = match step {
            Step::Wait { .. } => unreachable!("it is a want"),
            Step::ActionDone { fails: true } => {
                self.break_for_all(false);
                "passed false"
            }
            Step::ActionDone { fails: false } => {
                let others = self.acting.take().expect("it acts").others;
                self.go(others);
                self.settle();
                "passed true"
            }
            Step::Reset => {
                self.break_for_all(true);
                "Barrier(Reset)"
            }
            Step::Abort => {
                self.break_for_all(false);
                "Barrier(Aborted)"
            }
        };
        (text.into(), None)
    }

    fn serve(&mut self, _who: Who, want: &Want, _ahead: &[Want]) -> Option<(String, Option<usize>)> {
        self.results.remove(&want.id)
    }

    fn leaves(&mut self, want: &mut Want, how: Leaving) -> After {
        self.line.retain(|other| other.id != want.id);
        if let Some(acting) = &mut self.acting {
            acting.others.retain(|(_, other)| other.id != want.id);
        }
        if how != Leaving::Cancelled || !want.may_leave {
            self.break_for_all(false);
        }
        After::Ends
    }

    fn gives(&self, _want: &Want) -> bool {
        false
    }

    fn settles_everyone(&self, _want: &Want) -> bool {
        true
    }

    fn timed_out(&self, _want: &Want) -> &'static str {
        "TIMED_OUT"
    }

    fn accept(&mut self, _who: Who, number: &usize) {
        if let Some(acting) = self.acting.as_mut().filter(|acting| acting.number == *number) {
            acting.accepted = true;
        }
    }

    fn refuse(&mut self, number: &usize) {
        if self.acting.as_ref().is_some_and(|acting| acting.number == *number) {
            self.break_for_all(false);
        }
    }

    fn note(&mut self, answer: &Answer) {
        if let Ok(command::Reply::Barrier(Reply::Arrived(arrived))) = &answer.outcome
            && let Some(action) = arrived.action
            && self.tokens.last().is_none_or(|last| *last < action)
        {
            self.tokens.push(action);
        }
    }

    fn session_over(&mut self, who: Who) {
        if self.acting.as_ref().is_some_and(|acting| acting.who == who) {
            self.break_for_all(false);
        }
    }

    fn compare(&self, space: &Space, who: SessionKey) {
        let figures = match space.query(who, command::Query::Barrier(target("b"), Query::Describe)) {
            Ok(command::Reply::Barrier(Reply::Described(figures))) => *figures,
            other => panic!("not described: {other:?}"),
        };
        let waiting = self.line.len() + self.acting.as_ref().map_or(0, |acting| acting.others.len());
        assert_eq!(
            (figures.waiting, figures.acting, figures.broken.is_some()),
            (waiting as u64, self.acting.is_some(), self.is_broken)
        );
    }
}

proptest! {
    #[test]
    fn barrier(
        mode in modes(),
        parties in 1_u32..4,
        events in events(prop_oneof![
            8 => (timeouts(), any::<bool>(), any::<bool>()).prop_map(|(timeout, has_action, may_leave)| {
                Step::Wait { timeout, has_action, may_leave: may_leave && !has_action }
            }),
            4 => prop::bool::weighted(0.2).prop_map(|fails| Step::ActionDone { fails }),
            3 => Just(Step::Reset),
            1 => Just(Step::Abort),
        ]),
    ) {
        let naive = Barrier { parties: parties as usize, ..Default::default() };
        let declare = Do::Declare(Options { parties: Some(parties), ephemeral: None });
        run(mode, naive, [command::Command::Barrier(target("b"), declare)], events);
    }
}

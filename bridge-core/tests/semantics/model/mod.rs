//! The engine against a naive model: lists that are walked from the front, nothing remembered twice.
//!
//! What sessions, waits, offers and stored answers do is the same for all primitives and modelled here; each
//! primitive adds what it gives to whom. Every other wait is made as a branch of a select beside one that never ends, which
//! changes nothing but what it is told when its time is over.

mod barrier;
mod deadlock;
mod event;
mod latch;
mod lifetime;
mod list;
mod lock;
mod queue;
mod run;
mod rwlock;
mod select;
mod semaphore;
mod timer;
mod transaction;
mod value;

use std::time::Duration;

use bridge_core::command::{Command, Mode};
use bridge_core::ids::SessionKey;
use bridge_core::{Time, Timeout};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::support::*;

use run::run;

/// Sessions take part by number.
pub(super) type Who = usize;

const SESSIONS: usize = 3;

/// What a primitive gives, naively.
pub(super) trait Naive {
    /// What a wait waits for.
    type Want: Clone + std::fmt::Debug;
    /// What an offer would take back.
    type Grant: Clone + std::fmt::Debug + PartialEq;
    /// What is done to it.
    type Step: Clone + std::fmt::Debug;

    /// The engine's command of a step by `who`; `None` if there is nothing to do it to.
    fn command(&self, who: Who, step: &Self::Step) -> Option<Command>;

    /// The wait of a step, its timeout, and whether it may pass the line; `None` for one that never waits.
    fn want(&mut self, step: &Self::Step) -> Option<(Self::Want, Timeout, bool)>;

    /// Does a step that never waits.
    fn act(&mut self, who: Who, step: &Self::Step) -> (String, Option<Self::Grant>);

    /// Serves a wait if it can be, with `ahead` waiting before it.
    fn serve(
        &mut self,
        who: Who,
        want: &Self::Want,
        ahead: &[Self::Want],
    ) -> Option<(String, Option<Self::Grant>)>;

    /// What becomes of a wait that would end without being served.
    fn leaves(&mut self, _want: &mut Self::Want, _how: Leaving) -> After {
        After::Ends
    }

    /// What happened made it wait for something else: behind everybody, and for as long as it takes.
    fn waits_anew(&mut self, _want: &mut Self::Want) -> bool {
        false
    }

    /// What it is given is an offer even if it had not to wait.
    fn is_offered(&self, want: &Self::Want) -> bool {
        self.stands_back(want)
    }

    /// It ends for those who are away too.
    fn settles_everyone(&self, want: &Self::Want) -> bool;

    /// Its answer gives something, which a paused session is not given.
    fn gives(&self, want: &Self::Want) -> bool;

    /// It is served only while nobody else waits, and what it is given may be recalled.
    fn stands_back(&self, _want: &Self::Want) -> bool {
        false
    }

    /// A wait that stands back does so no more.
    fn hasten(&mut self, _want: &mut Self::Want) {}

    /// What is recalled now that these are asked for; sessions by whether they hear of it.
    fn recalls(&mut self, _asking: &[Self::Want], _is_present: &[bool]) -> Vec<Self::Grant> {
        Vec::new()
    }

    /// It was recalled, and is not back yet.
    fn is_recalled(&self, _grant: &Self::Grant) -> bool {
        false
    }

    fn timed_out(&self, want: &Self::Want) -> &'static str;

    fn accept(&mut self, who: Who, grant: &Self::Grant);

    fn refuse(&mut self, grant: &Self::Grant);

    /// Takes back what a put brought.
    fn withdraw(&mut self, _text: &str) -> bool {
        false
    }

    /// The engine gave that answer.
    fn note(&mut self, _answer: &Answer) {}

    fn session_over(&mut self, who: Who);

    /// It is `now`.
    fn tick(&mut self, _now: Time) {}

    /// When something of its own happens next.
    fn due(&self) -> Option<Time> {
        None
    }

    /// That happens.
    fn happen(&mut self) {}

    /// Compares the figures.
    fn compare(&self, space: &Space, who: SessionKey);
}

/// How a wait ends that is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    Cancelled,
    TimedOut,
    SessionOver,
}

/// What becomes of a wait that would end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    Ends,
    /// It waits on, where it stands.
    Stays,
    /// It waits on, behind everybody, and for as long as it takes.
    WaitsAnew,
}

/// What happens in a test.
#[derive(Clone, Debug)]
pub(super) enum Event<S> {
    Step(Who, S),
    Cancel(Who, Index),
    Hasten(Who, Index),
    Done(Who, Index),
    Refuse(Who, Index),
    Detach(Who),
    Attach(Who),
    Pause(Who),
    Unpause(Who),
    End(Who),
    Pass(u64),
}

pub(super) fn events<S: Clone + std::fmt::Debug + 'static>(
    step: impl Strategy<Value = S> + 'static,
) -> impl Strategy<Value = Vec<Event<S>>> {
    let who = || 0..SESSIONS;
    let event = prop_oneof![
        10 => (who(), step).prop_map(|(who, step)| Event::Step(who, step)),
        1 => (who(), any::<Index>()).prop_map(|(who, index)| Event::Cancel(who, index)),
        1 => (who(), any::<Index>()).prop_map(|(who, index)| Event::Hasten(who, index)),
        4 => (who(), any::<Index>()).prop_map(|(who, index)| Event::Done(who, index)),
        2 => (who(), any::<Index>()).prop_map(|(who, index)| Event::Refuse(who, index)),
        1 => who().prop_map(Event::Detach),
        1 => who().prop_map(Event::Attach),
        1 => who().prop_map(Event::Pause),
        1 => who().prop_map(Event::Unpause),
        1 => who().prop_map(Event::End),
        1 => (1_u64..8).prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 1..80)
}

/// Never over together with anything else.
pub(super) fn leases() -> impl Strategy<Value = Option<Duration>> {
    prop::option::weighted(0.3, Just(Duration::from_millis(2_500)))
}

pub(super) fn timeouts() -> impl Strategy<Value = Timeout> {
    prop_oneof![2 => Just(NOW), 1 => Just(seconds(3)), 2 => Just(FOREVER)]
}

pub(super) fn modes() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Direct), Just(Mode::Resumable)]
}

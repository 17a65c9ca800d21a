//! Timer, naively: every firing is written down, and the list is walked.

use std::time::Duration;

use bridge_core::command;
use bridge_core::command::timer::{Command as Do, Missed, Query, Reply, Schedule, Times};
use bridge_core::command::{Mode, queue};
use bridge_core::cron::Cron;
use bridge_core::{Limits, Time};
use proptest::prelude::*;

use crate::support::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Pass(u64),
    Get,
    Put,
}

#[derive(Debug)]
struct Naive {
    /// All firings to come.
    firings: Vec<Time>,
    missed_policy: Missed,
    retry: Option<Time>,
    maxsize: u64,
    ready: u64,
    fired: u64,
    missed: u64,
    owed: u32,
    max: u32,
}

impl Naive {
    fn put(&mut self) -> bool {
        let room = self.ready < self.maxsize;
        self.ready += u64::from(room);
        room
    }

    fn tick(&mut self, now: Time) {
        let is_due = self.firings.first().is_some_and(|at| *at <= now);
        if !is_due && self.retry.is_none_or(|at| at > now) {
            return;
        }
        let (past, coming): (Vec<_>, Vec<_>) = self.firings.iter().partition(|at| **at <= now);
        self.firings = coming;
        let late = past.iter().filter(|at| now.since(**at) > Duration::from_secs(1)).count() as u64;
        let punctual = past.len() as u64 - late;
        self.missed += late;
        for _ in 0..late {
            self.owe();
        }
        let mut open = u64::from(std::mem::take(&mut self.owed)) + punctual;
        while open > 0 && self.put() {
            (open, self.fired) = (open - 1, self.fired + 1);
        }
        // The regular ones come last.
        self.missed += open.min(punctual);
        for _ in 0..open {
            self.owe();
        }
        self.retry = (self.owed > 0).then(|| now + Duration::from_secs(1));
    }

    fn owe(&mut self) {
        self.owed = match self.missed_policy {
            Missed::Skip => 0,
            Missed::Once => 1,
            Missed::All => (self.owed + 1).min(self.max),
        };
    }
}

fn firings(times: &Times, start: Time, horizon: Duration) -> Vec<Time> {
    let end = start + horizon;
    match times {
        Times::After(delay) => vec![start + *delay],
        Times::Every(period) => {
            let all = std::iter::successors(Some(start + *period), |at| Some(*at + *period));
            all.take_while(|at| *at <= end).collect()
        }
        Times::Cron(cron) => {
            let all = std::iter::successors(cron.next_after(start), |at| cron.next_after(*at));
            all.take_while(|at| *at <= end).collect()
        }
    }
}

fn times() -> impl Strategy<Value = Times> {
    let millis = |millis| Duration::from_millis(millis);
    prop_oneof![
        1 => (1_u64..9_000).prop_map(move |delay| Times::After(millis(delay))),
        4 => (100_u64..3_000).prop_map(move |period| Times::Every(millis(period))),
        1 => Just(Times::Cron(Cron::parse("* * * * *").expect("it is fine"))),
        1 => Just(Times::Cron(Cron::parse("*/2 0 1 1 *").expect("it is fine"))),
    ]
}

proptest! {
    #[test]
    fn timer(
        times in times(),
        missed in prop::sample::select(vec![Missed::Skip, Missed::Once, Missed::All]),
        maxsize in 1_u64..6,
        steps in prop::collection::vec(prop_oneof![
            6 => (0_u64..1_200).prop_map(Step::Pass),
            1 => (0_u64..90_000).prop_map(Step::Pass),
            2 => Just(Step::Get),
            1 => Just(Step::Put),
        ], 1..40),
    ) {
        let max = 1_000;
        let mut space = Space::with(Limits { timer_firings_max: max, ..Limits::default() });
        let who = space.open(Mode::Direct);
        let options = queue::Options { maxsize: Some(maxsize), ..Default::default() };
        space.ask(who, declare("q", options)).expect("it is declared");
        let schedule = Schedule { queue: name("q"), item: item("tick"), times: times.clone(), missed };
        let start = Do::Schedule { schedule: Box::new(schedule), replace: false };
        space.ask(who, command::Command::Timer(target("t"), start)).expect("it is scheduled");
        let firings = firings(&times, space.now, Duration::from_secs(40 * 90));
        let mut naive =
            Naive { firings, missed_policy: missed, retry: None, maxsize, ready: 0, fired: 0, missed: 0, owed: 0, max };
        for step in steps {
            match step {
                Step::Pass(millis) => {
                    space.pass(Duration::from_millis(millis));
                    naive.tick(space.now);
                }
                Step::Get => {
                    let got = space.take_and_accept(who, get("q", NOW)).is_ok();
                    prop_assert_eq!(got, naive.ready > 0);
                    naive.ready -= u64::from(got);
                }
                Step::Put => prop_assert_eq!(space.ask(who, put("q", "put", NOW)).is_ok(), naive.put()),
            }
            let figures = match space.query(who, command::Query::Timer(target("t"), Query::Describe)) {
                Ok(command::Reply::Timer(Reply::Described(figures))) => *figures,
                other => panic!("not described: {other:?}"),
            };
            let next = naive.firings.first().map(|at| at.since(space.now));
            if figures.schedule.is_some() {
                prop_assert_eq!(figures.next_in, next);
            } else {
                prop_assert!(naive.firings.is_empty() && naive.owed == 0);
            }
            let found = (space.queue(who, "q").ready, figures.fired, figures.missed, figures.owed);
            prop_assert_eq!(found, (naive.ready, naive.fired, naive.missed, naive.owed));
        }
    }
}

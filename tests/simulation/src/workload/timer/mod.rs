//! Timers: once, every so often and by the calendar, with each way to make up for what was missed. Semantics 14.
//!
//! Judged: nothing is put before its time, twice, or after the schedule's end; nothing is left out but what `missed` permits,
//! and only where the server was down or the queue was full; and what was put is gotten once.

mod ledger;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bridge_core::command::queue::{self, Batch, Taking};
use bridge_core::command::timer::{Command, Missed, Query, Reply, Times};
use bridge_core::command::{Command as AnyCommand, Query as AnyQuery, Reply as AnyReply};
use bridge_core::cron::Cron;
use bridge_core::{Error, Reason, Request, Time, Timeout};

use super::{Activity, End, Moment, Next, Workload, ask, expect_reason};
use crate::plan::Plan;
use crate::server::Server;
use ledger::{Ledger, Span};

/// So many go on at a time.
const TIMERS_MAX: usize = 5;

/// The timers of a run.
pub struct Timers {
    ledger: Rc<RefCell<Ledger>>,
}

impl Timers {
    /// None yet.
    pub fn new(plan: &Plan) -> Self {
        Timers { ledger: Rc::new(RefCell::new(Ledger::new(plan.clients))) }
    }

    fn task(&self, doing: Doing) -> Box<dyn Activity> {
        Box::new(Task { ledger: self.ledger.clone(), doing, asked: Time::default(), life: 0 })
    }

    /// Some schedule of those that are known to go on.
    fn some(&self, moment: &mut Moment<'_>, which: impl Fn(&ledger::Scheduled) -> bool) -> Option<usize> {
        let ledger = self.ledger.borrow();
        let all = ledger.all.iter().enumerate();
        let going: Vec<_> = all.filter(|(_, one)| one.goes_on(moment.server) && which(one)).collect();
        let index = moment.random.index(going.len());
        going.get(index).map(|(number, _)| *number)
    }
}

#[derive(Clone, Debug)]
enum Doing {
    Schedule {
        queue: usize,
        times: Times,
        missed: Missed,
    },
    Scheduling(usize),
    /// As a program does that says at each start what it needs.
    Again(usize),
    Look(usize, Then),
    Cancel(usize),
    Take {
        queue: usize,
        timeout: Timeout,
    },
    /// At the end: something for those who wait, and then what is left.
    Fill(usize),
    Sweep(usize),
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Cancel,
    Nothing,
}

struct Task {
    ledger: Rc<RefCell<Ledger>>,
    doing: Doing,
    asked: Time,
    life: u32,
}

fn some_times(moment: &mut Moment<'_>) -> Times {
    match moment.random.below(8) {
        0 | 1 => Times::After(moment.random.short(Duration::from_secs(10))),
        2 => Times::Cron(Cron::parse("* * * * *").expect("invariant: it comes round")),
        3 => Times::Every(Duration::from_millis(100)),
        _ => Times::Every(Duration::from_millis(moment.random.pick(&[500, 1_300, 4_000]))),
    }
}

impl Task {
    fn scheduled(&self, moment: &mut Moment<'_>, number: usize, again: bool, outcome: Result<bool, &Error>) {
        let scheduled = &mut self.ledger.borrow_mut().all[number];
        let same_life = self.life == moment.server.life();
        match outcome {
            Ok(existed) if again => {
                let must = same_life && scheduled.life == self.life && scheduled.repeats();
                assert!(existed || !must, "timer {number} was scheduled anew: {scheduled:?}");
                moment.reach.note("timer: it has this schedule already");
            }
            Ok(existed) => {
                assert!(!existed, "timer {number} had a schedule before");
                moment.reach.note("timer: scheduled");
                scheduled.began(same_life.then_some(moment.now));
            }
            Err(error) => {
                expect_reason("schedule", error, &[Reason::OutcomeUnknown]);
                scheduled.never = !again && error.reason != Reason::OutcomeUnknown;
            }
        }
    }

    fn taken(&self, moment: &mut Moment<'_>, taken: &queue::Taken) {
        let ledger = &mut *self.ledger.borrow_mut();
        taken.deliveries.iter().for_each(|delivery| ledger.accept(moment, delivery));
    }

    fn looked(&self, moment: &mut Moment<'_>, number: usize, reply: AnyReply) {
        let AnyReply::Timer(Reply::Described(figures)) = reply else { return };
        if self.life != moment.server.life() {
            return;
        }
        if figures.missed > 0 {
            moment.reach.note(match self.ledger.borrow().all[number].schedule.missed {
                Missed::Skip => "timer: a missed firing is left out",
                Missed::Once => "timer: one is put for those that were missed",
                Missed::All => "timer: each that was missed is put",
            });
        }
        if figures.last_error.is_some() {
            moment.reach.note("timer: a firing was refused");
        }
        // One that is over may be another by now, of the same name.
        if figures.schedule.is_some() {
            self.ledger.borrow_mut().all[number].figures = Some((self.asked, figures));
        }
    }

    fn cancelled(&self, moment: &mut Moment<'_>, number: usize, had_one: bool) {
        let scheduled = &mut self.ledger.borrow_mut().all[number];
        let same_life = self.life == moment.server.life() && self.life == scheduled.life;
        let must = same_life && scheduled.repeats() && scheduled.is_certain() && scheduled.cancels == 1;
        assert!(had_one || !must, "timer {number} was gone: {scheduled:?}");
        moment.reach.note(if had_one { "timer: cancelled" } else { "timer: it was over" });
        if let Some(ended) = scheduled.ended.as_mut().filter(|_| same_life) {
            ended.to = Some(moment.now);
        }
    }
}

impl Activity for Task {
    fn next(&mut self, moment: &mut Moment<'_>) -> Next {
        (self.asked, self.life) = (moment.now, moment.server.life());
        let ledger = &mut *self.ledger.borrow_mut();
        let take = |max, timeout| {
            let batch = Batch { max, ..Batch::ONE };
            queue::Command::Take { taking: Taking::new(queue::Mode::Get, batch), timeout }
        };
        if let Doing::Schedule { queue, times, missed } = &self.doing {
            self.doing = Doing::Scheduling(ledger.schedule(moment, *queue, times.clone(), *missed));
        }
        let (number, command) = match &self.doing {
            Doing::Scheduling(number) | Doing::Again(number) => {
                ledger.all[*number].kept |= matches!(self.doing, Doing::Again(_));
                let schedule = Box::new(ledger.all[*number].schedule.clone());
                (*number, Command::Schedule { schedule, replace: false })
            }
            Doing::Cancel(number) => {
                let scheduled = &mut ledger.all[*number];
                if scheduled.kept && !moment.closing {
                    return Next::Done;
                }
                scheduled.ended.get_or_insert(Span { from: moment.now, to: None });
                scheduled.cancels += 1;
                (*number, Command::Cancel)
            }
            Doing::Look(number, _) => {
                let timer = ledger.timer(*number, moment.client);
                return ask(&timer, |target| AnyQuery::Timer(target, Query::Describe));
            }
            Doing::Take { queue, .. } | Doing::Fill(queue) | Doing::Sweep(queue) => {
                let object = ledger.queue(*queue, moment.client);
                let command = match &self.doing {
                    Doing::Fill(_) => queue::Command::Put { item: ledger.filler(), timeout: Timeout::NOW },
                    Doing::Take { timeout, .. } => {
                        ledger.queues[*queue].takers += 1;
                        take(4, *timeout)
                    }
                    _ => take(100, Timeout::NOW),
                };
                let target = object.target();
                return Next::Call(object, Request::Command(AnyCommand::Queue(target, command)));
            }
            Doing::Schedule { .. } | Doing::Done => return Next::Done,
        };
        let object = ledger.timer(number, moment.client);
        let target = object.target();
        Next::Call(object, Request::Command(AnyCommand::Timer(target, command)))
    }

    fn ended(&mut self, moment: &mut Moment<'_>, end: End) {
        let doing = std::mem::replace(&mut self.doing, Doing::Done);
        if let Doing::Take { queue, .. } = doing {
            self.ledger.borrow_mut().queues[queue].takers -= 1;
        }
        match (doing, end) {
            (
                Doing::Scheduling(number),
                End::Outcome(Ok(AnyReply::Timer(Reply::Scheduled { existed, .. }))),
            ) => {
                self.scheduled(moment, number, false, Ok(existed));
            }
            (Doing::Again(number), End::Outcome(Ok(AnyReply::Timer(Reply::Scheduled { existed, .. })))) => {
                self.scheduled(moment, number, true, Ok(existed));
            }
            (Doing::Scheduling(number), End::Outcome(Err(error))) => {
                self.scheduled(moment, number, false, Err(&error));
            }
            (Doing::Again(number), End::Outcome(Err(error))) => {
                self.scheduled(moment, number, true, Err(&error));
            }
            (Doing::Look(number, then), End::Outcome(Ok(reply))) => {
                self.looked(moment, number, reply);
                if then == Then::Cancel {
                    self.doing = Doing::Cancel(number);
                }
            }
            (Doing::Cancel(number), End::Outcome(Ok(AnyReply::Timer(Reply::Cancelled(had_one))))) => {
                self.cancelled(moment, number, had_one);
            }
            (Doing::Cancel(_), End::Outcome(Err(error))) => {
                expect_reason("cancel", &error, &[Reason::OutcomeUnknown]);
            }
            (Doing::Take { .. }, End::Outcome(Ok(AnyReply::Queue(queue::Reply::Taken(taken))))) => {
                self.taken(moment, &taken);
            }
            (Doing::Take { .. }, End::Outcome(Err(error))) => expect_reason("take", &error, &[Reason::Empty]),
            (Doing::Sweep(queue), End::Outcome(Ok(AnyReply::Queue(queue::Reply::Taken(taken))))) => {
                self.taken(moment, &taken);
                self.doing = Doing::Sweep(queue);
            }
            (Doing::Sweep(queue), End::Outcome(Err(error))) => {
                expect_reason("the last get", &error, &[Reason::Empty]);
                self.ledger.borrow_mut().queues[queue].swept = true;
            }
            _ => {}
        }
    }

    fn died(&mut self, _moment: &mut Moment<'_>) {}

    fn describe(&self) -> String {
        format!("timer {:?}", self.doing)
    }
}

impl Workload for Timers {
    fn name(&self) -> &'static str {
        "timer"
    }

    fn begin(&mut self, moment: &mut Moment<'_>) -> Box<dyn Activity> {
        let going = self.ledger.borrow().all.iter().filter(|one| one.goes_on(moment.server)).count();
        let queue = moment.random.index(2);
        let doing = match moment.random.below(20) {
            0..=4 if going < TIMERS_MAX => {
                let missed = moment.random.pick(&[Missed::Skip, Missed::Once, Missed::All]);
                Some(Doing::Schedule { queue, times: some_times(moment), missed })
            }
            0..=2 => self.some(moment, |one| !one.kept).map(Doing::Cancel),
            3 | 4 => self.some(moment, |one| !one.kept).map(|number| Doing::Look(number, Then::Cancel)),
            5 => self.some(moment, |one| one.repeats()).map(Doing::Again),
            6 => self.some(moment, |_| true).map(|number| Doing::Look(number, Then::Nothing)),
            _ => None,
        };
        let timeout = match moment.random.below(8) {
            0 => Timeout::After(Duration::from_secs(4)),
            1 => Timeout::After(moment.random.short(Duration::from_secs(1))),
            _ => Timeout::NOW,
        };
        self.task(doing.unwrap_or(Doing::Take { queue, timeout }))
    }

    fn reset(&mut self, client: usize) {
        self.ledger.borrow_mut().reset(client);
    }

    fn help(&mut self, _moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
        let queue = self.ledger.borrow().queues.iter().position(|queue| queue.takers > 0)?;
        Some(self.task(Doing::Fill(queue)))
    }

    fn sweep(&mut self, moment: &mut Moment<'_>) -> Option<Box<dyn Activity>> {
        let ledger = self.ledger.borrow();
        // Those of which nobody knows too, and those whose end is not known.
        let may_go_on = |one: &ledger::Scheduled| {
            one.life == moment.server.life() && !one.never && one.ended.is_none_or(|ended| ended.to.is_none())
        };
        let doing = match ledger.all.iter().position(may_go_on) {
            Some(number) if ledger.all[number].ended.is_none() => Doing::Look(number, Then::Cancel),
            Some(number) => Doing::Cancel(number),
            None => Doing::Sweep(ledger.queues.iter().position(|queue| !queue.swept)?),
        };
        drop(ledger);
        Some(self.task(doing))
    }

    fn balance(&self, server: &Server) {
        self.ledger.borrow().balance(server);
    }

    fn life_over(&mut self) {}
}

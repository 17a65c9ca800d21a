//! What is known of each schedule: when it was asked for and given up, how often it must and may have gone off meanwhile, and
//! what has come of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bridge_client::session::{Declaration, Object};
use bridge_core::Time;
use bridge_core::command::queue::{self, Delivery, NewItem};
use bridge_core::command::timer::{Figures, Missed, Options, Schedule, Times};
use bridge_core::ids::{ItemId, Name, Op};
use bridge_core::payload::{ContentType, Payload};
use bytes::Bytes;

use crate::server::{Incarnation, Server};
use crate::workload::queue::number;
use crate::workload::{Moment, handle};

/// From when to when something happened: when it was asked, and when it was answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) from: Time,
    /// `None`: nobody knows whether it happened.
    pub(super) to: Option<Time>,
}

/// A schedule, which has a timer of its own.
#[derive(Debug)]
pub(super) struct Scheduled {
    pub(super) schedule: Schedule,
    pub(super) life: u32,
    /// How often the server had started before.
    starts: u32,
    begun: Span,
    pub(super) ended: Option<Span>,
    /// How many have asked for its end.
    pub(super) cancels: u32,
    /// It was not scheduled, for certain.
    pub(super) never: bool,
    /// Somebody may schedule it again at any time.
    pub(super) kept: bool,
    /// How it stood when it was last looked at, and when that was asked.
    pub(super) figures: Option<(Time, Box<Figures>)>,
    seen: BTreeSet<ItemId>,
    handles: Vec<Arc<Object>>,
}

/// A queue that timers put to.
pub(super) struct Target {
    name: &'static str,
    maxsize: u64,
    handles: Vec<Arc<Object>>,
    pub(super) takers: u64,
    pub(super) swept: bool,
}

/// All schedules of a run.
pub(super) struct Ledger {
    pub(super) all: Vec<Scheduled>,
    pub(super) queues: Vec<Target>,
    /// Who has accepted each item last.
    taken: BTreeMap<ItemId, (Incarnation, Op)>,
    fillers: u64,
    clients: usize,
}

/// `timer_firings_max`.
const OWED_MAX: u64 = 1_000;

/// Items that no timer has put have numbers from here on.
const FILLERS: u64 = 1 << 40;

impl Ledger {
    pub(super) fn new(clients: usize) -> Self {
        let target = |(name, maxsize)| {
            let handles = (0..=clients).map(|_| queue_handle(name, maxsize)).collect();
            Target { name, maxsize, handles, takers: 0, swept: false }
        };
        let queues = [("alarms", 0), ("few alarms", 2)].map(target).into();
        Ledger { all: Vec::new(), queues, taken: BTreeMap::new(), fillers: 0, clients }
    }

    /// A new process has no handles.
    pub(super) fn reset(&mut self, client: usize) {
        for queue in &mut self.queues {
            queue.handles[client] = queue_handle(queue.name, queue.maxsize);
        }
        for (number, scheduled) in self.all.iter_mut().enumerate() {
            scheduled.handles[client] = timer_handle(number);
        }
    }

    pub(super) fn timer(&self, number: usize, client: usize) -> Arc<Object> {
        self.all[number].handles[client].clone()
    }

    pub(super) fn queue(&self, queue: usize, client: usize) -> Arc<Object> {
        self.queues[queue].handles[client].clone()
    }

    /// An item that a timer has not put.
    pub(super) fn filler(&mut self) -> NewItem {
        self.fillers += 1;
        item(FILLERS + self.fillers)
    }

    /// A new schedule is asked for.
    pub(super) fn schedule(
        &mut self,
        moment: &Moment<'_>,
        queue: usize,
        times: Times,
        missed: Missed,
    ) -> usize {
        let number = self.all.len();
        let queue = Name::parse("name", self.queues[queue].name).expect("invariant: a valid name");
        self.all.push(Scheduled {
            schedule: Schedule { queue, item: item(number as u64), times, missed },
            life: moment.server.life(),
            starts: moment.server.starts(),
            begun: Span { from: moment.now, to: None },
            ended: None,
            cancels: 0,
            never: false,
            kept: false,
            figures: None,
            seen: BTreeSet::new(),
            handles: (0..=self.clients).map(|_| timer_handle(number)).collect(),
        });
        number
    }

    /// An item has reached a consumer, who has accepted it.
    pub(super) fn accept(&mut self, moment: &mut Moment<'_>, delivery: &Delivery) {
        let (id, from) = (delivery.id, number(&delivery.payload));
        let session = moment.own().incarnation.expect("invariant: who is granted something has a session");
        if let Some((session, op)) = self.taken.insert(id, (session, moment.op)) {
            let is_its = moment.server.has_accept(session, op) || moment.server.lives(session);
            assert!(!is_its, "item {} of timer {from} is gotten twice", id.0);
        }
        if from as u64 > FILLERS {
            return;
        }
        let scheduled = self.all.get_mut(from).unwrap_or_else(|| panic!("timer {from} is invented"));
        assert!(!scheduled.never, "timer {from} was never scheduled");
        scheduled.seen.insert(id);
        moment.reach.note(match scheduled.schedule.times {
            Times::After(_) => "timer: one that goes off once has put",
            Times::Every(_) => "timer: one that goes off every so often has put",
            Times::Cron(_) => "timer: one that goes off by the calendar has put",
        });
        scheduled.check_seen(from, moment.now);
    }

    /// Nothing goes off any more, and everything that was put has been taken.
    pub(super) fn balance(&self, server: &Server) {
        for (number, scheduled) in self.all.iter().enumerate().filter(|(_, one)| one.life == server.life()) {
            scheduled.balance(number, self.maxsize_of(&scheduled.schedule), server);
        }
    }

    fn maxsize_of(&self, schedule: &Schedule) -> u64 {
        let queue = self.queues.iter().find(|queue| queue.name == schedule.queue.as_str());
        queue.map_or(0, |queue| queue.maxsize)
    }
}

impl Scheduled {
    /// It is known to have been scheduled by then.
    pub(super) fn began(&mut self, at: Option<Time>) {
        self.begun.to = at;
    }

    /// It was certainly scheduled, in the present life, and nobody has asked for its end.
    pub(super) fn goes_on(&self, server: &Server) -> bool {
        self.is_certain() && self.ended.is_none() && self.life == server.life()
    }

    /// It was certainly scheduled.
    pub(super) fn is_certain(&self) -> bool {
        self.begun.to.is_some()
    }

    pub(super) fn repeats(&self) -> bool {
        !matches!(self.schedule.times, Times::After(_))
    }

    /// At most so many times it may have gone off until then.
    fn most(&self, until: Time) -> u64 {
        let until = self.ended.and_then(|ended| ended.to).map_or(until, |ended| ended.min(until));
        firings(&self.schedule.times, self.begun.from, until)
    }

    /// At least so many times its time has come until then.
    fn least(&self, until: Time) -> u64 {
        self.begun.to.map_or(0, |begun| firings(&self.schedule.times, begun, until))
    }

    /// No firing puts twice, and none comes before its time or after the end.
    fn check_seen(&self, number: usize, now: Time) {
        let (seen, most) = (self.seen.len() as u64, self.most(now));
        assert!(seen <= most, "timer {number} has put {seen} times, of {most} at most: {self:?}");
    }

    fn balance(&self, number: usize, maxsize: u64, server: &Server) {
        if let Some(ended) = self.ended.and_then(|ended| ended.to) {
            self.check_seen(number, ended);
        }
        let seen = self.seen.len() as u64;
        let has_room = maxsize == 0;
        if let Some((asked, figures)) = &self.figures {
            let least = self.least(*asked);
            let (fired, missed, owed) = (figures.fired, figures.missed, u64::from(figures.owed));
            assert!(seen >= fired, "timer {number} has put {fired} items, {seen} were found: {self:?}");
            assert!(fired + missed >= least, "timer {number} left out some of {least}: {self:?}");
            // Where more were missed, some are owed no more.
            if self.schedule.missed == Missed::All && missed <= OWED_MAX {
                assert!(fired + owed >= least, "timer {number} made up for less than {least}: {self:?}");
            }
            let in_time = self.starts == server.starts() && has_room;
            assert!(!in_time || missed == 0, "timer {number} missed something, and why? {self:?}");
            let made_up = self.schedule.missed == Missed::Skip || missed == 0 || !has_room;
            assert!(made_up || fired > 0, "timer {number} made up for nothing: {self:?}");
        }
        let on_time = self.starts == server.starts() || self.schedule.missed == Missed::All;
        if let Some(ended) = self.ended.filter(|_| on_time && has_room) {
            let least = self.least(ended.from);
            assert!(seen >= least, "timer {number} has put {seen} times, of {least} at least: {self:?}");
        }
    }
}

/// How often a schedule that was made then has gone off until then.
fn firings(times: &Times, from: Time, until: Time) -> u64 {
    let passed = until.since(from);
    match times {
        Times::After(delay) => u64::from(passed >= *delay),
        Times::Every(period) => (passed.as_micros() / period.as_micros()) as u64,
        Times::Cron(cron) => {
            let all = std::iter::successors(cron.next_after(from), |time| cron.next_after(*time));
            all.take_while(|time| *time <= until).count() as u64
        }
    }
}

fn item(number: u64) -> NewItem {
    NewItem::new(Payload::new(ContentType::Bytes, Bytes::copy_from_slice(&number.to_be_bytes())))
}

fn queue_handle(name: &str, maxsize: u64) -> Arc<Object> {
    handle(name, Declaration::Queue(queue::Options { maxsize: Some(maxsize), ..Default::default() }))
}

fn timer_handle(number: usize) -> Arc<Object> {
    handle(&format!("timer {number}"), Declaration::Timer(Options::default()))
}

//! Queue, naively: items are a list, and the next one out is found by looking at all of them.

mod steps;

use std::ops::Range;
use std::time::Duration;

use bridge_core::command;
use bridge_core::command::queue::{
    Attributes, Batch, Bound, Command as Do, Dedupe, Discipline, End, Mode as Take, Move, NewItem, Options,
    Redrive, Reentry, Reply, Scope, Taking, Which,
};
use bridge_core::ids::{SessionKey, Token};
use bridge_core::{Time, Timeout};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::model::{Naive, Who, events, modes, run};
use crate::support::*;

use steps::{Step, Times, steps};

#[derive(Clone, Debug, PartialEq)]
enum State {
    Ready,
    Delayed,
    Out { who: Who, mode: Take, accepted: bool },
    Dead,
}

#[derive(Clone, Debug)]
struct Item {
    label: usize,
    key: u8,
    group: Option<u8>,
    arrival: i64,
    state: State,
    /// It was given back, so those of its group that are behind it wait while it is DELAYED.
    given_back: bool,
    attempts: u32,
    seen: bool,
    died: u64,
    ttl: Option<Duration>,
    expires_at: Option<Time>,
    /// When it is READY, and when it expires, and since when that is known.
    ready: Option<(Time, u64)>,
    /// How long its lease may last, and until when it does.
    max_hold: Option<Duration>,
    over: Option<(Time, u64)>,
    expires: Option<(Time, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Ready,
    Expired,
    Over,
}

#[derive(Debug, Default)]
struct Queue {
    discipline: Discipline,
    maxsize: usize,
    max_bytes: usize,
    bound: Bound,
    max_deliveries: u32,
    robust: bool,
    items: Vec<Item>,
    labels: usize,
    arrivals: i64,
    front: i64,
    gotten: [u64; 3],
    lost: u64,
    early: u64,
    expired: u64,
    deaths: u64,
    moved: u64,
    /// The latest item of each key: its label, scope and admission.
    firsts: Vec<(u8, usize, Scope, Time)>,
    /// Labels below this one have been put, or wait for room.
    asked: usize,
    now: Time,
    known: u64,
    /// The engine's latest token of each label.
    tokens: Vec<Option<Token>>,
    /// Sessions by age.
    age: Vec<Who>,
}

#[derive(Clone, Debug)]
enum Want {
    Put(Vec<(usize, u8, Times)>),
    Take { mode: Take, max: usize, min: usize, max_hold: Option<Duration>, end: End },
    Join,
}

fn label_text(label: usize) -> String {
    format!("i{label}")
}

fn bytes(labels: impl Iterator<Item = usize>) -> usize {
    labels.map(|label| label_text(label).len()).sum()
}

/// What "put i5" and "put 3 from i5" brought.
fn labels_put(text: &str) -> Option<Range<usize>> {
    let rest = text.strip_prefix("put ")?;
    let (count, first) = rest.split_once(" from ").unwrap_or(("1", rest));
    let first: usize = first.strip_prefix('i')?.parse().ok()?;
    Some(first..first + count.parse::<usize>().ok()?)
}

impl Queue {
    fn ready(&self) -> usize {
        self.items.iter().filter(|item| item.state == State::Ready).count()
    }

    fn delayed(&self) -> usize {
        self.items.iter().filter(|item| item.state == State::Delayed).count()
    }

    /// An item waits, for the first time or again.
    fn shelve(&mut self, label: usize, delay: Option<Duration>) {
        self.known += 2;
        let (now, known) = (self.now, self.known);
        let Some(item) = self.item(label) else { return };
        if item.expires_at.is_some_and(|at| at <= now) {
            self.expired += 1;
            return self.gone(label);
        }
        item.state = if delay.is_some() { State::Delayed } else { State::Ready };
        item.ready = delay.map(|delay| (now + delay, known));
        item.expires = item.expires_at.map(|at| (at, known + 1));
    }

    fn present(&self) -> u64 {
        let here = self.items.iter().filter(|item| item.state != State::Dead).count() as u64;
        here + self.gotten.iter().sum::<u64>() + self.lost
    }

    fn unfinished(&self) -> u64 {
        self.present() - self.early
    }

    /// Nobody has gotten an item who is still there, and no item is.
    fn only_lost(&self) -> bool {
        self.gotten == [0; 3] && self.items.iter().all(|item| item.state == State::Dead)
    }

    fn place(&self, item: &Item) -> (u8, i64) {
        match self.discipline {
            Discipline::Fifo => (0, item.arrival),
            Discipline::Lifo => (0, -item.arrival),
            Discipline::Priority => (item.key, item.arrival),
        }
    }

    /// What can be taken, in order.
    fn takeable(&self) -> Vec<usize> {
        let stands_before = |other: &Item, item: &Item| match other.state {
            State::Out { .. } => true,
            State::Dead => false,
            State::Delayed if !other.given_back => false,
            _ => self.place(other) < self.place(item),
        };
        let is_next = |item: &&Item| {
            let mut others = self.items.iter().filter(|other| other.group == item.group);
            item.state == State::Ready
                && (item.group.is_none() || !others.any(|other| stands_before(other, item)))
        };
        let mut takeable: Vec<_> = self.items.iter().filter(is_next).collect();
        takeable.sort_by_key(|item| self.place(item));
        takeable.into_iter().map(|item| item.label).collect()
    }

    fn end(&self, end: End) -> End {
        if self.two_ends() { end } else { End::Front }
    }

    /// Only a FIFO queue has two ends.
    fn two_ends(&self) -> bool {
        self.discipline == Discipline::Fifo
    }

    /// Labels of the items that the bounds count.
    fn counted(&self) -> Vec<usize> {
        let counts = |item: &&Item| match item.state {
            State::Ready | State::Delayed => true,
            State::Out { .. } => self.bound == Bound::Unfinished,
            State::Dead => false,
        };
        self.items.iter().filter(counts).map(|item| item.label).collect()
    }

    fn has_room(&self, new: &[(usize, u8, Times)]) -> bool {
        let counted = self.counted();
        let labels = new.iter().map(|(label, ..)| *label);
        (self.maxsize == 0 || counted.len() + new.len() <= self.maxsize)
            && (self.max_bytes == 0 || bytes(counted.iter().copied().chain(labels)) <= self.max_bytes)
    }

    fn never_fits(&self, labels: Range<usize>) -> bool {
        self.max_bytes > 0 && bytes(labels) > self.max_bytes
    }

    /// Whether a batch has what it wants is not modelled where bytes are bounded, or a put of many may be too large.
    fn min(&self, min: u32, max: u32) -> u32 {
        if self.max_bytes > 0 || self.maxsize > 2 { 1 } else { min.min(max) }
    }

    /// How a put ends that brings a duplicate.
    fn duplicate(&self, new: &[(usize, u8, Times)]) -> Option<String> {
        let (key, _, refuse) = new[0].2.dedupe?;
        let (_, label, scope, since) = *self.firsts.iter().find(|first| first.0 == key)?;
        let state = self.items.iter().find(|item| item.label == label).map(|item| &item.state);
        let in_the_way = match scope {
            Scope::Queued => matches!(state, Some(State::Ready | State::Delayed)),
            Scope::Unfinished => state.is_some_and(|state| *state != State::Dead),
            Scope::Window(window) => self.now < since + window,
        };
        in_the_way.then(|| if refuse { "DUPLICATE".into() } else { "duplicate".into() })
    }

    /// The time of a lease counts from now on.
    fn begin_hold(&mut self, label: usize) {
        self.known += 2;
        let (now, known) = (self.now, self.known);
        let Some(item) = self.item(label) else { return };
        item.over = item.max_hold.map(|max_hold| (now + max_hold, known));
    }

    /// When something happens to which item next, and what.
    fn next_moment(&self) -> Option<(Time, u64, usize, Moment)> {
        let waiting = self.items.iter().filter(|i| matches!(i.state, State::Ready | State::Delayed));
        let moments = waiting.flat_map(|item| {
            let ready = item.ready.filter(|_| item.state == State::Delayed);
            let ready = ready.map(|(at, known)| (at, known, item.label, Moment::Ready));
            ready.into_iter().chain(item.expires.map(|(at, known)| (at, known, item.label, Moment::Expired)))
        });
        let leases = |item: &&Item| matches!(item.state, State::Out { accepted: true, .. });
        let leases = self.items.iter().filter(leases);
        let over =
            leases.filter_map(|item| item.over.map(|(at, known)| (at, known, item.label, Moment::Over)));
        moments.chain(over).min()
    }

    fn front(&mut self) -> i64 {
        self.front -= 1;
        self.front
    }

    fn arrival(&mut self) -> i64 {
        self.arrivals += 1;
        self.arrivals
    }

    fn leased(&self, who: Who, index: &Index) -> Option<usize> {
        let own = |item: &&Item| item.state == State::Out { who, mode: Take::Lease, accepted: true };
        let own: Vec<_> = self.items.iter().filter(own).collect();
        (!own.is_empty()).then(|| own[index.index(own.len())].label)
    }

    fn item(&mut self, label: usize) -> Option<&mut Item> {
        self.items.iter_mut().find(|item| item.label == label)
    }

    fn failed(&mut self, label: usize, delay: Option<Duration>) {
        let max = self.max_deliveries;
        let Some(item) = self.item(label) else { return };
        item.attempts += 1;
        match max > 0 && item.attempts >= max {
            true => self.dies(label),
            false => {
                item.given_back = true;
                self.shelve(label, delay);
            }
        }
        self.clamp();
    }

    fn dies(&mut self, label: usize) {
        self.deaths += 1;
        let deaths = self.deaths;
        if let Some(item) = self.item(label) {
            (item.state, item.died) = (State::Dead, deaths);
        }
    }

    fn revive(&mut self, label: usize) {
        let (now, arrival) = (self.now, self.arrival());
        let Some(item) = self.item(label) else { return };
        (item.attempts, item.arrival, item.seen, item.given_back) = (0, arrival, true, false);
        item.expires_at = item.ttl.map(|ttl| now + ttl);
        self.firsts.retain(|first| first.1 != label || matches!(first.2, Scope::Window(_)));
        self.shelve(label, None);
    }

    fn clamp(&mut self) {
        self.early = self.early.min(self.present());
    }

    fn gone(&mut self, label: usize) {
        self.items.retain(|item| item.label != label);
        self.clamp();
    }
}

impl Naive for Queue {
    type Want = Want;
    type Grant = Vec<usize>;
    type Step = Step;

    fn command(&self, who: Who, step: &Step) -> Option<command::Command> {
        let new = |label: usize, key: u8, times: Times| {
            let key = if self.discipline == Discipline::Priority { vec![key] } else { Vec::new() };
            let Times { delay, ttl, dedupe, group, at_front } = times;
            let is_plain =
                delay.is_none() && ttl.is_none() && dedupe.is_none() && group.is_none() && !at_front;
            let dedupe = dedupe.map(|(key, scope, refuse)| Dedupe { key: vec![key].into(), scope, refuse });
            let group = group.map(|group| group.to_string().into());
            let end = (at_front && self.two_ends()).then_some(End::Front);
            let attributes = Attributes { delay: delay.unwrap_or_default(), ttl, dedupe, group, end };
            let attributes = (!is_plain).then(|| Box::new(attributes));
            NewItem { attributes, key: key.into(), ..NewItem::new(payload(&label_text(label))) }
        };
        let token = |index| Some(self.tokens[self.leased(who, index)?].expect("it was delivered"));
        let command = match step {
            Step::Put(key, times, timeout) => {
                Do::Put { item: new(self.labels, *key, *times), timeout: *timeout }
            }
            Step::PutMany(keys, _) if keys.len() > [usize::MAX, 1, 1, 3][self.maxsize] => return None,
            Step::PutMany(keys, _) if self.never_fits(self.labels..self.labels + keys.len()) => return None,
            Step::PutMany(keys, timeout) => {
                let items = keys.iter().enumerate().map(|(n, (key, group))| {
                    new(self.labels + n, *key, Times { group: *group, ..Times::default() })
                });
                Do::PutMany { items: items.collect(), timeout: *timeout }
            }
            Step::Take { mode, max, min, max_hold, end, timeout } => {
                let batch = Batch { max: *max, min: self.min(*min, *max), ..Batch::ONE };
                Do::Take {
                    taking: Taking {
                        mode: *mode,
                        batch,
                        max_hold: *max_hold,
                        end: self.end(*end),
                        prefetch: false,
                    },
                    timeout: *timeout,
                }
            }
            Step::Ack(index) => Do::Ack { tokens: vec![token(index)?] },
            Step::Nack(index, reentry, delay) => {
                let (tokens, delay) = (vec![token(index)?], delay.unwrap_or_default());
                Do::Nack { tokens, reentry: *reentry, delay, error: "e".into() }
            }
            Step::Extend(index, max_hold) => {
                Do::Extend { tokens: vec![token(index)?], max_hold: *max_hold, progress: None }
            }
            Step::Reject(index) => Do::Reject { tokens: vec![token(index)?], reason: "r".into() },
            Step::TaskDone(count) => Do::TaskDone { count: *count },
            Step::Join(timeout) => Do::Join { timeout: *timeout },
            Step::Purge => Do::Purge,
            Step::Forgive => Do::Forgive,
            Step::Redrive(count) => {
                let which = count.map_or(Which::All, Which::First);
                Do::Redrive(Box::new(Redrive { which, to: None }))
            }
            Step::Move(count) => {
                Do::Move(Box::new(Move { which: Which::First(*count), to: target("other") }))
            }
        };
        Some(on("q", command))
    }

    fn want(&mut self, step: &Step) -> Option<(Want, Timeout, bool)> {
        let mut new = |key: &u8, times: Times| {
            self.labels += 1;
            self.tokens.push(None);
            (self.labels - 1, *key, times)
        };
        match step {
            Step::Put(key, times, timeout) => Some((Want::Put(vec![new(key, *times)]), *timeout, false)),
            Step::PutMany(keys, timeout) => {
                let new =
                    keys.iter().map(|(key, group)| new(key, Times { group: *group, ..Times::default() }));
                Some((Want::Put(new.collect()), *timeout, false))
            }
            Step::Take { mode, max, min, max_hold, end, timeout } => {
                let (max, min) = (*max as usize, self.min(*min, *max) as usize);
                Some((
                    Want::Take { mode: *mode, max, min, max_hold: *max_hold, end: self.end(*end) },
                    *timeout,
                    false,
                ))
            }
            Step::Join(timeout) => Some((Want::Join, *timeout, false)),
            _ => None,
        }
    }

    fn act(&mut self, who: Who, step: &Step) -> (String, Option<Vec<usize>>) {
        let text = match step {
            Step::Ack(index) => {
                let label = self.leased(who, index).expect("a lease");
                self.gone(label);
                "Queue(Acked)".into()
            }
            Step::Nack(index, reentry, delay) => {
                let label = self.leased(who, index).expect("a lease");
                let arrival = match reentry {
                    Reentry::Place => None,
                    Reentry::Front if self.discipline != Discipline::Lifo => Some(self.front()),
                    _ => Some(self.arrival()),
                };
                if let (Some(arrival), Some(item)) = (arrival, self.item(label)) {
                    item.arrival = arrival;
                }
                self.failed(label, *delay);
                "Queue(Nacked)".into()
            }
            Step::Extend(index, max_hold) => {
                let label = self.leased(who, index).expect("a lease");
                if let Some(item) = self.item(label) {
                    item.max_hold = max_hold.or(item.max_hold);
                }
                self.begin_hold(label);
                "Queue(Extended)".into()
            }
            Step::Reject(index) => {
                let label = self.leased(who, index).expect("a lease");
                self.dies(label);
                self.clamp();
                "Queue(Rejected)".into()
            }
            Step::TaskDone(count) if *count > self.unfinished() => "TOO_MANY_TASKS_DONE".into(),
            Step::TaskDone(count) => {
                for _ in 0..*count {
                    let others = self.age.iter().copied();
                    let whose = std::iter::once(who).chain(others).find(|who| self.gotten[*who] > 0);
                    match whose {
                        Some(whose) => self.gotten[whose] -= 1,
                        None if self.lost > 0 => self.lost -= 1,
                        None => self.early += 1,
                    }
                }
                "Queue(TaskDone)".into()
            }
            Step::Purge => {
                let purged = self.ready() + self.delayed();
                self.items.retain(|item| !matches!(item.state, State::Ready | State::Delayed));
                self.clamp();
                format!("Queue(Purged({purged}))")
            }
            Step::Forgive => format!("Queue(Forgiven({}))", std::mem::take(&mut self.lost)),
            Step::Redrive(count) => {
                let mut dead: Vec<_> = self.items.iter().filter(|item| item.state == State::Dead).collect();
                dead.sort_by_key(|item| item.died);
                dead.truncate(count.map_or(usize::MAX, |count| count as usize));
                let labels: Vec<usize> = dead.into_iter().map(|item| item.label).collect();
                labels.iter().for_each(|label| self.revive(*label));
                format!("Queue(Redriven {{ count: {}, stayed: 0 }})", labels.len())
            }
            Step::Move(count) => {
                let before = self.moved;
                while self.moved < before + count {
                    let delayed = || self.items.iter().position(|item| item.state == State::Delayed);
                    let ready = self.items.iter().enumerate().filter(|(_, item)| item.state == State::Ready);
                    let first = ready.min_by_key(|(_, item)| self.place(item)).map(|(index, _)| index);
                    let Some(next) = first.or_else(delayed) else { break };
                    self.items.remove(next);
                    self.moved += 1;
                }
                self.clamp();
                format!("moved {}", self.moved - before)
            }
            _ => unreachable!("it is a want"),
        };
        (text, None)
    }

    fn serve(&mut self, who: Who, want: &Want, ahead: &[Want]) -> Option<(String, Option<Vec<usize>>)> {
        let at_bound = self.maxsize > 0 && self.delayed() == 0 && self.counted().len() >= self.maxsize;
        match want {
            Want::Join if self.unfinished() == 0 => Some(("joined".into(), None)),
            Want::Join if self.robust && self.only_lost() => Some(("JOIN_INCOMPLETE".into(), None)),
            Want::Join => None,
            Want::Put(new) => {
                let is_new = new[0].0 >= self.asked;
                self.asked = self.asked.max(new[0].0 + new.len());
                if let Some(how) = self.duplicate(new).filter(|_| is_new) {
                    return Some((how, None));
                }
                let blocked = ahead.iter().any(|want| matches!(want, Want::Put(_)));
                if blocked || !self.has_room(new) {
                    return None;
                }
                if let Some(how) = self.duplicate(new) {
                    return Some((how, None));
                }
                for (label, key, times) in new {
                    if let Some((key, scope, _)) = times.dedupe {
                        self.firsts.retain(|first| first.0 != key);
                        self.firsts.push((key, *label, scope, self.now));
                    }
                    let arrival = match times.at_front && self.two_ends() {
                        true => self.front(),
                        false => self.arrival(),
                    };
                    let item = Item {
                        label: *label,
                        key: *key,
                        group: times.group,
                        arrival,
                        state: State::Ready,
                        given_back: false,
                        attempts: 0,
                        seen: false,
                        died: 0,
                        ttl: times.ttl,
                        expires_at: times.ttl.map(|ttl| self.now + ttl),
                        ready: None,
                        max_hold: None,
                        over: None,
                        expires: None,
                    };
                    self.items.push(item);
                    self.shelve(*label, times.delay);
                }
                let text = match new.as_slice() {
                    [(label, ..)] => format!("put {}", label_text(*label)),
                    many => format!("put {} from {}", many.len(), label_text(many[0].0)),
                };
                Some((text, None))
            }
            Want::Take { mode, max, min, max_hold, end } => {
                let mut taken = self.takeable();
                if taken.is_empty() || taken.len() < *min && !at_bound {
                    return None;
                }
                if *end == End::Back {
                    taken.reverse();
                }
                taken.truncate(*max);
                for label in &taken {
                    let Some(item) = self.item(*label) else { continue };
                    item.state = State::Out { who, mode: *mode, accepted: false };
                    item.seen = true;
                    item.max_hold = *max_hold;
                }
                let texts: Vec<_> = taken.iter().map(|label| label_text(*label)).collect();
                Some((texts.join(" "), Some(taken)))
            }
        }
    }

    fn settles_everyone(&self, want: &Want) -> bool {
        matches!(want, Want::Join)
    }

    fn gives(&self, want: &Want) -> bool {
        matches!(want, Want::Take { .. })
    }

    fn timed_out(&self, want: &Want) -> &'static str {
        match want {
            Want::Put(_) => "FULL",
            Want::Take { .. } => "EMPTY",
            Want::Join => "TIMED_OUT",
        }
    }

    fn accept(&mut self, who: Who, grant: &Vec<usize>) {
        for label in grant {
            let Some(item) = self.item(*label) else { continue };
            match &mut item.state {
                State::Out { mode: Take::Lease, accepted, .. } => {
                    *accepted = true;
                    self.begin_hold(*label);
                }
                State::Out { mode: Take::Get, .. } => {
                    self.items.retain(|item| item.label != *label);
                    match self.early {
                        0 => self.gotten[who] += 1,
                        _ => self.early -= 1,
                    }
                }
                _ => {}
            }
        }
    }

    fn refuse(&mut self, grant: &Vec<usize>) {
        for label in grant {
            if let Some(item) = self.item(*label) {
                item.state = State::Ready;
                self.shelve(*label, None);
            }
        }
    }

    fn withdraw(&mut self, text: &str) -> bool {
        let Some(labels) = labels_put(text) else { return false };
        let mine = |item: &Item| labels.contains(&item.label);
        let fresh =
            |item: &&Item| mine(item) && matches!(item.state, State::Ready | State::Delayed) && !item.seen;
        let found = self.items.iter().filter(fresh).count();
        if found != labels.len() {
            return false;
        }
        self.items.retain(|item| !mine(item));
        self.firsts.retain(|first| !labels.contains(&first.1));
        self.clamp();
        true
    }

    fn note(&mut self, answer: &Answer) {
        if let Ok(command::Reply::Queue(Reply::Taken(taken))) = &answer.outcome {
            for delivery in &taken.deliveries {
                let label: usize = text_of(&delivery.payload)[1..].parse().expect("a label");
                self.tokens[label] = Some(delivery.token);
            }
        }
    }

    fn session_over(&mut self, who: Who) {
        let held = |item: &&Item| matches!(item.state, State::Out { who: other, accepted: true, .. } if other == who);
        let mut held: Vec<usize> = self.items.iter().filter(held).map(|item| item.label).collect();
        held.sort_by_key(|label| self.tokens[*label]);
        held.into_iter().for_each(|label| self.failed(label, None));
        self.lost += std::mem::take(&mut self.gotten[who]);
        self.age.retain(|other| *other != who);
        self.age.push(who);
    }

    fn tick(&mut self, now: Time) {
        self.now = now;
    }

    fn due(&self) -> Option<Time> {
        self.next_moment().map(|(at, ..)| at)
    }

    fn happen(&mut self) {
        let Some((_, _, label, moment)) = self.next_moment() else { return };
        match (moment, self.item(label)) {
            (Moment::Ready, Some(item)) => item.state = State::Ready,
            (Moment::Over, _) => self.failed(label, None),
            _ => {
                self.expired += 1;
                self.gone(label);
            }
        }
    }

    fn compare(&self, space: &Space, who: SessionKey) {
        let figures = space.queue(who, "q");
        let count = |accepted: bool| {
            let out = |item: &&Item| matches!(item.state, State::Out { accepted: is, .. } if is == accepted);
            self.items.iter().filter(out).count() as u64
        };
        let dead = self.items.iter().filter(|item| item.state == State::Dead).count() as u64;
        let engine = (figures.ready, figures.offered, figures.leased, figures.dead, figures.unfinished);
        assert_eq!(engine, (self.ready() as u64, count(false), count(true), dead, self.unfinished()));
        assert_eq!(
            (figures.delayed, figures.expired, figures.lost),
            (self.delayed() as u64, self.expired, self.lost)
        );
        assert_eq!(figures.held_back as usize, self.ready() - self.takeable().len());
        let other = space.queue(who, "other");
        assert_eq!(other.ready + other.delayed + other.expired, self.moved);
    }
}

proptest! {
    #[test]
    fn queue(
        mode in modes(),
        discipline in prop_oneof![Just(Discipline::Fifo), Just(Discipline::Lifo), Just(Discipline::Priority)],
        maxsize in 0_usize..4,
        max_bytes in prop_oneof![Just(0_usize), 4_usize..9],
        bound in prop_oneof![Just(Bound::Waiting), Just(Bound::Unfinished)],
        max_deliveries in 0_u32..3,
        robust in any::<bool>(),
        events in events(steps()),
    ) {
        let options = Options {
            discipline: Some(discipline),
            maxsize: Some(maxsize as u64),
            max_bytes: Some(max_bytes as u64),
            bound: Some(bound),
            max_deliveries: Some(max_deliveries),
            robust: (!robust).then_some(false),
            ..Default::default()
        };
        let naive = Queue { discipline, maxsize, max_bytes, bound, max_deliveries, robust, ..Default::default() };
        let naive = Queue { age: vec![0, 1, 2], ..naive };
        run(mode, naive, declare("q", options), events);
    }
}

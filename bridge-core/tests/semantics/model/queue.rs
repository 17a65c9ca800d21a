//! Queue, naively: items are a list, and the next one out is found by looking at all of them.

mod acts;
mod ahead;
mod commands;
mod items;
mod room;
mod steps;

use std::ops::Range;
use std::time::Duration;

use bridge_core::command;
use bridge_core::command::queue::{Bound, Discipline, End, Mode as Take, Options, Reply, Scope};
use bridge_core::ids::{SessionKey, Token};
use bridge_core::{Time, Timeout};
use proptest::prelude::*;

use crate::model::{Naive, Who, events, modes, run};
use crate::support::*;

use ahead::Ahead;
use items::Moment;
use room::New;
use steps::{Step, Times, steps};

#[derive(Clone, Debug, PartialEq)]
enum State {
    Ready,
    Delayed,
    Out { who: Who, mode: Take, accepted: bool, ahead: Ahead },
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
    /// Items that were given ahead of need so far.
    given_ahead: u64,
    /// Sessions by age.
    age: Vec<Who>,
}

#[derive(Clone, Debug)]
enum Want {
    Put(Vec<New>),
    Take { mode: Take, max: usize, min: usize, max_hold: Option<Duration>, end: End, ahead: bool },
    Join,
}

fn label_text(label: usize) -> String {
    format!("i{label}")
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
}

impl Naive for Queue {
    type Want = Want;
    type Grant = Vec<usize>;
    type Step = Step;

    fn command(&self, who: Who, step: &Step) -> Option<command::Command> {
        self.command_of(who, step)
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
                let (mode, max_hold, end) = (*mode, *max_hold, self.end(*end));
                Some((Want::Take { mode, max, min, max_hold, end, ahead: false }, *timeout, false))
            }
            Step::TakeAhead(mode, max_hold) => {
                let (mode, max_hold, end) = (*mode, *max_hold, End::Front);
                Some((Want::Take { mode, max: 1, min: 1, max_hold, end, ahead: true }, Timeout::Never, false))
            }
            Step::Join(timeout) => Some((Want::Join, *timeout, false)),
            _ => None,
        }
    }

    fn act(&mut self, who: Who, step: &Step) -> (String, Option<Vec<usize>>) {
        (self.acts(who, step), None)
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
                Some((self.admit(new), None))
            }
            Want::Take { ahead: true, .. } if ahead.iter().any(|want| self.gives(want)) => None,
            Want::Take { mode, max, min, max_hold, end, ahead } => {
                let mut taken = self.takeable();
                if taken.is_empty() || taken.len() < *min && !at_bound {
                    return None;
                }
                if *end == End::Back {
                    taken.reverse();
                }
                taken.truncate(*max);
                for label in &taken {
                    let ahead = self.note_ahead(*ahead);
                    let Some(item) = self.item(*label) else { continue };
                    item.state = State::Out { who, mode: *mode, accepted: false, ahead };
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

    fn stands_back(&self, want: &Want) -> bool {
        matches!(want, Want::Take { ahead: true, .. })
    }

    fn hasten(&mut self, want: &mut Want) {
        if let Want::Take { ahead, .. } = want {
            *ahead = false;
        }
    }

    fn recalls(&mut self, asking: &[Want], is_present: &[bool]) -> Vec<Vec<usize>> {
        self.recall_for(asking, is_present)
    }

    fn is_recalled(&self, grant: &Vec<usize>) -> bool {
        grant.iter().any(|label| self.is_on_its_way_back(*label))
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
        run(mode, naive, [declare("q", options)], events);
    }
}

//! Transactions, naively: queues are lists, and every step is looked at before the first is done.

use std::cell::Cell;
use std::ops::Range;

use bridge_core::Timeout;
use bridge_core::command::queue::{Command as Do, Mode as Take, Options, Reentry, Reply};
use bridge_core::command::{self, Command};
use bridge_core::ids::{SessionKey, Token};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::model::{Naive, Who, events, modes, run, timeouts};
use crate::support::*;

/// Queues and their bounds. The last one was shut down.
const QUEUES: [(&str, usize); 4] = [("in", 0), ("out", 3), ("tight", 1), ("shut", 0)];
const SHUT: usize = 3;

#[derive(Clone, Debug, PartialEq)]
enum State {
    Ready,
    Out { who: Who, mode: Take, accepted: bool },
    Dead,
}

#[derive(Clone, Debug)]
struct Item {
    label: usize,
    queue: usize,
    arrival: i64,
    state: State,
    seen: bool,
}

#[derive(Clone, Copy, Debug)]
enum Settling {
    Ack,
    Nack(Reentry),
    Reject,
}

/// What a transaction is made of: of leases by number, those that the session has, or whatever was ever taken.
#[derive(Clone, Debug)]
enum Part {
    Put(usize, usize),
    Settle(Index, Settling),
    SettleAny(usize, Index, Settling),
}

/// The same with the items that it is about.
#[derive(Clone, Debug)]
enum Clear {
    Put(usize, Range<usize>),
    Settle(usize, usize, Settling),
}

#[derive(Clone, Debug)]
enum Want {
    Put(usize, usize),
    Take(usize, Take),
    Transaction(Vec<Clear>),
}

#[derive(Clone, Debug)]
enum Step {
    Put(usize, Timeout),
    Take(usize, Take, Timeout),
    Transaction(Vec<Part>),
}

#[derive(Debug, Default)]
struct Queues {
    items: Vec<Item>,
    arrivals: i64,
    front: i64,
    /// The engine's latest token of each label, if it was delivered.
    tokens: Vec<Option<Token>>,
    /// Whose step it is.
    asks: Cell<Who>,
}

impl Queues {
    fn item(&mut self, label: usize) -> Option<&mut Item> {
        self.items.iter_mut().find(|item| item.label == label)
    }

    fn ready(&self, queue: usize) -> usize {
        self.items.iter().filter(|item| item.queue == queue && item.state == State::Ready).count()
    }

    fn has_room(&self, queue: usize, count: usize) -> bool {
        QUEUES[queue].1 == 0 || self.ready(queue) + count <= QUEUES[queue].1
    }

    fn put(&mut self, queue: usize, label: usize) {
        self.arrivals += 1;
        self.items.push(Item { label, queue, arrival: self.arrivals, state: State::Ready, seen: false });
    }

    fn leases(&self, who: Who) -> Vec<(usize, usize)> {
        let own = State::Out { who, mode: Take::Lease, accepted: true };
        let leased = self.items.iter().filter(|item| item.state == own);
        leased.map(|item| (item.queue, item.label)).collect()
    }

    /// What was ever delivered, and is not on offer now: naming an offer's token would accept it.
    fn delivered(&self) -> Vec<usize> {
        let offered = |label: usize| {
            let item = self.items.iter().find(|item| item.label == label);
            item.is_some_and(|item| matches!(item.state, State::Out { accepted: false, .. }))
        };
        let labels = (0..self.tokens.len()).filter(|label| self.tokens[*label].is_some());
        labels.filter(|label| !offered(*label)).collect()
    }

    fn clear(&self, who: Who, parts: &[Part]) -> Vec<Clear> {
        let mut labels = self.tokens.len();
        let one_of = |labels: Vec<(usize, usize)>, index: &Index| {
            (!labels.is_empty()).then(|| labels[index.index(labels.len())])
        };
        let clear = parts.iter().filter_map(|part| match part {
            Part::Put(queue, count) => {
                labels += count;
                Some(Clear::Put(*queue, labels - count..labels))
            }
            Part::Settle(index, how) => {
                let (queue, label) = one_of(self.leases(who), index)?;
                Some(Clear::Settle(queue, label, *how))
            }
            Part::SettleAny(queue, index, how) => {
                let any = self.delivered().into_iter().map(|label| (*queue, label)).collect();
                let (queue, label) = one_of(any, index)?;
                Some(Clear::Settle(queue, label, *how))
            }
        });
        clear.collect()
    }

    /// What is wrong with which step.
    fn check(&self, who: Who, steps: &[Clear], ahead: &[Want]) -> Result<(), String> {
        let mut coming = [0; QUEUES.len()];
        let mut named = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let wrong = match step {
                Clear::Put(queue, labels) => {
                    let in_line = |want: &Want| matches!(want, Want::Put(other, _) if other == queue);
                    coming[*queue] += labels.len();
                    let (count, room) = (coming[*queue], QUEUES[*queue].1);
                    match () {
                        () if *queue == SHUT => Some("SHUT_DOWN"),
                        () if room > 0 && count > room => Some("INVALID_ARGUMENT"),
                        () if ahead.iter().any(in_line) || !self.has_room(*queue, count) => Some("FULL"),
                        () => None,
                    }
                }
                Clear::Settle(queue, label, _) if !self.leases(who).contains(&(*queue, *label)) => {
                    Some("STALE")
                }
                Clear::Settle(_, label, _) if named.contains(label) => Some("INVALID_ARGUMENT"),
                Clear::Settle(_, label, _) => {
                    named.push(*label);
                    None
                }
            };
            if let Some(wrong) = wrong {
                return Err(format!("{wrong} at {index}"));
            }
        }
        Ok(())
    }

    fn execute(&mut self, step: &Clear) -> String {
        match step {
            Clear::Put(queue, labels) => {
                labels.clone().for_each(|label| self.put(*queue, label));
                if labels.len() == 1 { "put".into() } else { format!("put {}", labels.len()) }
            }
            Clear::Settle(_, label, Settling::Ack) => {
                self.items.retain(|item| item.label != *label);
                "Queue(Acked)".into()
            }
            Clear::Settle(_, label, Settling::Reject) => {
                self.item(*label).expect("it is leased").state = State::Dead;
                "Queue(Rejected)".into()
            }
            Clear::Settle(_, label, Settling::Nack(reentry)) => {
                self.arrivals += 1;
                self.front -= 1;
                let (front, back) = (self.front, self.arrivals);
                let item = self.item(*label).expect("it is leased");
                item.state = State::Ready;
                match reentry {
                    Reentry::Place => {}
                    Reentry::Front => item.arrival = front,
                    Reentry::Back => item.arrival = back,
                }
                "Queue(Nacked)".into()
            }
        }
    }
}

fn item_of(label: usize) -> command::queue::NewItem {
    item(&format!("i{label}"))
}

impl Naive for Queues {
    type Want = Want;
    type Grant = usize;
    type Step = Step;

    fn command(&self, who: Who, step: &Step) -> Option<Command> {
        self.asks.set(who);
        let on_queue = |queue: usize, command| on(QUEUES[queue].0, command);
        let parts = match step {
            Step::Put(queue, timeout) => {
                let (item, timeout) = (item_of(self.tokens.len()), *timeout);
                return Some(on_queue(*queue, Do::Put { item, timeout }));
            }
            Step::Take(queue, Take::Get, timeout) => return Some(get(QUEUES[*queue].0, *timeout)),
            Step::Take(queue, Take::Lease, timeout) => return Some(lease(QUEUES[*queue].0, *timeout)),
            Step::Transaction(parts) => self.clear(who, parts),
        };
        let steps = parts.into_iter().map(|part| match part {
            Clear::Put(queue, labels) if labels.len() == 1 => {
                // It never waits, whatever it says.
                (queue, Do::Put { item: item_of(labels.start), timeout: FOREVER })
            }
            Clear::Put(queue, labels) => {
                (queue, Do::PutMany { items: labels.map(item_of).collect(), timeout: FOREVER })
            }
            Clear::Settle(queue, label, how) => {
                let tokens = vec![self.tokens[label].expect("it was delivered")];
                let error = String::new();
                let command = match how {
                    Settling::Ack => Do::Ack { tokens },
                    Settling::Nack(reentry) => Do::Nack { tokens, reentry, delay: Default::default(), error },
                    Settling::Reject => Do::Reject { tokens, reason: error },
                };
                (queue, command)
            }
        });
        let steps = steps
            .map(|(queue, command)| command::transaction::Step { queue: target(QUEUES[queue].0), command });
        let steps: Vec<_> = steps.collect();
        (!steps.is_empty()).then_some(Command::Transaction(steps))
    }

    fn want(&mut self, step: &Step) -> Option<(Want, Timeout, bool)> {
        Some(match step {
            Step::Put(queue, timeout) => {
                self.tokens.push(None);
                (Want::Put(*queue, self.tokens.len() - 1), *timeout, false)
            }
            Step::Take(queue, mode, timeout) => (Want::Take(*queue, *mode), *timeout, false),
            Step::Transaction(parts) => {
                let steps = self.clear(self.asks.get(), parts);
                let new = steps.iter().map(|step| match step {
                    Clear::Put(_, labels) => labels.len(),
                    Clear::Settle(..) => 0,
                });
                self.tokens.resize(self.tokens.len() + new.sum::<usize>(), None);
                (Want::Transaction(steps), NOW, false)
            }
        })
    }

    fn act(&mut self, _who: Who, _step: &Step) -> (String, Option<usize>) {
        unreachable!("all of them are wants")
    }

    fn serve(&mut self, who: Who, want: &Want, ahead: &[Want]) -> Option<(String, Option<usize>)> {
        match want {
            Want::Put(queue, label) => {
                let in_line = |want: &Want| matches!(want, Want::Put(other, _) if other == queue);
                if ahead.iter().any(in_line) || !self.has_room(*queue, 1) {
                    return None;
                }
                self.put(*queue, *label);
                Some((format!("put i{label}"), None))
            }
            Want::Take(queue, mode) => {
                let ready = self.items.iter_mut().filter(|i| i.queue == *queue && i.state == State::Ready);
                let first = ready.min_by_key(|item| item.arrival)?;
                first.state = State::Out { who, mode: *mode, accepted: false };
                first.seen = true;
                Some((format!("i{}", first.label), Some(first.label)))
            }
            Want::Transaction(steps) => {
                let text = match self.check(who, steps, ahead) {
                    Err(wrong) => wrong,
                    Ok(()) => {
                        let done: Vec<_> = steps.iter().map(|step| self.execute(step)).collect();
                        format!("committed {}", done.join(", "))
                    }
                };
                Some((text, None))
            }
        }
    }

    fn settles_everyone(&self, _want: &Want) -> bool {
        false
    }

    fn gives(&self, want: &Want) -> bool {
        matches!(want, Want::Take(..))
    }

    fn timed_out(&self, want: &Want) -> &'static str {
        if self.gives(want) { "EMPTY" } else { "FULL" }
    }

    fn accept(&mut self, _who: Who, label: &usize) {
        match self.item(*label).map(|item| &mut item.state) {
            Some(State::Out { mode: Take::Lease, accepted, .. }) => *accepted = true,
            _ => self.items.retain(|item| item.label != *label),
        }
    }

    fn refuse(&mut self, label: &usize) {
        self.item(*label).expect("it is on offer").state = State::Ready;
    }

    fn withdraw(&mut self, text: &str) -> bool {
        let Some(label) = text.strip_prefix("put i").and_then(|label| label.parse().ok()) else {
            return false;
        };
        let found = self.item(label).is_some_and(|item| item.state == State::Ready && !item.seen);
        if found {
            self.items.retain(|item| item.label != label);
        }
        found
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
        for (_, label) in self.leases(who) {
            self.item(label).expect("it is leased").state = State::Ready;
        }
    }

    fn compare(&self, space: &Space, who: SessionKey) {
        for (queue, (name, _)) in QUEUES.iter().enumerate() {
            let figures = space.queue(who, name);
            let here = || self.items.iter().filter(move |item| item.queue == queue);
            let out = |accepted: bool| {
                let is_out =
                    |item: &&Item| matches!(item.state, State::Out { accepted: is, .. } if is == accepted);
                here().filter(is_out).count() as u64
            };
            let dead = here().filter(|item| item.state == State::Dead).count() as u64;
            let engine = (figures.ready, figures.offered, figures.leased, figures.dead);
            assert_eq!(engine, (self.ready(queue) as u64, out(false), out(true), dead), "{name}");
        }
    }
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let queue = || prop_oneof![3 => 0..SHUT, 1 => 0..QUEUES.len()];
    let reentry = prop_oneof![Just(Reentry::Place), Just(Reentry::Front), Just(Reentry::Back)];
    let how = prop_oneof![
        2 => Just(Settling::Ack),
        1 => reentry.prop_map(Settling::Nack),
        1 => Just(Settling::Reject),
    ];
    let part = prop_oneof![
        3 => (queue(), prop_oneof![3 => Just(1_usize), 1 => 2_usize..4])
            .prop_map(|(queue, count)| Part::Put(queue, count)),
        3 => (any::<Index>(), how.clone()).prop_map(|(index, how)| Part::Settle(index, how)),
        1 => (queue(), any::<Index>(), how).prop_map(|(queue, index, how)| Part::SettleAny(queue, index, how)),
    ];
    prop::collection::vec(part, 1..5)
}

fn steps() -> impl Strategy<Value = Step> {
    let mode = prop_oneof![1 => Just(Take::Get), 3 => Just(Take::Lease)];
    prop_oneof![
        3 => (0..SHUT, timeouts()).prop_map(|(queue, timeout)| Step::Put(queue, timeout)),
        4 => (0..SHUT, mode, timeouts()).prop_map(|(queue, mode, timeout)| Step::Take(queue, mode, timeout)),
        5 => parts().prop_map(Step::Transaction),
    ]
}

proptest! {
    #[test]
    fn transactions(mode in modes(), events in events(steps())) {
        let options = |maxsize: usize| Options { maxsize: Some(maxsize as u64), ..Options::default() };
        let declare = QUEUES.map(|(name, maxsize)| declare(name, options(maxsize)));
        let shut = on(QUEUES[SHUT].0, Do::Shutdown { immediate: false });
        run(mode, Queues::default(), declare.into_iter().chain([shut]), events);
    }
}

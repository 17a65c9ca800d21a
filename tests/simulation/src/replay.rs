//! What the journal has, executed again: it comes to the same state, and what the engine said on the way keeps its word.
//!
//! Judged: no call is answered twice in different ways, tokens only grow, what leaves a queue for the first time is
//! what its discipline puts first among all that never left it, what never left a queue is no more than its bound, an item
//! is in one place, what is published reaches all who are bound, and a barrier is broken for all by a party's end.

mod places;
mod topics;

use std::collections::{BTreeMap, BTreeSet};

use bridge_core::command::queue::{self, Discipline};
use bridge_core::command::{Call, Command, Effect, Input, Reply, barrier, lock, semaphore};
use bridge_core::ids::{Handle, ItemId, Name, Op, SessionKey, Target, Token};
use bridge_core::{Outcome, Reason};

use crate::judges::Judges;
use crate::workload::queue::number;
use crate::world::World;
use places::Places;
use topics::Topics;

impl World {
    /// The journal replays to the engine's state.
    pub(crate) fn check_replay(&mut self) {
        let (Some(journal), Some(namespace)) = (self.server.journal(), self.server.namespace()) else {
            return;
        };
        // What is due is executed before anything is read, so the state comes first.
        let hash = namespace.read(|engine, _| engine.state_hash());
        let (mut witness, mut judges) = (Witness::default(), Judges::default());
        let records = journal.records();
        let mut times = records.iter().map(|record| record.entry.at);
        let replayed = bridge_node::journal::replay(&records, |input, effects| {
            witness.see(input, effects);
            judges.see(times.next().unwrap_or_default(), input, effects);
        });
        let Some(replayed) = replayed else { return };
        judges.tell(&mut self.reach);
        assert_eq!(hash, replayed.state_hash(), "the journal replays to another state");
        self.reach.note("journal: replayed to the same state");
        self.reach.add("journal: first deliveries in the order of their discipline", witness.in_order);
        self.reach.add("journal: answers that were given once more", witness.repeated);
        self.reach.add("journal: an item that was prefetched is recalled", witness.recalled);
        self.reach.add("journal: an item is found where it was moved to", witness.moved);
        self.reach.add("journal: what is published reaches all who are bound", witness.topics.published);
        self.reach.add("journal: a barrier is broken for all by a party's end", witness.parties_lost);
    }
}

/// How a call was answered, as far as it must be the same when it is answered again.
#[derive(Clone, Debug, PartialEq)]
enum Answered {
    Granted(Token),
    /// A level of a lock; all of it have one token.
    Level(Token),
    Well(Option<ItemId>),
    Ill(Reason),
}

impl Answered {
    fn new(outcome: &Outcome) -> Self {
        match outcome {
            Err(error) => Answered::Ill(error.reason),
            Ok(Reply::Queue(queue::Reply::Taken(taken))) => Answered::Granted(taken.deliveries[0].token),
            Ok(Reply::Semaphore(semaphore::Reply::Acquired(token))) => Answered::Granted(*token),
            Ok(Reply::Semaphore(semaphore::Reply::Drained { token: Some(token), .. })) => {
                Answered::Granted(*token)
            }
            Ok(Reply::Lock(lock::Reply::Acquired(grant))) => Answered::Level(grant.token),
            Ok(Reply::Selected { reply, .. }) => Answered::new(&Ok((**reply).clone())),
            Ok(Reply::Queue(queue::Reply::Put(id))) => Answered::Well(Some(*id)),
            Ok(_) => Answered::Well(None),
        }
    }
}

/// Where an item stands among those that never left their queue.
type Position = (Vec<u8>, i64);

#[derive(Default)]
struct Queue {
    discipline: Discipline,
    maxsize: usize,
    never_left: BTreeSet<(Position, usize)>,
    positions: BTreeMap<usize, Position>,
}

impl Queue {
    fn admit(&mut self, item: usize, key: Vec<u8>, arrival: i64) {
        let position = match self.discipline {
            Discipline::Fifo => (Vec::new(), arrival),
            Discipline::Lifo => (Vec::new(), -arrival),
            Discipline::Priority => (key, arrival),
        };
        self.never_left.insert((position.clone(), item));
        self.positions.insert(item, position);
        let (count, maxsize) = (self.never_left.len(), self.maxsize);
        assert!(maxsize == 0 || count <= maxsize, "{count} items are in a queue of maxsize {maxsize}");
    }

    /// What waits there is gone, or nobody knows.
    fn forget(&mut self) {
        self.never_left.clear();
        self.positions.clear();
    }

    fn leave(&mut self, item: usize) {
        if let Some(position) = self.positions.remove(&item) {
            self.never_left.remove(&(position, item));
        }
    }
}

/// A call to a queue that is not over.
struct Asked {
    queue: Handle,
    /// What a put brings, with its keys; none where its group may hold it back.
    items: Vec<(usize, Option<Vec<u8>>)>,
    /// What goes to another queue, as far as that has been declared.
    to: Option<Handle>,
    /// It names one.
    names_another: bool,
}

/// Sees everything that goes into an engine and comes out.
#[derive(Default)]
struct Witness {
    declared: BTreeMap<(SessionKey, Op), Name>,
    names: BTreeMap<Name, Handle>,
    queues: BTreeMap<Handle, Queue>,
    asked: BTreeMap<(SessionKey, Op), Asked>,
    /// By branch or step, where there are several.
    several: BTreeMap<(SessionKey, Op), Vec<Option<Asked>>>,
    ids: BTreeMap<ItemId, (Handle, usize)>,
    answers: BTreeMap<(SessionKey, Op), Answered>,
    arrivals: i64,
    last_token: Option<Token>,
    /// Calls that wait at the barrier.
    parties: BTreeSet<(SessionKey, Op)>,
    parties_lost: u64,
    places: Places,
    topics: Topics,
    moved: u64,
    recalled: u64,
    in_order: u64,
    repeated: u64,
}

impl Witness {
    fn see(&mut self, input: &Input, effects: &[Effect]) {
        if let Input::Call(session, call) = input
            && let Command::Queue(Target::Name(name), queue::Command::Declare(_)) = &call.command
        {
            self.declared.insert((*session, call.op), name.clone());
        }
        if let Input::Call(session, call) = input {
            let asked = |target, command| self.asked(target, command);
            let several: Vec<Option<Asked>> = match &call.command {
                Command::Select(select) => select
                    .branches
                    .iter()
                    .map(|branch| match branch {
                        Command::Queue(target, command) => asked(target, command),
                        _ => None,
                    })
                    .collect(),
                Command::Transaction(steps) => {
                    steps.iter().map(|step| asked(&step.queue, &step.command)).collect()
                }
                _ => Vec::new(),
            };
            if !several.is_empty() {
                self.several.entry((*session, call.op)).or_insert(several);
            }
        }
        if let Input::Call(session, call) = input
            && let Command::Queue(target, command) = &call.command
            && let Some(asked) = self.asked(target, command)
        {
            let known = self.queues.entry(asked.queue).or_default();
            if let queue::Command::Purge | queue::Command::Shutdown { immediate: true } = command {
                known.forget();
            }
            self.asked.entry((*session, call.op)).or_insert(asked);
        }
        if let Input::Call(session, Call { op, command: Command::Topic(_, command), .. }) = input {
            self.topics.see(*session, *op, command);
        }
        if let Input::Call(
            session,
            Call { op, command: Command::Barrier(_, barrier::Command::Wait(_)), .. },
        ) = input
        {
            self.parties.insert((*session, *op));
        }
        // Before the effects are gone through: a party's own wait is answered before its session's end.
        let ends = |party: &SessionKey| {
            effects.iter().any(|effect| matches!(effect, Effect::Ended { session, .. } if session == party))
        };
        let party_lost = self.parties.iter().any(|(party, _)| ends(party));
        for effect in effects {
            match effect {
                // Its call has been settled.
                Effect::Answer { outcome: Ok(Reply::Lost(_)), .. } => {}
                Effect::Answer { to, op, outcome, .. } => {
                    self.parties.remove(&(*to, *op));
                    self.answer(*to, *op, outcome);
                }
                Effect::Ended { session, .. } => {
                    self.parties.retain(|(party, _)| party != session);
                    let from = (*session, Op(0));
                    let mut later = self.answers.split_off(&from);
                    later.retain(|(of, _), _| of != session);
                    self.answers.append(&mut later);
                }
                Effect::Recall { .. } => self.recalled += 1,
                Effect::Opened(_) | Effect::Deadlock(_) => {}
            }
        }
        if party_lost {
            self.parties_lost += 1;
            assert!(self.parties.is_empty(), "{:?} wait for a party that is gone", self.parties);
        }
    }

    fn asked(&self, target: &Target, command: &queue::Command) -> Option<Asked> {
        let queue = self.find(target)?;
        let keyed = |item: &queue::NewItem| {
            let grouped = item.attributes.as_ref().is_some_and(|attributes| attributes.group.is_some());
            (number(&item.payload), (!grouped).then(|| item.key.to_vec()))
        };
        let items = match command {
            queue::Command::Put { item, .. } => vec![keyed(item)],
            queue::Command::PutMany { items, .. } => items.iter().map(keyed).collect(),
            _ => Vec::new(),
        };
        let to = match command {
            queue::Command::Move(moving) => self.find(&moving.to),
            queue::Command::Redrive(redrive) => redrive.to.as_ref().and_then(|to| self.find(to)),
            _ => None,
        };
        let names_another = matches!(command, queue::Command::Redrive(redrive) if redrive.to.is_some());
        Some(Asked { queue, items, to, names_another })
    }

    /// A branch that was granted, or a step, is as if it had been asked for alone.
    fn one_of_several(&mut self, session: SessionKey, op: Op, index: usize, reply: &Reply) {
        let several = self.several.get_mut(&(session, op));
        let asked = several.and_then(|several| several.get_mut(index)).and_then(Option::take);
        if let (Some(asked), Reply::Queue(reply)) = (asked, reply) {
            self.asked.insert((session, op), asked);
            self.queue_answer(session, op, reply);
        }
    }

    fn find(&self, target: &Target) -> Option<Handle> {
        match target {
            Target::Handle(handle) => Some(*handle),
            Target::Name(name) | Target::Existing(name) => self.names.get(name).copied(),
        }
    }

    fn answer(&mut self, session: SessionKey, op: Op, outcome: &Outcome) {
        let answered = Answered::new(outcome);
        match self.answers.insert((session, op), answered.clone()) {
            Some(before) if before == answered => {
                self.repeated += 1;
                return;
            }
            Some(Answered::Well(Some(_))) if answered == Answered::Ill(Reason::Cancelled) => {}
            // Its caller turned away from it and waited for a condition.
            Some(Answered::Level(_)) if answered == Answered::Ill(Reason::Cancelled) => {}
            Some(before) => {
                let put = self.asked.get(&(session, op)).is_some_and(|asked| !asked.items.is_empty());
                let withdrawn = put && answered == Answered::Ill(Reason::Cancelled);
                assert!(withdrawn, "op {} of {session:?} was answered {before:?}, then {answered:?}", op.0);
            }
            None => {}
        }
        if let Answered::Granted(token) = answered {
            assert!(Some(token) > self.last_token, "{token:?} was granted after {:?}", self.last_token);
            self.last_token = Some(token);
        }
        match outcome {
            Ok(Reply::Queue(reply)) => self.queue_answer(session, op, reply),
            Ok(Reply::Topic(reply)) => {
                let (item, reached) = self.topics.answer(session, op, reply);
                for reached in reached {
                    if let Some(handle) = self.names.get(&reached.queue).copied() {
                        self.admit(handle, reached.id, item, Some(Vec::new()));
                    }
                }
            }
            Ok(Reply::Selected { branch, reply }) => {
                self.one_of_several(session, op, *branch as usize, reply);
            }
            Ok(Reply::Committed(replies)) => {
                for (step, reply) in replies.iter().enumerate() {
                    self.one_of_several(session, op, step, &Reply::Queue(reply.clone()));
                }
            }
            Err(error) if error.reason == Reason::Cancelled => {
                // A put that was admitted has been withdrawn.
                if let Some(asked) = self.asked.get(&(session, op))
                    && let Some(queue) = self.queues.get_mut(&asked.queue)
                {
                    asked.items.iter().for_each(|(item, _)| queue.leave(*item));
                }
            }
            _ => {}
        }
    }

    fn admit(&mut self, handle: Handle, id: ItemId, item: usize, key: Option<Vec<u8>>) {
        self.places.put(id, handle);
        self.ids.insert(id, (handle, item));
        self.arrivals += 1;
        if let (Some(queue), Some(key)) = (self.queues.get_mut(&handle), key) {
            queue.admit(item, key, self.arrivals);
        }
    }

    fn name(&self, queue: Handle) -> Option<&Name> {
        self.names.iter().find(|(_, handle)| **handle == queue).map(|(name, _)| name)
    }

    fn queue_answer(&mut self, session: SessionKey, op: Op, reply: &queue::Reply) {
        let asked = self.asked.get(&(session, op));
        let queue = asked.map(|asked| asked.queue);
        match reply {
            queue::Reply::Declared { handle, options } => {
                if let Some(name) = self.declared.remove(&(session, op)) {
                    self.names.insert(name, *handle);
                }
                let queue = self.queues.entry(*handle).or_default();
                queue.discipline = options.discipline.unwrap_or_default();
                queue.maxsize = options.maxsize.unwrap_or(0) as usize;
                if let Some(letters) = &options.dead_letters {
                    self.places.buries(*handle, letters.clone());
                }
            }
            queue::Reply::Put(_) | queue::Reply::PutMany(_) => {
                let ids = match reply {
                    queue::Reply::Put(id) => vec![*id],
                    queue::Reply::PutMany(ids) => ids.clone(),
                    _ => Vec::new(),
                };
                let (Some(asked), Some(handle)) = (asked, queue) else { return };
                for ((item, key), id) in asked.items.clone().into_iter().zip(ids) {
                    self.admit(handle, id, item, key);
                }
            }
            queue::Reply::Moved(ids) => {
                let (to, Some(from)) = (asked.and_then(|asked| asked.to), queue) else { return };
                let name = self.name(from).cloned();
                for id in ids {
                    self.places.found(*id, from, name.as_ref());
                    let Some((_, item)) = self.ids.get(id).copied() else { continue };
                    self.queues.entry(from).or_default().leave(item);
                    match to {
                        Some(to) => self.admit(to, *id, item, Some(Vec::new())),
                        None => self.places.forget(*id),
                    }
                    self.moved += 1;
                }
            }
            queue::Reply::Redriven { count: 1.., .. } => {
                let Some(from) = queue else { return };
                let to = asked.and_then(|asked| asked.to);
                let unknown = asked.is_some_and(|asked| asked.names_another) && to.is_none();
                // Which of those that were moved there went again is not told.
                self.queues.entry(from).or_default().forget();
                let name = self.name(from).cloned();
                match unknown {
                    true => self.places.forget_those_of(from, name.as_ref()),
                    false => self.places.redriven(from, name.as_ref(), to),
                }
            }
            queue::Reply::Taken(taken) => {
                let Some(handle) = queue else { return };
                let name = self.name(handle).cloned();
                taken.deliveries.iter().for_each(|one| self.places.found(one.id, handle, name.as_ref()));
                let Some(queue) = self.queues.get_mut(&handle) else { return };
                for delivery in &taken.deliveries {
                    let item = number(&delivery.payload);
                    if queue.positions.contains_key(&item) {
                        let first = queue.never_left.first().map(|(_, first)| *first);
                        let discipline = queue.discipline;
                        assert_eq!(first, Some(item), "not what comes first in a {discipline:?} queue");
                        queue.leave(item);
                        self.in_order += 1;
                    }
                }
            }
            queue::Reply::Removed(ids) => {
                for (handle, item) in ids.iter().filter_map(|id| self.ids.get(id)) {
                    self.queues.entry(*handle).or_default().leave(*item);
                }
            }
            _ => {}
        }
    }
}

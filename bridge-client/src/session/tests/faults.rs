//! Streams that break at every point, and at random ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bridge_core::command::{queue, semaphore};
use bridge_core::ids::Token;
use bridge_core::{Outcome, Reason, Reply, Timeout};

use super::super::{Completions, Settle, Slot};
use super::world::{World, number};

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What the clients of a world are doing, and what they have been told.
#[derive(Default)]
struct Ledger {
    puts: Vec<(usize, u64, Arc<Slot>)>,
    takes: Vec<(usize, Arc<Slot>)>,
    acquires: Vec<(usize, Arc<Slot>)>,
    releases: Vec<(usize, Arc<Slot>)>,
    held: BTreeMap<Token, usize>,
    next: u64,
    admitted: BTreeSet<u64>,
    withdrawn: BTreeSet<u64>,
    received: Vec<u64>,
}

impl Ledger {
    fn submit(&mut self, world: &mut World, random: &mut Random) {
        let client = random.below(2) as usize;
        match random.below(5) {
            0 | 1 => {
                self.next += 1;
                let slot = world.put(client, self.next, Timeout::Never);
                self.puts.push((client, self.next, slot));
            }
            2 | 3 => self.takes.push((client, world.take(client, queue::Mode::Get, Timeout::Never))),
            _ => self.acquires.push((client, world.acquire(client, true))),
        }
    }

    /// Withdraws some call: with an answer, or by turning away.
    fn give_up(&mut self, world: &mut World, random: &mut Random) {
        let now = world.now();
        if random.below(2) == 0 && !self.takes.is_empty() {
            let index = random.below(self.takes.len() as u64) as usize;
            let (client, slot) = self.takes.swap_remove(index);
            world.clients[client].session.abandon(now, &slot);
        } else if !self.puts.is_empty() {
            let index = random.below(self.puts.len() as u64) as usize;
            let (client, _, slot) = &self.puts[index];
            world.clients[*client].session.cancel(now, slot, &mut Completions::default());
        }
    }

    /// Looks into every slot; grants are accepted, or sometimes refused.
    fn collect(&mut self, world: &mut World, random: &mut Random) {
        let mut settle = |world: &mut World, client: usize, slot: &Arc<Slot>| -> Option<(Outcome, bool)> {
            let now = world.now();
            let session = &mut world.clients[client].session;
            let answered = session.claim(now, slot)?;
            let how = if random.below(5) == 0 { Settle::Refuse } else { Settle::Accept };
            if answered.offered {
                session.settle(now, answered.op, how).unwrap();
            }
            Some((answered.outcome, !answered.offered || how == Settle::Accept))
        };
        self.puts.retain(|(client, n, slot)| match settle(world, *client, slot) {
            None => true,
            Some((Ok(_), _)) => !self.admitted.insert(*n),
            Some((Err(error), _)) => {
                assert_eq!(error.reason, Reason::Cancelled);
                !self.withdrawn.insert(*n)
            }
        });
        self.takes.retain(|(client, slot)| match settle(world, *client, slot) {
            None => true,
            Some((outcome, accepted)) => {
                if accepted {
                    self.received.push(number(&outcome).expect("an item"));
                }
                false
            }
        });
        self.acquires.retain(|(client, slot)| match settle(world, *client, slot) {
            None => true,
            Some((Ok(Reply::Semaphore(semaphore::Reply::Acquired(token))), accepted)) => {
                if accepted {
                    self.held.insert(token, *client);
                    assert_eq!(self.held.len(), 1, "two are inside");
                }
                false
            }
            Some((other, _)) => panic!("{other:?}"),
        });
        self.releases.retain(|(client, slot)| match settle(world, *client, slot) {
            None => true,
            Some((outcome, _)) => {
                outcome.expect("a permit is released once");
                false
            }
        });
    }

    fn release(&mut self, world: &mut World) {
        if let Some((token, client)) = self.held.pop_first() {
            let release = semaphore::Command::Release { permits: 1, token: Some(token) };
            self.releases.push((client, world.semaphore(client, release)));
        }
    }

    /// Lets everything end, and counts.
    fn balance(&mut self, world: &mut World) {
        let mut random = Random(1);
        for _ in 0..1_000 {
            for client in 0..2 {
                if !world.is_connected(client) {
                    world.connect(client);
                }
            }
            world.exchange_all();
            self.collect(world, &mut random);
            self.release(world);
            world.advance(Duration::from_millis(5));
            if self.puts.is_empty()
                && self.acquires.is_empty()
                && self.releases.is_empty()
                && self.held.is_empty()
            {
                break;
            }
            if self.takes.is_empty() {
                self.takes.push((0, world.take(0, queue::Mode::Get, Timeout::Never)));
            }
        }
        assert!(self.puts.is_empty(), "a put hangs: {:?}", self.puts);
        assert!(self.acquires.is_empty(), "an acquire hangs: {:?}", self.acquires);
        assert!(self.releases.is_empty(), "a release hangs: {:?}", self.releases);
        let now = world.now();
        for (client, slot) in std::mem::take(&mut self.takes) {
            world.clients[client].session.abandon(now, &slot);
        }
        world.exchange_all();
        world.exchange_all();
        loop {
            let slot = world.take(0, queue::Mode::Get, Timeout::NOW);
            world.exchange(0);
            match number(&world.accept(0, &slot).expect("an answer")) {
                Some(n) => self.received.push(n),
                None => break,
            }
        }
        let mut received = std::mem::take(&mut self.received);
        received.sort_unstable();
        let admitted: Vec<_> = self.admitted.iter().copied().collect();
        assert_eq!(received, admitted, "what was put and what came out");
        assert!(self.admitted.is_disjoint(&self.withdrawn));
    }
}

/// One of the moves that carry a frame: which client, and in which direction.
fn carry(world: &mut World, client: usize, up: bool) -> bool {
    if up {
        world.send(client);
        world.arrive(client)
    } else {
        world.push(client);
        world.receive(client)
    }
}

/// The same work again and again; in each run another frame is the one that is lost.
#[test]
fn a_stream_that_breaks_at_any_frame_loses_and_doubles_nothing() {
    const FRAMES: usize = 60;
    for lost in 0..FRAMES {
        let mut world = World::ready(2);
        world.bound(1, 150);
        let mut ledger = Ledger::default();
        let mut random = Random(7);
        let mut carried = 0;
        while carried < FRAMES {
            ledger.submit(&mut world, &mut random);
            if random.below(3) == 0 {
                ledger.give_up(&mut world, &mut random);
            }
            for (client, up) in [(0, true), (1, true), (0, false), (1, false)] {
                if !world.is_connected(client) {
                    world.connect(client);
                    world.exchange(client);
                }
                if carried == lost {
                    world.send(client);
                    world.push(client);
                    world.cut(client);
                } else {
                    carry(&mut world, client, up);
                }
                carried += 1;
            }
            ledger.collect(&mut world, &mut random);
            ledger.release(&mut world);
        }
        ledger.balance(&mut world);
    }
}

/// Cuts, refusals, cancels and turned backs in any order.
#[test]
fn chaos_loses_and_doubles_nothing() {
    for seed in 1..=300 {
        let mut random = Random(u64::wrapping_mul(seed, 0x9E37_79B9_7F4A_7C15));
        let mut world = World::ready(2);
        world.bound(1, 150);
        let mut ledger = Ledger::default();
        for _ in 0..150 {
            let client = random.below(2) as usize;
            match random.below(16) {
                0..=3 => ledger.submit(&mut world, &mut random),
                4..=6 => drop(carry(&mut world, client, true)),
                7..=9 => drop(carry(&mut world, client, false)),
                10 => ledger.give_up(&mut world, &mut random),
                11 => ledger.release(&mut world),
                12 => world.advance(Duration::from_millis(random.below(5))),
                13 => world.cut(client),
                14 if !world.is_connected(client) => world.connect(client),
                _ => ledger.collect(&mut world, &mut random),
            }
        }
        ledger.balance(&mut world);
    }
}

/// Sessions that expire while their clients are stopped, among all the rest: every call ends, what was put comes out at
/// least once, nothing comes out that was not put, and no permit is lost.
#[test]
fn lost_sessions_lose_nothing_that_was_put() {
    for seed in 1..=100 {
        let mut random = Random(u64::wrapping_mul(seed, 0xA076_1D64_78BD_642F));
        let mut world = World::ready(2);
        world.bound(1, 150);
        let mut lossy = Lossy::default();
        for _ in 0..150 {
            let client = random.below(2) as usize;
            match random.below(24) {
                0..=5 => lossy.submit(&mut world, &mut random, client),
                6..=9 => drop(carry(&mut world, client, true)),
                10..=13 => drop(carry(&mut world, client, false)),
                14 => world.advance(Duration::from_millis(random.below(5))),
                15 => world.cut(client),
                16 if random.below(4) == 0 => world.advance_without(client, super::world::TTL),
                _ if !world.is_connected(client) => world.connect(client),
                _ => lossy.collect(&mut world),
            }
        }
        lossy.balance(&mut world);
    }
}

#[derive(Default)]
struct Lossy {
    calls: Vec<(usize, Kind, Arc<Slot>)>,
    held: Vec<(usize, Token)>,
    next: u64,
    admitted: BTreeSet<u64>,
    unknown: BTreeSet<u64>,
    received: BTreeSet<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Put(u64),
    Take,
    Acquire,
    Release,
}

impl Lossy {
    fn submit(&mut self, world: &mut World, random: &mut Random, client: usize) {
        let (kind, slot) = match random.below(5) {
            0 | 1 => {
                self.next += 1;
                (Kind::Put(self.next), world.put(client, self.next, Timeout::Never))
            }
            2 | 3 => (Kind::Take, world.take(client, queue::Mode::Get, Timeout::Never)),
            _ => (Kind::Acquire, world.acquire(client, true)),
        };
        self.calls.push((client, kind, slot));
    }

    fn collect(&mut self, world: &mut World) {
        let now = world.now();
        let calls = std::mem::take(&mut self.calls);
        for (client, kind, slot) in calls {
            let session = &mut world.clients[client].session;
            let Some(answered) = session.claim(now, &slot) else {
                self.calls.push((client, kind, slot));
                continue;
            };
            if answered.offered {
                session.settle(now, answered.op, Settle::Accept).expect("nothing happened since the claim");
            }
            match (kind, answered.outcome) {
                (Kind::Put(n), Ok(_)) => {
                    self.admitted.insert(n);
                }
                (Kind::Put(n), Err(error)) if error.reason == Reason::OutcomeUnknown => {
                    self.unknown.insert(n);
                }
                (Kind::Take, outcome @ Ok(_)) => {
                    self.received.insert(number(&outcome).expect("an item"));
                }
                (Kind::Acquire, Ok(Reply::Semaphore(semaphore::Reply::Acquired(token)))) => {
                    self.held.push((client, token));
                }
                (Kind::Release, Ok(_)) => {}
                (Kind::Release, Err(error))
                    if matches!(error.reason, Reason::Stale | Reason::OutcomeUnknown) => {}
                // Its time was over while its client was stopped; what it was to give back went back with the session.
                (Kind::Release, Err(error)) if error.reason == Reason::Unavailable => {}
                (kind, outcome) => panic!("{kind:?} ended {outcome:?}"),
            }
        }
        for (client, token) in std::mem::take(&mut self.held) {
            let release = semaphore::Command::Release { permits: 1, token: Some(token) };
            self.calls.push((client, Kind::Release, world.semaphore(client, release)));
        }
    }

    fn balance(&mut self, world: &mut World) {
        for _ in 0..200 {
            for client in 0..2 {
                if !world.is_connected(client) {
                    world.connect(client);
                }
            }
            world.exchange_all();
            self.collect(world);
            world.advance(Duration::from_millis(5));
            if !self.calls.iter().any(|(_, kind, _)| matches!(kind, Kind::Take)) {
                self.calls.push((0, Kind::Take, world.take(0, queue::Mode::Get, Timeout::Never)));
            }
        }
        let hanging: Vec<_> = self.calls.iter().filter(|(_, kind, _)| !matches!(kind, Kind::Take)).collect();
        assert!(hanging.is_empty(), "{hanging:?}");
        assert!(self.received.is_superset(&self.admitted), "an item that was put is lost");
        let put: BTreeSet<_> = self.admitted.union(&self.unknown).copied().collect();
        assert!(self.received.is_subset(&put), "an item came out that was not put");
        let acquire = world.acquire(1, true);
        world.exchange_all();
        world.exchange_all();
        world.accept(1, &acquire).expect("the permit is free").expect("and is granted");
    }
}

//! Deadlocks, naively: who holds and who waits is read from the listings of the objects, and everybody who waits is taken
//! for stuck until nobody can be freed any more.

use std::collections::BTreeSet;

use bridge_core::command::{Command, Mode as SessionMode, rwlock, semaphore};
use bridge_core::ids::{Kind, ParticipantId, SessionId};
use bridge_core::view::ObjectPage;
use bridge_core::{Engine, Reason};
use proptest::prelude::*;

use crate::deadlock::Party;
use crate::support::*;

const PARTIES: u32 = 6;

/// The objects: two locks, a read-write lock, semaphores with one and with two permits.
const OBJECTS: [(Kind, &str); 5] = [
    (Kind::Lock, "plain"),
    (Kind::Lock, "reentrant"),
    (Kind::RwLock, "rw"),
    (Kind::Semaphore, "one"),
    (Kind::Semaphore, "two"),
];

type Who = (SessionId, ParticipantId);

/// A wait and who owns what it waits for.
#[derive(Clone, Debug)]
struct Wait {
    who: Who,
    any: bool,
    owners: Vec<Who>,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    party: u32,
    object: usize,
    write: bool,
    release: bool,
}

fn owners(space: &Space, (kind, name): (Kind, &str), who: Who) -> Vec<Who> {
    let holders = space.object(kind, name, ObjectPage::default()).holders;
    let holders = holders.into_iter().map(|holder| (holder.who.session, holder.who.participant));
    holders.filter(|owner| kind != Kind::RwLock || *owner != who).collect()
}

fn waits(space: &Space) -> Vec<Wait> {
    let of = |object: (Kind, &'static str)| {
        let waiters = space.object(object.0, object.1, ObjectPage::default()).waiters;
        waiters.into_iter().map(move |waiter| {
            let who = (waiter.who.session, waiter.who.participant);
            Wait { who, any: object.0 == Kind::Semaphore, owners: owners(space, object, who) }
        })
    };
    OBJECTS.into_iter().flat_map(of).collect()
}

/// Whether the last of `waits` is in a cycle of at least two who can never go on.
fn closes(waits: &[Wait]) -> bool {
    let mut stuck: BTreeSet<Who> = waits.iter().map(|wait| wait.who).collect();
    loop {
        let before = stuck.len();
        for wait in waits {
            let mut owners = wait.owners.iter();
            let is_stuck = match wait.any {
                true => !wait.owners.is_empty() && owners.all(|owner| stuck.contains(owner)),
                false => owners.any(|owner| stuck.contains(owner)),
            };
            if !is_stuck {
                stuck.remove(&wait.who);
            }
        }
        if stuck.len() == before {
            break;
        }
    }
    let Some(last) = waits.last().filter(|last| stuck.contains(&last.who)) else { return false };
    let others = |owners: &[Who]| -> BTreeSet<Who> {
        owners.iter().copied().filter(|owner| stuck.contains(owner) && *owner != last.who).collect()
    };
    let mut reached = others(&last.owners);
    loop {
        let next = waits.iter().filter(|wait| reached.contains(&wait.who));
        let next: Vec<_> = next.flat_map(|wait| wait.owners.iter().copied()).collect();
        if next.contains(&last.who) {
            return true;
        }
        let before = reached.len();
        reached.append(&mut others(&next));
        if reached.len() == before {
            return false;
        }
    }
}

impl Step {
    fn mode(self) -> rwlock::Mode {
        if self.write { rwlock::Mode::Write } else { rwlock::Mode::Read }
    }

    fn acquires(self) -> Command {
        let timeout = FOREVER;
        match OBJECTS[self.object] {
            (Kind::Lock, name) => lock(name, timeout),
            (Kind::RwLock, name) => {
                on_rwlock(name, rwlock::Command::Acquire(rwlock::Acquire::within(self.mode(), timeout)))
            }
            (_, name) => {
                let acquire = semaphore::Acquire { permits: 1, by_token: true, barge: false, timeout };
                on_semaphore(name, semaphore::Command::Acquire(acquire))
            }
        }
    }

    /// Gives back what the caller itself holds of it.
    fn releases(self, space: &Space, who: Who) -> Option<Command> {
        let (kind, name) = OBJECTS[self.object];
        let holders = space.object(kind, name, ObjectPage::default()).holders;
        let held = holders.iter().find(|holder| (holder.who.session, holder.who.participant) == who)?;
        Some(match kind {
            Kind::Lock => unlock(name, Some(held.token)),
            Kind::RwLock => stop(name, self.mode(), None),
            _ => release_token(name, held.token),
        })
    }
}

fn id(engine: &Engine, party: Party) -> Who {
    let sessions = engine.sessions_page(None, 10);
    let session = sessions.iter().find(|session| session.key == party.session).expect("it is open");
    (session.id, ParticipantId(party.number))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..PARTIES, 0..OBJECTS.len(), any::<bool>(), prop::bool::weighted(0.25));
    let step = step.prop_map(|(party, object, write, release)| Step { party, object, write, release });
    prop::collection::vec(step, 1..80)
}

proptest! {
    #[test]
    fn a_deadlock_is_raised_exactly_where_nobody_in_the_cycle_can_go_on(steps in steps()) {
        let mut space = Space::default();
        let sessions = [space.open(SessionMode::Direct), space.open(SessionMode::Resumable)];
        space.ask(sessions[0], lock_options("plain", false)).unwrap();
        space.ask(sessions[0], lock_options("reentrant", true)).unwrap();
        let rw = rwlock::Command::Declare(rwlock::Options::default());
        space.ask(sessions[0], on_rwlock("rw", rw)).unwrap();
        space.ask(sessions[0], permits("one", 1)).unwrap();
        space.ask(sessions[0], permits("two", 2)).unwrap();
        for step in steps {
            let party = Party { session: sessions[step.party as usize % 2], number: step.party };
            let who = id(&space.engine, party);
            let before = waits(&space);
            if before.iter().any(|wait| wait.who == who) {
                continue;
            }
            if step.release {
                if let Some(command) = step.releases(&space, who) {
                    party.call(&mut space, command);
                }
                continue;
            }
            let object = OBJECTS[step.object];
            let wait = Wait { who, any: object.0 == Kind::Semaphore, owners: owners(&space, object, who) };
            let (_, answers) = party.call(&mut space, step.acquires());
            let Some(answer) = answers.first() else {
                let (mut after, last) = (before, wait);
                after.push(last);
                prop_assert!(!closes(&after), "not raised: {step:?} {after:?}");
                continue;
            };
            if answer.outcome.is_err() {
                prop_assert_eq!(reason(&answer.outcome), Reason::Deadlock);
                let mut after = before;
                after.push(wait);
                prop_assert!(closes(&after), "raised: {step:?} {after:?}");
            }
        }
    }
}

//! Who waits for whom, and whether that can ever end: by what went in and came out, not by what the engine thinks.

use std::collections::{BTreeMap, BTreeSet};

use bridge_core::Timeout;
use bridge_core::command::{Command, condition, lock, rwlock, semaphore};
use bridge_core::ids::Kind;

use super::holds::{Hold, Holds};
use super::{Answer, CallId, Calls, Open, Owner};

/// What would end a wait.
#[derive(Debug)]
enum Wait {
    /// Its time, or somebody whom nobody sees here.
    Ends,
    /// That all of them let go.
    All(Vec<Owner>),
    /// That one of them lets go.
    Any(Vec<Owner>),
    /// One of them lets go, perhaps, or something else happens.
    Unknown(Vec<Owner>),
}

impl Wait {
    fn new(calls: &Calls, holds: &Holds, open: &Open) -> Self {
        let mut command = open.command.clone();
        let times_out = command.timeout_mut().is_none_or(|timeout| *timeout != Timeout::Never);
        match &command {
            // Its time ends the waiting for a notification, and not that for the lock.
            Command::Condition(_, condition::Command::Wait { .. }) => {
                let lock = calls.object(&command).and_then(|condition| calls.lock_of(condition));
                Wait::Unknown(
                    lock.map_or(&[][..], |lock| holds.of(lock)).iter().map(|hold| hold.who).collect(),
                )
            }
            _ if times_out => Wait::Ends,
            Command::Lock(..) | Command::RwLock(..) => Wait::All(owners(calls, holds, open.who, &command)),
            Command::Semaphore(..) => match returned_by_owners(calls, holds, &command) {
                true => Wait::Any(owners(calls, holds, open.who, &command)),
                false => Wait::Ends,
            },
            Command::AcquireAll(all) => {
                let of = |part: &Command| {
                    let owners = owners(calls, holds, open.who, part);
                    let is_semaphore = matches!(part, Command::Semaphore(..));
                    let counts = !is_semaphore || owners.len() == 1 && returned_by_owners(calls, holds, part);
                    if counts { owners } else { Vec::new() }
                };
                Wait::All(all.parts.iter().flat_map(of).collect())
            }
            Command::Select(select) => {
                let of = |branch: &Command| owners(calls, holds, open.who, branch);
                Wait::Unknown(select.branches.iter().flat_map(of).collect())
            }
            _ => Wait::Ends,
        }
    }

    fn leads_to(&self) -> &[Owner] {
        match self {
            Wait::Ends => &[],
            Wait::All(owners) | Wait::Any(owners) | Wait::Unknown(owners) => owners,
        }
    }

    fn ends(&self, stuck: &BTreeSet<Owner>, unknown_end: bool) -> bool {
        match self {
            Wait::Ends => true,
            Wait::All(owners) => !owners.iter().any(|owner| stuck.contains(owner)),
            Wait::Any(owners) => owners.is_empty() || owners.iter().any(|owner| !stuck.contains(owner)),
            Wait::Unknown(_) => unknown_end,
        }
    }
}

fn owners(calls: &Calls, holds: &Holds, who: Owner, command: &Command) -> Vec<Owner> {
    let waits = matches!(
        command,
        Command::Lock(_, lock::Command::Acquire { .. })
            | Command::RwLock(_, rwlock::Command::Acquire { .. })
            | Command::Semaphore(_, semaphore::Command::Acquire(_))
    );
    let Some(object) = calls.object(command).filter(|_| waits) else { return Vec::new() };
    let own_counts = object.0 != Kind::RwLock;
    // What is only on offer may be refused, whatever its caller waits for, and a lease is over by itself.
    let owners = holds.of(object).iter().filter(|hold| hold.is_kept()).map(|hold| hold.who);
    owners.filter(|owner| own_counts || *owner != who).collect()
}

/// Where some permits may be given back by anybody, or be refused, nothing is concluded.
fn returned_by_owners(calls: &Calls, holds: &Holds, command: &Command) -> bool {
    let by_owner = |hold: &Hold| !hold.bare && hold.is_kept();
    calls.object(command).is_some_and(|object| holds.of(object).iter().all(by_owner))
}

/// All waits of everybody.
struct Graph(BTreeMap<Owner, Vec<Wait>>);

impl Graph {
    fn new<'a>(calls: &Calls, holds: &Holds, open: impl Iterator<Item = &'a Open>) -> Self {
        let mut waits: BTreeMap<Owner, Vec<Wait>> = BTreeMap::new();
        open.for_each(|open| waits.entry(open.who).or_default().push(Wait::new(calls, holds, open)));
        Graph(waits)
    }

    /// Whether that one waits for ever in a circle with others.
    fn is_stuck(&self, who: Owner, unknown_end: bool) -> bool {
        let mut stuck: BTreeSet<Owner> = self.0.keys().copied().collect();
        loop {
            let goes_on = |who: &Owner| self.0[who].iter().any(|wait| wait.ends(&stuck, unknown_end));
            let free: Vec<Owner> = stuck.iter().copied().filter(|who| goes_on(who)).collect();
            if free.is_empty() {
                break;
            }
            stuck.retain(|who| !free.contains(who));
        }
        stuck.contains(&who) && self.comes_back(who, &stuck)
    }

    /// Whether a way through the stuck, by way of another, leads from one back to it.
    fn comes_back(&self, from: Owner, stuck: &BTreeSet<Owner>) -> bool {
        let (mut known, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(who) = next.pop() {
            for to in self.0[&who].iter().flat_map(Wait::leads_to).filter(|to| stuck.contains(*to)) {
                if *to == from && who != from {
                    return true;
                }
                if *to != from && known.insert(*to) {
                    next.push(*to);
                }
            }
        }
        false
    }
}

/// Whoever was told of a deadlock could not have gone on.
pub(super) fn check_is_one(calls: &Calls, holds: &Holds, answer: &Answer<'_>) {
    let graph = Graph::new(calls, holds, calls.open.values().chain([answer.open]));
    let stuck = graph.is_stuck(answer.open.who, false);
    let (call, outcome, graph) = (answer.call, answer.outcome, &graph.0);
    assert!(stuck, "{call:?} is told of a deadlock, and is in none: {outcome:?}\n{graph:?}");
}

/// A wait that has just begun does not wait for ever.
pub(super) fn check_none_missed(calls: &Calls, holds: &Holds, begun: Option<CallId>) {
    let Some((call, open)) = begun.and_then(|call| Some((call, calls.open.get(&call)?))) else { return };
    if Wait::new(calls, holds, open).leads_to().is_empty() {
        return;
    }
    let graph = Graph::new(calls, holds, calls.open.values());
    assert!(!graph.is_stuck(open.who, true), "{call:?} is in a deadlock, and nobody is told: {:?}", graph.0);
}

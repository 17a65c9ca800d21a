//! Dict, naively: a list of entries that is walked.

use std::cell::RefCell;
use std::collections::BTreeMap;

use bridge_core::Timeout;
use bridge_core::command;
use bridge_core::command::value::{
    Command as Do, Datum, Guard, Lifetime, Options, Page, Query, Reply, Version, Write,
};
use bridge_core::ids::{SessionKey, Token};
use bytes::Bytes;
use proptest::prelude::*;

use crate::model::{Naive, Who, events, modes, run, timeouts};
use crate::support::*;

const KEYS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
struct Entry {
    datum: Datum,
    owner: Option<Who>,
}

#[derive(Debug, Default)]
struct Dict {
    entries: BTreeMap<usize, Entry>,
    fences: BTreeMap<usize, u64>,
    floor: u64,
    /// How often each entry changed, and how often any did.
    changes: [u64; KEYS.len()],
    all_changes: u64,
    /// The engine's versions: of each entry, and of the whole.
    versions: RefCell<(BTreeMap<Bytes, Version>, Version)>,
}

#[derive(Clone, Copy, Debug)]
enum Expect {
    Anything,
    Nothing,
    Present,
    Other,
}

#[derive(Clone, Debug)]
enum Step {
    Set { key: usize, datum: i64, expect: Expect, fence: Option<u64>, lifetime: Lifetime },
    Delete { key: usize, expect: Expect, fence: Option<u64> },
    Increment { key: usize, by: Datum, fence: Option<u64> },
    Clear { fence: Option<u64> },
    Watch { key: Option<usize>, known: bool, timeout: Timeout },
}

/// Ends once there have been more changes; `None` at once.
#[derive(Clone, Debug)]
struct Want {
    key: Option<usize>,
    since: Option<u64>,
}

impl Dict {
    fn expected(&self, key: usize, expect: Expect) -> Option<Version> {
        let now = self.versions.borrow().0.get(KEYS[key].as_bytes()).copied().unwrap_or(0);
        match expect {
            Expect::Anything => None,
            Expect::Nothing => Some(0),
            Expect::Present => Some(now),
            Expect::Other => Some(now + 1),
        }
    }

    fn holds(&self, key: usize, expect: Expect) -> bool {
        match expect {
            Expect::Anything | Expect::Present => true,
            Expect::Nothing => !self.entries.contains_key(&key),
            Expect::Other => false,
        }
    }

    fn fenced(&self, key: usize, fence: Option<u64>) -> bool {
        fence.is_some_and(|fence| fence < self.floor.max(self.fences.get(&key).copied().unwrap_or(0)))
    }

    fn datum(&self, key: usize) -> String {
        self.entries.get(&key).map_or_else(|| "-".into(), |entry| datum_in_short(&entry.datum))
    }

    fn change(&mut self, key: usize, entry: Option<Entry>) {
        self.changes[key] += 1;
        self.all_changes += 1;
        match entry {
            Some(entry) => drop(self.entries.insert(key, entry)),
            None => drop(self.entries.remove(&key)),
        }
    }

    fn see(&mut self, key: usize, fence: Option<u64>) {
        if let Some(fence) = fence {
            self.fences.insert(key, fence);
        }
    }

    fn increment(&mut self, key: usize, by: &Datum) -> String {
        let entry = self.entries.get(&key);
        let sum = match (entry.map(|entry| &entry.datum), by) {
            (None, by) => by.clone(),
            (Some(Datum::Integer(a)), Datum::Integer(b)) => Datum::Integer(a + b),
            (Some(a), b) => {
                let number = |datum: &Datum| match datum {
                    Datum::Integer(number) => *number as f64,
                    Datum::Real(number) => number.get(),
                    Datum::Payload(_) => unreachable!("only numbers are set"),
                };
                (number(a) + number(b)).into()
            }
        };
        let text = format!("sum {}", datum_in_short(&sum));
        let owner = entry.and_then(|entry| entry.owner);
        self.change(key, Some(Entry { datum: sum, owner }));
        text
    }
}

impl Naive for Dict {
    type Want = Want;
    type Grant = ();
    type Step = Step;

    fn command(&self, _who: Who, step: &Step) -> Option<command::Command> {
        let guard = |key, expect, fence: Option<u64>| Guard {
            if_version: self.expected(key, expect),
            fence: fence.map(Token),
        };
        let command = match step.clone() {
            Step::Set { key, datum, expect, fence, lifetime } => {
                let guard = guard(key, expect, fence);
                let write = Box::new(Write { datum: datum.into(), guard, lifetime });
                Do::Set { key: KEYS[key].into(), write }
            }
            Step::Delete { key, expect, fence } => {
                Do::Delete { key: KEYS[key].into(), guard: guard(key, expect, fence), returning: true }
            }
            Step::Increment { key, by, fence } => {
                Do::Increment { key: KEYS[key].into(), by, fence: fence.map(Token) }
            }
            Step::Clear { fence } => Do::Clear { fence: fence.map(Token) },
            Step::Watch { key, known, timeout } => {
                let after = if known { self.versions.borrow().1 } else { 0 };
                Do::Watch { key: key.map(|key| KEYS[key].into()), after, timeout }
            }
        };
        Some(on_dict("d", command))
    }

    fn want(&mut self, step: &Step) -> Option<(Want, Timeout, bool)> {
        let Step::Watch { key, known, timeout } = step else { return None };
        let so_far = key.map_or(self.all_changes, |key| self.changes[key]);
        let there = key.map_or(self.all_changes > 0, |key| self.entries.contains_key(&key));
        let since = (*known || !there).then_some(so_far);
        Some((Want { key: *key, since }, *timeout, false))
    }

    fn act(&mut self, who: Who, step: &Step) -> (String, Option<()>) {
        let text = match step.clone() {
            Step::Watch { .. } => unreachable!("it is a want"),
            Step::Set { key, fence, .. }
            | Step::Delete { key, fence, .. }
            | Step::Increment { key, fence, .. }
                if self.fenced(key, fence) =>
            {
                "FENCED".into()
            }
            Step::Set { key, expect, .. } if !self.holds(key, expect) => {
                format!("set false {}", self.datum(key))
            }
            Step::Set { key, datum, fence, lifetime, .. } => {
                let owner = match lifetime {
                    Lifetime::Lasting => None,
                    Lifetime::Kept => self.entries.get(&key).and_then(|entry| entry.owner),
                    Lifetime::Limited { .. } => Some(who),
                };
                self.see(key, fence);
                self.change(key, Some(Entry { datum: datum.into(), owner }));
                "set true -".into()
            }
            Step::Delete { key, expect, fence } => {
                if !self.entries.contains_key(&key) || !self.holds(key, expect) {
                    format!("deleted false {}", self.datum(key))
                } else {
                    let text = format!("deleted true {}", self.datum(key));
                    self.see(key, fence);
                    self.change(key, None);
                    text
                }
            }
            Step::Increment { key, by, fence } => {
                self.see(key, fence);
                self.increment(key, &by)
            }
            Step::Clear { fence } => {
                let highest = self.fences.values().copied().max().unwrap_or(0).max(self.floor);
                if fence.is_some_and(|fence| fence < highest) {
                    "FENCED".into()
                } else {
                    if let Some(fence) = fence {
                        (self.floor, self.fences) = (fence, BTreeMap::new());
                    }
                    let keys: Vec<_> = self.entries.keys().copied().collect();
                    keys.iter().for_each(|key| self.change(*key, None));
                    format!("cleared {}", keys.len())
                }
            }
        };
        (text, None)
    }

    fn serve(&mut self, _who: Who, want: &Want, _ahead: &[Want]) -> Option<(String, Option<()>)> {
        let changes = want.key.map_or(self.all_changes, |key| self.changes[key]);
        let changed = want.since.is_none_or(|since| changes > since);
        changed.then(|| (format!("changed {}", want.key.map_or("-".into(), |key| self.datum(key))), None))
    }

    fn gives(&self, _want: &Want) -> bool {
        false
    }

    fn settles_everyone(&self, _want: &Want) -> bool {
        true
    }

    fn timed_out(&self, _want: &Want) -> &'static str {
        "unchanged"
    }

    fn accept(&mut self, _who: Who, _grant: &()) {}

    fn refuse(&mut self, _grant: &()) {}

    fn session_over(&mut self, who: Who) {
        let own = self.entries.iter().filter(|(_, entry)| entry.owner == Some(who)).map(|(key, _)| *key);
        own.collect::<Vec<_>>().into_iter().for_each(|key| self.change(key, None));
    }

    fn compare(&self, space: &Space, who: SessionKey) {
        let items = Query::Items { page_size: 9, after: None, keys_only: false };
        let page = match space.query(who, command::Query::Dict(target("d"), items)) {
            Ok(command::Reply::Value(Reply::Items(page))) => *page,
            other => panic!("no page: {other:?}"),
        };
        let Page { entries, as_of, .. } = page;
        let found: Vec<_> = entries.iter().map(|entry| (entry.key.clone(), entry.datum.clone())).collect();
        let own = self.entries.iter();
        let own: Vec<_> = own.map(|(key, entry)| (KEYS[*key].into(), Some(entry.datum.clone()))).collect();
        assert_eq!(found, own);
        let versions = entries.into_iter().map(|entry| (entry.key, entry.version)).collect();
        let before = self.versions.replace((versions, as_of));
        assert!(before.1 <= as_of, "versions only grow");
    }
}

proptest! {
    #[test]
    fn dict(
        mode in modes(),
        events in events({
            let key = || 0..KEYS.len();
            let fence = || prop::option::weighted(0.3, 1_u64..5);
            let expect = || prop::sample::select(
                vec![Expect::Anything, Expect::Nothing, Expect::Present, Expect::Other],
            );
            let by = prop_oneof![Just(Datum::from(2)), Just(Datum::from(0.5))];
            let bound = Lifetime::Limited { ttl: None, bound: true };
            let lifetime = prop::sample::select(vec![Lifetime::Lasting, Lifetime::Kept, bound]);
            prop_oneof![
                4 => (key(), 0_i64..9, expect(), fence(), lifetime).prop_map(
                    |(key, datum, expect, fence, lifetime)| Step::Set { key, datum, expect, fence, lifetime }
                ),
                2 => (key(), expect(), fence())
                    .prop_map(|(key, expect, fence)| Step::Delete { key, expect, fence }),
                2 => (key(), by, fence()).prop_map(|(key, by, fence)| Step::Increment { key, by, fence }),
                1 => fence().prop_map(|fence| Step::Clear { fence }),
                4 => (prop::option::of(key()), any::<bool>(), timeouts())
                    .prop_map(|(key, known, timeout)| Step::Watch { key, known, timeout }),
            ]
        }),
    ) {
        run(mode, Dict::default(), [on_dict("d", Do::Declare(Options::default()))], events);
    }
}

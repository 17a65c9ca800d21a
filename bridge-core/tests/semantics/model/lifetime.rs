//! Which objects exist, naively: a set of users each, and when nobody was left.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bridge_core::command::queue::{self, Options};
use bridge_core::command::{Command, EndReason, Input, Mode};
use bridge_core::ids::{Kind, SessionKey, Target};
use bridge_core::{Reason, Time};
use proptest::prelude::*;

use crate::support::*;

const TTL: Duration = Duration::from_secs(15);
const NAMES: [&str; 2] = ["a", "b"];
const SESSIONS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    /// Names it, or must find it; says whether it is ephemeral, or has no opinion.
    Declare {
        must_exist: bool,
        ephemeral: Option<bool>,
    },
    Put {
        must_exist: bool,
    },
    Discard,
    Share,
}

#[derive(Clone, Debug)]
enum Event {
    Step(usize, &'static str, Step),
    End(usize),
    Pass(u64),
}

#[derive(Default)]
struct Object {
    ephemeral: Option<bool>,
    users: BTreeSet<usize>,
    shared: bool,
    /// Since when nobody has used it.
    unused_since: Option<Time>,
    items: u64,
}

#[derive(Default)]
struct Naive(BTreeMap<&'static str, Object>);

impl Naive {
    /// What a step by `who` ends with.
    fn step(&mut self, who: usize, name: &'static str, step: &Step, now: Time) -> Result<(), Reason> {
        let exists = self.0.contains_key(name);
        match step {
            Step::Declare { must_exist: true, .. } | Step::Put { must_exist: true } | Step::Share
                if !exists =>
            {
                return Err(Reason::ObjectGone);
            }
            Step::Declare { ephemeral, .. } => {
                let declared = &mut self.0.entry(name).or_default().ephemeral;
                if declared.is_some() && ephemeral.is_some() && declared != ephemeral {
                    return Err(Reason::ConfigMismatch);
                }
                *declared = declared.or(*ephemeral);
            }
            Step::Put { .. } => self.0.entry(name).or_default().items += 1,
            Step::Share => self.0.entry(name).or_default().shared = true,
            Step::Discard => {
                self.leave(who, Some(name), now);
                return Ok(());
            }
        }
        if let Some(object) = self.0.get_mut(name) {
            object.users.insert(who);
            object.unused_since = None;
        }
        Ok(())
    }

    fn leave(&mut self, who: usize, only: Option<&str>, now: Time) {
        for (name, object) in &mut self.0 {
            if only.is_none_or(|only| only == *name) && object.users.remove(&who) && object.users.is_empty() {
                object.unused_since = Some(now);
            }
        }
        self.forget(now);
    }

    /// What is ephemeral and was used by nobody for long enough is gone.
    fn forget(&mut self, now: Time) {
        self.0.retain(|_, object| match object.unused_since {
            Some(since) if object.ephemeral == Some(true) => object.shared && since + TTL > now,
            _ => true,
        });
    }
}

fn command(name: &str, step: &Step) -> Command {
    let to = |must_exist: bool| if must_exist { Target::Existing(self::name(name)) } else { target(name) };
    match step {
        Step::Declare { must_exist, ephemeral } => {
            let options = Options { ephemeral: *ephemeral, ..Options::default() };
            Command::Queue(to(*must_exist), queue::Command::Declare(options))
        }
        Step::Put { must_exist } => {
            Command::Queue(to(*must_exist), queue::Command::Put { item: item("x"), timeout: NOW })
        }
        Step::Discard => Command::Discard(Kind::Queue, to(false)),
        Step::Share => Command::Share(Kind::Queue, to(false)),
    }
}

fn run(events: Vec<Event>) {
    let mut space = Space::default();
    let mut keys: [SessionKey; SESSIONS] = std::array::from_fn(|_| space.open(Mode::Resumable));
    let mut naive = Naive::default();
    for event in events {
        match &event {
            Event::Step(who, name, step) => {
                let told = space.ask(keys[*who], command(name, step)).map(drop).map_err(|error| error.reason);
                assert_eq!(told, naive.step(*who, name, step, space.now), "{event:?}");
            }
            Event::End(who) => {
                space.answers(Input::End(keys[*who], EndReason::Expired));
                naive.leave(*who, None, space.now);
                keys[*who] = space.open(Mode::Resumable);
            }
            Event::Pass(seconds) => {
                space.pass_seconds(*seconds);
                naive.forget(space.now);
            }
        }
        let found = space.engine.objects_page(None, None, 9);
        let found: Vec<_> = found.iter().map(|object| object.name.as_str()).collect();
        assert_eq!(found, naive.0.keys().copied().collect::<Vec<_>>(), "after {event:?}");
        let items: u64 = naive.0.values().map(|object| object.items).sum();
        assert_eq!(space.engine.status().items, items, "after {event:?}");
    }
}

proptest! {
    #[test]
    fn lifetimes(events in prop::collection::vec(prop_oneof![
        10 => (0..SESSIONS, prop::sample::select(NAMES.to_vec()), prop_oneof![
            4 => (any::<bool>(), prop_oneof![
                1 => Just(None), 1 => Just(Some(false)), 5 => Just(Some(true)),
            ]).prop_map(|(must_exist, ephemeral)| Step::Declare { must_exist, ephemeral }),
            3 => any::<bool>().prop_map(|must_exist| Step::Put { must_exist }),
            4 => Just(Step::Discard),
            3 => Just(Step::Share),
        ]).prop_map(|(who, name, step)| Event::Step(who, name, step)),
        1 => (0..SESSIONS).prop_map(Event::End),
        2 => (1_u64..20).prop_map(Event::Pass),
    ], 1..80)) {
        run(events);
    }
}

//! List, naively: a vector.

use bridge_core::Timeout;
use bridge_core::command;
use bridge_core::command::list::{Command as Do, Query, Splice};
use bridge_core::command::value::{Options, Reply};
use bridge_core::ids::SessionKey;
use proptest::prelude::*;

use crate::model::{Naive, Who, events, modes, run, timeouts};
use crate::support::*;

#[derive(Debug, Default)]
struct List {
    items: Vec<i64>,
    changes: u64,
}

#[derive(Clone, Debug)]
enum Step {
    Splice { start: Option<i64>, remove: u64, items: Vec<i64>, exact: bool },
    Increment { index: i64 },
    Clear,
    Watch(Timeout),
}

impl List {
    fn splice(&mut self, start: Option<i64>, remove: u64, items: &[i64], exact: bool) -> String {
        let length = self.items.len() as i64;
        let start = start.unwrap_or(length);
        let from = if start < 0 { start + length } else { start };
        let to = from.max(0) + remove as i64;
        if exact && (from < 0 || from > length || to > length) {
            return format!("spliced false [] {length}");
        }
        let (from, to) = (from.clamp(0, length), to.clamp(0, length));
        let removed: Vec<_> =
            self.items.splice(from as usize..to.max(from) as usize, items.iter().copied()).collect();
        self.changes += u64::from(!removed.is_empty() || !items.is_empty());
        let removed: Vec<_> = removed.iter().map(i64::to_string).collect();
        format!("spliced true [{}] {}", removed.join(" "), self.items.len())
    }
}

impl Naive for List {
    /// After so many changes.
    type Want = u64;
    type Grant = ();
    type Step = Step;

    fn command(&self, _who: Who, step: &Step) -> Option<command::Command> {
        let command = match step.clone() {
            Step::Splice { start, remove, items, exact } => {
                let items = items.into_iter().map(Into::into).collect();
                let guard = Default::default();
                Do::Splice(Box::new(Splice { start, remove, items, exact, guard, returning: true }))
            }
            Step::Increment { index } => Do::Increment { index, by: 1.into(), fence: None },
            Step::Clear => Do::Clear { fence: None },
            Step::Watch(timeout) => Do::Watch { after: 0, timeout },
        };
        Some(on_list("l", command))
    }

    fn want(&mut self, step: &Step) -> Option<(u64, Timeout, bool)> {
        let Step::Watch(timeout) = step else { return None };
        Some((0, *timeout, false))
    }

    fn act(&mut self, _who: Who, step: &Step) -> (String, Option<()>) {
        let text = match step {
            Step::Watch(_) => unreachable!("it is a want"),
            Step::Splice { start, remove, items, exact } => self.splice(*start, *remove, items, *exact),
            Step::Increment { index } => {
                let length = self.items.len() as i64;
                let found = if *index < 0 { index + length } else { *index };
                if (0..length).contains(&found) {
                    self.items[found as usize] += 1;
                    self.changes += 1;
                    format!("sum {}", self.items[found as usize])
                } else {
                    "INVALID_ARGUMENT".into()
                }
            }
            Step::Clear => {
                let cleared = std::mem::take(&mut self.items).len();
                self.changes += u64::from(cleared > 0);
                format!("cleared {cleared}")
            }
        };
        (text, None)
    }

    fn serve(&mut self, _who: Who, want: &u64, _ahead: &[u64]) -> Option<(String, Option<()>)> {
        (self.changes > *want).then(|| ("changed -".into(), None))
    }

    fn gives(&self, _want: &u64) -> bool {
        false
    }

    fn settles_everyone(&self, _want: &u64) -> bool {
        true
    }

    fn timed_out(&self, _want: &u64) -> &'static str {
        "unchanged"
    }

    fn accept(&mut self, _who: Who, _grant: &()) {}

    fn refuse(&mut self, _grant: &()) {}

    fn session_over(&mut self, _who: Who) {}

    fn compare(&self, space: &Space, who: SessionKey) {
        let read = Query::Read { start: 0, page_size: 1000, exact: false };
        match space.query(who, command::Query::List(target("l"), read)) {
            Ok(command::Reply::Value(Reply::Read(page))) => {
                let own: Vec<_> = self.items.iter().map(|item| (*item).into()).collect();
                assert_eq!(page.items, own);
            }
            other => panic!("not read: {other:?}"),
        }
    }
}

proptest! {
    #[test]
    fn list(
        mode in modes(),
        events in events(prop_oneof![
            6 => (prop::option::of(-9_i64..9), 0_u64..4, prop::collection::vec(0_i64..9, 0..4), any::<bool>())
                .prop_map(|(start, remove, items, exact)| Step::Splice { start, remove, items, exact }),
            2 => (-9_i64..9).prop_map(|index| Step::Increment { index }),
            1 => Just(Step::Clear),
            1 => timeouts().prop_map(Step::Watch),
        ]),
    ) {
        run(mode, List::default(), [on_list("l", Do::Declare(Options::default()))], events);
    }
}

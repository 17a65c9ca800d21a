//! Event, naively.

use bridge_core::Timeout;
use bridge_core::command::event::{Command as Do, Options};
use bridge_core::command::{self};
use bridge_core::ids::SessionKey;
use proptest::prelude::*;

use crate::model::{Naive, Who, events, modes, run, timeouts};
use crate::support::*;

#[derive(Debug, Default)]
struct Event {
    auto_reset: bool,
    is_set: bool,
    version: u64,
}

#[derive(Clone, Debug)]
enum Step {
    Set,
    Clear,
    Wait(Timeout),
}

impl Naive for Event {
    type Want = ();
    type Grant = ();
    type Step = Step;

    fn command(&self, _who: Who, step: &Step) -> Option<command::Command> {
        Some(on_event(
            "e",
            match step {
                Step::Set => Do::Set,
                Step::Clear => Do::Clear,
                Step::Wait(timeout) => Do::Wait { timeout: *timeout, after: None },
            },
        ))
    }

    fn want(&mut self, step: &Step) -> Option<((), Timeout, bool)> {
        match step {
            Step::Wait(timeout) => Some(((), *timeout, false)),
            _ => None,
        }
    }

    fn act(&mut self, _who: Who, step: &Step) -> (String, Option<()>) {
        self.is_set = matches!(step, Step::Set);
        self.version += u64::from(self.is_set);
        let version = self.version;
        let text = if self.is_set { "Set" } else { "Cleared" };
        (format!("Event({text} {{ version: {version} }})"), None)
    }

    fn serve(&mut self, _who: Who, _want: &(), _ahead: &[()]) -> Option<(String, Option<()>)> {
        if !self.is_set {
            return None;
        }
        self.is_set = !self.auto_reset;
        Some(("true".into(), self.auto_reset.then_some(())))
    }

    fn settles_everyone(&self, _want: &()) -> bool {
        !self.auto_reset
    }

    fn gives(&self, _want: &()) -> bool {
        self.auto_reset
    }

    fn timed_out(&self, _want: &()) -> &'static str {
        "false"
    }

    fn accept(&mut self, _who: Who, _grant: &()) {}

    fn refuse(&mut self, _grant: &()) {
        self.is_set = true;
    }

    fn session_over(&mut self, _who: Who) {}

    fn compare(&self, space: &Space, who: SessionKey) {
        let figures = space.event(who, "e");
        assert_eq!((figures.is_set, figures.version), (self.is_set, self.version));
    }
}

proptest! {
    #[test]
    fn event(
        mode in modes(),
        auto_reset: bool,
        events in events(prop_oneof![
            3 => Just(Step::Set),
            1 => Just(Step::Clear),
            3 => timeouts().prop_map(Step::Wait),
        ]),
    ) {
        let options = Options { auto_reset: Some(auto_reset), ephemeral: None };
        let naive = Event { auto_reset, ..Default::default() };
        run(mode, naive, [on_event("e", Do::Declare(options))], events);
    }
}

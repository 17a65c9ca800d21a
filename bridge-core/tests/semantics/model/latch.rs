//! Latch, naively.

use bridge_core::Timeout;
use bridge_core::command;
use bridge_core::command::latch::{Command as Do, Options, Query, Reply};
use bridge_core::ids::SessionKey;
use proptest::prelude::*;

use crate::model::{Naive, Who, events, modes, run, timeouts};
use crate::support::*;

#[derive(Debug)]
struct Latch {
    count: u64,
}

#[derive(Clone, Debug)]
enum Step {
    CountDown(u64),
    Wait(Timeout),
}

impl Naive for Latch {
    type Want = ();
    type Grant = ();
    type Step = Step;

    fn command(&self, _who: Who, step: &Step) -> Option<command::Command> {
        let command = match step {
            Step::CountDown(by) => Do::CountDown { by: *by },
            Step::Wait(timeout) => Do::Wait { timeout: *timeout },
        };
        Some(command::Command::Latch(target("l"), command))
    }

    fn want(&mut self, step: &Step) -> Option<((), Timeout, bool)> {
        let Step::Wait(timeout) = step else { return None };
        Some(((), *timeout, false))
    }

    fn act(&mut self, _who: Who, step: &Step) -> (String, Option<()>) {
        let Step::CountDown(by) = step else { unreachable!("it is a want") };
        self.count = self.count.saturating_sub(*by);
        (format!("left {}", self.count), None)
    }

    fn serve(&mut self, _who: Who, _want: &(), _ahead: &[()]) -> Option<(String, Option<()>)> {
        (self.count == 0).then(|| ("true".into(), None))
    }

    fn gives(&self, _want: &()) -> bool {
        false
    }

    fn settles_everyone(&self, _want: &()) -> bool {
        true
    }

    fn timed_out(&self, _want: &()) -> &'static str {
        "false"
    }

    fn accept(&mut self, _who: Who, _grant: &()) {}

    fn refuse(&mut self, _grant: &()) {}

    fn session_over(&mut self, _who: Who) {}

    fn compare(&self, space: &Space, who: SessionKey) {
        match space.query(who, command::Query::Latch(target("l"), Query::Describe)) {
            Ok(command::Reply::Latch(Reply::Described(figures))) => assert_eq!(figures.count, self.count),
            other => panic!("not described: {other:?}"),
        }
    }
}

proptest! {
    #[test]
    fn latch(
        mode in modes(),
        count in 0_u64..20,
        events in events(prop_oneof![
            1 => (1_u64..4).prop_map(Step::CountDown),
            2 => timeouts().prop_map(Step::Wait),
        ]),
    ) {
        let declare = Do::Declare(Options { count: Some(count), ephemeral: None });
        run(mode, Latch { count }, [command::Command::Latch(target("l"), declare)], events);
    }
}

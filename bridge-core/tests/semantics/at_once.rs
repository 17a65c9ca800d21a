//! The shortcut for callers in the engine's own process does what the long way does, or nothing.

use std::cell::Cell;
use std::time::Duration;

use bridge_core::command::queue::{
    Batch, Command as OnQueue, Mode as Take, NewItem, Reply as OfQueue, Taken, Taking,
};
use bridge_core::command::{Call, Carrier, Command, Effect, Input, Mode, Reply};
use bridge_core::ids::{Handle, Op, ParticipantId, SessionKey, Target};
use bridge_core::{AtOnce, Engine, Limits};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::anything;
use crate::support::*;

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    Anything(Input),
    Put(AtOnce, NewItem),
    Get(AtOnce),
}

fn ordinary() -> impl Strategy<Value = AtOnce> {
    (1_u32..3, 0_u32..2, 0_u32..2).prop_map(|(session, participant, queue)| AtOnce {
        session: SessionKey { slot: session, generation: 1 },
        participant: ParticipantId(participant),
        queue: Handle { slot: queue, generation: 1 },
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => anything::input().prop_map(Step::Anything),
        4 => (ordinary(), anything::new_item()).prop_map(|(call, item)| Step::Put(call, item)),
        4 => ordinary().prop_map(Step::Get),
    ]
}

/// One engine goes the long way, the other takes the shortcut where it can.
struct Both {
    long: Space,
    short: Engine,
    op: u64,
}

impl Both {
    fn new() -> Self {
        let mut both =
            Both { long: Space::default(), short: Engine::new(1000, Limits::default()), op: 1_000_000 };
        for (id, mode) in [(0, Mode::Resumable), (1, Mode::Direct), (2, Mode::Direct)] {
            both.both_ways(Input::Open(spec(id, mode)));
        }
        for queue in ["a", "b"] {
            for session in 1..3 {
                let session = SessionKey { slot: session, generation: 1 };
                let declare = Command::Queue(target(queue), OnQueue::Declare(Default::default()));
                let call = both.call(session, ParticipantId(0), declare);
                both.both_ways(call);
            }
        }
        both
    }

    fn call(&mut self, session: SessionKey, participant: ParticipantId, command: Command) -> Input {
        self.op += 1;
        Input::Call(session, Call { op: Op(self.op), participant, carrier: Carrier::Stream, command })
    }

    fn both_ways(&mut self, input: Input) {
        let told = self.long.input(input.clone());
        let mut effects = Vec::new();
        self.short.handle(self.long.now, input, &mut effects);
        assert_eq!(told, effects);
    }

    /// Whether the shortcut was there.
    fn shortcut(
        &mut self,
        call: AtOnce,
        command: OnQueue,
        take: impl FnOnce(&mut Engine) -> Option<OfQueue>,
    ) -> bool {
        let command = Command::Queue(Target::Handle(call.queue), command);
        let input = self.call(call.session, call.participant, command);
        match take(&mut self.short) {
            Some(reply) => {
                let outcome = Ok(Reply::Queue(reply));
                let answer = Effect::Answer { to: call.session, op: Op(self.op), outcome, offered: false };
                assert_eq!(self.long.input(input), [answer]);
                true
            }
            None => {
                self.both_ways(input);
                false
            }
        }
    }

    fn put(&mut self, call: AtOnce, item: NewItem) -> bool {
        let (now, mut coming) = (self.long.now, item.clone());
        self.shortcut(call, OnQueue::Put { item, timeout: NOW }, |engine| {
            engine.put_at_once(now, call, &mut coming).map(OfQueue::Put)
        })
    }

    fn get(&mut self, call: AtOnce) -> bool {
        let now = self.long.now;
        let taking = Taking::new(Take::Get, Batch::ONE);
        self.shortcut(call, OnQueue::Take { taking, timeout: NOW }, |engine| {
            let deliveries = [engine.get_at_once(now, call)?].into_iter().collect();
            Some(OfQueue::Taken(Box::new(Taken { mode: Take::Get, deliveries })))
        })
    }
}

#[test]
fn both_ways_lead_to_the_same() {
    let (puts, gets) = (Cell::new(0), Cell::new(0));
    let steps = prop::collection::vec((step(), 0_u64..300), 1..150);
    let run = TestRunner::default().run(&steps, |steps| {
        let mut both = Both::new();
        for (step, millis) in steps {
            both.long.now = both.long.now + Duration::from_millis(millis);
            match step {
                Step::Anything(input) => both.both_ways(input),
                Step::Put(call, item) => puts.set(puts.get() + u32::from(both.put(call, item))),
                Step::Get(call) => gets.set(gets.get() + u32::from(both.get(call))),
            }
            both.short.check_invariants();
            prop_assert_eq!(both.long.engine.state_hash(), both.short.state_hash());
        }
        Ok(())
    });
    run.expect("the same comes of both ways");
    assert!(puts.get() > 500 && gets.get() > 200, "{puts:?} puts and {gets:?} gets took the shortcut");
}

//! An engine to measure, and the clock to measure it by. Not every bench uses all of it.
#![allow(dead_code)]

pub(crate) mod clock;

use std::time::Duration;

use bridge_core::command::queue::{Batch, Command as OnQueue, Delivery, Mode as Take, NewItem, Taking};
use bridge_core::command::{
    Call, Carrier, Command, Effect, Input, Mode, Reply, SessionSpec, queue, semaphore,
};
use bridge_core::ids::{Handle, Name, Op, OpRange, ParticipantId, Secret, SessionId, SessionKey, Target};
use bridge_core::payload::ContentType;
use bridge_core::{AtOnce, Engine, Limits, Payload, Time, Timeout};

pub(crate) struct Bench {
    engine: Engine,
    pub(crate) effects: Vec<Effect>,
    op: u64,
}

impl Bench {
    /// An empty engine that takes as much as there is memory for.
    pub(crate) fn new() -> Self {
        let limits = Limits {
            objects_max: u32::MAX,
            sessions_max: u32::MAX,
            waits_max: u32::MAX,
            waits_per_session_max: u32::MAX,
            ..Limits::default()
        };
        Bench { engine: Engine::new(1, limits), effects: Vec::new(), op: 0 }
    }

    pub(crate) fn handle(&mut self, input: Input) {
        self.engine.handle(Time::from_micros(1), input, &mut self.effects);
    }

    pub(crate) fn open(&mut self, id: u128, mode: Mode) -> SessionKey {
        let (label, host, language) = ("bench".into(), String::new(), String::new());
        let ttl = Duration::from_secs(15);
        let spec =
            SessionSpec { id: SessionId(id), secret: Secret(1), mode, ttl, label, host, language, pid: 1 };
        self.handle(Input::Open(spec));
        let key = self.engine.session(SessionId(id)).expect("it is open");
        self.handle(Input::Attach(key));
        self.effects.clear();
        key
    }

    pub(crate) fn call(&mut self, who: SessionKey, command: Command) -> Op {
        self.call_by(who, 0, command)
    }

    pub(crate) fn call_by(&mut self, who: SessionKey, participant: u32, command: Command) -> Op {
        self.op += 1;
        let op = Op(self.op);
        let call = Call { op, participant: ParticipantId(participant), carrier: Carrier::Stream, command };
        self.handle(Input::Call(who, call));
        op
    }

    pub(crate) fn done(&mut self, who: SessionKey, first: Op, last: Op) {
        self.handle(Input::Done(who, OpRange { first, last }));
    }

    pub(crate) fn declare(&mut self, who: SessionKey, command: Command) -> Target {
        let op = self.call(who, command);
        let handle: Handle = match self.effects.pop() {
            Some(Effect::Answer {
                outcome: Ok(Reply::Queue(queue::Reply::Declared { handle, .. })), ..
            }) => handle,
            Some(Effect::Answer {
                outcome: Ok(Reply::Semaphore(semaphore::Reply::Declared { handle, .. })),
                ..
            }) => handle,
            other => panic!("not declared: {other:?}"),
        };
        self.done(who, op, op);
        Target::Handle(handle)
    }

    /// A queue of that name.
    pub(crate) fn queue(&mut self, who: SessionKey, name: &str) -> Target {
        self.declare(who, Command::Queue(named(name), OnQueue::Declare(Default::default())))
    }

    /// Puts an item and gets it again, without a word about it.
    pub(crate) fn pair_at_once(
        &mut self,
        session: SessionKey,
        queue: &Target,
        payload: &Payload,
    ) -> Delivery {
        let Target::Handle(queue) = *queue else { panic!("no handle: {queue:?}") };
        let call = AtOnce { session, participant: ParticipantId(0), queue };
        let now = Time::from_micros(1);
        let mut item = NewItem::new(payload.clone());
        self.engine.put_at_once(now, call, &mut item).expect("there is room");
        self.engine.get_at_once(now, call).expect("there is an item")
    }

    /// Puts an item and gets it again, and acknowledges both answers.
    pub(crate) fn pair(&mut self, who: SessionKey, queue: &Target, payload: &Payload) {
        let first = self.call(who, put(queue, payload));
        let last = self.call(who, get(queue, Timeout::NOW));
        self.done(who, first, last);
        self.effects.clear();
    }
}

pub(crate) fn named(name: &str) -> Target {
    Target::Name(Name::parse("name", name).expect("a valid name"))
}

/// The usual hundred bytes.
pub(crate) fn payload() -> Payload {
    Payload::new(ContentType::Bytes, vec![7_u8; 100])
}

pub(crate) fn put(target: &Target, payload: &Payload) -> Command {
    let item = NewItem::new(payload.clone());
    Command::Queue(target.clone(), OnQueue::Put { item, timeout: Timeout::NOW })
}

pub(crate) fn get(target: &Target, timeout: Timeout) -> Command {
    Command::Queue(target.clone(), OnQueue::Take { taking: Taking::new(Take::Get, Batch::ONE), timeout })
}

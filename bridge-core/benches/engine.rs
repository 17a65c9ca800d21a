//! What the engine itself costs: nanoseconds per operation, bytes per parked wait and per idle session.
//! `cargo bench -p bridge-core`

use std::time::Duration;

use bridge_core::command::queue::{Batch, Command as OnQueue, Mode as Take, NewItem, Taking};
use bridge_core::command::semaphore::{Acquire, Command as OnSemaphore};
use bridge_core::command::{
    Call, Carrier, Command, Effect, Input, Mode, Reply, SessionSpec, queue, semaphore,
};
use bridge_core::ids::{Handle, Name, Op, OpRange, ParticipantId, Secret, SessionId, SessionKey, Target};
use bridge_core::payload::ContentType;
use bridge_core::{Engine, Limits, Payload, Time, Timeout};

const ROUNDS: u64 = 1_000_000;
const PARKED: u64 = 10_000;

struct Bench {
    engine: Engine,
    effects: Vec<Effect>,
    op: u64,
}

impl Bench {
    fn new() -> Self {
        Bench { engine: Engine::new(1, Limits::default()), effects: Vec::new(), op: 0 }
    }

    fn handle(&mut self, input: Input) {
        self.engine.handle(Time::from_micros(1), input, &mut self.effects);
    }

    fn open(&mut self, id: u128, mode: Mode) -> SessionKey {
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

    fn call(&mut self, who: SessionKey, command: Command) -> Op {
        self.op += 1;
        let op = Op(self.op);
        let call = Call { op, participant: ParticipantId(0), carrier: Carrier::Stream, command };
        self.handle(Input::Call(who, call));
        op
    }

    fn done(&mut self, who: SessionKey, first: Op, last: Op) {
        self.handle(Input::Done(who, OpRange { first, last }));
    }

    fn declare(&mut self, who: SessionKey, command: Command) -> Target {
        self.call(who, command);
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
        let op = Op(self.op);
        self.done(who, op, op);
        Target::Handle(handle)
    }
}

fn named() -> Target {
    Target::Name(Name::parse("name", "bench").expect("a valid name"))
}

fn put(target: &Target, payload: &Payload) -> Command {
    let item = NewItem::new(payload.clone());
    Command::Queue(target.clone(), OnQueue::Put { item, timeout: Timeout::NOW })
}

fn get(target: &Target, timeout: Timeout) -> Command {
    Command::Queue(target.clone(), OnQueue::Take { taking: Taking::new(Take::Get, Batch::ONE), timeout })
}

/// The best of five, so that a busy machine disturbs less.
fn measure(what: &str, mut round: impl FnMut()) {
    let mut best = u64::MAX;
    for _ in 0..5 {
        let start = cpu_nanos();
        (0..ROUNDS / 5).for_each(|_| round());
        best = best.min(cpu_nanos() - start);
    }
    println!("{what:<42} {:>7.1} ns", best as f64 * 5.0 / ROUNDS as f64);
}

/// Time on a processor, so that a busy machine does not count.
fn cpu_nanos() -> u64 {
    let schedstat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    schedstat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
}

fn rss_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn main() {
    let payload = Payload::new(ContentType::Bytes, vec![7_u8; 100]);
    for (depth, text) in [(0, "empty"), (1000, "1000 deep")] {
        let mut bench = Bench::new();
        let who = bench.open(1, Mode::Direct);
        let target = bench.declare(who, Command::Queue(named(), OnQueue::Declare(Default::default())));
        for _ in 0..depth {
            bench.call(who, put(&target, &payload));
        }
        measure(&format!("Direct put + get, {text}"), || {
            bench.call(who, put(&target, &payload));
            bench.call(who, get(&target, Timeout::NOW));
            bench.effects.clear();
        });

        let mut bench = Bench::new();
        let who = bench.open(1, Mode::Resumable);
        let target = bench.declare(who, Command::Queue(named(), OnQueue::Declare(Default::default())));
        for _ in 0..depth {
            let op = bench.call(who, put(&target, &payload));
            bench.done(who, op, op);
        }
        measure(&format!("Resumable put + get + done, {text}"), || {
            let first = bench.call(who, put(&target, &payload));
            let last = bench.call(who, get(&target, Timeout::NOW));
            bench.done(who, first, last);
            bench.effects.clear();
        });
    }

    let mut bench = Bench::new();
    let who = bench.open(1, Mode::Direct);
    let target = bench.declare(who, Command::Queue(named(), OnQueue::Declare(Default::default())));
    measure("Direct parked get + put + done", || {
        let op = bench.call(who, get(&target, Timeout::Never));
        bench.call(who, put(&target, &payload));
        bench.done(who, op, op);
        bench.effects.clear();
    });

    let mut bench = Bench::new();
    let who = bench.open(1, Mode::Direct);
    let options = semaphore::Options { limit: Some(4), ..Default::default() };
    let target = bench.declare(who, Command::Semaphore(named(), OnSemaphore::Declare(options)));
    measure("Direct acquire + release", || {
        let acquire = Acquire { permits: 1, by_token: false, barge: false, timeout: Timeout::NOW };
        bench.call(who, Command::Semaphore(target.clone(), OnSemaphore::Acquire(acquire)));
        bench.call(who, Command::Semaphore(target.clone(), OnSemaphore::Release { permits: 1, token: None }));
        bench.effects.clear();
    });

    let mut bench = Bench::new();
    let who = bench.open(1, Mode::Resumable);
    let target = bench.declare(who, Command::Queue(named(), OnQueue::Declare(Default::default())));
    let before = rss_bytes();
    for _ in 0..PARKED {
        bench.call(who, get(&target, Timeout::After(Duration::from_secs(60))));
    }
    println!("{:<42} {:>7} bytes", "a parked wait", (rss_bytes() - before) / PARKED);
    let before = rss_bytes();
    for id in 0..PARKED {
        bench.open(100 + u128::from(id), Mode::Resumable);
    }
    println!("{:<42} {:>7} bytes", "an idle session", (rss_bytes() - before) / PARKED);
    println!("{:<42} {:>7} bytes", "an effect", size_of::<Effect>());
    println!("{:<42} {:>7} bytes", "an input", size_of::<Input>());
}

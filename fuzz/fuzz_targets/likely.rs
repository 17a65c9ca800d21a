//! Commands that mean something: what programs might ask of few objects, with names, tokens and timeouts that fit. So what needs several
//! steps is reached in short runs too: circles of waits, acquiring all, items that are prefetched and recalled, both ends of a pipe.

use std::time::Duration;

use bridge_core::Timeout;
use bridge_core::command::acquire_all::AcquireAll;
use bridge_core::command::queue::{self, Batch, Dedupe, End, Mode, NewItem, Reentry, Scope, Taking, Which};
use bridge_core::command::select::Select;
use bridge_core::command::value::{Datum, Guard, Lifetime, Write};
use bridge_core::command::{
    Command, barrier, condition, event, latch, list, lock, pipe, rwlock, semaphore, timer, topic,
    transaction, value,
};
use bridge_core::ids::{Name, Op, Target, Token};
use bridge_core::payload::{ContentType, Payload};

use crate::Source;

/// How many kinds of commands there are.
const KINDS: u8 = 32;

impl Source<'_> {
    fn one_of<T: Copy, const N: usize>(&mut self, all: [T; N]) -> T {
        all[usize::from(self.byte()) % N]
    }

    fn name(&mut self) -> Name {
        let text = self.one_of(["a", "b", "c"]);
        Name::parse("name", text).expect("a name")
    }

    fn target(&mut self) -> Target {
        Target::Name(self.name())
    }

    fn timeout(&mut self) -> Timeout {
        self.one_of([Timeout::Never, Timeout::NOW, Timeout::After(Duration::from_millis(100))])
    }

    /// One that was given, most of the time.
    fn token(&mut self, given: &[Token]) -> Token {
        let byte = usize::from(self.byte());
        if given.is_empty() { Token(byte as u64) } else { given[byte % given.len()] }
    }

    fn payload(&mut self) -> Payload {
        Payload::new(ContentType::Text, vec![b'x'; usize::from(self.byte() % 16)])
    }

    fn item(&mut self) -> NewItem {
        let item = NewItem::new(self.payload());
        let millis = Duration::from_millis(u64::from(self.byte() % 4) * 100);
        let attributes = match self.byte() % 8 {
            0 => queue::Attributes { delay: millis, ..Default::default() },
            1 => queue::Attributes { ttl: Some(millis), ..Default::default() },
            2 => queue::Attributes { group: Some("g".into()), ..Default::default() },
            3 => queue::Attributes { end: Some(End::Front), ..Default::default() },
            4 => {
                let scope =
                    self.one_of([Scope::Queued, Scope::Unfinished, Scope::Window(Duration::from_secs(1))]);
                let dedupe = Dedupe { key: "k".into(), scope, refuse: millis.is_zero() };
                queue::Attributes { dedupe: Some(dedupe), ..Default::default() }
            }
            _ => return item,
        };
        item.with(attributes)
    }

    fn datum(&mut self) -> Datum {
        if self.byte() % 2 == 0 { Datum::from(i64::from(self.byte())) } else { self.payload().into() }
    }

    /// What can be held, and for which others wait.
    fn acquire(&mut self) -> Command {
        let (target, timeout, barge) = (self.target(), self.timeout(), self.byte() % 8 == 0);
        let lease = (self.byte() % 4 == 0).then_some(Duration::from_millis(200));
        match self.byte() % 4 {
            0 | 1 => Command::Lock(target, lock::Command::Acquire(lock::Acquire { barge, lease, timeout })),
            2 => {
                let mode = self.one_of([rwlock::Mode::Read, rwlock::Mode::Write]);
                Command::RwLock(
                    target,
                    rwlock::Command::Acquire(rwlock::Acquire { mode, barge, lease, timeout }),
                )
            }
            _ => {
                let (permits, by_token) = (u32::from(self.byte() % 3) + 1, self.byte() % 2 == 0);
                let acquire = semaphore::Acquire { permits, by_token, barge, timeout };
                Command::Semaphore(target, semaphore::Command::Acquire(acquire))
            }
        }
    }

    fn release(&mut self, given: &[Token]) -> Command {
        let (target, token) = (self.target(), self.token(given));
        let token = (self.byte() % 2 == 0).then_some(token);
        match self.byte() % 4 {
            0 | 1 => Command::Lock(target, lock::Command::Release { token }),
            2 => {
                let mode = self.one_of([rwlock::Mode::Read, rwlock::Mode::Write]);
                Command::RwLock(target, rwlock::Command::Release { mode, token })
            }
            _ => Command::Semaphore(target, semaphore::Command::Release { permits: 1, token }),
        }
    }

    fn take(&mut self) -> Command {
        let (target, timeout) = (self.target(), self.timeout());
        let mut taking = Taking::new(self.one_of([Mode::Get, Mode::Lease]), Batch::ONE);
        match self.byte() % 4 {
            0 => taking.batch = Batch { max: 3, min: 2, linger: Duration::from_millis(50) },
            1 => taking.end = End::Back,
            2 if taking.mode == Mode::Lease => taking.max_hold = Some(Duration::from_millis(200)),
            _ => {}
        }
        Command::Queue(target, queue::Command::Take { taking, timeout })
    }

    fn put(&mut self) -> Command {
        let (target, timeout) = (self.target(), self.timeout());
        Command::Queue(target, queue::Command::Put { item: self.item(), timeout })
    }

    fn settle(&mut self, given: &[Token]) -> queue::Command {
        let tokens = vec![self.token(given)];
        match self.byte() % 4 {
            0 | 1 => queue::Command::Ack { tokens },
            2 => {
                let reentry = self.one_of([Reentry::Place, Reentry::Front, Reentry::Back]);
                queue::Command::Nack { tokens, reentry, delay: Duration::ZERO, error: "e".into() }
            }
            _ => queue::Command::Reject { tokens, reason: "r".into() },
        }
    }

    fn queue_options(&mut self) -> queue::Options {
        let small = self.byte() % 8;
        queue::Options {
            maxsize: (small % 2 == 0).then_some(u64::from(small)),
            max_deliveries: (small == 1).then_some(2),
            dead_letters: (small % 4 == 1).then(|| self.name()),
            ..Default::default()
        }
    }

    fn branch(&mut self) -> Command {
        match self.byte() % 6 {
            0 | 1 => self.take(),
            2 => self.put(),
            3 => self.acquire(),
            4 => Command::Event(self.target(), event::Command::Wait { timeout: Timeout::Never, after: None }),
            _ => {
                let watch = value::Command::Watch { key: None, after: 0, timeout: Timeout::Never };
                Command::Dict(self.target(), watch)
            }
        }
    }

    fn several<T>(&mut self, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.byte() % 3 + 2).map(|_| one(self)).collect()
    }

    fn pipe(&mut self) -> pipe::Command {
        let (end, timeout) = (self.one_of([pipe::End::A, pipe::End::B]), self.timeout());
        match self.byte() % 8 {
            0 => pipe::Command::Declare(pipe::Options { maxsize: Some(1), ..Default::default() }),
            1 | 2 => pipe::Command::Attach { end: Some(end) },
            3 | 4 => pipe::Command::Send { end, payload: self.payload(), timeout },
            5 => pipe::Command::Receive { end, timeout },
            6 => pipe::Command::Poll { end, timeout },
            _ => pipe::Command::Close { end },
        }
    }

    fn topic(&mut self) -> topic::Command {
        match self.byte() % 4 {
            0 => topic::Command::Bind { queue: self.target(), pattern: self.one_of(["k", "*", "k*"]).into() },
            1 => topic::Command::Unbind { queue: self.name(), pattern: self.one_of(["k", "*", "k*"]).into() },
            _ => {
                let publish = topic::Publish { key: self.one_of(["k", "kk"]).into(), item: self.item() };
                topic::Command::Publish(Box::new(publish))
            }
        }
    }

    fn timer(&mut self) -> timer::Command {
        let period = Duration::from_millis(u64::from(self.byte()) * 10);
        let times = match self.byte() % 4 {
            0 => return timer::Command::Cancel,
            1 => timer::Times::After(period),
            _ => timer::Times::Every(period),
        };
        let missed = self.one_of([timer::Missed::Skip, timer::Missed::Once, timer::Missed::All]);
        let schedule = timer::Schedule { queue: self.name(), item: self.item(), times, missed };
        timer::Command::Schedule { schedule: Box::new(schedule), replace: self.byte() % 2 == 0 }
    }

    fn condition(&mut self) -> condition::Command {
        match self.byte() % 4 {
            0 => condition::Command::Declare { lock: self.name(), options: Default::default() },
            1 | 2 => condition::Command::Wait { timeout: self.timeout() },
            _ => condition::Command::Notify { count: Some(self.byte().into()) },
        }
    }

    fn barrier(&mut self, given: &[Token]) -> barrier::Command {
        match self.byte() % 8 {
            0 | 1 => barrier::Command::Declare(barrier::Options { parties: Some(2), ephemeral: None }),
            2 => barrier::Command::ActionDone { action: self.token(given), error: None },
            3 => barrier::Command::Reset,
            _ => {
                let (timeout, has_action) = (self.timeout(), self.byte() % 2 == 0);
                let on_cancel = barrier::OnCancel::Leave;
                barrier::Command::Wait(barrier::Arrive { timeout, has_action, on_cancel })
            }
        }
    }

    fn step(&mut self, given: &[Token]) -> transaction::Step {
        let queue = self.target();
        let command = match self.byte() % 2 {
            0 => queue::Command::Put { item: NewItem::new(self.payload()), timeout: Timeout::NOW },
            _ => self.settle(given),
        };
        transaction::Step { queue, command }
    }

    fn value(&mut self) -> value::Command {
        let key = self.one_of(["j", "k"]);
        match self.byte() % 4 {
            0 => value::Command::Watch { key: Some(key.into()), after: 0, timeout: self.timeout() },
            1 => value::Command::Increment { key: key.into(), by: Datum::from(1_i64), fence: None },
            _ => {
                let (datum, guard, lifetime) = (self.datum(), Guard::default(), Lifetime::Lasting);
                value::Command::Set { key: key.into(), write: Box::new(Write { datum, guard, lifetime }) }
            }
        }
    }

    /// A command of any kind, which may name tokens that were given before, and a recent call.
    pub(crate) fn likely(&mut self, given: &[Token], recent: Op) -> Command {
        match self.byte() % KINDS {
            0..=3 => self.acquire(),
            4 | 5 => self.release(given),
            6 | 7 => {
                let (parts, timeout) = (self.several(Self::acquire), self.timeout());
                Command::AcquireAll(Box::new(AcquireAll { parts, timeout }))
            }
            8 | 9 => {
                let (branches, timeout) = (self.several(Self::branch), self.timeout());
                Command::Select(Box::new(Select { branches, timeout }))
            }
            10..=12 => self.put(),
            13 | 14 => self.take(),
            15 | 16 => {
                let taking = Taking {
                    prefetch: true,
                    ..Taking::new(self.one_of([Mode::Get, Mode::Lease]), Batch::ONE)
                };
                Command::Queue(self.target(), queue::Command::Take { taking, timeout: Timeout::Never })
            }
            17 => Command::Hasten(recent),
            18 => Command::Cancel(recent),
            19 | 20 => Command::Queue(self.target(), self.settle(given)),
            21 => Command::Transaction(self.several(|source| source.step(given))),
            22 => Command::Topic(self.target(), self.topic()),
            23 | 24 => Command::Pipe(self.target(), self.pipe()),
            25 => Command::Timer(self.target(), self.timer()),
            26 => Command::Condition(self.target(), self.condition()),
            27 => Command::Barrier(self.target(), self.barrier(given)),
            28 => Command::Dict(self.target(), self.value()),
            29 => match self.byte() % 4 {
                0 => Command::Latch(self.target(), latch::Command::Wait { timeout: self.timeout() }),
                1 => Command::Event(self.target(), event::Command::Set),
                2 => Command::Event(
                    self.target(),
                    event::Command::Wait { timeout: self.timeout(), after: None },
                ),
                _ => {
                    let splice = list::Splice { items: vec![self.datum()], ..Default::default() };
                    Command::List(self.target(), list::Command::Splice(Box::new(splice)))
                }
            },
            30 => {
                let which = self.one_of([0, 1, 2]);
                let which = if which == 0 { Which::All } else { Which::First(which) };
                match self.byte() % 2 {
                    0 => {
                        let redrive = queue::Redrive { which, to: None };
                        Command::Queue(self.target(), queue::Command::Redrive(Box::new(redrive)))
                    }
                    _ => {
                        let moving = queue::Move { which, to: self.target() };
                        Command::Queue(self.target(), queue::Command::Move(Box::new(moving)))
                    }
                }
            }
            _ => match self.byte() % 4 {
                0 => {
                    let options =
                        semaphore::Options { limit: Some(i64::from(self.byte() % 4)), ..Default::default() };
                    Command::Semaphore(self.target(), semaphore::Command::Declare(options))
                }
                1 => {
                    let options = lock::Options { reentrant: Some(true), ..Default::default() };
                    Command::Lock(self.target(), lock::Command::Declare(options))
                }
                2 => {
                    let options = latch::Options { count: Some(2), ephemeral: None };
                    Command::Latch(self.target(), latch::Command::Declare(options))
                }
                _ => Command::Queue(self.target(), queue::Command::Declare(self.queue_options())),
            },
        }
    }
}

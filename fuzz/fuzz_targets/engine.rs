//! Bytes become frames of clients, frames become commands as in a server, and the engine executes them: sessions come and go, time
//! passes, answers are written as for the wire. Nothing panics, the invariants hold after every input, and a replay ends in the
//! same state.
//!
//! Half of the frames are protocol buffers whose structure is sound and whose content is anything: which fields, of which type, how deep. So
//! the fuzzer finds messages by itself, those of services that do not exist yet included. The others are what a program might ask.
#![no_main]

mod likely;

use std::sync::LazyLock;
use std::time::Duration;

use bridge_core::command::{
    Call, Carrier, EndReason, Input, Mode, Request, SessionSpec, barrier, condition, lock, queue, rwlock,
    semaphore,
};
use bridge_core::ids::{Op, OpRange, ParticipantId, Secret, SessionId, SessionKey, Token};
use bridge_core::{Effect, Engine, Limits, Reply, Time, wire};
use libfuzzer_sys::fuzz_target;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use syncbridge_proto::v1 as pb;

/// Inputs of one run.
const INPUTS_MAX: usize = 300;

/// How deep messages contain each other.
const DEPTH_MAX: usize = 4;

/// Time passes by no more than this at once, about 12 days.
const TIME_BITS: u8 = 40;

const TEXTS: [&str; 8] = ["a", "b", "c", "", "* * * * *", "0 0 29 2 *", "@hourly", "a.*"];

/// The numbers of the bodies that a command can have.
static BODIES: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let has_body = |number: &u32| {
        let mut bytes = Vec::new();
        encode_key(*number, WireType::LengthDelimited, &mut bytes);
        encode_varint(0, &mut bytes);
        pb::Command::decode(&bytes[..]).is_ok_and(|command| command.body.is_some())
    };
    (1..1_000).filter(has_body).collect()
});

/// The bytes of a run, one after the other; zeros at the end.
struct Source<'a>(&'a [u8]);

impl Source<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// The fields of a message.
    fn message(&mut self, depth: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..self.byte() % 8 {
            let (which, what) = (self.byte(), self.byte());
            let number = u32::from(which % 16) + 1;
            match what % 16 {
                0..=4 => {
                    encode_key(number, WireType::Varint, &mut bytes);
                    encode_varint((what >> 4).into(), &mut bytes);
                }
                5 => {
                    encode_key(number, WireType::Varint, &mut bytes);
                    encode_varint(self.byte().into(), &mut bytes);
                }
                6 => {
                    encode_key(number, WireType::Varint, &mut bytes);
                    encode_varint(self.number(), &mut bytes);
                }
                7 => {
                    encode_key(number, WireType::SixtyFourBit, &mut bytes);
                    bytes.extend(self.number().to_le_bytes());
                }
                8..=10 if depth < DEPTH_MAX => {
                    let inner = self.message(depth + 1);
                    encode_key(number, WireType::LengthDelimited, &mut bytes);
                    encode_varint(inner.len() as u64, &mut bytes);
                    bytes.extend(inner);
                }
                8..=13 => {
                    let text = TEXTS[usize::from(what >> 4) % TEXTS.len()];
                    encode_key(number, WireType::LengthDelimited, &mut bytes);
                    encode_varint(text.len() as u64, &mut bytes);
                    bytes.extend(text.bytes());
                }
                _ => {
                    let length = usize::from(what >> 4);
                    encode_key(number, WireType::LengthDelimited, &mut bytes);
                    encode_varint(length as u64, &mut bytes);
                    bytes.extend((0..length).map(|_| self.byte()));
                }
            }
        }
        bytes
    }

    /// A command as a client might send it, whatever is in it.
    fn command(&mut self) -> Option<pb::Command> {
        let (body, op, flags) = (self.byte(), self.byte(), self.byte());
        let number = BODIES[usize::from(body) % BODIES.len()];
        let inner = self.message(0);
        let mut bytes = Vec::new();
        encode_key(number, WireType::LengthDelimited, &mut bytes);
        encode_varint(inner.len() as u64, &mut bytes);
        bytes.extend(inner);
        let command = pb::Command::decode(&bytes[..]).ok()?;
        let (participant, must_exist) = (u32::from(flags & 1), flags & 2 != 0);
        Some(pb::Command { op: op.into(), participant, must_exist, ..command })
    }
}

fn limits(small: u8) -> Limits {
    let small = u32::from(small % 16) + 1;
    Limits {
        payload_bytes_max: 256,
        batch_max: 8,
        page_max: 4,
        retained_bytes_max: 4_096,
        items_max: u64::from(small) * 4,
        entries_max: u64::from(small) * 4,
        list_items_max: small * 2,
        dedupe_keys_max: small,
        objects_max: small * 2,
        sessions_max: 8,
        waits_max: small * 4,
        waits_per_session_max: small * 2,
        stored_answers_per_session_max: small * 4,
        crashed_offers_max: 2,
        consumers_per_item_max: 2,
        timer_firings_max: small,
        ..Limits::default()
    }
}

/// A server of one namespace, without a network.
struct Server {
    engine: Engine,
    now: Time,
    sessions: Vec<SessionKey>,
    journal: Vec<(Time, Input)>,
    effects: Vec<Effect>,
    /// The number of the last likely call.
    last_op: u8,
    /// What was granted lately.
    given: Vec<Token>,
}

/// Tokens of grants that are remembered.
const GIVEN_MAX: usize = 8;

impl Server {
    fn new() -> Self {
        Server {
            engine: Engine::new(1, limits(15)),
            now: Time::from_micros(1_700_000_000_000_000),
            sessions: Vec::new(),
            journal: Vec::new(),
            effects: Vec::new(),
            last_op: 0,
            given: Vec::new(),
        }
    }

    fn input(&mut self, input: Input) {
        self.journal.push((self.now, input.clone()));
        self.engine.handle(self.now, input, &mut self.effects);
        self.engine.check_invariants();
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::Opened(Ok(opened)) => self.sessions.push(opened.session),
                Effect::Answer { op, outcome, .. } => {
                    if let Ok(reply) = &outcome {
                        note_tokens(reply, &mut self.given);
                        let forgotten = self.given.len().saturating_sub(GIVEN_MAX);
                        self.given.drain(..forgotten);
                    }
                    write(op, outcome);
                }
                _ => {}
            }
        }
    }

    fn session(&self, which: u8) -> SessionKey {
        let none = SessionKey { slot: 0, generation: 0 };
        match self.sessions.len() {
            0 => none,
            len => self.sessions[usize::from(which) % len],
        }
    }

    /// One of the last calls.
    fn recent(&self, which: u8) -> Op {
        Op(self.last_op.wrapping_sub(which % 8).into())
    }

    /// What a program might ask, of a few participants.
    fn likely(&mut self, source: &mut Source) -> pb::Command {
        let participant = ParticipantId((source.byte() % 3).into());
        let recent = self.recent(source.byte());
        let command = source.likely(&self.given, recent);
        self.last_op = self.last_op.wrapping_add(1);
        wire::command(Op(self.last_op.into()), participant, &Request::Command(command))
    }

    fn frame(&mut self, session: SessionKey, by_stream: bool, command: pb::Command) {
        let Ok(wire::Requests { requests, rejected }) = wire::requests(vec![command]) else { return };
        for (op, participant, request) in requests {
            match request {
                Request::Command(command) => {
                    let carrier = if by_stream { Carrier::Stream } else { Carrier::Call };
                    self.input(Input::Call(session, Call { op, participant, carrier, command }));
                }
                Request::Query(query) => {
                    self.input(Input::Tick);
                    write(op, self.engine.query(self.now, session, &query));
                }
            }
        }
        for (op, error) in rejected {
            write(op, Err(error));
        }
    }
}

fn note_tokens(reply: &Reply, given: &mut Vec<Token>) {
    match reply {
        Reply::Queue(queue::Reply::Taken(taken)) => {
            given.extend(taken.deliveries.iter().map(|delivery| delivery.token))
        }
        Reply::Lock(lock::Reply::Acquired(grant))
        | Reply::RwLock(rwlock::Reply::Acquired(grant))
        | Reply::Condition(condition::Reply::Waited { grant, .. }) => given.push(grant.token),
        Reply::Semaphore(semaphore::Reply::Acquired(token)) => given.push(*token),
        Reply::Barrier(barrier::Reply::Arrived(barrier::Arrived { action, .. })) => given.extend(action),
        Reply::Selected { reply, .. } => note_tokens(reply, given),
        Reply::AcquiredAll(replies) => replies.iter().for_each(|reply| note_tokens(reply, given)),
        _ => {}
    }
}

/// Writes an answer, as for the wire, and reads it as a client does.
fn write(op: Op, outcome: bridge_core::Outcome) {
    for packs in [false, true] {
        let bytes = wire::answer(op, outcome.clone(), packs).encode_to_vec();
        let answer = pb::Answer::decode(&bytes[..]).expect("what was written can be read");
        let read = wire::outcome(answer);
        assert!(read.is_ok() || op.0 == 0, "an answer that no client understands: {read:?}");
    }
}

fn spec(which: u8) -> SessionSpec {
    let mode = [Mode::Resumable, Mode::Resumable, Mode::Direct, Mode::Sessionless][usize::from(which) % 4];
    SessionSpec {
        id: SessionId((which % 8).into()),
        secret: Secret(1),
        mode,
        ttl: Duration::from_secs(15),
        label: "fuzz".into(),
        host: "host".into(),
        language: "rust".into(),
        pid: 1,
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut source = Source(bytes);
    let mut server = Server::new();
    for which in 0..3 {
        server.input(Input::Open(spec(which)));
        server.input(Input::Attach(server.session(which)));
    }
    for _ in 0..INPUTS_MAX {
        if source.0.is_empty() {
            break;
        }
        let action = source.byte();
        let session = server.session(action >> 5);
        let op = |byte: u8| Op(byte.into());
        match action % 32 {
            0 => {
                let micros = 1_u64 << (source.byte() % TIME_BITS);
                server.now = server.now + Duration::from_micros(micros);
                server.input(Input::Tick);
            }
            1 => server.input(Input::Open(spec(source.byte()))),
            2 => server.input(Input::Attach(session)),
            3 => server.input(Input::Detach(session)),
            4 => server.input(Input::Pause(session)),
            5 => server.input(Input::Unpause(session)),
            6 => server.input(Input::End(session, EndReason::Expired)),
            7 => server.input(Input::End(session, EndReason::Closed)),
            8 => server.input(Input::Label(session, ParticipantId(1), "somebody".into())),
            9 | 10 => {
                let (first, count) = (source.byte(), source.byte() % 4);
                let last = Op(u64::from(first) + u64::from(count));
                server.input(Input::Done(session, OpRange { first: op(first), last }));
            }
            11 => {
                let refused = op(source.byte());
                server.input(Input::Refuse(session, refused));
            }
            14..=16 => {
                let first = server.recent(source.byte());
                server.input(Input::Done(session, OpRange { first, last: first }));
            }
            17 => {
                let refused = server.recent(source.byte());
                server.input(Input::Refuse(session, refused));
            }
            12 => server.input(Input::Configure(limits(source.byte()))),
            13 => server.input(Input::Restart),
            other if other % 2 == 0 => {
                let command = server.likely(&mut source);
                server.frame(session, other % 8 > 0, command);
            }
            other => {
                if let Some(command) = source.command() {
                    server.frame(session, other % 4 > 0, command);
                }
            }
        }
    }
    let mut replayed = Engine::new(1, limits(15));
    for (now, input) in server.journal {
        replayed.handle(now, input, &mut server.effects);
    }
    assert_eq!(replayed.state_hash(), server.engine.state_hash(), "the replay ends in another state");
});

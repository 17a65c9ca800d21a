//! The bytes of messages, so that they stay what they are: `tests/vectors/wire` has a file for each primitive, which other languages read
//! too. `SYNCBRIDGE_VECTORS=write` writes them anew: what was there before must not change, unless older clients are given up.

use std::collections::BTreeMap;
use std::path::PathBuf;

use prost::Message;

use super::*;

const OP: Op = Op(17);
const PARTICIPANT: ParticipantId = ParticipantId(3);

/// What stands in a file.
#[derive(Default)]
struct Vectors {
    commands: Vec<Vector>,
    answers: Vec<Vector>,
}

struct Vector {
    /// As it is called in the contract.
    body: String,
    bytes: Vec<u8>,
}

/// `QueuePutMany(..)` is the body `queue_put_many`.
fn body_of(message: &impl std::fmt::Debug) -> String {
    let mut body = String::new();
    for letter in format!("{message:?}").chars().take_while(char::is_ascii_alphanumeric) {
        if letter.is_ascii_uppercase() && !body.is_empty() {
            body.push('_');
        }
        body.push(letter.to_ascii_lowercase());
    }
    body
}

fn file_of(body: &str) -> &str {
    match body {
        "cancel" | "discard" | "share" | "hasten" | "recall" | "error" => "session",
        "acquire_all" => body,
        body => body.split('_').next().unwrap_or(body),
    }
}

/// The answers that say nothing but that it is done, or what was declared.
fn plain_replies() -> Vec<Reply> {
    use {event::Reply as E, queue::Reply as Q, semaphore::Reply as S};
    let handle = Handle { slot: 7, generation: 3 };
    let parties = barrier::Options { parties: Some(3), ephemeral: Some(true) };
    let count = latch::Options { count: Some(3), ephemeral: Some(true) };
    let of_queue = [
        Q::Declared { handle, options: Box::default() },
        Q::Acked,
        Q::Nacked,
        Q::Rejected,
        Q::TaskDone,
        Q::Joined,
        Q::Removed(vec![ItemId(5)]),
        Q::ShutDown,
    ];
    let of_event = [
        E::Declared { handle, options: event::Options::default() },
        E::Set { version: 3 },
        E::Cleared { version: 3 },
        E::Described(event::Figures::default()),
    ];
    let of_semaphore = [
        S::Declared { handle, options: semaphore::Options::default() },
        S::Acquired(Token(8)),
        S::Released,
        S::Reduced,
        S::LimitSet,
        S::Described(Box::default()),
    ];
    let of_queue = of_queue.into_iter().map(Reply::Queue);
    let others = [
        Reply::Lock(lock::Reply::Declared { handle, options: lock::Options::default() }),
        Reply::RwLock(rwlock::Reply::Declared { handle, options: rwlock::Options::default() }),
        Reply::Condition(condition::Reply::Declared { handle, options: condition::Options::default() }),
        Reply::Barrier(barrier::Reply::Declared { handle, options: parties }),
        Reply::Latch(latch::Reply::Declared { handle, options: count }),
    ];
    of_queue
        .chain(of_event.map(Reply::Event))
        .chain(of_semaphore.map(Reply::Semaphore))
        .chain(others)
        .collect()
}

fn vectors() -> BTreeMap<String, Vectors> {
    let mut files: BTreeMap<String, Vectors> = BTreeMap::new();
    for request in requests() {
        let message = command(OP, PARTICIPANT, &request);
        let body = body_of(message.body.as_ref().expect("it has one"));
        let bytes = message.encode_to_vec();
        let read = numbered(pb::Command::decode(&bytes[..]).expect("it is a command"));
        assert_eq!(read, Ok(Numbered { op: OP, participant: PARTICIPANT, request: Ok(request) }));
        files.entry(file_of(&body).to_owned()).or_default().commands.push(Vector { body, bytes });
    }
    for expected in outcomes().into_iter().chain(plain_replies().into_iter().map(Ok)) {
        let message = answer(OP, expected.clone(), false);
        let body = body_of(message.body.as_ref().expect("it has one"));
        let bytes = message.encode_to_vec();
        let (op, read) =
            outcome(pb::Answer::decode(&bytes[..]).expect("it is an answer")).expect("it has an op");
        assert_eq!(op, OP);
        match (&read, &expected) {
            (Err(read), Err(expected)) => assert_eq!(read.reason, expected.reason),
            _ => assert_eq!(read, expected),
        }
        files.entry(file_of(&body).to_owned()).or_default().answers.push(Vector { body, bytes });
    }
    files
}

/// One line for each, so that a change can be read.
fn text(vectors: &Vectors) -> String {
    let list = |of: &[Vector]| {
        let line = |Vector { body, bytes }: &Vector| {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("    {{\"body\": \"{body}\", \"hex\": \"{hex}\"}}")
        };
        format!("[\n{}\n  ]", of.iter().map(line).collect::<Vec<_>>().join(",\n"))
    };
    format!(
        "{{\n  \"commands\": {},\n  \"answers\": {}\n}}\n",
        list(&vectors.commands),
        list(&vectors.answers)
    )
}

#[test]
fn messages_are_the_bytes_that_they_were() {
    let directory = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/wire"));
    let writes = std::env::var("SYNCBRIDGE_VECTORS").is_ok_and(|what| what == "write");
    for (primitive, vectors) in vectors() {
        let (path, now) = (directory.join(format!("{primitive}.json")), text(&vectors));
        if writes {
            std::fs::create_dir_all(&directory).expect("the directory can be made");
            std::fs::write(&path, &now).expect("the file can be written");
        }
        let before =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let differs = before.lines().zip(now.lines()).find(|(before, now)| before != now);
        assert_eq!(before, now, "{}: the first that differs is {differs:?}", path.display());
    }
}

#[test]
fn every_body_of_the_contract_has_a_vector() {
    let all = vectors();
    let bodies: Vec<&str> = all.values().flat_map(|of| &of.commands).map(|of| of.body.as_str()).collect();
    let answered: Vec<&str> = all.values().flat_map(|of| &of.answers).map(|of| of.body.as_str()).collect();
    for number in 1..1_000_u32 {
        let mut bytes = Vec::new();
        prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, &mut bytes);
        bytes.push(0);
        let Ok(pb::Command { body: Some(body), .. }) = pb::Command::decode(&bytes[..]) else { continue };
        let body = body_of(&body);
        assert!(bodies.contains(&body.as_str()), "no command {body}");
        // Whoever notifies all is answered as who notifies some.
        let answer = if body == "condition_notify_all" { "condition_notify" } else { &body };
        assert!(answered.contains(&answer), "no answer {body}");
    }
}

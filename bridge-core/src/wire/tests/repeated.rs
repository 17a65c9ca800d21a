//! Takes that prefetch, many in one message.

use super::*;
use crate::wire::{answers, outcomes, repeat, requests};

fn take(prefetch: bool) -> Request {
    let taking = queue::Taking { prefetch, ..queue::Taking::new(queue::Mode::Lease, queue::Batch::ONE) };
    let take = queue::Command::Take { taking, timeout: Timeout::Never };
    Request::Command(Command::Queue(Target::Name(name("q")), take))
}

fn ahead(first: u64, count: u32) -> pb::Command {
    pb::Command { count, ..command(Op(first), ParticipantId(3), &take(true)) }
}

#[test]
fn one_command_stands_for_many_takes() {
    let mut written = command(Op(5), ParticipantId(3), &take(true));
    for op in 6..=9 {
        assert!(repeat(&mut written, Op(op)));
    }
    assert!(!repeat(&mut written, Op(11)), "numbers are in a row");
    let after = command(Op(10), ParticipantId(1), &take(false));
    let read = requests(vec![written, after]).expect("valid");
    let takes = (5..=9).map(|op| (Op(op), ParticipantId(3), take(true)));
    let expected: Vec<_> = takes.chain([(Op(10), ParticipantId(1), take(false))]).collect();
    assert_eq!((read.requests, read.rejected), (expected, vec![]));

    let mut full = ahead(1, COUNT_MAX);
    assert!(!repeat(&mut full, Op(1 + u64::from(COUNT_MAX))));
}

#[test]
fn what_may_not_be_repeated_is_answered() {
    let last = Op::FIRST_OF_NODE.0 - 1;
    for (command, field) in [
        (pb::Command { count: 2, ..command(Op(7), ParticipantId(0), &take(false)) }, "count"),
        (ahead(7, COUNT_MAX + 1), "count"),
        (ahead(7, u32::MAX), "count"),
        (ahead(last, 2), "op"),
    ] {
        let first = Op(command.op);
        let read = requests(vec![command, ahead(1, 1)]).expect("it has a number");
        assert_eq!(read.requests, [(Op(1), ParticipantId(3), take(true))], "no harm to the others");
        let [(op, error)] = &read.rejected[..] else { panic!("{read:?}") };
        assert_eq!((*op, error.detail("field")), (first, Some(field)));
    }
    let many = REPEATED_PER_MESSAGE_MAX / u64::from(COUNT_MAX - 1);
    let commands = |count| (0..count).map(|_| ahead(1, COUNT_MAX)).collect();
    assert!(requests(commands(many)).is_ok());
    let error = requests(commands(many + 1)).expect_err("too many");
    assert_eq!(error.reason, Reason::LimitExceeded);
}

fn taken(mode: queue::Mode, id: u64, token: u64) -> Outcome {
    let delivery = queue::Delivery {
        id: ItemId(id),
        payload: Payload::new(ContentType::Cbor, vec![id as u8; id as usize]),
        key: queue::Key::default(),
        token: Token(token),
        attempt: 1,
        age: Duration::from_micros(7),
    };
    Ok(Reply::Queue(queue::Reply::Taken(Box::new(queue::Taken { mode, deliveries: [delivery].into() }))))
}

/// Reads what was written; the count of each answer.
fn written(all: &[(Op, Outcome)], packs: bool) -> Vec<u32> {
    let answers = answers(all.to_vec(), packs);
    let counts = answers.iter().map(|answer| answer.count.max(1)).collect();
    let mut read = Vec::new();
    for answer in answers {
        outcomes(answer, |op, outcome| read.push((op, outcome))).expect("valid");
    }
    assert_eq!(read, all);
    counts
}

#[test]
fn answers_of_takes_in_a_row_are_one() {
    use queue::Mode::{Get, Lease};
    let mut all: Vec<_> = (0..5).map(|n| (Op(10 + n), taken(Lease, 20 + n, 30 + n))).collect();
    assert_eq!(written(&all, true), [5]);
    assert_eq!(written(&all, false), [1; 5]);
    all.push((Op(15), taken(Get, 25, 35)));
    all.push((Op(16), taken(Get, 26, 36)));
    all.push((Op(17), Err(Error::new(Reason::Empty, "none"))));
    all.push((Op(19), taken(Get, 27, 37)));
    all.push((Op(20), taken(Get, 28, 39)));
    all.push((Op(22), taken(Get, 29, 40)));
    assert_eq!(written(&all, true), [5, 2, 1, 1, 1, 1], "another mode, token or number begins anew");
    assert_eq!(written(&[], true), [0; 0]);
    let large: Vec<_> = (0..2).map(|n| (Op(1 + n), taken(Get, 90_000 + n, 1 + n))).collect();
    assert_eq!(written(&large, true), [1, 1], "what does not fit into columns goes by itself");
}

#[test]
fn an_answer_that_does_not_fit_its_count_is_refused() {
    let all: Vec<_> = (0..3).map(|n| (Op(1 + n), taken(queue::Mode::Get, 1 + n, 1 + n))).collect();
    let answers = answers(all, true);
    let [answer] = &answers[..] else { panic!("one answer") };
    for wrong in [pb::Answer { count: 4, ..answer.clone() }, pb::Answer { body: None, ..answer.clone() }] {
        assert!(outcomes(wrong, |_, _| panic!("nothing is read")).is_err());
    }
}

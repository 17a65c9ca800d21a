//! Takes that prefetch, many in one message: `Command.count` and `Answer.count`.
//!
//! They are a shorthand of the wire and nothing else: each take has its own number, and is granted, accepted, recalled and
//! withdrawn by itself.

use syncbridge_proto::v1 as pb;

use super::packed::{pack_deliveries, unpack_deliveries};
use super::{Answer, Numbered, answer, numbered, op, outcome};
use crate::command::queue::{self, Delivery, Mode, Taken};
use crate::command::{Command, Outcome, Reply, Request};
use crate::error::Error;
use crate::ids::{Op, ParticipantId};

/// How many commands, or answers, one may stand for.
pub const COUNT_MAX: u32 = 4_096;

/// How many commands those of one message may stand for, beyond those that are written out.
pub const REPEATED_PER_MESSAGE_MAX: u64 = 65_536;

/// What the commands of a message stand for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Requests {
    /// In order.
    pub requests: Vec<(Op, ParticipantId, Request)>,
    /// Those that cannot be understood, and why: that is their answer, and no harm to the others.
    pub rejected: Vec<(Op, Error)>,
}

/// Reads the commands of a message of the session stream. It fails where one has no number to answer to, and where they
/// stand for too many: `LIMIT_EXCEEDED`.
pub fn requests(commands: Vec<pb::Command>) -> Result<Requests, Error> {
    let mut read = Requests { requests: Vec::with_capacity(commands.len()), rejected: Vec::new() };
    let mut repeated = 0;
    for command in commands {
        let count = command.count.max(1);
        let Numbered { op, participant, request } = numbered(command)?;
        let request = match request.and_then(|request| repeatable(op, count, request)) {
            Ok(request) => request,
            Err(error) => {
                read.rejected.push((op, error));
                continue;
            }
        };
        repeated += u64::from(count - 1);
        if repeated > REPEATED_PER_MESSAGE_MAX {
            return Err(Error::limit("repeated_per_message_max", REPEATED_PER_MESSAGE_MAX));
        }
        let last = op.0 + u64::from(count - 1);
        read.requests.extend((op.0..last).map(|op| (Op(op), participant, request.clone())));
        read.requests.push((Op(last), participant, request));
    }
    Ok(read)
}

fn repeatable(first: Op, count: u32, request: Request) -> Result<Request, Error> {
    let invalid = |what: &str| Err(Error::invalid("count", format!("count is {count}; {what}")));
    match &request {
        _ if count == 1 => Ok(request),
        _ if count > COUNT_MAX => invalid("one command may stand for 4096 at most"),
        Request::Command(Command::Queue(_, queue::Command::Take { taking, .. })) if taking.prefetch => {
            op(first.0 + u64::from(count - 1)).map(|_| request)
        }
        _ => invalid("only a take that prefetches may stand for several"),
    }
}

/// Lets the last command that was written stand for one more, which is the same but for its number. False: it cannot.
pub fn repeat(last: &mut pb::Command, op: Op) -> bool {
    let count = last.count.max(1);
    let follows = last.op + u64::from(count) == op.0 && count < COUNT_MAX;
    if follows {
        last.count = count + 1;
    }
    follows
}

/// Writes answers for the session stream. `packs`: its client reads batches, and the answers of several takes, in columns.
pub fn answers(all: Vec<(Op, Outcome)>, packs: bool) -> Vec<pb::Answer> {
    let mut answers = Vec::with_capacity(all.len());
    let mut all = all.into_iter();
    while !all.as_slice().is_empty() {
        let alike = if packs { alike(all.as_slice()) } else { 1 };
        if let Some(several) = several(&all.as_slice()[..alike]) {
            answers.push(several);
            all.by_ref().take(alike).for_each(drop);
        } else {
            answers.extend(all.by_ref().take(alike).map(|(op, outcome)| answer(op, outcome, packs)));
        }
    }
    answers
}

/// How many of the answers, at least the first, are of takes of one item each, with numbers and tokens in a row.
fn alike(answers: &[(Op, Outcome)]) -> usize {
    let follows = |pair: &[(Op, Outcome)]| match (single(&pair[0].1), single(&pair[1].1)) {
        (Some((mode, delivery)), Some((next_mode, next))) => {
            mode == next_mode && pair[0].0.0 + 1 == pair[1].0.0 && delivery.token.0 + 1 == next.token.0
        }
        _ => false,
    };
    1 + answers.windows(2).take(COUNT_MAX as usize - 1).take_while(|pair| follows(pair)).count()
}

fn single(outcome: &Outcome) -> Option<(Mode, &Delivery)> {
    match outcome {
        Ok(Reply::Queue(queue::Reply::Taken(taken))) if taken.deliveries.len() == 1 => {
            Some((taken.mode, &taken.deliveries[0]))
        }
        _ => None,
    }
}

/// One that stands for them all, if there are several and their items fit into columns.
fn several(answers: &[(Op, Outcome)]) -> Option<pb::Answer> {
    let [(first, outcome), _, ..] = answers else { return None };
    let (mode, _) = single(outcome)?;
    let singles = answers.iter().filter_map(|(_, outcome)| Some(single(outcome)?.1)).collect::<Vec<_>>();
    let packed = Some(pack_deliveries(&singles)?);
    let body = match mode {
        Mode::Get => Answer::QueueGetMany(pb::QueueServiceGetManyResponse { packed, ..Default::default() }),
        Mode::Lease => {
            Answer::QueueLeaseMany(pb::QueueServiceLeaseManyResponse { packed, ..Default::default() })
        }
    };
    Some(pb::Answer { op: first.0, count: u32::try_from(answers.len()).ok()?, body: Some(body) })
}

/// Reads what an answer of the session stream stands for.
pub fn outcomes(answer: pb::Answer, mut each: impl FnMut(Op, Outcome)) -> Result<(), Error> {
    let count = answer.count;
    if count <= 1 {
        let (op, outcome) = outcome(answer)?;
        each(op, outcome);
        return Ok(());
    }
    let first = op(answer.op)?;
    let (mode, packed) = match answer.body {
        Some(Answer::QueueGetMany(message)) => (Mode::Get, message.packed),
        Some(Answer::QueueLeaseMany(message)) => (Mode::Lease, message.packed),
        _ => return Err(Error::invalid("count", "the answer of several takes is a batch")),
    };
    let deliveries = unpack_deliveries(packed.unwrap_or_default())?;
    if deliveries.len() != count as usize {
        let what = format!("the answer of {count} takes has {} items", deliveries.len());
        return Err(Error::invalid("count", what));
    }
    for (number, delivery) in (first.0..).zip(deliveries) {
        let taken = Box::new(Taken { mode, deliveries: [delivery].into() });
        each(Op(number), Ok(Reply::Queue(queue::Reply::Taken(taken))));
    }
    Ok(())
}

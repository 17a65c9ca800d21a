//! The answers that wait to leave on one stream: which of them the next message takes, and the next piece of a large one.

use std::collections::VecDeque;

use bridge_core::ids::Op;
use bridge_core::{Outcome, wire};
use syncbridge_proto::pieces::{Pieces, Sizes};
use syncbridge_proto::v1 as pb;

use crate::backlog::weight;
use crate::delivery::Answer;

/// A message is closed when it has this many bytes; one answer may exceed it, if it does not leave in pieces.
const MESSAGE_BYTES: usize = 512 << 10;

/// Answers that a message has room for from the start.
const MESSAGE_ANSWERS: usize = 8 << 10;

/// What the client understands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reads {
    /// Batches in columns.
    pub packs: bool,
    /// Large answers in pieces.
    pub pieces: bool,
}

/// See the module.
#[derive(Default)]
pub struct Pile {
    reads: Reads,
    sizes: Sizes,
    answers: VecDeque<Answer>,
    large: Option<Large>,
}

/// An answer that leaves in pieces: those to other calls overtake it.
struct Large {
    op: Op,
    pieces: Pieces,
    weight: usize,
    /// What leaves after it, in order: the same call is told more, or it is large itself.
    behind: VecDeque<Answer>,
}

/// What the next message takes.
#[derive(Default)]
pub struct Taken {
    /// Whole answers.
    pub answers: Vec<(Op, Outcome)>,
    /// A piece of a large one.
    pub piece: Option<pb::Piece>,
    /// By how much the [backlog](crate::Backlog) is less: a large answer counts until its last piece leaves.
    pub weight: usize,
}

impl Large {
    /// Whether something that was to be told to that call before has not left.
    fn holds_up(&self, op: Op) -> bool {
        self.op == op || self.behind.iter().any(|answer| answer.op == op)
    }
}

impl Pile {
    /// An empty one; `sizes` says what is large.
    pub fn new(sizes: Sizes) -> Self {
        Pile { sizes, ..Pile::default() }
    }

    /// What the client understands; nothing, unless it says so.
    pub fn set_reads(&mut self, reads: Reads) {
        self.reads = reads;
    }

    /// Whether batches leave in columns.
    pub fn packs(&self) -> bool {
        self.reads.packs
    }

    /// More answers.
    pub fn add(&mut self, answers: &mut Vec<Answer>) {
        self.answers.extend(answers.drain(..));
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty() && self.large.is_none()
    }

    /// Takes what the next message has room for.
    pub fn take(&mut self) -> Taken {
        let mut taken = self.take_whole();
        if let Some(large) = &mut self.large {
            taken.piece = Some(large.pieces.take());
            if large.pieces.is_over() {
                taken.weight += large.weight;
                large.behind.append(&mut self.answers);
                self.answers = std::mem::take(&mut large.behind);
                self.large = None;
            }
        }
        taken
    }

    fn take_whole(&mut self) -> Taken {
        let mut taken = Taken::default();
        taken.answers.reserve(self.answers.len().min(MESSAGE_ANSWERS));
        while taken.weight < MESSAGE_BYTES
            && let Some((next, is_well)) =
                self.answers.front().map(|answer| (weight(&answer.outcome), answer.outcome.is_ok()))
        {
            let is_large = self.reads.pieces && is_well && next > self.sizes.large;
            if !is_large && taken.weight > 0 && taken.weight + next > MESSAGE_BYTES {
                break;
            }
            let Some(answer) = self.answers.pop_front() else { break };
            match &mut self.large {
                Some(large) if is_large || large.holds_up(answer.op) => large.behind.push_back(answer),
                None if is_large => self.large = self.begin(answer, next),
                _ => {
                    taken.weight += next;
                    taken.answers.push((answer.op, answer.outcome));
                }
            }
        }
        taken
    }

    fn begin(&self, answer: Answer, weight: usize) -> Option<Large> {
        let op = answer.op;
        let written = wire::answers(vec![(op, answer.outcome)], self.reads.packs).pop()?;
        Some(Large { op, pieces: Pieces::of(&written, self.sizes), weight, behind: VecDeque::new() })
    }
}

#[cfg(test)]
mod tests {
    use bridge_core::command::value::{self, Datum, Item};
    use bridge_core::payload::ContentType;
    use bridge_core::{Payload, Reply};

    use super::*;

    fn answer(op: u64, bytes: usize) -> Answer {
        let payload = Payload::new(ContentType::Bytes, vec![7; bytes]);
        let item = Item { datum: Some(Datum::Payload(payload)), ..Item::default() };
        let outcome = Ok(Reply::Value(value::Reply::Got(Box::new(item))));
        Answer { op: Op(op), outcome, offered: false }
    }

    /// Which answers each message has, and where its piece begins.
    fn messages(pile: &mut Pile) -> Vec<(Vec<u64>, Option<u64>)> {
        let next = || {
            let taken = (!pile.is_empty()).then(|| pile.take())?;
            let ops = taken.answers.iter().map(|(op, _)| op.0).collect();
            Some((ops, taken.piece.map(|piece| piece.offset)))
        };
        std::iter::from_fn(next).collect()
    }

    fn pile(pieces: bool) -> Pile {
        let mut pile = Pile::new(Sizes { large: 500, piece: 400 });
        pile.set_reads(Reads { packs: true, pieces });
        let mut answers: Vec<_> = [(1, 10), (2, 700), (3, 10), (4, 700), (4, 10), (2, 10), (5, 10)]
            .into_iter()
            .map(|(op, bytes)| answer(op, bytes))
            .collect();
        pile.add(&mut answers);
        pile
    }

    #[test]
    fn what_is_large_is_overtaken_by_what_is_told_to_other_calls() {
        let messages = messages(&mut pile(true));
        let expected = [
            (vec![1, 3, 5], Some(0)),
            (vec![], Some(400)),
            (vec![2], Some(0)),
            (vec![], Some(400)),
            (vec![4], None),
        ];
        assert_eq!(messages, expected);
    }

    #[test]
    fn who_does_not_read_pieces_gets_whole_answers_in_order() {
        assert_eq!(messages(&mut pile(false)), [(vec![1, 2, 3, 4, 4, 2, 5], None)]);
    }

    #[test]
    fn what_has_left_is_as_much_as_what_came() {
        let mut pile = pile(true);
        let came: usize = pile.answers.iter().map(|answer| weight(&answer.outcome)).sum();
        let mut left = 0;
        while !pile.is_empty() {
            left += pile.take().weight;
        }
        assert_eq!(left, came);
    }
}

//! A command that leaves in pieces, and what must not overtake it: the calls of others may.

use bridge_core::Request;
use bridge_core::command::Command;
use bridge_core::ids::{Op, ParticipantId};
use bridge_core::mutant::Mutant;
use syncbridge_proto::pieces::{Pieces, Sizes};
use syncbridge_proto::v1 as pb;

use super::entry::Entry;

/// It has left with its last piece; before that it is as if nothing of it had.
#[derive(Debug)]
pub(super) struct Large {
    pub(super) op: Op,
    pub(super) pieces: Pieces,
    /// Whose calls wait.
    whose: Vec<ParticipantId>,
    /// What leaves after it, in order.
    pub(super) behind: Vec<Op>,
}

impl Large {
    pub(super) fn new(op: Op, who: ParticipantId, command: &pb::Command, sizes: Sizes) -> Self {
        Large { op, pieces: Pieces::of(command, sizes), whose: vec![who], behind: Vec::new() }
    }

    /// Whether that call leaves after it: what the same participant asks for stays in order, and it is withdrawn after it was
    /// asked for.
    pub(super) fn holds_up(&mut self, op: Op, entry: &Entry) -> bool {
        let waits = match &entry.request {
            Request::Command(Command::Cancel(target)) => {
                let waits = *target == self.op || self.behind.contains(target);
                waits && !Mutant::WithdrawnBeforeAsked.is_on()
            }
            // Nobody in particular asks for these, and others may depend on them.
            Request::Command(Command::Discard(..) | Command::Share(..)) => false,
            _ => self.whose.contains(&entry.who) && !entry.declares(),
        };
        if waits {
            self.behind.push(op);
        }
        waits
    }

    /// That call is large, too: it leaves after it.
    pub(super) fn hold_up(&mut self, op: Op, who: ParticipantId) {
        self.behind.push(op);
        self.whose.push(who);
    }
}

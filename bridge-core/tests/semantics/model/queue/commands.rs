//! The engine's commands for what is asked of a queue.

use bridge_core::command;
use bridge_core::command::queue::{
    Attributes, Batch, Command as Do, Dedupe, Discipline, End, Move, NewItem, Redrive, Taking, Which,
};

use crate::model::Who;
use crate::support::*;

use super::steps::{Step, Times};
use super::{Queue, label_text};

impl Queue {
    pub(super) fn command_of(&self, who: Who, step: &Step) -> Option<command::Command> {
        let new = |label: usize, key: u8, times: Times| {
            let key = if self.discipline == Discipline::Priority { vec![key] } else { Vec::new() };
            let Times { delay, ttl, dedupe, group, at_front } = times;
            let is_plain =
                delay.is_none() && ttl.is_none() && dedupe.is_none() && group.is_none() && !at_front;
            let dedupe = dedupe.map(|(key, scope, refuse)| Dedupe { key: vec![key].into(), scope, refuse });
            let group = group.map(|group| group.to_string().into());
            let end = (at_front && self.two_ends()).then_some(End::Front);
            let attributes = Attributes { delay: delay.unwrap_or_default(), ttl, dedupe, group, end };
            let attributes = (!is_plain).then(|| Box::new(attributes));
            NewItem { attributes, key: key.into(), ..NewItem::new(payload(&label_text(label))) }
        };
        let token = |index| Some(self.tokens[self.leased(who, index)?].expect("it was delivered"));
        let command = match step {
            Step::Put(key, times, timeout) => {
                Do::Put { item: new(self.labels, *key, *times), timeout: *timeout }
            }
            Step::PutMany(keys, _) if keys.len() > [usize::MAX, 1, 1, 3][self.maxsize] => return None,
            Step::PutMany(keys, _) if self.never_fits(self.labels..self.labels + keys.len()) => return None,
            Step::PutMany(keys, timeout) => {
                let items = keys.iter().enumerate().map(|(n, (key, group))| {
                    new(self.labels + n, *key, Times { group: *group, ..Times::default() })
                });
                Do::PutMany { items: items.collect(), timeout: *timeout }
            }
            Step::Take { mode, max, min, max_hold, end, timeout } => {
                let batch = Batch { max: *max, min: self.min(*min, *max), ..Batch::ONE };
                Do::Take {
                    taking: Taking {
                        mode: *mode,
                        batch,
                        max_hold: *max_hold,
                        end: self.end(*end),
                        prefetch: false,
                    },
                    timeout: *timeout,
                }
            }
            Step::TakeAhead(mode, max_hold) => {
                let taking = Taking { max_hold: *max_hold, prefetch: true, ..Taking::new(*mode, Batch::ONE) };
                Do::Take { taking, timeout: FOREVER }
            }
            Step::Ack(index) => Do::Ack { tokens: vec![token(index)?] },
            Step::Nack(index, reentry, delay) => {
                let (tokens, delay) = (vec![token(index)?], delay.unwrap_or_default());
                Do::Nack { tokens, reentry: *reentry, delay, error: "e".into() }
            }
            Step::Extend(index, max_hold) => {
                Do::Extend { tokens: vec![token(index)?], max_hold: *max_hold, progress: None }
            }
            Step::Reject(index) => Do::Reject { tokens: vec![token(index)?], reason: "r".into() },
            Step::TaskDone(count) => Do::TaskDone { count: *count },
            Step::Join(timeout) => Do::Join { timeout: *timeout },
            Step::Purge => Do::Purge,
            Step::Forgive => Do::Forgive,
            Step::Redrive(count) => {
                let which = count.map_or(Which::All, Which::First);
                Do::Redrive(Box::new(Redrive { which, to: None }))
            }
            Step::Move(count) => {
                Do::Move(Box::new(Move { which: Which::First(*count), to: target("other") }))
            }
        };
        Some(on("q", command))
    }

    pub(super) fn end(&self, end: End) -> End {
        if self.two_ends() { end } else { End::Front }
    }

    /// Only a FIFO queue has two ends.
    pub(super) fn two_ends(&self) -> bool {
        self.discipline == Discipline::Fifo
    }

    /// Whether a batch has what it wants is not modelled where bytes are bounded, or a put of many may be too large.
    pub(super) fn min(&self, min: u32, max: u32) -> u32 {
        if self.max_bytes > 0 || self.maxsize > 2 { 1 } else { min.min(max) }
    }
}

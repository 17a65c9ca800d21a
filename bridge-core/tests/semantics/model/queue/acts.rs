//! What never waits.

use bridge_core::command::queue::{Discipline, Reentry};

use crate::model::Who;

use super::steps::Step;
use super::{Queue, State};

impl Queue {
    pub(super) fn acts(&mut self, who: Who, step: &Step) -> String {
        match step {
            Step::Ack(index) => {
                let label = self.leased(who, index).expect("a lease");
                self.gone(label);
                "Queue(Acked)".into()
            }
            Step::Nack(index, reentry, delay) => {
                let label = self.leased(who, index).expect("a lease");
                let arrival = match reentry {
                    Reentry::Place => None,
                    Reentry::Front if self.discipline != Discipline::Lifo => Some(self.front()),
                    _ => Some(self.arrival()),
                };
                if let (Some(arrival), Some(item)) = (arrival, self.item(label)) {
                    item.arrival = arrival;
                }
                self.failed(label, *delay);
                "Queue(Nacked)".into()
            }
            Step::Extend(index, max_hold) => {
                let label = self.leased(who, index).expect("a lease");
                if let Some(item) = self.item(label) {
                    item.max_hold = max_hold.or(item.max_hold);
                }
                self.begin_hold(label);
                "Queue(Extended)".into()
            }
            Step::Reject(index) => {
                let label = self.leased(who, index).expect("a lease");
                self.dies(label);
                self.clamp();
                "Queue(Rejected)".into()
            }
            Step::TaskDone(count) if *count > self.unfinished() => "TOO_MANY_TASKS_DONE".into(),
            Step::TaskDone(count) => {
                for _ in 0..*count {
                    let others = self.age.iter().copied();
                    let whose = std::iter::once(who).chain(others).find(|who| self.gotten[*who] > 0);
                    match whose {
                        Some(whose) => self.gotten[whose] -= 1,
                        None if self.lost > 0 => self.lost -= 1,
                        None => self.early += 1,
                    }
                }
                "Queue(TaskDone)".into()
            }
            Step::Purge => {
                let purged = self.ready() + self.delayed();
                self.items.retain(|item| !matches!(item.state, State::Ready | State::Delayed));
                self.clamp();
                format!("Queue(Purged({purged}))")
            }
            Step::Forgive => format!("Queue(Forgiven({}))", std::mem::take(&mut self.lost)),
            Step::Redrive(count) => {
                let mut dead: Vec<_> = self.items.iter().filter(|item| item.state == State::Dead).collect();
                dead.sort_by_key(|item| item.died);
                dead.truncate(count.map_or(usize::MAX, |count| count as usize));
                let labels: Vec<usize> = dead.into_iter().map(|item| item.label).collect();
                labels.iter().for_each(|label| self.revive(*label));
                format!("Queue(Redriven {{ count: {}, stayed: 0 }})", labels.len())
            }
            Step::Move(count) => {
                let before = self.moved;
                while self.moved < before + count {
                    let delayed = || self.items.iter().position(|item| item.state == State::Delayed);
                    let ready = self.items.iter().enumerate().filter(|(_, item)| item.state == State::Ready);
                    let first = ready.min_by_key(|(_, item)| self.place(item)).map(|(index, _)| index);
                    let Some(next) = first.or_else(delayed) else { break };
                    self.items.remove(next);
                    self.moved += 1;
                }
                self.clamp();
                format!("moved {}", self.moved - before)
            }
            _ => unreachable!("it is a want"),
        }
    }
}

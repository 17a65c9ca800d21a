//! Groups: at most one item of a group is out, and they leave in the order of their puts. Semantics 5, "group".

use bridge_core::command::queue::{Attributes, Mode, NewItem, Options};

use super::ledger::{Fate, Item, Ledger, Put};
use super::task::Doing;
use super::{Queues, batch, some_timeout};
use crate::plan::Plan;
use crate::random::Random;
use crate::workload::{Activity, Moment};

impl Queues {
    /// Queues whose items are of groups.
    pub fn of_groups(seed: u64, plan: &Plan) -> Self {
        let mut random = Random::new(seed, "groups");
        let mut ledger = Ledger::new(plan);
        for (name, groups) in [("customers", 2), ("orders", 6)] {
            let maxsize = Some(random.pick(&[0, 0, 6]));
            let queue = ledger.add(name, Options { maxsize, ..Options::default() });
            ledger.queues[queue].groups = groups;
        }
        Queues::with("queue groups", ledger, begin)
    }
}

fn begin(queues: &mut Queues, moment: &mut Moment<'_>) -> Box<dyn Activity> {
    let queue = moment.random.index(2);
    let timeout = some_timeout(moment);
    let doing = match moment.random.below(100) {
        0..=39 => Doing::Put { queue, count: 1, timeout },
        40..=46 => Doing::Put { queue, count: moment.random.between(2, 4) as usize, timeout },
        47..=58 => Doing::take(queue, Mode::Get, batch(moment), timeout),
        59..=94 => Doing::take(queue, Mode::Lease, batch(moment), timeout),
        95..=96 => Doing::Remove { queue },
        _ => Doing::Browse { queue },
    };
    queues.task(doing)
}

impl Ledger {
    /// Most items of such a queue are of a group.
    pub(super) fn in_group(&mut self, moment: &mut Moment<'_>, number: usize, item: NewItem) -> NewItem {
        let groups = self.queues[self.items[number].queue].groups;
        if groups == 0 || moment.random.chance(150) {
            return item;
        }
        let group = moment.random.below(groups);
        self.items[number].group = Some(group);
        item.with(Attributes { group: Some(format!("group {group}").into()), ..Attributes::default() })
    }

    /// While an item is out no other of its group is, and none goes before those that were put earlier, given back or not.
    pub(super) fn check_group(&self, moment: &mut Moment<'_>, queue: usize, number: usize, what: &str) {
        let Some(group) = self.items[number].group else { return };
        let Some(id) = self.items[number].id else { return };
        let others = self.items.iter().enumerate().rev();
        let others = others.filter(|(other, item)| {
            *other != number
                && item.queue == queue
                && item.group == Some(group)
                && item.life == self.items[number].life
        });
        for (other, item) in others.take(60) {
            let last = item.holds.last();
            let is_out =
                last.is_some_and(|hold| hold.fate == Fate::Held && moment.server.lives(hold.session));
            assert!(!is_out, "{what} is out, and so is item {other} of its group: {item:?}");
            if item.id.is_some_and(|earlier| earlier < id) && item.holds_back(moment) {
                panic!("{what} goes before item {other} of its group: {item:?}");
            }
        }
        self.note_group(moment, number, group);
    }

    /// How it came to be its turn.
    fn note_group(&self, moment: &mut Moment<'_>, number: usize, group: u64) {
        let item = &self.items[number];
        let of_group = |other: &&Item| other.queue == item.queue && other.group == Some(group);
        if item.holds.last().is_some_and(|hold| hold.fate == Fate::GivenBack) {
            let others_wait =
                self.items[number + 1..].iter().filter(of_group).any(|other| other.holds.is_empty());
            moment.reach.note(match (others_wait, item.delayed) {
                (false, _) => "group: an item that was given back comes again, alone",
                (true, false) => "group: an item that was given back is before those behind it",
                (true, true) => "group: an item that was given back with a delay is before those behind it",
            });
        }
        let before = self.items[..number].iter().rev().take(60).find(of_group);
        match before.and_then(|before| before.holds.last()).map(|hold| hold.fate) {
            Some(Fate::Gotten) => moment.reach.note("group: an item follows on one that was gotten"),
            Some(Fate::AckAsked | Fate::Acked) => {
                moment.reach.note("group: an item follows on one that was acked")
            }
            _ => {}
        }
    }
}

impl Item {
    /// It is there, at the place of its put, for certain: those behind it wait.
    fn holds_back(&self, moment: &Moment<'_>) -> bool {
        if self.displaced || self.gone || self.perhaps_gone || !matches!(self.put, Put::Admitted(_)) {
            return false;
        }
        self.holds.last().is_none_or(|hold| match hold.fate {
            Fate::Gotten => !hold.has_arrived(moment.server),
            Fate::AckAsked | Fate::Acked => false,
            Fate::Held | Fate::GivenBack | Fate::Lost => true,
        })
    }
}

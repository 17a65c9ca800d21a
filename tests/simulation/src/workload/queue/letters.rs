//! What a browse shows of an item, and of how it died. Semantics 5, "dead letters".

use bridge_core::command::queue::{Browsed, Mode, Shelf};

use super::ledger::{Fate, Item, Ledger, Put};
use crate::workload::Moment;

impl Ledger {
    /// Items are shown: each with a history that it can have.
    pub(super) fn browse(&mut self, moment: &mut Moment<'_>, queue: usize, shown: &[Browsed]) {
        for shown in shown {
            let number = self.which(queue, &shown.payload);
            let what = format!("item {number} in {}: {shown:?}", self.queues[queue].name);
            self.check_place(queue, number, &what);
            let item = &self.items[number];
            let tried = item.holds.iter().filter(|hold| hold.mode == Mode::Lease).count();
            assert!(shown.attempts as usize <= tried, "{what} was tried {tried} times");
            self.check_death(moment, queue, item, shown, &what);
        }
    }

    /// It says why it died, where, and who had it.
    fn check_death(&self, moment: &mut Moment<'_>, queue: usize, item: &Item, shown: &Browsed, what: &str) {
        let Some(reason) = &shown.dead_reason else {
            assert_ne!(shown.shelf, Shelf::Dead, "{what} does not say why it is dead");
            assert!(item.queue == queue || self.roams, "{what} does not say why it is a dead letter");
            return;
        };
        assert!(shown.dead_for.is_some(), "{what} does not say since when");
        let named = |name| self.queues.iter().find(|one| one.name == name);
        let died_in = shown.dead_from.as_ref().map_or(Some(&self.queues[queue]), |from| named(from.as_str()));
        let died_in = died_in.unwrap_or_else(|| panic!("{what} died nowhere"));
        let (max, rejected) = (died_in.options.max_deliveries.unwrap_or(0), reason.starts_with("REJECTED"));
        if rejected || reason == "MAX_DELIVERIES" {
            let given_back =
                |fate| matches!(fate, Fate::GivenBack | Fate::Held | Fate::Lost | Fate::AckAsked);
            assert!(item.holds.iter().any(|hold| given_back(hold.fate)), "{what} was given back by nobody");
            assert!(!shown.consumers.is_empty(), "{what} does not say who had it");
            assert!(shown.attempts >= if rejected { 1 } else { max }, "{what} was to be tried {max} times");
            moment.reach.note(match rejected {
                true => "queue: a dead letter says that it was rejected",
                false => "queue: a dead letter says that it was tried too often",
            });
        }
    }

    /// An item is found among the dead, at the end.
    pub(super) fn found_dead(&mut self, queue: usize, shown: &Browsed) {
        let number = self.which(queue, &shown.payload);
        let item = &mut self.items[number];
        assert_ne!(item.put, Put::Never, "item {number} is dead, and was never put");
        let acked = item.holds.iter().any(|hold| hold.fate == Fate::Acked);
        assert!(!acked, "item {number} is dead, and was acked: {item:?}");
        item.dead = true;
    }
}

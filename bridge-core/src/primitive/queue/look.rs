//! Looking at a queue without touching it.

use crate::command::Reply as AnyReply;
use crate::command::queue::{Cursor, Figures, Query, Reply, Shelf};
use crate::error::Error;
use crate::ids::ItemId;
use crate::primitive::queue::Queue;
use crate::primitive::queue::item::Arrival;
use crate::time::Time;
use crate::wait::{TicketKey, Want};
use crate::world::World;

impl Queue {
    pub(crate) fn query(&self, world: &World, now: Time, query: &Query) -> Result<AnyReply, Error> {
        Ok(AnyReply::Queue(match query {
            Query::Describe => Reply::Described(Box::new(self.figures())),
            Query::Browse { shelf, page_size, after } => {
                if *page_size == 0 {
                    return Err(Error::invalid("page_size", "page_size is 0; give at least 1"));
                }
                {
                    let now = world.now.max(now);
                    self.browse(world, now, *shelf, *page_size, after.as_ref())
                }
            }
        }))
    }

    pub(crate) fn figures(&self) -> Figures {
        Figures {
            options: self.options(),
            ready: (self.ready.len() + self.groups.len()) as u64,
            held_back: self.groups.len() as u64,
            delayed: self.delayed.len() as u64,
            offered: (self.out.len() - self.leased) as u64,
            leased: self.leased as u64,
            dead: self.dead.len() as u64,
            expired: self.expired,
            unfinished: self.unfinished(),
            lost: self.lost,
            waiting_to_get: self.takers.len() as u64,
            waiting_to_put: self.putters.len() as u64,
            shut_down: self.shut.is_some(),
        }
    }

    fn browse(
        &self,
        world: &World,
        now: Time,
        shelf: Shelf,
        page_size: u32,
        after: Option<&Cursor>,
    ) -> Reply {
        use std::ops::Bound::{Excluded, Unbounded};
        let dead_after = after.map_or(Unbounded, |cursor| Excluded(cursor.arrival));
        let mut items: Box<dyn Iterator<Item = usize>> = match shelf {
            Shelf::Ready => self.ready_after(&world.items, after),
            Shelf::Delayed => {
                let after = after.map_or(Unbounded, |cursor| Excluded(ItemId(cursor.arrival as u64)));
                Box::new(self.delayed.range((after, Unbounded)).map(|(_, item)| *item))
            }
            Shelf::Dead => Box::new(self.dead.range((dead_after, Unbounded)).map(|(_, item)| *item)),
        };
        let page_size = page_size.min(world.limits.page_max) as usize;
        let page: Vec<usize> = items.by_ref().take(page_size).collect();
        let more = items.next().is_some();
        let last = page.last().filter(|_| more).map(|item| &world.items[*item]);
        let next = last.map(|item| match shelf {
            Shelf::Delayed => Cursor { key: Default::default(), arrival: item.id.0 as Arrival },
            _ => Cursor { key: item.key.clone(), arrival: item.arrival },
        });
        let next = next.map(Box::new);
        let items = page.into_iter().map(|item| world.items[item].browsed(shelf, now)).collect();
        Reply::Browsed { items, next }
    }

    /// Every item that is in this queue.
    pub(crate) fn item_keys(&self) -> impl Iterator<Item = usize> {
        let out = self.out.iter().map(|(_, out)| out.item);
        self.waiting_keys().chain(out).chain(self.dead.values().copied())
    }

    /// Every item that is READY or DELAYED.
    pub(super) fn waiting_keys(&self) -> impl Iterator<Item = usize> {
        let delayed = self.delayed.values().copied();
        self.ready.iter().chain(self.groups.held_back()).chain(delayed)
    }

    /// See the module's invariants.
    pub(super) fn check_queue(&self, world: &World) {
        self.ready.check();
        self.out.check();
        self.check_schedule(world);
        self.check_groups(world);
        self.check_room(world);
        self.check_prefetched(world);
        assert_eq!(self.leased, self.out.iter().filter(|(_, out)| out.accepted).count(), "leased");
        assert_eq!(self.gotten_total, self.gotten.values().sum::<u64>(), "gotten_total");
        assert!(self.done_early <= self.put_and_not_gone(), "more is done than was put");
        assert!(self.joiners.is_empty() || self.joined().is_none(), "a joiner waits for nothing");
        let want = |key: TicketKey| world.tickets[key].want.clone();
        assert!(
            self.shut.is_none() || self.putters.is_empty(),
            "a putter waits at a queue that is shut down"
        );
        let first = self.takers.first(u32::try_from(self.ready.len()).unwrap_or(u32::MAX));
        if let Some(first) = first {
            assert_eq!(self.takers.lingering, Some(first), "the first taker could be served");
        }
        if let Some((_, lingering)) = self.takers.lingering {
            let Want::Take { lingers_until: Some(until), .. } = want(lingering) else { panic!("it lingers") };
            assert!(until > world.now, "a batch lingers for too long");
        }
    }
}

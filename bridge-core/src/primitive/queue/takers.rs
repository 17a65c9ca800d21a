//! Who waits for items. Batches stand in lines by their minimum, so that finding the first who can be served
//! does not walk past those who cannot.

use std::collections::BTreeMap;

use crate::command::queue::Taking;
use crate::wait::{Line, Place, TicketKey};

/// The lines, by the minimum that their tickets want.
#[derive(Debug, Default, Hash)]
pub(crate) struct Takers {
    by_min: BTreeMap<u32, Line>,
    /// Those that want an item ahead of need: served while nobody else waits.
    prefetching: Line,
    /// The one that has its minimum, is first, and waits for more; found gone by its place when it has left.
    pub(crate) lingering: Option<(Place, TicketKey)>,
}

impl Takers {
    pub(crate) fn line(&mut self, taking: &Taking) -> &mut Line {
        match taking.prefetch {
            true => &mut self.prefetching,
            false => self.by_min.entry(taking.batch.min).or_default(),
        }
    }

    pub(crate) fn leave(&mut self, taking: &Taking, place: Place) {
        let min = taking.batch.min;
        if taking.prefetch {
            self.prefetching.leave(place);
        } else if let Some(line) = self.by_min.get_mut(&min) {
            line.leave(place);
            if line.is_empty() {
                self.by_min.remove(&min);
            }
        }
    }

    /// The first who is present and content with `enough`.
    pub(crate) fn first(&self, enough: u32) -> Option<(Place, TicketKey)> {
        let firsts = self.by_min.range(..=enough).filter_map(|(_, line)| line.first());
        let first = firsts.min();
        if first.is_some() || enough == 0 || self.prefetching.is_empty() || self.somebody_waits() {
            return first;
        }
        self.prefetching.first()
    }

    /// Whether anybody present wants items now, be there enough for him or not.
    pub(crate) fn somebody_waits(&self) -> bool {
        self.by_min.values().any(|line| !line.nobody_present())
    }

    /// How many items those who are present want at least, if not more than `most`.
    pub(crate) fn wanted(&self, most: usize) -> usize {
        let mut wanted = 0;
        for (min, line) in &self.by_min {
            wanted += *min as usize * line.count_present();
            if wanted > most {
                break;
            }
        }
        wanted
    }

    /// Everybody leaves, in order.
    pub(crate) fn clear(&mut self) -> Vec<TicketKey> {
        self.lingering = None;
        let lines = std::mem::take(&mut self.by_min).into_values();
        let lines = lines.chain([std::mem::take(&mut self.prefetching)]);
        let mut all: Vec<_> = lines.flat_map(Line::into_tickets).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, key)| key).collect()
    }

    /// Everybody who does not merely prefetch.
    pub(crate) fn who_waits(&self) -> impl Iterator<Item = TicketKey> {
        self.by_min.values().flat_map(Line::tickets).map(|(_, key)| key)
    }

    /// Everybody, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = TicketKey> {
        let mut all: Vec<_> =
            self.by_min.values().chain([&self.prefetching]).flat_map(Line::tickets).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, key)| key)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_min.values().map(Line::len).sum::<usize>() + self.prefetching.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.by_min.is_empty() && self.prefetching.is_empty()
    }
}

//! Who waits for items. Batches stand in lines by their minimum, so that finding the first who can be served
//! does not walk past those who cannot.

use std::collections::BTreeMap;

use crate::wait::{Line, Place, TicketKey};

/// The lines, by the minimum that their tickets want.
#[derive(Debug, Default, Hash)]
pub(crate) struct Takers {
    by_min: BTreeMap<u32, Line>,
    /// The one that has its minimum, is first, and waits for more; found gone by its place when it has left.
    pub(crate) lingering: Option<(Place, TicketKey)>,
}

impl Takers {
    pub(crate) fn line(&mut self, min: u32) -> &mut Line {
        self.by_min.entry(min).or_default()
    }

    pub(crate) fn leave(&mut self, min: u32, place: Place) {
        if let Some(line) = self.by_min.get_mut(&min) {
            line.leave(place);
            if line.is_empty() {
                self.by_min.remove(&min);
            }
        }
    }

    /// The first who is present and content with `enough`.
    pub(crate) fn first(&self, enough: u32) -> Option<(Place, TicketKey)> {
        let firsts = self.by_min.range(..=enough).filter_map(|(_, line)| line.first());
        firsts.min()
    }

    /// Everybody leaves, in order.
    pub(crate) fn clear(&mut self) -> Vec<TicketKey> {
        self.lingering = None;
        let mut all: Vec<_> =
            std::mem::take(&mut self.by_min).into_values().flat_map(Line::into_tickets).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, key)| key).collect()
    }

    /// Everybody, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = TicketKey> {
        let mut all: Vec<_> = self.by_min.values().flat_map(Line::tickets).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, key)| key)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_min.values().map(Line::len).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_min.is_empty()
    }
}

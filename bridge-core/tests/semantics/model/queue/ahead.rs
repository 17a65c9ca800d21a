//! What is given ahead of need, and recalled where somebody waits.

use super::{Item, Queue, State, Want};
use crate::model::Who;

/// Whether an item that is out was given ahead of need, as which one, and what has become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ahead {
    No,
    Untaken(u64),
    Recalled,
}

impl Item {
    /// How far it is given ahead of need to whom, if it is.
    fn given_ahead(&self) -> Option<(Who, Ahead)> {
        match self.state {
            State::Out { who, ahead, accepted: false, .. } if ahead != Ahead::No => Some((who, ahead)),
            _ => None,
        }
    }
}

impl Queue {
    /// The next number of an item that is given ahead of need, if it is.
    pub(super) fn note_ahead(&mut self, ahead: bool) -> Ahead {
        self.given_ahead += u64::from(ahead);
        if ahead { Ahead::Untaken(self.given_ahead) } else { Ahead::No }
    }

    pub(super) fn is_on_its_way_back(&self, label: usize) -> bool {
        let item = self.items.iter().find(|item| item.label == label);
        matches!(item.and_then(Item::given_ahead), Some((_, Ahead::Recalled)))
    }

    /// Recalls as much as these want who ask, less what is READY and what is on its way back: the newest first.
    pub(super) fn recall_for(&mut self, asking: &[Want], is_present: &[bool]) -> Vec<Vec<usize>> {
        let wanted = asking.iter().map(|want| match want {
            Want::Take { min, ahead: false, .. } => *min,
            _ => 0,
        });
        let wanted: usize = wanted.sum();
        let mut recalled = Vec::new();
        loop {
            let present = self.items.iter().filter_map(|item| {
                let (who, ahead) = item.given_ahead()?;
                is_present[who].then_some((ahead, item.label))
            });
            let present: Vec<(Ahead, usize)> = present.collect();
            let coming = present.iter().filter(|(ahead, _)| *ahead == Ahead::Recalled).count();
            let untaken = present.iter().filter_map(|(ahead, label)| match ahead {
                Ahead::Untaken(number) => Some((*number, *label)),
                _ => None,
            });
            let Some((_, newest)) = untaken.max().filter(|_| self.takeable().len() + coming < wanted) else {
                return recalled;
            };
            if let Some(Item { state: State::Out { ahead, .. }, .. }) = self.item(newest) {
                *ahead = Ahead::Recalled;
            }
            recalled.push(vec![newest]);
        }
    }
}

//! Whether a history is linearizable: whether its calls could have happened one after the other, each at a moment between its
//! beginning and its end, so that each answer is right.
//!
//! By Wing and Gong, with Lowe's memory of what has been tried: a search over which calls have happened and what the object looked
//! like then. A call without a known end may happen at any time after its beginning, or never.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

/// The end of a call that is not known to have ended.
pub(crate) const NEVER: u64 = u64::MAX;

/// What an object does, said so simply that it can be believed.
pub(crate) trait Spec: Clone + Eq + Hash + Debug {
    /// A call with its answer, or a part of one.
    type Step: Clone + Debug;

    /// What the object may look like after the step; nothing if the step cannot happen now.
    fn after(&self, step: &Self::Step) -> Vec<Self>;
}

/// A step, and when it can have happened.
#[derive(Clone, Debug)]
pub(crate) struct Interval<S> {
    pub(crate) step: S,
    pub(crate) began: u64,
    /// [`NEVER`]: it need not have happened.
    pub(crate) ended: u64,
}

const WORDS: usize = 6;

/// Which steps have happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Happened([u64; WORDS]);

impl Happened {
    fn has(&self, index: usize) -> bool {
        self.0[index / 64] >> (index % 64) & 1 == 1
    }

    fn with(mut self, index: usize) -> Self {
        self.0[index / 64] |= 1 << (index % 64);
        self
    }

    fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }
}

/// Why a history is not linearizable: the longest beginning that was found, and what could not come after it.
#[derive(Debug)]
pub(crate) struct Refuted<T: Spec> {
    pub(crate) state: T,
    pub(crate) open: Vec<Interval<T::Step>>,
}

/// Checks a history that began with the object as `start`.
pub(crate) fn check<T: Spec>(start: T, history: &[Interval<T::Step>]) -> Result<(), Refuted<T>> {
    assert!(history.len() <= WORDS * 64, "a history of {} steps is too long", history.len());
    let mut steps: Vec<_> = history.to_vec();
    steps.sort_by_key(|step| (step.ended, step.began));
    let must: u32 = steps.iter().filter(|step| step.ended != NEVER).count() as u32;
    let done = |happened: &Happened| (0..must as usize).all(|index| happened.has(index));

    let mut tried = HashSet::new();
    let mut furthest = (0, Happened::default(), start.clone());
    let mut open = vec![(Happened::default(), start)];
    while let Some((happened, state)) = open.pop() {
        if done(&happened) {
            return Ok(());
        }
        if happened.count() > furthest.0 {
            furthest = (happened.count(), happened, state.clone());
        }
        let left = || (0..steps.len()).filter(|index| !happened.has(*index));
        // Whatever begins after another has ended comes after it. They are sorted by their ends.
        let first_end = left().next().map_or(NEVER, |index| steps[index].ended);
        let before = open.len();
        for index in left().filter(|index| steps[*index].began < first_end) {
            for after in state.after(&steps[index].step) {
                let next = (happened.with(index), after);
                if tried.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        // What ended first is tried first.
        open[before..].reverse();
    }
    let (_, happened, state) = furthest;
    let open = (0..steps.len()).filter(|index| !happened.has(*index)).map(|index| steps[index].clone());
    Err(Refuted { state, open: open.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A register, the best known of all objects.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct Register(u8);

    #[derive(Clone, Debug)]
    enum Step {
        Write(u8),
        Read(u8),
    }

    impl Spec for Register {
        type Step = Step;

        fn after(&self, step: &Step) -> Vec<Self> {
            match step {
                Step::Write(value) => vec![Register(*value)],
                Step::Read(value) => (self.0 == *value).then(|| self.clone()).into_iter().collect(),
            }
        }
    }

    fn holds(history: &[(Step, u64, u64)]) -> bool {
        let intervals = history.iter().cloned().map(|(step, began, ended)| Interval { step, began, ended });
        check(Register(0), &intervals.collect::<Vec<_>>()).is_ok()
    }

    use Step::{Read, Write};

    #[test]
    fn what_overlaps_has_either_order() {
        for read in [0, 1] {
            assert!(holds(&[(Write(1), 1, 4), (Read(read), 2, 3)]));
        }
        assert!(!holds(&[(Write(1), 1, 4), (Read(2), 2, 3)]));
    }

    #[test]
    fn what_has_ended_stays() {
        assert!(holds(&[(Write(1), 1, 2), (Read(1), 3, 4)]));
        assert!(!holds(&[(Write(1), 1, 2), (Read(0), 3, 4)]), "a stale read");
        assert!(!holds(&[(Write(1), 1, 6), (Read(1), 2, 3), (Read(0), 4, 5)]), "new, then old");
        assert!(holds(&[(Write(1), 1, 6), (Read(0), 2, 3), (Read(1), 4, 5)]));
    }

    #[test]
    fn what_did_not_end_may_have_happened_or_not() {
        for read in [0, 1] {
            assert!(holds(&[(Write(1), 1, NEVER), (Read(read), 2, 3)]));
        }
        assert!(holds(&[(Write(1), 3, NEVER), (Read(0), 1, 2)]));
        assert!(!holds(&[(Write(1), 3, NEVER), (Read(1), 1, 2)]), "before it began");
        assert!(!holds(&[(Write(1), 1, NEVER), (Read(1), 2, 3), (Read(0), 4, 5)]), "it happened once");
    }

    #[test]
    fn three_processes_that_disagree() {
        let writes = [(Write(1), 1, 10), (Write(2), 1, 10)];
        let agree = [(Read(1), 2, 3), (Read(2), 4, 5), (Read(1), 2, 3), (Read(2), 4, 5)];
        let disagree = [(Read(1), 2, 3), (Read(2), 4, 5), (Read(2), 2, 3), (Read(1), 4, 5)];
        assert!(holds(&[&writes[..], &agree[..]].concat()));
        assert!(!holds(&[&writes[..], &disagree[..]].concat()));
    }

    /// Without a memory of what was tried this would take longer than anybody waits.
    #[test]
    fn many_at_once() {
        let writes = (0..14).map(|value| (Write(value), 1, 1_000));
        assert!(!holds(&writes.clone().chain([(Read(14), 2, 1_000)]).collect::<Vec<_>>()));
        assert!(holds(&writes.chain([(Read(13), 2, 1_000), (Read(0), 1_001, 1_002)]).collect::<Vec<_>>()));
    }
}

//! Who waits for whom: a search for cycles of participants that can never go on.
//!
//! Vertices are participants, edges lead from a wait to every owner of what it waits for. A wait for a lock needs that all
//! owners let go, a wait for permits that one does. So a cycle alone proves nothing where permits are in it: a participant
//! is *stuck* when each of its waits is; a wait is stuck when one of the owners that it needs is, or for permits when all
//! are; and whoever does not wait is free. Of all assignments that fulfil this, the one with the most stuck is what will
//! happen: everybody is taken for stuck until an owner that is free frees them, each edge looked at once. A deadlock is a
//! cycle of stuck ones.
//!
//! No recursion: chains are as long as users make them. Cost: in proportion to what can be reached.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;

use crate::primitive::Owner;
use crate::wait::TicketKey;

/// What the search needs to know.
pub(crate) trait Graph {
    /// The waits of a participant for what may have owners.
    fn waits_of(&self, who: Owner) -> impl Iterator<Item = TicketKey>;

    /// What would end a wait; `None` where the search may take it for granted that it ends.
    fn needs(&self, wait: TicketKey) -> Option<Needs<'_>>;
}

/// What ends a wait.
pub(crate) enum Needs<'a> {
    /// That all of them let go.
    All(Box<dyn Iterator<Item = Owner> + 'a>),
    /// That one of them lets go.
    Any(Box<dyn Iterator<Item = Owner> + 'a>),
}

/// The waits of a shortest cycle of at least `least` participants that can never go on, from `who` back to `who`.
pub(crate) fn cycle(graph: &impl Graph, who: Owner, least: usize) -> Option<Vec<TicketKey>> {
    let found = Reached::from(graph, who);
    let stuck = found.stuck();
    if stuck[0] { found.shortest(&stuck, least) } else { None }
}

/// What can be reached; participant 0 is where it began.
#[derive(Default)]
struct Reached {
    who: Vec<Owner>,
    /// The waits of each participant, in `waits`.
    waits_of: Vec<Range<usize>>,
    waits: Vec<Wait>,
    edges: Vec<Edge>,
}

struct Wait {
    key: TicketKey,
    of: usize,
    edges: Range<usize>,
    /// How many owners must become free to free it.
    needs: usize,
}

struct Edge {
    wait: usize,
    to: usize,
}

impl Reached {
    fn from(graph: &impl Graph, who: Owner) -> Self {
        let mut reached = Reached { who: vec![who], ..Reached::default() };
        let mut known = BTreeMap::from([(who, 0)]);
        let mut next = 0;
        while let Some(who) = reached.who.get(next).copied() {
            let first = reached.waits.len();
            for key in graph.waits_of(who) {
                reached.add_wait(graph, key, next, &mut known);
            }
            reached.waits_of.push(first..reached.waits.len());
            next += 1;
        }
        reached
    }

    fn add_wait(
        &mut self,
        graph: &impl Graph,
        key: TicketKey,
        of: usize,
        known: &mut BTreeMap<Owner, usize>,
    ) {
        let (wait, first) = (self.waits.len(), self.edges.len());
        let (any, owners) = match graph.needs(key) {
            Some(Needs::All(owners)) => (false, Some(owners)),
            Some(Needs::Any(owners)) => (true, Some(owners)),
            None => (false, None),
        };
        for owner in owners.into_iter().flatten() {
            let to = match known.entry(owner) {
                Entry::Occupied(entry) => *entry.get(),
                Entry::Vacant(entry) => {
                    self.who.push(owner);
                    *entry.insert(self.who.len() - 1)
                }
            };
            self.edges.push(Edge { wait, to });
        }
        let edges = first..self.edges.len();
        let needs = if any { edges.len().min(1) } else { edges.len() };
        self.waits.push(Wait { key, of, edges, needs });
    }

    /// Which participants can never go on.
    fn stuck(&self) -> Vec<bool> {
        // The edges to a participant, as a list through `next`.
        let mut first: Vec<Option<usize>> = vec![None; self.who.len()];
        let next: Vec<_> =
            self.edges.iter().enumerate().map(|(edge, to)| first[to.to].replace(edge)).collect();
        let mut needs: Vec<usize> = self.waits.iter().map(|wait| wait.needs).collect();
        let mut stuck = vec![true; self.who.len()];
        let goes_on = |waits: &Range<usize>| waits.is_empty() || needs[waits.clone()].contains(&0);
        let free = self.waits_of.iter().enumerate().filter(|(_, waits)| goes_on(waits));
        let mut free: Vec<usize> = free.map(|(who, _)| who).collect();
        free.iter().for_each(|who| stuck[*who] = false);
        while let Some(who) = free.pop() {
            for edge in std::iter::successors(first[who], |edge| next[*edge]) {
                let wait = self.edges[edge].wait;
                needs[wait] = needs[wait].saturating_sub(1);
                let of = self.waits[wait].of;
                if needs[wait] == 0 && std::mem::take(&mut stuck[of]) {
                    free.push(of);
                }
            }
        }
        stuck
    }

    /// By breadth: the first way found is a shortest one.
    fn shortest(&self, stuck: &[bool], least: usize) -> Option<Vec<TicketKey>> {
        // By which wait a participant was reached.
        let mut by: Vec<Option<usize>> = vec![None; self.who.len()];
        let mut reached = vec![0];
        let mut next = 0;
        while let Some(who) = reached.get(next).copied() {
            next += 1;
            let edges = self.waits_of[who].clone();
            let edges = edges.flat_map(|wait| &self.edges[self.waits[wait].edges.clone()]);
            for edge in edges.filter(|edge| stuck[edge.to]) {
                if edge.to == 0 {
                    if who != 0 || least <= 1 {
                        return Some(self.path(&by, edge.wait));
                    }
                } else if by[edge.to].is_none() {
                    by[edge.to] = Some(edge.wait);
                    reached.push(edge.to);
                }
            }
        }
        None
    }

    /// From the beginning to `last`.
    fn path(&self, by: &[Option<usize>], last: usize) -> Vec<TicketKey> {
        let ways = std::iter::successors(Some(last), |wait| by[self.waits[*wait].of]);
        let mut path: Vec<_> = ways.map(|wait| self.waits[wait].key).collect();
        path.reverse();
        path
    }
}

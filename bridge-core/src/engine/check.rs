//! What must be true after every input, for tests.

use std::collections::BTreeSet;

use crate::engine::Engine;
use crate::ids::{Handle, SessionKey, Token};
use crate::limits::PASSED_BY_MAX;
use crate::objects::{Named, State};
use crate::session::Entry;
use crate::timer::{Due, Subject};
use crate::wait::{Branch, Caller, GroupKey, Want};

impl Engine {
    /// Panics where an invariant does not hold. Costs time in proportion to the whole state.
    #[doc(hidden)]
    pub fn check_invariants(&self) {
        self.check_sessions();
        self.check_tickets();
        self.check_items();
        self.objects.iter().for_each(|(_, named)| named.state.primitive().check(&self.world));
        assert!(self.world.fallen.is_empty(), "a dead letter was not delivered");
        assert!(self.world.effects.is_empty(), "effects stay behind");
        assert!(self.world.gathered.is_empty() && self.world.withdrawn.is_empty(), "tickets stay behind");
    }

    /// Every op that waits has its ticket; every grant is held or offered by a session that lives.
    fn check_sessions(&self) {
        let mut granted = BTreeSet::new();
        let mut users = Vec::new();
        for (key, session) in self.world.sessions.after(None) {
            let waiting = session.ops.values().filter(|entry| matches!(entry, Entry::Waiting(_))).count();
            assert_eq!(session.waits, waiting, "waits of a session");
            session.ops.check();
            session.holds.check();
            for (op, entry) in session.ops.iter() {
                match entry {
                    Entry::Waiting(ticket) => {
                        let ticket = self.world.tickets.get(*ticket).expect("an op waits without a ticket");
                        let caller = (ticket.caller.session, ticket.caller.op);
                        assert_eq!(caller, (key, op), "whose ticket it is");
                        assert_eq!(
                            ticket.away,
                            !session.is_present(ticket.caller.carrier),
                            "which side it is on"
                        );
                    }
                    Entry::Offered(_) | Entry::Whole(_) => {
                        for offer in entry.offers() {
                            granted.extend(offer.tokens().map(|token| (offer.object, token, key, false)));
                        }
                    }
                    Entry::Answered { .. } => {}
                }
            }
            granted.extend(session.holds.iter().map(|(token, object)| (*object, token, key, true)));
            users.extend(session.uses.iter());
        }
        users.sort_unstable();
        for (object, named) in self.objects.iter() {
            let of_it = users.partition_point(|other| *other <= object);
            let before = users.partition_point(|other| *other < object);
            assert_eq!(named.users as usize, of_it - before, "users of an object");
            if let State::Event(event) = &named.state {
                for pulse in event.pulses() {
                    assert!(
                        granted.iter().any(|(of, token, ..)| (*of, *token) == (object, pulse)),
                        "a lost pulse"
                    );
                }
            }
        }
        for grant in self.grants() {
            assert!(granted.contains(&grant), "a grant that no session knows: {grant:?}");
        }
    }

    /// See the invariant of `lifetime`. How many timers there are for it.
    fn check_lives(&self) -> usize {
        let mut waiting = 0;
        for (object, named) in self.objects.iter() {
            for (at, place) in named.state.primitive().timers() {
                assert!(at > self.world.now, "something due has not happened");
                let timer = (at, place, Due::Own, Subject::Object(object));
                assert!(self.world.timers.iter().any(|other| other == timer), "no timer");
                waiting += 1;
            }
            let Some((at, place)) = named.shared.as_ref().and_then(|shared| shared.goes) else { continue };
            assert_eq!(named.users, 0, "an object in use is about to go");
            assert!(named.state.primitive().is_ephemeral(), "a lasting object is about to go");
            assert!(at > self.world.now, "something due has not happened");
            let timer = (at, place, Due::Unused, Subject::Object(object));
            assert!(self.world.timers.iter().any(|other| other == timer), "no timer");
            waiting += 1;
        }
        waiting
    }

    fn grants(&self) -> impl Iterator<Item = (Handle, Token, SessionKey, bool)> {
        let of_object = |(object, named): (Handle, &'_ Named)| {
            let grants = named.state.primitive().grants();
            let grants = grants.map(|g| (object, g.token, g.caller.session, g.accepted));
            grants.collect::<Vec<_>>()
        };
        self.objects.iter().flat_map(of_object)
    }

    /// Every ticket stands in exactly one line, and its timers are set.
    fn check_tickets(&self) {
        let mut in_line: Vec<usize> = Vec::new();
        self.objects.iter().for_each(|(_, named)| in_line.extend(named.state.primitive().waiters()));
        in_line.sort_unstable();
        assert!(
            in_line.iter().copied().eq(self.world.tickets.iter().map(|(key, _)| key)),
            "tickets and lines differ"
        );
        self.check_groups();
        let blocked = self.world.tickets.iter().filter(|(_, ticket)| ticket.may_have_owners());
        let blocked = blocked.map(|(key, ticket)| (ticket.caller.owner(), key)).collect();
        assert_eq!(self.world.blocked, blocked, "who waits for something that may have owners");
        assert!(self.world.queued.is_empty(), "a wait has not been looked at");
        self.check_wholes();
        let mut timers = self.check_lives();
        for (key, ticket) in &self.world.tickets {
            let object = self.primitive(ticket.object).into_iter();
            for owning in object.flat_map(|object| object.owners(ticket, &self.world)) {
                assert!(self.world.sessions.get(owning.who.0).is_some(), "an owner whose session is over");
            }
            let lingers = match ticket.want {
                Want::Take { lingers_until, .. } => lingers_until.map(|at| (at, Due::Linger)),
                _ => None,
            };
            let first = ticket.whole && ticket.caller.branch == Branch::new(0);
            let reserves = (ticket.since + PASSED_BY_MAX, Due::Reserve);
            let reserves = (first && reserves.0 > self.world.now).then_some(reserves);
            let deadline = ticket.deadline.map(|at| (at, Due::Deadline));
            for (at, due) in lingers.into_iter().chain(deadline).chain(reserves) {
                assert!(at > self.world.now, "something due has not happened");
                assert!(
                    self.world
                        .timers
                        .iter()
                        .any(|timer| timer == (at, ticket.place, due, Subject::Ticket(key))),
                    "no timer"
                );
                timers += 1;
            }
        }
        assert_eq!(self.world.timers.iter().count(), timers, "timers of nothing");
    }

    /// Every ticket of a group is one of its call, which waits by the first of them.
    fn check_groups(&self) {
        let of_groups = self.world.tickets.iter().filter(|(_, ticket)| ticket.group.is_some()).count();
        assert_eq!(
            self.world.groups.iter().map(|(_, group)| group.tickets.len()).sum::<usize>(),
            of_groups,
            "groups"
        );
        for (index, group) in &self.world.groups {
            let first = &self.world.tickets[group.tickets[0]];
            for (branch, key) in group.tickets.iter().enumerate() {
                let ticket = &self.world.tickets[*key];
                let Caller { session, op, .. } = ticket.caller;
                assert_eq!((session, op), (first.caller.session, first.caller.op), "whose group it is");
                assert_eq!(ticket.caller.branch, Branch::new(branch), "which branch it is");
                assert_eq!(ticket.group, GroupKey::new(index), "of which group it is");
                assert_eq!(ticket.away, first.away, "on which side they are");
                assert!(branch == 0 || ticket.deadline.is_none(), "a deadline of its own");
                assert!(!ticket.over, "a ticket that is over waits");
                let line = self.primitive(ticket.object).and_then(|primitive| primitive.line());
                let reserves = line
                    .is_some_and(|line| line.reserving_before(ticket.place + 1).any(|other| other == *key));
                assert_eq!(reserves, ticket.whole && group.reserves && !ticket.away, "what it reserves");
                let entry = self.world.sessions.get(session).and_then(|session| session.ops.get(op));
                assert!(matches!(entry, Some(Entry::Waiting(key)) if *key == group.tickets[0]), "what waits");
            }
        }
    }

    fn check_wholes(&self) {
        let wholes = self.world.groups.iter().filter(|(_, group)| self.world.tickets[group.tickets[0]].whole);
        assert_eq!(wholes.count(), self.world.wholes.len(), "groups that are granted whole");
        for (place, key) in &self.world.wholes {
            let group = &self.world.groups[key.index()];
            assert_eq!(*place, self.world.tickets[group.tickets[0]].place, "their age");
            assert!(!self.could_grant_whole(&group.tickets), "a group that could be granted");
        }
        assert!(
            self.world.wholes.is_empty() || self.world.touched.is_empty(),
            "a group that was not looked at"
        );
        assert!(self.world.shown.is_empty() && self.world.collected.is_none(), "left undone");
    }

    /// Every item is in exactly one place.
    fn check_items(&self) {
        let mut places: Vec<usize> = Vec::new();
        for (_, named) in self.objects.iter() {
            match &named.state {
                State::Queue(queue) => places.extend(queue.item_keys()),
                State::Pipe(pipe) => places.extend(pipe.item_keys()),
                _ => {}
            }
        }
        for (_, ticket) in &self.world.tickets {
            match &ticket.want {
                Want::Put { items, .. } => places.extend(items),
                Want::Send { item, .. } => places.extend(item),
                _ => {}
            }
        }
        places.sort_unstable();
        assert!(
            places.iter().copied().eq(self.world.items.iter().map(|(key, _)| key)),
            "items and places differ"
        );
        let bytes: u64 = self.world.items.iter().map(|(_, item)| item.bytes).sum();
        let stored = self.objects.iter().map(|(_, named)| named.state.primitive().stored());
        let stored = stored.fold((0, 0), |sum, stored| (sum.0 + stored.0, sum.1 + stored.1));
        assert_eq!((self.world.entries, self.world.retained_bytes), (stored.0, stored.1 + bytes), "retained");
    }
}

//! Sessions: who may hold and wait, and what must be remembered for them.
//!
//! An op of a session is waiting (a ticket), offered (a grant that has not been accepted), or answered (kept
//! until the client has acknowledged it). What is not remembered was never asked or has been settled.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};

use crate::command::rwlock::Mode as LockMode;
use crate::command::{Carrier, Mode, Outcome, SessionSpec};
use crate::ids::{Handle, Op, ParticipantId, SessionId, SessionKey, Token};
use crate::sequence::Sequence;
use crate::slots::Slots;
use crate::time::Time;
use crate::wait::{Branch, TicketKey};

/// Sessions in the order in which they were opened; never used twice.
pub(crate) type Serial = u64;

/// How many runs of settled tokens are remembered for a session, so that repeating the right ack is fine.
const SETTLED_RUNS_MAX: usize = 256;

/// How many holds that were taken from a session are remembered for it, so that releasing one is told.
const LOST_HOLDS_MAX: usize = 256;

/// An op that is not settled.
#[derive(Debug, Hash)]
pub(crate) enum Entry {
    Waiting(TicketKey),
    Offered(Offer),
    /// Several grants that are one offer.
    Whole(Box<[Offer]>),
    /// `queue`: where a put went, so that it can be withdrawn.
    Answered {
        outcome: Outcome,
        queue: Option<Handle>,
    },
}

impl Entry {
    /// What is on offer: the grants of one call.
    pub(crate) fn offers(&self) -> &[Offer] {
        match self {
            Entry::Offered(offer) => std::slice::from_ref(offer),
            Entry::Whole(offers) => offers,
            Entry::Waiting(_) | Entry::Answered { .. } => &[],
        }
    }
}

/// A grant that has not been accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Offer {
    /// The call that it answers.
    pub(crate) op: Op,
    pub(crate) object: Handle,
    /// The grant's token; a batch has `count` consecutive ones.
    pub(crate) first: Token,
    pub(crate) count: u32,
    pub(crate) carrier: Carrier,
    pub(crate) since: Time,
    /// Of a select, which branch was granted.
    pub(crate) branch: Option<Branch>,
}

impl Offer {
    pub(crate) fn tokens(&self) -> impl Iterator<Item = Token> + use<> {
        (self.first.0..self.first.0 + u64::from(self.count)).map(Token)
    }
}

/// How a token ended by its holder's own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Verdict {
    Acked,
    Nacked,
    Rejected,
    Released,
    /// Not by its holder's word, but it has been told.
    Lost,
}

/// A hold of a lock that was taken from its holder.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct LostHold {
    pub(crate) object: Handle,
    pub(crate) participant: ParticipantId,
    pub(crate) mode: LockMode,
    /// How many of its releases are to be told.
    pub(crate) levels: u32,
}

impl LostHold {
    fn was_of(&self, object: Handle, mode: LockMode, participant: Option<ParticipantId>) -> bool {
        self.object == object && self.mode == mode && participant.is_none_or(|one| one == self.participant)
    }
}

/// A session's state.
#[derive(Debug, Hash)]
pub(crate) struct Session {
    pub(crate) spec: SessionSpec,
    pub(crate) serial: Serial,
    pub(crate) attached: bool,
    /// Its client does not read what its stream brings.
    pub(crate) paused: bool,
    pub(crate) ops: Sequence<Op, Entry>,
    /// How many of `ops` wait.
    pub(crate) waits: usize,
    /// Accepted leases and permits.
    pub(crate) holds: Sequence<Token, Handle>,
    pub(crate) labels: BTreeMap<ParticipantId, Box<str>>,
    pub(crate) uses: Uses,
    lost: BTreeMap<Token, LostHold>,
    settled: VecDeque<(Token, Token, Verdict)>,
}

impl Session {
    fn new(spec: SessionSpec, serial: Serial) -> Self {
        Session {
            attached: spec.mode != Mode::Resumable,
            paused: false,
            spec,
            serial,
            ops: Sequence::default(),
            waits: 0,
            holds: Sequence::default(),
            labels: BTreeMap::new(),
            uses: Uses::default(),
            lost: BTreeMap::new(),
            settled: VecDeque::new(),
        }
    }

    /// Which program it is, in one line for people.
    pub(crate) fn title(&self) -> String {
        format!("{}@{}:{}", self.spec.label, self.spec.host, self.spec.pid)
    }

    /// One of its participants, in one line for people.
    pub(crate) fn name_of(&self, participant: ParticipantId) -> String {
        match self.labels.get(&participant) {
            Some(label) if !label.is_empty() => format!("{label} of {}", self.title()),
            _ => self.title(),
        }
    }

    /// Offers and answers kept.
    #[inline]
    pub(crate) fn stored(&self) -> usize {
        self.ops.len() - self.waits
    }

    /// Whether what came by `carrier` can be granted something now.
    #[inline]
    pub(crate) fn is_present(&self, carrier: Carrier) -> bool {
        (self.attached && !self.paused) || carrier == Carrier::Call
    }

    /// Forgets what it was offered and holds of an object, and says what that was.
    pub(crate) fn part_with(&mut self, object: Handle) -> (Vec<Offer>, Sequence<Token, Handle>) {
        let (mut offers, mut holds) = (Vec::new(), Sequence::default());
        self.ops.retain(|_, entry| {
            let of_it = entry.offers().iter().any(|offer| offer.object == object);
            if of_it {
                offers.extend(entry.offers());
            }
            !of_it
        });
        self.holds.retain(|token, held| {
            let of_it = *held == object;
            if of_it {
                holds.insert(token, object);
            }
            !of_it
        });
        (offers, holds)
    }

    /// A hold was taken from it.
    pub(crate) fn lose(&mut self, token: Token, hold: LostHold) {
        if self.lost.len() == LOST_HOLDS_MAX {
            self.lost.pop_first();
        }
        self.lost.insert(token, hold);
    }

    /// Whether it is to be told that the hold was taken from it that it means: of that token, or the oldest of a participant or of any.
    pub(crate) fn tell_lost(
        &mut self,
        object: Handle,
        mode: LockMode,
        token: Option<Token>,
        participant: Option<ParticipantId>,
    ) -> bool {
        let meant = |(of, hold): &(&Token, &LostHold)| match token {
            Some(token) => hold.object == object && token == **of,
            None => hold.was_of(object, mode, participant),
        };
        let Some(token) = self.lost.iter().find(meant).map(|(token, _)| *token) else {
            return token.is_some_and(|token| self.was_settled(token, Verdict::Lost));
        };
        if let Some(hold) = self.lost.get_mut(&token) {
            hold.levels = hold.levels.saturating_sub(1);
            if hold.levels == 0 {
                self.lost.remove(&token);
                self.settle(token, Verdict::Lost);
            }
        }
        true
    }

    /// Whether a hold that was taken from it has not been told to a release yet: of a participant or of any.
    pub(crate) fn has_lost(
        &self,
        object: Handle,
        mode: LockMode,
        participant: Option<ParticipantId>,
    ) -> bool {
        self.lost.values().any(|hold| hold.was_of(object, mode, participant))
    }

    /// Remembers how `token` ended.
    pub(crate) fn settle(&mut self, token: Token, verdict: Verdict) {
        self.holds.remove(token);
        if let Some((_, last, same)) = self.settled.back_mut()
            && *same == verdict
            && last.0 + 1 == token.0
        {
            *last = token;
            return;
        }
        if self.settled.len() == SETTLED_RUNS_MAX {
            self.settled.pop_front();
        }
        self.settled.push_back((token, token, verdict));
    }

    /// Whether `token` is known to have ended that way.
    pub(crate) fn was_settled(&self, token: Token, verdict: Verdict) -> bool {
        let mut runs = self.settled.iter().rev();
        runs.any(|(first, last, how)| (*first..=*last).contains(&token) && *how == verdict)
    }
}

/// The objects that a session uses.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    all: BTreeSet<Handle>,
    /// The one that was looked for last: most calls are about the same object as the one before.
    last: Option<Handle>,
}

impl Hash for Uses {
    /// What was looked for changes nothing.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.all.hash(state);
    }
}

impl Uses {
    /// One more: true if it is new.
    pub(crate) fn insert(&mut self, object: Handle) -> bool {
        self.last != Some(object) && {
            self.last = Some(object);
            self.all.insert(object)
        }
    }

    /// Whether it is one.
    #[inline]
    pub(crate) fn contains(&mut self, object: Handle) -> bool {
        if self.last != Some(object) && self.all.contains(&object) {
            self.last = Some(object);
        }
        self.last == Some(object)
    }

    /// One less: true if it was one.
    pub(crate) fn remove(&mut self, object: Handle) -> bool {
        self.last = None;
        self.all.remove(&object)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Handle> {
        self.all.iter().copied()
    }
}

/// All sessions of a namespace.
#[derive(Debug, Default, Hash)]
pub(crate) struct Sessions {
    slots: Slots<Session>,
    by_id: BTreeMap<SessionId, SessionKey>,
}

impl Sessions {
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn find(&self, id: SessionId) -> Option<SessionKey> {
        self.by_id.get(&id).copied()
    }

    pub(crate) fn open(&mut self, spec: SessionSpec, serial: Serial) -> SessionKey {
        let id = spec.id;
        let key = self.slots.insert(Session::new(spec, serial)).into();
        self.by_id.insert(id, key);
        key
    }

    pub(crate) fn close(&mut self, key: SessionKey) -> Option<Session> {
        let session = self.slots.remove(key.into())?;
        self.by_id.remove(&session.spec.id);
        Some(session)
    }

    pub(crate) fn get(&self, key: SessionKey) -> Option<&Session> {
        self.slots.get(key.into())
    }

    pub(crate) fn get_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.slots.get_mut(key.into())
    }

    /// All of them, by id.
    pub(crate) fn after(&self, id: Option<SessionId>) -> impl Iterator<Item = (SessionKey, &Session)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = id.map_or(Unbounded, Excluded);
        let keys = self.by_id.range((from, Unbounded)).map(|(_, key)| *key);
        keys.filter_map(|key| self.get(key).map(|session| (key, session)))
    }
}

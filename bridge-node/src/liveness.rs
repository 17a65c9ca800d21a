//! Who is there: when each session was last heard of, what carries it, and which process it belongs to.
//!
//! Liveness is the node's and is not journaled: the node proposes the end of a session, which is an input of the
//! engine like any other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bridge_core::command::{Mode, SessionSpec};
use bridge_core::ids::{Op, Secret, SessionKey};
use bridge_core::mutant::Mutant;
use bridge_core::{Query, Time};

use crate::delivery::{Callback, Mail};
use crate::process::Watched;

/// An open session as the node sees it.
pub(crate) struct Session {
    pub(crate) key: SessionKey,
    pub(crate) secret: Secret,
    pub(crate) mode: Mode,
    pub(crate) ttl: Duration,
    heard: Time,
    /// The stream that carries it now, or carried it last.
    pub(crate) stream: u64,
    /// The sequence of the last frame that was executed and is durable.
    pub(crate) received: u64,
    /// What carries its answers now.
    pub(crate) mail: Option<Arc<Mail>>,
    /// Unary calls that are open, by op.
    pub(crate) calls: BTreeMap<Op, OpenCall>,
    pub(crate) process: Option<Arc<Watched>>,
    /// Its client does not read what the stream brings.
    pub(crate) paused: bool,
    /// What it asked on the stream meanwhile, to be read when it is not paused any more.
    pub(crate) reads: VecDeque<(Op, Query)>,
}

impl Session {
    /// Anything that has come from the other side of its stream is a sign of life.
    pub(crate) fn listen(&mut self, now: Time) {
        if let Some(silent) = self.mail.as_ref().and_then(|mail| mail.silent_for()) {
            let micros = u64::try_from(silent.as_micros()).unwrap_or(u64::MAX);
            self.heard = self.heard.max(Time::from_micros(now.micros.saturating_sub(micros)));
        }
    }

    /// Its stream is a new one, or gone: what was asked on it will be asked again.
    pub(crate) fn begin_anew(&mut self) {
        self.paused = false;
        self.reads.clear();
    }
}

/// A unary call that waits for its answer.
pub(crate) struct OpenCall {
    /// Tells it from another call with the same op, which takes its place.
    pub(crate) serial: u64,
    pub(crate) callback: Callback,
}

/// The open sessions of a namespace.
#[derive(Default)]
pub(crate) struct Sessions {
    slots: Vec<Option<Session>>,
    /// When to look at a session again; not moved when it is heard of, but when it comes up.
    checks: BinaryHeap<Reverse<(Time, SessionKey)>>,
}

impl Sessions {
    /// Opens it, or hears of it: what was said when it was opened holds.
    pub(crate) fn open(&mut self, now: Time, key: SessionKey, spec: &SessionSpec) {
        if self.hear(now, key).is_some() {
            return;
        }
        let slot = key.slot as usize;
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        self.slots[slot] = Some(Session {
            key,
            secret: spec.secret,
            mode: spec.mode,
            ttl: spec.ttl,
            heard: now,
            stream: 0,
            received: 0,
            mail: None,
            calls: BTreeMap::new(),
            process: None,
            paused: false,
            reads: VecDeque::new(),
        });
        if spec.mode == Mode::Resumable {
            self.checks.push(Reverse((now + spec.ttl, key)));
        }
    }

    pub(crate) fn get(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.slots.get_mut(key.slot as usize)?.as_mut().filter(|session| session.key == key)
    }

    /// The session is alive.
    pub(crate) fn hear(&mut self, now: Time, key: SessionKey) -> Option<&mut Session> {
        let session = self.get(key)?;
        session.heard = session.heard.max(now);
        Some(session)
    }

    pub(crate) fn remove(&mut self, key: SessionKey) -> Option<Session> {
        self.get(key)?;
        self.slots.get_mut(key.slot as usize)?.take()
    }

    /// All of them, in the order of their slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.slots.iter().flatten()
    }

    /// The sessions whose process has this watch.
    pub(crate) fn of_process(&self, watched: u64) -> Vec<SessionKey> {
        let of = |session: &&Session| session.process.as_ref().is_some_and(|process| process.id == watched);
        self.iter().filter(of).map(|session| session.key).collect()
    }

    /// When to look next.
    pub(crate) fn next_check(&self) -> Option<Time> {
        self.checks.peek().map(|Reverse((at, _))| *at)
    }

    /// The next session that has been silent for its time to live, if there is one.
    pub(crate) fn silent(&mut self, now: Time) -> Option<SessionKey> {
        while let Some(&Reverse((at, key))) = self.checks.peek() {
            if at > now {
                return None;
            }
            self.checks.pop();
            let Some(session) = self.get(key) else { continue };
            session.listen(now);
            let until = session.heard + session.ttl;
            if until <= now && !Mutant::SilenceUnnoticed.is_on() {
                return Some(key);
            }
            self.checks.push(Reverse((until, key)));
        }
        None
    }

    /// Nobody could be heard while the node was away: everybody gets a full TTL from `now`.
    pub(crate) fn all_heard(&mut self, now: Time) {
        for session in self.slots.iter_mut().flatten() {
            session.heard = now;
        }
    }
}

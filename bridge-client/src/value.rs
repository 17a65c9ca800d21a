//! Shared values, and what they have in common with the entries of a dict.

use std::ops::Deref;
use std::sync::Arc;

use bridge_core::command::value::{Command, Query, Reply};
use bridge_core::command::{self, Request};
use bridge_core::ids::{Kind, ParticipantId, Token};
use bridge_core::{Error, Reply as AnyReply, Timeout};
use bytes::Bytes;

pub use bridge_core::command::value::{Datum, Figures, Guard, Item, Lifetime, Options, Real, Version, Write};

use crate::bridge::Bridge;
use crate::call::Call;
use crate::object::Declaration;
use crate::usage::{Usage, handle};

/// A value that many share. Cheap to clone; stays usable when the session is replaced. What can be done with it is
/// what can be done with an [`Entry`].
#[derive(Clone)]
pub struct Value(Entry);

/// A value, or one entry of a dict. It need not be there: reading creates nothing, and finds nothing.
#[derive(Clone)]
pub struct Entry {
    pub(crate) usage: Arc<Usage>,
    /// Empty for a value.
    pub(crate) key: Bytes,
}

/// What came of a change.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// False where another version was found than expected, or there was nothing to delete: nothing was changed.
    pub done: bool,
    /// Done: the version now, and what was deleted, where that was asked for. Else what is there.
    pub item: Item,
}

/// The end of a watch.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// False where the time was over first.
    pub changed: bool,
    /// What is there now; without data where a whole dict or list was watched.
    pub item: Item,
}

impl Bridge {
    /// The value of that name, as [`Bridge::queue`].
    pub fn value(&self, name: Option<&str>, options: Options) -> Result<Value, Error> {
        Ok(Value(Entry { usage: self.make(name, Declaration::Value(options))?, key: Bytes::new() }))
    }

    /// The value that another process has shared, as [`Bridge::attach_queue`].
    pub fn attach_value(&self, name: &str, anonymous: bool, options: Options) -> Result<Value, Error> {
        let usage = self.attach(name, anonymous, Declaration::Value(options))?;
        Ok(Value(Entry { usage, key: Bytes::new() }))
    }
}

handle!(Value);

impl Value {
    /// Its figures now.
    pub fn describe(&self, who: ParticipantId) -> Call<Figures> {
        query(&self.usage, who, Query::Describe, figures)
    }
}

impl Deref for Value {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        &self.0
    }
}

impl Entry {
    /// What is there.
    pub fn get(&self, who: ParticipantId) -> Call<Item> {
        query(&self.usage, who, Query::Get { key: self.key.clone(), version_only: false }, got)
    }

    /// Its version, 0 if it is not there; without the data.
    pub fn version(&self, who: ParticipantId) -> Call<Version> {
        let query_version = Query::Get { key: self.key.clone(), version_only: true };
        query(&self.usage, who, query_version, |reply| got(reply).map(|item| item.version))
    }

    /// Sets it for good.
    pub fn set(&self, who: ParticipantId, datum: impl Into<Datum>) -> Call<Written> {
        let (guard, lifetime) = (Guard::default(), Lifetime::Lasting);
        self.write(who, Write { datum: datum.into(), guard, lifetime })
    }

    /// Sets it for good if `version` is its version; 0: if it is not there. Else the answer has what is there.
    pub fn compare_and_set(
        &self,
        who: ParticipantId,
        version: Version,
        datum: impl Into<Datum>,
    ) -> Call<Written> {
        let guard = Guard { if_version: Some(version), fence: None };
        self.write(who, Write { datum: datum.into(), guard, lifetime: Lifetime::Lasting })
    }

    /// Sets it, with all that can be said about it. `FENCED`.
    pub fn write(&self, who: ParticipantId, write: Write) -> Call<Written> {
        let command = Command::Set { key: self.key.clone(), write: Box::new(write) };
        send(&self.usage, who, command, |reply| match reply {
            AnyReply::Value(Reply::Set { done, item }) => Some(Written { done, item: *item }),
            _ => None,
        })
    }

    /// Deletes it. `returning`: the answer has what was there. `FENCED`.
    pub fn delete(&self, who: ParticipantId, guard: Guard, returning: bool) -> Call<Written> {
        let command = Command::Delete { key: self.key.clone(), guard, returning };
        send(&self.usage, who, command, |reply| match reply {
            AnyReply::Value(Reply::Deleted { done, item }) => Some(Written { done, item: *item }),
            _ => None,
        })
    }

    /// Adds to it in one step; what is not there counts as 0. The answer has the sum. `INVALID_ARGUMENT` where it is no
    /// number, or the sum of two integers does not fit into 64 bits. `FENCED`.
    pub fn increment(&self, who: ParticipantId, by: impl Into<Datum>, fence: Option<Token>) -> Call<Item> {
        let command = Command::Increment { key: self.key.clone(), by: by.into(), fence };
        send(&self.usage, who, command, incremented)
    }

    /// Waits for a change newer than `after`; 0: until it is there.
    pub fn watch(&self, who: ParticipantId, after: Version, timeout: Timeout) -> Call<Watched> {
        let command = Command::Watch { key: Some(self.key.clone()), after, timeout };
        send(&self.usage, who, command, watched)
    }

    /// Makes of what is there what `f` makes of it, by compare-and-set: `f` is called again where somebody else was
    /// faster. What it has of its lifetime stays. `f` gets and gives `None` for what is not there. Answers with what it
    /// set.
    pub async fn update(
        &self,
        who: ParticipantId,
        mut f: impl FnMut(Option<&Datum>) -> Option<Datum>,
    ) -> Result<Option<Datum>, Error> {
        let mut seen = self.get(who).await?.accept()?;
        loop {
            let datum = f(seen.datum.as_ref());
            let Some(attempt) = self.attempt(who, &seen, datum.clone()) else { return Ok(datum) };
            let written = attempt.await?.accept()?;
            if written.done {
                return Ok(datum);
            }
            seen = written.item;
        }
    }

    /// [`Entry::update`] for a thread, which it blocks.
    pub fn update_blocking(
        &self,
        who: ParticipantId,
        mut f: impl FnMut(Option<&Datum>) -> Option<Datum>,
    ) -> Result<Option<Datum>, Error> {
        let mut seen = self.get(who).finish()?;
        loop {
            let datum = f(seen.datum.as_ref());
            let Some(attempt) = self.attempt(who, &seen, datum.clone()) else { return Ok(datum) };
            let written = attempt.finish()?;
            if written.done {
                return Ok(datum);
            }
            seen = written.item;
        }
    }

    /// One step of an update; `None` where nothing becomes of nothing.
    fn attempt(&self, who: ParticipantId, seen: &Item, datum: Option<Datum>) -> Option<Call<Written>> {
        let guard = Guard { if_version: Some(seen.version), fence: None };
        match datum {
            Some(datum) => Some(self.write(who, Write { datum, guard, lifetime: Lifetime::Kept })),
            None if seen.version == 0 => None,
            None => Some(self.delete(who, guard, false)),
        }
    }
}

pub(crate) fn send<T>(
    usage: &Arc<Usage>,
    who: ParticipantId,
    command: Command,
    read: fn(AnyReply) -> Option<T>,
) -> Call<T> {
    let target = usage.object.target();
    let command = match usage.object.kind() {
        Kind::Dict => command::Command::Dict(target, command),
        _ => command::Command::Value(target, command),
    };
    usage.call(who, Request::Command(command), read)
}

pub(crate) fn query<T>(
    usage: &Arc<Usage>,
    who: ParticipantId,
    query: Query,
    read: fn(AnyReply) -> Option<T>,
) -> Call<T> {
    let target = usage.object.target();
    let query = match usage.object.kind() {
        Kind::Dict => command::Query::Dict(target, query),
        _ => command::Query::Value(target, query),
    };
    usage.call(who, Request::Query(query), read)
}

fn got(reply: AnyReply) -> Option<Item> {
    if let AnyReply::Value(Reply::Got(item)) = reply { Some(*item) } else { None }
}

pub(crate) fn incremented(reply: AnyReply) -> Option<Item> {
    if let AnyReply::Value(Reply::Incremented(item)) = reply { Some(*item) } else { None }
}

pub(crate) fn watched(reply: AnyReply) -> Option<Watched> {
    match reply {
        AnyReply::Value(Reply::Watched { changed, item }) => Some(Watched { changed, item: *item }),
        _ => None,
    }
}

pub(crate) fn cleared(reply: AnyReply) -> Option<u64> {
    if let AnyReply::Value(Reply::Cleared(count)) = reply { Some(count) } else { None }
}

pub(crate) fn figures(reply: AnyReply) -> Option<Figures> {
    if let AnyReply::Value(Reply::Described(figures)) = reply { Some(*figures) } else { None }
}

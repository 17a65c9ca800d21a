//! Shared lists: items by index, with one version for the whole.

use std::sync::Arc;

use bridge_core::command::list::{Command, Query};
use bridge_core::command::value::Reply;
use bridge_core::command::{self, Request};
use bridge_core::ids::{ParticipantId, Token};
use bridge_core::{Error, Reply as AnyReply, Timeout};

pub use bridge_core::command::list::{Page, Splice, Spliced};

use crate::bridge::Bridge;
use crate::call::Call;
use crate::object::Declaration;
use crate::usage::{Usage, handle};
use crate::value::{self, Datum, Figures, Item, Options, Version, Watched};

/// A list. Cheap to clone; stays usable when the session is replaced. A negative index counts from the end.
#[derive(Clone)]
pub struct List {
    pub(crate) usage: Arc<Usage>,
}

impl Bridge {
    /// The list of that name, as [`Bridge::queue`].
    pub fn list(&self, name: Option<&str>, options: Options) -> Result<List, Error> {
        Ok(List { usage: self.make(name, Declaration::List(options))? })
    }

    /// The list that another process has shared, as [`Bridge::attach_queue`].
    pub fn attach_list(&self, name: &str, anonymous: bool, options: Options) -> Result<List, Error> {
        Ok(List { usage: self.attach(name, anonymous, Declaration::List(options))? })
    }
}

handle!(List);

impl List {
    /// The item at `index`, if there is one.
    pub fn get(&self, who: ParticipantId, index: i64) -> Call<Option<Datum>> {
        self.query(who, Query::Read { start: index, page_size: 1, exact: true }, |reply| {
            read(reply).map(|mut page| page.items.pop())
        })
    }

    /// Items from `start` on, at most a page.
    pub fn read(&self, who: ParticipantId, start: i64, page_size: u32) -> Call<Page> {
        self.query(who, Query::Read { start, page_size, exact: false }, read)
    }

    /// Adds an item at the end.
    pub fn append(&self, who: ParticipantId, datum: impl Into<Datum>) -> Call<Spliced> {
        self.splice(who, Splice { items: vec![datum.into()], ..Splice::default() })
    }

    /// Adds items at the end, all or none.
    pub fn extend(&self, who: ParticipantId, items: Vec<Datum>) -> Call<Spliced> {
        self.splice(who, Splice { items, ..Splice::default() })
    }

    /// Adds an item before that at `index`; beyond the list at its end.
    pub fn insert(&self, who: ParticipantId, index: i64, datum: impl Into<Datum>) -> Call<Spliced> {
        self.splice(who, Splice { start: Some(index), items: vec![datum.into()], ..Splice::default() })
    }

    /// Replaces the item at `index`; not done where there is none.
    pub fn set(&self, who: ParticipantId, index: i64, datum: impl Into<Datum>) -> Call<Spliced> {
        let items = vec![datum.into()];
        self.splice(who, Splice { start: Some(index), remove: 1, items, exact: true, ..Splice::default() })
    }

    /// Takes the item at `index` out of the list, if there is one.
    pub fn pop(&self, who: ParticipantId, index: i64) -> Call<Option<Datum>> {
        let splice =
            Splice { start: Some(index), remove: 1, exact: true, returning: true, ..Splice::default() };
        self.command(who, Command::Splice(Box::new(splice)), |reply| {
            spliced(reply).map(|mut spliced| spliced.removed.pop())
        })
    }

    /// Replaces a part of the list by other items. `FENCED`.
    pub fn splice(&self, who: ParticipantId, splice: Splice) -> Call<Spliced> {
        self.command(who, Command::Splice(Box::new(splice)), spliced)
    }

    /// Adds to the item at `index` in one step. The answer has the sum. `INVALID_ARGUMENT` where there is no number,
    /// or the sum of two integers does not fit into 64 bits. `FENCED`.
    pub fn increment(
        &self,
        who: ParticipantId,
        index: i64,
        by: impl Into<Datum>,
        fence: Option<Token>,
    ) -> Call<Item> {
        self.command(who, Command::Increment { index, by: by.into(), fence }, value::incremented)
    }

    /// Deletes all items, and says how many there were. `FENCED`.
    pub fn clear(&self, who: ParticipantId, fence: Option<Token>) -> Call<u64> {
        self.command(who, Command::Clear { fence }, value::cleared)
    }

    /// Waits for a change newer than `after`.
    pub fn watch(&self, who: ParticipantId, after: Version, timeout: Timeout) -> Call<Watched> {
        self.command(who, Command::Watch { after, timeout }, value::watched)
    }

    /// Its figures now, its length among them.
    pub fn describe(&self, who: ParticipantId) -> Call<Figures> {
        self.query(who, Query::Describe, value::figures)
    }

    fn query<T>(&self, who: ParticipantId, query: Query, read: fn(AnyReply) -> Option<T>) -> Call<T> {
        let request = Request::Query(command::Query::List(self.usage.object.target(), query));
        self.usage.call(who, request, read)
    }

    fn command<T>(&self, who: ParticipantId, command: Command, read: fn(AnyReply) -> Option<T>) -> Call<T> {
        let request = Request::Command(command::Command::List(self.usage.object.target(), command));
        self.usage.call(who, request, read)
    }
}

fn read(reply: AnyReply) -> Option<Page> {
    if let AnyReply::Value(Reply::Read(page)) = reply { Some(*page) } else { None }
}

fn spliced(reply: AnyReply) -> Option<Spliced> {
    if let AnyReply::Value(Reply::Spliced(spliced)) = reply { Some(*spliced) } else { None }
}

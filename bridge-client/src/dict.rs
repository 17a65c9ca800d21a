//! Shared dicts: entries by key.

use std::sync::Arc;

use bridge_core::command::value::{Command, Query, Reply};
use bridge_core::ids::{ParticipantId, Token};
use bridge_core::{Error, Reply as AnyReply, Timeout};

pub use bridge_core::command::value::{Entry as Listed, Page};

use crate::bridge::Bridge;
use crate::call::Call;
use crate::key::Key;
use crate::object::Declaration;
use crate::usage::{Usage, handle};
use crate::value::{self, Entry, Figures, Options, Version, Watched};

/// A dict. Cheap to clone; stays usable when the session is replaced.
#[derive(Clone)]
pub struct Dict {
    pub(crate) usage: Arc<Usage>,
}

impl Bridge {
    /// The dict of that name, as [`Bridge::queue`].
    pub fn dict(&self, name: Option<&str>, options: Options) -> Result<Dict, Error> {
        Ok(Dict { usage: self.make(name, Declaration::Dict(options))? })
    }

    /// The dict that another process has shared, as [`Bridge::attach_queue`].
    pub fn attach_dict(&self, name: &str, anonymous: bool, options: Options) -> Result<Dict, Error> {
        Ok(Dict { usage: self.attach(name, anonymous, Declaration::Dict(options))? })
    }
}

handle!(Dict);

impl Dict {
    /// The entry of that key, which need not be there.
    pub fn entry(&self, key: impl Into<Key>) -> Entry {
        Entry { usage: self.usage.clone(), key: key.into().as_encoded().clone() }
    }

    /// A page of its entries in the order of their keys, from the one after `after`.
    pub fn items(
        &self,
        who: ParticipantId,
        page_size: u32,
        after: Option<&Key>,
        keys_only: bool,
    ) -> Call<Page> {
        let after = after.map(|key| key.as_encoded().clone());
        value::query(&self.usage, who, Query::Items { page_size, after, keys_only }, |reply| match reply {
            AnyReply::Value(Reply::Items(page)) => Some(*page),
            _ => None,
        })
    }

    /// Deletes all entries, and says how many there were. `FENCED`.
    pub fn clear(&self, who: ParticipantId, fence: Option<Token>) -> Call<u64> {
        value::send(&self.usage, who, Command::Clear { fence }, value::cleared)
    }

    /// Waits for a change of any entry newer than `after`.
    pub fn watch(&self, who: ParticipantId, after: Version, timeout: Timeout) -> Call<Watched> {
        value::send(&self.usage, who, Command::Watch { key: None, after, timeout }, value::watched)
    }

    /// Its figures now, its length among them.
    pub fn describe(&self, who: ParticipantId) -> Call<Figures> {
        value::query(&self.usage, who, Query::Describe, value::figures)
    }
}

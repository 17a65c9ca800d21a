//! Topics: what is published is put into every queue that is bound for its key.

use std::sync::Arc;

use bridge_core::command::queue::NewItem;
use bridge_core::command::topic::{Command, Publish, Query, Reply};
use bridge_core::command::{self, Request};
use bridge_core::ids::ParticipantId;
use bridge_core::{Error, Reply as AnyReply};

pub use bridge_core::command::topic::{Binding, Figures, Options, Reached};

use crate::Queue;
use crate::bridge::Bridge;
use crate::call::Call;
use crate::object::Declaration;
use crate::usage::{Usage, handle};

/// A topic. Cheap to clone; stays usable when the session is replaced.
#[derive(Clone)]
pub struct Topic {
    usage: Arc<Usage>,
}

/// A page of bindings.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The bindings.
    pub bindings: Vec<Binding>,
    /// There are more after the last one.
    pub more: bool,
}

impl Bridge {
    /// The topic of that name, as [`Bridge::queue`].
    pub fn topic(&self, name: Option<&str>, options: Options) -> Result<Topic, Error> {
        Ok(Topic { usage: self.make(name, Declaration::Topic(options))? })
    }

    /// The topic that another process has shared, as [`Bridge::attach_queue`].
    pub fn attach_topic(&self, name: &str, anonymous: bool, options: Options) -> Result<Topic, Error> {
        Ok(Topic { usage: self.attach(name, anonymous, Declaration::Topic(options))? })
    }
}

handle!(Topic);

impl Topic {
    /// From now on the queue gets what is published with a key that the pattern means: each `*` stands for any number of
    /// characters. False if it was bound so before. It is bound for as long as it exists. `CROSS_NAMESPACE`.
    pub fn bind(&self, who: ParticipantId, queue: &Queue, pattern: &str) -> Call<bool> {
        let read: fn(AnyReply) -> Option<bool> = |reply| match reply {
            AnyReply::Topic(Reply::Bound(is_new)) => Some(is_new),
            _ => None,
        };
        match self.usage.name_beside(&queue.usage) {
            Ok(queue) => self.command(who, Command::Bind { queue, pattern: pattern.to_owned() }, read),
            Err(error) => Call::failed(self.usage.clone().into(), error, read),
        }
    }

    /// From now on it does not, unless it is bound by another pattern too. False if it was not bound so. `CROSS_NAMESPACE`.
    pub fn unbind(&self, who: ParticipantId, queue: &Queue, pattern: &str) -> Call<bool> {
        let read: fn(AnyReply) -> Option<bool> = |reply| match reply {
            AnyReply::Topic(Reply::Unbound(was_bound)) => Some(was_bound),
            _ => None,
        };
        if let Err(error) = self.usage.name_beside(&queue.usage) {
            return Call::failed(self.usage.clone().into(), error, read);
        }
        let (queue, pattern) = (queue.usage.object.name().clone(), pattern.to_owned());
        self.command(who, Command::Unbind { queue, pattern }, read)
    }

    /// Puts the item into every queue that is bound for its key, in one step, or into none; says which those are. It never
    /// waits. `FULL`, with detail `queue`.
    pub fn publish(&self, who: ParticipantId, key: &str, item: NewItem) -> Call<Vec<Reached>> {
        let publish = Command::Publish(Box::new(Publish { key: key.to_owned(), item }));
        self.command(who, publish, |reply| match reply {
            AnyReply::Topic(Reply::Published(reached)) => Some(reached),
            _ => None,
        })
    }

    /// Its figures now.
    pub fn describe(&self, who: ParticipantId) -> Call<Figures> {
        self.query(who, Query::Describe, |reply| match reply {
            AnyReply::Topic(Reply::Described(figures)) => Some(figures),
            _ => None,
        })
    }

    /// A page of its bindings, from the one after `after`: those without a `*` first, then by pattern and queue.
    pub fn bindings(&self, who: ParticipantId, page_size: u32, after: Option<Binding>) -> Call<Page> {
        self.query(who, Query::ListBindings { page_size, after }, |reply| match reply {
            AnyReply::Topic(Reply::Bindings { bindings, more }) => Some(Page { bindings, more }),
            _ => None,
        })
    }

    fn command<T>(&self, who: ParticipantId, command: Command, read: fn(AnyReply) -> Option<T>) -> Call<T> {
        let request = Request::Command(command::Command::Topic(self.usage.object.target(), command));
        self.usage.call(who, request, read)
    }

    fn query<T>(&self, who: ParticipantId, query: Query, read: fn(AnyReply) -> Option<T>) -> Call<T> {
        let request = Request::Query(command::Query::Topic(self.usage.object.target(), query));
        self.usage.call(who, request, read)
    }
}

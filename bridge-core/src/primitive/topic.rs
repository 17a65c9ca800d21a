//! Topic: which queues get what is published, by its key. The engine puts it there.
//!
//! A binding lives as long as its queue: one whose queue is gone is nowhere to be seen, and is forgotten when it is in the way.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::command::Reply as AnyReply;
use crate::command::topic::{Binding, Figures, Options, Query, Reply};
use crate::error::Error;
use crate::ids::{Handle, Name};
use crate::mutant::Mutant;
use crate::primitive::{Primitive, Standing, check_option};
use crate::world::World;

/// Who is bound, by pattern and queue.
type Bindings = BTreeMap<Arc<str>, BTreeMap<Name, Handle>>;

/// The state of a topic.
#[derive(Debug, Default, Hash)]
pub(crate) struct Topic {
    declared: Options,
    exact: Bindings,
    /// Those whose pattern has a `*`.
    wild: Bindings,
    /// How many there are.
    count: usize,
}

impl Topic {
    pub(crate) fn declare(&mut self, me: Handle, asked: Options) -> Result<Reply, Error> {
        check_option("ephemeral", &self.declared.ephemeral, &asked.ephemeral, bool::to_string)?;
        self.declared.ephemeral = self.declared.ephemeral.or(asked.ephemeral);
        Ok(Reply::Declared { handle: me, options: self.options() })
    }

    fn options(&self) -> Options {
        Options { ephemeral: Some(self.is_ephemeral()) }
    }

    /// No more can be bound.
    pub(crate) fn is_full(&self, world: &World) -> bool {
        self.count >= world.limits.topic_bindings_max as usize
    }

    pub(crate) fn is_bound(&self, pattern: &str, queue: &Name) -> bool {
        let side = if is_wild(pattern) { &self.wild } else { &self.exact };
        side.get(pattern).is_some_and(|queues| queues.contains_key(queue))
    }

    /// The queues that are bound.
    pub(crate) fn queues(&self) -> impl Iterator<Item = Handle> {
        self.exact.values().chain(self.wild.values()).flat_map(BTreeMap::values).copied()
    }

    fn side(&mut self, pattern: &str) -> &mut Bindings {
        if is_wild(pattern) { &mut self.wild } else { &mut self.exact }
    }

    /// Whether that is new.
    pub(crate) fn bind(&mut self, pattern: &str, queue: Name, handle: Handle) -> bool {
        let former = self.side(pattern).entry(pattern.into()).or_default().insert(queue, handle);
        self.count += usize::from(former.is_none());
        former != Some(handle)
    }

    /// The queue that was bound so.
    pub(crate) fn unbind(&mut self, pattern: &str, queue: &Name) -> Option<Handle> {
        let side = self.side(pattern);
        let queues = side.get_mut(pattern)?;
        if Mutant::UnboundGetsMore.is_on() {
            return queues.get(queue).copied();
        }
        let handle = queues.remove(queue)?;
        if queues.is_empty() {
            side.remove(pattern);
        }
        self.count -= 1;
        Some(handle)
    }

    /// Forgets the bindings of such queues.
    pub(crate) fn forget(&mut self, is_one: impl Fn(Handle) -> bool) {
        for side in [&mut self.exact, &mut self.wild] {
            side.retain(|_, queues| {
                queues.retain(|_, queue| !is_one(*queue));
                !queues.is_empty()
            });
        }
        self.count = self.exact.values().chain(self.wild.values()).map(BTreeMap::len).sum();
    }

    /// The queues that are bound for the key, each once.
    pub(crate) fn bound_for(&self, key: &str) -> BTreeMap<Handle, Name> {
        let means = |pattern: &str| matches(pattern, key) && !Mutant::PatternIgnored.is_on();
        let wild = self.wild.iter().filter(|(pattern, _)| means(pattern)).map(|(_, queues)| queues);
        let bound = wild.chain(self.exact.get(key)).flatten();
        bound.map(|(name, queue)| (*queue, name.clone())).collect()
    }

    /// Those without a `*` first, then by pattern and queue, from the one after the last.
    fn bindings_after(&self, last: Option<&Binding>) -> impl Iterator<Item = (Binding, Handle)> {
        let last_is_wild = last.is_some_and(|last| is_wild(&last.pattern));
        let exact = self.exact.iter().filter(move |_| !last_is_wild).map(|entry| (false, entry));
        let all = exact.chain(self.wild.iter().map(|entry| (true, entry)));
        let bindings = all.flat_map(|(wild, (pattern, queues))| {
            let binding = |queue: &Name| Binding { pattern: pattern.to_string(), queue: queue.clone() };
            queues.iter().map(move |(queue, handle)| (wild, binding(queue), *handle))
        });
        let is_after = move |wild: bool, binding: &Binding| {
            last.is_none_or(|last| (wild, binding) > (last_is_wild, last))
        };
        bindings
            .filter(move |(wild, binding, _)| is_after(*wild, binding))
            .map(|(_, binding, queue)| (binding, queue))
    }

    /// Answers a query; `exists` says which queues do.
    pub(crate) fn query(
        &self,
        world: &World,
        query: &Query,
        exists: impl Fn(Handle) -> bool,
    ) -> Result<AnyReply, Error> {
        let reply = match query {
            Query::Describe => {
                let bindings = self.bindings_after(None).filter(|(_, queue)| exists(*queue)).count() as u64;
                Reply::Described(Figures { options: self.options(), bindings })
            }
            Query::ListBindings { page_size: 0, .. } => {
                return Err(Error::invalid("page_size", "page_size is 0; give at least 1"));
            }
            Query::ListBindings { page_size, after } => {
                let bound = self.bindings_after(after.as_ref()).filter(|(_, queue)| exists(*queue));
                let mut listed = bound.map(|(binding, _)| binding);
                let bindings = listed.by_ref().take(world.page(*page_size)).collect();
                Reply::Bindings { bindings, more: listed.next().is_some() }
            }
        };
        Ok(AnyReply::Topic(reply))
    }
}

/// A key or pattern is within the limits.
pub(crate) fn check_key(world: &World, field: &'static str, key: &str) -> Result<(), Error> {
    let (bytes, max) = (key.len(), world.limits.key_bytes_max);
    if bytes > max as usize {
        let message = format!("the {field} has {bytes} bytes; at most {max} are allowed here");
        return Err(Error::limit("key_bytes_max", max.into()).with_message(message));
    }
    Ok(())
}

fn is_wild(pattern: &str) -> bool {
    pattern.contains('*')
}

/// Whether a pattern with `*` means the key. Its first part is where the key begins, its last where it ends, and each between
/// them comes as early as it can: if that fails, nothing later would do.
fn matches(pattern: &str, key: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| key.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

impl Primitive for Topic {
    fn is_ephemeral(&self) -> bool {
        self.declared.ephemeral.unwrap_or(false)
    }

    fn standing(&self) -> Standing {
        Standing { grants: 0, waiting: 0, words: format!("bindings={}", self.count) }
    }

    fn check(&self, _world: &World) {
        let all = || self.exact.iter().chain(&self.wild);
        assert_eq!(self.count, all().map(|(_, queues)| queues.len()).sum::<usize>(), "how many are bound");
        assert!(all().all(|(_, queues)| !queues.is_empty()), "a pattern of nobody");
        let (exact, wild) =
            (self.exact.keys().any(|key| is_wild(key)), self.wild.keys().all(|key| is_wild(key)));
        assert!(!exact && wild, "a pattern is on the wrong side");
    }
}

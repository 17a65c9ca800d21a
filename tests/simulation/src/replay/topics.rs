//! Who is bound to a topic, and so gets what is published: all of them, and nobody else.

use std::collections::{BTreeMap, BTreeSet};

use bridge_core::command::topic::{Command, Reached, Reply};
use bridge_core::ids::{Name, Op, SessionKey, Target};

/// The bindings of the topic, and what was asked of it.
#[derive(Default)]
pub(super) struct Topics {
    bound: BTreeSet<(String, Name)>,
    asked: BTreeMap<(SessionKey, Op), Command>,
    /// What was published to all who were bound, by several patterns at once too.
    pub(super) published: u64,
}

impl Topics {
    pub(super) fn see(&mut self, session: SessionKey, op: Op, command: &Command) {
        self.asked.entry((session, op)).or_insert_with(|| command.clone());
    }

    /// Answers with what reached which queues.
    pub(super) fn answer<'a>(
        &mut self,
        session: SessionKey,
        op: Op,
        reply: &'a Reply,
    ) -> (usize, &'a [Reached]) {
        match (self.asked.remove(&(session, op)), reply) {
            (Some(Command::Bind { queue: Target::Name(queue), pattern }), Reply::Bound(is_new)) => {
                assert_eq!(*is_new, self.bound.insert((pattern, queue)), "bound anew");
            }
            (Some(Command::Unbind { queue, pattern }), Reply::Unbound(was_bound)) => {
                assert_eq!(*was_bound, self.bound.remove(&(pattern, queue)), "was bound");
            }
            (Some(Command::Publish(publish)), Reply::Published(reached)) => {
                let means =
                    |(pattern, _): &&(String, Name)| matches(pattern.as_bytes(), publish.key.as_bytes());
                let bound: BTreeSet<&Name> =
                    self.bound.iter().filter(means).map(|(_, queue)| queue).collect();
                let found: Vec<&Name> = reached.iter().map(|reached| &reached.queue).collect();
                assert_eq!(
                    found.len(),
                    bound.len(),
                    "{:?} reaches {found:?}: {bound:?} are bound",
                    publish.key
                );
                assert!(found.iter().all(|queue| bound.contains(queue)), "{found:?}: {bound:?} are bound");
                self.published += u64::from(!found.is_empty());
                let number = crate::workload::queue::number(&publish.item.payload);
                return (number, reached);
            }
            _ => {}
        }
        (0, &[])
    }
}

/// As the contract says it: each `*` stands for any number of characters.
fn matches(pattern: &[u8], key: &[u8]) -> bool {
    match pattern {
        [] => key.is_empty(),
        [b'*', rest @ ..] => (0..=key.len()).any(|some| matches(rest, &key[some..])),
        [byte, rest @ ..] => key.first() == Some(byte) && matches(rest, &key[1..]),
    }
}

//! Condition: which lock it belongs to. Who waits is the lock's business (`lock/conditions.rs`), so that a step concerns
//! one object.
//!
//! Invariant: once declared, its lock exists and has a room for it.

use crate::command::Reply as AnyReply;
use crate::command::condition::{Figures, Options, Reply};
use crate::error::Error;
use crate::ids::{Handle, Name};
use crate::primitive::{Primitive, Standing, check_option};
use crate::world::World;

/// The state of a condition.
#[derive(Debug, Default, Hash)]
pub(crate) struct Condition {
    declared: Options,
    bound: Option<Bound>,
}

/// What a declared condition knows.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Bound {
    /// The condition itself.
    pub(crate) me: Handle,
    pub(crate) lock: Handle,
    pub(crate) name: Name,
}

impl Condition {
    /// Whether it may be declared so.
    pub(crate) fn check_declaration(&self, lock: &Name, options: &Options) -> Result<(), Error> {
        let declared = self.bound.as_ref().map(|bound| bound.name.clone());
        check_option("lock", &declared, &Some(lock.clone()), Name::to_string)?;
        check_option("ephemeral", &self.declared.ephemeral, &options.ephemeral, bool::to_string)
    }

    pub(crate) fn declare(&mut self, bound: Bound, options: &Options) -> AnyReply {
        self.declared.ephemeral = self.declared.ephemeral.or(options.ephemeral);
        let reply = Reply::Declared { handle: bound.me, options: self.options() };
        self.bound = Some(bound);
        AnyReply::Condition(reply)
    }

    fn options(&self) -> Options {
        Options { ephemeral: Some(self.is_ephemeral()) }
    }

    pub(crate) fn bound(&self) -> Option<&Bound> {
        self.bound.as_ref()
    }

    /// What is known of it, with `waiting` in its room.
    pub(crate) fn described(&self, waiting: usize) -> AnyReply {
        let lock = self.bound.as_ref().map(|bound| bound.name.clone());
        AnyReply::Condition(Reply::Described(Figures {
            options: self.options(),
            lock,
            waiting: waiting as u64,
        }))
    }
}

impl Primitive for Condition {
    fn is_ephemeral(&self) -> bool {
        self.declared.ephemeral.unwrap_or(false)
    }

    fn standing(&self) -> Standing {
        let words = self.bound.as_ref().map_or_else(String::new, |bound| format!("lock={}", bound.name));
        Standing { grants: 0, waiting: 0, words }
    }

    fn check(&self, _world: &World) {
        assert!(self.bound.is_some(), "a condition without a lock");
    }
}

//! What can be done to several queues at once.

use crate::command::queue::Command;
use crate::ids::Target;

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The queue that it is for.
    pub queue: Target,
    /// A put, whose timeout is not read, an ack, nack or reject; nothing else goes in a transaction.
    pub command: Command,
}

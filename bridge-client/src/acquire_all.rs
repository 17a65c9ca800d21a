//! Acquiring several things at once, all or none.

use bridge_core::command::acquire_all::AcquireAll;
use bridge_core::command::{Command, Request};
use bridge_core::ids::ParticipantId;
use bridge_core::{Reply, Timeout};

use crate::bridge::Bridge;
use crate::call::Call;
use crate::select::{Branch, Got, got};

impl Bridge {
    /// Acquires all of these locks and permits in one step, and holds none of them while it waits: [`Lock::to_acquire`],
    /// [`RwLock::to_acquire`], [`Semaphore::to_acquire`]. Others pass it until it has waited longest in every line, or for a
    /// second; then they wait for it, unless it waits for them. Answers with what each was granted, in order; they are released
    /// one by one. `TIMED_OUT`; the error of a part, whose detail `part` says which; `CROSS_NAMESPACE`.
    ///
    /// [`Lock::to_acquire`]: crate::Lock::to_acquire
    /// [`RwLock::to_acquire`]: crate::RwLock::to_acquire
    /// [`Semaphore::to_acquire`]: crate::Semaphore::to_acquire
    pub fn acquire_all(
        &self,
        who: ParticipantId,
        parts: impl IntoIterator<Item = Branch>,
        timeout: Timeout,
    ) -> Call<Vec<Got>> {
        let (usages, parts): (Vec<_>, Vec<_>) = parts.into_iter().map(Branch::into_parts).unzip();
        let request = Request::Command(Command::AcquireAll(Box::new(AcquireAll { parts, timeout })));
        self.several(who, "parts", usages, request, |reply| match reply {
            Reply::AcquiredAll(replies) => replies.into_iter().map(got).collect(),
            _ => None,
        })
    }
}

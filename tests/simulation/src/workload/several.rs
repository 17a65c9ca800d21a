//! What calls about several things have in common: each thing is what a task of some workload would wait for, and its
//! ledger is told how that ended as if it had been called alone.

use std::sync::Arc;

use bridge_client::session::Object;
use bridge_core::command::{Command, rwlock};
use bridge_core::ids::Kind;
use bridge_core::{Error, Reason, Reply, Request};

use super::{Activity, End, Moment, Next, Workload};

/// A branch, or a part: what is asked for, and whose it is.
pub(super) struct Asked {
    pub(super) activity: Box<dyn Activity>,
    pub(super) object: Arc<Object>,
    pub(super) command: Command,
}

impl Asked {
    /// The activity's first call.
    pub(super) fn new(mut activity: Box<dyn Activity>, moment: &mut Moment<'_>) -> Self {
        match activity.next(moment) {
            Next::Call(object, Request::Command(command)) => Asked { activity, object, command },
            _ => panic!("{} waits for nothing", activity.describe()),
        }
    }

    /// It is asked for no more, or never was.
    pub(super) fn withdraw(mut self, moment: &mut Moment<'_>) {
        let error = Error::new(Reason::Cancelled, "it was not granted");
        self.activity.ended(moment, End::Outcome(Err(error)));
    }

    /// Whether it fits to what was asked.
    pub(super) fn check(&self, reply: &Reply) {
        let kind = match reply {
            Reply::Queue(_) => Kind::Queue,
            Reply::Event(_) => Kind::Event,
            Reply::Semaphore(_) => Kind::Semaphore,
            Reply::Lock(_) => Kind::Lock,
            Reply::RwLock(_) => Kind::RwLock,
            Reply::Latch(_) => Kind::Latch,
            _ => Kind::Dict,
        };
        let asked = self.command.target().map(|(kind, _)| kind);
        assert_eq!(asked, Some(kind), "{} was granted {reply:?}", self.activity.describe());
    }

    pub(super) fn writes(&self) -> bool {
        matches!(
            &self.command,
            Command::RwLock(_, rwlock::Command::Acquire(acquire)) if acquire.mode == rwlock::Mode::Write
        )
    }
}

/// Up to so many things to wait for, of whatever workloads there are; `owned`: see [`Workload::branch`].
pub(super) fn choose(
    all: &mut [Box<dyn Workload>],
    moment: &mut Moment<'_>,
    count: u64,
    owned: bool,
) -> Vec<Box<dyn Activity>> {
    let mut chosen = Vec::new();
    for _ in 0..count {
        let index = moment.random.index(all.len());
        chosen.extend(all[index].branch(moment, owned));
    }
    chosen
}

/// What next comes of something that is to be given back now.
pub(super) fn give_back(activity: &mut dyn Activity, moment: &mut Moment<'_>) -> Next {
    // Whoever has no new work to do lets go.
    let closing = std::mem::replace(&mut moment.closing, true);
    let next = activity.next(moment);
    moment.closing = closing;
    next
}

//! Releases, acks and sets that nobody waits for, and what is still to be told of them.
//!
//! They ride in the session's next frame. How they ended is told to the next such call on the same object, to a flush,
//! or to the close of the bridge.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bridge_core::ids::{Kind, Name};
use bridge_core::{Error, Reason};

use crate::call::Call;
use crate::fork;
use crate::link::Link;
use crate::mutex::lock;
use crate::object::Object;
use crate::session::take_count;
use crate::unawaited::{self, Calls, Failures, Owner, Waiters};

/// How many may be under way.
const WINDOW: usize = 1_024;

/// Those of one process.
pub(crate) struct Later {
    link: Arc<dyn Link>,
    /// `fork::generation()` of that process.
    generation: u64,
    calls: Calls,
    waiters: Waiters,
    state: Mutex<State>,
    /// Of a process that was forked from it. Nothing of its parent's may be locked there.
    of_child: OnceLock<Arc<Later>>,
}

type Which = (Kind, Name);

#[derive(Default)]
struct State {
    next: u64,
    /// What those under way are about.
    open: BTreeMap<u64, Which>,
    failures: BTreeMap<Which, Failures>,
}

impl Later {
    pub(crate) fn new(link: Arc<dyn Link>) -> Arc<Self> {
        Arc::new(Later {
            link,
            generation: fork::generation(),
            calls: Calls::default(),
            waiters: Waiters::default(),
            state: Mutex::default(),
            of_child: OnceLock::new(),
        })
    }

    /// Those of this process.
    pub(crate) fn here(self: &Arc<Self>) -> &Arc<Self> {
        let mut later = self;
        while later.generation != fork::generation() {
            later = later.of_child.get_or_init(|| Later::new(later.link.clone()));
        }
        later
    }

    pub(crate) fn run(self: &Arc<Self>, object: &Object, call: Call<()>) {
        let number = {
            let mut state = lock(&self.state);
            let number = state.next;
            state.next += 1;
            state.open.insert(number, which(object));
            number
        };
        unawaited::run(self, number, call);
    }

    /// Waits at most for `slice`, or until a signal arrives. True: another one may be started.
    pub(crate) fn wait_for_room(&self, slice: Duration) -> bool {
        self.waiters.wait(&*self.link, slice, || lock(&self.state).open.len() < WINDOW)
    }

    /// Waits at most for `slice`, or until a signal arrives. True: none is under way.
    pub(crate) fn wait_for_all(&self, slice: Duration) -> bool {
        self.waiters.wait(&*self.link, slice, || self.under_way() == 0)
    }

    pub(crate) fn under_way(&self) -> usize {
        lock(&self.state).open.len()
    }

    /// Fails if any on that object did, and has not been told.
    pub(crate) fn told(&self, object: &Object) -> Result<(), Error> {
        let mut state = lock(&self.state);
        if state.failures.is_empty() {
            return Ok(());
        }
        let which = which(object);
        state.failures.remove(&which).and_then(|failures| tell(&which, failures)).map_or(Ok(()), Err)
    }

    /// Fails if any did, and has not been told. Of several objects the first is told in full.
    pub(crate) fn told_all(&self) -> Result<(), Error> {
        let failures = std::mem::take(&mut lock(&self.state).failures);
        let mut failures = failures.into_iter();
        let Some((which, first)) = failures.next() else { return Ok(()) };
        let Some(mut error) = tell(&which, first) else { return Ok(()) };
        for ((kind, name), others) in failures {
            error.message += &format!("; and {} of the {kind} {name}", others.count());
        }
        Err(error)
    }
}

fn which(object: &Object) -> Which {
    (object.kind(), object.name().clone())
}

fn tell((kind, name): &Which, mut failures: Failures) -> Option<Error> {
    failures.take(|count, _| format!("{count} un-awaited calls on the {kind} {name} failed"))
}

impl Owner for Later {
    fn calls(&self) -> &Calls {
        &self.calls
    }

    fn ended(self: &Arc<Self>, number: u64, result: Result<(), Error>) {
        {
            let mut state = lock(&self.state);
            let which = state.open.remove(&number);
            if let (Err(mut error), Some(which)) = (result, which) {
                let count = take_count(&mut error);
                state.failures.entry(which).or_default().note(number, count, error);
            }
        }
        self.waiters.wake(&*self.link);
    }
}

/// How a flush ends that is over before all of them were answered.
pub(crate) fn unanswered(count: usize) -> Error {
    Error::new(
        Reason::Unavailable,
        format!("{count} un-awaited calls were not answered in time; the server may not have them"),
    )
    .with("failed", count.to_string())
}

//! Who uses an object: handles, calls and grants. With the last of them an anonymous object goes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bridge_core::ids::{Kind, Name, ParticipantId, Target};
use bridge_core::{Error, Reason, Reply, Request};

use crate::bridge::Bridge;
use crate::call::{self, Call};
use crate::fork;
use crate::link::{Link, Submission};
use crate::mutex::lock;
use crate::object::Object;

/// What every handle says of itself; it has a `usage`.
macro_rules! handle {
    ($handle:ident) => {
        impl $handle {
            /// Its name.
            pub fn name(&self) -> &str {
                self.usage.object.name().as_str()
            }

            /// Its bridge.
            pub fn bridge(&self) -> &$crate::Bridge {
                &self.usage.bridge
            }

            /// Tells the server that other processes are told of it: when this has ended, it exists and can be attached to by
            /// name, and if it is ephemeral it stays for one TTL when nobody uses it any more.
            pub fn share(&self, who: $crate::ParticipantId) -> $crate::Call<()> {
                self.usage.share(who)
            }
        }
    };
}
pub(crate) use handle;

/// What the clones of a handle, its calls and its grants share.
pub(crate) struct Usage {
    pub(crate) object: Arc<Object>,
    pub(crate) bridge: Bridge,
    /// The session is done with the object when this is dropped.
    goes: bool,
    /// It can be found in the bridge's [`Usages`].
    listed: AtomicBool,
    /// `fork::generation()` of the process that made it; what a forked child inherits is its parent's.
    generation: u64,
}

/// What a call and its grant use, for as long as they are there.
#[derive(Clone)]
pub(crate) enum Uses {
    One(Arc<Usage>),
    Several(Arc<(Bridge, Vec<Arc<Usage>>)>),
}

impl Uses {
    pub(crate) fn several(bridge: &Bridge, usages: Vec<Arc<Usage>>) -> Self {
        Uses::Several(Arc::new((bridge.clone(), usages)))
    }

    pub(crate) fn link(&self) -> &Arc<dyn Link> {
        match self {
            Uses::One(usage) => usage.link(),
            Uses::Several(several) => several.0.link(),
        }
    }
}

impl From<Arc<Usage>> for Uses {
    fn from(usage: Arc<Usage>) -> Self {
        Uses::One(usage)
    }
}

/// The shared anonymous objects that a session uses, so that one which reaches this process once more, by pickle, is
/// used once: a discard is for the whole session.
#[derive(Default)]
pub(crate) struct Usages(Mutex<BTreeMap<(Kind, Name), Weak<Usage>>>);

impl Usages {
    /// The usage of the object that `make` would make.
    pub(crate) fn find_or_list(
        &self,
        kind: Kind,
        name: &Name,
        make: impl FnOnce() -> Arc<Usage>,
    ) -> Arc<Usage> {
        let mut usages = lock(&self.0);
        let known = usages.entry((kind, name.clone())).or_default();
        known.upgrade().unwrap_or_else(|| {
            let usage = make();
            usage.listed.store(true, Ordering::Relaxed);
            *known = Arc::downgrade(&usage);
            usage
        })
    }
}

impl Usage {
    /// `goes`: the session is done with the object when its last handle, call and grant is gone.
    pub(crate) fn new(bridge: Bridge, object: Object, goes: bool) -> Arc<Self> {
        Arc::new(Usage {
            object: Arc::new(object),
            bridge,
            goes,
            listed: AtomicBool::new(false),
            generation: fork::generation(),
        })
    }

    pub(crate) fn link(&self) -> &Arc<dyn Link> {
        self.bridge.link()
    }

    /// Starts a call.
    pub(crate) fn call<T>(
        self: &Arc<Self>,
        who: ParticipantId,
        request: Request,
        read: fn(Reply) -> Option<T>,
    ) -> Call<T> {
        if let Err(error) = self.bridge.check() {
            return Call::failed(self.clone().into(), error, read);
        }
        let gives = call::gives(&request);
        let started = self.link().start(Submission { who, object: self.object.clone(), request });
        Call::new(self.clone().into(), started, gives, read)
    }

    /// Starts the same call so many times; they leave together.
    pub(crate) fn calls<T>(
        self: &Arc<Self>,
        who: ParticipantId,
        request: Request,
        count: usize,
        read: fn(Reply) -> Option<T>,
    ) -> Vec<Call<T>> {
        if let Err(error) = self.bridge.check() {
            return vec![Call::failed(self.clone().into(), error, read)];
        }
        let gives = call::gives(&request);
        let started = self.link().start_many(Submission { who, object: self.object.clone(), request }, count);
        started.into_iter().map(|started| Call::new(self.clone().into(), started, gives, read)).collect()
    }

    /// Starts a call that nobody waits for; tells of earlier ones on this object that failed. Waits only while too many
    /// are under way.
    pub(crate) fn later(self: &Arc<Self>, who: ParticipantId, request: Request) -> Result<(), Error> {
        self.bridge.check()?;
        let later = self.bridge.later();
        while !later.wait_for_room(Duration::from_secs(3600)) {}
        let gives = call::gives(&request);
        let submission = Submission { who, object: self.object.clone(), request };
        if let Some(started) = self.link().start_later(submission) {
            later.run(&self.object, Call::new(self.clone().into(), started, gives, |_| Some(())));
        }
        later.told(&self.object)
    }

    /// Other processes are told of the object: it exists when this has ended, and stays for one TTL when nobody uses it
    /// any more.
    pub(crate) fn share(self: &Arc<Self>, who: ParticipantId) -> Call<()> {
        self.object.mark_shared();
        if self.goes {
            let object = &self.object;
            self.bridge.usages().find_or_list(object.kind(), object.name(), || self.clone());
        }
        self.call(who, self.object.share(), |reply| matches!(reply, Reply::Shared).then_some(()))
    }

    /// How a call on this object names another one, which must exist. `CROSS_NAMESPACE`.
    pub(crate) fn name_beside(&self, other: &Usage) -> Result<Target, Error> {
        let (mine, others) = (self.bridge.place(), other.bridge.place());
        if mine != others {
            let message = format!(
                "{} is in {mine} and {} is in {others}: everything in one call lives in one namespace; use objects of one",
                self.object.name(),
                other.object.name()
            );
            return Err(
                Error::new(Reason::CrossNamespace, message).with("namespaces", format!("{mine} {others}"))
            );
        }
        Ok(Target::Existing(other.object.name().clone()))
    }

    fn discard(&self) {
        if !self.listed.load(Ordering::Relaxed) {
            return self.link().discard(&self.object);
        }
        let mut usages = lock(&self.bridge.usages().0);
        let key = (self.object.kind(), self.object.name().clone());
        // Not if the object has reached this process again meanwhile.
        if usages.get(&key).is_some_and(|listed| std::ptr::eq(listed.as_ptr(), self)) {
            usages.remove(&key);
            self.link().discard(&self.object);
        }
    }
}

impl Drop for Usage {
    fn drop(&mut self) {
        if self.goes && self.generation == fork::generation() {
            self.discard();
        }
    }
}

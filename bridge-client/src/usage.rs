//! Who uses an object: handles, calls and grants. With the last of them an anonymous object goes.

use std::sync::Arc;

use bridge_core::ids::ParticipantId;
use bridge_core::{Reply, Request};

use crate::bridge::Bridge;
use crate::call::{self, Call};
use crate::fork;
use crate::link::{Link, Submission};
use crate::object::Object;

/// What the clones of a handle, its calls and its grants share.
pub(crate) struct Usage {
    pub(crate) object: Arc<Object>,
    pub(crate) bridge: Bridge,
    anonymous: bool,
    /// `fork::generation()` of the process that made it; what a forked child inherits is its parent's.
    generation: u64,
}

impl Usage {
    pub(crate) fn new(bridge: Bridge, object: Object, anonymous: bool) -> Arc<Self> {
        Arc::new(Usage { object: Arc::new(object), bridge, anonymous, generation: fork::generation() })
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
            return Call::failed(self.clone(), error, read);
        }
        let gives = call::gives(&request);
        let started = self.link().start(Submission { who, object: self.object.clone(), request });
        Call::new(self.clone(), started, gives, read)
    }
}

impl Drop for Usage {
    fn drop(&mut self) {
        if self.anonymous && self.generation == fork::generation() {
            self.link().discard(&self.object);
        }
    }
}

//! Objects that travel by reference.
//!
//! The engine may drop one under its lock, on a thread that is attached to the interpreter. Releasing the last reference
//! there would run finalizers, and one that uses a queue would lock the engine twice. So references are set aside, and
//! released at the beginning and the end of calls, when no lock is held.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

static SET_ASIDE: Mutex<Vec<Py<PyAny>>> = Mutex::new(Vec::new());
static ANY: AtomicBool = AtomicBool::new(false);

/// A reference in an item.
pub(super) struct Local(Option<Py<PyAny>>);

impl Local {
    pub(super) fn new(value: &Bound<'_, PyAny>) -> Self {
        Local(Some(value.clone().unbind()))
    }

    /// The reference itself: nothing is left to release.
    pub(super) fn into_object(mut self, py: Python<'_>) -> Option<Bound<'_, PyAny>> {
        self.0.take().map(|object| object.into_bound(py))
    }

    pub(super) fn get<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.0.as_ref().map(|object| object.bind(py).clone())
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            SET_ASIDE.lock().unwrap_or_else(PoisonError::into_inner).push(object);
            ANY.store(true, Ordering::Release);
        }
    }
}

/// Releases what was set aside, as it is created and as it is dropped. Make it the first local of a call, so that it is
/// the last to go.
pub(crate) struct Releasing<'py>(Python<'py>);

impl<'py> Releasing<'py> {
    pub(crate) fn around(py: Python<'py>) -> Self {
        release(py);
        Releasing(py)
    }
}

impl Drop for Releasing<'_> {
    fn drop(&mut self) {
        release(self.0);
    }
}

/// Releases what was set aside when it is dropped: the last field of what may be the last to hold items.
pub(crate) struct ReleasesLast;

impl Drop for ReleasesLast {
    fn drop(&mut self) {
        let _ = Python::try_attach(release);
    }
}

fn release(_attached: Python<'_>) {
    // Nearly always there is nothing, and looking costs less than taking.
    if ANY.load(Ordering::Relaxed) && ANY.swap(false, Ordering::Acquire) {
        let released = std::mem::take(&mut *SET_ASIDE.lock().unwrap_or_else(PoisonError::into_inner));
        drop(released);
    }
}

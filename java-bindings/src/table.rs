//! What Java knows by number.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jni::sys::jlong;
use parking_lot::Mutex;

use crate::errors::Failure;

/// Entries by number. A number is never used twice.
pub(crate) struct Table<T: ?Sized> {
    what: &'static str,
    next: AtomicI64,
    entries: Mutex<HashMap<jlong, Arc<T>>>,
}

impl<T: ?Sized> Table<T> {
    /// An empty table of `what`.
    pub(crate) fn new(what: &'static str) -> Self {
        Table { what, next: AtomicI64::new(1), entries: Mutex::default() }
    }

    /// Adds an entry and gives its number.
    pub(crate) fn add(&self, entry: Arc<T>) -> jlong {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.entries.lock().insert(id, entry);
        id
    }

    /// The entry of that number.
    pub(crate) fn get(&self, id: jlong) -> Result<Arc<T>, Failure> {
        self.entries.lock().get(&id).cloned().ok_or(Failure::Gone(self.what))
    }

    /// Takes the entry out; `None` if it is gone already.
    pub(crate) fn remove(&self, id: jlong) -> Option<Arc<T>> {
        self.entries.lock().remove(&id)
    }
}

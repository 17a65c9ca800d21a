//! Locking with std's mutex. Nothing in this crate is left half-done by a panic, so a poisoned lock is as good as any;
//! and unlike a mutex that parks in a table of its own, std's can be used in a forked child.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

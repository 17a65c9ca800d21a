//! Descriptors that a forked child must not keep.
//!
//! An epoll instance is shared across `fork`, and a socket that stays open in a child hides its parent's death
//! from the server. So every descriptor of a link stands in one table, and the fork handler closes them in the
//! child by number. The objects that own them are leaked there: dropping one finds that it belongs to another
//! generation and does nothing.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, Once};

use crate::fork;
use crate::mutex::lock;

/// Every descriptor that is open now.
static OPEN: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());
/// An open descriptor; closed when dropped, and at once in a forked child.
#[derive(Debug)]
pub(super) struct Descriptor {
    raw: RawFd,
    generation: u64,
}

impl Descriptor {
    /// Makes one while no fork can happen in between.
    pub(super) fn open<E: From<io::Error>>(make: impl FnOnce() -> Result<OwnedFd, E>) -> Result<Self, E> {
        install()?;
        let mut open = lock(&OPEN);
        let raw = make()?.into_raw_fd();
        open.push(raw);
        Ok(Descriptor { raw, generation: fork::generation() })
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: it is open until `self` is dropped. In a forked child it is not, and whoever uses it there
        // (nobody should: see `generation`) gets EBADF or an error of a foreign descriptor.
        unsafe { BorrowedFd::borrow_raw(self.raw) }
    }
}

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.raw
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        let mut open = lock(&OPEN);
        if self.generation != fork::generation() {
            return;
        }
        open.retain(|raw| *raw != self.raw);
        // SAFETY: `open` took it out of an OwnedFd and nobody else closes it in this generation.
        drop(unsafe { OwnedFd::from_raw_fd(self.raw) });
    }
}

thread_local! {
    static HELD: std::cell::RefCell<Option<MutexGuard<'static, Vec<RawFd>>>> =
        const { std::cell::RefCell::new(None) };
}

/// Installs the fork handlers, once.
fn install() -> io::Result<()> {
    static ONCE: Once = Once::new();
    static FAILED: AtomicI32 = AtomicI32::new(0);
    ONCE.call_once(|| {
        // Its handler counts the fork.
        fork::generation();
        // SAFETY: the handlers take one lock, close descriptors and touch atomics; none of them allocates or
        // unwinds in the child.
        let failed = unsafe { libc::pthread_atfork(Some(before_fork), Some(in_parent), Some(in_child)) };
        FAILED.store(failed, Ordering::Release);
    });
    match FAILED.load(Ordering::Acquire) {
        0 => Ok(()),
        failed => Err(io::Error::from_raw_os_error(failed)),
    }
}

extern "C" fn before_fork() {
    let guard = lock(&OPEN);
    let _ = HELD.try_with(|held| *held.borrow_mut() = Some(guard));
}

extern "C" fn in_parent() {
    let _ = HELD.try_with(|held| held.borrow_mut().take());
}

extern "C" fn in_child() {
    let _ = HELD.try_with(|held| {
        if let Some(mut open) = held.borrow_mut().take() {
            for raw in open.drain(..) {
                // SAFETY: it stood in the table, so it is open, and its owner never closes it in this process.
                unsafe { libc::close(raw) };
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_what_is_open() {
        let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
        let (reader, writer) = pipe().unwrap();
        let number = writer.as_raw_fd();
        let writer = Descriptor::open(|| io::Result::Ok(writer)).unwrap();
        assert!(lock(&OPEN).contains(&number));
        drop(writer);
        assert!(!lock(&OPEN).contains(&number));
        let mut byte = [0u8];
        assert_eq!(rustix::io::read(&reader, &mut byte).unwrap(), 0, "the write end is closed");
    }
}

//! What a driving thread sleeps in: an epoll instance with a bell.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};

use super::descriptor::Descriptor;

pub(super) use rustix::event::epoll::EventFlags;

const BELL: u64 = 0;
const SOCKET: u64 = 1;
const TIMER: u64 = 2;

/// An epoll instance. Whoever sleeps in it can be woken with [`ring`](Self::ring).
#[derive(Debug)]
pub(super) struct Poller {
    epoll: Descriptor,
    bell: Descriptor,
}

/// Why a sleep ended; nothing is set where its time was over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Woken {
    /// The socket can be read, or has failed.
    pub(super) readable: bool,
    /// The socket's buffer has room again.
    pub(super) writable: bool,
    /// The timer has fired.
    pub(super) timer: bool,
    /// Somebody rang.
    pub(super) rung: bool,
    /// A signal arrived.
    pub(super) interrupted: bool,
}

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = Descriptor::open(|| io::Result::Ok(epoll::create(epoll::CreateFlags::CLOEXEC)?))?;
        let bell =
            Descriptor::open(|| io::Result::Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))?;
        epoll::add(&epoll, &bell, epoll::EventData::new_u64(BELL), EventFlags::IN)?;
        Ok(Poller { epoll, bell })
    }

    /// Watches a socket.
    pub(super) fn add(&self, socket: impl AsFd, interest: EventFlags) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(SOCKET), interest)?)
    }

    /// Changes for what a socket is watched.
    pub(super) fn modify(&self, socket: impl AsFd, interest: EventFlags) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, socket, epoll::EventData::new_u64(SOCKET), interest)?)
    }

    /// Forgets a socket. A duplicate must be forgotten before it is closed.
    pub(super) fn remove(&self, socket: impl AsFd) {
        // Fails only where it was not there.
        let _ = epoll::delete(&self.epoll, socket);
    }

    /// Watches a timer.
    pub(super) fn add_timer(&self, timer: impl AsFd) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, timer, epoll::EventData::new_u64(TIMER), EventFlags::IN)?)
    }

    /// Ends the current sleep, or the next one.
    pub(super) fn ring(&self) {
        // Fails only where 2^64 - 2 rings are unheard.
        let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
    }

    /// Sleeps until something is ready, somebody rings, a signal arrives or the time is over.
    pub(super) fn wait(&self, at_most: Option<Duration>) -> Woken {
        let at_most = at_most.map(|at_most| {
            const LONGEST: Duration = Duration::from_secs(3600);
            Timespec::try_from(at_most.min(LONGEST)).expect("invariant: an hour fits a timespec")
        });
        let mut events = [const { std::mem::MaybeUninit::uninit() }; 4];
        let mut woken = Woken::default();
        let Ok((events, _)) = epoll::wait(&self.epoll, &mut events[..], at_most.as_ref()) else {
            woken.interrupted = true;
            return woken;
        };
        for event in events {
            let flags = event.flags;
            match event.data.u64() {
                BELL => {
                    woken.rung = true;
                    let _ = rustix::io::read(&self.bell, &mut [0; 8]);
                }
                TIMER => woken.timer = true,
                _ => {
                    woken.writable |= flags.contains(EventFlags::OUT);
                    woken.readable |= flags
                        .intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR | EventFlags::RDHUP);
                }
            }
        }
        woken
    }
}

impl AsFd for Poller {
    /// Readable when a sleep would end at once; for other event loops.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_ends_the_next_sleep_and_only_that() {
        let poller = Poller::new().unwrap();
        poller.ring();
        poller.ring();
        assert_eq!(poller.wait(None), Woken { rung: true, ..Woken::default() });
        assert_eq!(poller.wait(Some(Duration::ZERO)), Woken::default());
    }
}

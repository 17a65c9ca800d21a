//! Watching the processes of this host: one that is gone must not hold anything for a TTL longer.
//!
//! A client says who it is ([`ProcessIdentity`]); where boot id and process namespace are our own and the start
//! time is that of the pid, a pidfd tells when it ends, whatever ended it. For other hosts the TTL decides.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Names a process of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessIdentity {
    /// The host's current boot.
    pub boot_id: String,
    /// The inode of the process's pid namespace.
    pub pid_namespace: u64,
    /// Its id there.
    pub pid: u32,
    /// Its start, in clock ticks since boot, so that a reused pid is not mistaken for it.
    pub start_time_ticks: u64,
}

impl ProcessIdentity {
    /// This process; `None` where the system does not tell.
    pub fn current() -> Option<Self> {
        ProcessIdentity::of(std::process::id())
    }

    /// A process of this process's pid namespace; `None` where there is none, or the system does not tell.
    pub fn of(pid: u32) -> Option<Self> {
        Some(ProcessIdentity {
            boot_id: boot_id()?,
            pid_namespace: pid_namespace()?,
            pid,
            start_time_ticks: start_time_ticks(pid)?,
        })
    }
}

fn boot_id() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}

fn pid_namespace() -> Option<u64> {
    Some(fs::metadata("/proc/self/ns/pid").ok()?.ino())
}

/// Field 22 of /proc/PID/stat; the second field is the program's name in parentheses and may contain anything.
fn start_time_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// What the ticker waits on: ends of processes, and being woken.
pub(crate) struct Watch {
    epoll: OwnedFd,
    wake: OwnedFd,
    next: AtomicU64,
    /// By pid and start time: sessions of one process share a descriptor.
    watched: Mutex<BTreeMap<(u32, u64), Weak<Watched>>>,
}

/// Why a wait of the [`Watch`] ended.
const WOKEN: u64 = 0;

impl Watch {
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &wake, epoll::EventData::new_u64(WOKEN), epoll::EventFlags::IN)?;
        Ok(Arc::new(Watch { epoll, wake, next: AtomicU64::new(WOKEN + 1), watched: Mutex::default() }))
    }

    /// Ends the current wait, or the next one.
    pub(crate) fn wake(&self) {
        // It can only fail by being full, and then it wakes anyway.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// Watches a process of this host; `None` if it is not one, or cannot be watched.
    pub(crate) fn process(self: &Arc<Self>, identity: &ProcessIdentity) -> Option<Arc<Watched>> {
        if boot_id()? != identity.boot_id || pid_namespace()? != identity.pid_namespace {
            return None;
        }
        let process = (identity.pid, identity.start_time_ticks);
        let mut watched = self.watched.lock();
        if let Some(known) = watched.get(&process).and_then(Weak::upgrade) {
            return Some(known);
        }
        let pid = Pid::from_raw(i32::try_from(identity.pid).ok()?)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // After the pidfd: if the start time is right now, it is that process's.
        if start_time_ticks(identity.pid)? != identity.start_time_ticks {
            return None;
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ONESHOT;
        epoll::add(&self.epoll, &pidfd, epoll::EventData::new_u64(id), flags).ok()?;
        let new = Arc::new(Watched { id, process, pidfd, watch: self.clone() });
        watched.insert(process, Arc::downgrade(&new));
        Some(new)
    }

    /// Waits at most `timeout` (for ever if `None`), or until woken; the ids of the processes that ended go to
    /// `ended`.
    pub(crate) fn wait(&self, timeout: Option<Duration>, ended: &mut Vec<u64>) {
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX).min(i64::from(i32::MAX) / 1_000 - 1),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        });
        let mut events = Vec::with_capacity(64);
        // EINTR and the like end a wait early, which does no harm.
        let _ = epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref());
        for event in events {
            match event.data.u64() {
                WOKEN => {
                    let _ = rustix::io::read(&self.wake, &mut [0u8; 8]);
                }
                id => ended.push(id),
            }
        }
    }
}

/// A process that is being watched, until this is dropped.
pub(crate) struct Watched {
    pub(crate) id: u64,
    process: (u32, u64),
    pidfd: OwnedFd,
    watch: Arc<Watch>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Explicitly: a forked child may hold a copy of the descriptor, which would keep it registered.
        let _ = epoll::delete(&self.watch.epoll, self.pidfd.as_fd());
        let mut watched = self.watch.watched.lock();
        // Another may have taken the place between the last use and here.
        if watched.get(&self.process).is_some_and(|known| known.strong_count() == 0) {
            watched.remove(&self.process);
        }
    }
}

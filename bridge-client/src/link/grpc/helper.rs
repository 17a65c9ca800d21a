//! The threads of a connection: one that stands in while nobody waits, and one that dials.
//!
//! Neither ever runs a line of Python or Java, and all signals are blocked in both: they are for the program's own
//! threads.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bridge_core::error::{Error, Reason};

use super::connection::{Connection, Turn};
use super::dial::dial;
use super::wire::Wire;
use crate::mutex::lock;

/// How long one attempt to dial may take.
const DIAL_AT_MOST: Duration = Duration::from_secs(5);

/// The pauses between attempts: doubled up to the longest.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(5);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How long a bridge that was dropped goes on in the background to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// Starts the helper. It ends with the session.
pub(super) fn start(connection: &Arc<Connection>) -> io::Result<()> {
    let connection = connection.clone();
    spawn("syncbridge-help", move || help(&connection))
}

fn help(connection: &Arc<Connection>) {
    loop {
        let woken = connection.helper.wait(None);
        if connection.leaving.load(Ordering::Acquire) {
            // Nobody is left who could be told how it went.
            let _ = connection.close(GOODBYE);
        }
        if connection.is_closed() {
            return;
        }
        if woken.rung {
            redial_if_lost(connection);
        }
        if (woken.readable || woken.writable) && connection.lead.stand_in() {
            connection.turn(Turn { read: true, writable: woken.writable });
            connection.lead.stand_back();
        }
        if woken.timer {
            connection.timer.fired();
            connection.on_time();
        }
        connection.lead.watch();
    }
}

/// Starts dialling if the connection was lost and nobody dials.
pub(super) fn redial_if_lost(connection: &Arc<Connection>) {
    let settled = lock(&connection.wire).is_some() || connection.is_closed();
    let mut redial = lock(&connection.redial.state);
    if settled || redial.running || !redial.wanted {
        return;
    }
    redial.running = true;
    drop(redial);
    let dialling = connection.clone();
    if let Err(error) = spawn("syncbridge-dial", move || redial_until_found(&dialling)) {
        lock(&connection.redial.state).running = false;
        let what = format!("the connection was lost, and no thread can be started to make another: {error}");
        connection.retire(Error::new(Reason::Unavailable, what));
    }
}

fn redial_until_found(connection: &Arc<Connection>) {
    loop {
        let redial = lock(&connection.redial.state);
        let pause = redial.pause;
        let wait = connection.redial.changed.wait_timeout_while(redial, pause, |_| !connection.is_closed());
        let (mut redial, _) = wait.unwrap_or_else(std::sync::PoisonError::into_inner);
        redial.pause = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        drop(redial);
        if connection.is_closed() {
            return;
        }
        match connect_once(connection, DIAL_AT_MOST) {
            Ok(()) => break,
            Err(error) => {
                tracing::debug!(%error, "another attempt follows");
                lock(&connection.desk).lost = Some(error);
            }
        }
    }
    lock(&connection.redial.state).running = false;
    // It may have been lost again while `running` was set.
    connection.helper.ring();
}

/// Dials once and begins to speak. The server's welcome comes later.
pub(super) fn connect_once(connection: &Arc<Connection>, at_most: Duration) -> Result<(), Error> {
    let address = &connection.address;
    let descriptor = dial(address, &connection.shortcut, at_most)?;
    Wire::new(descriptor, address).and_then(|wire| connection.adopt(wire)).map_err(|error| {
        Error::new(Reason::Unavailable, format!("cannot use a socket to {address}: {error}"))
    })
}

/// A thread that no signal reaches, not even before it runs.
pub(super) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let mut all = std::mem::MaybeUninit::uninit();
    let mut before = std::mem::MaybeUninit::uninit();
    // SAFETY: both sets are plain memory that these functions fill; a new thread inherits the mask of this one.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let spawned = std::thread::Builder::new().name(name.to_owned()).stack_size(512 << 10).spawn(run);
    // SAFETY: `before` was filled above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    spawned.map(drop)
}

//! A serving thread looks a little longer before it sleeps: while frames come quickly, the next one is there sooner
//! than a core that has gone to sleep can be woken.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// How long a thread looks for more after it has read something.
const LINGER: Duration = Duration::from_micros(20);

/// It does so only if what it read came this soon after what it had read before.
const BRISK: Duration = Duration::from_micros(100);

/// Where the core was away for so long meanwhile, somebody needs it: who yields to a busy program pays for it. The
/// thread does not linger for a while then.
const AWAY: Duration = Duration::from_micros(250);
const NO_LINGERING: Duration = Duration::from_secs(1);

thread_local! {
    static NOT_BEFORE: Cell<Option<Instant>> = const { Cell::new(None) };
    static LAST: Cell<Option<Instant>> = const { Cell::new(None) };
    static LINGERING: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

/// A connection of this thread has read something.
pub(crate) fn has_read() {
    let now = Instant::now();
    let brisk = LAST.replace(Some(now)).is_some_and(|last| now.duration_since(last) < BRISK);
    let may = || NOT_BEFORE.get().is_none_or(|not_before| not_before <= now);
    if brisk
        && may()
        && let Some(waker) = LINGERING.take()
    {
        waker.wake();
    }
}

/// To be spawned once on the runtime of every serving thread.
pub(crate) async fn linger() {
    loop {
        let mut woken = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut woken, true) {
                return Poll::Ready(());
            }
            LINGERING.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
        loop {
            let seen = LAST.get();
            // Everything that is ready goes first, and the runtime looks at its sockets.
            tokio::task::yield_now().await;
            if LAST.get() != seen {
                continue;
            }
            if seen.is_none_or(|seen| seen.elapsed() >= LINGER) {
                break;
            }
            // A client, or whoever else is to run on this core, goes first.
            let before = Instant::now();
            std::thread::yield_now();
            if before.elapsed() > AWAY {
                NOT_BEFORE.set(Some(Instant::now() + NO_LINGERING));
                break;
            }
        }
    }
}

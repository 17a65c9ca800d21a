//! Where the answer of one call lands, and where its caller waits.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use bridge_core::ids::Op;

use super::Answered;
use crate::mutex::lock;

/// Set while an answer is there.
const READY: u32 = 1;
/// Set while somebody may be parked.
const PARKED: u32 = 2;
/// Added by every poke.
const POKE: u32 = 4;

/// The place of one answer. Filling and waking are two steps: an answer is put under whatever lock orders it, and
/// callers are woken when no lock is held.
///
/// A slot may be emptied again after it was ready (the session was lost, and the call moved to a new one); who was
/// told that it is ready looks and may find nothing.
pub struct Slot {
    /// The futex word: `READY`, `PARKED` and a count of pokes.
    word: AtomicU32,
    cell: Mutex<Cell>,
}

#[derive(Default)]
struct Cell {
    op: u64,
    answer: Option<Answered>,
    waker: Option<Waker>,
    on_ready: Option<Box<dyn FnOnce() + Send>>,
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Slot(op {}, ready {})", self.op().0, self.is_ready())
    }
}

impl Slot {
    /// An empty slot for the call `op`.
    pub fn new(op: Op) -> Arc<Self> {
        Arc::new(Slot { word: AtomicU32::new(0), cell: Mutex::new(Cell { op: op.0, ..Cell::default() }) })
    }

    /// The number under which its call runs at present.
    pub fn op(&self) -> Op {
        Op(lock(&self.cell).op)
    }

    /// The call runs under another number from now on.
    pub(crate) fn renumber(&self, op: Op) {
        lock(&self.cell).op = op.0;
    }

    /// Whether an answer is there.
    pub fn is_ready(&self) -> bool {
        self.word.load(Ordering::Acquire) & READY != 0
    }

    /// Puts the answer without waking anybody: [`Slot::wake`] must follow.
    pub(crate) fn put(&self, answer: Answered) {
        let mut cell = lock(&self.cell);
        cell.answer = Some(answer);
        self.word.fetch_or(READY, Ordering::Release);
    }

    /// Takes the answer out.
    pub(crate) fn take(&self) -> Option<Answered> {
        let mut cell = lock(&self.cell);
        self.word.fetch_and(!READY, Ordering::Relaxed);
        cell.answer.take()
    }

    /// Wakes whoever waits, if the answer is (still) there. Call it without holding any lock.
    pub(crate) fn wake(&self) {
        let (waker, on_ready) = {
            let mut cell = lock(&self.cell);
            if cell.answer.is_none() {
                return;
            }
            (cell.waker.take(), cell.on_ready.take())
        };
        self.unpark();
        if let Some(waker) = waker {
            waker.wake();
        }
        if let Some(on_ready) = on_ready {
            on_ready();
        }
    }

    /// Makes it ready without an answer, and wakes whoever is parked.
    pub(crate) fn signal(&self) {
        self.word.fetch_or(READY, Ordering::Release);
        self.unpark();
    }

    /// Makes a parked thread return from [`Slot::park`], so that it looks around.
    pub(crate) fn poke(&self) {
        self.word.fetch_add(POKE, Ordering::Release);
        self.unpark();
    }

    fn unpark(&self) {
        if self.word.fetch_and(!PARKED, Ordering::AcqRel) & PARKED != 0 {
            futex::wake(&self.word);
        }
    }

    /// What the word says now; taken before looking around and given to [`Slot::park`].
    pub(crate) fn seen(&self) -> u32 {
        self.word.load(Ordering::Acquire)
    }

    /// Parks until something has happened since `seen`, for at most `slice`, or until a signal arrives.
    pub(crate) fn park(&self, seen: u32, slice: Duration) {
        let parked = seen | PARKED;
        if self.word.compare_exchange(seen, parked, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            futex::wait(&self.word, parked, slice);
        }
    }

    /// `f` is called once when the answer is there: at once, if it is.
    pub(crate) fn on_ready(&self, f: Box<dyn FnOnce() + Send>) {
        let mut cell = lock(&self.cell);
        if cell.answer.is_none() {
            cell.on_ready = Some(f);
            return;
        }
        drop(cell);
        f();
    }

    /// `waker` is woken when the answer is there. False: it is there.
    pub(crate) fn set_waker(&self, waker: &Waker) -> bool {
        let mut cell = lock(&self.cell);
        if cell.answer.is_some() {
            return false;
        }
        cell.waker = Some(waker.clone());
        true
    }
}

/// Waiting on a word. Unlike std's `Condvar` it returns when a signal arrives, so that Python's main thread can
/// look at Ctrl-C.
pub(crate) mod futex {
    use std::sync::atomic::AtomicU32;
    use std::time::Duration;

    /// Callers look again after every slice, so none needs to be longer than what every kernel can count.
    const SLICE_MAX: Duration = Duration::from_secs(24 * 3600);

    pub(crate) fn wait(word: &AtomicU32, seen: u32, slice: Duration) {
        use rustix::thread::futex;
        let slice = slice.min(SLICE_MAX);
        let slice =
            futex::Timespec { tv_sec: slice.as_secs() as i64, tv_nsec: i64::from(slice.subsec_nanos()) };
        // Every way to return (woken, the word changed, time over, a signal) means "look again".
        let _ = futex::wait(word, futex::Flags::PRIVATE, seen, Some(&slice));
    }

    pub(crate) fn wake(word: &AtomicU32) {
        use rustix::thread::futex;
        let _ = futex::wake(word, futex::Flags::PRIVATE, u32::MAX >> 1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Instant;

    use bridge_core::Reply;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn answer() -> Answered {
        Answered { op: Op(1), outcome: Ok(Reply::Cancelled(true)), offered: false }
    }

    fn park_until(slot: &Slot, mut done: impl FnMut() -> bool) {
        let started = Instant::now();
        loop {
            let seen = slot.seen();
            if done() {
                return;
            }
            slot.park(seen, LONG);
            assert!(started.elapsed() < LONG, "nobody woke it");
        }
    }

    #[test]
    fn a_parked_thread_is_woken_by_the_answer() {
        for _ in 0..1_000 {
            let slot = Slot::new(Op(1));
            std::thread::scope(|scope| {
                scope.spawn(|| park_until(&slot, || slot.is_ready()));
                slot.put(answer());
                slot.wake();
            });
            assert!(slot.take().is_some() && slot.take().is_none());
        }
    }

    #[test]
    fn a_poke_makes_it_look_around() {
        for _ in 0..1_000 {
            let slot = Slot::new(Op(1));
            let poked = std::sync::atomic::AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| park_until(&slot, || poked.load(Ordering::SeqCst)));
                poked.store(true, Ordering::SeqCst);
                slot.poke();
            });
        }
    }

    #[test]
    fn a_callback_comes_once_and_not_for_an_answer_that_was_taken_back() {
        let slot = Slot::new(Op(1));
        let (sender, calls) = channel();
        slot.on_ready(Box::new(move || sender.send(()).unwrap()));
        slot.put(answer());
        slot.take();
        slot.wake();
        assert!(calls.try_recv().is_err());
        slot.put(answer());
        slot.wake();
        slot.wake();
        assert_eq!(calls.iter().count(), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_signal_ends_a_park() {
        extern "C" fn nothing(_: libc::c_int) {}
        // SAFETY: the handler does nothing, and nobody else in this process uses the signal.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as *const () as usize;
            libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut());
        }
        let slot = Slot::new(Op(1));
        let (sender, thread) = channel();
        std::thread::scope(|scope| {
            let parked = scope.spawn(|| {
                // SAFETY: it has no preconditions.
                sender.send(unsafe { libc::pthread_self() }).unwrap();
                let started = Instant::now();
                slot.park(slot.seen(), LONG);
                started.elapsed()
            });
            let thread = thread.recv().unwrap();
            while !parked.is_finished() {
                // SAFETY: the thread is not joined before this scope ends, so its id is valid.
                unsafe { libc::pthread_kill(thread, libc::SIGUSR2) };
                std::thread::yield_now();
            }
            assert!(parked.join().unwrap() < LONG);
        });
    }
}

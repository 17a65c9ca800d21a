//! A signal ends the slice of the thread that it meets, whether that leads or follows.

use std::os::unix::thread::JoinHandleExt;
use std::sync::Once;
use std::sync::mpsc;
use std::thread;

use super::served::Served;
use super::*;

extern "C" fn nothing(_: libc::c_int) {}

fn handle_the_signal() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler does nothing; without SA_RESTART it interrupts system calls.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as *const () as usize;
            libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut());
        }
    });
}

#[test]
fn a_signal_ends_the_slice_of_leader_and_follower() {
    handle_the_signal();
    let served = Served::start();
    let bridge = connect(&served.unix);
    let queue = unbounded(&bridge, "interrupted");
    let (tell, told) = mpsc::channel();
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (queue, tell) = (queue.clone(), tell.clone());
            thread::spawn(move || {
                let mut call = get(&queue, Timeout::Never);
                assert!(call.wait(Duration::from_secs(60)).is_none());
                tell.send(()).unwrap();
                number(&call.finish().unwrap()[0])
            })
        })
        .collect();
    for thread in &threads {
        // Until it meets the thread in its sleep; before that it has no effect.
        eventually("the slice ends", || {
            // SAFETY: the thread has not been joined.
            unsafe { libc::pthread_kill(thread.as_pthread_t(), libc::SIGUSR1) };
            told.recv_timeout(Duration::from_millis(20)).is_ok()
        });
    }
    put(&queue, 1).unwrap();
    put(&queue, 2).unwrap();
    let mut seen: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, [1, 2]);
}

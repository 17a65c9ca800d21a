//! What a forked child may do with what its parent connected.

use bridge_client::queue::Options;
use bridge_client::{Reason, Timeout};
use syncbridge_tests::conformance::{ME, connect, get, item, put, reason};

/// Runs `child` in a forked child and returns its exit code.
fn fork(child: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child runs only what it is given, which takes no lock that another thread may have held, and leaves
    // by `_exit`.
    match unsafe { libc::fork() } {
        0 => {
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(101);
            // SAFETY: it has no preconditions.
            unsafe { libc::_exit(code) }
        }
        pid => {
            assert!(pid > 0, "fork failed");
            let mut status = 0;
            // SAFETY: `status` is valid, and the child is ours.
            assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
            libc::WEXITSTATUS(status)
        }
    }
}

#[test]
fn a_mem_bridge_stays_with_the_process_that_made_it() {
    let bridge = connect("mem:fork");
    let queue = bridge.queue(Some("q"), Options::default()).unwrap();
    let wait = syncbridge_tests::conformance::parked(&queue);
    let code = fork(|| {
        let refused = queue.put(ME, item("child"), Timeout::NOW);
        let code = i32::from(reason(refused) != Reason::Unavailable);
        drop((wait, queue, bridge));
        let own = connect("mem:fork").queue(Some("q"), Options::default()).unwrap();
        put(&own, "own");
        code + 2 * i32::from(get(&own) != "own")
    });
    assert_eq!(code, 0);
}

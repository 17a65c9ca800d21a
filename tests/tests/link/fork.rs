//! A forked child owns nothing of its parent's, and its handles begin anew.

use std::os::fd::RawFd;
use std::panic::AssertUnwindSafe;
use std::process::Command;

use bridge_client::Reason;

use super::served::Served;
use super::*;

/// Runs `child` in a forked process and says how it exited. It must not panic into the test harness.
fn in_child(child: impl FnOnce() -> Result<(), String>) {
    // SAFETY: the child only runs `child` and leaves by `_exit`.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let code = match std::panic::catch_unwind(AssertUnwindSafe(child)) {
            Ok(Ok(())) => 0,
            Ok(Err(problem)) => {
                eprintln!("in the child: {problem}");
                1
            }
            Err(_) => 2,
        };
        // SAFETY: ends the process without the parent's exit handlers.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: our own child.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    assert_eq!(status, 0, "the child failed");
}

/// Runs an ignored test in a process of its own, where no other thread holds a lock or opens a descriptor.
fn alone(test: &str) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .status()
        .unwrap();
    assert!(status.success());
}

/// The sockets and epoll instances that are open in this process.
fn connections() -> Vec<RawFd> {
    let is_ours = |link: &str| {
        ["socket:", "anon_inode:[event", "anon_inode:[timer"].iter().any(|kind| link.starts_with(kind))
    };
    std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let link = std::fs::read_link(entry.path()).ok()?;
            is_ours(&link.to_string_lossy()).then(|| entry.file_name().to_string_lossy().parse().unwrap())
        })
        .collect()
}

#[test]
fn a_child_begins_anew_and_leaves_its_parent_alone() {
    alone("fork::parent_and_child");
}

#[test]
fn a_child_leaves_what_is_not_acknowledged_to_its_parent() {
    alone("fork::producer_and_child");
}

#[test]
#[ignore = "run by the test above"]
fn parent_and_child() {
    let served = Served::start();
    let before = connections();
    let bridge = connect(&served.unix);
    let queue = unbounded(&bridge, "inherited");
    let never = unbounded(&bridge, "never");
    put(&queue, 1).unwrap();
    let pending = get(&never, seconds(60));
    let mut held = get(&queue, seconds(10));
    let granted = held.wait(Duration::from_secs(5)).unwrap().unwrap();
    put(&queue, 2).unwrap();

    let inherited = (&queue, pending, granted);
    let known = before.clone();
    in_child(move || {
        let (queue, pending, granted) = inherited;
        let open: Vec<_> = connections().into_iter().filter(|one| !known.contains(one)).collect();
        if !open.is_empty() {
            return Err(format!("descriptors {open:?} are open"));
        }
        let taken = get(queue, seconds(10)).finish().map_err(|error| error.to_string())?;
        if number(&taken[0]) != 2 {
            return Err(format!("took {}", number(&taken[0])));
        }
        put(queue, 3).map_err(|error| error.to_string())?;
        match granted.accept() {
            Err(error) if error.reason == Reason::OutcomeUnknown => {}
            other => return Err(format!("the parent's grant: {other:?}")),
        }
        match pending.finish() {
            Err(error) if error.reason == Reason::OutcomeUnknown => {}
            other => return Err(format!("the parent's call: {other:?}")),
        }
        queue.bridge().close(Duration::from_secs(5)).map_err(|error| error.to_string())
    });

    // In the parent the closure was dropped uncalled: its grant went back.
    let mut seen = [
        number(&get(&queue, seconds(10)).finish().unwrap()[0]),
        number(&get(&queue, seconds(10)).finish().unwrap()[0]),
    ];
    seen.sort_unstable();
    assert_eq!(seen, [1, 3]);
    put(&queue, 4).unwrap();
    assert_eq!(number(&get(&queue, seconds(10)).finish().unwrap()[0]), 4);
    bridge.close(Duration::from_secs(5)).unwrap();
    drop((bridge, queue, never, held));
    eventually("nothing is left open", || connections() == before);
}

#[test]
#[ignore = "run by the test above"]
fn producer_and_child() {
    let served = Served::start();
    let bridge = connect(&served.unix);
    let bounded = queue::Options { maxsize: Some(2), ..Default::default() };
    let queue = bridge.queue(Some("bounded"), bounded).unwrap();
    let (kept, moved) = (queue.producer(ME, 16), queue.producer(ME, 16));
    kept.put_many((0..6).map(item)).unwrap();
    eventually("two are in", || kept.undelivered() == 4);
    moved.put_many((10..13).map(item)).unwrap();

    let parents = (&kept, &queue, moved);
    in_child(move || {
        let (kept, queue, moved) = parents;
        let error = kept.put(item(20), seconds(10)).unwrap_err();
        if error.reason != Reason::Unavailable || kept.undelivered() != 0 {
            return Err(format!("the parent's producer: {error}"));
        }
        kept.flush(seconds(10)).unwrap_err();
        drop(moved);
        let flag = queue.bridge().event(Some("flag"), bridge_client::event::Options::default());
        flag.and_then(|flag| flag.set_later(ME)).map_err(|error| error.to_string())?;
        queue.bridge().close(Duration::from_secs(5)).map_err(|error| error.to_string())
    });

    // What the parent moved into the closure was dropped there uncalled, and withdrawn.
    let taken = (0..6).map(|_| number(&get(&queue, seconds(10)).finish().unwrap()[0]));
    assert_eq!(taken.collect::<Vec<_>>(), (0..6).collect::<Vec<_>>());
    kept.close(seconds(10)).unwrap();
    assert!(rest(&queue).is_empty());
    let flag = bridge.event(Some("flag"), bridge_client::event::Options::default()).unwrap();
    assert!(flag.wait(ME, seconds(10), None).finish().unwrap().is_set);
}

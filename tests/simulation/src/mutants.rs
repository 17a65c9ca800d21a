//! The deliberate faults, one after the other: each must be found by some seed.
//!
//! Each is tried in a process of its own, as some of them end in a stack overflow or go on for ever, which is found too.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bridge_core::mutant::{ALL, Mutant, choose, reached};

use crate::run::{Options, run};

/// How long one seed may take, which is hundreds of times what it takes without a fault.
const SEED_TIME_MAX: Duration = Duration::from_secs(20);

/// Tries each fault with up to that many seeds in processes of this program; answers how many were found, of how many.
pub fn hunt(seeds: u64, threads: usize) -> (usize, usize) {
    let program = std::env::current_exe().expect("this program is a file");
    let (next, caught) = (AtomicUsize::new(0), Mutex::new(0));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((mutant, what)) = ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let name = format!("{mutant:?}");
                    let mut child = Command::new(&program);
                    child.args(["--seeds", &seeds.to_string(), "--mutants", &name]);
                    let output = child.output().expect("this program can be started");
                    let said = String::from_utf8_lossy(&output.stdout);
                    let verdict = match (output.status.code(), said.lines().last()) {
                        (Some(_), Some(said)) => said.to_owned(),
                        _ => format!("{name:>26}  caught: {}", output.status),
                    };
                    let found = output.status.code() != Some(1);
                    *caught.lock().expect("invariant: nobody panics with the lock") += usize::from(found);
                    println!("{verdict}{}", if found { String::new() } else { format!(": {what}") });
                }
            });
        }
    });
    (caught.into_inner().expect("invariant: nobody panics with the lock"), ALL.len())
}

/// Tries the fault of that name; false if no seed finds it.
pub fn try_one(name: &str, seeds: u64) -> bool {
    let Some((mutant, _)) = ALL.iter().find(|(mutant, _)| format!("{mutant:?}") == name) else {
        println!("there is no fault {name}");
        return false;
    };
    let mut times = 0;
    for seed in 1..=seeds {
        let (found, reached) = with_fault(*mutant, seed);
        times += reached;
        if let Some(said) = found {
            println!("{name:>26}  caught by seed {seed}: {said}");
            return true;
        }
    }
    println!("{name:>26}  NOT CAUGHT, reached {times} times");
    false
}

/// What the seed says to the fault, if anything, and how often it was reached.
fn with_fault(mutant: Mutant, seed: u64) -> (Option<String>, u64) {
    let (done, watch) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        if watch.recv_timeout(SEED_TIME_MAX) == Err(mpsc::RecvTimeoutError::Timeout) {
            println!("{:>26}  caught by seed {seed}: it goes on for ever", format!("{mutant:?}"));
            std::process::exit(0);
        }
    });
    reached();
    choose(Some(mutant));
    let ran = catch_unwind(AssertUnwindSafe(|| run(seed, Options::default())));
    choose(None);
    drop(done);
    watchdog.join().expect("invariant: it does not panic");
    let said = ran.err().map(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or_default();
        text.lines().take(2).collect::<Vec<_>>().join(" ").chars().take(110).collect()
    });
    (said, reached()[mutant as usize])
}

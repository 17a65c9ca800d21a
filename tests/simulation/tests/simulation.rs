//! What every change must pass. `make test` runs 2,000 seeds besides.

use syncbridge_simulation::reach::Reach;
use syncbridge_simulation::run::{Options, run};

/// Seeds that found something once: each is a regression test for what it found.
const FOUND: &[(u64, &str)] = &[
    (3, "a level of a reentrant lock that its caller had turned away from was kept by a wait that followed"),
    (254, "a session opened by a stream whose welcome was lost was taken for the lost one"),
    (335, "the acknowledgement of a put left before its withdrawal was answered, and the put was done twice"),
    (491, "the same, in another order"),
    (501, "a holder of an earlier life of the server, which has no journal"),
    (92, "a bare release that was never sent became a signal in the next session"),
    (990, "of two bare holders the wrong one was told that his permit was lost"),
    (1, "a consumed signal was taken for a permit that was lost with its session"),
    (
        505,
        "a farewell that came before the welcome did not say that the session was over, and two held one permit",
    ),
    (
        1185,
        "a victim was told of a deadlock though it had nothing: what closed the circle was on offer, and refused",
    ),
    (4819, "of two readers that want to write the second is told so, which is no circle"),
    (
        3191,
        "the heartbeat of a session came back after its end, which was not durable yet, and two held one lock",
    ),
    (
        7801,
        "a wait was not asked again in a second new session, where it came before the declaration of its queue",
    ),
    (1257, "the task of a transaction that gave back, and had no answer, forgot that it might hold it still"),
    (
        2118,
        "a level of a reentrant lock that its caller had turned away from was asked for once more after a wait that followed",
    ),
    (5474, "the ledger of a timer forgot that more had been missed than are made up for"),
    (9649, "the judge mixed up two waits of one participant, one of which it had turned away from"),
];

#[test]
fn seeds_that_found_something_find_nothing_any_more() {
    for (seed, _what) in FOUND {
        run(*seed, Options::default());
    }
}

#[test]
fn the_same_seed_has_the_same_history() {
    for seed in 1..=3 {
        assert_eq!(run(seed, Options::default()), run(seed, Options::default()), "seed {seed}");
    }
}

#[test]
fn nothing_is_lost_invented_or_held_by_two() {
    let mut reach = Reach::default();
    for seed in 10_000..10_025 {
        reach.merge(&run(seed, Options::default()).reach);
    }
    assert_eq!(reach.unknown(), Vec::<&str>::new(), "name it in `reach::EXPECTED`");
}

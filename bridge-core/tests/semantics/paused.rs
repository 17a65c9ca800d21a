//! A session whose client does not read (docs/semantics.md, section 3): what can be given to another passes it.

use std::time::Duration;

use bridge_core::Reason;
use bridge_core::command::{Carrier, Input, Mode, event, semaphore};
use bridge_core::ids::SessionKey;

use crate::support::*;

/// A session that is paused and one that reads.
fn paused_and_other(space: &mut Space) -> (SessionKey, SessionKey) {
    let [who, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    space.input(Input::Pause(who));
    (who, other)
}

#[test]
fn its_waiters_are_passed_over_and_keep_their_places() {
    let mut space = Space::default();
    let [slow, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    let early = space.wait(slow, get("q", FOREVER));
    let late = space.wait(other, get("q", FOREVER));
    space.input(Input::Pause(slow));
    let (_, answers) = space.ask_all(other, put("q", "a", NOW));
    assert_eq!(short(&answers), [(late, "a".to_owned())]);
    space.ask(other, put("q", "b", NOW)).unwrap();
    assert_eq!(space.queue(other, "q").ready, 1);
    assert_eq!(short(&space.answers(Input::Unpause(slow))), [(early, "b".to_owned())]);
}

#[test]
fn its_own_takes_wait_in_line_and_are_served_when_it_reads() {
    let mut space = Space::default();
    let (slow, other) = paused_and_other(&mut space);
    let one_shot = event::Options { auto_reset: Some(true), ..Default::default() };
    space.ask(other, on_event("e", event::Command::Declare(one_shot))).unwrap();
    space.ask(other, put("q", "a", NOW)).unwrap();
    space.ask(other, set("e")).unwrap();
    let waiting = [
        space.wait(slow, get("q", FOREVER)),
        space.wait(slow, acquire("s", 1, FOREVER)),
        space.wait(slow, wait("e", FOREVER)),
    ];
    let answers = short(&space.answers(Input::Unpause(slow)));
    let expected = waiting.into_iter().zip(["a", "acquired", "true"].map(str::to_owned));
    let mut found = answers;
    found.sort();
    assert_eq!(found, expected.collect::<Vec<_>>());
}

#[test]
fn what_must_not_wait_is_not_granted_and_nothing_is_lost() {
    let mut space = Space::default();
    let (slow, other) = paused_and_other(&mut space);
    space.ask(other, put("q", "a", NOW)).unwrap();
    assert_eq!(reason(&space.ask(slow, get("q", NOW))), Reason::Empty);
    assert_eq!(reason(&space.ask(slow, acquire("s", 1, NOW))), Reason::TimedOut);
    let barge = semaphore::Acquire { permits: 1, by_token: false, barge: true, timeout: NOW };
    let barge = on_semaphore("s", semaphore::Command::Acquire(barge));
    assert_eq!(reason(&space.ask(slow, barge)), Reason::TimedOut);
    assert_eq!(space.queue(other, "q").ready, 1);
    assert_eq!(space.semaphore(other, "s").available, 1);
}

#[test]
fn it_can_put_release_ack_and_cancel() {
    let mut space = Space::default();
    let [slow, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    space.ask(other, put("q", "a", NOW)).unwrap();
    let leased = space.take_and_accept(slow, lease("q", NOW));
    space.take_and_accept(slow, acquire("s", 1, NOW)).unwrap();
    let waiting = space.wait(slow, get("none", FOREVER));
    let wanted = space.wait(other, acquire("s", 1, FOREVER));
    space.input(Input::Pause(slow));
    let (released, answers) = space.ask_all(slow, release("s", 1));
    released.unwrap();
    assert_eq!(short(&answers), [(wanted, "acquired".to_owned())]);
    space.ask(slow, ack("q", &[token(&leased)])).unwrap();
    space.ask(slow, put("q", "b", NOW)).unwrap();
    assert_eq!(in_short(&space.cancel(slow, waiting)[0].outcome), "CANCELLED");
    let figures = space.queue(other, "q");
    assert_eq!((figures.ready, figures.leased), (1, 0));
}

#[test]
fn what_settles_everyone_settles_it_too() {
    let mut space = Space::default();
    let [slow, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    let told = space.wait(slow, wait("e", FOREVER));
    let timed = space.wait(slow, get("q", seconds(5)));
    space.input(Input::Pause(slow));
    let (_, answers) = space.ask_all(other, set("e"));
    assert_eq!(short(&answers), [(told, "true".to_owned())]);
    assert_eq!(short(&space.pass(Duration::from_secs(5))), [(timed, "EMPTY".to_owned())]);
    assert!(space.ask(slow, wait("e", NOW)).is_ok(), "an event that is set says so");
}

#[test]
fn a_new_stream_begins_unpaused_and_an_open_unary_call_is_never_passed_over() {
    let mut space = Space::default();
    let (slow, other) = paused_and_other(&mut space);
    space.ask(other, put("q", "a", NOW)).unwrap();
    space.ask(other, put("q", "b", NOW)).unwrap();
    let (unary, answers) = space.call_by(slow, 0, Carrier::Call, get("q", NOW));
    assert_eq!(short(&answers), [(unary, "a".to_owned())]);
    let waiting = space.wait(slow, get("q", FOREVER));
    space.input(Input::Detach(slow));
    assert_eq!(space.answers(Input::Unpause(slow)), [], "there is no stream");
    let answers = space.answers(Input::Attach(slow));
    assert!(short(&answers).contains(&(waiting, "b".to_owned())));
}

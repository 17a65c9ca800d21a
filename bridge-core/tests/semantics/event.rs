//! Semantics 2: Event.

use bridge_core::command::event::{Command, Options};
use bridge_core::command::{Input, Mode, Reply, event};

use crate::support::*;

fn pulse(space: &mut Space, who: bridge_core::ids::SessionKey) {
    let options = Options { auto_reset: Some(true), ephemeral: None };
    space.ask(who, on_event("e", Command::Declare(options))).expect("it is declared");
}

#[test]
fn a_set_wakes_all_and_stays() {
    let mut space = Space::default();
    let [who, away] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    let first = space.wait(who, wait("e", FOREVER));
    let gone = space.wait(away, wait("e", FOREVER));
    space.input(Input::Detach(away));
    let last = space.wait(who, wait("e", seconds(1)));
    let (reply, answers) = space.ask_all(who, set("e"));
    assert_eq!(reply, Ok(Reply::Event(event::Reply::Set { version: 1 })));
    let yes = |op| (op, "true".to_owned());
    assert_eq!(short(&answers), [yes(first), yes(gone), yes(last)], "it settles the detached too");
    assert!(answers.iter().all(|answer| !answer.offered));
    assert_eq!(in_short(&space.ask(who, wait("e", NOW))), "true");
    space.ask(who, on_event("e", Command::Clear)).unwrap();
    assert_eq!(in_short(&space.ask(who, wait("e", NOW))), "false");
    assert_eq!(short(&space.answers(Input::Attach(away))), [yes(gone)]);
}

#[test]
fn a_wait_ends_false_when_its_time_is_over() {
    let mut space = Space::default();
    let who = space.open(Mode::Direct);
    let op = space.wait(who, wait("e", seconds(2)));
    assert_eq!(space.pass_seconds(1), []);
    assert_eq!(short(&space.pass_seconds(1)), [(op, "false".to_owned())]);
}

#[test]
fn no_pulse_is_lost_to_who_waits_after_a_version() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    space.ask(who, set("e")).unwrap();
    space.ask(who, on_event("e", Command::Clear)).unwrap();
    let after = |after| on_event("e", Command::Wait { timeout: NOW, after: Some(after) });
    assert_eq!(in_short(&space.ask(who, after(0))), "true");
    assert_eq!(in_short(&space.ask(who, after(1))), "false");
}

#[test]
fn auto_reset_wakes_one_and_clears() {
    let mut space = Space::default();
    let who = space.open(Mode::Resumable);
    pulse(&mut space, who);
    let ops = [space.wait(who, wait("e", FOREVER)), space.wait(who, wait("e", FOREVER))];
    for op in ops {
        let (_, answers) = space.ask_all(who, set("e"));
        assert_eq!(short(&answers), [(op, "true".to_owned())]);
        assert!(!space.event(who, "e").is_set);
    }
    space.ask(who, set("e")).unwrap();
    assert!(space.event(who, "e").is_set);
    assert_eq!(in_short(&space.take_and_accept(who, wait("e", NOW))), "true");
    assert_eq!(in_short(&space.ask(who, wait("e", NOW))), "false");
}

#[test]
fn a_pulse_that_nobody_took_passes_on_or_sets_again() {
    let mut space = Space::default();
    let [who, other] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    pulse(&mut space, who);
    let first = space.wait(who, wait("e", FOREVER));
    let second = space.wait(other, wait("e", FOREVER));
    space.ask_all(who, set("e")).0.unwrap();
    assert_eq!(short(&space.refuse(who, first)), [(second, "true".to_owned())], "to the next");
    assert_eq!(space.expire(other), []);
    assert!(space.event(who, "e").is_set, "or it is set again");
    let (op, answers) = space.call(who, wait("e", NOW));
    assert!(answers[0].offered);
    space.done(who, op);
    space.expire(who);
    let nobody = space.open(Mode::Sessionless);
    assert!(!space.event(nobody, "e").is_set, "accepted is accepted");
}

#[test]
fn a_detached_waiter_of_an_auto_reset_event_has_its_place() {
    let mut space = Space::default();
    let [away, here] = [space.open(Mode::Resumable), space.open(Mode::Resumable)];
    pulse(&mut space, here);
    let waiting = space.wait(away, wait("e", FOREVER));
    space.input(Input::Detach(away));
    space.ask(here, set("e")).unwrap();
    assert!(space.event(here, "e").is_set);
    assert_eq!(short(&space.answers(Input::Attach(away))), [(waiting, "true".to_owned())]);
    assert!(!space.event(here, "e").is_set);
}
